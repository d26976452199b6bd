"""How many more conversions a model needs, and about when they will be there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import betaprime, gamma

from mqlml.evaluation import Estimate
from mqlml.results import Number, Result
from mqlml.times import DAY
from mqlml.training import TrainingTable

__all__ = ["MONTH", "MoreWins", "expect_more_wins"]

MONTH = 30.4375
"""Days, on average."""

_TAIL = 0.05


@dataclass(frozen=True)
class MoreWins(Result):
    """What is there to learn from, against what a model needs."""

    conversions: int
    """Snapshots followed by a conversion, before the held-out period."""
    leads: int
    """Leads with such a snapshot."""
    needed: int
    """``gate.min_positives``: as many are needed."""
    missing: int
    """How many are still missing; 0 where there are enough."""
    leads_missing: Number
    """About how many more leads must convert for that."""
    leads_per_month: Estimate
    """Leads that convert a month, with its 90% interval; null where there are no dates."""
    months: Estimate
    """Months until there are enough, with its 90% interval, which also allows for luck in the time to come; null
    where there are no dates, or none is missing."""


def expect_more_wins(table: TrainingTable, *, needed: int, holdout: float) -> MoreWins:
    """Count what is there before the held-out period, and expect the rest at the same rate.

    Conversions of leads are taken to come at a constant rate, with Jeffreys' prior: the time until ``k`` more,
    in units of the time observed, then follows a beta prime distribution with ``k`` and ``n + 1/2``. Of each month of
    new data, the share ``holdout`` is held out and cannot be learned from.
    """
    rows = table.holdout.train
    won = rows[table.label[rows] == 1]
    conversions, leads = len(won), len(np.unique(table.lead[won]))
    missing = max(0, needed - conversions)
    # Snapshots of one lead convert together, so leads, not snapshots, are counted as events.
    more = missing * leads / conversions if conversions else float(missing)
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    if not table.dated:
        return MoreWins(conversions, leads, needed, missing, more, nothing, nothing)
    days = max(float(np.ptp(table.time[rows])), DAY) / DAY
    span = days / MONTH
    tails = np.array([0.5, _TAIL, 1 - _TAIL])
    rate = np.asarray(gamma.ppf(tails, leads + 0.5)) / span
    months = nothing
    if missing:
        wait = np.asarray(betaprime.ppf(tails, max(1.0, np.ceil(more)), leads + 0.5)) * span
        months = Estimate(*(wait / (1 - holdout)).tolist())
    return MoreWins(conversions, leads, needed, missing, more, Estimate(*rate.tolist()), months)
