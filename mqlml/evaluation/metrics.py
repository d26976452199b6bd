"""Measures how good the probabilities of held-out leads are, with intervals, and whether they beat simpler ways."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mqlml.compiled import compiled
from mqlml.errors import PopulationError, ScorerError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.curves import assign_bands
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints, Mask

__all__ = [
    "Baseline",
    "Comparison",
    "Metrics",
    "Ranking",
    "check_rows",
    "compare_log_loss",
    "compare_losses",
    "evaluate_baselines",
    "evaluate_probabilities",
    "log_losses",
    "worst_of",
]


Comparison = Literal["better", "not_clearly_better", "worse"]
"""The model against a baseline; ``better`` and ``worse`` only where the interval leaves out no difference."""

_FROM_WORST: tuple[Comparison, ...] = ("worse", "not_clearly_better", "better")


def compare_losses(difference: Estimate) -> Comparison:
    """What the interval of a paired difference of log losses, the model's minus the baseline's, says of the model.

    Pairing removes what both find hard. Intervals of two separate metrics cannot tell as much: they overlap where
    one model is better lead by lead, and where they do not, other leads may have decided.
    """
    if difference.high < 0:
        return "better"
    # A NaN, from too few conversions for a single resample of both classes, shows no advantage either.
    return "worse" if difference.low > 0 else "not_clearly_better"


def worst_of(verdicts: Iterable[Comparison]) -> Comparison | None:
    """The verdict on all baselines together: the least favourable; None where there is none."""
    return min(verdicts, key=_FROM_WORST.index, default=None)


class Ranking:
    """Scores in falling order, with the first row of each step of equal scores.

    Parameters
    ----------
    y : array of shape (n,), 0 or 1
    score : array of shape (n,)
    """

    def __init__(self, y: Floats, score: Floats) -> None:
        self.order = np.argsort(-score, kind="stable")
        falling = score[self.order]
        self._last_of_step = np.append(falling[1:] != falling[:-1], True)
        self._converted = np.asarray(y, dtype=np.float64)[self.order]

    def measure(self, weight: Floats, members: Ints | None = None) -> tuple[Floats, Floats]:
        """ROC AUC and average precision under each row of weights.

        Parameters
        ----------
        weight : ndarray of shape (weightings, n), or (weightings, clusters)
            Not negative, in the order of the constructor's arrays.
        members : ndarray of int, shape (n,), optional
            The place of each row's weight, where the weights are those of clusters.

        Returns
        -------
        Two ndarrays of shape (weightings,); NaN where one class has no weight. Both as scikit-learn defines them: the
        AUC counts a tie as half, the average precision is the step-wise sum without interpolation.
        """
        place = self.order if members is None else np.asarray(members, dtype=np.int64)[self.order]
        return _measure(np.asarray(weight, dtype=np.float64), place, self._last_of_step, self._converted)


@compiled
def _measure(weight: Floats, place: Ints, last_of_step: Mask, converted: Floats) -> tuple[Floats, Floats]:
    """`Ranking.measure` in one pass over the rows for each weighting, which makes no table of them."""
    auc, average_precision = np.full(len(weight), np.nan), np.full(len(weight), np.nan)
    for number in range(len(weight)):
        own = weight[number]
        won = lost = ranked = precision = step_won = step_lost = 0.0
        for row in range(len(place)):
            at = own[place[row]]
            step_won += at * converted[row]
            step_lost += at * (1.0 - converted[row])
            if last_of_step[row]:
                ranked += step_lost * (won + step_won / 2.0)
                won += step_won
                lost += step_lost
                if step_won > 0.0:
                    precision += step_won * (won / (won + lost))
                step_won = step_lost = 0.0
        if won > 0.0 and lost > 0.0:
            auc[number] = ranked / (won * lost)
            average_precision[number] = precision / won
    return auc, average_precision


_N_BOOTSTRAP = 500
_NORMAL = 1.96
"""Standard deviations of a 95% interval, rounded as it always was: `norm.isf` would move results that are kept."""
_SURE = 1e-15
"""Probabilities are kept this far from 0 and 1 in the log loss, so that one certain error does not cost infinity."""


@dataclass(frozen=True)
class Metrics(Result):
    """How good probabilities are on some snapshots."""

    n: int
    """Snapshots."""
    positives: int
    """Snapshots followed by a conversion."""
    roc_auc: Estimate
    """How often a snapshot that converts is ranked above one that does not."""
    roc_auc_99: Estimate
    """The same, with an interval of 99%; the gate reads it."""
    average_precision: Estimate
    """The precision, averaged over all thresholds."""
    log_loss: Estimate
    """In nats; less is better."""
    brier: Estimate
    """Mean squared error; less is better."""
    brier_base_rate: Number
    """Brier score of giving everyone the base rate known when training."""
    ece: Estimate
    """Calibration error: mean distance between predicted and observed share over ten bands."""
    lift_top_decile: Estimate
    """How many times the base rate the highest-ranked tenth converts."""


@dataclass(frozen=True)
class Baseline(Metrics):
    """A simpler way to score, on the same snapshots as the model."""

    log_loss_difference: Estimate
    """The model's log loss minus this baseline's, paired by snapshot."""
    verdict: Comparison
    """What the interval of that difference says of the model."""


def evaluate_probabilities(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike,
    base_rate: float,
    random_state: int,
    n_bootstrap: int = _N_BOOTSTRAP,
    score: npt.ArrayLike | None = None,
) -> Metrics:
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
    Metrics
        Intervals are percentiles of the bootstrap, but for two. ``ece`` is over ten bands of equally many leads,
        weighted by their size (above 0 for a perfect model too, the more so with fewer leads); ``lift_top_decile``
        takes leads that share its border probability pro rata. Their intervals are 1.96 standard deviations of the
        resamples, and not below 0: a resample has a larger calibration error than what it is drawn from, so
        percentiles would lie too high.

    Raises
    ------
    PopulationError
        If nobody, or everybody, converted, or all rows are of one cluster.
    ScorerError
        If the arrays do not fit, or a probability lies outside 0 and 1.
    """
    target, chance = check_rows(y, probability)
    rank_by = chance if score is None else np.asarray(score, dtype=np.float64)
    bootstrap = _bootstrap(clusters, len(target), n_bootstrap, random_state)
    ranking = Ranking(target, rank_by)
    auc, precision = ranking.measure(np.ones((1, len(target))))
    resampled = [ranking.measure(counts, bootstrap.codes) for counts in bootstrap.draws()]
    aucs = np.concatenate([a for a, _ in resampled])
    losses = log_losses(target, chance)
    squares = (target - chance) ** 2
    size, loss_sum, square_sum = bootstrap.sums(np.ones_like(target), losses, squares)
    return Metrics(
        n=len(target),
        positives=int(target.sum()),
        roc_auc=make_estimate(auc[0], aucs),
        roc_auc_99=make_estimate(auc[0], aucs, tail=0.005),
        average_precision=make_estimate(precision[0], np.concatenate([p for _, p in resampled])),
        log_loss=make_estimate(losses.mean(), loss_sum / size),
        brier=make_estimate(squares.mean(), square_sum / size),
        brier_base_rate=float(np.mean((target - base_rate) ** 2)),
        ece=_by_spread(_calibration_error(target, chance), _resample_error(bootstrap, target, chance)),
        lift_top_decile=_by_spread(*_lift_resampled(bootstrap, target, rank_by)),
    )


def evaluate_baselines(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    baselines: Mapping[str, npt.ArrayLike],
    *,
    clusters: npt.ArrayLike,
    base_rate: float,
    random_state: int,
    n_bootstrap: int = _N_BOOTSTRAP,
) -> dict[str, Baseline]:
    """Each baseline's metrics on the same leads, and how the model compares with it.

    ``baselines`` holds each one's probabilities; the rest is as in `evaluate_probabilities`.
    """
    found = {}
    for name, other in baselines.items():
        metrics = evaluate_probabilities(
            y,
            other,
            clusters=clusters,
            base_rate=base_rate,
            random_state=random_state,
            n_bootstrap=n_bootstrap,
        )
        difference = compare_log_loss(
            y, probability, other, clusters=clusters, random_state=random_state, n_bootstrap=n_bootstrap
        )
        found[name] = Baseline(
            **vars(metrics), log_loss_difference=difference, verdict=compare_losses(difference)
        )
    return found


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
    target, chance = check_rows(y, probability)
    difference = log_losses(target, chance) - log_losses(*check_rows(y, other))
    bootstrap = _bootstrap(clusters, len(target), n_bootstrap, random_state)
    size, total = bootstrap.sums(np.ones_like(difference), difference)
    return make_estimate(difference.mean(), total / size)


def log_losses(y: Floats, probability: Floats) -> Floats:
    """Log loss of each lead, in nats."""
    chance = np.clip(probability, _SURE, 1 - _SURE)
    losses: Floats = -np.where(y > 0, np.log(chance), np.log1p(-chance))
    return losses


def check_rows(y: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Labels and probabilities as float64, fit to be evaluated on.

    Raises
    ------
    ScorerError, PopulationError
        See `evaluate_probabilities`.
    """
    target = np.asarray(y, dtype=np.float64)
    chance = np.asarray(probability, dtype=np.float64)
    if target.ndim != 1 or target.shape != chance.shape or not np.isin(target, (0, 1)).all():
        raise ScorerError(
            f"evaluation needs one label, 0 or 1, for each probability; found shapes {target.shape} and "
            f"{chance.shape}"
        )
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ScorerError("probabilities must lie within 0 and 1; found some that do not, or are missing")
    positives = int(target.sum())
    if not 0 < positives < len(target):
        raise PopulationError(
            f"evaluation needs leads that converted and leads that did not; {positives} of {len(target)} converted. "
            "Take a longer held-out period or horizon"
        )
    return target, chance


def _bootstrap(clusters: npt.ArrayLike, n_rows: int, n_bootstrap: int, random_state: int) -> ClusterBootstrap:
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=n_bootstrap, random_state=random_state)
    if len(bootstrap.codes) != n_rows:
        raise ScorerError(
            f"evaluation needs the account or lead of each row; found {len(bootstrap.codes)} for {n_rows} rows"
        )
    return bootstrap


def _calibration_error(y: Floats, probability: Floats) -> float:
    bands = assign_bands(probability)
    gaps = np.bincount(bands, weights=probability - y)
    return float(np.abs(gaps).sum() / len(y))


def _by_spread(value: float, resampled: Floats) -> Estimate:
    """An interval of 1.96 standard deviations of the resamples, not below 0."""
    defined = resampled[np.isfinite(resampled)]
    wide = _NORMAL * float(defined.std()) if len(defined) else math.nan
    return Estimate(value, max(value - wide, 0.0), value + wide)


def _resample_error(bootstrap: ClusterBootstrap, y: Floats, probability: Floats) -> Floats:
    """The calibration error of each resample, in the bands of the whole; shape (resamples,)."""
    bands = assign_bands(probability)
    gaps = [(probability - y) * (bands == band) for band in np.unique(bands)]
    size, *totals = bootstrap.sums(np.ones_like(y), *gaps)
    return np.asarray(np.abs(np.stack(totals)).sum(axis=0) / size)


def _lift_resampled(bootstrap: ClusterBootstrap, y: Floats, score: Floats) -> tuple[float, Floats]:
    """The lift of the top tenth, and that of the same leads in each resample."""
    order = np.argsort(-score, kind="stable")
    border = score[order[max(math.ceil(0.1 * len(y)) - 1, 0)]]
    above, at = score > border, score == border
    top = above + at * (0.1 * len(y) - above.sum()) / at.sum()
    size, wins, selected, won = bootstrap.sums(np.ones_like(y), y, top, top * y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _lift(y, score, 0.1), (won / selected) / (wins / size)


def _lift(y: Floats, score: Floats, share: float) -> float:
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    selected = np.append(0, last + 1)
    converted = np.append(0, np.cumsum(y[order])[last])
    taken = share * len(y)
    return float(np.interp(taken, selected, converted) / taken / y.mean())
