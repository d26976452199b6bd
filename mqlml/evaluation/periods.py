"""Period by period: the forecasts of forward folds go in; how good each was, with intervals, comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.errors import PopulationError
from mqlml.evaluation.ahead import Forecast, fit_slope, shrink
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import evaluate_probabilities, log_losses
from mqlml.training import Fold

__all__ = ["judge_folds"]

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
    own = {found.made: found for found in forecasts if found.made == found.period}
    rates = [float(label[fold.train].mean()) for fold in folds]
    known = np.full(len(label), np.nan)
    promised = np.full(len(label), np.nan)
    judged = []
    for number in range(len(folds)):
        slope = _slope_before(number, own, label, time, folds, rates, reach)
        rows = own[number].rows
        promised[rows] = shrink(own[number].raw, base_rate=rates[number], slope=slope)
        known[rows] = rates[number]
        judged.append(
            {
                "base_rate_known": rates[number],
                "slope": slope,
                **_judge(label[rows], promised[rows], known[rows], clusters[rows], random_state),
            }
        )
    rows = np.concatenate([own[number].rows for number in range(len(folds))])
    return judged, _judge(label[rows], promised[rows], known[rows], clusters[rows], random_state)


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
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    base = log_losses(target, known)
    rows = {
        "log_loss_base_rate": base,
        "brier_base_rate": (target - known) ** 2,
        "gain": base - log_losses(target, promised),
        "promised_too_much": promised - target,
    }
    size, *totals = bootstrap.sums(np.ones_like(target), *rows.values())
    return {
        **found,
        **{name: metrics[name] for name in _METRICS},
        "ece": Estimate(metrics["ece"], metrics["ece_low"], metrics["ece_high"]),
        **{
            name: make_estimate(float(values.mean()), total / size)
            for (name, values), total in zip(rows.items(), totals, strict=True)
        },
    }
