"""How good probabilities are: labels and probabilities of held-out leads go in, metrics with intervals come out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.errors import PopulationError, ScorerError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.curves import assign_bands
from mqlml.evaluation.ranking import Ranking

__all__ = ["check_judged", "compare_log_loss", "evaluate_baselines", "evaluate_probabilities", "log_losses"]

FloatArray = npt.NDArray[np.float64]

_N_BOOTSTRAP = 500
_NORMAL = 1.96
_SURE = 1e-15
"""Probabilities are kept this far from 0 and 1 in the log loss, so that one certain error does not cost infinity."""


def evaluate_probabilities(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike,
    base_rate: float,
    random_state: int,
    n_bootstrap: int = _N_BOOTSTRAP,
    score: npt.ArrayLike | None = None,
) -> dict[str, Any]:
    """All metrics of the results' ``holdout``, bar its dates.

    Parameters
    ----------
    y : array of shape (n,), 0 or 1
    probability : array of shape (n,)
    clusters : array of shape (n,)
        The account, or else the lead, of each row: what the intervals resample.
    base_rate : float
        The share that converted in training: what could have been predicted without a model.
    random_state : int
    n_bootstrap : int
    score : array of shape (n,), optional
        What to rank by, if not the probability: the raw score, where calibration makes ties.

    Returns
    -------
    dict
        ``n`` and ``positives`` (int); ``roc_auc``, ``average_precision``, ``log_loss`` (nats) and ``brier``
        (`Estimate` with a 95 % percentile bootstrap interval), ``roc_auc_99`` with one of 99 %; ``brier_base_rate``;
        ``ece``, the mean distance between promised and realised rate over ten bands of equally many leads, weighted
        by their size (above 0 for a perfect model too, the more so with fewer leads); ``lift_top_decile``, how many
        times the base rate the highest-ranked tenth converts, leads that share its border probability taken pro rata.
        Both with a 95 % interval in ``…_low`` and ``…_high``: 1.96 standard deviations of the resamples, and not
        below 0. (A resample has a larger calibration error than what it is drawn from, so percentiles would lie too
        high.)

    Raises
    ------
    PopulationError
        If nobody, or everybody, converted, or all rows are of one cluster.
    ScorerError
        If the arrays do not fit, or a probability lies outside 0 and 1.
    """
    target, chance = check_judged(y, probability)
    rank_by = chance if score is None else np.asarray(score, dtype=np.float64)
    bootstrap = _bootstrap(clusters, len(target), n_bootstrap, random_state)
    ranking = Ranking(target, rank_by)
    auc, precision = ranking.measure(np.ones((1, len(target))))
    resampled = [ranking.measure(counts[:, bootstrap.codes]) for counts in bootstrap.draws()]
    drawn = np.concatenate([a for a, _ in resampled])
    losses = log_losses(target, chance)
    squares = (target - chance) ** 2
    size, loss_sum, square_sum = bootstrap.sums(np.ones_like(target), losses, squares)
    return {
        "n": len(target),
        "positives": int(target.sum()),
        "roc_auc": make_estimate(auc[0], drawn),
        "roc_auc_99": make_estimate(auc[0], drawn, tail=0.005),
        "average_precision": make_estimate(precision[0], np.concatenate([p for _, p in resampled])),
        "log_loss": make_estimate(losses.mean(), loss_sum / size),
        "brier": make_estimate(squares.mean(), square_sum / size),
        "brier_base_rate": float(np.mean((target - base_rate) ** 2)),
        **_with_interval(
            "ece", _calibration_error(target, chance), _resample_error(bootstrap, target, chance)
        ),
        **_with_interval("lift_top_decile", *_lift_resampled(bootstrap, target, rank_by)),
    }


def evaluate_baselines(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    baselines: Mapping[str, npt.ArrayLike],
    *,
    clusters: npt.ArrayLike,
    base_rate: float,
    random_state: int,
    n_bootstrap: int = _N_BOOTSTRAP,
) -> dict[str, dict[str, Any]]:
    """Each baseline's metrics on the same leads, with ``log_loss_difference``: the model's minus the baseline's.

    ``baselines`` holds each one's probabilities; the rest is as in `evaluate_probabilities`.
    """
    shared: dict[str, Any] = {"clusters": clusters, "random_state": random_state, "n_bootstrap": n_bootstrap}
    return {
        name: {
            **evaluate_probabilities(y, other, base_rate=base_rate, **shared),
            "log_loss_difference": compare_log_loss(y, probability, other, **shared),
        }
        for name, other in baselines.items()
    }


def compare_log_loss(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    other: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike,
    random_state: int,
    n_bootstrap: int = _N_BOOTSTRAP,
) -> Estimate:
    """Mean log loss of ``probability`` minus that of ``other``, paired lead by lead; below 0 the first is better.

    Pairing removes what both find hard, so the interval is far narrower than those of the two losses suggest.
    """
    target, chance = check_judged(y, probability)
    difference = log_losses(target, chance) - log_losses(*check_judged(y, other))
    bootstrap = _bootstrap(clusters, len(target), n_bootstrap, random_state)
    size, total = bootstrap.sums(np.ones_like(difference), difference)
    return make_estimate(difference.mean(), total / size)


def log_losses(y: FloatArray, probability: FloatArray) -> FloatArray:
    """Log loss of each lead, in nats."""
    chance = np.clip(probability, _SURE, 1 - _SURE)
    losses: FloatArray = -np.where(y > 0, np.log(chance), np.log1p(-chance))
    return losses


def check_judged(y: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Labels and probabilities as float64, fit to be judged.

    Raises
    ------
    ScorerError, PopulationError
        See `evaluate_probabilities`.
    """
    target = np.asarray(y, dtype=np.float64)
    chance = np.asarray(probability, dtype=np.float64)
    if target.ndim != 1 or target.shape != chance.shape or not np.isin(target, (0, 1)).all():
        raise ScorerError(
            f"judging needs one label, 0 or 1, for each probability; found shapes {target.shape} and {chance.shape}"
        )
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ScorerError("probabilities must lie within 0 and 1; found some that do not, or are missing")
    positives = int(target.sum())
    if not 0 < positives < len(target):
        raise PopulationError(
            f"judging needs leads that converted and leads that did not; {positives} of {len(target)} converted. "
            "Take a longer held-out period or horizon"
        )
    return target, chance


def _bootstrap(clusters: npt.ArrayLike, n_rows: int, n_bootstrap: int, random_state: int) -> ClusterBootstrap:
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=n_bootstrap, random_state=random_state)
    if len(bootstrap.codes) != n_rows:
        raise ScorerError(
            f"judging needs the account or lead of each row; found {len(bootstrap.codes)} for {n_rows} rows"
        )
    return bootstrap


def _calibration_error(y: FloatArray, probability: FloatArray) -> float:
    bands = assign_bands(probability)
    gaps = np.bincount(bands, weights=probability - y)
    return float(np.abs(gaps).sum() / len(y))


def _with_interval(name: str, value: float, resampled: FloatArray) -> dict[str, float]:
    defined = resampled[np.isfinite(resampled)]
    wide = _NORMAL * float(defined.std()) if len(defined) else math.nan
    return {name: value, f"{name}_low": max(value - wide, 0.0), f"{name}_high": value + wide}


def _resample_error(bootstrap: ClusterBootstrap, y: FloatArray, probability: FloatArray) -> FloatArray:
    """The calibration error of each resample, in the bands of the whole; shape (resamples,)."""
    bands = assign_bands(probability)
    gaps = [(probability - y) * (bands == band) for band in np.unique(bands)]
    size, *totals = bootstrap.sums(np.ones_like(y), *gaps)
    return np.asarray(np.abs(np.stack(totals)).sum(axis=0) / size)


def _lift_resampled(
    bootstrap: ClusterBootstrap, y: FloatArray, score: FloatArray
) -> tuple[float, FloatArray]:
    """The lift of the top tenth, and that of the same leads in each resample."""
    order = np.argsort(-score, kind="stable")
    border = score[order[max(math.ceil(0.1 * len(y)) - 1, 0)]]
    above, at = score > border, score == border
    top = above + at * (0.1 * len(y) - above.sum()) / at.sum()
    size, wins, selected, won = bootstrap.sums(np.ones_like(y), y, top, top * y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _lift(y, score, 0.1), (won / selected) / (wins / size)


def _lift(y: FloatArray, score: FloatArray, share: float) -> float:
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    selected = np.append(0, last + 1)
    converted = np.append(0, np.cumsum(y[order])[last])
    taken = share * len(y)
    return float(np.interp(taken, selected, converted) / taken / y.mean())
