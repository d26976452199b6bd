"""How often ageing is found in simulated worlds with and without drift, and how often a healthy slice warns.

``python benchmarks/trust.py [SEEDS]``: 5,000 leads over two years, looked at on creation and after 30 days, the
settings of ``mqlml backtest``; and worlds of 48 slices whose probabilities are the true ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.special import expit

from mqlml.config import make_config
from mqlml.evaluation.ageing import measure_ageing
from mqlml.evaluation.ahead import of_one_size, predict_ahead
from mqlml.evaluation.heldout import HeldOut
from mqlml.evaluation.slices import judge_slices
from mqlml.journeys.simulate import simulate
from mqlml.model import LeadScorer
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
            reach=table.reach,
            n_folds=12,
            min_positives=int(table.label.sum() / 3),
            dated=True,
        )
    )
    forecasts = predict_ahead(
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


def warns(seed: int, n: int = 6000) -> bool:
    rng = np.random.default_rng(seed)
    account = rng.integers(0, n // 4, n)
    slices = {
        f"column {number}": rng.choice(list("abcdefgh"), n, p=np.arange(8, 0, -1) / 36).astype(object)
        for number in range(6)
    }
    odds = -2.6 + 0.9 * rng.normal(size=n)
    y = (rng.random(n) < expit(odds + 0.5 * rng.normal(size=n // 4)[account])).astype(int)
    found = judge_slices(
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
    print(f"healthy worlds of 48 slices that warn: {alarms} of {len(seeds)}")
