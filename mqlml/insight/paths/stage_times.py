"""How many touches and days it takes a lead to reach each stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.config import STAGES, Problem
from mqlml.journeys import Journeys
from mqlml.results import Number, Result
from mqlml.times import DAY, NEVER, column_to_microseconds, to_microseconds
from mqlml.training.snapshots import conversion_times, creation_times
from mqlml.types import Floats

__all__ = ["Quartiles", "StageTime", "measure_stage_times"]


@dataclass(frozen=True)
class Quartiles(Result):
    """The middle of a distribution."""

    low: Number
    """A quarter of the leads have at most so many."""
    median: Number
    """Half of them have at most so many."""
    high: Number
    """Three quarters of them have at most so many."""


@dataclass(frozen=True)
class StageTime(Result):
    """What it took the leads that reached a stage."""

    stage: str
    """The stage."""
    leads: int
    """Leads that reached it within one horizon of their creation."""
    days: Quartiles
    """Days from creation to the stage."""
    touches: Quartiles
    """Events before the stage."""


def measure_stage_times(journeys: Journeys, problem: Problem) -> tuple[StageTime, ...]:
    """Days and touches to each stage that leads reached within one horizon of their creation.

    Counted are leads created at least one horizon before the end of the data, so that each had the same time to
    reach a stage: otherwise young leads would bring in their fast cases only.

    Returns
    -------
    tuple of StageTime
        Stages in the order of the sale, then any others by name; those that nobody reached are left out.
    """
    leads, events = journeys.leads, journeys.events
    created = creation_times(leads)
    counted = created <= to_microseconds(journeys.observed_until) - problem.horizon
    counted[journeys.merged.old] = False
    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(events["lead_id"]))
    when = column_to_microseconds(events["occurred_at"], missing=NEVER)
    lead, when = lead[lead >= 0], when[lead >= 0]
    present = {str(stage) for stage in journeys.outcomes["stage"].dropna().unique()}
    found = []
    for stage in (*(stage for stage in STAGES if stage in present), *sorted(present - set(STAGES))):
        reached = conversion_times(journeys, problem.model_copy(update={"outcome": stage}))
        own = counted & (reached >= created)
        own[own] = reached[own] - created[own] < problem.horizon
        if not own.any():
            continue
        touches = np.bincount(lead[when < reached[lead]], minlength=len(leads))
        found.append(
            StageTime(
                stage=stage,
                leads=int(own.sum()),
                days=_quartiles((reached[own] - created[own]) / DAY),
                touches=_quartiles(touches[own].astype(np.float64)),
            )
        )
    return tuple(found)


def _quartiles(values: Floats) -> Quartiles:
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    return Quartiles(float(low), float(median), float(high))
