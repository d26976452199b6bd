"""The scores that monitoring reads: weekly runs, each lead once a run, with what has happened since.

A version scores every night; runs closer than a week would count the same leads again for the same facts. So the
first run counts, then each first run that is at least a week after the last one that counts. Which runs these are
does not change as more are stored.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mqlml.config import Problem
from mqlml.errors import SourceError
from mqlml.journeys import Journeys
from mqlml.times import DAY, column_to_microseconds, to_microseconds
from mqlml.training.snapshots import assign_labels, conversion_times, creation_times, group_leads
from mqlml.types import Ints, Mask, Micros

__all__ = ["WEEK", "ScoredSnapshots", "known_by", "match_scores", "new_leads", "weekly_runs"]

WEEK = 7 * DAY


def known_by(journeys: Journeys, moment: dt.datetime) -> Journeys:
    """The journeys as the company knew them at a moment, so that a repeated run gives the same result."""
    at = pd.Timestamp(moment)
    outcomes, events = journeys.outcomes, journeys.events
    merged, leads = journeys.merged.known_before(to_microseconds(moment), journeys.leads)
    later = (leads["created_at"] > at).to_numpy(bool)
    return replace(
        journeys,
        leads=leads[~later].reset_index(drop=True),
        merged=merged.without(later),
        events=events[(events["recorded_at"] < at).to_numpy(bool)].reset_index(drop=True),
        outcomes=outcomes[(outcomes["recorded_at"] < at).to_numpy(bool)].reset_index(drop=True),
        observed_until=min(journeys.observed_until, moment),
    )


@dataclass(frozen=True)
class ScoredSnapshots:
    """The weekly snapshots of one version, sorted by run, then as the leads are.

    Attributes
    ----------
    table : DataFrame
        ``lead_id`` (as the journeys have it), ``cutoff_time``, ``probability``, ``label``, ``run`` (place in
        ``runs``), ``new`` (created since the run before, at most a week ago), ``first`` (the lead's first snapshot),
        ``mature``, ``converted`` (means something where it is mature) and ``cluster`` (the account, or the lead).
    runs : ndarray of int64
        Their cutoffs in microseconds.
    unknown : int
        Snapshots left out because their lead is not in the data.
    late : int
        Snapshots left out because the lead had converted by then, which was recorded only later.
    learned : int
        Snapshots left out because the version was trained on outcomes of that time.
    """

    table: pd.DataFrame
    runs: Micros
    unknown: int
    late: int
    learned: int

    @property
    def mature(self) -> pd.DataFrame:
        """The snapshots whose outcome is known."""
        return self.table[self.table["mature"]]

    @property
    def latest(self) -> pd.DataFrame:
        """The snapshots of the last run."""
        return self.table[self.table["run"] == len(self.runs) - 1]


def weekly_runs(cutoffs: Micros) -> Micros:
    """The first cutoff, then each first one at least a week after the one before.

    >>> (weekly_runs(np.array([0, 1, 6, 7, 8, 15, 20]) * DAY) // DAY).tolist()
    [0, 7, 15]
    """
    chosen: list[int] = []
    for moment in np.unique(cutoffs).tolist():
        if not chosen or moment >= chosen[-1] + WEEK:
            chosen.append(moment)
    return np.array(chosen, dtype=np.int64)


def new_leads(created: Micros, cutoff: Micros) -> Mask:
    """Which leads came in during the week before their cutoff."""
    return np.asarray((created > cutoff - WEEK) & (created <= cutoff))


def match_scores(
    scores: pd.DataFrame, journeys: Journeys, problem: Problem, *, trained_until: dt.datetime
) -> ScoredSnapshots:
    """The weekly snapshots among stored scores, each with its outcome where that is known.

    Parameters
    ----------
    scores : as by `mqlml.scoring.stored.read_stored_scores`
    journeys : as known at the moment of monitoring, see `known_by`
    problem : of the version; an outcome is known once the label window is observed to its end.
    trained_until : the end of the outcomes that the version learned from; what was mature by then shows nothing.

    Raises
    ------
    SourceError
        If no scored lead is in the data, or all scores are of the time that the version learned from.
    """
    span = problem.gap + problem.horizon
    fresh = column_to_microseconds(scores["cutoff_time"]) + span > to_microseconds(trained_until)
    if not fresh.any():
        raise SourceError(
            f"the scores must be later than what the version learned from, outcomes until {trained_until:%Y-%m-%d}; "
            f"the last score is of {scores['cutoff_time'].max():%Y-%m-%d}. Score later dates, or name other scores"
        )
    learned = int((~fresh).sum())
    scores = scores[fresh].reset_index(drop=True)
    cutoff = column_to_microseconds(scores["cutoff_time"])
    runs = weekly_runs(cutoff)
    weekly = np.isin(cutoff, runs)
    ids = journeys.leads["lead_id"]
    place = pd.Index(ids.astype("str")).get_indexer(pd.Index(scores["lead_id"].astype("str")))
    usable = weekly & (place >= 0)
    if not usable.any():
        raise SourceError(
            f"the scores must be of leads in the data; none of the {int(weekly.sum()):,} scored leads is. Check that "
            "--scores and --config belong together"
        )
    # Not open any more, though nobody knew it; training leaves such snapshots out, too.
    converted_at = conversion_times(journeys, problem)
    late = usable & (converted_at[place] < cutoff)
    kept = np.flatnonzero(usable & ~late)
    # Whatever the order of the scores: sums then round alike.
    kept = kept[np.lexsort((place[kept], cutoff[kept]))]
    rows, at = place[kept], cutoff[kept]
    table = pd.DataFrame(
        {
            "lead_id": ids.to_numpy()[rows],
            "cutoff_time": scores["cutoff_time"].to_numpy()[kept],
            "probability": scores["probability"].to_numpy(np.float64)[kept],
            "label": scores["label"].to_numpy()[kept],
            "run": np.searchsorted(runs, at),
            "new": new_leads(creation_times(journeys.leads)[rows], at),
            "first": _first(rows),
            "mature": at + span <= to_microseconds(journeys.observed_until),
            "cluster": group_leads(journeys.leads)[rows],
        }
    )
    table["lead_id"] = table["lead_id"].astype(ids.dtype)
    table["cutoff_time"] = pd.Series(scores["cutoff_time"].iloc[kept].reset_index(drop=True))
    table["converted"] = assign_labels(journeys, table, problem)
    return ScoredSnapshots(table, runs, int((weekly & (place < 0)).sum()), int(late.sum()), learned)


def _first(lead: Ints) -> Mask:
    """The first row of each lead."""
    first = np.zeros(len(lead), dtype=bool)
    first[np.unique(lead, return_index=True)[1]] = True
    return first
