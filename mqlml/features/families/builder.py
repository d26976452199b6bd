"""The contract of feature builders: the facts they learn from, what they are given, and the columns they fill."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.errors import ConfigError
from mqlml.features.catalogue import Family, Feature, Window
from mqlml.features.kernels.windows import LARGEST, UNIT, Events, SnapshotKeys, WindowScan
from mqlml.features.vocabulary import WordCounts, count_words, read_words
from mqlml.journeys import Journeys
from mqlml.journeys.contract import WORDS
from mqlml.times import NEVER, column_to_microseconds, to_microseconds
from mqlml.types import Codes, Floats32, Ints, Mask


@dataclass(frozen=True)
class EventFacts:
    """What is known of the events of all leads before a moment.

    A plan learns from nothing else of the events, so that one can be made for a table too large for memory: each
    part gives its facts, and their sum is that of the whole.

    Attributes
    ----------
    rows : events known by then.
    counts : per column of words, how many of these hold each word.
    filled : columns in which at least one of these holds something.
    ever : per column of words, the words of all events, known by then or not.
    values : per action, how many of these have a value, and their sum in whole millionths.
    """

    rows: int
    counts: dict[str, WordCounts]
    filled: frozenset[str]
    ever: dict[str, frozenset[str]]
    values: dict[str, tuple[int, int]]

    def without_actions(self, refused: Collection[str]) -> EventFacts:
        """The facts without some event types. What they held in other columns is still counted there."""
        if "action" not in self.counts or not refused:
            return self
        actions = self.counts["action"]
        seen = {word: number for word, number in actions.seen.items() if word not in refused}
        return replace(
            self,
            rows=sum(seen.values()) + actions.missing,
            counts={**self.counts, "action": WordCounts(seen, actions.missing)},
        )

    def __add__(self, other: EventFacts) -> EventFacts:
        nobody, none = WordCounts({}, 0), frozenset[str]()
        columns = dict.fromkeys((*self.counts, *other.counts))
        return EventFacts(
            rows=self.rows + other.rows,
            counts={name: self.counts.get(name, nobody) + other.counts.get(name, nobody) for name in columns},
            filled=self.filled | other.filled,
            ever={name: self.ever.get(name, none) | other.ever.get(name, none) for name in columns},
            values=_add_values(self.values, other.values),
        )


def _add_values(
    some: dict[str, tuple[int, int]], others: dict[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    added = dict(some)
    for word, (number, total) in others.items():
        before = added.get(word, (0, 0))
        added[word] = (before[0] + number, before[1] + total)
    return added


def known_rows(table: pd.DataFrame, before: int | None, *times: str) -> Mask:
    """Which rows lie before a moment (microseconds) in all of some time columns; without a moment, all."""
    known = np.ones(len(table), np.bool_)
    if before is not None:
        for column in times:
            known &= column_to_microseconds(table[column], missing=NEVER) < before
    return known


def gather_facts(events: pd.DataFrame, *, before: int | None) -> EventFacts:
    """The facts of one table of events that keeps the contract.

    Parameters
    ----------
    before : microseconds; only events that occurred and were recorded before it are known. None takes all.
    """
    rows = known_rows(events, before, "occurred_at", "recorded_at")
    words = [column for column in events.columns if column in WORDS]
    return EventFacts(
        rows=int(np.count_nonzero(rows)),
        counts={column: count_words(events[column], rows) for column in words},
        filled=frozenset(
            str(column) for column in events.columns if (events[column].notna().to_numpy() & rows).any()
        ),
        ever={column: frozenset(read_words(events[column]).text) for column in words},
        values=_sum_values(events[rows]) if "value" in events else {},
    )


def _sum_values(events: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Number and sum of each action's values: whole numbers, so that parts add up to the same as the whole."""
    action, value = read_words(events["action"]), events["value"].to_numpy(np.float64)
    valued = np.isfinite(value) & (np.abs(value) < LARGEST) & (action.codes >= 0)
    codes = action.codes[valued].astype(np.int64)
    high, low = np.divmod(np.rint(value[valued] / UNIT).astype(np.int64), 2**32)
    sums = np.zeros((2, len(action.text)), np.int64)  # in two halves, as one could overflow
    np.add.at(sums[0], codes, high)
    np.add.at(sums[1], codes, low)
    numbers = np.bincount(codes, minlength=len(action.text)).tolist()
    halves = zip(action.text, numbers, *sums.tolist(), strict=True)
    return {word: (number, left * 2**32 + right) for word, number, left, right in halves if number}


Part = Literal[Family, "custom", "functions"]

NOT_ATTRIBUTES = ("lead_id", "account_id", "created_at", "recorded_at")
"""Columns of the leads that are no attributes."""

LeftOut = tuple[str, str]
"""A column that became no feature, and the reason."""


class Evidence:
    """What a plan is learned from: the leads, events and attribute changes known before a moment.

    Of the events it knows only `EventFacts`, never the rows: they may be in parts, on a disk or in a cluster.
    """

    def __init__(
        self,
        journeys: Journeys,
        config: Config,
        *,
        before: dt.datetime | None,
        refused: Collection[str],
        refused_actions: Collection[str] = (),
        events: EventFacts | None = None,
    ) -> None:
        self.config = config
        self.refused = frozenset(refused)
        self._journeys = journeys
        self._before = None if before is None else to_microseconds(before)
        self._refused_actions = frozenset(refused_actions)
        self._events = events

    @cached_property
    def events(self) -> EventFacts:
        """The facts of all events but those of refused types."""
        facts = self._events
        if facts is None:
            facts = gather_facts(self._journeys.events, before=self._before)
        return facts.without_actions(self._refused_actions)

    @cached_property
    def leads(self) -> pd.DataFrame:
        """The leads created by then, each in the account that the source names."""
        leads = self._journeys.merged.separate_accounts(self._journeys.leads)
        return leads[known_rows(leads, self._before, "created_at")]

    @property
    def has_events(self) -> bool:
        """Whether any event was known by then."""
        return self.events.rows > 0

    @cached_property
    def history(self) -> pd.DataFrame:
        """The attribute changes valid and recorded by then."""
        history = self._journeys.history
        return history[known_rows(history, self._before, "valid_from", "recorded_at")]

    @cached_property
    def static_columns(self) -> list[str]:
        """The static attributes: columns of the leads that the config does not leave out, refused ones included."""
        static = self.config.profile.static
        columns = [str(column) for column in self.leads.columns if column not in NOT_ATTRIBUTES]
        return columns if static == "auto" else [column for column in columns if column in static]

    @property
    def history_fields(self) -> list[str]:
        """The attributes that the history table holds changes of, at any time."""
        return sorted(set(read_words(self._journeys.history["field"]).text))

    def count_words(self, column: str) -> WordCounts:
        """How many known events hold each word of a column; empty where there is no such column."""
        return self.events.counts.get(column, WordCounts({}, 0))

    def knows_word(self, column: str, word: str) -> bool:
        """Whether any event, known by then or not, holds a word."""
        return word in self.events.ever.get(column, frozenset())

    def has_values(self, column: str) -> bool:
        """Whether an events column exists and any known row holds something in it."""
        return column in self.events.filled


def check_words(evidence: Evidence, column: str, words: Iterable[str], where: str) -> None:
    """Refuse words of the config that no event has in a column.

    Raises
    ------
    ConfigError
        For the first such word, with the nearest that events have.
    """
    for word in words:
        if not evidence.knows_word(column, word):
            near = difflib.get_close_matches(word, evidence.count_words(column).seen, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"remove it, or map events.{column}"
            raise ConfigError(f"{where} names {word!r}, which no event has as its {column}; {hint}")


@dataclass(frozen=True)
class Source:
    """What features are built from.

    Attributes
    ----------
    leads : DataFrame, the leads of the snapshots, in the order of ``keys.ids``.
    history : DataFrame, the attribute changes of all leads.
    keys : SnapshotKeys, the snapshots.
    everyone : DataFrame, all leads, each in the account that the source names; ``position`` is where each of
        ``keys.ids`` stands in it.
    lead_row : int64 array, each snapshot's row in ``leads``; -1 where the lead was created after the cutoff, so that
        nothing is known of it yet.
    parsed : what attributes were parsed to so far: several features read the same one.
    """

    leads: pd.DataFrame
    history: pd.DataFrame
    keys: SnapshotKeys
    lead_row: Ints
    everyone: pd.DataFrame
    position: Ints
    parsed: dict[Hashable, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Builder:
    """One part of the catalogue: how it plans, and the pieces that it then consists of.

    Attributes
    ----------
    part : where `FeaturePlan` keeps its settings: one of the families, or the user's own features.
    plan : ``plan(evidence)`` gives the family's settings, a frozen dataclass of plain values, or None if there is
        nothing to make features from; and the columns left out.
    pieces : ``pieces(settings)`` gives the features in order, with what fills their columns.
    windows : ``windows(settings)`` gives the lookback windows that pieces made from scans need.
    of_scan : ``of_scan(scan, events, settings)`` is what the pieces made from scans are given, once for each scan.
    of_journeys : ``of_journeys(source, events, settings)`` is what the pieces made from leads and events together are
        given.

    A builder uses the rows of one lead at a time, except for features of the other leads of an account. Where a
    plan has such columns (`FeaturePlan.group_by_account`), whoever cuts the journeys into parts must keep the leads
    of an account together: partition by ``account_id`` where a lead has one, else by ``lead_id``.
    """

    part: Part
    plan: Callable[[Evidence], tuple[Any, list[LeftOut]]]
    pieces: Callable[[Any], Iterable[Piece]]
    windows: Callable[[Any], tuple[Window, ...]] = lambda _: ()
    of_scan: Callable[[WindowScan, Events, Any], Any] | None = None
    of_journeys: Callable[[Source, Events, Any], Any] | None = None


Given = Literal["scan", "leads", "journeys"]
"""What a piece is made from: the events of one scan, leads and history, or leads and events together."""


@dataclass(frozen=True)
class Piece:
    """Some features, and what fills their columns.

    Attributes
    ----------
    features : in the order of the columns: numbers, or one category.
    write : ``write(given, columns)`` fills the columns of all features.
    given : what ``write`` is given: what the builder makes of a scan or of the journeys, or for leads the `Source`.
    """

    features: tuple[Feature, ...]
    write: Callable[[Any, Columns], None]
    given: Given = "scan"


class Columns:
    """The columns of one piece, to be filled.

    Attributes
    ----------
    place : slice
        Where they stand among the numbers; empty for a category.
    codes : int32 array (snapshots,)
        Of a category, positions in ``texts``; -1 is missing.
    texts : tuple of str
        Of a category, its different values.
    """

    def __init__(self, features: tuple[Feature, ...], numbers: Floats32, place: slice) -> None:
        self.features = features
        self.place = place
        self.codes: Codes = np.full(len(numbers) if self.is_category else 0, -1, np.int32)
        self.texts: tuple[str, ...] = ()
        self._numbers = numbers

    @property
    def is_category(self) -> bool:
        """Whether these are the column of one category."""
        return [feature.kind for feature in self.features] == ["category"]

    def fill(self, rows: Ints | slice, *values: npt.NDArray[np.number]) -> None:
        """Write the columns of some snapshots: ``values`` have one row for each, and stand side by side.

        Raises
        ------
        ValueError
            If they are not as many columns as features.
        """
        widths = [1 if part.ndim == 1 else part.shape[1] for part in values]
        self._check(sum(widths))
        if not isinstance(rows, slice) and len(rows) == len(self._numbers) and (np.diff(rows) == 1).all():
            rows = slice(None)  # all in order, as where each lead has one snapshot: several times faster
        edges = pairwise(accumulate(widths, initial=self.place.start))
        for part, (low, high) in zip(values, edges, strict=True):
            self._numbers[rows, low:high] = part[:, np.newaxis] if part.ndim == 1 else part

    def target(self, width: int) -> tuple[Floats32, int]:
        """Where a compiled function writes: the numbers of all features, and the first column of these.

        Raises
        ------
        ValueError
            If the ``width`` that it fills is not the number of features.
        """
        self._check(width)
        return self._numbers, self.place.start

    def fill_category(self, rows: Ints | Mask, codes: Codes, texts: tuple[str, ...]) -> None:
        """Write the category of some snapshots; ``texts`` are the same in every call.

        Raises
        ------
        ValueError
            If these are not the column of one category.
        """
        if not self.is_category:
            raise ValueError(f"the columns of {self.features[0].name!r} are no category")
        self.codes[rows] = codes
        self.texts = texts

    def _check(self, width: int) -> None:
        if any(feature.kind == "category" for feature in self.features) or width != len(self.features):
            names = ", ".join(feature.name for feature in self.features[:3])
            raise ValueError(f"{width} columns are written for {len(self.features)} features: {names}, …")


def features_of(pieces: Iterable[Piece]) -> tuple[Feature, ...]:
    """The features of some pieces in order."""
    return tuple(feature for piece in pieces for feature in piece.features)


def lay_out(pieces: Sequence[Piece], rows: int) -> tuple[Floats32, list[Columns]]:
    """One array for the numbers of all pieces, all missing, and each piece's columns of it."""
    widths = [sum(feature.kind == "number" for feature in piece.features) for piece in pieces]
    numbers: Floats32 = np.full((rows, sum(widths)), np.nan, np.float32)
    edges = pairwise(accumulate(widths, initial=0))
    places = [slice(low, high) for low, high in edges]
    return numbers, [
        Columns(piece.features, numbers, place) for piece, place in zip(pieces, places, strict=True)
    ]
