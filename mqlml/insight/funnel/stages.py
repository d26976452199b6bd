"""When each lead reached each stage of the funnel, as far as the outcomes tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.config import STAGES, TERMINAL_STAGES, Problem, Stage
from mqlml.errors import PopulationError
from mqlml.journeys import Journeys
from mqlml.times import NEVER, column_to_microseconds, format_instant, to_microseconds
from mqlml.training.snapshots import creation_times, group_leads
from mqlml.types import Mask, Micros, Rows

__all__ = ["LeadStages", "read_stages"]

_ON_THE_WAY: tuple[Stage, ...] = ("mql", "sql", "opportunity")


@dataclass(frozen=True)
class LeadStages:
    """One row a lead: arrays of shape (n_leads,).

    Attributes
    ----------
    created : microseconds since 1970.
    reached : when each lead first reached each stage that the data has, in the order of the funnel, the customer
        last; `NEVER` where it has not.
    closed : when it was first lost or disqualified; `NEVER` where it was not.
    account : a number for each account.
    until : the end of the data; nothing later is in it.
    customer : the stage that makes a customer.
    missing : stages that the data lacks.
    """

    created: Micros
    reached: dict[Stage, Micros]
    closed: Micros
    account: Rows
    until: int
    customer: Stage
    missing: tuple[Stage, ...]

    def __len__(self) -> int:
        return len(self.created)

    def take(self, kept: Mask) -> LeadStages:
        """The leads of these rows."""
        return LeadStages(
            self.created[kept],
            {stage: times[kept] for stage, times in self.reached.items()},
            self.closed[kept],
            self.account[kept],
            self.until,
            self.customer,
            self.missing,
        )


def read_stages(journeys: Journeys, problem: Problem) -> LeadStages:
    """The stages of all leads; one that was merged into another counts once.

    A customer is a lead that was won, or reached the predicted stage where no outcome of the data is a win. What
    happened before a lead was created counts as having happened when it was.

    Raises
    ------
    PopulationError
        If no lead was created before the end of the data, or none became a customer.
    """
    until = to_microseconds(journeys.observed_until)
    outcomes = journeys.outcomes
    found = {stage for stage in STAGES if (outcomes["stage"] == stage).any()}
    customer: Stage = "closed_won" if "closed_won" in found else problem.outcome
    created = creation_times(journeys.leads)
    kept = created <= until
    kept[journeys.merged.old] = False
    if not kept.any():
        raise PopulationError(
            f"the funnel needs leads created by the end of the data, {format_instant(journeys.observed_until)}; "
            f"found none among {len(created):,}. Check data.leads.columns.created_at and data.observed_until"
        )
    when = column_to_microseconds(outcomes["occurred_at"], missing=NEVER)
    place = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(outcomes["lead_id"]))
    counted = (place >= 0) & (when <= until)

    def first(stages: Iterable[Stage]) -> Micros:
        rows = counted & outcomes["stage"].isin([*stages]).to_numpy()
        times = np.full(len(created), NEVER)
        np.minimum.at(times, place[rows], when[rows])
        return np.asarray(np.maximum(times, created)[kept])

    before = _ON_THE_WAY[: _ON_THE_WAY.index(customer)] if customer in _ON_THE_WAY else _ON_THE_WAY
    order = (*before, customer)
    reached = {stage: first({stage}) for stage in order if stage in found}
    if customer not in reached or not (reached[customer] < NEVER).any():
        raise PopulationError(
            f"the funnel needs customers: leads that reached {customer} by the end of the data; found none. Check "
            "data.outcomes.stages, data.outcomes.columns.stage and problem.outcome"
        )
    ended = set(TERMINAL_STAGES) - {"closed_won", customer}
    return LeadStages(
        created=created[kept],
        reached=reached,
        closed=first(ended),
        account=group_leads(journeys.leads)[kept],
        until=until,
        customer=customer,
        missing=tuple(stage for stage in order if stage not in reached),
    )
