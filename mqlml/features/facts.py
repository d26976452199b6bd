"""Facts about events that plans learn from; the facts of the parts of a table add up to those of the whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mqlml.features.kernels.windows import LARGEST, UNIT
from mqlml.features.vocabulary import WordCounts, count_words, read_words
from mqlml.journeys.contract import WORDS
from mqlml.times import NEVER, column_to_microseconds
from mqlml.types import Mask


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
