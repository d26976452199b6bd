"""The learning curve: how good the chosen model would be with less of the past.

The same later leads are predicted by models that learned from a quarter, half and all of the accounts (or leads)
before them. Where the curve still falls at its end, more history is worth waiting for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.base import clone

from mqlml.errors import PopulationError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import compare_log_loss, log_losses
from mqlml.model import LeadScorer, NothingVariesError
from mqlml.results import Result
from mqlml.training import Fold, TrainingTable
from mqlml.types import Floats, Rows

__all__ = ["LearningPoint", "measure_curve"]

_SHARES = (0.25, 0.5, 1.0)
_LAST_FOLDS, _ENOUGH = 2, 50
"""Evaluated on these folds only: earlier ones have less past to take a share of, and each costs two fits. Where the
last one has conversions enough, it is the only one."""

_POSITIVES = 10


@dataclass(frozen=True)
class LearningPoint(Result):
    """The error on the same later snapshots of a model that learned from a share of the history before them."""

    share: float
    """Of the accounts or leads."""
    rows: int
    """Snapshots learned from, of the last fold."""
    positives: int
    """Conversions among them."""
    log_loss: Estimate
    """On the same later snapshots; in nats, less is better."""
    saved: Estimate | None
    """How much lower the log loss is than with half as much history, paired; None at the first point."""


def measure_curve(
    scorer: LeadScorer, table: TrainingTable, folds: Sequence[Fold], raw: Floats, *, random_state: int
) -> tuple[LearningPoint, ...]:
    """Out-of-time log loss by share of the past learned from.

    Parameters
    ----------
    scorer : LeadScorer, with the settings that were chosen.
    folds : out-of-time folds of the past; without any there is no curve.
    raw : ndarray of float64
        Log-odds of all their rows by models that learned from all before them: the last point.

    Returns
    -------
    tuple of LearningPoint
        A share with under 10 conversions to learn from, or no column that varies, is left out.
    """
    one = bool(folds) and int(table.label[folds[-1].test].sum()) >= _ENOUGH
    parts = [part for fold in folds[-1 if one else -_LAST_FOLDS :] for part in fold.parts]
    if not parts:
        return ()
    later = np.concatenate([test for _, test in parts])
    y, group = table.label[later].astype(np.float64), table.group[later]
    # Places are drawn once, so that each share holds the smaller ones.
    rng = np.random.default_rng(random_state)
    place = rng.permutation(int(table.group.max()) + 1) / (int(table.group.max()) + 1)
    curve: list[LearningPoint] = []
    before: Floats | None = None
    for share in _SHARES:
        shares = [(train[place[table.group[train]] < share], test) for train, test in parts]
        wins = [int(table.label[train].sum()) for train, _ in shares]
        if min(min(won, len(train) - won) for won, (train, _) in zip(wins, shares, strict=True)) < _POSITIVES:
            continue
        try:
            if share == 1.0:
                chance = expit(raw[-len(later) :])
            else:
                chance = np.concatenate([_predict(scorer, table, train, test) for train, test in shares])
        except NothingVariesError:
            continue  # so few rows that no category is frequent enough
        try:
            curve.append(
                LearningPoint(
                    share=share,
                    rows=len(shares[-1][0]),
                    positives=wins[-1],
                    log_loss=_estimate(y, chance, group, random_state),
                    saved=None
                    if before is None
                    else compare_log_loss(y, before, chance, clusters=group, random_state=random_state),
                )
            )
        except PopulationError:
            return ()  # nobody, or everybody, of these periods converted: there is nothing to evaluate on
        before = chance
    return tuple(curve)


def _predict(scorer: LeadScorer, table: TrainingTable, train: Rows, test: Rows) -> Floats:
    fitted = clone(scorer).fit(table.features.iloc[train], table.label[train])
    chance: Floats = expit(fitted.decision_function(table.features.iloc[test]))
    return chance


def _estimate(y: Floats, chance: Floats, group: Rows, random_state: int) -> Estimate:
    losses = log_losses(y, chance)
    bootstrap = ClusterBootstrap(group, n_bootstrap=500, random_state=random_state)
    size, total = bootstrap.sums(np.ones_like(losses), losses)
    return make_estimate(losses.mean(), total / size)
