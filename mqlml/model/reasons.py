"""Reasons of single leads by signal: what speaks for and against each lead, one sentence a signal.

A model's contributions say what it leans on, and about a third of a lead's weak ones point the wrong way. So features
of one signal (demo requests in 7 days, in 30, the days since the last) are added up, weak sums are no reasons, and
something that a lead did counts only the way it counts among comparable leads. A lead may be left without a reason.
The points of the families are not touched by this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.compiled import compiled
from mqlml.features import Feature
from mqlml.features.catalogue import format_value, round_values
from mqlml.model.contributions import Contributions, add_up
from mqlml.model.signal_columns import SignalKey
from mqlml.model.signals import SignalReport, is_total, key_of
from mqlml.types import Floats, Ints, Mask, Rows

__all__ = [
    "LEAST_LOG_ODDS",
    "NOTHING_AGAINST",
    "NOTHING_FOR",
    "ReasonSignals",
    "Reasons",
    "SignalReasons",
    "choose_signal_reasons",
    "find_done",
    "format_reasons",
    "map_features",
    "sum_signals",
]

LEAST_LOG_ODDS = 0.20
"""A signal that moves the log-odds by less is no reason: about a fifth of the odds."""

NOTHING_FOR = "nothing in particular speaks for this lead"
NOTHING_AGAINST = "nothing in particular speaks against this lead"
"""Texts where no reason is left."""

_ROWS = 256
"""Rows whose sums are chosen from at a time, so that they stay in the cache."""


@dataclass(frozen=True)
class ReasonSignals:
    """Which signal each feature tells of, and what is known of the signals.

    Attributes
    ----------
    signals : tuple of SignalKey
    group : tuple of int
        For each feature, the position of its signal.
    is_total : tuple of bool
        For each signal, whether it counts many things together, or tells how much is known; it is no reason.
    is_event : tuple of bool
        For each signal, whether it is an event type.
    direction : tuple of int
        For each signal, 1 where leads who did it convert more often than comparable leads, -1 less often, 0 where
        there is no clear difference or it was not evaluated; of no account for an attribute.
    """

    signals: tuple[SignalKey, ...]
    group: tuple[int, ...]
    is_total: tuple[bool, ...]
    is_event: tuple[bool, ...]
    direction: tuple[int, ...]


@dataclass(frozen=True)
class SignalReasons:
    """The strongest signals of each row, the strongest first.

    Attributes
    ----------
    speaks_for, speaks_against : ndarray of int64, shape (n, number)
        Positions of signals; -1 where a row has no further reason.
    feature_for, feature_against : ndarray of int64, shape (n, number)
        The position of the signal's feature that contributes most that way; -1 likewise.
    """

    speaks_for: Ints
    speaks_against: Ints
    feature_for: Ints
    feature_against: Ints

    @classmethod
    def join(cls, parts: Sequence[SignalReasons]) -> SignalReasons:
        """Those of consecutive rows as one."""
        return cls(
            *(
                np.concatenate(columns)
                for columns in zip(
                    *((p.speaks_for, p.speaks_against, p.feature_for, p.feature_against) for p in parts),
                    strict=True,
                )
            )
        )


@dataclass(frozen=True)
class Reasons:
    """The reasons of each row as sentences, the strongest first.

    Attributes
    ----------
    sentences : tuple of str
        Every sentence that occurs.
    speaks_for, speaks_against : ndarray of int64, shape (n, number)
        Positions in ``sentences``; -1 where a row has no further reason. The first of a row without any says so.
    """

    sentences: tuple[str, ...]
    speaks_for: Ints
    speaks_against: Ints


def map_features(features: Sequence[Feature], report: SignalReport | None) -> ReasonSignals:
    """Which signal each feature tells of; attributes that the report found to be one are one.

    Without a report no direction is known, so nothing that a lead did is a reason.
    """
    results = () if report is None else report.signals
    first = {
        SignalKey(member.family, member.what): SignalKey(one.signal.family, one.signal.what)
        for one in results
        for member in one.members
    }
    directions = {
        SignalKey(one.signal.family, one.signal.what): {"more": 1, "less": -1}.get(one.levels[0].direction, 0)
        for one in results
        if one.kind == "event"
    }
    place: dict[SignalKey, int] = {}
    totals: dict[SignalKey, bool] = {}
    events: dict[SignalKey, bool] = {}
    group = []
    for feature in features:
        own = key_of(feature)
        key = first.get(own, own)
        group.append(place.setdefault(key, len(place)))
        totals[key] = totals.get(key, False) or is_total(feature)
        events[key] = events.get(key, False) or "events.action" in feature.source
    return ReasonSignals(
        tuple(place),
        tuple(group),
        tuple(totals[key] for key in place),
        tuple(events[key] for key in place),
        tuple(directions.get(key, 0) for key in place),
    )


def sum_signals(contributions: Contributions, signals: ReasonSignals) -> Floats:
    """What each signal adds to the log-odds, shape (n, signals); base and signals sum to the total."""
    return add_up(contributions, list(signals.group), len(signals.signals))


Sentences = dict[tuple[int, bool], dict[float | str | None, str]]
"""Sentences that were formatted before, by the feature's position and direction, then by value."""


def find_done(table: pd.DataFrame, signals: ReasonSignals) -> Mask:
    """Whether each row has done each event type, shape (n, signals): whether any of its features is above 0."""
    done = np.zeros((len(table), len(signals.signals)), dtype=np.bool_, order="F")
    columns = [
        column
        for column, own in enumerate(signals.group)
        if signals.is_event[own] and not signals.is_total[own]
    ]
    above = table.iloc[:, columns].to_numpy() > 0  # all at once: a column at a time takes four times as long
    for column, values in zip(columns, above.T, strict=True):
        done[:, signals.group[column]] |= values
    return done


def choose_signal_reasons(
    contributions: Contributions,
    signals: ReasonSignals,
    done: Mask,
    *,
    number: int,
    least: float = LEAST_LOG_ODDS,
) -> SignalReasons:
    """The strongest signals each way; of equals the first.

    Parameters
    ----------
    contributions : Contributions
        Calibrated, so that ``least`` means the same for every version.
    signals : ReasonSignals
        Of the columns of the contributions.
    done : ndarray of bool, shape (n, signals), Fortran order for speed
        Whether the lead did it, for event types.
    number : int
        Reasons each way.
    least : float
        Log-odds below which a signal is no reason.
    """
    n, group = len(contributions.added), np.array(signals.group, dtype=np.int64)
    usable, direction = ~np.array(signals.is_total, dtype=np.bool_), np.array(signals.direction)
    did = done.T & np.array(signals.is_event, dtype=np.bool_)[:, None]
    allowed = np.array([usable[:, None] & (~did | (direction == way)[:, None]) for way in (1, -1)])
    members = np.argsort(group, kind="stable")
    first = np.searchsorted(group[members], np.arange(len(signals.signals) + 1))
    chosen = np.full((2 * number, n), -1, dtype=np.int64)
    strongest = np.full((2 * number, n), -1, dtype=np.int64)
    _choose(
        np.ascontiguousarray(contributions.added.T),
        members,
        first,
        np.ascontiguousarray(allowed),
        least,
        chosen,
        strongest,
    )
    return SignalReasons(chosen[:number].T, chosen[number:].T, strongest[:number].T, strongest[number:].T)


def format_reasons(
    found: SignalReasons,
    features: Sequence[Feature],
    table: pd.DataFrame,
    *,
    formatted: Sentences | None = None,
) -> Reasons:
    """The strongest signals of each row as sentences.

    Parameters
    ----------
    found : SignalReasons, from `choose_signal_reasons`
    features : sequence of Feature
        What the columns mean, in their order.
    table : DataFrame of shape (n, features)
        The values behind the contributions.
    formatted : dict, optional
        Sentences of earlier tables of the same features, which are reused and added to.
    """
    formatted = {} if formatted is None else formatted
    sentences: dict[str, int] = {}
    ways = [
        _to_sentences(found.feature_for, features, table, True, formatted, sentences),
        _to_sentences(found.feature_against, features, table, False, formatted, sentences),
    ]
    for way, nothing in zip(ways, (NOTHING_FOR, NOTHING_AGAINST), strict=True):
        none = way[:, 0] < 0
        if none.any():
            way[none, 0] = sentences.setdefault(nothing, len(sentences))
    return Reasons(tuple(sentences), *ways)


def _to_sentences(
    chosen: Ints,
    features: Sequence[Feature],
    table: pd.DataFrame,
    speaks_for: bool,
    formatted: Sentences,
    sentences: dict[str, int],
) -> Ints:
    """The position of the sentence of each chosen feature, shape as ``chosen``."""
    picked = chosen.T.ravel()
    out = np.full(picked.size, -1, dtype=np.int64)
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
    return out.reshape(chosen.shape[::-1]).T


def _format(
    feature: Feature,
    column: pd.Series,
    rows: Rows,
    speaks_for: bool,
    known: dict[float | str | None, str],
    sentences: dict[str, int],
) -> Ints:
    """The position of each row's sentence, which is written once for all rows of the same rounded value."""
    held = column.iloc[rows]
    if feature.kind == "number":
        held = pd.Series(round_values(feature, held))
    which, different = pd.factorize(held)  # missing is -1, so the last
    position = []
    for value in [*different.tolist(), None]:
        text = known.get(value)
        if text is None:
            text = known[value] = format_value(feature, value, speaks_for=speaks_for)
        position.append(sentences.setdefault(text, len(sentences)))
    return np.array(position, dtype=np.int64)[which]


@compiled
def _choose(
    values: Floats,
    members: Ints,
    first: Ints,
    allowed: npt.NDArray[np.bool_],
    least: float,
    chosen: Ints,
    strongest: Ints,
) -> None:
    """Fill each column of ``chosen`` with the strongest signals of a row, for in the first half, and ``strongest``
    with the member of each that contributes most.

    ``values`` has the shape (columns, n); signal ``s`` is ``members[first[s]:first[s + 1]]``; ``allowed``, of shape
    (2, signals, n), tells which signals may speak for a row, and which against it.
    """
    number, n, signals = len(chosen) // 2, values.shape[1], len(first) - 1
    size = np.empty(number)
    best = np.empty(number, np.int64)
    sums = np.empty((signals, _ROWS))
    for low in range(0, n, _ROWS):
        high = min(low + _ROWS, n)
        sums[:] = 0.0
        for signal in range(signals):
            for at in range(first[signal], first[signal + 1]):
                added = values[members[at], low:high]
                for row in range(high - low):
                    sums[signal, row] += added[row]
        for row in range(low, high):
            for half in range(2):
                sign = 1.0 if half == 0 else -1.0
                found = 0
                for signal in range(signals):
                    total = sign * sums[signal, row - low]
                    if total < least or (found == number and total <= size[number - 1]):
                        continue
                    if not allowed[half, signal, row]:
                        continue
                    place = min(found, number - 1)
                    found = min(found + 1, number)
                    while place > 0 and size[place - 1] < total:
                        size[place], best[place] = size[place - 1], best[place - 1]
                        place -= 1
                    size[place], best[place] = total, signal
                for place in range(found):
                    most = members[first[best[place]]]
                    for at in range(first[best[place]], first[best[place] + 1]):
                        if sign * values[members[at], row] > sign * values[most, row]:
                            most = members[at]
                    chosen[half * number + place, row] = best[place]
                    strongest[half * number + place, row] = most
