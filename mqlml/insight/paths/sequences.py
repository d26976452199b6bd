"""Sequences of steps, and the ordered paths that most of them hold.

A sequence holds a path if it has the path's steps in that order, with any steps between them. What is found is what
PrefixSpan finds (J. Pei et al., "Mining sequential patterns by pattern-growth", IEEE TKDE 16, 2004), most frequent
path first, so that the number of paths can be bounded without guessing a threshold.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass

import numpy as np

from mqlml.compiled import compiled
from mqlml.types import Codes, Ints, Micros, Rows

__all__ = ["FrequentPaths", "Sequences", "make_sequences", "mine_paths"]


@dataclass(frozen=True)
class Sequences:
    """The steps of journeys in the order of time, repeats of the same step collapsed.

    Attributes
    ----------
    names : names of the steps, sorted.
    step : int32 array of shape (n_steps,), codes into ``names``.
    start : int64 array of shape (n_journeys + 1,), where each journey's steps begin; a journey may have none.
    """

    names: tuple[str, ...]
    step: Codes
    start: Ints

    @property
    def length(self) -> Ints:
        """How many steps each journey has."""
        return np.diff(self.start)


@dataclass(frozen=True)
class FrequentPaths:
    """Paths and the journeys that hold them, most frequent path first.

    Attributes
    ----------
    paths : the codes of each path's steps.
    holders : for each path, the journeys that hold it, ascending.
    """

    paths: tuple[tuple[int, ...], ...]
    holders: tuple[Codes, ...]


def make_sequences(
    names: tuple[str, ...], journey: Rows, when: Micros, code: Codes, *, n_journeys: int, most: int = 50
) -> Sequences:
    """Order steps by time, collapse repeats and keep the first ``most`` steps of each journey.

    Steps of one journey at the same moment are put in the order of their names.

    Parameters
    ----------
    names : names of the steps, sorted.
    journey, when, code : arrays of shape (n_events,), whose it is, its time in microseconds and its step.
    n_journeys : int
    most : int
    """
    order = np.lexsort((code, when, journey))
    journey, code = journey[order], code[order]
    first = np.ones(len(code), dtype=np.bool_)
    first[1:] = (journey[1:] != journey[:-1]) | (code[1:] != code[:-1])
    journey, code = journey[first], code[first]
    start = np.searchsorted(journey, np.arange(n_journeys + 1))
    place = np.arange(len(journey)) - start[journey]
    journey, code = journey[place < most], code[place < most]
    return Sequences(
        names, code.astype(np.int32), np.searchsorted(journey, np.arange(n_journeys + 1)).astype(np.int64)
    )


@compiled
def _count_next(step: Codes, start: Ints, journey: Codes, after: Ints, counts: Ints) -> None:
    """How many of the journeys have each step at or after their place ``after``."""
    seen = np.full(len(counts), -1, np.int64)
    for k in range(len(journey)):
        for i in range(after[k], start[journey[k] + 1]):
            code = step[i]
            if seen[code] != k:
                seen[code] = k
                counts[code] += 1


@compiled
def _follow(
    step: Codes, start: Ints, journey: Codes, after: Ints, code: int, found: Codes, place: Ints
) -> None:
    """The journeys that have a step at or after their place ``after``, and the place behind its first one."""
    n = 0
    for k in range(len(journey)):
        for i in range(after[k], start[journey[k] + 1]):
            if step[i] == code:
                found[n] = journey[k]
                place[n] = i + 1
                n += 1
                break


def mine_paths(
    sequences: Sequences, *, min_journeys: int, longest: int = 3, at_most: int = 500
) -> FrequentPaths:
    """The most frequent paths: at most ``at_most``, each held by at least ``min_journeys``.

    A path holds no step twice in a row. Of paths held by the same journeys up to the same places, as those with and
    without a step that every journey begins with, only one of the shortest is kept: the others say the same. The cost
    is bounded by ``at_most`` times the number of steps.

    Parameters
    ----------
    sequences : Sequences
    min_journeys : int
    longest : int
        Steps of the longest path.
    at_most : int

    Examples
    --------
    >>> import numpy as np
    >>> steps = Sequences(("a", "b"), np.array([0, 1, 0, 1, 1], dtype=np.int32), np.array([0, 2, 4, 5]))
    >>> mine_paths(steps, min_journeys=2).paths
    ((1,), (0,), (0, 1))
    """
    step, start = sequences.step, sequences.start
    everyone = np.arange(len(start) - 1, dtype=np.int32)
    found: list[tuple[int, ...]] = []
    holders: list[Codes] = []
    known: set[bytes] = set()
    # Of each path in the queue: minus its journeys, its number of steps, the steps, then the journeys of the path it
    # prolongs and where they go on. A longer path is never more frequent, so the most frequent leaves first.
    queue: list[tuple[int, int, tuple[int, ...], tuple[Codes, Ints]]] = []

    def prolong(path: tuple[int, ...], journeys: Codes, after: Ints) -> None:
        counts = np.zeros(len(sequences.names), dtype=np.int64)
        _count_next(step, start, journeys, after, counts)
        for code in np.flatnonzero(counts >= min_journeys).tolist():
            if not path or code != path[-1]:
                heapq.heappush(queue, (-int(counts[code]), len(path) + 1, (*path, code), (journeys, after)))

    prolong((), everyone, start[:-1])
    while queue and len(found) < at_most:
        support, _, path, (journeys, after) = heapq.heappop(queue)
        kept, place = np.empty(-support, dtype=np.int32), np.empty(-support, dtype=np.int64)
        _follow(step, start, journeys, after, path[-1], kept, place)
        same = hashlib.blake2b(kept.tobytes() + place.tobytes(), digest_size=16).digest()
        if same in known:
            continue
        known.add(same)
        found.append(path)
        holders.append(kept)
        if len(path) < longest:
            prolong(path, kept, place)
    return FrequentPaths(tuple(found), tuple(holders))
