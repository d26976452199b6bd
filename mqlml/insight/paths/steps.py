"""Paths: which ordered steps in the first days of a lead go with a later sale, or with none.

Won and lost leads are compared at the same age, and only their steps up to that age count: a lead must still be open
then, and its outcome is what follows. Otherwise a lead that won late would show its longer journey as the cause.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from mqlml.config import Problem
from mqlml.errors import PopulationError
from mqlml.evaluation import Estimate
from mqlml.evaluation.bootstrap import cluster_inflation
from mqlml.evaluation.curves import wilson_interval
from mqlml.insight.paths.flows import StepFlows, count_flows
from mqlml.insight.paths.permutation import GroupComparison, compare_groups
from mqlml.insight.paths.sequences import FrequentPaths, Sequences, make_sequences, mine_paths
from mqlml.insight.paths.stage_times import StageTime, measure_stage_times
from mqlml.journeys import Journeys
from mqlml.results import Number, Result
from mqlml.times import DAY, column_to_microseconds, describe_duration, format_instant, to_microseconds
from mqlml.training.snapshots import (
    assign_labels,
    conversion_times,
    creation_times,
    find_snapshots,
    first_known,
    group_leads,
)
from mqlml.types import Codes, Mask, Rows

__all__ = [
    "FoundPaths",
    "JourneyPaths",
    "ObservedSteps",
    "Path",
    "StepKind",
    "compare_paths",
    "describe_path",
    "find_paths",
    "observe_steps",
    "study_paths",
]

StepKind = Literal["action", "channel"]
"""What a step is: the action of an event, or its channel."""

_ERROR_RATE = 0.05
_MOST = 500
"""Paths that are tried at most; the most frequent ones."""

_Z = float(norm.isf(0.05))
_LENGTH_BANDS = (1, 2, 3, 4, 5, 6, 8, 11, 16)
"""Leads are alike if their number of steps is in the same band; the first steps of each band but that of none."""


@dataclass(frozen=True)
class Path(Result):
    """Steps in order, other steps between them allowed, and how the leads that took them fare."""

    steps: tuple[str, ...]
    """The steps."""
    leads: int
    """Leads that took them."""
    won: int
    """Those of them that won."""
    rate: Number
    """Their share that won."""
    expected_rate: Number
    """The share that won of leads with about as many steps."""
    lift: Estimate
    """How many times as often they won, with the 90% interval."""
    p_value: Number
    """How often chance alone shows any path so far from 1, all tried paths together: 0.05 at most is shown."""


@dataclass(frozen=True)
class JourneyPaths(Result):
    """The paths that stand out, how many steps and days stages take, and the flow of steps."""

    step: StepKind
    """What a step is."""
    within_days: Number
    """Only the steps of so many days from a lead's creation count."""
    horizon_days: Number
    """A lead won if it did so within so many days after that."""
    leads: int
    """Leads that were still open then and whose outcome is known."""
    won: int
    """Those of them that won."""
    early: int
    """Further leads that won before; they are left out, since their steps could not be compared."""
    tried: int
    """Paths that enough leads took."""
    min_leads: int
    """How many leads that is."""
    error_rate: Number
    """Among companies whose paths have no effect, the share that any path is shown for."""
    nested: int
    """Further paths that stand out, but are part of a shown one, or contain it."""
    paths: tuple[Path, ...]
    """Paths that stand out, clearest first."""
    stages: tuple[StageTime, ...]
    """What it takes to reach each stage."""
    flows: StepFlows
    """The first steps of leads, one after the other."""


@dataclass(frozen=True)
class FoundPaths:
    """The paths that stand out, and how many were tried; the fields are those of `JourneyPaths`."""

    paths: tuple[Path, ...]
    nested: int
    tried: int
    min_leads: int


@dataclass(frozen=True)
class ObservedSteps:
    """Leads at the same age, their steps so far and their outcome after it.

    Attributes
    ----------
    sequences : Sequences
        A journey for each lead.
    won : bool array of shape (n_leads,)
    clusters : array of shape (n_leads,), the account of each lead.
    early : leads that won before that age; they are not among the others.
    """

    sequences: Sequences
    won: Mask
    clusters: Rows
    early: int


def study_paths(
    journeys: Journeys,
    problem: Problem,
    *,
    step: StepKind | None = None,
    within: int = 14 * DAY,
    n_permutations: int = 1000,
    random_state: int = 0,
) -> JourneyPaths:
    """Find paths that stand out, measure stages and count the flow of steps.

    Parameters
    ----------
    journeys : Journeys
    problem : Problem
        Its ``outcome`` is the sale; ``gap`` and ``horizon`` count from the end of the observed days.
    step : "action" or "channel", optional
        By default the action, or the channel where all events have the same action.
    within : int, microseconds, above 0
        The days after creation whose steps count.
    n_permutations : int
        Permuted outcomes behind the corrected error rate.
    random_state : int

    Raises
    ------
    PopulationError
        If events have no such step, no lead is open and old enough, or none of them or all of them won.
    """
    step = step or _choose_step(journeys.events)
    observed = observe_steps(journeys, problem, step=step, within=within)
    found = find_paths(observed, n_permutations=n_permutations, random_state=random_state)
    return JourneyPaths(
        step=step,
        within_days=within / DAY,
        horizon_days=problem.horizon / DAY,
        leads=len(observed.won),
        won=int(observed.won.sum()),
        early=observed.early,
        tried=found.tried,
        min_leads=found.min_leads,
        error_rate=_ERROR_RATE,
        nested=found.nested,
        paths=found.paths,
        stages=measure_stage_times(journeys, problem),
        flows=count_flows(observed.sequences, observed.won),
    )


def _choose_step(events: pd.DataFrame) -> StepKind:
    return "channel" if "channel" in events and len(events["action"].dropna().unique()) == 1 else "action"


def observe_steps(journeys: Journeys, problem: Problem, *, step: StepKind, within: int) -> ObservedSteps:
    """Leads that are open ``within`` after their creation, with the steps known by then and what comes after.

    Raises
    ------
    PopulationError
        As `study_paths`.
    """
    leads, events = journeys.leads, journeys.events
    if step not in events or not events[step].notna().any():
        raise PopulationError(
            f"paths of {step}s need the {step} of events; found none. Map it under data.events.columns: {step}, or "
            "choose the other kind of step"
        )
    at_age = problem.model_copy(
        update={
            "snapshots": problem.snapshots.model_copy(
                update={"ages": [within], "every": None, "from_": None, "until": None}
            ),
            "age_limits": (0, within),
        }
    )
    table = find_snapshots(journeys, at_age).table
    if not len(table):
        raise PopulationError(
            f"paths need leads that are still open {describe_duration(within)} after creation and whose outcome is "
            f"known {describe_duration(problem.gap + problem.horizon)} later, by the end of the data, "
            f"{format_instant(journeys.observed_until)}; found none among {len(leads):,}. Choose fewer days"
        )
    won = assign_labels(journeys, table, at_age).astype(np.bool_)
    if won.all() or not won.any():
        raise PopulationError(
            f"paths compare leads that won with leads that did not; {'all' if won.all() else 'none'} of "
            f"{len(won):,} leads that were open {describe_duration(within)} after creation won. Choose fewer days"
        )
    row = pd.Index(leads["lead_id"]).get_indexer(pd.Index(table["lead_id"]))
    place = np.full(len(leads) + 1, -1)  # the last one is that of events without a lead
    place[row] = np.arange(len(row))
    journey = place[pd.Index(leads["lead_id"]).get_indexer(pd.Index(events["lead_id"]))]
    cutoff = column_to_microseconds(table["cutoff_time"])
    kind = events[step].astype("str").astype("category")
    code = np.where(events[step].notna(), kind.cat.codes, -1)
    counts = (journey >= 0) & (code >= 0) & (first_known(events) < cutoff[journey])
    created = creation_times(leads)
    sold = conversion_times(journeys, problem)
    until = to_microseconds(journeys.observed_until)
    old_enough = created <= until - within - problem.gap - problem.horizon
    return ObservedSteps(
        sequences=make_sequences(
            tuple(map(str, kind.cat.categories)),
            journey[counts],
            column_to_microseconds(events["occurred_at"])[counts],
            code[counts],
            n_journeys=len(table),
        ),
        won=won,
        clusters=group_leads(leads)[row],
        early=int((old_enough & (sold < created + within)).sum()),
    )


def find_paths(observed: ObservedSteps, *, n_permutations: int = 1000, random_state: int = 0) -> FoundPaths:
    """Try the most frequent paths and keep those whose leads win more or less often than leads with as many steps.

    Of paths that contain each other and point the same way, the clearest is kept.
    """
    n, won = len(observed.won), int(observed.won.sum())
    # At least three wins are expected: with fewer, a path would have to win several times as often to stand out.
    min_leads = max(30, math.ceil(0.01 * n), math.ceil(3 * n / won))
    tried = mine_paths(observed.sequences, min_journeys=min_leads, at_most=_MOST)
    tested = compare_paths(observed, tried, n_permutations=n_permutations, random_state=random_state)
    order = np.argsort(-np.abs(tested.statistic), kind="stable").tolist()
    apart = [one for one in order if tested.p_value[one] <= _ERROR_RATE]
    shown: list[int] = []
    for one in apart:
        alike = (other for other in shown if tested.statistic[one] * tested.statistic[other] > 0)
        if not any(_nest(tried.paths[one], tried.paths[other]) for other in alike):
            shown.append(one)
    return FoundPaths(
        paths=tuple(describe_path(observed, tried, tested, one) for one in shown),
        nested=len(apart) - len(shown),
        tried=len(tried.paths),
        # Where there are more paths than can be tried, the rarest one tried says how many leads a path must have.
        min_leads=len(tried.holders[-1]) if len(tried.paths) == _MOST else min_leads,
    )


def compare_paths(
    observed: ObservedSteps, paths: FrequentPaths, *, n_permutations: int, random_state: int
) -> GroupComparison:
    """The leads of each path against leads with about as many steps; paths of equal length are a family."""
    return compare_groups(
        paths.holders,
        observed.won,
        families=np.array([len(path) for path in paths.paths], dtype=np.int64),
        strata=np.searchsorted(_LENGTH_BANDS, observed.sequences.length, side="right").astype(np.int64),
        clusters=observed.clusters,
        n_permutations=n_permutations,
        random_state=random_state,
    )


def _nest(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether one of two paths has all steps of the other, in the same order."""
    short, long = sorted((one, other), key=len)
    rest = iter(long)
    return all(step in rest for step in short)


def describe_path(observed: ObservedSteps, paths: FrequentPaths, tested: GroupComparison, one: int) -> Path:
    """One path with its rates, and the interval of its lift."""
    holders, won = paths.holders[one], float(tested.won[one])
    n, expected = len(holders), float(tested.expected[one])
    low, high = _share_interval(observed, holders)
    scale = n / expected
    return Path(
        steps=tuple(observed.sequences.names[code] for code in paths.paths[one]),
        leads=n,
        won=int(won),
        rate=won / n,
        expected_rate=expected / n,
        lift=Estimate(won / expected, float(low * scale), float(high * scale)),
        p_value=float(tested.p_value[one]),
    )


def _share_interval(observed: ObservedSteps, holders: Codes) -> tuple[float, float]:
    """90% interval of the share that won; leads of one account count as fewer where they share their fate."""
    won = observed.won[holders].astype(np.float64)
    share = np.full(len(won), won.mean())
    varies = 0 < won.mean() < 1
    members = np.unique(observed.clusters[holders], return_inverse=True)[1]
    inflation = cluster_inflation(won - share, share, members) if varies else 1.0
    return wilson_interval(won.sum() / inflation, len(won) / inflation, z=_Z)
