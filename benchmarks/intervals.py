"""Prediction intervals of labels: how often the next period lies within them, and how wide they are for that.

    python benchmarks/intervals.py drawn [--worlds 200]
    python benchmarks/intervals.py train FOLDER [--worlds 200] [--kinds steady drift+0.5 drift-0.5 weak short]
    python benchmarks/intervals.py again FOLDER [--seeds even]
    python benchmarks/intervals.py season FOLDER [--seeds odd]

``drawn`` draws calibrated probabilities and outcomes without a model: seconds for hundreds of worlds. ``train``
trains a version for each world, all kinds of a seed before the next seed, and keeps in one file of the folder what
thresholds and intervals are made of and the rows that show what came; it continues where it was stopped. ``steady``
and ``drift`` are simulated companies of 2,000 to 4,000 leads that start in some month, and the next period is the
held-out one. The other kinds are those of ``../shared/cases/make_worlds.py`` (where it is absent they are left
out), and the next period is that of ``later/``, as long as is predicted or 90 days. What only the report needs is not
done.
``again`` chooses thresholds, predicts and evaluates from what is kept, without training; ``season`` does so for
several sizes of the season that volumes are expected to have, a constant of `forecast_arrivals`.

Printed for each kind, label (and all of them together) and figure: worlds, the share without an interval ("not
enough history"), the share of the others within, below and above it, and the mean interval score (T. Gneiting and
A. Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102, 2007) beside that of two plain
rivals on the same worlds: the binomial (for a volume, Poisson) interval of the last period, and its figure plus or
minus 1.645 times the standard deviation between periods. Volumes are counted on nights; the rivals have those of the
latest eight weeks, and the relative spread between periods is that of the snapshots that models learn from. For a
capacity also the leads a week that came for each one ordered.
"""

from __future__ import annotations

import argparse
import datetime as dt
import runpy
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from mqlml.commands import choose_thresholds, learn
from mqlml.commands.check import read_data
from mqlml.commands.learn import Trained, train
from mqlml.config import Config, LabelRule, make_config, read_config
from mqlml.errors import LabelPolicyError, MqlmlError
from mqlml.evaluation import LabelRows, ThresholdEvaluation, VolumeRows, evaluate_policy
from mqlml.evaluation.holdout import Evaluated, count_on, evaluate_labels, holdout_weeks
from mqlml.features import build_features
from mqlml.journeys import Journeys
from mqlml.policy import (
    ArrivalForecast,
    GateInputs,
    LabelPolicy,
    ThresholdData,
    add_prediction_intervals,
    choose_policy,
    forecast_arrivals,
    make_threshold_data,
    payoff,
    threshold_data,
)
from mqlml.policy.choose import first_snapshots
from mqlml.progress import Silent
from mqlml.simulate import simulate
from mqlml.times import DAY, to_microseconds
from mqlml.training import TrainingTable, assign_labels, build_nights
from mqlml.types import Floats

MAKER = Path(__file__).resolve().parents[2] / "shared" / "cases" / "make_worlds.py"
COMPANIES = ("steady", "drift+0.5", "drift-0.5")
DAYS = 720
"""Of the history of a simulated company."""
LATER = 90
"""Days that ``later/`` has."""
SEASONS = (0.06, 0.09, 0.12, 0.15, 0.18)
"""Standard deviations over a year of the logarithm of a volume."""
FIGURES = ("precision", "recall", "per_week", "value")
NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
Row = dict[str, Any]
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Scenario:
    """What a drawn history is like: leads a week, weeks, and how the log-odds of all leads drift week by week."""

    name: str
    per_week: float = 60.0
    weeks: int = 78
    memory: float = 0.0
    spread: float = 0.0
    growth: float = 0.0


SCENARIOS = (
    Scenario("steady"),
    Scenario("small: 15 leads a week", per_week=15.0),
    Scenario("weeks differ (sd 0.3, independent)", spread=0.3),
    Scenario("slow drift (sd 0.25, memory 0.95)", spread=0.25, memory=0.95),
    Scenario("random walk (sd 0.05 a week)", spread=0.05, memory=1.0),
    Scenario("volume grows 1% a week", growth=0.01),
)
QUARTER = 13

RULES = {
    "min_precision": LabelRule(policy="min_precision", value=0.25),
    "min_recall": LabelRule(policy="min_recall", value=0.4),
    "capacity": LabelRule(policy="capacity", per_week=5),
    "value": LabelRule(policy="value", gain=1000, cost=150, too_early=50, too_late=100),
}


def draw_drift(rng: np.random.Generator, scenario: Scenario, weeks: int) -> Floats:
    """The log-odds that each week adds: independent, remembered, or a random walk that starts at 0."""
    shocks = rng.normal(size=weeks)
    if scenario.memory == 1.0:
        return scenario.spread * np.cumsum(shocks)
    level = np.empty(weeks)
    level[0] = shocks[0]
    for week in range(1, weeks):
        level[week] = scenario.memory * level[week - 1] + np.sqrt(1 - scenario.memory**2) * shocks[week]
    return scenario.spread * level


def draw_world(rng: np.random.Generator, scenario: Scenario) -> tuple[ThresholdData, ThresholdData]:
    """The quarters of a history after its first half year, and the quarter after it; two snapshots a lead."""
    weeks = scenario.weeks + QUARTER
    volume = scenario.per_week * np.exp(scenario.growth * np.arange(weeks))
    week = np.repeat(np.arange(weeks), rng.poisson(volume))
    n = len(week)
    account = rng.integers(0, max(2, n // 2), n)
    known = rng.normal(0, 1.0, n) + rng.normal(0, 0.5, account.max() + 1)[account]
    hidden = rng.normal(0, 0.6, account.max() + 1)[account]
    label = rng.random(n) < expit(-2.6 + 1.1 * known + hidden + draw_drift(rng, scenario, weeks)[week])
    start = week + rng.random(n)
    # The second snapshot, a week later, knows a little more; a lead that converts mostly still will.
    again = label & (rng.random(n) < 0.8)
    time = np.concatenate([start, start + 1.0])
    raw = np.concatenate([known, known + rng.normal(0, 0.2, n) + 0.3 * again])
    everything = (expit(-2.55 + 1.05 * raw), np.concatenate([label, again]), np.tile(np.arange(n), 2))
    order = np.argsort(time, kind="stable")

    def between(first: float, last: float) -> ThresholdData:
        rows = order[(time[order] >= first) & (time[order] < last)]
        probability, y, lead = (values[rows] for values in everything)
        before = np.zeros(n)
        earlier = order[time[order] < first]
        np.maximum.at(before, everything[2][earlier], everything[0][earlier])
        found = make_threshold_data(
            probability,
            y,
            weeks=last - first,
            lead=lead,
            account=np.tile(account, 2)[rows],
            time=time[rows],
            periods=[(at, at + QUARTER) for at in np.arange(first, last, QUARTER)],
        )
        return replace(found, before=before[lead])

    return between(2 * QUARTER, scenario.weeks), between(scenario.weeks, weeks)


def evaluate_drawn(scenario: Scenario, seed: int) -> list[Row]:
    past, later = draw_world(np.random.default_rng(seed), scenario)
    found = []
    for name, rule in RULES.items():
        rules = {name: rule}
        try:
            policy = choose_policy(past, rules)
        except LabelPolicyError:
            continue  # no threshold meets the rule
        policy = add_prediction_intervals(policy, past, rules, length=float(QUARTER), learned=500.0)
        rows = LabelRows(later.label, later.account, later.lead, float(QUARTER), later.before)
        observed = evaluate_policy(policy, later.probability, rows, random_state=0, n_bootstrap=2)
        found += make_rows(scenario.name, policy, rules, past, None, observed)
    return found


def make_rows(
    kind: str,
    policy: LabelPolicy,
    rules: dict[str, LabelRule],
    past: ThresholdData,
    recent: ThresholdData | None,
    observed: dict[str, ThresholdEvaluation],
) -> list[Row]:
    """One row for each label and figure."""
    found = []
    for outcome in policy.outcomes:
        rule, came = rules[outcome.label], observed[outcome.label]
        rivals = find_rivals(past, recent, outcome.threshold, rule)
        for what in FIGURES:
            estimate = getattr(came, what)
            if estimate is None:
                continue
            interval = outcome.predictions.get(what)
            row: Row = {
                "kind": kind,
                "label": outcome.label,
                "what": what,
                "observed": estimate.value,
                "interval": None if interval is None else [interval.low, interval.high],
                "rivals": rivals.get(what, (None, None)),
            }
            if what == "per_week" and rule.policy == "capacity":
                row["per_ordered"] = estimate.value / (rule.per_week or 1.0)
            found.append(row)
    return found


def find_rivals(
    past: ThresholdData, recent: ThresholdData | None, threshold: float, rule: LabelRule
) -> dict[str, tuple[Interval, Interval]]:
    """For each figure the binomial or Poisson interval of the last period, and its figure with the spread."""
    assert past.time is not None
    share, share_of_leads, selected, converted, rate = [], [], 0, 0.0, []
    meets = np.flatnonzero(past.probability >= threshold)
    newly = meets if past.before is None else meets[past.before[meets] < threshold]
    newly = first_snapshots(past.lead, past.time, newly)
    for start, end in sorted(past.periods):
        rows, first = (
            which[(past.time[which] >= start) & (past.time[which] < end)] for which in (meets, newly)
        )
        selected, converted = len(rows), float(past.label[rows].sum())
        share.append(converted / max(selected, 1))
        share_of_leads.append(float(past.label[first].sum()) / max(len(first), 1))
        rate.append(len(first) / (end - start))
        count, length = float(len(first)), end - start
    rates = np.array(rate)
    if recent is not None:
        new = recent.probability >= threshold
        if recent.before is not None:
            new &= recent.before < threshold
        count, length = len(np.unique(recent.lead[new])) / recent.share, recent.length
        rates = rates * (count / length) / max(float(rates.mean()), 1e-9)
    nightly = count / length
    poisson = (
        float(stats.chi2.ppf(0.05, 2 * max(count, 0.5))) / 2 / length,
        float(stats.chi2.ppf(0.95, 2 * (count + 1))) / 2 / length,
    )
    binomial = None
    if selected:
        exact = stats.binomtest(int(converted), selected).proportion_ci(0.9, method="wilson")
        binomial = (float(exact.low), float(exact.high))
    found = {
        "precision": (binomial, spread(share[-1], share)),
        "per_week": (poisson, spread(nightly, rates)),
    }
    if rule.policy == "value":
        won, lost = payoff(rule, [1, 0])
        ends = None
        if binomial is not None:
            ends = tuple(float(nightly * (lost + end * (won - lost))) for end in binomial)
        worth = lost + np.array(share_of_leads) * (won - lost)
        found["value"] = (ends, spread(float(nightly * worth[-1]), rates * worth))  # type: ignore[assignment]
    return found


def spread(figure: float, figures: Sequence[float] | Floats) -> Interval:
    if len(figures) < 2:
        return None
    wide = 1.645 * float(np.std(figures, ddof=1))
    return figure - wide, figure + wide


@dataclass(frozen=True)
class Later:
    """What came: the snapshots of the next period, and its nights."""

    probability: Floats
    rows: LabelRows
    nights: VolumeRows | None


@dataclass(frozen=True)
class Kept:
    """What thresholds and intervals of one world are made of, and what came."""

    kind: str
    past: ThresholdData
    recent: ThresholdData | None
    arrived: tuple[Any, ...]
    rules: dict[str, LabelRule]
    length: float
    learned: float
    later: Later | None = None
    at_ages: bool = True

    def evaluate(self) -> list[Row]:
        past, recent, later = self.past, self.recent, self.later
        arrivals = forecast_arrivals(*self.arrived)
        if recent is None:
            past = replace(past, arrivals=arrivals)
        else:
            recent = replace(recent, arrivals=arrivals)
        policy = choose_policy(past, self.rules, recent=recent)
        policy = add_prediction_intervals(
            policy,
            past,
            self.rules,
            length=self.length,
            learned=self.learned,
            recent=recent,
            at_ages=self.at_ages,
        )
        assert later is not None
        observed = evaluate_policy(
            policy, later.probability, later.rows, volume=later.nights, random_state=0, n_bootstrap=2
        )
        return make_rows(self.kind, policy, self.rules, past, recent, observed)


class Recorder:
    """Keeps what thresholds are chosen on while a version is trained: of the past, then of the version."""

    def __init__(self, kind: str) -> None:
        self.kind, self.found = kind, list[Kept]()
        self.arrived: tuple[Any, ...] = ()
        self.later: Later | None = None

    def forecast_arrivals(self, *arrived: Any) -> ArrivalForecast:
        self.arrived = arrived
        return forecast_arrivals(*arrived)

    def add_prediction_intervals(
        self, policy: LabelPolicy, past: ThresholdData, rules: Any, **settings: Any
    ) -> LabelPolicy:
        kept = Kept(
            self.kind,
            past,
            settings["recent"],
            self.arrived,
            dict(rules),
            settings["length"],
            settings["learned"],
            at_ages=settings["at_ages"],
        )
        self.found.append(kept)
        return add_prediction_intervals(policy, past, rules, **settings)

    def evaluate_labels(
        self, policy: LabelPolicy, evaluated: Evaluated, table: TrainingTable, gate_inputs: Any, nights: Any
    ) -> Any:
        last = table.holdout.test
        rows = LabelRows(table.label[last], table.group[last], table.lead[last], holdout_weeks(table))
        self.later = Later(evaluated.probability, rows, None if nights is None else count_on(nights))
        return evaluate_labels(policy, evaluated, table, gate_inputs, nights)

    def train(self, config: Config, data: Any) -> Trained:
        """A version without what only the report shows."""
        nothing = {
            name: lambda *_, **__: None
            for name in ("evaluate_importance", "calibrate_accounts", "report_signals")
        }
        with (
            mock.patch.multiple(
                choose_thresholds,
                forecast_arrivals=self.forecast_arrivals,
                add_prediction_intervals=self.add_prediction_intervals,
            ),
            mock.patch.multiple(learn, evaluate_labels=self.evaluate_labels, **nothing),
            mock.patch.multiple(learn, measure_curve=lambda *_, **__: (), find_slices=lambda *_: ()),
        ):
            return train(config, data, now=NOW)


def train_company(kind: str, seed: int) -> Kept | None:
    """The held-out period of a simulated company that starts in some month."""
    rng = np.random.default_rng(seed)
    n, start = round(2000 * 2 ** rng.random()), f"2023-{int(rng.integers(1, 13)):02d}-01"
    drift = float(kind.removeprefix("drift")) if kind != "steady" else 0.0
    company = simulate(n, random_state=seed, drift=drift, days=DAYS, start=start)
    config = make_config(
        {
            "name": "simulated",
            "data": {
                "observed_until": company.observed_until.date().isoformat(),
                "leads": {"path": "leads"},
                "outcomes": {"path": "outcomes"},
            },
            "problem": {"horizon": "60d", "snapshots": {"ages": ["0d", "7d", "30d"]}},
            "windows": ["7d", "30d", "all"],
            "labels": {
                "mql": {"policy": "value", "gain": 1000, "cost": 60, "too_early": 20, "too_late": 100},
                "sql": {"policy": "capacity", "per_week": max(1.0, round(0.1 * n / (DAYS / 7)))},
            },
        },
        folder=Path(),
    )
    recorder = Recorder(kind)
    if recorder.train(config, company.journeys()).bundle is None:
        return None
    return replace(recorder.found[0], later=recorder.later)


def train_world(kind: str, seed: int) -> Kept | None:
    """The weeks after a world's data, by the version that ships."""
    recorder = Recorder(kind)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        runpy.run_path(str(MAKER))["write"](kind, seed, str(folder))
        config = read_config(folder / "mqlml.yml")
        bundle = recorder.train(config, read_data(config, Silent(), now=NOW)).bundle
        if bundle is None:
            return None
        kept = recorder.found[-1]
        leads = pd.concat([pd.read_csv(folder / "leads.csv"), pd.read_csv(folder / "later" / "leads.csv")])
        leads.to_csv(folder / "leads.csv", index=False)
        (folder / "later" / "outcomes.csv").replace(folder / "outcomes.csv")
        begin = config.data.observed_until
        assert begin is not None
        text = (folder / "mqlml.yml").read_text()
        until = begin + dt.timedelta(days=LATER)
        (folder / "mqlml.yml").write_text(text.replace(f"until: {begin.date()}", f"until: {until.date()}"))
        everything = read_data(read_config(folder / "mqlml.yml"), Silent(), now=NOW)
    assert isinstance(everything, Journeys)
    end = begin + min(dt.timedelta(weeks=kept.length), dt.timedelta(days=LATER))
    created = everything.leads["created_at"]
    rows = (created >= begin) & (created < end)
    snapshots = pd.DataFrame({"lead_id": everything.leads["lead_id"], "cutoff_time": created})[rows]
    snapshots = snapshots.reset_index(drop=True)

    def predict(features: pd.DataFrame) -> Floats:
        return np.asarray(bundle.calibrator.predict_proba(bundle.scorer.decision_function(features))[:, 1])

    def label(snapshots: pd.DataFrame) -> Floats:
        return assign_labels(everything, snapshots, config.problem).astype(np.float64)

    nights = build_nights(
        everything, config, bundle.plan, start=to_microseconds(begin), end=to_microseconds(end)
    )
    assert nights is not None
    probability, inside = predict(nights.features), nights.time >= nights.start
    highest = np.zeros(nights.lead.max() + 1)
    np.maximum.at(highest, nights.lead[~inside], probability[~inside])
    volume = VolumeRows(
        probability[inside],
        LabelRows(
            label(nights.snapshots[inside]),
            nights.group[inside],
            nights.lead[inside],
            (nights.end - nights.start) / (7 * DAY) * nights.share,
            highest[nights.lead[inside]],
        ),
        GateInputs(),
    )
    came = LabelRows(label(snapshots), np.arange(len(snapshots)))
    later = Later(predict(build_features(everything, snapshots, bundle.plan)), came, volume)
    return replace(kept, later=later)


def keep(file: Path, kind: str, seed: int) -> None:
    """Keep one world; of one that is refused, nothing."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    begin = time.process_time()
    try:
        found = train_company(kind, seed) if kind in COMPANIES else train_world(kind, seed)
    except MqlmlError as error:
        print(f"{file.stem}: {error}", flush=True)
        found = None
    unfinished = file.with_suffix(".unfinished")
    joblib.dump(found, unfinished, compress=3)
    unfinished.replace(file)
    print(f"{file.stem}: {time.process_time() - begin:.1f} s{' refused' * (found is None)}", flush=True)


def score(low: float, high: float, observed: float) -> float:
    """The interval score at 90%."""
    return (high - low) + 20 * max(low - observed, 0.0) + 20 * max(observed - high, 0.0)


def show(rows: Sequence[Row]) -> Iterator[str]:
    yield "| kind | label | figure | worlds | none | within | below | above | score | binomial | spread |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    frame = pd.DataFrame(rows)
    each = pd.concat([frame, frame.assign(label="all")])
    for (kind, label, what), group in each.groupby(["kind", "label", "what"], sort=False):
        some = [row for row in group.to_dict("records") if row["interval"] is not None]
        cells = [kind, label, what, str(len(group)), f"{1 - len(some) / len(group):.2f}"]
        if some:
            ends = np.array([row["interval"] for row in some])
            observed = np.array([row["observed"] for row in some])
            below, above = observed < ends[:, 0], observed > ends[:, 1]
            cells += [f"{share.mean():.3f}" for share in (~below & ~above, below, above)]
            cells.append(f"{np.mean([score(*row['interval'], row['observed']) for row in some]):.4g}")
            for number in (0, 1):
                rival = [
                    score(*row["rivals"][number], row["observed"])
                    for row in some
                    if row["rivals"][number] is not None
                ]
                cells.append(f"{np.mean(rival):.4g}" if rival else "")
        yield f"| {' | '.join(cells)} |"
    if "per_ordered" in frame:
        for kind, ratios in frame.dropna(subset=["per_ordered"]).groupby("kind", sort=False)["per_ordered"]:
            low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95])
            yield f"{kind}: leads a week for each one ordered: {middle:.2f} ({low:.2f} to {high:.2f})"


def evaluate_kept(files: Sequence[Path]) -> Iterator[Row]:
    for file in files:
        kept: Kept | None = joblib.load(file)
        if kept is not None:
            yield from kept.evaluate()


def compare_seasons(files: Sequence[Path]) -> Iterator[Row]:
    """The volumes only, each kind named with the size of the season."""
    for size in SEASONS:
        with mock.patch.object(threshold_data, "_SEASON", size):
            for row in evaluate_kept(files):
                if row["what"] == "per_week":
                    yield row | {"kind": f"{row['kind']}, season {size}"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["drawn", "train", "again", "season"])
    parser.add_argument("folder", type=Path, nargs="?", help="of what is kept")
    parser.add_argument("--worlds", type=int, default=200, help="of each kind")
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--kinds", nargs="*", default=[*COMPANIES, "weak", "short"])
    parser.add_argument("--seeds", choices=["all", "odd", "even"], default="all", help="that again evaluates")
    chosen = parser.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.worlds)
    if chosen.what == "drawn":
        rows = [row for kind in SCENARIOS for seed in seeds for row in evaluate_drawn(kind, seed)]
        print(*show(rows), sep="\n")
        return
    if chosen.folder is None:
        parser.error("name the FOLDER of what is kept")
    kinds = [kind for kind in chosen.kinds if kind in COMPANIES or MAKER.exists()]
    files = {(kind, seed): chosen.folder / f"{kind}-{seed}.joblib" for seed in seeds for kind in kinds}
    if chosen.what == "train":
        for (kind, seed), file in files.items():
            keep(file, kind, seed)
    parts = {"all": (0, 1), "odd": (1,), "even": (0,)}[chosen.seeds]
    there = [file for (_, seed), file in files.items() if file.exists() and seed % 2 in parts]
    if chosen.what == "season":
        print(*show(list(compare_seasons(there))), sep="\n")
        return
    print(*show(list(evaluate_kept(there))), sep="\n")


if __name__ == "__main__":
    main()
