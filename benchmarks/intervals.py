"""Prediction intervals of labels: how often the next period lies within them, and how wide they are for that.

    python benchmarks/intervals.py drawn [--worlds 200]
    python benchmarks/intervals.py companies FOLDER [--worlds 200] [--days 720] [--drift 0 0.5 -0.5]
    python benchmarks/intervals.py worlds FOLDER [--worlds 200] [--kinds weak short walk odd surge]
    python benchmarks/intervals.py show FOLDER

``drawn`` draws calibrated probabilities and outcomes without a model: seconds for hundreds of worlds. ``companies``
trains on simulated companies; the next period is the held-out one. ``worlds`` trains on those of
``../shared/cases/make_worlds.py`` and takes the 90 days of ``later/`` as the next period, cut to the length that is
predicted; where that file is absent nothing is done. Both keep a file of figures for each company, so that a run can
be continued, and ``show`` prints them.

Printed for each kind, label and figure: worlds, the share without an interval ("not enough history"), the share of
the others within, below and above it, and the mean interval score (T. Gneiting and A. Raftery, "Strictly proper
scoring rules, prediction, and estimation", JASA 102, 2007) beside that of two plain rivals on the same worlds: the
binomial (for a volume, Poisson) interval of the last period, and its figure plus or minus 1.645 times the standard
deviation between periods. For a capacity also the leads a week that came for each one ordered.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import runpy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from mqlml.commands import choose_thresholds
from mqlml.commands.check import read_data
from mqlml.commands.learn import Trained, train
from mqlml.config import Config, LabelRule, make_config, read_config
from mqlml.errors import LabelPolicyError, MqlmlError
from mqlml.evaluation import LabelRows, ThresholdEvaluation, evaluate_policy
from mqlml.features import build_features
from mqlml.policy import (
    LabelPolicy,
    ThresholdData,
    add_prediction_intervals,
    choose_policy,
    make_threshold_data,
    payoff,
)
from mqlml.progress import Silent
from mqlml.simulate import simulate
from mqlml.types import Floats

MAKER = Path(__file__).resolve().parents[2] / "shared" / "cases" / "make_worlds.py"
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
        return make_threshold_data(
            probability,
            y,
            weeks=last - first,
            lead=lead,
            account=np.tile(account, 2)[rows],
            time=time[rows],
            periods=[(at, at + QUARTER) for at in np.arange(first, last, QUARTER)],
        )

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
        rows = LabelRows(later.label, clusters=later.account, leads=later.lead, weeks=float(QUARTER))
        observed = evaluate_policy(policy, later.probability, rows, random_state=0, n_bootstrap=2)
        found += make_rows(scenario.name, policy, rules, past, observed)
    return found


def make_rows(
    kind: str,
    policy: LabelPolicy,
    rules: dict[str, LabelRule],
    past: ThresholdData,
    observed: dict[str, ThresholdEvaluation],
) -> list[Row]:
    """One row for each label and figure."""
    found = []
    for outcome in policy.outcomes:
        rule, came = rules[outcome.label], observed[outcome.label]
        rivals = find_rivals(past, outcome.threshold, rule)
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
    past: ThresholdData, threshold: float, rule: LabelRule
) -> dict[str, tuple[Interval, Interval]]:
    """For each figure the binomial or Poisson interval of the last period, and its figure with the spread."""
    assert past.time is not None
    selected, converted, volume, weeks = [], [], [], []
    for start, end in sorted(past.periods):
        rows = np.flatnonzero((past.time >= start) & (past.time < end) & (past.probability >= threshold))
        selected.append(len(rows))
        converted.append(past.label[rows].sum())
        weeks.append(end - start)
        volume.append(len(np.unique(past.lead[rows])) / (end - start))
    share, rate = np.array(converted) / np.maximum(selected, 1), np.array(volume)
    count, length = rate[-1] * weeks[-1], weeks[-1]
    poisson = (
        float(stats.chi2.ppf(0.05, 2 * max(count, 0.5))) / 2 / length,
        float(stats.chi2.ppf(0.95, 2 * (count + 1))) / 2 / length,
    )
    binomial = None
    if selected[-1]:
        exact = stats.binomtest(int(converted[-1]), int(selected[-1])).proportion_ci(0.9, method="wilson")
        binomial = (float(exact.low), float(exact.high))
    found = {"precision": (binomial, spread(share)), "per_week": (poisson, spread(rate))}
    if rule.policy == "value":
        won, lost = payoff(rule, [1, 0])
        ends = None
        if binomial is not None:
            ends = tuple(float(rate[-1] * (lost + end * (won - lost))) for end in binomial)
        found["value"] = (ends, spread(rate * (lost + share * (won - lost))))  # type: ignore[assignment]
    return found


def spread(figures: Floats) -> Interval:
    if len(figures) < 2:
        return None
    wide = 1.645 * float(np.std(figures, ddof=1))
    return float(figures[-1]) - wide, float(figures[-1]) + wide


class Recorder:
    """Keeps what thresholds were chosen on while a version is trained: of the past, then of the version."""

    def __init__(self) -> None:
        self.calls: list[tuple[LabelPolicy, ThresholdData, float]] = []

    def __call__(
        self, policy: LabelPolicy, snapshots: ThresholdData, rules: Any, **settings: Any
    ) -> LabelPolicy:
        found = add_prediction_intervals(policy, snapshots, rules, **settings)
        self.calls.append((found, snapshots, settings["length"]))
        return found


def train_recorded(config: Config, data: Any) -> tuple[Trained, Recorder]:
    recorder = Recorder()
    with mock.patch.object(choose_thresholds, "add_prediction_intervals", recorder):
        return train(config, data, now=NOW), recorder


def evaluate_company(drift: float, seed: int, days: int) -> list[Row]:
    """The held-out period of a simulated company that starts in some month."""
    rng = np.random.default_rng(seed)
    n, start = round(2000 * 2 ** rng.random()), f"2023-{int(rng.integers(1, 13)):02d}-01"
    company = simulate(n, random_state=seed, drift=drift, days=days, start=start)
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
                "sql": {"policy": "capacity", "per_week": max(1.0, round(0.1 * n / (days / 7)))},
            },
        },
        folder=Path(),
    )
    kind = f"drift {drift:+g} a year" if drift else "steady"
    trained, recorder = train_recorded(config, company.journeys())
    policy, past, _ = recorder.calls[0]
    return make_rows(kind, policy, dict(config.labels), past, dict(trained.result.labels))


def evaluate_world(kind: str, seed: int) -> list[Row]:
    """The weeks after a world's data, by the version that ships."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        runpy.run_path(str(MAKER))["write"](kind, seed, str(folder))
        config = read_config(folder / "mqlml.yml")
        data = read_data(config, Silent(), now=NOW)
        trained, recorder = train_recorded(config, data)
        if trained.bundle is None:
            return []
        policy, past, length = recorder.calls[-1]
        leads = pd.concat([pd.read_csv(folder / "leads.csv"), pd.read_csv(folder / "later" / "leads.csv")])
        leads.to_csv(folder / "leads.csv", index=False)
        (folder / "later" / "outcomes.csv").replace(folder / "outcomes.csv")
        assert config.data.observed_until is not None
        begin = config.data.observed_until
        text = (
            (folder / "mqlml.yml")
            .read_text()
            .replace(
                f"observed_until: {begin.date()}", f"observed_until: {(begin + dt.timedelta(days=90)).date()}"
            )
        )
        (folder / "mqlml.yml").write_text(text)
        everything = read_data(read_config(folder / "mqlml.yml"), Silent(), now=NOW)
        created = everything.leads["created_at"]
        rows = (created >= begin) & (created < begin + dt.timedelta(weeks=length))
        snapshots = pd.DataFrame({"lead_id": everything.leads["lead_id"], "cutoff_time": created})[rows]
        features = build_features(everything, snapshots.reset_index(drop=True), trained.bundle.plan)
        raw = trained.bundle.scorer.decision_function(features)
        probability = trained.bundle.calibrator.predict_proba(raw)[:, 1]
        won = set(pd.read_csv(folder / "outcomes.csv")["lead_id"])
        label = snapshots["lead_id"].isin(won).to_numpy().astype(np.float64)
        observed = evaluate_policy(
            policy,
            probability,
            LabelRows(label, clusters=np.arange(len(label)), weeks=length),
            random_state=0,
            n_bootstrap=2,
        )
        return make_rows(kind, policy, dict(config.labels), past, observed)


def run(file: Path, evaluate: Callable[..., list[Row]], *arguments: Any) -> None:
    """Keep the figures of one company or world; one that is refused has none."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        rows = evaluate(*arguments)
    except MqlmlError as error:
        print(f"{file.stem}: {error}", flush=True)
        rows = []
    file.write_text(json.dumps(rows), encoding="utf-8")
    print(file.stem, len(rows), flush=True)


def score(low: float, high: float, observed: float) -> float:
    """The interval score at 90%."""
    return (high - low) + 20 * max(low - observed, 0.0) + 20 * max(observed - high, 0.0)


def show(rows: Sequence[Row]) -> Iterator[str]:
    yield "| kind | label | figure | worlds | none | within | below | above | score | binomial | spread |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    frame = pd.DataFrame(rows)
    for (kind, label, what), group in frame.groupby(["kind", "label", "what"], sort=False):
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["drawn", "companies", "worlds", "show"])
    parser.add_argument("folder", type=Path, nargs="?", help="of the figures")
    parser.add_argument("--worlds", type=int, default=200, help="of each kind")
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--days", type=int, default=720, help="of each company's history")
    parser.add_argument("--drift", type=float, nargs="*", default=[0.0, 0.5, -0.5])
    parser.add_argument("--kinds", nargs="*", default=["weak", "short", "walk", "odd", "surge"])
    chosen = parser.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.worlds)
    if chosen.what == "drawn":
        rows = [row for kind in SCENARIOS for seed in seeds for row in evaluate_drawn(kind, seed)]
        print(*show(rows), sep="\n")
        return
    if chosen.folder is None:
        parser.error("name the FOLDER of the figures")
    if chosen.what == "worlds" and not MAKER.exists():
        print(f"{MAKER} is absent: no worlds, nothing done")
        return
    for seed in () if chosen.what == "show" else seeds:
        if chosen.what == "companies":
            for drift in chosen.drift:
                file = chosen.folder / f"company{drift:+g}-{seed}.json"
                run(file, evaluate_company, drift, seed, chosen.days)
        else:
            for kind in chosen.kinds:
                run(chosen.folder / f"{kind}-{seed}.json", evaluate_world, kind, seed)
    files = sorted(chosen.folder.glob("*.json"))
    rows = [row for file in files for row in json.loads(file.read_text(encoding="utf-8"))]
    print(*show(rows), sep="\n")


if __name__ == "__main__":
    main()
