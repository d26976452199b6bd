"""Evaluates out-of-time forecasts period by period, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mqlml.errors import PopulationError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.forecasts import Forecast, fit_slope, shrink
from mqlml.evaluation.metrics import evaluate_probabilities, log_losses
from mqlml.results import Number, Result
from mqlml.training import Fold
from mqlml.types import Floats, Labels

__all__ = [
    "FoldEvaluation",
    "OverTimePeriod",
    "PeriodEvaluation",
    "PeriodLosses",
    "evaluate_folds",
    "evaluate_losses",
]

_N_BOOTSTRAP = 500
_SLOPE_POSITIVES = 20
"""With fewer earlier forecasts of either class raw scores are taken as they are."""


@dataclass(frozen=True)
class PeriodLosses(Result):
    """The error of one period, evaluated with a model that learned from what was known before it.

    The estimates are None where all snapshots are of one account.
    """

    n: int
    """Snapshots in the period."""
    positives: int
    """Snapshots followed by a conversion."""
    log_loss: Estimate | None
    """In nats per snapshot; less is better."""
    log_loss_base_rate: Estimate | None
    """Of giving everyone the base rate known when training."""
    gain: Estimate | None
    """How much lower the log loss is than that of the base rate, paired by snapshot."""


@dataclass(frozen=True)
class OverTimePeriod(PeriodLosses):
    """One period of the past, or the held-out one."""

    start: Annotated[str, Field(alias="from")]
    """ISO time of its first cutoff; its place in the order, where a flat table's order is no time."""
    until: str
    """The last cutoff, likewise."""
    held_out: bool
    """Whether it is the held-out period."""


@dataclass(frozen=True)
class PeriodEvaluation(Result):
    """How good the forecasts of some snapshots were.

    The estimates are None where nobody or everybody converted, or all snapshots are of one account.
    """

    n: int
    """Snapshots."""
    positives: int
    """Snapshots followed by a conversion."""
    rate: Number
    """The share that converted."""
    predicted: Number
    """The mean probability."""
    roc_auc: Estimate | None = None
    """How often a snapshot that converts is ranked above one that does not."""
    average_precision: Estimate | None = None
    """The precision, averaged over all thresholds."""
    log_loss: Estimate | None = None
    """In nats per snapshot; less is better."""
    brier: Estimate | None = None
    """Mean squared error; less is better."""
    ece: Estimate | None = None
    """Calibration error: mean distance between predicted and observed share over ten bands."""
    log_loss_base_rate: Estimate | None = None
    """Log loss of giving everyone the base rate known when training."""
    brier_base_rate: Estimate | None = None
    """Brier score of the same."""
    gain: Estimate | None = None
    """How much lower the log loss is than that of the base rate, paired by snapshot."""
    overprediction: Estimate | None = None
    """The mean probability minus the share that converted."""


@dataclass(frozen=True, kw_only=True)
class FoldEvaluation(PeriodEvaluation):
    """The same of one fold's own period."""

    base_rate_known: float
    """The share that converted among the rows the fold's model learned from."""
    slope: float
    """What its log-odds were shrunk by, towards those of that base rate."""


def evaluate_folds(
    forecasts: Sequence[Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    *,
    label_span: int,
    clusters: npt.NDArray[np.intp],
    random_state: int,
) -> tuple[tuple[FoldEvaluation, ...], PeriodEvaluation]:
    """Each fold on its own period, and all of them together.

    Raw scores become probabilities with what was known when the fold's model was trained and no more: the base rate
    of the rows it learned from, and a slope fitted on forecasts of earlier folds whose outcomes were known by then.

    Parameters
    ----------
    forecasts : what `forecast_across_periods` gave; only those of own periods are used.
    label, time, clusters : arrays of shape (rows of the table,)
    folds : the folds of the forecasts.
    label_span : int, gap plus horizon in units of ``time``.
    random_state : int

    Returns
    -------
    One evaluation per fold, and one of all together.
    """
    outlook = _forecast(forecasts, label, time, folds, label_span)
    evaluated = []
    for one in outlook:
        period = _evaluate(label[one.rows], one.predicted, one.known, clusters[one.rows], random_state)
        evaluated.append(FoldEvaluation(**vars(period), base_rate_known=one.rate, slope=one.slope))
    rows = np.concatenate([one.rows for one in outlook])
    predicted = np.concatenate([one.predicted for one in outlook])
    known = np.concatenate([one.known for one in outlook])
    return tuple(evaluated), _evaluate(label[rows], predicted, known, clusters[rows], random_state)


def evaluate_losses(
    forecasts: Sequence[Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    *,
    label_span: int,
    clusters: npt.NDArray[np.intp],
    random_state: int,
) -> tuple[PeriodLosses, ...]:
    """The part of `evaluate_folds` that costs next to nothing, one per fold, known even where nobody converted."""
    evaluated = []
    for one in _forecast(forecasts, label, time, folds, label_span):
        target = label[one.rows].astype(np.float64)
        base, loss = log_losses(target, one.known), log_losses(target, one.predicted)
        estimates: Sequence[Estimate | None]
        try:
            estimates = _means([loss, base, base - loss], clusters[one.rows], random_state)
        except PopulationError:
            estimates = (None, None, None)
        evaluated.append(PeriodLosses(len(target), int(target.sum()), *estimates))
    return tuple(evaluated)


@dataclass(frozen=True)
class _Outlook:
    """What one fold's model predicts of its period; arrays aligned with ``rows``, ``known`` the base rate of old."""

    rows: npt.NDArray[np.intp]
    predicted: Floats
    known: Floats
    rate: float
    slope: float


def _forecast(
    forecasts: Sequence[Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    label_span: int,
) -> list[_Outlook]:
    """Raw scores as probabilities, with what was known when each fold's model was trained and no more."""
    own = {found.made: found for found in forecasts if found.made == found.period}
    rates = [float(label[fold.train].mean()) for fold in folds]
    outlook = []
    for number, rate in enumerate(rates):
        slope = _slope_before(number, own, label, time, folds, rates, label_span)
        rows = own[number].rows
        predicted = shrink(own[number].raw, base_rate=rate, slope=slope)
        outlook.append(_Outlook(rows, predicted, np.full(len(rows), rate), rate, slope))
    return outlook


def _means(columns: Sequence[Floats], clusters: npt.NDArray[np.intp], random_state: int) -> list[Estimate]:
    """The mean of each column with its interval over clusters."""
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    size, *totals = bootstrap.sums(np.ones(len(clusters)), *columns)
    return [
        make_estimate(float(values.mean()), total / size)
        for values, total in zip(columns, totals, strict=True)
    ]


def _slope_before(
    number: int,
    own: dict[int, Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    rates: Sequence[float],
    label_span: int,
) -> float:
    """The slope that could be known when this fold's model was trained."""
    parts = []
    for earlier in range(number):
        rows = own[earlier].rows
        ripe = time[rows] + label_span <= folds[number].start
        parts.append((own[earlier].raw[ripe], label[rows[ripe]], rates[earlier]))
    wins = sum(int(target.sum()) for _, target, _ in parts)
    total = sum(len(target) for _, target, _ in parts)
    return fit_slope(parts) if min(wins, total - wins) >= _SLOPE_POSITIVES else 1.0


def _evaluate(
    label: Labels, predicted: Floats, known: Floats, clusters: npt.NDArray[np.intp], random_state: int
) -> PeriodEvaluation:
    target = label.astype(np.float64)
    found = PeriodEvaluation(len(label), int(label.sum()), float(target.mean()), float(predicted.mean()))
    try:
        metrics = evaluate_probabilities(
            target, predicted, clusters=clusters, base_rate=0.0, random_state=random_state
        )
    except PopulationError:  # nobody or everybody converted, or all are of one account
        return found
    base = log_losses(target, known)
    columns = [base, (target - known) ** 2, base - log_losses(target, predicted), predicted - target]
    loss_of_base_rate, brier_of_base_rate, gain, overprediction = _means(columns, clusters, random_state)
    return replace(
        found,
        roc_auc=metrics.roc_auc,
        average_precision=metrics.average_precision,
        log_loss=metrics.log_loss,
        brier=metrics.brier,
        ece=metrics.ece,
        log_loss_base_rate=loss_of_base_rate,
        brier_base_rate=brier_of_base_rate,
        gain=gain,
        overprediction=overprediction,
    )
