"""Are promises kept? Periods with a known truth are simulated, and counted how often what came lay in the promise.

    python benchmarks/promises.py [--worlds 200] [--resamples 200]

Each world is a history of weeks and the quarter after it: leads of accounts, looked at twice, with a true probability
that a model knows up to noise; calibration and thresholds are fitted on the history alone. Between weeks the log-odds
of all leads drift, as the row says. Printed: by scenario and policy, the share of worlds in which what the next
quarter brought lies within the stated 90% interval, for each quantity that is promised.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.evaluation import LabelRows, evaluate_policy
from mqlml.model import SigmoidCalibrator
from mqlml.policy import add_prediction_intervals, choose_policy, make_threshold_data

NEXT_WEEKS = 13


@dataclass(frozen=True)
class Scenario:
    """What a world is like: leads a week, weeks of history, and how the log-odds drift from week to week."""

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
    Scenario("volume grows 1 % a week", growth=0.01),
    Scenario("short: 30 weeks, slow drift", weeks=30, spread=0.25, memory=0.95),
)

RULES = {
    "min_precision": LabelRule(policy="min_precision", value=0.25),
    "min_recall": LabelRule(policy="min_recall", value=0.4),
    "capacity": LabelRule(policy="capacity", per_week=5),
    "value": LabelRule(policy="value", gain=1000, cost=150, too_early=50, too_late=100),
}


def drift(rng: np.random.Generator, scenario: Scenario, weeks: int) -> np.ndarray:
    """The log-odds that each week adds: independent, remembered, or a random walk that starts at 0."""
    shocks = rng.normal(size=weeks)
    if scenario.memory == 1.0:
        return scenario.spread * np.cumsum(shocks)
    level = np.empty(weeks)
    level[0] = shocks[0]
    for week in range(1, weeks):
        level[week] = scenario.memory * level[week - 1] + np.sqrt(1 - scenario.memory**2) * shocks[week]
    return scenario.spread * level


def world(rng: np.random.Generator, scenario: Scenario) -> dict[str, np.ndarray]:
    """Looks at all leads of the history and the quarter after it, in order of time."""
    weeks = scenario.weeks + NEXT_WEEKS
    volume = scenario.per_week * np.exp(scenario.growth * np.arange(weeks))
    week = np.repeat(np.arange(weeks), rng.poisson(volume))
    n = len(week)
    account = rng.integers(0, max(2, n // 2), n)
    known = rng.normal(0, 1.0, n) + rng.normal(0, 0.5, account.max() + 1)[account]
    hidden = rng.normal(0, 0.6, account.max() + 1)[account]
    log_odds = -2.6 + 1.1 * known + hidden + drift(rng, scenario, weeks)[week]
    label = rng.random(n) < expit(log_odds)
    start = week + rng.random(n)
    # The second look, a week later: it knows a little more, and a lead that converts mostly still will.
    later = start + 1.0
    again = label & (rng.random(n) < 0.8)
    found = {
        "time": np.concatenate([start, later]),
        "lead": np.tile(np.arange(n), 2),
        "account": np.tile(account, 2),
        "raw": np.concatenate([known, known + rng.normal(0, 0.2, n) + 0.3 * again]),
        "label": np.concatenate([label, again]),
    }
    order = np.argsort(found["time"], kind="stable")
    return {name: values[order] for name, values in found.items()}


def judge(seed: int, scenario: Scenario, n_resamples: int) -> dict[tuple[str, str], tuple[bool, float]]:
    """Whether each promise of each policy was kept in one world, and how wide it was against its middle."""
    data = world(np.random.default_rng(seed), scenario)
    past = data["time"] < scenario.weeks
    later = ~past & (data["time"] < scenario.weeks + NEXT_WEEKS)
    calibrator = SigmoidCalibrator().fit(data["raw"][past], data["label"][past])
    probability = calibrator.predict_proba(data["raw"])[:, 1]
    snapshots = make_threshold_data(
        probability[past],
        data["label"][past],
        weeks=scenario.weeks,
        lead=data["lead"][past],
        account=data["account"][past],
        time=data["time"][past],
        periods=[(0.0, float(scenario.weeks))],
    )
    found = {}
    for name, rule in RULES.items():
        rules = {"mql": rule}
        try:
            policy = choose_policy(snapshots, rules)
        except LabelPolicyError:
            continue  # no threshold reaches what is asked for: nothing is promised
        policy = add_prediction_intervals(
            policy, snapshots, rules, length=float(NEXT_WEEKS), random_state=0, n_resamples=n_resamples
        )
        came = evaluate_policy(
            policy,
            probability[later],
            LabelRows(
                data["label"][later],
                clusters=data["account"][later],
                leads=data["lead"][later],
                weeks=float(NEXT_WEEKS),
            ),
            random_state=0,
            n_bootstrap=2,
        )["mql"]
        for what, promise in policy.outcomes[0].predictions.items():
            within = getattr(came.within_range, what)
            if within is not None:
                width = (promise.high - promise.low) / max(abs(promise.value), 1e-9)
                found[name, what] = (within, width)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--only", type=int, default=None, help="the number of one scenario")
    arguments = parser.parse_args()
    for scenario in SCENARIOS if arguments.only is None else SCENARIOS[arguments.only : arguments.only + 1]:
        kept: dict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)
        for seed in range(arguments.worlds):
            for key, value in judge(seed, scenario, arguments.resamples).items():
                kept[key].append(value)
        for (policy, what), values in kept.items():
            share, width = np.mean([inside for inside, _ in values]), np.median([w for _, w in values])
            print(
                json.dumps(
                    {
                        "scenario": scenario.name,
                        "policy": policy,
                        "promised": what,
                        "worlds": len(values),
                        "kept": round(float(share), 3),
                        "width": round(float(width), 2),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
