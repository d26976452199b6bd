"""Snapshots: which leads are looked at, and when; journeys go in, (lead, cutoff) pairs and a waterfall come out.

A lead belongs to the population at a cutoff when it was created at or before it (what is known at creation is
known at age zero), its age is within the limits, and no outcome that ends its journey was known strictly before
it: a terminal stage, or the very stage that is predicted.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import TERMINAL_STAGES, Problem
from mqlml.errors import PopulationError
from mqlml.journeys import Journeys
from mqlml.results import Result
from mqlml.timeutil import DAY, format_duration, format_instant, to_microseconds

__all__ = [
    "Snapshots",
    "Step",
    "build_snapshots",
    "exit_times",
    "find_open",
    "find_snapshots",
    "fix_grid",
    "open_leads",
]

Micros = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
"""An instant after all others: what has not happened."""

_AGE_BANDS = [days * DAY for days in (0, 7, 30, 90, 180, 365)]


@dataclass(frozen=True)
class Step(Result):
    """One step of the population waterfall: how many snapshots, and of how many leads, are left after it."""

    step: str
    snapshots: int
    leads: int


@dataclass(frozen=True)
class Snapshots:
    """Mature snapshots and how they were come by.

    Attributes
    ----------
    table : DataFrame
        ``lead_id``, ``cutoff_time`` (``datetime64[us, UTC]``), ``age`` (text such as ``"7d"``: the age asked for,
        or on a calendar grid the highest of 0, 7, 30, 90, 180, 365 days reached), sorted by cutoff, then lead.
    waterfall : tuple of Step
    """

    table: pd.DataFrame
    waterfall: tuple[Step, ...]


def micros(times: pd.Series) -> Micros:
    """A time column as microseconds since 1970 in UTC; missing times are `NEVER`."""
    values = times.dt.as_unit("us").astype("int64").to_numpy()
    return np.where(times.isna().to_numpy(), NEVER, values)


def rank_ids(ids: pd.Series) -> npt.NDArray[np.intp]:
    """The place of each id among all, sorted: the same whatever order the rows of an export come in."""
    rank = np.empty(len(ids), dtype=np.intp)
    rank[pd.Index(ids).argsort()] = np.arange(len(ids))
    return rank


def group_leads(leads: pd.DataFrame) -> npt.NDArray[np.intp]:
    """A number for each lead's account, or one of its own where it has none; the same in whatever order they come."""
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


def _known(rows: pd.DataFrame) -> Micros:
    return np.maximum(micros(rows["occurred_at"]), micros(rows["recorded_at"]))


def exit_times(journeys: Journeys, problem: Problem) -> Micros:
    """When the company first knew that a lead's journey had ended, per row of ``journeys.leads``.

    Returns
    -------
    ndarray of int64, microseconds; `NEVER` for a lead that is still open.
    """
    rows = journeys.outcomes
    ends = rows[rows["stage"].isin({*TERMINAL_STAGES, problem.outcome})]
    return _first_per_lead(journeys, ends, _known(ends))


def conversion_times(journeys: Journeys, problem: Problem) -> Micros:
    """When each lead first reached the predicted stage, by when it happened; `NEVER` where it has not."""
    wins = journeys.outcomes[journeys.outcomes["stage"] == problem.outcome]
    return _first_per_lead(journeys, wins, micros(wins["occurred_at"]))


def _grid(problem: Problem, created: Micros, last_mature: int) -> tuple[int, int, int]:
    """First point, step and number of points of the calendar grid."""
    policy = problem.snapshots
    assert policy.every is not None
    first = to_microseconds(policy.from_) if policy.from_ else int(created.min()) // DAY * DAY
    last = to_microseconds(policy.until) if policy.until else last_mature
    return first, policy.every, max(0, (last - first) // policy.every + 1)


def _at_ages(ages: list[int], created: Micros) -> tuple[npt.NDArray[np.int64], Micros]:
    lead = np.tile(np.arange(len(created)), len(ages))
    return lead, np.concatenate([created + age for age in ages])


def _at_grid(
    created: Micros, first: int, step: int, points: int, limits: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], Micros, int, int]:
    """Grid points at which each lead is within the age limits; and how many lie at or after creation at all."""
    # Only the points inside the limits are laid out: a long history would otherwise cost leads x points.
    after = np.clip(-((first - created) // step), 0, points)
    start = np.clip(-((first - (created + limits[0])) // step), 0, points)
    stop = np.clip((created + limits[1] - first) // step + 1, start, points)
    count = stop - start
    lead = np.repeat(np.arange(len(created)), count)
    within = np.arange(len(lead)) - np.repeat(np.cumsum(count) - count, count)
    cutoff = first + (np.repeat(start, count) + within) * step
    return lead, cutoff, int((points - after).sum()), int((after < points).sum())


def fix_grid(problem: Problem, leads: pd.DataFrame) -> Problem:
    """The same problem with the first day of its grid written down, so that a part of the leads is looked at on
    the days that all are: left out, it is the day on which the first of all leads was created."""
    policy = problem.snapshots
    if policy.every is None or policy.from_ is not None or len(leads) == 0:
        return problem
    first, _, _ = _grid(problem, micros(leads["created_at"]), 0)
    start = pd.Timestamp(first, unit="us", tz="UTC").to_pydatetime()
    return problem.model_copy(update={"snapshots": policy.model_copy(update={"from_": start})})


def build_snapshots(journeys: Journeys, problem: Problem) -> Snapshots:
    """The mature snapshots of the population, at the moments the policy names.

    A snapshot is mature when its label window ends at or before ``journeys.observed_until``; immature ones are
    dropped by date, whatever has happened to the lead since.

    Raises
    ------
    PopulationError
        If nobody is left; the message says at which step.
    """
    snapshots = find_snapshots(journeys, problem)
    if len(snapshots.table) == 0:
        created = micros(journeys.leads["created_at"])
        raise _nobody(
            list(snapshots.waterfall),
            created,
            to_microseconds(journeys.observed_until),
            problem.gap + problem.horizon,
        )
    return snapshots


def find_snapshots(journeys: Journeys, problem: Problem) -> Snapshots:
    """As `build_snapshots`, for leads of whom perhaps nobody is left, as in a part of a larger table."""
    observed_until = to_microseconds(journeys.observed_until)
    reach = problem.gap + problem.horizon
    lead, cutoff, steps = _population(journeys, problem, last=observed_until - reach)
    mature = cutoff + reach <= observed_until
    lead, cutoff = lead[mature], cutoff[mature]
    steps.append(
        Step(f"mature: all {format_duration(reach)} observed", len(lead), len(np.unique(lead))),
    )
    return Snapshots(table=_tabulate(journeys, problem, lead, cutoff), waterfall=tuple(steps))


def find_open(journeys: Journeys, problem: Problem) -> pd.DataFrame:
    """The snapshots of the population that are not mature yet: known leads with an outcome still to come.

    Returns
    -------
    DataFrame as `Snapshots.table`; without a row where the snapshots named end earlier.
    """
    observed_until = to_microseconds(journeys.observed_until)
    lead, cutoff, _ = _population(journeys, problem, last=observed_until)
    unknown = (cutoff + problem.gap + problem.horizon > observed_until) & (cutoff <= observed_until)
    return _tabulate(journeys, problem, lead[unknown], cutoff[unknown])


def _population(
    journeys: Journeys, problem: Problem, *, last: int
) -> tuple[npt.NDArray[np.int64], Micros, list[Step]]:
    """Who is looked at when, as rows of ``journeys.leads`` and moments; a grid goes on until ``last``."""
    leads = journeys.leads
    created = micros(leads["created_at"])
    low, high = problem.age_limits
    policy = problem.snapshots

    if policy.ages is not None:
        lead, cutoff = _at_ages(policy.ages, created)
        steps = [Step("looked at, at the ages named", len(lead), len(created))]
    else:
        first, every, points = _grid(problem, created, last)
        lead, cutoff, n, n_leads = _at_grid(created, first, every, points, problem.age_limits)
        steps = [Step("known on a day of the grid", n, n_leads)]

    def keep(name: str, mask: npt.NDArray[np.bool_]) -> None:
        nonlocal lead, cutoff
        lead, cutoff = lead[mask], cutoff[mask]
        steps.append(Step(name, len(lead), len(np.unique(lead))))

    age = cutoff - created[lead]
    keep(f"aged {format_duration(low)} to {format_duration(high)}", (age >= low) & (age <= high))
    keep("still open at that moment", exit_times(journeys, problem)[lead] >= cutoff)
    # Sales knew of these only later: not open in truth, and no conversion that was still to come.
    keep("no earlier conversion recorded late", conversion_times(journeys, problem)[lead] >= cutoff)
    return lead, cutoff, steps


def _tabulate(
    journeys: Journeys, problem: Problem, lead: npt.NDArray[np.int64], cutoff: Micros
) -> pd.DataFrame:
    leads, policy = journeys.leads, problem.snapshots
    created = micros(leads["created_at"])
    bands = np.sort(np.array(policy.ages if policy.ages is not None else _AGE_BANDS))
    words = np.array([format_duration(int(age)) for age in bands])
    text = words[np.searchsorted(bands, cutoff - created[lead], side="right") - 1]
    order = np.lexsort((rank_ids(leads["lead_id"])[lead], cutoff))
    table = pd.DataFrame(
        {
            "lead_id": leads["lead_id"].to_numpy()[lead[order]],
            "cutoff_time": pd.to_datetime(cutoff[order], unit="us", utc=True).as_unit("us"),
            "age": pd.Series(text[order], dtype="str"),
        }
    )
    table["lead_id"] = table["lead_id"].astype(leads["lead_id"].dtype)
    return table


def _nobody(steps: list[Step], created: Micros, observed_until: int, reach: int) -> PopulationError:
    """Why no snapshot is left, and what would help."""
    emptied = next(step.step for step in steps if step.snapshots == 0)
    if not emptied.startswith("mature"):
        ended = emptied.startswith(("still open", "not already"))
        remedy = (
            "each had its outcome before it was looked at, so check data.leads.columns.created_at, "
            "data.outcomes.columns.occurred_at and problem.snapshots"
            if ended
            else "check data.leads.columns.created_at, problem.snapshots and problem.age_limits"
        )
        return PopulationError(f"no lead is left to learn from after the step {emptied!r}; {remedy}")
    end = dt.datetime.fromtimestamp(observed_until / 1e6, dt.UTC)
    start = dt.datetime.fromtimestamp(int(created.min()) / 1e6, dt.UTC)
    if end < start:
        return PopulationError(
            f"no lead is mature: data.observed_until must come after the leads; found {format_instant(end)}, and the "
            f"first lead was created {format_instant(start)}. Correct it, or data.leads.columns.created_at"
        )
    return PopulationError(
        f"no lead is mature: the label window of {format_duration(reach)} after any snapshot ends later than "
        f"data.observed_until ({format_instant(end)}; the first lead was created {format_instant(start)}). "
        "Shorten problem.horizon, or bring outcomes over a longer period"
    )


def open_leads(journeys: Journeys, cutoff: dt.datetime, problem: Problem) -> pd.DataFrame:
    """The leads that are open at one moment, as the batch job sees them.

    Returns
    -------
    DataFrame with ``lead_id``, ``cutoff_time``, in the order of ``journeys.leads``.
    """
    at = to_microseconds(cutoff)
    created = micros(journeys.leads["created_at"])
    age = at - created
    low, high = problem.age_limits
    mask = (age >= max(low, 0)) & (age <= high) & (exit_times(journeys, problem) >= at)
    table = journeys.leads.loc[mask, ["lead_id"]].reset_index(drop=True)
    table["cutoff_time"] = pd.Series(pd.Timestamp(cutoff), index=table.index, dtype="datetime64[us, UTC]")
    return table
