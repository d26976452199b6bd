"""Counts for each signal how many leads have it and how many have a value that training did not know, run by run.

Each signal is counted where news shows at once. What leads did in the last week is counted over all open leads; what
is known from the start, or adds up over longer, over the leads that came in since the run before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.config import Problem
from mqlml.features import Feature, FeaturePlan, build_features
from mqlml.features.vocabulary import MISSING
from mqlml.journeys import Journeys
from mqlml.monitoring.snapshots import WEEK, new_leads
from mqlml.times import column_to_microseconds, from_microseconds, parse_duration, to_microseconds
from mqlml.training import open_leads
from mqlml.training.snapshots import creation_times
from mqlml.types import Floats, Mask

__all__ = [
    "REFERENCE_WEEKS",
    "Reference",
    "RunCounts",
    "SignalSample",
    "WatchedSignal",
    "count_new_words",
    "count_signals",
    "make_reference_sample",
    "sample_runs",
    "watched_signals",
]

REFERENCE_WEEKS = 26
"""The reference: the open leads of so many weeks before the data of the training ends."""

_MOST_ROWS = 20_000
_EVENT_WORDS = ("action", "channel")


@dataclass(frozen=True)
class WatchedSignal:
    """A feature that stands for its signal.

    Attributes
    ----------
    feature : Feature
    weekly : bool
        Whether it counts the last week only, so that every open lead tells something new each week.
    known : frozenset of str or None
        The values of a category that training told apart; None for a number.
    """

    feature: Feature
    weekly: bool
    known: frozenset[str] | None

    def rows(self, new: Mask) -> Mask:
        """The leads it is counted over."""
        return np.ones_like(new) if self.weekly else new

    def present(self, values: pd.Series) -> Mask:
        """Who has the signal."""
        if self.known is not None:
            return np.asarray(values.notna() & ~values.isin(["", MISSING]))
        numbers = values.to_numpy(np.float64)
        return numbers > 0 if self.feature.asks == "presence" else ~np.isnan(numbers)

    def unknown(self, values: pd.Series) -> Mask:
        """Who has a value that training did not know."""
        if self.known is None:
            return np.zeros(len(values), dtype=bool)
        return self.present(values) & ~values.isin(list(self.known)).to_numpy(bool)


def watched_signals(plan: FeaturePlan, levels: Mapping[str, Sequence[str]]) -> tuple[WatchedSignal, ...]:
    """Every category, and for each other signal the feature that shows news soonest.

    Parameters
    ----------
    plan : FeaturePlan of the version
    levels : by category that the model uses, the values it tells apart.
    """
    found: dict[object, WatchedSignal] = {}
    for feature in plan.features:
        length = WEEK + 1 if feature.window in (None, "all") else parse_duration(feature.window)
        if feature.kind == "category":
            if feature.name in levels:
                found[feature.name] = WatchedSignal(feature, False, frozenset(levels[feature.name]))
            continue
        one = WatchedSignal(feature, length <= WEEK, None)
        best = found.get(feature.signal)
        if best is None or (one.weekly, feature.asks == "presence") > (
            best.weekly,
            best.feature.asks == "presence",
        ):
            found[feature.signal] = one
    return tuple(found.values())


@dataclass(frozen=True)
class SignalSample:
    """The watched features of some snapshots, and which of these leads were new."""

    table: pd.DataFrame
    new: Mask


@dataclass(frozen=True)
class Reference:
    """The open leads of the weeks before the data of the training ends: what is watched, and all features."""

    sample: SignalSample
    features: pd.DataFrame


@dataclass(frozen=True)
class RunCounts:
    """By feature, arrays of shape (runs,): how many leads were counted, have it, and have an unknown value."""

    counted: dict[str, Floats]
    present: dict[str, Floats]
    unknown: dict[str, Floats]

    def totals(self, of: Mapping[str, Floats]) -> dict[str, tuple[int, int]]:
        """Of all runs together, by feature: ``of`` and counted."""
        return {name: (int(some.sum()), int(self.counted[name].sum())) for name, some in of.items()}


def make_reference_sample(
    journeys: Journeys,
    problem: Problem,
    plan: FeaturePlan,
    watched: Sequence[WatchedSignal],
    *,
    until: dt.datetime,
    random_state: int,
) -> Reference:
    """The leads that were open in the weeks before the data of the training ends, at most 20,000 of them."""
    end = to_microseconds(until)
    moments = [from_microseconds(end - WEEK * number) for number in range(REFERENCE_WEEKS)][::-1]
    snapshots = pd.concat([open_leads(journeys, moment, problem) for moment in moments], ignore_index=True)
    chosen = _thin(snapshots, np.random.default_rng(random_state))
    features = build_features(journeys, chosen, plan)
    new = _find_new(journeys, chosen)
    return Reference(SignalSample(features[[one.feature.name for one in watched]], new), features)


def _thin(snapshots: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    chosen = snapshots[["lead_id", "cutoff_time"]].reset_index(drop=True)
    if len(chosen) <= _MOST_ROWS:
        return chosen
    return chosen.iloc[np.sort(rng.permutation(len(chosen))[:_MOST_ROWS])].reset_index(drop=True)


def _find_new(journeys: Journeys, snapshots: pd.DataFrame) -> Mask:
    place = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    return new_leads(creation_times(journeys.leads)[place], column_to_microseconds(snapshots["cutoff_time"]))


def sample_runs(
    journeys: Journeys,
    plan: FeaturePlan,
    watched: Sequence[WatchedSignal],
    runs: Sequence[pd.DataFrame],
    *,
    random_state: int,
    track: Callable[[Sequence[pd.DataFrame], str], Iterable[pd.DataFrame]] = lambda runs, _: runs,
) -> Iterator[SignalSample]:
    """The watched features of each run's snapshots, a random 20,000 of them where there are more.

    Parameters
    ----------
    runs : DataFrames with ``lead_id`` and ``cutoff_time``.
    track : shows the progress.
    """
    names = [one.feature.name for one in watched]
    rng = np.random.default_rng(random_state)
    for run in track(runs, "signals"):
        chosen = _thin(run, rng)
        yield SignalSample(build_features(journeys, chosen, plan)[names], _find_new(journeys, chosen))


def count_signals(samples: Sequence[SignalSample], watched: Sequence[WatchedSignal]) -> RunCounts:
    """Count each watched signal in each sample."""
    counts = RunCounts({}, {}, {})
    for one in watched:
        name, rows = one.feature.name, [one.rows(sample.new) for sample in samples]
        values = [sample.table[name][of] for sample, of in zip(samples, rows, strict=True)]
        counts.counted[name] = np.array([len(part) for part in values], dtype=np.float64)
        counts.present[name] = np.array([one.present(part).sum() for part in values], dtype=np.float64)
        if one.known is not None:
            counts.unknown[name] = np.array([one.unknown(part).sum() for part in values], dtype=np.float64)
    return counts


def count_new_words(
    journeys: Journeys, runs: Sequence[pd.DataFrame], *, until: dt.datetime
) -> dict[str, tuple[Floats, Floats]]:
    """For the actions and channels of events: how many leads of each run had one, in the week before, that no event
    had before the data of the training ended; and how many leads there are.

    Returns
    -------
    dict of ``events.action`` and ``events.channel`` to two arrays of shape (runs,)
    """
    events = journeys.events
    before = (events["recorded_at"] < pd.Timestamp(until)).to_numpy(bool)
    found = {}
    for column in _EVENT_WORDS:
        if column not in events:
            continue
        words = events[column].astype("str")
        known = set(words[before].dropna().unique())
        odd = events[(~before) & words.notna().to_numpy() & ~words.isin(known).to_numpy()]
        happened, recorded = (column_to_microseconds(odd[name]) for name in ("occurred_at", "recorded_at"))
        some = []
        for run in runs:
            if not len(run) or not len(odd):
                some.append(0)
                continue
            cutoff = int(column_to_microseconds(run["cutoff_time"].iloc[:1])[0])
            lately = (happened >= cutoff - WEEK) & (happened < cutoff) & (recorded < cutoff)
            some.append(int(run["lead_id"].isin(odd["lead_id"][lately]).sum()))
        sizes = np.array([len(run) for run in runs], dtype=np.float64)
        found[f"events.{column}"] = np.array(some, dtype=np.float64), sizes
    return found
