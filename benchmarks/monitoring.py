"""How often monitoring alarms without a reason, and how soon with one, on simulated companies.

    PYTHONPATH=. python benchmarks/monitoring.py run --leads 8000 --seeds 100 200 --out runs.jsonl
    PYTHONPATH=. python benchmarks/monitoring.py run --leads 40000 --outcomes-only --seeds 300 330 --out large.jsonl
    PYTHONPATH=. python benchmarks/monitoring.py show runs.jsonl large.jsonl

Each company is watched for two years of weekly runs. Its probabilities are the simulator's true ones, so without a
break everything holds. Breaks are made at a run drawn by the seed:

- half: from then on each lead's odds of converting are half of what they were (outcomes are thinned exactly so);
- gone: nobody has a signal any more, for each signal that at least one lead in twenty has in the reference;
- flood: 40% of the new leads come from a source that the training did not know.

On the same runs: a plain rule (population stability above 0.2 for any signal) and a z test of the conversions that
matured in the last eight weeks, at 5%, every week. The constants of `mqlml/monitoring/evidence.py` were chosen on
drawn probabilities, before any of these companies was simulated.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mqlml.config import Config, make_config
from mqlml.features import FeaturePlan, build_features, plan_features
from mqlml.monitoring.drift import PSI_SHIFT, population_stability
from mqlml.monitoring.evidence import (
    Stream,
    combine_streams,
    conversion_streams,
    gone_streams,
    new_category_streams,
)
from mqlml.monitoring.inputs import SignalSample, WatchedSignal, count_signals, watched_signals
from mqlml.monitoring.snapshots import new_leads
from mqlml.simulate import simulate
from mqlml.simulate.simulation import Simulation
from mqlml.times import DAY, column_to_microseconds, from_microseconds, to_microseconds
from mqlml.training import open_leads
from mqlml.training.snapshots import assign_labels, creation_times
from mqlml.types import Floats, Ints

WEEK = 7 * DAY
RUNS = 104
BEFORE = 26
HORIZON = 60 * DAY
ALARM, TOLERANCE = 20.0, 0.15
FLOOD = 0.4
PSI_RUNS = 10
"""The plain rule is followed for ten runs only: it has alarmed by then."""
SOURCE = "profile__lead_source__value"


def make_problem() -> Config:
    """Open leads up to 37 days, won within 60, windows that show news soon."""
    values: dict[str, Any] = {
        "name": "watched",
        "data": {"observed_until": "2026-12-31", "leads": {"path": "-"}, "outcomes": {"path": "-"}},
        "windows": ["7d", "all"],
        "problem": {
            "horizon": "60d",
            "snapshots": {"ages": ["0d", "7d", "30d"]},
            "age_limits": ["0d", "37d"],
        },
    }
    return make_config(values, folder=Path())


@dataclass(frozen=True)
class Outcomes:
    """First snapshots of the leads, in order of maturity; ``run`` is the run they were scored at."""

    probability: Floats
    converted: Floats
    run: Ints
    known: Ints


def read_outcomes(world: Simulation, snapshots: pd.DataFrame, run: Ints, moments: Ints) -> Outcomes:
    """Each lead's first snapshot, its true probability, and the run at which its outcome is known."""
    first = np.sort(np.unique(snapshots["lead_id"].to_numpy(), return_index=True)[1])
    own = snapshots.iloc[first].reset_index(drop=True)
    config = make_problem()
    matured = column_to_microseconds(own["cutoff_time"]) + HORIZON
    known = np.searchsorted(moments, matured)
    kept = known < len(moments)
    return Outcomes(
        probability=world.true_probability(own, horizon=HORIZON)[kept],
        converted=assign_labels(world.journeys(), own, config.problem).astype(np.float64)[kept],
        run=run[first][kept],
        known=known[kept],
    )


def halve(found: Outcomes, start: int, seed: int) -> Outcomes:
    """The same leads with half the odds of converting from a run on."""
    p = found.probability
    odds = p / (1 - p) / 2
    kept = (odds / (1 + odds)) / p
    stays = np.random.default_rng([seed, 1]).random(len(p)) < kept
    return replace(found, converted=np.where(found.run >= start, found.converted * stays, found.converted))


def conversion_bets(found: Outcomes) -> list[Stream]:
    rate = float(found.probability.mean())
    return conversion_streams(
        found.probability, found.converted, found.known, RUNS, tolerance=TOLERANCE, base_rate=rate
    )


@dataclass(frozen=True)
class Alarms:
    """The first run at which there is an alarm, and the one at which the e-process alone raises it."""

    any: int | None
    lasting: int | None


def first_alarm(streams: Sequence[Stream]) -> Alarms:
    """The first run at which the evidence reaches the alarm."""
    names = [str(run) for run in range(RUNS)]
    found = combine_streams(streams, names, alarm=ALARM, tolerance=TOLERANCE)
    reached = (int(one.as_of) for one in found.path if one.evidence >= ALARM)
    return Alarms(None if found.since is None else int(found.since), next(reached, None))


def best_possible(found: Outcomes, start: int, until: int) -> tuple[float, float]:
    """The highest evidence up to a run of two e-processes that know that odds are halved, beside the null hypothesis.

    The first knows since which run, and bets on the leads scored from it on alone. The second does not, and divides
    its weight equally among all runs.
    """
    edge = 1 / (1 + TOLERANCE)
    odds = found.probability / (1 - found.probability)
    none = np.log1p(edge * odds) - np.log1p(0.5 * odds)
    factor = np.where(found.converted > 0, np.log(0.5 / edge) + none, none)
    sure = np.bincount(found.known, weights=factor * (found.run >= start), minlength=RUNS).cumsum()
    begun, spread = 0.0, []
    for run, more in enumerate(np.bincount(found.known, weights=factor, minlength=RUNS).tolist()):
        begun = (begun + 1 / RUNS) * math.exp(more)
        spread.append(begun + 1 - (run + 1) / RUNS)
    return math.exp(sure[: until + 1].max()), max(spread[: until + 1])


def z_alarm(found: Outcomes) -> int | None:
    """The first run at which the z test of the last eight weeks differs at 5%."""
    for run in range(RUNS):
        lately = (found.known > run - 8) & (found.known <= run)
        p, y = found.probability[lately], found.converted[lately]
        spread = math.sqrt(float((p * (1 - p)).sum()))
        if p.sum() >= 5 and abs(float(y.sum() - p.sum())) > 1.96 * spread:
            return run
    return None


def read_samples(
    world: Simulation, plan: FeaturePlan, watched: Sequence[WatchedSignal], runs: Sequence[pd.DataFrame]
) -> list[SignalSample]:
    """The watched features of each run, built together."""
    journeys = world.journeys()
    names = [one.feature.name for one in watched]
    whole = pd.concat(runs, ignore_index=True)
    values = build_features(journeys, whole, plan)[names]
    place = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(whole["lead_id"]))
    new = new_leads(creation_times(journeys.leads)[place], column_to_microseconds(whole["cutoff_time"]))
    ends = np.cumsum([len(run) for run in runs])
    return [
        SignalSample(values.iloc[stop - len(run) : stop].reset_index(drop=True), new[stop - len(run) : stop])
        for run, stop in zip(runs, ends.tolist(), strict=True)
    ]


def watch_inputs(
    world: Simulation, moments: Ints, runs: Sequence[pd.DataFrame], start: int, seed: int
) -> Any:
    """Input streams without a break, and the alarms of each break, ours and the plain rule's."""
    config = make_problem()
    journeys = world.journeys()
    begin = from_microseconds(int(moments[0]))
    plan = plan_features(journeys, config, before=begin)
    earlier = [
        open_leads(journeys, from_microseconds(int(moments[0]) - WEEK * number), config.problem)
        for number in range(BEFORE)
    ]
    names = [feature.name for feature in plan.features if feature.kind == "category"]
    samples = read_samples(world, plan, list(_all_categories(plan, names)), [pd.concat(earlier)])
    counts = {name: samples[0].table[name].value_counts() for name in names}
    levels = {name: [str(word) for word in found.index[found >= 20]] for name, found in counts.items()}
    watched = watched_signals(plan, levels)
    parts = read_samples(world, plan, watched, [pd.concat(earlier, ignore_index=True), *runs])
    reference, weekly = parts[0], parts[1:]
    before, now = count_signals([reference], watched), count_signals(weekly, watched)
    gone = gone_streams(now.present, now.counted, before.totals(before.present))
    new = new_category_streams(now.unknown, now.counted, before.totals(before.unknown))

    found: dict[str, Any] = {"psi": None, "psi_gone": {}, "gone": {}, "shares": {}}
    stable = {
        one.feature.name: [
            population_stability(
                reference.table[one.feature.name][one.rows(reference.new)],
                sample.table[one.feature.name][one.rows(sample.new)],
            ).value
            for sample in weekly[:PSI_RUNS]
        ]
        for one in watched
    }
    shifted = np.array(list(stable.values())) > PSI_SHIFT
    found["psi"] = int(np.flatnonzero(shifted.any(axis=0))[0]) if shifted.any() else None
    found["psi_weeks"] = float(shifted.any(axis=0).mean())
    for stream in gone:
        has, of = before.totals(before.present)[stream.name]
        if has / of < 0.05:
            continue
        present = {**now.present, stream.name: now.present[stream.name].copy()}
        present[stream.name][start:] = 0
        broken = gone_streams(present, now.counted, before.totals(before.present))
        found["gone"][stream.name] = broken
        found["shares"][stream.name] = (has / of, float(now.counted[stream.name].mean()))
    if SOURCE in levels:
        rng = np.random.default_rng([seed, 2])
        unknown = {**now.unknown, SOURCE: now.unknown[SOURCE].copy()}
        more = rng.binomial(now.counted[SOURCE].astype(np.int64), FLOOD)
        unknown[SOURCE][start:] = np.maximum(unknown[SOURCE], more)[start:]
        found["flood"] = new_category_streams(unknown, now.counted, before.totals(before.unknown))
        found["flooded_leads"] = float(now.counted[SOURCE].mean())
    return gone, new, found


def _all_categories(plan: FeaturePlan, names: list[str]) -> Sequence[WatchedSignal]:
    return [WatchedSignal(feature, False, frozenset()) for feature in plan.features if feature.name in names]


def run_company(seed: int, leads: int, *, outcomes_only: bool) -> dict[str, Any]:
    """Two years of one company: the first run of each alarm, without a break and with each."""
    days = 7 * (BEFORE + RUNS) + 70
    world = simulate(leads, random_state=seed, days=days)
    config = make_problem()
    start_at = to_microseconds(world.observed_until) - (RUNS - 1) * WEEK
    moments = start_at + np.arange(RUNS) * WEEK
    journeys = world.journeys()
    runs = [open_leads(journeys, from_microseconds(int(at)), config.problem) for at in moments]
    snapshots = pd.concat(runs, ignore_index=True)
    run = np.repeat(np.arange(RUNS), [len(part) for part in runs])
    outcomes = read_outcomes(world, snapshots, run, moments)
    start = int(np.random.default_rng([seed, 0]).integers(10, 60))
    halved = halve(outcomes, start, seed)
    gone: list[Stream] = []
    new: list[Stream] = []
    inputs: dict[str, Any] = {}
    if not outcomes_only:
        gone, new, inputs = watch_inputs(world, moments, runs, start, seed)
    quiet = conversion_bets(outcomes)
    expected = np.bincount(
        outcomes.known, weights=outcomes.probability * (outcomes.run >= start), minlength=RUNS
    ).cumsum()
    reached = np.flatnonzero(expected >= 50)
    fifty = int(reached[0]) if len(reached) else None
    alarm, before = (first_alarm([*bets, *gone, *new]) for bets in (conversion_bets(halved), quiet))
    known, spread = (0.0, 0.0) if fifty is None else best_possible(halved, start, fifty + 2)
    row: dict[str, Any] = {
        "seed": seed,
        "leads": leads,
        "start": start,
        "per_week": float(outcomes.probability.sum() / (RUNS - HORIZON / WEEK)),
        "quiet": before.any,
        "quiet_lasting": before.lasting,
        "z_quiet": z_alarm(outcomes),
        "half": alarm.any,
        "half_lasting": alarm.lasting,
        "z_half": z_alarm(halved),
        "fifty": fifty,
        "best_known": known,
        "best_unknown": spread,
        "expected_at_alarm": None if alarm.any is None else float(expected[alarm.any]),
    }
    if inputs:
        row["psi_quiet"], row["psi_weeks"] = inputs["psi"], inputs["psi_weeks"]
        row["gone"] = {
            name: [*inputs["shares"][name], first_alarm([*quiet, *broken, *new]).any]
            for name, broken in inputs["gone"].items()
        }
        if "flood" in inputs:
            row["flood"] = first_alarm([*quiet, *gone, *inputs["flood"]]).any
            row["flooded_leads"] = inputs["flooded_leads"]
    return row


def show(files: Sequence[Path]) -> None:
    """The figures of all companies of each size."""
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    for leads in sorted({row["leads"] for row in rows}):
        own = [row for row in rows if row["leads"] == leads]
        n = len(own)
        weekly = np.mean([row["per_week"] for row in own])
        print(
            f"{n} companies of {leads:,} leads, {weekly:.1f} conversions expected a week, {RUNS} weekly runs"
        )
        alarms = sum(row["quiet"] is not None for row in own)
        z = sum(row["z_quiet"] is not None for row in own)
        alone = sum(row["quiet_lasting"] is not None for row in own)
        print(
            f"  no break: mqlml alarms in {alarms} of {n} (the e-process alone in {alone}), the weekly z test in {z}",
            end="",
        )
        inputs = [row for row in own if "psi_quiet" in row]
        if inputs:
            psi = sum(row["psi_quiet"] is not None for row in inputs)
            weeks = np.mean([row["psi_weeks"] for row in inputs])
            print(
                f", PSI > 0.2 in {psi} of {len(inputs)} (in {weeks:.0%} of the first {PSI_RUNS} weeks)",
                end="",
            )
        print()
        able = [row for row in own if row["fifty"] is not None and row["fifty"] + 2 < RUNS]
        in_time = _in_time(able, "half")
        ever = [row["expected_at_alarm"] for row in able if row["half"] is not None]
        print(
            f"  half: found within two runs of 50 expected conversions in {in_time} of {len(able)}; ever in "
            f"{len(ever)}, at the middle one after {np.median(ever):.0f} expected conversions"
        )
        best = [sum(row[name] >= ALARM for row in able) for name in ("best_known", "best_unknown")]
        print(
            f"    the e-process alone in {_in_time(able, 'half_lasting')}, ever in "
            f"{sum(row['half_lasting'] is not None for row in able)}; one that knows the halving and its run in "
            f"{best[0]}, without the run in {best[1]}; the z test of eight weeks in {_in_time(able, 'z_half')}"
        )
        for least, most in ((0.05, 0.1), (0.1, 0.2), (0.2, 0.5), (0.5, 1.01)):
            cases = [
                (row["start"], alarm)
                for row in inputs
                for share, _, alarm in row["gone"].values()
                if least <= share < most
            ]
            if cases:
                soon = sum(alarm is not None and alarm <= start + 1 for start, alarm in cases)
                print(
                    f"  gone: a signal that {least:.0%} to {min(most, 1):.0%} of the leads have: within two runs in "
                    f"{soon} of {len(cases)}"
                )
        floods = [row for row in inputs if "flood" in row]
        if floods:
            soon = sum(row["flood"] is not None and row["flood"] <= row["start"] + 1 for row in floods)
            size = np.mean([row["flooded_leads"] for row in floods])
            print(
                f"  flood: {FLOOD:.0%} of {size:.0f} new leads a week: within two runs in {soon} of {len(floods)}"
            )


def _in_time(rows: Sequence[dict[str, Any]], name: str) -> int:
    """How often the first alarm comes in time; one before the break is false."""
    return sum(row[name] is not None and row["start"] <= row[name] <= row["fifty"] + 2 for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--leads", type=int, default=8000)
    run.add_argument(
        "--seeds", type=int, nargs=2, default=[100, 200], help="the first, and one past the last"
    )
    run.add_argument("--outcomes-only", action="store_true")
    run.add_argument("--out", type=Path, required=True, help="one line of JSON a company")
    shown = commands.add_parser("show")
    shown.add_argument("files", type=Path, nargs="+")
    asked = parser.parse_args()
    if asked.command == "show":
        show(asked.files)
        return
    for seed in range(*asked.seeds):
        row = run_company(seed, asked.leads, outcomes_only=asked.outcomes_only)
        with asked.out.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
