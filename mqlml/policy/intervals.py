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
from scipy import stats

from mqlml.config import LabelRule
from mqlml.policy.choose import Chooser, rules_among
from mqlml.policy.gate_inputs import payoff
from mqlml.policy.labels import (
    LabelOutcome,
    LabelPolicy,
    LabelThreshold,
    PredictionInterval,
    meets_thresholds,
)
from mqlml.policy.threshold_data import HALF_LIFE, ThresholdData
from mqlml.types import Floats, Ints, Rows

__all__ = ["CONFIDENCE", "add_prediction_intervals"]

CONFIDENCE = 0.9
"""The share of next periods in which what comes should lie within a promise."""

_TAILS = ((1 - CONFIDENCE) / 2, 0.5, (1 + CONFIDENCE) / 2)
_PREDICTED = ("precision", "recall", "per_week", "value")
_MOST_SLICES = 64
_FEWEST_PERIODS = 4
_CELLS = 50_000_000


def add_prediction_intervals(
    policy: LabelPolicy,
    snapshots: ThresholdData,
    rules: Mapping[str, LabelRule],
    *,
    length: float,
    random_state: int,
    recent: ThresholdData | None = None,
    n_resamples: int = 400,
) -> LabelPolicy:
    """The policy with an interval for what each label should bring in the next period.

    Two levels are drawn, and the thresholds are chosen afresh on every past that is drawn.

    *Accounts*: each stands for a Poisson number of its kind, the same for its looks at any time; another such draw,
    as long as the next period, follows. The error between both, where all periods are alike, has as its median the
    optimism that the promised value is freed of, and as its spread what chance does to as many leads.

    *Periods*: a moment of the past is drawn, what lies before it is the past and the weeks that followed are the
    period to come, with accounts drawn in both. So whatever drifts, drifts in the draws as it did, and from the old
    to the new. What these errors vary beyond chance (it is in them twice: once in who came at all, once in who was
    drawn) is between periods, and the interval is widened by it. Few periods cannot show that there is no such
    difference; then the interval allows for what they may have missed.

    Errors are taken on a scale on which their size does not depend on the value: arcsine of the root of a share, root
    of a rate.

    B. Efron, "Estimating the error rate of a prediction rule", JASA 78, 1983 (optimism, with the rule made
    afresh in each resample); L. J. Tashman, "Out-of-sample tests of forecasting accuracy", International Journal of
    Forecasting 16, 2000 (errors from rolling origins).

    Parameters
    ----------
    policy : LabelPolicy
        As `choose_policy` chose it on these looks by these rules.
    snapshots : Looks
        With ``time``; without, nothing is promised.
    rules : mapping of label to LabelRule
    length : float
        Of the next period, in the unit of ``looks.time``.
    recent : Looks, optional
        Those that `choose_policy` had besides.
    random_state, n_resamples : int
    """
    if snapshots.time is None:
        return policy
    n_resamples = int(np.clip(_CELLS // len(snapshots.probability), 100, n_resamples))
    snapshots = _in_time(replace(snapshots, gate_inputs=snapshots.gate_inputs.ranked(policy.references)))
    draws = _Draws(
        snapshots, rules if recent is None else rules_among(snapshots, rules, policy), policy, length
    )
    alike, _ = draws.errors(n_resamples, random_state, apart=False)
    apart, chance = draws.errors(n_resamples // 2, random_state, apart=True)
    outcomes = tuple(
        replace(
            outcome,
            predictions=_prediction_intervals(outcome, alike[name], apart[name], chance, draws.n_periods),
        )
        for name, outcome in zip(rules, policy.outcomes, strict=True)
    )
    return replace(policy, outcomes=outcomes)


def _prediction_intervals(
    outcome: LabelOutcome,
    alike: dict[str, Floats],
    apart: dict[str, Floats],
    chance: Floats,
    n_periods: float,
) -> dict[str, PredictionInterval]:
    found = {}
    for what in _PREDICTED:
        value: float | None = getattr(outcome, what)
        error, known = alike[what][np.isfinite(alike[what])], np.isfinite(apart[what])
        if value is None or len(error) < len(alike[what]) / 2:
            continue
        low, middle, high = np.quantile(error, _TAILS)
        variance = float(np.var(error))
        moved = float(np.mean((apart[what][known] - middle) ** 2)) if known.any() else 0.0
        by_chance = variance * float(chance[known].mean()) if known.any() else 0.0
        wider = _widening(variance, moved, by_chance, n_periods)
        centre = float(_scaled(what, value)) + middle
        ends = (centre, centre - wider * (middle - low), centre + wider * (high - middle))
        found[what] = PredictionInterval(*(float(_unscaled(what, end)) for end in ends))
    return found


def _widening(variance: float, moved: float, by_chance: float, n_periods: float) -> float:
    """How much wider the error is than where all periods are alike.

    ``variance`` is that of the error where they are, ``moved`` the mean square error from period to period, of which
    twice ``by_chance`` is chance. The variance between periods is the difference, known as well as so many periods
    can tell a variance (its standard error is that of a variance of normal values). It cannot be below 0, so what is
    taken for it is the mean of what it may be: that of a normal distribution about the difference, cut off at 0. And
    as it is known no better than that, its share of the interval is as wide as Student's t makes it.
    """
    if variance <= 0:
        return 1.0
    difference = moved - 2 * by_chance
    freedom = max(n_periods, float(_FEWEST_PERIODS))
    error = max(moved - by_chance, by_chance, variance) * math.sqrt(2 / freedom)
    place = difference / error
    between = difference + error * math.exp(stats.norm.logpdf(place) - stats.norm.logcdf(place))
    tails = stats.t.ppf(_TAILS[2], freedom) / stats.norm.ppf(_TAILS[2])
    return math.sqrt(1 + between * tails**2 / variance)


def _scaled(what: str, value: float | Floats) -> Floats:
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
    """A drawn period: some rows in order of time, how many rows each stands for, and the period's length."""

    rows: slice | Rows
    weight: Floats
    length: float


class _Draws:
    """Draws of a past and of the period after it."""

    def __init__(
        self, snapshots: ThresholdData, rules: Mapping[str, LabelRule], policy: LabelPolicy, length: float
    ) -> None:
        self.snapshots = snapshots
        self.rules = rules
        self.chooser = Chooser(self.snapshots, rules)
        assert self.snapshots.time is not None
        place = _without_holes(self.snapshots.time, snapshots.periods)
        weeks = max(1, round(snapshots.length)) if snapshots.dated else _MOST_SLICES
        self.n_slices = min(weeks, _MOST_SLICES, len(np.unique(place)))
        self.slice_length = snapshots.length / self.n_slices
        # The rows before the end of each slice.
        self.ends = np.searchsorted(place, np.arange(self.n_slices + 1) * self.slice_length)
        self.ends[-1] = len(place)
        self.n_next = max(1, round(length / self.slice_length))
        self.block = max(1, min(self.n_next, self.n_slices // _FEWEST_PERIODS))
        self.n_periods = self.n_slices / self.block - 1
        self.recency, _ = self.snapshots.recency()
        age = snapshots.length - (np.arange(self.n_slices) + 0.5) * self.slice_length
        shown = [self.recency[self.ends[k] : self.ends[k + 1]] for k in range(self.n_slices)]
        fallback = np.exp(-math.log(2) / HALF_LIFE * age) if snapshots.dated else np.ones(self.n_slices)
        # The weeks of a slice count as much as its leads.
        means = [float(rows.mean()) if len(rows) else fallback[k] for k, rows in enumerate(shown)]
        self.weeks_before = np.concatenate([[0.0], np.cumsum(means)]) * self.slice_length
        self.accounts = int(snapshots.account.max()) + 1
        self.repeated = len(np.unique(snapshots.lead)) < len(snapshots.lead)
        self.doubt = [
            (1 / (1 + outcome.selected), _mean_probability(snapshots, outcome)) for outcome in policy.outcomes
        ]

    def errors(
        self, n: int, random_state: int, *, apart: bool
    ) -> tuple[dict[str, dict[str, Floats]], Floats]:
        """The next period less what its thresholds seemed to bring, on the scale of `_scaled`, in each resample.

        Also how much chance there is in each, against a past and a next period of full length.
        """
        rng = np.random.default_rng(random_state)
        found = {name: {what: np.full(n, np.nan) for what in _PREDICTED} for name in self.rules}
        chance = np.ones(n)
        for number in range(n):
            if apart:
                if self.n_slices < 2:
                    break
                origin = int(rng.integers(self.block, self.n_slices - self.block + 1))
                past, coming = self._before(rng, origin), self._after(rng, origin)
                weeks = float(self.weeks_before[origin])
                chance[number] = self._chance(origin)
            else:
                past, coming = self._before(rng, self.n_slices), self._thinned(rng)
                weeks = float(self.weeks_before[-1])
            weight = np.zeros(len(self.snapshots.label))
            weight[past.rows] = past.weight
            if not weight @ self.snapshots.label:
                continue
            thresholds = self.chooser.choose(weight, weeks if self.snapshots.dated else None)
            seemed = self._measure(past, thresholds, weeks)
            came = self._measure(coming, thresholds, None)
            for level, name in enumerate(self.rules):
                came[level]["precision"] = self._doubted(level, came[level], rng)
                for what in _PREDICTED:
                    found[name][what][number] = _scaled(what, came[level][what]) - _scaled(
                        what, seemed[level][what]
                    )
        return found, chance

    def _chance(self, origin: int) -> float:
        rows, weight = len(self.snapshots.label), self.n_next / self.n_slices
        before = max(int(self.ends[origin]), 1)
        after = max(int(self.ends[origin + self.block] - self.ends[origin]), 1)
        return float((1 / before + 1 / after) / (1 / rows + 1 / max(rows * weight, 1.0)))

    def _before(self, rng: np.random.Generator, origin: int) -> _Drawn:
        rows = slice(0, int(self.ends[origin]))
        copies = rng.poisson(1.0, size=self.accounts)[self.snapshots.account[rows]]
        return _Drawn(rows, copies.astype(np.float64), origin * self.slice_length)

    def _after(self, rng: np.random.Generator, origin: int) -> _Drawn:
        rows = slice(int(self.ends[origin]), int(self.ends[origin + self.block]))
        copies = rng.poisson(1.0, size=self.accounts)[self.snapshots.account[rows]]
        return _Drawn(rows, copies.astype(np.float64), self.block * self.slice_length)

    def _thinned(self, rng: np.random.Generator) -> _Drawn:
        """A next period made of the accounts of all periods."""
        copies = rng.poisson(self.n_next / self.n_slices, size=self.accounts)[self.snapshots.account]
        rows = np.flatnonzero(copies)
        return _Drawn(rows, copies[rows].astype(np.float64), self.n_next * self.slice_length)

    def _measure(
        self, drawn: _Drawn, thresholds: list[LabelThreshold], weeks: float | None
    ) -> list[dict[str, float]]:
        """What each level brings in a drawn period; ``weeks`` where recent weeks count more towards the volume."""
        snapshots, rows, weight = self.snapshots, drawn.rows, drawn.weight
        label = snapshots.label[rows]
        reached = meets_thresholds(thresholds, snapshots.probability[rows], snapshots.gate_inputs.take(rows))
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
            if snapshots.dated or rule.policy == "value":
                once = self._once(snapshots.lead[rows], taken)
            if weeks is not None and snapshots.dated:
                measured["per_week"] = float(weight[once] @ self.recency[rows][once]) / weeks
            elif snapshots.dated:
                measured["per_week"] = float(weight[once].sum()) / drawn.length
            if rule.policy == "value":
                worth = float(weight[once] @ payoff(rule, label[once]))
                measured["value"] = worth / (
                    drawn.length if snapshots.dated else max(float(weight.sum()), 1.0)
                )
            found.append(measured)
        return found

    def _once(self, lead: Ints, taken: Floats) -> Rows:
        """Where each lead is taken first."""
        positions = np.flatnonzero(taken)
        if not self.repeated:
            return positions
        once: Rows = positions[np.unique(lead[positions], return_index=True)[1]]
        return once

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


def _mean_probability(snapshots: ThresholdData, outcome: LabelOutcome) -> float:
    taken = snapshots.probability[snapshots.probability >= outcome.threshold]
    return float(taken.mean()) if len(taken) else float(snapshots.probability.max())


def _in_time(snapshots: ThresholdData) -> ThresholdData:
    assert snapshots.time is not None
    order = np.argsort(snapshots.time, kind="stable")
    return replace(
        snapshots,
        probability=snapshots.probability[order],
        label=snapshots.label[order],
        lead=snapshots.lead[order],
        account=snapshots.account[order],
        time=snapshots.time[order],
        gate_inputs=snapshots.gate_inputs.take(order),
    )


def _without_holes(time: Floats, periods: tuple[tuple[float, float], ...]) -> Floats:
    """How much covered time lies before each moment."""
    place = np.zeros(len(time))
    for start, end in sorted(periods):
        place += np.clip(time - start, 0.0, end - start)
    return place
