"""How often ageing is found in simulated worlds with and without drift, and how often a healthy slice warns.

``python benchmarks/trust.py [SEEDS]``: 5,000 leads over two years, scored on creation and after 30 days, the
settings of ``mqlml backtest``; worlds of 48 slices whose probabilities are the true ones; and, 15 for each seed and
size, worlds in which nothing ages, for how often an interval of what age costs leaves 0 out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from mqlml.config import make_config
from mqlml.evaluation.ageing import measure_ageing
from mqlml.evaluation.holdout import HeldOut
from mqlml.evaluation.periods import forecast_across_periods, of_one_size
from mqlml.evaluation.slices import evaluate_slices
from mqlml.model import LeadScorer
from mqlml.simulate import simulate
from mqlml.times import DAY
from mqlml.training import build_table, rolling_folds


def find_ageing(seed: int, drift: float) -> str:
    world = simulate(5000, random_state=seed, drift=drift, days=720)
    until = world.observed_until.date().isoformat()
    values = {
        "name": "trust",
        "data": {"observed_until": until, "leads": {"path": "l"}, "outcomes": {"path": "o"}},
        "problem": {"horizon": "30d", "snapshots": {"ages": ["0d", "30d"]}},
        "windows": ["30d", "all"],
    }
    config = make_config(values, folder=Path(), where="benchmark")
    table = HeldOut(build_table(world.journeys(), config)).past
    folds = of_one_size(
        rolling_folds(
            table.time,
            table.label,
            table.group,
            table.holdout.train,
            label_span=table.label_span,
            n_folds=12,
            min_positives=int(table.label.sum() / 3),
            dated=True,
        )
    )
    forecasts = forecast_across_periods(
        LeadScorer(random_state=0), table.features, table.label, table.group, folds, later=True
    )
    found = measure_ageing(forecasts, table.label, table.time, folds, clusters=table.group, random_state=0)
    assert found is not None
    assert found.per_30_days is not None
    share = found.per_30_days.value / found.skill.value
    return (
        f"drift {drift:3.1f}  seed {seed:2d}  found {found.found!s:5}  retrain every {found.retrain_every}  "
        f"safe for {found.safe_days} days  {share:+.1%} of the skill in 30 days"
    )


def leave_out_zero(seed: int, n: int) -> tuple[int, int, int]:
    """Of a year without change: ages measured, those whose interval leaves 0 out, and whether the line's does."""
    rng = np.random.default_rng(seed)
    time = (np.sort(rng.uniform(0, 360, n)) * DAY).astype(np.int64)
    features = pd.DataFrame(rng.normal(size=(n, 3)), columns=["one", "two", "three"])
    odds = -2 + 1.2 * features["one"] + 0.6 * features["two"]
    label = (rng.random(n) < expit(odds)).astype(np.int8)
    rows = np.arange(n)
    folds = of_one_size(
        rolling_folds(
            time, label, rows, rows, label_span=20 * DAY, n_folds=9, min_positives=n // 25, dated=True
        )
    )
    scorer = LeadScorer(n_trees=20, random_state=0)
    forecasts = forecast_across_periods(scorer, features, label, rows, folds, later=True)
    found = measure_ageing(forecasts, label, time, folds, clusters=rows, random_state=0)
    assert found is not None
    assert found.per_30_days is not None
    out = [not one.low <= 0 <= one.high for one in (*(step.added for step in found.steps), found.per_30_days)]
    return len(out) - 1, sum(out[:-1]), int(out[-1])


def warns(seed: int, n: int = 6000) -> bool:
    rng = np.random.default_rng(seed)
    account = rng.integers(0, n // 4, n)
    slices = {
        f"column {number}": rng.choice(list("abcdefgh"), n, p=np.arange(8, 0, -1) / 36).astype(object)
        for number in range(6)
    }
    odds = -2.6 + 0.9 * rng.normal(size=n)
    y = (rng.random(n) < expit(odds + 0.5 * rng.normal(size=n // 4)[account])).astype(int)
    found = evaluate_slices(
        slices,
        y,
        expit(0.97 * odds),
        raw=odds,
        base_rate=float(y.mean()),
        clusters=account,
        random_state=0,
    )
    return any(one.fails for one in found)


if __name__ == "__main__":
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    for drift in (0.0, 2.5):
        for seed in seeds:
            print(find_ageing(seed, drift), flush=True)
    alarms = sum(warns(seed) for seed in seeds)
    for n in (1500, 5000):
        counts = [leave_out_zero(seed, n) for seed in range(15 * len(seeds))]
        ages, some, lines = (sum(column) for column in zip(*counts, strict=True))
        print(
            f"{n:,} leads, nothing ages: the intervals of {some} of {ages} ages leave 0 out, and those of "
            f"{lines} of {len(counts)} lines",
            flush=True,
        )
    print(f"healthy worlds of 48 slices that warn: {alarms} of {len(seeds)}")
