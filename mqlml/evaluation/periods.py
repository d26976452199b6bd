"""Period by period: the forecasts of forward folds go in; how good each was, with intervals, comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.errors import PopulationError
from mqlml.evaluation.ahead import Forecast, fit_slope, shrink
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import evaluate_probabilities, log_losses
from mqlml.training import Fold

__all__ = ["judge_folds", "judge_losses"]

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

_N_BOOTSTRAP = 500
_SLOPE_POSITIVES = 20
"""With fewer earlier forecasts of either class raw scores are taken as they are."""


def judge_folds(
    forecasts: Sequence[Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    *,
    reach: int,
    clusters: npt.NDArray[np.intp],
    random_state: int,
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Each fold on its own period, and all of them together.

    Raw scores become probabilities with what was known when the fold's model was trained and no more: the base rate
    of the rows it learned from, and a slope fitted on forecasts of earlier folds whose outcomes were known by then.

    Parameters
    ----------
    forecasts : what `predict_ahead` gave; only those of own periods are looked at.
    label, time, clusters : arrays of shape (rows of the table,)
    folds : the folds of the forecasts.
    reach : int, gap plus horizon in the unit of ``time``.
    random_state : int

    Returns
    -------
    list of dict, one per fold: see `_judge`, with ``slope``; and the same for all together. None, or all metrics
    None, where nobody or everybody converted.
    """
    told = _foretell(forecasts, label, time, folds, reach)
    judged = [
        {
            "base_rate_known": one.rate,
            "slope": one.slope,
            **_judge(label[one.rows], one.promised, one.known, clusters[one.rows], random_state),
        }
        for one in told
    ]
    rows = np.concatenate([one.rows for one in told])
    promised, known = (
        np.concatenate([one.promised for one in told]),
        np.concatenate([one.known for one in told]),
    )
    return judged, _judge(label[rows], promised, known, clusters[rows], random_state)


def judge_losses(
    forecasts: Sequence[Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    *,
    reach: int,
    clusters: npt.NDArray[np.intp],
    random_state: int,
) -> list[dict[str, Any]]:
    """The part of `judge_folds` that costs next to nothing, and is known even where nobody converted.

    Returns
    -------
    list of dict, one per fold: ``n``, ``positives``, and as `Estimate`, or None where all are of one account,
    ``log_loss``, ``log_loss_base_rate`` and ``gain``, the difference of the two, paired.
    """
    judged: list[dict[str, Any]] = []
    for one in _foretell(forecasts, label, time, folds, reach):
        target = label[one.rows].astype(np.float64)
        base, loss = log_losses(target, one.known), log_losses(target, one.promised)
        columns = {"log_loss": loss, "log_loss_base_rate": base, "gain": base - loss}
        estimates: Mapping[str, Estimate | None]
        try:
            estimates = _means(columns, clusters[one.rows], random_state)
        except PopulationError:
            estimates = dict.fromkeys(columns)
        judged.append({"n": len(target), "positives": int(target.sum()), **estimates})
    return judged


@dataclass(frozen=True)
class _Foretold:
    """What one fold's model promised its period; arrays aligned with ``rows``, ``known`` the base rate of old."""

    rows: npt.NDArray[np.intp]
    promised: Floats
    known: Floats
    rate: float
    slope: float


def _foretell(
    forecasts: Sequence[Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    reach: int,
) -> list[_Foretold]:
    """Raw scores as probabilities, with what was known when each fold's model was trained and no more."""
    own = {found.made: found for found in forecasts if found.made == found.period}
    rates = [float(label[fold.train].mean()) for fold in folds]
    told = []
    for number, rate in enumerate(rates):
        slope = _slope_before(number, own, label, time, folds, rates, reach)
        rows = own[number].rows
        promised = shrink(own[number].raw, base_rate=rate, slope=slope)
        told.append(_Foretold(rows, promised, np.full(len(rows), rate), rate, slope))
    return told


def _means(
    columns: Mapping[str, Floats], clusters: npt.NDArray[np.intp], random_state: int
) -> dict[str, Estimate]:
    """The mean of each column with its interval over clusters."""
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    size, *totals = bootstrap.sums(np.ones(len(clusters)), *columns.values())
    return {
        name: make_estimate(float(values.mean()), total / size)
        for (name, values), total in zip(columns.items(), totals, strict=True)
    }


def _slope_before(
    number: int,
    own: dict[int, Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    rates: Sequence[float],
    reach: int,
) -> float:
    """The slope that could be known when this fold's model was trained."""
    parts = []
    for earlier in range(number):
        rows = own[earlier].rows
        ripe = time[rows] + reach <= folds[number].start
        parts.append((own[earlier].raw[ripe], label[rows[ripe]], rates[earlier]))
    wins = sum(int(target.sum()) for _, target, _ in parts)
    total = sum(len(target) for _, target, _ in parts)
    return fit_slope(parts) if min(wins, total - wins) >= _SLOPE_POSITIVES else 1.0


_METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "ece")


def _judge(
    label: Labels, promised: Floats, known: Floats, clusters: npt.NDArray[np.intp], random_state: int
) -> dict[str, Any]:
    """``n``, ``positives``, the share that converted, and the metrics of `evaluate_probabilities` as `Estimate`.

    Beside them stand ``log_loss_base_rate`` and ``brier_base_rate``, of promising everyone the base rate known when
    training; ``gain``, how much lower the log loss is than that (nats per lead, paired); and ``promised``, the mean
    probability, with ``promised_too_much``, that mean minus the share that converted.
    """
    target = label.astype(np.float64)
    found: dict[str, Any] = {
        "n": len(label),
        "positives": int(label.sum()),
        "rate": float(target.mean()),
        "promised": float(promised.mean()),
        **dict.fromkeys((*_METRICS, "log_loss_base_rate", "brier_base_rate", "gain", "promised_too_much")),
    }
    try:
        metrics = evaluate_probabilities(
            target, promised, clusters=clusters, base_rate=0.0, random_state=random_state
        )
    except PopulationError:  # nobody or everybody converted, or all are of one account
        return found
    base = log_losses(target, known)
    columns = {
        "log_loss_base_rate": base,
        "brier_base_rate": (target - known) ** 2,
        "gain": base - log_losses(target, promised),
        "promised_too_much": promised - target,
    }
    return {
        **found,
        **{name: metrics[name] for name in _METRICS},
        "ece": Estimate(metrics["ece"], metrics["ece_low"], metrics["ece_high"]),
        **_means(columns, clusters, random_state),
    }
