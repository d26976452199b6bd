"""How good points are on later leads: beside the base rate, beside the model, and label by label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mqlml.evaluation import Estimate
from mqlml.evaluation.bootstrap import ClusterBootstrap, make_estimate
from mqlml.evaluation.metrics import Ranking, log_losses
from mqlml.results import Number, Result
from mqlml.types import Floats, Mask, Rows

__all__ = [
    "LaterRows",
    "PointsEvaluation",
    "PointsLabel",
    "PointsLoss",
    "choose_total",
    "evaluate_points",
    "take_best",
]

_TAIL = 0.05
_DRAWS = 500


@dataclass(frozen=True)
class LaterRows:
    """Snapshots of a later period, what happened, and what points and model gave them; arrays of shape (n,).

    Attributes
    ----------
    converted : 0 or 1
    lead, group : equal for rows of one lead, and of one account (or of one lead without an account).
    total : points
    probability : by the points.
    by_model : the model's probability; None without a model.
    """

    converted: Floats
    lead: Rows
    group: Rows
    total: Floats
    probability: Floats
    by_model: Floats | None


@dataclass(frozen=True)
class PointsLoss(Result):
    """The points beside another way to score."""

    log_loss: Number
    """The log loss of the other way; less is better."""
    log_loss_difference: Estimate
    """That of the points minus that, with its 90% interval; below 0 the points are better."""
    roc_auc: Number
    """How often the other way ranks a snapshot that converts above one that does not; null for the base rate."""
    roc_auc_difference: Estimate
    """That of the points minus that, with its 90% interval; above 0 the points are better."""


@dataclass(frozen=True)
class PointsLabel(Result):
    """Leads that the model gives a label to, and as many with the most points."""

    from_points: int
    """The points from which as many leads of the past have the label as by the model."""
    leads: int
    """Later leads to which the model gives the label or a higher one."""
    overlap: Estimate
    """Share of these that are among as many leads with the most points, with its 90% interval; equal points are
    drawn at random."""
    converted: int
    """Leads that converted among those of the model."""
    points_converted: Number
    """Leads that converted among as many with the most points."""


@dataclass(frozen=True)
class PointsEvaluation(Result):
    """The points on a later period that they did not learn from; all intervals are 90%."""

    snapshots: int
    """Snapshots of the period."""
    leads: int
    """Leads with such a snapshot."""
    converted: int
    """Snapshots followed by a conversion."""
    log_loss: Estimate
    """The log loss of the points; less is better."""
    roc_auc: Estimate
    """How often the points rank a snapshot that converts above one that does not."""
    beside_base_rate: PointsLoss
    """Beside the base rate that was known before."""
    beside_model: PointsLoss | None
    """Beside the model; null without one."""
    labels: dict[str, PointsLabel]
    """Label by label, lowest first; empty without a model."""


def evaluate_points(
    rows: LaterRows,
    *,
    base_rate: float,
    thresholds: Mapping[str, float],
    totals: Mapping[str, int],
    random_state: int,
) -> PointsEvaluation:
    """Compare points with the base rate and the model, with intervals over resampled accounts.

    Parameters
    ----------
    base_rate : float
        The share that converted where the points were learned.
    thresholds : mapping of label to the model's probability from which it is given, lowest first.
    totals : mapping of label to the points from which it is given.

    Raises
    ------
    PopulationError
        If all rows are of one account.
    """
    bootstrap = ClusterBootstrap(rows.group, n_bootstrap=_DRAWS, random_state=random_state)
    base = np.full(len(rows.converted), base_rate)
    losses = log_losses(rows.converted, rows.probability)
    return PointsEvaluation(
        snapshots=len(rows.converted),
        leads=len(np.unique(rows.lead)),
        converted=int(rows.converted.sum()),
        log_loss=_mean(losses, bootstrap),
        roc_auc=_auc(rows, None, bootstrap),
        beside_base_rate=_beside(rows, base, bootstrap),
        beside_model=None if rows.by_model is None else _beside(rows, rows.by_model, bootstrap),
        labels={}
        if rows.by_model is None
        else {
            label: _label(rows, rows.by_model, threshold, totals[label], random_state)
            for label, threshold in thresholds.items()
        },
    )


def _mean(values: Floats, bootstrap: ClusterBootstrap) -> Estimate:
    size, total = bootstrap.sums(np.ones_like(values), values)
    return make_estimate(values.mean(), total / size, tail=_TAIL)


def _auc(rows: LaterRows, other: Floats | None, bootstrap: ClusterBootstrap) -> Estimate:
    """The AUC of the points, or how far it lies above that of the other."""
    points = Ranking(rows.converted, rows.total)
    beside = None if other is None else Ranking(rows.converted, other)

    def measure(weight: Floats) -> Floats:
        found = points.measure(weight)[0]
        return found if beside is None else found - beside.measure(weight)[0]

    whole = measure(np.ones((1, len(rows.converted))))
    drawn = np.concatenate([measure(counts[:, bootstrap.codes]) for counts in bootstrap.draws()])
    return make_estimate(whole[0], drawn, tail=_TAIL)


def _beside(rows: LaterRows, other: Floats, bootstrap: ClusterBootstrap) -> PointsLoss:
    losses = log_losses(rows.converted, other)
    ranks = np.ptp(other) > 0
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    return PointsLoss(
        log_loss=float(losses.mean()),
        log_loss_difference=_mean(log_losses(rows.converted, rows.probability) - losses, bootstrap),
        roc_auc=float(Ranking(rows.converted, other).measure(np.ones((1, len(other))))[0][0])
        if ranks
        else float("nan"),
        roc_auc_difference=_auc(rows, other, bootstrap) if ranks else nothing,
    )


def take_best(lead: Rows, values: Floats) -> Floats:
    """The highest value of each lead, in the order of their numbers."""
    _, code = np.unique(lead, return_inverse=True)
    best = np.full(int(code.max()) + 1, -np.inf)
    np.maximum.at(best, code, values)
    return best


def choose_total(lead: Rows, total: Floats, meets: Mask) -> int:
    """The whole points that give a label to a number of leads as near as possible to those that meet a threshold."""
    best = take_best(lead, total)
    wanted = int(take_best(lead, meets.astype(np.float64)).sum())
    candidates = np.append(np.unique(best), best.max() + 1)
    counts = np.array([(best >= value).sum() for value in candidates])
    return int(candidates[np.argmin(np.abs(counts - wanted))])


def _label(rows: LaterRows, by_model: Floats, threshold: float, from_points: int, seed: int) -> PointsLabel:
    chance, total = take_best(rows.lead, by_model), take_best(rows.lead, rows.total)
    won, group = take_best(rows.lead, rows.converted), take_best(rows.lead, rows.group.astype(np.float64))
    model = (chance >= threshold).astype(np.float64)
    points = _pick(total, int(model.sum()))
    overlap = Estimate(float("nan"), float("nan"), float("nan"))
    if model.any():
        bootstrap = ClusterBootstrap(group, n_bootstrap=_DRAWS, random_state=seed)
        picked, both = bootstrap.sums(model, model * points)
        with np.errstate(invalid="ignore"):
            overlap = make_estimate((model @ points) / model.sum(), both / picked, tail=_TAIL)
    return PointsLabel(
        from_points=from_points,
        leads=int(model.sum()),
        overlap=overlap,
        converted=int(model @ won),
        points_converted=float(points @ won),
    )


def _pick(total: Floats, number: int) -> Floats:
    """The chance of each lead to be among as many with the most points, those with equal points drawn at random."""
    if number == 0:
        return np.zeros(len(total))
    last = np.sort(total)[-number]
    above, equal = total > last, total == last
    chance: Floats = above + equal * ((number - above.sum()) / equal.sum())
    return chance
