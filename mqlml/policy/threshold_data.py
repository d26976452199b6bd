"""Snapshots with probabilities and outcomes show what each threshold selects.

A threshold selects the rows at or above it (`>=`), so rows of equal probability are selected together or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mqlml.errors import LabelPolicyError
from mqlml.policy.arrivals import STEADY, ArrivalForecast
from mqlml.policy.gate_inputs import GateInputs
from mqlml.types import Floats, Ints, Mask

__all__ = [
    "HALF_LIFE",
    "Curve",
    "ThresholdData",
    "check_probabilities",
    "make_curve",
    "make_threshold_data",
    "make_volume_data",
]

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
        return self.arrivals.factor * np.exp(-rate * (last - self.time)), weeks


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
) -> ThresholdData:
    """Recent snapshots without outcomes: they show the volume of a threshold only.

    Parameters
    ----------
    probability, lead : arrays of shape (n,), see `make_threshold_data`
    time : array of shape (n,), in weeks
    period : start and end of the covered time, in weeks
    account : array of shape (n,), optional
    gate_inputs : GateInputs, optional
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
    return replace(snapshots, label=np.full_like(known, math.nan))


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

    A lead with several snapshots is handed over once: it counts at its most likely one.
    """
    rows = np.flatnonzero(allowed)
    rows = rows[np.argsort(-snapshots.probability[rows], kind="stable")]
    probability = snapshots.probability[rows]
    recency, weeks = snapshots.recency()
    leads = np.zeros(len(rows))
    first = np.unique(snapshots.lead[rows], return_index=True)[1]
    leads[first] = recency[rows[first]]
    ends = np.flatnonzero(np.append(probability[1:] != probability[:-1], True)) if len(rows) else rows
    return Curve(
        threshold=probability[ends],
        selected=np.cumsum(np.ones(len(rows)))[ends],
        converted=np.cumsum(snapshots.label[rows])[ends],
        leads=np.cumsum(leads)[ends],
        positives=float(snapshots.label.sum()),
        weeks=weeks,
    )
