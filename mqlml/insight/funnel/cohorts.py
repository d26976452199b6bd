"""The funnel from lead to customer: what share of each period's leads gets how far, young periods included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mqlml.config import Stage
from mqlml.evaluation import Estimate
from mqlml.insight.funnel.stages import LeadStages
from mqlml.insight.funnel.survival import FROM_START, Spells, measure_median, measure_share, wilson
from mqlml.monitoring import Handover, count_handover
from mqlml.results import Number, Result
from mqlml.times import DAY, NEVER, months_since_1970, to_clock
from mqlml.types import Ints, Mask, Micros

__all__ = [
    "Cohort",
    "CohortStage",
    "Funnel",
    "FunnelStage",
    "Origins",
    "Period",
    "Step",
    "StepPeriod",
    "measure_funnel",
]

Period = Literal["month", "quarter"]

_YEAR = 365 * DAY
_OLD_ENOUGH = 0.1
"""Ages that at least this share of leads have reached are compared."""


@dataclass(frozen=True)
class FunnelStage(Result):
    """One stage, over all leads."""

    stage: str
    """Its name."""
    reached: int
    """Leads that have reached it so far."""
    share: Estimate
    """Share of leads that reach it within ``within_days``, with the 90% interval."""
    days: Estimate
    """Days from creation by which half of these have reached it, with the 90% interval."""


@dataclass(frozen=True)
class CohortStage(Result):
    """One stage of one period's leads."""

    stage: str
    """Its name."""
    reached: int
    """Leads that have reached it so far."""
    share: Estimate
    """Share that reaches it within ``within_days``, with the 90% interval; the part that is still to come is
    estimated from older leads."""


@dataclass(frozen=True)
class Cohort(Result):
    """The leads created in one period."""

    period: str
    """The period, as ``2026-Q1`` or ``2026-01``."""
    leads: int
    """Leads created in it."""
    complete: bool
    """Whether all of them were observed for ``within_days``, so that nothing is estimated from older leads."""
    stages: tuple[CohortStage, ...]
    """How far they get."""


@dataclass(frozen=True)
class StepPeriod(Result):
    """The leads that entered a stage in one period."""

    period: str
    """The period, as ``2026-Q1`` or ``2026-01``."""
    entered: int
    """Leads that reached the first stage in it."""
    moved: int
    """Those that have reached the next one so far."""
    share: Estimate
    """Share that reaches the next one within ``within_days``, with the 90% interval."""


@dataclass(frozen=True)
class Step(Result):
    """From one stage to the next."""

    start: str
    """The first stage; ``lead`` for being created."""
    end: str
    """The next one."""
    entered: int
    """Leads that have reached the first one."""
    moved: int
    """Those of them that have reached the next one, too."""
    share: Estimate
    """Share that reaches the next one within ``within_days`` of the first, with the 90% interval."""
    days: Estimate
    """Days in the first stage by which half of those have moved on that do, with the 90% interval."""
    periods: tuple[StepPeriod, ...]
    """The same by the period in which leads reached the first stage."""


@dataclass(frozen=True)
class Origins(Result):
    """How many of the new customers of one period began as marketing leads."""

    period: str
    """The period in which they became customers, or ``all``."""
    customers: int
    """New customers."""
    marketing: int
    """Those whose first stage was MQL."""
    share: Estimate
    """Share of these, with the 90% interval."""


@dataclass(frozen=True)
class Funnel(Result):
    """How far leads get, by period of creation, and how long it takes."""

    leads: int
    """Leads created by the end of the data."""
    within_days: Number
    """Age at which leads are compared: a year, or less where the data is younger."""
    by: Period
    """Length of a period."""
    stages: tuple[FunnelStage, ...]
    """The stages that the data has, in their order, over all leads."""
    missing: tuple[str, ...]
    """Stages that the data lacks; they are left out."""
    cohorts: tuple[Cohort, ...]
    """Leads by the period in which they were created, earliest first."""
    steps: tuple[Step, ...]
    """From each stage to the next."""
    origins: tuple[Origins, ...]
    """New customers that began as marketing leads: all, then by period; empty without the stage MQL."""
    handover: Handover | None
    """Leads handed over too early, too late or never as MQL; null without the stage MQL."""


def measure_funnel(
    leads: LeadStages,
    *,
    by: Period = "quarter",
    within: int | None = None,
    soon: int = 14 * DAY,
    zone: str = "UTC",
) -> Funnel:
    """Measure how far leads get.

    A lead that is lost or disqualified, or becomes a customer without a stage, cannot reach that stage any more
    (competing risks); one that reached it in spite of an earlier loss did. Of a period whose leads are too young,
    what is still to come is taken from how leads of that age moved on in the last year of the data, so that young
    periods do not sag: the two parts are one Aalen-Johansen estimate with late entries.

    Parameters
    ----------
    leads : LeadStages
    by : how long a period is.
    within : microseconds, the age at which leads are compared; a year, or the age that a tenth of the leads have
        reached where that is less, if left out.
    soon : microseconds within which a rejection shows that a lead was handed over too early.
    zone : whose calendar periods are those of.
    """
    if within is None:
        within = min(_YEAR, int(np.quantile(leads.until - leads.created, 1 - _OLD_ENOUGH)))
    period = _period_of(leads.created, by, zone)
    spells = {stage: _spells(leads, leads.created, stage) for stage in leads.reached}
    start: list[tuple[str, Micros]] = [("lead", leads.created), *leads.reached.items()]
    return Funnel(
        leads=len(leads),
        within_days=within / DAY,
        by=by,
        stages=tuple(
            FunnelStage(
                stage=stage,
                reached=int((times < NEVER).sum()),
                share=measure_share(spells[stage], within),
                days=_in_days(measure_median(spells[stage], within)),
            )
            for stage, times in leads.reached.items()
        ),
        missing=leads.missing,
        cohorts=tuple(
            Cohort(
                period=_name(number, by),
                leads=int(own.sum()),
                complete=bool((leads.created[own] <= leads.until - within).all()),
                stages=tuple(
                    CohortStage(
                        stage,
                        int((times[own] < NEVER).sum()),
                        _complete(spells[stage], leads.created, own, leads.until, within),
                    )
                    for stage, times in leads.reached.items()
                ),
            )
            for number, own in _each(period)
        ),
        steps=tuple(
            _step(leads, name, origin, stage, by=by, within=within, zone=zone)
            for (name, origin), stage in zip(start, leads.reached, strict=False)
        ),
        origins=_origins(leads, by, zone),
        handover=_handover(leads, soon),
    )


def _period_of(times: Micros, by: Period, zone: str) -> Ints:
    months = months_since_1970(to_clock(times, zone))
    return months // 3 if by == "quarter" else months


def _name(number: int, by: Period) -> str:
    year, part = divmod(number, 4 if by == "quarter" else 12)
    return f"{1970 + year}-Q{part + 1}" if by == "quarter" else f"{1970 + year}-{part + 1:02}"


def _each(period: Ints) -> Sequence[tuple[int, Mask]]:
    return [(number, period == number) for number in np.unique(period).tolist()]


def _spells(leads: LeadStages, origin: Micros, stage: Stage) -> Spells:
    """From an origin to a stage; leads without the origin must have been left out."""
    event = leads.reached[stage]
    reached = event < NEVER
    # A loss before the origin did not end the journey: the lead went on.
    closed = np.where(leads.closed >= origin, leads.closed, NEVER)
    customer = leads.reached[leads.customer]
    ended = np.where(reached, event, np.minimum(np.minimum(closed, customer), leads.until))
    cause = np.where(reached, 1, np.where(np.minimum(closed, customer) < NEVER, 2, 0)).astype(np.int8)
    return Spells(np.full(len(leads), FROM_START), np.maximum(ended - origin, 0), cause, leads.account)


def _complete(spells: Spells, origin: Micros, own: Mask, until: int, within: int) -> Estimate:
    """The share of some leads, from their own spells as long as half of them were observed, then from all leads'."""
    age = int(np.median(until - origin[own]))
    young = spells.take(own)
    if age >= within:
        return measure_share(young, within)
    # The days of the last year only: a lead enters at the age that it had when the year began.
    began = np.maximum(spells.entry, until - _YEAR - origin)
    recent = Spells(began, spells.stop, spells.cause, spells.cluster).after(age).until(within)
    return measure_share(young.until(age).join(recent), within)


def _in_days(found: Estimate) -> Estimate:
    return Estimate(found.value / DAY, found.low / DAY, found.high / DAY)


def _step(
    leads: LeadStages, name: str, origin: Micros, stage: Stage, *, by: Period, within: int, zone: str
) -> Step:
    entered = leads.take(origin < NEVER)
    begun = origin[origin < NEVER]
    moved = entered.reached[stage] < NEVER
    spells = _spells(entered, begun, stage)
    return Step(
        start=name,
        end=stage,
        entered=len(entered),
        moved=int(moved.sum()),
        share=measure_share(spells, within),
        days=_in_days(measure_median(spells, within)),
        periods=tuple(
            StepPeriod(
                _name(number, by),
                int(own.sum()),
                int(moved[own].sum()),
                _complete(spells, begun, own, leads.until, within),
            )
            for number, own in _each(_period_of(begun, by, zone))
        ),
    )


def _origins(leads: LeadStages, by: Period, zone: str) -> tuple[Origins, ...]:
    if "mql" not in leads.reached or leads.customer == "mql":
        return ()
    won = leads.reached[leads.customer]
    customers = won < NEVER
    mql = leads.reached["mql"]
    later = np.min([times for stage, times in leads.reached.items() if stage != "mql"], axis=0)
    marketing = (mql < NEVER) & (mql <= later)
    groups = [("all", customers)]
    period = _period_of(np.where(customers, won, 0), by, zone)
    groups += [
        (_name(number, by), customers & (period == number))
        for number in np.unique(period[customers]).tolist()
    ]
    found = []
    for name, own in groups:
        n, some = int(own.sum()), int(marketing[own].sum())
        found.append(Origins(name, n, some, wilson(some / n if n else math.nan, n)))
    return tuple(found)


def _handover(leads: LeadStages, soon: int) -> Handover | None:
    if "mql" not in leads.reached:
        return None
    taken = [times for stage, times in leads.reached.items() if stage != "mql"]
    accepted = np.min(taken, axis=0) if taken else np.full(len(leads), NEVER)
    rejected = np.where(accepted <= leads.closed, NEVER, leads.closed)
    return count_handover("mql", leads.reached["mql"], accepted, rejected, soon=soon)
