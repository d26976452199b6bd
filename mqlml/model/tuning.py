"""Which settings to try: a budget goes in, a list of changes to the scorer's defaults comes out.

A budget is a number of trials, never of seconds, so that the same data gives the same model on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mqlml.config.values import Tune

__all__ = ["BUDGETS", "Trial", "make_trials"]

# By hand: each goes one way from the defaults, towards less or towards more than they learn.
_QUICK: tuple[dict[str, float], ...] = (
    {},
    {"linear_spread": 3.0},
    {"linear_spread": 0.4},
    {"max_leaf_nodes": 4, "n_trees": 80},
    {"learning_rate": 0.03, "n_trees": 400, "max_features": 0.5},
    {"max_leaf_nodes": 16, "min_samples_leaf": 50, "max_features": 0.5},
    {"learning_rate": 0.1, "max_leaf_nodes": 4, "max_features": 0.3},
    {"learning_rate": 0.05, "n_trees": 300, "max_leaf_nodes": 6, "linear_spread": 2.0},
)

_SPACE: dict[str, tuple[Any, ...]] = {
    "learning_rate": (0.02, 0.03, 0.05, 0.08),
    "n_trees": (60, 120, 240, 480),
    "max_leaf_nodes": (3, 4, 6, 8, 16, 31),
    "min_samples_leaf": (10, 20, 50, 100),
    "l2_regularization": (1.0, 10.0, 50.0),
    "max_features": (0.2, 0.5, 1.0),
    "linear_spread": (0.4, 1.0, 2.0, 3.0),
    "min_category_count": (10, 20, 50),
}

BUDGETS: dict[Tune, int] = {"none": 1, "quick": len(_QUICK), "thorough": 40}
"""Trials of each budget; the first is always the defaults."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes
    ----------
    settings : dict, what differs from the defaults.
    loss : float, out-of-time log loss in nats per row, each period at its best level.
    chosen : bool
    """

    settings: dict[str, float]
    loss: float
    chosen: bool = False


def make_trials(tune: Tune, *, random_state: int) -> list[dict[str, float]]:
    """The settings to try, the defaults (nothing changed) first.

    Random search, since few of the settings matter on any one data set and nobody knows which: J. Bergstra,
    Y. Bengio, "Random search for hyper-parameter optimization", Journal of Machine Learning Research 13, 2012.
    """
    trials = [dict(changed) for changed in _QUICK[: BUDGETS[tune]]]
    rng = np.random.default_rng(random_state)
    while len(trials) < BUDGETS[tune]:
        drawn = {name: values[int(rng.integers(len(values)))] for name, values in _SPACE.items()}
        if drawn not in trials:
            trials.append(drawn)
    return trials
