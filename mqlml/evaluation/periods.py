"""Forecasts across periods, each fold's model on its own and later ones, and how good they were in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.base import clone

from mqlml.errors import PopulationError, ScorerError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import evaluate_probabilities, log_losses
from mqlml.model import LeadScorer
from mqlml.results import Number, Result
from mqlml.training import Fold
from mqlml.types import Floats, Labels, Rows

__all__ = [
    "FoldEvaluation",
    "Forecast",
    "OverTimePeriod",
    "PeriodEvaluation",
    "PeriodLosses",
    "evaluate_folds",
    "evaluate_losses",
    "fit_slope",
    "forecast_across_periods",
    "of_one_size",
    "shrink",
]


Track = Callable[[Sequence[int], str], Iterable[int]]


@dataclass(frozen=True)
class Forecast:
    """The predictions of one fold's model for the leads of one period, its own or a later one.

    Attributes
    ----------
    made, period : int, numbers of the folds.
    rows : ndarray of int, positions in the table, none of a lead or account that this model learned from.
    raw : ndarray of float64, log-odds.
    """

    made: int
    period: int
    rows: Rows
    raw: Floats


def forecast_across_periods(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: Labels,
    group: Rows,
    folds: Sequence[Fold],
    *,
    later: bool,
    track: Track = lambda folds, _: folds,
) -> tuple[Forecast, ...]:
    """Each fold's model on its own period and, with ``later``, on every later one.

    It costs a fit for each fold and a prediction for each pair. Of a later period only those are predicted whose
    lead and account the model did not learn from; where groups were assigned to parts, each by a part's model that
    had not learned from it.
    """
    forecasts = []
    for made in track(range(len(folds)), "a model for each period"):
        models = [_learn(scorer, features.iloc[train], label[train]) for train, _ in folds[made].parts]
        known = [np.unique(group[train]) for train, _ in folds[made].parts]
        raw = [model(features.iloc[test]) for model, (_, test) in zip(models, folds[made].parts, strict=True)]
        forecasts.append(Forecast(made, made, folds[made].test, np.concatenate(raw)))
        for period in range(made + 1, len(folds) if later else 0):
            rows, raw = [], []
            left = folds[period].test
            for model, learned in zip(models, known, strict=True):
                foreign = ~np.isin(group[left], learned)
                if foreign.any():
                    rows.append(left[foreign])
                    raw.append(model(features.iloc[left[foreign]]))
                left = left[~foreign]
            if rows:
                forecasts.append(Forecast(made, period, np.concatenate(rows), np.concatenate(raw)))
    return tuple(forecasts)


def _learn(scorer: LeadScorer, features: pd.DataFrame, label: Labels) -> Callable[[pd.DataFrame], Floats]:
    """The raw scores of a model that learned from these rows; where none of them can be used, the base rate's."""
    try:
        fitted: LeadScorer = clone(scorer).fit(features, label)
    except ScorerError:  # no column varies in so few rows
        rate = float(logit(label.mean()))
        return lambda table: np.full(len(table), rate)
    return fitted.decision_function


def of_one_size(folds: Sequence[Fold]) -> list[Fold]:
    """The same folds with no more rows to learn from than the smallest has, the newest ones.

    Older models have mostly learned from less. Models that learned from equally much differ by their age alone.
    """
    size = min(len(train) for fold in folds for train, _ in fold.parts)
    return [
        replace(
            fold, train=fold.train[-size:], parts=tuple((train[-size:], test) for train, test in fold.parts)
        )
        for fold in folds
    ]


def shrink(raw: Floats, *, base_rate: float, slope: float) -> Floats:
    """Probabilities whose log-odds keep a share of their distance from those of the base rate known when training.

    A model's raw scores are surer than they should be on later leads. Fitting a calibrator for each fold would add
    its noise to every comparison, and an intercept fitted later would hide what drift of the base rate costs.
    """
    middle = logit(base_rate)
    probability: Floats = expit(middle + slope * (raw - middle))
    return probability


def fit_slope(parts: Iterable[tuple[Floats, Labels, float]]) -> float:
    """The one slope of least log loss for the forecasts of several models.

    Parameters
    ----------
    parts : for each model its raw scores of later leads, their labels, and the base rate it knew.
    """
    parts = list(parts)

    def loss(slope: float) -> float:
        return sum(
            float(log_losses(label.astype(np.float64), shrink(raw, base_rate=rate, slope=slope)).sum())
            for raw, label, rate in parts
        )

    return float(minimize_scalar(loss, bounds=(0.0, 2.0), method="bounded").x)


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
