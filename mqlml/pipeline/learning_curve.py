"""The learning curve: the chosen model and the past go in; what it would be with less of the past comes out.

The same later leads are predicted by models that learned from a quarter, half and all of the accounts (or
leads) before them. Where the curve still falls at its end, more history is worth waiting for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import clone

from mqlml.errors import PopulationError
from mqlml.evaluation import compare_log_loss
from mqlml.evaluation.backtest import Forward
from mqlml.evaluation.bootstrap import ClusterBootstrap, make_estimate
from mqlml.evaluation.metrics import log_losses
from mqlml.model import LeadScorer, NothingVariesError
from mqlml.training import Fold, TrainingTable

__all__ = ["measure_curve"]

Rows = npt.NDArray[np.intp]

_SHARES = (0.25, 0.5, 1.0)
_LAST_FOLDS, _ENOUGH = 2, 50
"""Judged on these forward folds only: earlier ones have less past to take a share of, and each costs two fits. Where
the last one has conversions enough to judge by, it is the only one."""

_POSITIVES = 10


def measure_curve(
    scorer: LeadScorer, table: TrainingTable, folds: Sequence[Fold], forward: Forward, *, random_state: int
) -> list[dict[str, Any]]:
    """Forward log loss by share of the past learned from.

    Parameters
    ----------
    scorer : LeadScorer, with the settings that were chosen.
    folds : forward folds of the past; none, and there is no curve.
    forward : Forward
        What models of these settings, having learned from all before each fold, say of it: the curve's last point.

    Returns
    -------
    list of dict
        ``share`` of accounts or leads; ``rows`` and ``positives`` learned from (of the last fold); ``log_loss``
        (nats) with a 95 % interval; ``saved``, the loss less than with half as much, paired row by row, or None at
        the first point. A share with under 10 conversions to learn from, or no column that varies, is left out.
    """
    alone = bool(folds) and int(table.label[folds[-1].test].sum()) >= _ENOUGH
    parts = [part for fold in folds[-1 if alone else -_LAST_FOLDS :] for part in fold.parts]
    if not parts:
        return []
    judged = np.concatenate([test for _, test in parts])
    y, group = table.label[judged].astype(np.float64), table.group[judged]
    # Places are dealt once, so that each share holds the smaller ones.
    rng = np.random.default_rng(random_state)
    place = rng.permutation(int(table.group.max()) + 1) / (int(table.group.max()) + 1)
    curve: list[dict[str, Any]] = []
    before: npt.NDArray[np.float64] | None = None
    for share in _SHARES:
        shares = [(train[place[table.group[train]] < share], test) for train, test in parts]
        wins = [int(table.label[train].sum()) for train, _ in shares]
        if min(min(won, len(train) - won) for won, (train, _) in zip(wins, shares, strict=True)) < _POSITIVES:
            continue
        try:
            if share == 1.0:
                chance = expit(forward.raw[-len(judged) :])
            else:
                chance = np.concatenate([_predict(scorer, table, train, test) for train, test in shares])
        except NothingVariesError:
            continue  # so few rows that no word is frequent enough to be told apart
        try:
            curve.append(
                {
                    "share": share,
                    "rows": len(shares[-1][0]),
                    "positives": wins[-1],
                    "log_loss": _estimate(y, chance, group, random_state),
                    "saved": None
                    if before is None
                    else compare_log_loss(y, before, chance, clusters=group, random_state=random_state),
                }
            )
        except PopulationError:
            return []  # nobody, or everybody, of these periods converted: there is nothing to judge on
        before = chance
    return curve


def _predict(scorer: LeadScorer, table: TrainingTable, train: Rows, test: Rows) -> npt.NDArray[np.float64]:
    fitted = clone(scorer).fit(table.features.iloc[train], table.label[train])
    chance: npt.NDArray[np.float64] = expit(fitted.decision_function(table.features.iloc[test]))
    return chance


def _estimate(
    y: npt.NDArray[np.float64], chance: npt.NDArray[np.float64], group: Rows, random_state: int
) -> Any:
    losses = log_losses(y, chance)
    bootstrap = ClusterBootstrap(group, n_bootstrap=500, random_state=random_state)
    size, total = bootstrap.sums(np.ones_like(losses), losses)
    return make_estimate(losses.mean(), total / size)
