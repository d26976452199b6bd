"""What age costs a model and when to retrain, and how good it would be with less of the past."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.isotonic import isotonic_regression

from mqlml.errors import PopulationError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import compare_log_loss, log_losses
from mqlml.evaluation.periods import Forecast, fit_slope, shrink
from mqlml.model import LeadScorer, NothingVariesError
from mqlml.results import Result
from mqlml.times import DAY
from mqlml.training import Fold, TrainingTable
from mqlml.types import Floats, Labels, Rows

__all__ = ["TOLERATED", "AgeStep", "Ageing", "LearningPoint", "measure_ageing", "measure_curve", "recommend"]


TOLERATED = 0.1
"""The share of the skill over the base rate that age may take before a model should be retrained."""

_N_BOOTSTRAP = 500


@dataclass(frozen=True)
class AgeStep(Result):
    """Models of one age beside fresh ones, over all pairs of folds so far apart."""

    older: float
    """By how many days the older model of a pair was trained earlier, on average."""
    since_training: float
    """Days from the older model's training to the leads it predicts, on average."""
    pairs: int
    """Pairs of models."""
    n: int
    """Snapshots, counted once a pair."""
    log_loss: float
    """Of the older models, in nats."""
    fresh: float
    """Of the fresh models on the same snapshots."""
    added: Estimate
    """The difference, with a 95% interval over clusters, each step by itself. Which leads a model happened to learn
    from is not in it: where nothing ages, the intervals of 5 to 8% of the steps leave 0 out. Whether age costs
    anything is for the line through all of them to say, ``per_30_days``."""


@dataclass(frozen=True)
class Ageing(Result):
    """What age costs."""

    steps: tuple[AgeStep, ...]
    """The youngest first."""
    skill: Estimate
    """What fresh models gain over the base rate known when training, nats per snapshot."""
    per_30_days: Estimate | None
    """Log loss added by each 30 days of age, as a line through no age and no loss. Its interval is Student's, with
    the larger of two standard errors: over clusters, and over folds (the jackknife that leaves out one fold's model
    and period at a time), since which leads a model happened to learn from is chance too. None with fewer than three
    folds, which show no such variation."""
    observed: int
    """The greatest age seen, in days since training."""
    retrain_every: int | None
    """In days; None where no age so far observed costs too much, or nothing is known."""
    tolerated_share: float = field(init=False, default=TOLERATED)
    """The share of the skill that age may take before a model should be retrained."""
    found: bool = field(init=False, default=False)
    """Whether age costs something beyond noise."""
    safe_days: int | None = field(init=False, default=None)
    """For how many days a model can surely be kept: the age, at most the greatest observed, by which even the upper
    end of ``per_30_days`` has cost no more than the tolerated share of the skill. Where no ageing is found, this
    tells an effect too small to matter from one that too few periods, or too few conversions, hide. None where there
    is no line or no skill to lose."""

    def __post_init__(self) -> None:
        line = self.per_30_days
        object.__setattr__(self, "found", line is not None and line.low > 0)
        object.__setattr__(self, "safe_days", self._count_safe_days())

    def _count_safe_days(self) -> int | None:
        if self.per_30_days is None or self.skill.low <= 0:
            return None
        if self.per_30_days.high <= 0:
            return self.observed
        days = 30 * TOLERATED * self.skill.value / self.per_30_days.high
        return min(math.floor(days), self.observed)


def measure_ageing(
    forecasts: Sequence[Forecast],
    label: Labels,
    time: npt.NDArray[np.int64],
    folds: Sequence[Fold],
    *,
    clusters: npt.NDArray[np.intp],
    random_state: int,
) -> Ageing | None:
    """Age by age, the log loss that older models add to that of fresh ones on the same leads.

    Parameters
    ----------
    forecasts : what `forecast_across_periods` gave.
    label, time, clusters : arrays of shape (rows of the table,); times in microseconds.
    folds : the folds of the forecasts.
    random_state : int

    Returns
    -------
    Ageing, or None where no model could predict a later period.
    """
    rates = [float(label[fold.train].mean()) for fold in folds]
    own = {found.made: found for found in forecasts if found.made == found.period}
    slope = fit_slope((found.raw, label[found.rows], rates[made]) for made, found in own.items())

    def losses(found: Forecast) -> Floats:
        probability = shrink(found.raw, base_rate=rates[found.made], slope=slope)
        return log_losses(label[found.rows].astype(np.float64), probability)

    fresh = np.full(len(label), np.nan)
    skill = np.full(len(label), np.nan)
    for number, found in own.items():
        target = label[found.rows].astype(np.float64)
        fresh[found.rows] = losses(found)
        skill[found.rows] = log_losses(target, np.full(len(target), rates[number])) - fresh[found.rows]
    pairs = []
    for found in forecasts:
        if found.made < found.period:
            loss = losses(found)
            age = (folds[found.period].start - folds[found.made].start) / DAY
            since = (time[found.rows] - folds[found.made].start) / DAY
            pairs.append(_Pair(found, age, since, loss, loss - fresh[found.rows]))
    if not pairs:
        return None

    drawn = _resample(pairs, skill, clusters, random_state)
    steps = [
        _step([pair for pair in pairs if pair.lag == lag], fresh, drawn.added[lag])
        for lag in sorted({pair.lag for pair in pairs})
    ]
    gained = make_estimate(float(skill[~np.isnan(skill)].mean()), drawn.skill)
    line = _line(pairs, drawn.line)
    return Ageing(
        steps=tuple(steps),
        skill=gained,
        per_30_days=line,
        observed=max(
            int(time[pair.forecast.rows].max() - folds[pair.forecast.made].start) // DAY for pair in pairs
        ),
        retrain_every=recommend(steps, gained, line),
    )


@dataclass(frozen=True)
class _Pair:
    """An older model and a fresh one on the same rows: days between their trainings and, row by row, days since the
    older one's, its log loss, and how much more that is than the fresh one's."""

    forecast: Forecast
    age: float
    since: Floats
    loss: Floats
    added: Floats

    @property
    def lag(self) -> int:
        return self.forecast.period - self.forecast.made


@dataclass(frozen=True)
class _Drawn:
    """Resampled: the skill, the loss added at each lag, and the slope of the line through all of them."""

    skill: Floats
    added: dict[int, Floats]
    line: Floats


def _resample(
    pairs: Sequence[_Pair], skill: Floats, clusters: npt.NDArray[np.intp], random_state: int
) -> _Drawn:
    codes, names = pd.factorize(clusters)

    def by_cluster(column: Iterable[tuple[Rows, Floats]]) -> Floats:
        total = np.zeros(len(names))
        for rows, values in column:
            total += np.bincount(codes[rows], weights=values, minlength=len(names))
        return total

    known = np.flatnonzero(~np.isnan(skill))
    columns = [by_cluster([(known, np.ones(len(known)))]), by_cluster([(known, skill[known])])]
    lags = sorted({pair.lag for pair in pairs})
    for lag in lags:
        of_lag = [pair for pair in pairs if pair.lag == lag]
        columns.append(by_cluster((pair.forecast.rows, np.ones(len(pair.added))) for pair in of_lag))
        columns.append(by_cluster((pair.forecast.rows, pair.added) for pair in of_lag))
    columns.append(by_cluster((pair.forecast.rows, pair.age * pair.added) for pair in pairs))
    columns.append(
        by_cluster((pair.forecast.rows, np.full(len(pair.added), pair.age * pair.age)) for pair in pairs)
    )
    # One row a cluster, drawn as a whole: a lead that several pairs predict is one piece of evidence.
    bootstrap = ClusterBootstrap(np.arange(len(names)), n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    drawn = bootstrap.sums(*columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = [above / below for below, above in zip(drawn[:-2:2], drawn[1:-2:2], strict=True)]
        line = drawn[-2] / drawn[-1]
    return _Drawn(ratios[0], dict(zip(lags, ratios[1:], strict=True)), line)


def _step(pairs: Sequence[_Pair], fresh: Floats, drawn: Floats) -> AgeStep:
    rows = np.concatenate([pair.forecast.rows for pair in pairs])
    weights = [len(pair.forecast.rows) for pair in pairs]
    return AgeStep(
        older=float(np.average([pair.age for pair in pairs], weights=weights)),
        since_training=float(np.concatenate([pair.since for pair in pairs]).mean()),
        pairs=len(pairs),
        n=len(rows),
        log_loss=float(np.concatenate([pair.loss for pair in pairs]).mean()),
        fresh=float(fresh[rows].mean()),
        added=make_estimate(float(np.concatenate([pair.added for pair in pairs]).mean()), drawn),
    )


def _line(pairs: Sequence[_Pair], drawn: Floats) -> Estimate | None:
    """Loss added per 30 days: the least-squares line through the origin over all leads of all pairs."""
    above = np.array([pair.age * pair.added.sum() for pair in pairs])
    below = np.array([pair.age * pair.age * len(pair.added) for pair in pairs])
    ends = [(pair.forecast.made, pair.forecast.period) for pair in pairs]
    value = 30 * above.sum() / below.sum()
    numbers = sorted({number for pair in ends for number in pair})
    left_out = []
    for number in numbers:
        kept = np.array([number not in pair for pair in ends])
        if kept.any():
            left_out.append(30 * above[kept].sum() / below[kept].sum())
    n = len(left_out)
    if n < 3:
        return None
    # B. Efron, "The jackknife, the bootstrap and other resampling plans", 1982, chapter 3.
    over_folds = np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    half_width = student.ppf(0.975, n - 1) * max(over_folds, 30 * float(np.nanstd(drawn)))
    return Estimate(float(value), float(value - half_width), float(value + half_width))


def recommend(steps: Sequence[AgeStep], skill: Estimate, line: Estimate | None) -> int | None:
    """After how many days to retrain.

    Where age costs nothing beyond noise, or there is no skill to lose, there is nothing to recommend. Otherwise the
    longest step of age at which the added loss, smoothed so that it never falls with age, is at most `TOLERATED`
    of the skill; the shortest step where even that is more; None where the longest is not.

    Parameters
    ----------
    steps : the youngest first.
    skill, line : as in `Ageing`.
    """
    if line is None or line.low <= 0 or skill.low <= 0:
        return None
    cost = isotonic_regression([step.added.value for step in steps], sample_weight=[step.n for step in steps])
    too_much = np.flatnonzero(cost > TOLERATED * skill.value)
    if len(too_much) == 0:
        return None
    return round(steps[max(int(too_much[0]) - 1, 0)].older)


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
