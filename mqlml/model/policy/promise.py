"""Promises: a policy and the looks it was chosen on go in, what it should bring in the next period comes out.

A threshold that looks best on past leads looks better than it is, weeks differ from one another, and the next period
holds only so many leads. All three are in the interval: the past is drawn again, the thresholds are chosen again on
what was drawn, and a further draw stands for the period that follows. How far that period then lies from what the
thresholds seemed to bring is the error that the promise allows for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from mqlml.config import LabelRule
from mqlml.model.policy.choose import Chooser, first_looks
from mqlml.model.policy.labels import Bar, LabelOutcome, LabelPolicy, Promise, reach
from mqlml.model.policy.looks import HALF_LIFE, Looks
from mqlml.model.policy.value import payoff

__all__ = ["CONFIDENCE", "add_promises"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CONFIDENCE = 0.9
"""The share of next periods in which what comes should lie within a promise."""

_TAILS = ((1 - CONFIDENCE) / 2, 0.5, (1 + CONFIDENCE) / 2)
_PROMISED = ("precision", "recall", "per_week", "value")
_MOST_SLICES = 64
_FEWEST_BLOCKS = 4
_CELLS = 50_000_000
_LARGEST_MULTIPLE = 12


def add_promises(
    policy: LabelPolicy,
    looks: Looks,
    rules: Mapping[str, LabelRule],
    *,
    length: float,
    random_state: int,
    n_resamples: int = 400,
) -> LabelPolicy:
    """The policy with an interval for what each label should bring in the next period.

    Two levels are drawn. *Accounts*: each stands for a Poisson number of its kind, the same for its looks at any
    time. *Blocks of time*: consecutive weeks, as many as the next period has where there are at least four such
    blocks, so that what drifts slowly drifts in the draws too. On each drawn past the thresholds are chosen afresh,
    and another draw stands for the next period. The error is taken on a scale on which its size does not depend on
    the value (arcsine of the root of a share, root of a rate).

    Drawing accounts alone gives the error where all periods are alike: its median is the optimism that the promised
    value is freed of, its spread is what chance does to as many leads. Drawing accounts within blocks shows that
    chance twice, once in which blocks were seen and once in who was drawn from them; what its variance has beyond
    that is between periods, and the interval is widened by it. Few blocks cannot show that there is no such
    difference; then the interval allows for what they may have missed.

    H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17,
    1989 (blocks); B. Efron, "Estimating the error rate of a prediction rule", JASA 78, 1983 (optimism, with the rule
    made afresh in each resample).

    Parameters
    ----------
    policy : LabelPolicy
        As `choose_policy` chose it on these looks by these rules.
    looks : Looks
        With ``time``; without, nothing is promised.
    rules : mapping of label to LabelRule
    length : float
        Of the next period, in the unit of ``looks.time``.
    random_state, n_resamples : int
    """
    if looks.time is None:
        return policy
    n_resamples = int(np.clip(_CELLS // len(looks.probability), 100, n_resamples))
    draws = _Draws(looks, rules, policy, length)
    alike = draws.errors(n_resamples, random_state, blocks=False)
    apart = draws.errors(n_resamples // 2, random_state, blocks=True)
    outcomes = tuple(
        replace(outcome, promises=_promises(outcome, alike[name], apart[name], draws.n_blocks))
        for name, outcome in zip(rules, policy.outcomes, strict=True)
    )
    return LabelPolicy(outcomes)


def _promises(
    outcome: LabelOutcome, alike: dict[str, FloatArray], apart: dict[str, FloatArray], n_blocks: float
) -> dict[str, Promise]:
    found = {}
    for what in _PROMISED:
        value: float | None = getattr(outcome, what)
        error, by_block = (drawn[what][np.isfinite(drawn[what])] for drawn in (alike, apart))
        if value is None or len(error) < len(alike[what]) / 2:
            continue
        low, middle, high = np.quantile(error, _TAILS)
        wider = _widening(float(np.var(error)), float(np.var(by_block)) if len(by_block) else 0.0, n_blocks)
        centre = float(_scaled(what, value)) + middle
        ends = (centre, centre - wider * (middle - low), centre + wider * (high - middle))
        found[what] = Promise(*(float(_unscaled(what, end)) for end in ends))
    return found


def _widening(alike: float, apart: float, n_blocks: float) -> float:
    """How much wider the error is than where all periods are alike, from the variances of both kinds of draw.

    The variance between periods is their difference, known as well as so many blocks can tell a variance (its
    standard error is that of a variance of normal values). It cannot be below 0, so what is taken for it is the mean
    of what it may be: that of a normal distribution about the difference, cut off at 0.
    """
    if alike <= 0:
        return 1.0
    freedom = max(n_blocks - 1, 1.0)
    difference = apart - 2 * alike
    error = max(apart - alike, alike) * math.sqrt(2 / freedom)
    place = difference / error
    between = difference + error * math.exp(stats.norm.logpdf(place) - stats.norm.logcdf(place))
    return math.sqrt(1 + between * (freedom + 1) / freedom / alike)


def _scaled(what: str, value: float | FloatArray) -> FloatArray:
    """On a scale on which the error does not depend on the value."""
    number = np.asarray(value, dtype=np.float64)
    if what in ("precision", "recall"):
        return np.arcsin(np.sqrt(np.clip(number, 0.0, 1.0)))
    return np.sqrt(np.maximum(number, 0.0)) if what == "per_week" else number


def _unscaled(what: str, number: float) -> float:
    if what in ("precision", "recall"):
        return math.sin(min(max(number, 0.0), math.pi / 2)) ** 2
    return max(number, 0.0) ** 2 if what == "per_week" else number


@dataclass(frozen=True)
class _Drawn:
    """A drawn period: some rows, how many rows each stands for, and its length."""

    rows: npt.NDArray[np.intp]
    weight: FloatArray
    length: float


class _Draws:
    """Draws of a past and of the period after it."""

    def __init__(
        self, looks: Looks, rules: Mapping[str, LabelRule], policy: LabelPolicy, length: float
    ) -> None:
        assert looks.time is not None
        self.looks, self.rules, self.length = looks, rules, length
        self.chooser = Chooser(looks, rules)
        place = _without_holes(looks.time, looks.periods)
        weeks = max(1, round(looks.length)) if looks.dated else _MOST_SLICES
        self.n_slices = min(weeks, _MOST_SLICES, len(np.unique(place)))
        self.slice_length = looks.length / self.n_slices
        self.slice = np.clip((place / self.slice_length).astype(np.int64), 0, self.n_slices - 1)
        self.in_slice = [np.flatnonzero(self.slice == number) for number in range(self.n_slices)]
        self.n_next = max(1, round(length / self.slice_length))
        self.block = max(1, min(self.n_next, self.n_slices // _FEWEST_BLOCKS))
        self.n_blocks = self.n_slices / self.block
        self.recency, _ = looks.recency()
        middle = (np.arange(self.n_slices) + 0.5) * self.slice_length
        age = _without_holes(np.array([max(end for _, end in looks.periods)]), looks.periods)[0] - middle
        # The weight of a slice's weeks, as that of its leads.
        shown = [float(self.recency[rows].mean()) if len(rows) else math.nan for rows in self.in_slice]
        plain = np.exp(-math.log(2) / HALF_LIFE * age) if looks.dated else np.ones(self.n_slices)
        self.slice_weeks = np.where(np.isnan(shown), plain, shown) * self.slice_length
        self.accounts = int(looks.account.max()) + 1
        self.cdf = [
            stats.poisson.cdf(np.arange(40), multiple) if multiple else np.array([1.0])
            for multiple in range(_LARGEST_MULTIPLE + 1)
        ]
        self.repeated = len(np.unique(looks.lead)) < len(looks.lead)
        self.handed = np.zeros(len(looks.lead))
        by_rank = np.argsort(-looks.probability, kind="stable")
        self.by_rank = by_rank
        self.handed[by_rank[np.unique(looks.lead[by_rank], return_index=True)[1]]] = 1.0
        self.doubt = [
            (1 / (1 + outcome.selected), _mean_probability(looks, outcome)) for outcome in policy.outcomes
        ]

    def errors(self, n: int, random_state: int, *, blocks: bool) -> dict[str, dict[str, FloatArray]]:
        """Next period less what its thresholds seemed to bring, on the scale of `_scaled`, for each resample."""
        rng = np.random.default_rng(random_state)
        found = {name: {what: np.full(n, np.nan) for what in _PROMISED} for name in self.rules}
        for number in range(n):
            past, weeks = self._past(rng, blocks)
            bars = self.chooser.choose(past.weight, weeks)
            seemed = self._measure(past, bars, weeks)
            came = self._measure(self._next(rng, blocks), bars, None)
            for level, name in enumerate(self.rules):
                came[level]["precision"] = self._doubted(level, came[level], rng)
                for what in _PROMISED:
                    found[name][what][number] = _scaled(what, came[level][what]) - _scaled(
                        what, seemed[level][what]
                    )
        return found

    def _past(self, rng: np.random.Generator, blocks: bool) -> tuple[_Drawn, float | None]:
        times = np.ones(self.n_slices, dtype=np.int64)
        if blocks:
            starts = rng.integers(0, self.n_slices, size=math.ceil(self.n_blocks))
            drawn = (starts[:, None] + np.arange(self.block)).ravel()[: self.n_slices] % self.n_slices
            times = np.bincount(drawn, minlength=self.n_slices)
        weight = self._weights(rng, times)
        weeks = float(times @ self.slice_weeks) if self.looks.dated else None
        length = float(times.sum() * self.slice_length)
        return _Drawn(np.arange(len(weight)), weight, length), weeks

    def _next(self, rng: np.random.Generator, blocks: bool) -> _Drawn:
        if not blocks:
            weight = rng.poisson(self.n_next / self.n_slices, size=self.accounts)[self.looks.account]
            rows = np.flatnonzero(weight)
            return _Drawn(rows, weight[rows].astype(np.float64), self.n_next * self.slice_length)
        starts = rng.integers(0, self.n_slices, size=math.ceil(self.n_next / self.block))
        drawn = (starts[:, None] + np.arange(self.block)).ravel()[: self.n_next] % self.n_slices
        rows = np.concatenate([self.in_slice[number] for number in drawn])
        copies = rng.poisson(1.0, size=self.accounts)[self.looks.account[rows]]
        return _Drawn(rows, copies.astype(np.float64), self.n_next * self.slice_length)

    def _weights(self, rng: np.random.Generator, times: IntArray) -> FloatArray:
        """A Poisson number for each row, of mean ``times`` of its slice, from one uniform number per account."""
        luck = rng.random(self.accounts)
        table = np.empty((int(times.max()) + 1, self.accounts))
        for multiple in np.unique(times):
            table[multiple] = np.searchsorted(self.cdf[min(multiple, _LARGEST_MULTIPLE)], luck)
        weight: FloatArray = table[times[self.slice], self.looks.account]
        return weight

    def _measure(self, drawn: _Drawn, bars: list[Bar], weeks: float | None) -> list[dict[str, float]]:
        """What each level brings in a drawn period; ``weeks`` where recent weeks count more towards the volume."""
        looks, rows, weight = self.looks, drawn.rows, drawn.weight
        label = looks.label[rows]
        reached = reach(
            bars, looks.probability[rows], {name: team[rows] for name, team in looks.teams.items()}
        )
        positives = float(weight @ label)
        found = []
        for level, rule in enumerate(self.rules.values()):
            taken = weight * reached[:, level]
            selected, converted = float(taken.sum()), float(taken @ label)
            measured = {
                "selected": selected,
                "converted": converted,
                "precision": converted / selected if selected else math.nan,
                "recall": converted / positives if positives else math.nan,
                "per_week": math.nan,
                "value": math.nan,
            }
            if looks.dated or rule.policy == "value":
                once = self._once(rows, reached[:, level] & (weight > 0))
            if weeks is not None:
                # A lead's most likely look is selected if any of its looks is.
                measured["per_week"] = float((taken * self.handed[rows]) @ self.recency[rows]) / weeks
            elif looks.dated:
                measured["per_week"] = float(weight[once].sum()) / drawn.length
            if rule.policy == "value":
                worth = float(weight[once] @ payoff(rule, label[once]))
                measured["value"] = worth / (drawn.length if looks.dated else float(weight.sum()))
            found.append(measured)
        return found

    def _once(self, rows: npt.NDArray[np.intp], taken: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Positions in ``rows`` of the first look at which each lead is taken."""
        positions = np.flatnonzero(taken)
        if not self.repeated:
            return positions
        time = self.looks.time
        return first_looks(self.looks.lead[rows], None if time is None else time[rows], positions)

    def _doubted(self, level: int, came: dict[str, float], rng: np.random.Generator) -> float:
        """The precision of the next period with the doubt that few selected rows leave.

        Ten conversions in ten leads do not make the eleventh certain, yet any draw of the ten says so. One lead more
        that converts with its calibrated probability stands for what they do not show.
        """
        doubt, probability = self.doubt[level]
        selected, converted = round(came["selected"]), round(came["converted"])
        if not selected:
            return math.nan
        lost = rng.binomial(converted, doubt * (1 - probability))
        won = rng.binomial(selected - converted, doubt * probability)
        return float(converted - lost + won) / selected


def _mean_probability(looks: Looks, outcome: LabelOutcome) -> float:
    taken = looks.probability[looks.probability >= outcome.threshold]
    return float(taken.mean()) if len(taken) else float(looks.probability.max())


def _without_holes(time: FloatArray, periods: tuple[tuple[float, float], ...]) -> FloatArray:
    """How much covered time lies before each moment."""
    place = np.zeros(len(time))
    for start, end in sorted(periods):
        place += np.clip(time - start, 0.0, end - start)
    return place
