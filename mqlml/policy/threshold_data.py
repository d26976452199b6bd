"""What each threshold selects of snapshots, what gates need of each lead, and how many leads come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.features import FAMILIES, Family
from mqlml.model.contributions import contribute_in_parts, family_points
from mqlml.model.scorer import LeadScorer
from mqlml.types import Floats, Ints, Mask, Rows

__all__ = [
    "HALF_LIFE",
    "STEADY",
    "ArrivalForecast",
    "Curve",
    "GateInputs",
    "ThresholdData",
    "bayes_threshold",
    "check_probabilities",
    "forecast_arrivals",
    "interest_points",
    "make_curve",
    "make_references",
    "make_threshold_data",
    "make_volume_data",
    "payoff",
    "percentile",
]


Selection = slice | npt.NDArray[Any]


@dataclass(frozen=True)
class GateInputs:
    """Row by row, each array of shape (n,).

    Attributes
    ----------
    teams : mapping of column to text
        The lead's value in each column that holds teams; empty text where it has none.
    fit, engagement : array of float or None
        In points (log-odds), or after `ranked` in percentiles; None where no gate uses them.
    """

    teams: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    fit: Floats | None = None
    engagement: Floats | None = None

    def take(self, rows: Selection) -> GateInputs:
        """The gate inputs of some rows."""
        return GateInputs(
            {name: np.asarray(team, dtype=np.str_)[rows] for name, team in self.teams.items()},
            None if self.fit is None else self.fit[rows],
            None if self.engagement is None else self.engagement[rows],
        )

    def ranked(self, references: Mapping[str, Sequence[float]]) -> GateInputs:
        """The same with fit and engagement in percentiles of the references."""
        return GateInputs(
            self.teams,
            *(
                percentile(points, np.array(references[name]))
                if points is not None and name in references
                else None
                for name, points in (("fit", self.fit), ("engagement", self.engagement))
            ),
        )


def interest_points(scorer: LeadScorer, X: Any, families: Sequence[Family]) -> Floats:
    """Fit (profile) and engagement (channel and actions) of each row, in log-odds: array of shape (n, 2)."""
    points = np.concatenate([family_points(part, families) for part in contribute_in_parts(scorer, X)])
    by_family = dict(zip(FAMILIES, points.T, strict=True))
    return np.column_stack([by_family["profile"], by_family["channel"] + by_family["actions"]])


def make_references(gate_inputs: GateInputs) -> dict[str, tuple[float, ...]]:
    """The reference for percentiles: the 0, 0.1, …, 100% quantiles of these points."""
    return {
        name: tuple(np.quantile(points, np.linspace(0, 1, 1001)).tolist())
        for name, points in (("fit", gate_inputs.fit), ("engagement", gate_inputs.engagement))
        if points is not None
    }


def percentile(values: Floats, reference: Floats) -> Floats:
    """Percentage of the reference (ascending) below each value; of those equal to it, half."""
    below = np.searchsorted(reference, values, side="left")
    up_to = np.searchsorted(reference, values, side="right")
    found: Floats = 50.0 * (below + up_to) / len(reference)
    return found


def bayes_threshold(rule: LabelRule) -> float:
    """The probability at which following up and waiting have equal value; infinite where it never pays.

    Following up one lead brings ``gain`` if it converts, costs ``cost`` in any case, and ``too_early`` more if it
    does not convert. Waiting costs ``too_late`` if it converts. With probability p, following up has the expected
    value ``p·gain − cost − (1 − p)·too_early``, and waiting ``−p·too_late``; the first is at least the second where

        p ≥ (cost + too_early) / (gain + too_late + too_early).

    C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, equation 2, with these four entries.

    Examples
    --------
    >>> bayes_threshold(LabelRule(policy="value", gain=900, cost=60, too_late=100))
    0.06
    >>> bayes_threshold(LabelRule(policy="value", gain=900, cost=60, too_late=100, too_early=1000))
    0.53
    """
    gain, cost = rule.gain or 0.0, rule.cost or 0.0
    if cost > gain + rule.too_late:
        return math.inf
    return (cost + rule.too_early) / (gain + rule.too_late + rule.too_early)


def payoff(rule: LabelRule, label: npt.ArrayLike) -> Floats:
    """Value of following up each lead, against no follow-up, in the rule's currency.

    Parameters
    ----------
    label : array of shape (n,), 0 or 1
    """
    converted = np.asarray(label) == 1
    gain, cost = rule.gain or 0.0, rule.cost or 0.0
    return np.where(converted, gain + rule.too_late - cost, -cost - rule.too_early)


_YEAR = 52.0
"""Weeks; a whole number, so that weekdays fall together."""

_WANDER = 0.02
"""Prior standard deviation by which the logarithm of a volume moves in a week, beyond chance and season."""

_SEASON = 0.12
"""Prior standard deviation over a year of the logarithm of a volume: of the leads that arrive and the share of them
that reaches a label. Both were chosen on the nights of simulated companies, see benchmarks/README.md."""

_BELIEF = 4.0
"""Independent comparisons of past weeks that weigh as much as this prior."""


@dataclass(frozen=True)
class ArrivalForecast:
    """How the volume of the next period relates to that of the latest weeks.

    Attributes
    ----------
    factor : float, the ratio expected.
    variance : float, of the logarithm of the ratio, beyond chance.
    """

    factor: float
    variance: float


STEADY = ArrivalForecast(1.0, 0.0)
"""Where nothing is known: the next period is like the latest weeks."""


def forecast_arrivals(
    time: Floats, account: Rows, latest: tuple[float, float], length: float
) -> ArrivalForecast:
    """How arrivals in the period after ``latest`` relate to those in it.

    A season is a wave that repeats every year, of unknown size and phase: weeks that are close to each other differ
    little by it. It is the same ratio a year before, moved towards 1 as far as chance explains it, and as uncertain
    as that leaves it (its posterior where all is normal); without a year before, it is 1 and as uncertain as any
    season. How far a volume wanders is seen in neighboring weeks of the past.

    Parameters
    ----------
    time, account : arrays of shape (n,)
        Of the first snapshot of each lead, in weeks. Leads of an account come together, so they count as fewer.
    latest : (start, end) of the weeks that the volume is measured on
    length : of the period that follows, in weeks
    """
    start, end = latest
    if not len(time) or length <= 0:
        return STEADY
    time = np.sort(time)
    per_account = np.unique(account, return_counts=True)[1].astype(np.float64)
    design = float(per_account @ per_account / per_account.sum())
    ahead = (end, end + length)
    distance = (end - start + length) / 2
    moved = []
    span = min(end - start, length)
    split = float(time[-1]) - span
    while split - (end - start) >= time[0]:
        before, after = (split - (end - start), split), (split, split + span)
        found = _compare(time, before, after)
        if found is not None:
            known = design * found[1] + _season_variance(before, after)
            moved.append((found[0] ** 2 - known) * 2 / (end - start + span))
        split -= (end - start) / 2  # neighbors share half of their weeks
    seen = len(moved) / 2
    per_week = (_BELIEF * _WANDER**2 + seen * float(np.mean(moved or [0.0]))) / (_BELIEF + seen)
    wander = max(per_week, 0.0) * distance
    factor, unknown = 0.0, _season_variance(latest, ahead)
    if time[0] <= start - _YEAR and length <= _YEAR:
        before = (start - _YEAR, end - _YEAR)
        after = (end - _YEAR, min(end - _YEAR + length, float(time[-1])))
        found = _compare(time, before, after)
        if found is not None:
            season = _season_variance(before, after)
            share = season / (season + design * found[1])
            factor, unknown = found[0] * share, unknown * (1 - share)
    return ArrivalForecast(math.exp(factor), wander + unknown)


Span = tuple[float, float]


def _season_variance(first: Span, second: Span) -> float:
    """Variance of the logarithm of the ratio of two spans' volumes by a wave of a year whose phase is not known."""
    sizes = [float(np.sinc((end - start) / _YEAR)) for start, end in (first, second)]
    angle = math.pi * (sum(second) - sum(first)) / _YEAR
    return _SEASON**2 * (sizes[0] ** 2 + sizes[1] ** 2 - 2 * sizes[0] * sizes[1] * math.cos(angle))


def _compare(time: Floats, before: Span, after: Span) -> tuple[float, float] | None:
    """Logarithm of the ratio of arrivals a week after and before, and its variance by chance."""
    if not before[0] < before[1] < after[1]:
        return None
    first, middle, last = np.searchsorted(time, (before[0], before[1], after[1]))
    earlier, later = int(middle - first), int(last - middle)
    if not earlier or not later:
        return None
    ratio = math.log((later / (after[1] - after[0])) / (earlier / (before[1] - before[0])))
    return ratio, 1 / earlier + 1 / later


HALF_LIFE = 8.0
"""Weeks after which a snapshot has half the weight in a weekly volume. A capacity is about the coming weeks, and the
number of leads a week changes over a history of years; the share of them that converts changes less."""


@dataclass(frozen=True)
class ThresholdData:
    """Snapshots, one per row, with known outcomes or all without.

    Attributes
    ----------
    probability : ndarray of float64, calibrated, out-of-time
    label : ndarray of float64, 0 or 1; NaN where it is not known yet
    lead, account : ndarray of int64, equal for rows of one lead, or of one account (else lead)
    time : ndarray of float64 or None
        In weeks where ``dated``, else a place in an order; None where it is not known.
    periods : tuple of (start, end)
        The covered time, in the unit of ``time``, weeks without leads included.
    dated : bool
    gate_inputs : GateInputs
    learned : tuple of float or None
        Conversions that the model of each period learned from; None for as many as the model that will be used.
    arrivals : ArrivalForecast
        How the volume of the next period relates to that of these periods.
    before : ndarray of float64 or None
        The highest probability of each row's lead before these periods, 0 where there is none: a lead that met a
        threshold then does not come again. None for no earlier snapshots.
    share : float
        The share of all leads that these rows are of, where only some were taken.
    """

    probability: Floats
    label: Floats
    lead: Ints
    account: Ints
    time: Floats | None
    periods: tuple[tuple[float, float], ...]
    dated: bool
    gate_inputs: GateInputs = field(default_factory=GateInputs)
    learned: tuple[float, ...] | None = None
    arrivals: ArrivalForecast = STEADY
    before: Floats | None = None
    share: float = 1.0

    @property
    def length(self) -> float:
        """Total length of all periods, in the unit of ``time``."""
        return sum(end - start for start, end in self.periods)

    @property
    def weeks(self) -> float | None:
        """Length of all periods; None where the data has no dates."""
        return self.length if self.dated else None

    def recency(self) -> tuple[Floats, float | None]:
        """The weight of each snapshot in the weekly volume ahead, and the weighted number of weeks."""
        if self.time is None or not self.dated:
            return np.ones(len(self.probability)), self.weeks
        last = max(end for _, end in self.periods)
        rate = math.log(2) / HALF_LIFE
        weeks = sum(
            (math.exp(-rate * (last - end)) - math.exp(-rate * (last - start))) / rate
            for start, end in self.periods
        )
        return self.arrivals.factor / self.share * np.exp(-rate * (last - self.time)), weeks


def make_threshold_data(
    probability: npt.ArrayLike,
    label: npt.ArrayLike,
    *,
    weeks: float | None,
    lead: npt.ArrayLike | None = None,
    account: npt.ArrayLike | None = None,
    time: npt.ArrayLike | None = None,
    periods: Sequence[tuple[float, float]] | None = None,
    gate_inputs: GateInputs | None = None,
) -> ThresholdData:
    """Checked `ThresholdData`; by default every row is its own lead, and all weeks have equal weight.

    Parameters
    ----------
    probability, label : arrays of shape (n,)
    weeks : float or None
        How many weeks the rows cover; None where the data has no dates.
    lead, account : arrays of shape (n,), optional
    time : array of shape (n,), optional
        In weeks where the data has dates, else a place in an order.
    periods : sequence of (start, end), optional
        The covered time, in the unit of ``time``.
    gate_inputs : GateInputs, optional
        Fit and engagement in points.

    Raises
    ------
    LabelPolicyError
        If probabilities or labels are not valid, or the number of weeks is not above 0.
    """
    values = check_probabilities(probability)
    target = np.asarray(label, dtype=np.float64)
    if values.shape != target.shape or not len(values) or not np.isin(target, (0, 1)).all():
        raise LabelPolicyError(
            f"thresholds need one label, 0 or 1, for each probability; found {len(values)} probabilities and "
            f"{target.size} labels"
        )
    if weeks is not None and not (math.isfinite(weeks) and weeks > 0):
        raise LabelPolicyError(
            f"thresholds need the number of weeks the rows cover, above 0; found {weeks!r}"
        )
    n = len(values)
    leads = np.arange(n) if lead is None else np.unique(np.asarray(lead), return_inverse=True)[1]
    length = float(n) if weeks is None else weeks
    return ThresholdData(
        probability=values,
        label=target,
        lead=leads.astype(np.int64),
        account=(leads if account is None else np.unique(np.asarray(account), return_inverse=True)[1]).astype(
            np.int64
        ),
        time=None if time is None else np.asarray(time, dtype=np.float64),
        periods=tuple(periods or ((0.0, length),)),
        dated=weeks is not None,
        gate_inputs=(gate_inputs or GateInputs()).take(slice(None)),
    )


def make_volume_data(
    probability: npt.ArrayLike,
    *,
    lead: npt.ArrayLike,
    time: npt.ArrayLike,
    period: tuple[float, float],
    account: npt.ArrayLike | None = None,
    gate_inputs: GateInputs | None = None,
    before: Floats | None = None,
    share: float = 1.0,
) -> ThresholdData:
    """Recent snapshots without outcomes: they show the volume of a threshold only.

    Parameters
    ----------
    probability, lead : arrays of shape (n,), see `make_threshold_data`
    time : array of shape (n,), in weeks
    period : start and end of the covered time, in weeks
    account : array of shape (n,), optional
    gate_inputs : GateInputs, optional
    before : array of shape (n,), optional
    share : float
        See `ThresholdData`.
    """
    start, end = period
    known = np.zeros(len(np.asarray(time)))
    snapshots = make_threshold_data(
        probability,
        known,
        weeks=end - start,
        lead=lead,
        account=account,
        time=time,
        periods=[period],
        gate_inputs=gate_inputs,
    )
    return replace(snapshots, label=np.full_like(known, math.nan), before=before, share=share)


def check_probabilities(probability: npt.ArrayLike) -> Floats:
    """Probabilities as an array; raises where one is outside 0 to 1."""
    values = np.asarray(probability, dtype=np.float64)
    wrong = ~((values >= 0) & (values <= 1))
    if values.ndim != 1 or wrong.any():
        raise LabelPolicyError(
            f"probabilities must lie within 0 and 1, one per lead; found shape {values.shape} with "
            f"{int(wrong.sum())} that do not"
        )
    return values


@dataclass(frozen=True)
class Curve:
    """What each possible threshold selects, highest first; one entry per different probability."""

    threshold: Floats
    selected: Floats
    converted: Floats
    leads: Floats
    positives: float
    weeks: float | None

    # Rules are compared with quotients, not products: 7 / 100 equals the float 0.07, while 0.07 * 100 exceeds 7.
    @property
    def precision(self) -> Floats:
        """Share of the selected rows that converted."""
        return self.converted / self.selected

    @property
    def recall(self) -> Floats:
        """Share of all converting rows, selectable or not, that are selected."""
        return self.converted / self.positives

    @property
    def per_week(self) -> Floats | None:
        """Different leads selected a week."""
        return None if self.weeks is None else self.leads / self.weeks


def make_curve(snapshots: ThresholdData, allowed: Mask) -> Curve:
    """What each threshold selects among the ``allowed`` rows; `Curve.positives` counts all rows.

    A lead with several snapshots is handed over once: it counts at the first that meets the threshold, and for
    thresholds that it did not meet before.
    """
    rows = np.flatnonzero(allowed)
    rows = rows[np.argsort(-snapshots.probability[rows], kind="stable")]
    probability = snapshots.probability[rows]
    ends = np.flatnonzero(np.append(probability[1:] != probability[:-1], True)) if len(rows) else rows
    recency, weeks = snapshots.recency()
    place = _records(snapshots, rows)
    lead, weight = snapshots.lead[rows[place]], recency[rows[place]]
    first, last = np.diff(lead, prepend=-1) != 0, np.diff(lead, append=-1) != 0
    leads = np.zeros(len(rows) + 1)
    leads[place] = weight - np.where(last, 0.0, np.roll(weight, -1))
    if snapshots.before is not None:
        met_before = np.searchsorted(-probability, -snapshots.before[rows[place[first]]])  # from here on
        np.subtract.at(leads, met_before, weight[first])
    return Curve(
        threshold=probability[ends],
        selected=np.cumsum(np.ones(len(rows)))[ends],
        converted=np.cumsum(snapshots.label[rows])[ends],
        leads=np.maximum.accumulate(np.cumsum(leads)[ends]),
        positives=float(snapshots.label.sum()),
        weeks=weeks,
    )


def _records(snapshots: ThresholdData, rows: Rows) -> Rows:
    """The places in ``rows`` of snapshots that no earlier one of their lead reaches, by lead and time: each is the
    first to meet every threshold between the one before it and its own probability."""
    probability = snapshots.probability[rows]
    place = np.arange(len(rows))
    if snapshots.before is not None:
        place = place[probability > snapshots.before[rows]]
    time = place if snapshots.time is None else snapshots.time[rows[place]]
    place = place[np.lexsort((time, snapshots.lead[rows[place]]))]
    lead = snapshots.lead[rows[place]]
    rank = np.unique(probability[place], return_inverse=True)[1]
    highest = np.maximum.accumulate(lead * (len(rows) + 1) + rank)
    found: Rows = place[np.diff(highest, prepend=-1) > 0]
    return found
