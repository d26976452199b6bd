"""Reasons: contributions and the values behind them go in, the few sentences that speak for and against each lead
come out.

Features that tell of one thing (demo requests in 7 days, in 30, the days since the last) share its effect between
them, so they are added up to one *idea*, and its sentence is that of its strongest feature. Three reasons are then
three different things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from mqlml.features import Feature
from mqlml.features.kernels.sorting import compiled
from mqlml.features.sentences import format_value, round_values
from mqlml.model.contributions import Contributions, add_up
from mqlml.types import Floats, Ints, Rows

__all__ = ["Reasons", "SignalColumns", "choose_reasons", "group_signals", "sum_signals"]

_ROWS = 256
"""Rows whose sums are chosen from at a time, so that they stay in the cache."""

_LEAST = 0.02
"""Log-odds below which an idea is no reason: it moves the odds by less than 2 %."""


class SignalColumns(NamedTuple):
    """One thing that several features tell of.

    Attributes
    ----------
    family, what : str
    members : tuple of int
        The positions of its features.
    """

    family: str
    what: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Reasons:
    """The strongest ideas of each row, the strongest first.

    Attributes
    ----------
    sentences : tuple of str
        Every sentence that occurs.
    speaks_for, speaks_against : ndarray of int64, shape (n, number)
        Positions in ``sentences``; -1 where a row has no further reason.
    """

    sentences: tuple[str, ...]
    speaks_for: Ints
    speaks_against: Ints


def group_signals(features: Sequence[Feature]) -> list[SignalColumns]:
    """The ideas that features tell of, in the order of their first features."""
    members: dict[tuple[str, str], list[int]] = {}
    for position, feature in enumerate(features):
        members.setdefault(feature.signal, []).append(position)
    return [SignalColumns(family, what, tuple(own)) for (family, what), own in members.items()]


def sum_signals(contributions: Contributions, signals: Sequence[SignalColumns]) -> Floats:
    """What each idea adds to the log-odds, shape (n, ideas); base and ideas sum to the total."""
    group = {member: place for place, idea in enumerate(signals) for member in idea.members}
    return add_up(contributions, [group[column] for column in range(len(group))], len(signals))


Sentences = dict[tuple[int, bool], dict[float | str | None, str]]
"""Sentences that were formatted before, by the feature's position and direction, then by value."""


def choose_reasons(
    contributions: Contributions,
    features: Sequence[Feature],
    table: pd.DataFrame,
    *,
    number: int,
    formatted: Sentences | None = None,
) -> Reasons:
    """The ``number`` strongest ideas each way, in words.

    Parameters
    ----------
    contributions : Contributions
        Calibrated, so that what counts as negligible means the same for every version.
    features : sequence of Feature
        What the columns mean, in their order.
    table : DataFrame of shape (n, features)
        The values that the contributions speak of.
    number : int
        Reasons each way.
    formatted : dict, optional
        Sentences of earlier tables of the same features, which are reused and added to.
    """
    formatted = {} if formatted is None else formatted
    signals = group_signals(features)
    members = np.array([member for idea in signals for member in idea.members], dtype=np.int64)
    first = np.cumsum([0, *(len(idea.members) for idea in signals)])
    chosen = np.full((2 * number, len(table)), -1, dtype=np.int64)
    _choose(np.ascontiguousarray(contributions.added.T), members, first, _LEAST, chosen)
    sentences: dict[str, int] = {}
    said = np.full(chosen.shape, -1, dtype=np.int64)
    for half, speaks_for in ((slice(number), True), (slice(number, None), False)):
        picked, out = chosen[half].ravel(), np.full(chosen[half].size, -1, dtype=np.int64)
        # Numbers of 16 bits are sorted digit by digit, five times faster.
        small = picked.astype(np.int16) if len(features) < 2**15 else picked
        order = np.argsort(small, kind="stable")
        starts = np.searchsorted(picked[order], np.arange(len(features) + 1))
        for position, feature in enumerate(features):
            places = order[starts[position] : starts[position + 1]]
            if len(places):
                rows = places % len(table)
                known = formatted.setdefault((position, speaks_for), {})
                out[places] = _format(feature, table.iloc[:, position], rows, speaks_for, known, sentences)
        said[half] = out.reshape(number, -1)
    return Reasons(tuple(sentences), said[:number].T, said[number:].T)


def _format(
    feature: Feature,
    column: pd.Series,
    rows: Rows,
    speaks_for: bool,
    known: dict[float | str | None, str],
    sentences: dict[str, int],
) -> Ints:
    """The position of each row's sentence, which is said once for all rows of the same rounded value."""
    held = column.iloc[rows]
    different: Sequence[float | str | None]
    if feature.kind == "number":
        values, which = np.unique(round_values(feature, held), return_inverse=True)
        different = values.tolist()
    else:
        which, words = pd.factorize(held)  # missing is -1, so the last
        different = [*words, None]
    position = []
    for value in different:
        key = None if value != value else value  # NaN would never be found again
        text = known.get(key)
        if text is None:
            text = known[key] = format_value(feature, value, speaks_for=speaks_for)
        position.append(sentences.setdefault(text, len(sentences)))
    return np.array(position, dtype=np.int64)[which]


@compiled
def _choose(values: Floats, members: Ints, first: Ints, least: float, chosen: Ints) -> None:
    """Fill each row of ``chosen`` with the strongest member of its strongest ideas, for in the first half.

    ``values`` has the shape (columns, n); idea ``i`` is ``members[first[i]:first[i + 1]]``. Of equals the first wins.
    """
    number, n, signals = len(chosen) // 2, values.shape[1], len(first) - 1
    size = np.empty(number)
    best = np.empty(number, np.int64)
    sums = np.empty((signals, _ROWS))
    for low in range(0, n, _ROWS):
        high = min(low + _ROWS, n)
        sums[:] = 0.0
        for idea in range(signals):
            for at in range(first[idea], first[idea + 1]):
                added = values[members[at], low:high]
                for row in range(high - low):
                    sums[idea, row] += added[row]
        for row in range(low, high):
            for half in range(2):
                sign = 1.0 if half == 0 else -1.0
                found = 0
                for idea in range(signals):
                    total = sign * sums[idea, row - low]
                    if total < least or (found == number and total <= size[number - 1]):
                        continue
                    place = min(found, number - 1)
                    found = min(found + 1, number)
                    while place > 0 and size[place - 1] < total:
                        size[place], best[place] = size[place - 1], best[place - 1]
                        place -= 1
                    size[place], best[place] = total, idea
                for place in range(found):
                    strongest = members[first[best[place]]]
                    for at in range(first[best[place]], first[best[place] + 1]):
                        if sign * values[members[at], row] > sign * values[strongest, row]:
                            strongest = members[at]
                    chosen[half * number + place, row] = strongest
