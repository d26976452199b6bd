"""Snapshots: the (lead, cutoff) pairs of a population, their labels and the waterfall that led to them.

A lead belongs to the population at a cutoff when it was created at or before it (what is known at creation is known
at age zero), its age is within the limits, and no outcome that ends its journey was known strictly before it: a
terminal stage, or the predicted stage.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import TERMINAL_STAGES, Config, Problem
from mqlml.errors import PopulationError
from mqlml.features import match_exclusions
from mqlml.journeys import FlatTable, Journeys
from mqlml.journeys.people import leave_out
from mqlml.results import Result
from mqlml.times import (
    DAY,
    NEVER,
    TIME_DTYPE,
    column_to_microseconds,
    describe_duration,
    describe_range,
    format_duration,
    format_instant,
    from_microseconds,
    microseconds_to_column,
    to_microseconds,
)
from mqlml.types import Micros, Rows

__all__ = [
    "Snapshots",
    "Step",
    "StepRule",
    "assign_labels",
    "build_snapshots",
    "calendar_grid",
    "exclude_leads",
    "exit_times",
    "find_snapshots",
    "fix_grid",
    "open_leads",
    "stage_times",
]

_AGE_BANDS = [days * DAY for days in (0, 7, 30, 90, 180, 365)]


StepRule = Literal["snapshots", "age", "open", "late_entry", "mature", "read", "usable", "labeled"]
"""The condition of a step of the waterfall; the last three are those of a flat table."""


@dataclass(frozen=True)
class Step(Result):
    """One step of the population waterfall: the snapshots and leads left after it."""

    rule: StepRule
    """Its condition: ``snapshots`` at the configured ages or on the calendar grid, an ``age`` within the limits,
    a lead still ``open``, no ``late_entry`` of an earlier conversion, ``mature`` outcomes; in a flat table, rows that
    were ``read``, are ``usable`` and are ``labeled``."""
    step: str
    """The same as a text."""
    snapshots: int
    """Snapshots left after it."""
    leads: int
    """Leads of these snapshots."""


@dataclass(frozen=True)
class Snapshots:
    """Mature snapshots, and the waterfall that led to them.

    Attributes
    ----------
    table : DataFrame
        ``lead_id``, ``cutoff_time`` (``datetime64[us, UTC]``), ``age`` (text such as ``"7d"``: the configured age,
        or on a calendar grid the highest of 0, 7, 30, 90, 180, 365 days reached), sorted by cutoff, then lead.
    waterfall : tuple of Step
    """

    table: pd.DataFrame
    waterfall: tuple[Step, ...]


@overload
def exclude_leads(data: Journeys, config: Config) -> Journeys: ...
@overload
def exclude_leads(data: FlatTable, config: Config) -> FlatTable: ...
def exclude_leads(data: Journeys | FlatTable, config: Config) -> Journeys | FlatTable:
    """The data without the leads that ``rules.exclude`` leaves out; they are neither trained on nor scored.

    Raises
    ------
    ConfigError
        As `match_exclusions`.
    PopulationError
        If nobody is left.
    """
    if not config.rules.exclude:
        return data
    return leave_out(data, match_exclusions(data.leads, config))


def rank_ids(ids: pd.Series) -> Rows:
    """The place of each id among all of them, sorted: the same whatever order the rows of an export have."""
    rank = np.empty(len(ids), dtype=np.intp)
    rank[pd.Index(ids).argsort()] = np.arange(len(ids))
    return rank


def group_leads(leads: pd.DataFrame) -> Rows:
    """A number for each lead's account, or one of its own where it has none; independent of the order of the rows."""
    own = rank_ids(leads["lead_id"])
    if "account_id" not in leads:
        return own
    account = pd.factorize(leads["account_id"], sort=True)[0]
    return np.where(account >= 0, account, len(leads) + own)


def _first_per_lead(journeys: Journeys, rows: pd.DataFrame, times: Micros) -> Micros:
    """The earliest of ``times`` for each row of ``journeys.leads``, `NEVER` where a lead has none."""
    first = np.full(len(journeys.leads), NEVER)
    position = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(rows["lead_id"]))
    np.minimum.at(first, position, times)
    return first


def creation_times(leads: pd.DataFrame) -> Micros:
    """When each lead was created; `NEVER` where that is missing, and such a lead has no snapshot."""
    return column_to_microseconds(leads["created_at"], missing=NEVER)


def first_known(rows: pd.DataFrame, happened: str = "occurred_at") -> Micros:
    """When each fact had both happened and been recorded; `NEVER` for one without either time."""
    times = (column_to_microseconds(rows[time], missing=NEVER) for time in (happened, "recorded_at"))
    return np.maximum(*times)


def exit_times(journeys: Journeys, problem: Problem) -> Micros:
    """When the company first knew that a lead's journey had ended, per row of ``journeys.leads``.

    Returns
    -------
    ndarray of int64, microseconds; `NEVER` for a lead that is still open.
    """
    rows = journeys.outcomes
    ends = rows[rows["stage"].isin({*TERMINAL_STAGES, problem.outcome})]
    return _first_per_lead(journeys, ends, first_known(ends))


def stage_times(journeys: Journeys, stage: str) -> Micros:
    """When the company first knew that each lead had reached a stage; `NEVER` where it has not."""
    rows = journeys.outcomes[journeys.outcomes["stage"] == stage]
    return _first_per_lead(journeys, rows, first_known(rows))


def conversion_times(journeys: Journeys, problem: Problem) -> Micros:
    """When each lead first reached the predicted stage, by when it happened; `NEVER` where it has not."""
    wins = journeys.outcomes[journeys.outcomes["stage"] == problem.outcome]
    return _first_per_lead(journeys, wins, column_to_microseconds(wins["occurred_at"], missing=NEVER))


def calendar_grid(problem: Problem, created: Micros, last_mature: int) -> tuple[int, int, int]:
    """First point, step and number of points of the calendar grid."""
    policy = problem.snapshots
    assert policy.every is not None
    first = to_microseconds(policy.from_) if policy.from_ else int(created.min(initial=NEVER)) // DAY * DAY
    last = to_microseconds(policy.until) if policy.until else last_mature
    return first, policy.every, max(0, (last - first) // policy.every + 1)


def _at_ages(ages: list[int], created: Micros) -> tuple[npt.NDArray[np.int64], Micros]:
    lead = np.tile(np.arange(len(created)), len(ages))
    return lead, np.concatenate([created + age for age in ages])


def _at_grid(
    created: Micros, first: int, step: int, points: int, limits: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], Micros, int, int]:
    """Grid points within each lead's age limits; and how many points and leads lie at or after creation at all."""
    # Only points inside the limits are built: a long history would otherwise cost leads x points.
    after = np.clip(-((first - created) // step), 0, points)
    start = np.clip(-((first - (created + limits[0])) // step), 0, points)
    stop = np.clip((created + limits[1] - first) // step + 1, start, points)
    count = stop - start
    lead = np.repeat(np.arange(len(created)), count)
    within = np.arange(len(lead)) - np.repeat(np.cumsum(count) - count, count)
    cutoff = first + (np.repeat(start, count) + within) * step
    return lead, cutoff, int((points - after).sum()), int((after < points).sum())


def fix_grid(problem: Problem, leads: pd.DataFrame) -> Problem:
    """Set the first day of the grid where it is missing, so that partitions share the days of the whole.

    It is the day on which the first of all leads was created.
    """
    policy = problem.snapshots
    created = creation_times(leads)
    if policy.every is None or policy.from_ is not None or created.min(initial=NEVER) == NEVER:
        return problem
    first, _, _ = calendar_grid(problem, created, 0)
    start = from_microseconds(first)
    return problem.model_copy(update={"snapshots": policy.model_copy(update={"from_": start})})


def build_snapshots(journeys: Journeys, problem: Problem) -> Snapshots:
    """Build the mature snapshots of the population.

    A snapshot is mature when its label window ends at or before ``journeys.observed_until``; immature ones are
    dropped by date, whatever has happened to the lead since.

    Raises
    ------
    PopulationError
        If nobody is left; the message names the step.
    """
    snapshots = find_snapshots(journeys, problem)
    if len(snapshots.table) == 0:
        created = creation_times(journeys.leads)
        raise _nobody(
            list(snapshots.waterfall),
            created,
            to_microseconds(journeys.observed_until),
            problem.gap + problem.horizon,
        )
    return snapshots


def find_snapshots(journeys: Journeys, problem: Problem) -> Snapshots:
    """As `build_snapshots`, but the table may be empty, as for a part of a larger one."""
    observed_until = to_microseconds(journeys.observed_until)
    label_span = problem.gap + problem.horizon
    lead, cutoff, steps = _population(journeys, problem, last=observed_until - label_span)
    mature = cutoff + label_span <= observed_until
    lead, cutoff = lead[mature], cutoff[mature]
    steps.append(
        Step(
            "mature", f"mature: all {describe_duration(label_span)} observed", len(lead), len(np.unique(lead))
        ),
    )
    return Snapshots(table=_tabulate(journeys, problem, lead, cutoff), waterfall=tuple(steps))


def _population(
    journeys: Journeys, problem: Problem, *, last: int
) -> tuple[npt.NDArray[np.int64], Micros, list[Step]]:
    """Rows of ``journeys.leads``, their cutoffs and the waterfall; a calendar grid ends at ``last``."""
    leads = journeys.leads
    created = creation_times(leads)
    dated = np.flatnonzero(created < NEVER)
    low, high = problem.age_limits
    policy = problem.snapshots

    if policy.ages is not None:
        lead, cutoff = _at_ages(policy.ages, created[dated])
        steps = [Step("snapshots", "snapshots at the configured ages", len(lead), len(dated))]
    else:
        first, every, points = calendar_grid(problem, created, last)
        lead, cutoff, n, n_leads = _at_grid(created[dated], first, every, points, problem.age_limits)
        steps = [Step("snapshots", "snapshots on the calendar grid", n, n_leads)]
    lead = dated[lead]

    def keep(rule: StepRule, text: str, mask: npt.NDArray[np.bool_]) -> None:
        nonlocal lead, cutoff
        lead, cutoff = lead[mask], cutoff[mask]
        steps.append(Step(rule, text, len(lead), len(np.unique(lead))))

    age = cutoff - created[lead]
    keep("age", f"{describe_range(low, high)} old", (age >= low) & (age <= high))
    keep("open", "still open at that moment", exit_times(journeys, problem)[lead] >= cutoff)
    # Entered late: these leads had already converted, so they were not open and no conversion was to come.
    on_time = conversion_times(journeys, problem)[lead] >= cutoff
    keep("late_entry", "no sale entered after the fact", on_time)
    return lead, cutoff, steps


def _tabulate(
    journeys: Journeys, problem: Problem, lead: npt.NDArray[np.int64], cutoff: Micros
) -> pd.DataFrame:
    leads, policy = journeys.leads, problem.snapshots
    created = creation_times(leads)
    bands = np.sort(np.array(policy.ages if policy.ages is not None else _AGE_BANDS))
    names = np.array([format_duration(int(age)) for age in bands])
    text = names[np.searchsorted(bands, cutoff - created[lead], side="right") - 1]
    order = np.lexsort((rank_ids(leads["lead_id"])[lead], cutoff))
    table = pd.DataFrame(
        {
            "lead_id": leads["lead_id"].to_numpy()[lead[order]],
            "cutoff_time": microseconds_to_column(cutoff[order]),
            "age": pd.Series(text[order], dtype="str"),
        }
    )
    table["lead_id"] = table["lead_id"].astype(leads["lead_id"].dtype)
    return table


def _nobody(steps: list[Step], created: Micros, observed_until: int, label_span: int) -> PopulationError:
    """The reason that no snapshot is left, and the remedy."""
    emptied = next(step for step in steps if step.snapshots == 0)
    if emptied.rule != "mature":
        remedy = (
            "each had its outcome before its snapshot, so check data.leads.columns.created_at, "
            "data.outcomes.columns.occurred_at and problem.snapshots"
            if emptied.rule in ("open", "late_entry")
            else "check data.leads.columns.created_at, problem.snapshots and problem.age_limits"
        )
        return PopulationError(f"no lead is left to learn from after the step {emptied.step!r}; {remedy}")
    end = from_microseconds(observed_until)
    start = from_microseconds(created.min())
    if end < start:
        return PopulationError(
            f"no lead is mature: data.observed_until must come after the leads; found {format_instant(end)}, and the "
            f"first lead was created {format_instant(start)}. Correct it, or data.leads.columns.created_at"
        )
    return PopulationError(
        f"no lead is mature: the label window of {describe_duration(label_span)} after any snapshot ends later than "
        f"data.observed_until ({format_instant(end)}; the first lead was created {format_instant(start)}). "
        "Shorten problem.horizon, or bring outcomes over a longer period"
    )


def open_leads(journeys: Journeys, cutoff: dt.datetime, problem: Problem) -> pd.DataFrame:
    """Find the leads that are open at one moment, as the batch job does.

    Returns
    -------
    DataFrame with ``lead_id``, ``cutoff_time``, in the order of ``journeys.leads``.
    """
    at = to_microseconds(cutoff)
    created = creation_times(journeys.leads)
    age = at - created
    low, high = problem.age_limits
    mask = (age >= max(low, 0)) & (age <= high) & (exit_times(journeys, problem) >= at)
    table = journeys.leads.loc[mask, ["lead_id"]].reset_index(drop=True)
    table["cutoff_time"] = pd.Series(pd.Timestamp(cutoff), index=table.index, dtype=TIME_DTYPE)
    return table


def assign_labels(journeys: Journeys, snapshots: pd.DataFrame, problem: Problem) -> npt.NDArray[np.int8]:
    """1 where a lead first reaches the predicted stage in its label window, else 0.

    The window is half-open: ``[cutoff + gap, cutoff + gap + horizon)``. A lead that converts inside the gap is a 0:
    nobody could have acted on it, and the probability is that of converting in the window.

    Parameters
    ----------
    snapshots : DataFrame with ``lead_id`` and ``cutoff_time``; only mature snapshots have a meaningful 0.

    Returns
    -------
    ndarray of int8, one per snapshot.
    """
    converted = conversion_times(journeys, problem)
    position = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    when = converted[position]
    start = column_to_microseconds(snapshots["cutoff_time"]) + problem.gap
    converts: npt.NDArray[np.bool_] = (when >= start) & (when < start + problem.horizon)
    return converts.astype(np.int8)
