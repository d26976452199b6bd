"""Two versions on the same snapshots: how far their metrics, their labels' value and their groups differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mqlml.config import LabelRule
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import Metrics, Ranking, evaluate_probabilities, log_losses
from mqlml.evaluation.slices import LEAST_ROWS
from mqlml.policy.threshold_data import payoff
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints, Mask, Objects, Rows

__all__ = [
    "Calibration",
    "LabelValue",
    "PairedComparison",
    "PairedRows",
    "Side",
    "SliceDifference",
    "compare_rows",
]

_N_BOOTSTRAP = 500
_PER = 1000


@dataclass(frozen=True)
class Side:
    """What one version gives n snapshots.

    Attributes
    ----------
    probability : ndarray of float64, shape (n,)
    meets : dict of label to ndarray of bool, shape (n,)
        Who has the label or a higher one.
    thresholds : dict of label to float
    """

    probability: Floats
    meets: Mapping[str, Mask]
    thresholds: Mapping[str, float]


@dataclass(frozen=True)
class PairedRows:
    """Snapshots in order of their cutoffs, with their outcomes and what both versions give them.

    Attributes
    ----------
    converted : ndarray of float64, shape (n,), 0 or 1
    group : ndarray of int, shape (n,)
        The account, or the lead without one.
    champion, challenger : Side
    slices : mapping of a column's title to the value of each snapshot
    base_rate : float
        The share that converted where the champion learned.
    rules : mapping of label to LabelRule, those of the config.
    """

    converted: Floats
    group: Rows
    champion: Side
    challenger: Side
    slices: Mapping[str, Objects]
    base_rate: float
    rules: Mapping[str, LabelRule]


@dataclass(frozen=True)
class Calibration(Result):
    """Predicted and observed conversions of one version."""

    predicted: Number
    """The mean probability."""
    observed: Number
    """The share that converted."""


@dataclass(frozen=True)
class LabelValue(Result):
    """What one label's thresholds bring, the champion's and the challenger's."""

    threshold: tuple[float, float]
    """The probability from which a lead has the label: the champion's, the challenger's."""
    selected: tuple[int, int]
    """Snapshots with the label or a higher one."""
    converted: tuple[int, int]
    """Of these, those that convert."""
    in_currency: bool
    """Whether the value is money, by the label's ``gain`` and ``cost``; else it is counted in conversions."""
    value_difference: Estimate
    """Value a thousand snapshots, the challenger's minus the champion's."""


@dataclass(frozen=True)
class SliceDifference(Result):
    """One group of snapshots."""

    column: str
    """As people read it: ``Country``."""
    value: str
    """Likewise: ``US``."""
    n: int
    """Snapshots in it."""
    positives: int
    """Of these, those that convert."""
    brier_difference: Estimate
    """The challenger's Brier score minus the champion's; below 0 the challenger is better."""


@dataclass(frozen=True)
class PairedComparison(Result):
    """Champion and challenger on the same snapshots. Differences are the challenger's minus the champion's."""

    champion: Metrics
    """The champion's metrics."""
    challenger: Metrics
    """The challenger's metrics."""
    log_loss_difference: Estimate
    """Below 0 the challenger is better."""
    brier_difference: Estimate
    """Likewise."""
    average_precision_difference: Estimate
    """Above 0 the challenger is better."""
    champion_calibration: Calibration
    """What the champion predicted and what happened."""
    challenger_calibration: Calibration
    """What the challenger predicted and what happened."""
    labels: dict[str, LabelValue]
    """By label that both versions have, lowest first."""
    slices: tuple[SliceDifference, ...]
    """By column, largest first within one; those of fewer than 50 snapshots are left out."""


def compare_rows(rows: PairedRows, *, random_state: int) -> PairedComparison:
    """Compare both versions on the rows, with intervals of a paired bootstrap over accounts.

    Raises
    ------
    PopulationError
        If nobody or everybody converted, or all rows are of one account.
    """
    y, a, b = rows.converted, rows.champion.probability, rows.challenger.probability
    bootstrap = ClusterBootstrap(rows.group, n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    one = np.ones_like(y)
    metrics = [
        evaluate_probabilities(
            y, side, clusters=rows.group, base_rate=rows.base_rate, random_state=random_state
        )
        for side in (a, b)
    ]
    squares = (b - y) ** 2 - (a - y) ** 2
    losses = log_losses(y, b) - log_losses(y, a)
    size, loss_sum, square_sum = bootstrap.sums(one, losses, squares)
    return PairedComparison(
        champion=metrics[0],
        challenger=metrics[1],
        log_loss_difference=make_estimate(losses.mean(), loss_sum / size),
        brier_difference=make_estimate(squares.mean(), square_sum / size),
        average_precision_difference=_precision_difference(y, a, b, bootstrap),
        champion_calibration=Calibration(float(a.mean()), float(y.mean())),
        challenger_calibration=Calibration(float(b.mean()), float(y.mean())),
        labels={
            label: _compare_label(rows, label, bootstrap, size)
            for label in rows.champion.meets
            if label in rows.challenger.meets
        },
        slices=tuple(_compare_slices(rows, squares, bootstrap)),
    )


def _precision_difference(y: Floats, a: Floats, b: Floats, bootstrap: ClusterBootstrap) -> Estimate:
    rankings = Ranking(y, a), Ranking(y, b)

    def measure(weight: Floats, members: Ints | None = None) -> Floats:
        first, second = (ranking.measure(weight, members)[1] for ranking in rankings)
        return second - first

    whole = measure(np.ones((1, len(y))))
    drawn = [measure(counts, bootstrap.codes) for counts in bootstrap.draws()]
    return make_estimate(whole[0], np.concatenate(drawn))


def _compare_label(rows: PairedRows, label: str, bootstrap: ClusterBootstrap, size: Floats) -> LabelValue:
    y, rule = rows.converted, rows.rules.get(label)
    sides = rows.champion, rows.challenger
    in_currency = rule is not None and rule.policy == "value"
    if rule is not None and in_currency:
        worth = payoff(rule, y)
    else:
        # Net benefit: whoever takes leads from a probability t on values a conversion at (1 - t) / t of the others.
        # A. Vickers, E. Elkin, "Decision curve analysis", Medical Decision Making 26, 2006. One t for both versions.
        threshold = min(rows.champion.thresholds[label], 1 - 1e-9)
        worth = np.where(y > 0, 1.0, -threshold / (1 - threshold))
    gained = worth * (sides[1].meets[label].astype(np.float64) - sides[0].meets[label])
    (total,) = bootstrap.sums(gained)
    return LabelValue(
        threshold=(sides[0].thresholds[label], sides[1].thresholds[label]),
        selected=(int(sides[0].meets[label].sum()), int(sides[1].meets[label].sum())),
        converted=(int(y[sides[0].meets[label]].sum()), int(y[sides[1].meets[label]].sum())),
        in_currency=in_currency,
        value_difference=make_estimate(_PER * gained.mean(), _PER * total / size),
    )


def _compare_slices(rows: PairedRows, squares: Floats, bootstrap: ClusterBootstrap) -> list[SliceDifference]:
    found = []
    for column, values in rows.slices.items():
        names, counts = np.unique(values, return_counts=True)
        for name in names[np.argsort(-counts, kind="stable")]:
            within = (values == name).astype(np.float64)
            n = int(within.sum())
            if n < LEAST_ROWS:
                continue
            size, total = bootstrap.sums(within, within * squares)
            with np.errstate(invalid="ignore", divide="ignore"):
                difference = make_estimate((within @ squares) / n, total / size)
            found.append(SliceDifference(column, str(name), n, int(within @ rows.converted), difference))
    return found
