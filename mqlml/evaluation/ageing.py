"""How a model ages: forecasts of older models beside fresh ones go in; what age costs, and when to retrain, come out.

Both models of a pair are judged on the same leads, so that what changes from period to period for any model, an
easier month or a better season, falls out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student
from sklearn.isotonic import isotonic_regression

from mqlml.evaluation.ahead import Forecast, fit_slope, shrink
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import log_losses
from mqlml.times import DAY
from mqlml.training import Fold

__all__ = ["TOLERATED", "AgeStep", "Ageing", "measure_ageing", "recommend"]

Rows = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

TOLERATED = 0.1
"""The share of the skill over the base rate that age may take before a model should be trained anew."""

_N_BOOTSTRAP = 500


@dataclass(frozen=True)
class AgeStep:
    """Models of one age beside fresh ones, over all pairs of folds so far apart.

    Attributes
    ----------
    older : float, by how many days the older model of a pair was trained earlier, on average.
    since_training : float, days from the older model's training to the leads it is asked about, on average.
    pairs, n : int, pairs of models; leads, counted once a pair.
    log_loss, fresh : float, nats, of the older and of the fresh models on the same leads.
    added : Estimate
        The difference, with a 95 % interval over clusters, each step by itself. Which leads a model happened to learn
        from is not in it: where nothing ages, the intervals of 5 to 8 % of the steps leave 0 out. Whether age costs
        anything is for the line through all of them to say, `Ageing.per_30_days`.
    """

    older: float
    since_training: float
    pairs: int
    n: int
    log_loss: float
    fresh: float
    added: Estimate


@dataclass(frozen=True)
class Ageing:
    """What age costs.

    Attributes
    ----------
    steps : tuple of AgeStep, the youngest first.
    skill : Estimate, what fresh models gain over the base rate known when training, nats per lead.
    per_30_days : Estimate or None
        Log loss added by each 30 days of age, as a line through no age and no loss. Its interval is Student's, with
        the larger of two standard errors: over clusters, and over folds (the jackknife that leaves out one fold's
        model and period at a time), since which leads a model happened to learn from is chance too. None with
        fewer than three folds, which show no such variation.
    observed : int, the greatest age seen, in days since training.
    retrain_every : int or None
        In days: see `recommend`. None where no age so far observed costs too much, or nothing can be said.
    """

    steps: tuple[AgeStep, ...]
    skill: Estimate
    per_30_days: Estimate | None
    observed: int
    retrain_every: int | None

    @property
    def found(self) -> bool:
        """Whether age costs something beyond noise."""
        return self.per_30_days is not None and self.per_30_days.low > 0

    @property
    def safe_days(self) -> int | None:
        """For how many days a model can surely be kept: the age, at most the greatest observed, by which even the
        upper end of ``per_30_days`` has cost no more than `TOLERATED` of the skill.

        Where no ageing is found, this tells an effect too small to matter from one that too few periods, or too few
        conversions, hide. None where there is no line or no skill to lose.
        """
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
    forecasts : what `predict_ahead` gave.
    label, time, clusters : arrays of shape (rows of the table,); times in microseconds.
    folds : the folds of the forecasts.
    random_state : int

    Returns
    -------
    Ageing, or None where no model could be asked about a later period.
    """
    rates = [float(label[fold.train].mean()) for fold in folds]
    own = {found.made: found for found in forecasts if found.made == found.period}
    slope = fit_slope((found.raw, label[found.rows], rates[made]) for made, found in own.items())
    fresh = np.full(len(label), np.nan)
    skill = np.full(len(label), np.nan)
    for number, found in own.items():
        target = label[found.rows].astype(np.float64)
        fresh[found.rows] = log_losses(target, shrink(found.raw, base_rate=rates[number], slope=slope))
        skill[found.rows] = log_losses(target, np.full(len(target), rates[number])) - fresh[found.rows]
    pairs = [found for found in forecasts if found.made < found.period]
    if not pairs:
        return None

    losses = [
        log_losses(
            label[pair.rows].astype(np.float64), shrink(pair.raw, base_rate=rates[pair.made], slope=slope)
        )
        for pair in pairs
    ]
    added = [loss - fresh[pair.rows] for pair, loss in zip(pairs, losses, strict=True)]
    age = [(folds[pair.period].start - folds[pair.made].start) / DAY for pair in pairs]
    lag = [pair.period - pair.made for pair in pairs]
    codes, names = pd.factorize(clusters)

    def by_cluster(column: Iterable[tuple[Rows, Floats]]) -> Floats:
        total = np.zeros(len(names))
        for rows, values in column:
            total += np.bincount(codes[rows], weights=values, minlength=len(names))
        return total

    lags = sorted(set(lag))
    judged = np.flatnonzero(~np.isnan(skill))
    columns = [by_cluster([(judged, np.ones(len(judged)))]), by_cluster([(judged, skill[judged])])]
    for step in lags:
        of_step = [at for at in range(len(pairs)) if lag[at] == step]
        columns.append(by_cluster((pairs[at].rows, np.ones(len(added[at]))) for at in of_step))
        columns.append(by_cluster((pairs[at].rows, added[at]) for at in of_step))
    columns.append(by_cluster((pair.rows, a * d) for pair, a, d in zip(pairs, age, added, strict=True)))
    columns.append(
        by_cluster((pair.rows, np.full(len(pair.rows), a * a)) for pair, a in zip(pairs, age, strict=True))
    )
    # One row a cluster, drawn as a whole: a lead that several pairs judge is one piece of news.
    bootstrap = ClusterBootstrap(np.arange(len(names)), n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    drawn = bootstrap.sums(*columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = [above / below for below, above in zip(drawn[:-2:2], drawn[1:-2:2], strict=True)]
        lines = drawn[-2] / drawn[-1]

    steps = []
    for number, step in enumerate(lags):
        at = [place for place in range(len(pairs)) if lag[place] == step]
        rows = np.concatenate([pairs[place].rows for place in at])
        weight = [len(pairs[place].rows) for place in at]
        since = np.concatenate([time[pairs[p].rows] - folds[pairs[p].made].start for p in at])
        steps.append(
            AgeStep(
                older=float(np.average([age[place] for place in at], weights=weight)),
                since_training=float(since.mean() / DAY),
                pairs=len(at),
                n=len(rows),
                log_loss=float(np.concatenate([losses[place] for place in at]).mean()),
                fresh=float(fresh[rows].mean()),
                added=make_estimate(
                    float(np.concatenate([added[place] for place in at]).mean()), ratios[number + 1]
                ),
            )
        )
    gained = make_estimate(float(skill[judged].mean()), ratios[0])
    line = _line(pairs, age, added, lines)
    return Ageing(
        steps=tuple(steps),
        skill=gained,
        per_30_days=line,
        observed=max(int(time[pair.rows].max() - folds[pair.made].start) // DAY for pair in pairs),
        retrain_every=recommend(steps, gained, line),
    )


def _line(
    pairs: Sequence[Forecast], age: Sequence[float], added: Sequence[Floats], drawn: Floats
) -> Estimate | None:
    """Loss added per 30 days: the least-squares line through the origin over all leads of all pairs."""
    above = np.array([a * d.sum() for a, d in zip(age, added, strict=True)])
    below = np.array([a * a * len(d) for a, d in zip(age, added, strict=True)])
    value = 30 * above.sum() / below.sum()
    numbers = sorted({pair.made for pair in pairs} | {pair.period for pair in pairs})
    left_out = []
    for number in numbers:
        kept = np.array([number not in (pair.made, pair.period) for pair in pairs])
        if kept.any():
            left_out.append(30 * above[kept].sum() / below[kept].sum())
    n = len(left_out)
    if n < 3:
        return None
    # B. Efron, "The jackknife, the bootstrap and other resampling plans", 1982, chapter 3.
    over_folds = np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    reach = student.ppf(0.975, n - 1) * max(over_folds, 30 * float(np.nanstd(drawn)))
    return Estimate(float(value), float(value - reach), float(value + reach))


def recommend(steps: Sequence[AgeStep], skill: Estimate, line: Estimate | None) -> int | None:
    """After how many days to train anew.

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
