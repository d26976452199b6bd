"""Signals as 0/1 columns: what each lead had done by its snapshots, and which level of each attribute it had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ContractError, PopulationError
from mqlml.features import Family
from mqlml.types import Floats, Mask, Rows

__all__ = [
    "LEAST_SNAPSHOTS",
    "Attribute",
    "Column",
    "Design",
    "SignalKey",
    "SignalTable",
    "find_levels",
    "group_attributes",
    "make_design",
    "read_attribute",
]


LEAST_SNAPSHOTS = 50
"""An event type or a level that fewer snapshots have is not evaluated alone."""

_BANDS = 5
"""A number is cut into this many bands of equally many snapshots."""

_FEW_VALUES = 6
"""A number with up to this many different values has each of them as a level."""

_NEARLY_ALL = 0.98
"""One attribute determines another if it saves this share of the errors of always guessing the commonest level."""

_SOME_ROWS = 5_000
"""By so many rows most pairs of attributes are told apart."""

OTHER, MISSING = "other", "missing"


class SignalKey(NamedTuple):
    """Which signal: the family of its features, and what is counted or known."""

    family: Family
    what: str


@dataclass(frozen=True)
class Attribute:
    """An attribute as codes of its levels (-1 missing), most frequent texts first, numbers from low to high."""

    name: str
    key: SignalKey
    codes: Rows
    levels: tuple[str, ...]
    number: Floats | None

    @property
    def missing(self) -> int:
        return int((self.codes < 0).sum())


def read_attribute(name: str, key: SignalKey, values: pd.Series) -> Attribute:
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        codes, levels = _band(numbers)
        return Attribute(name, key, codes, levels, numbers)
    codes, texts = pd.factorize(values, sort=True)
    return Attribute(name, key, codes.astype(np.intp), tuple(str(text) for text in texts), None)


def _band(numbers: Floats) -> tuple[Rows, tuple[str, ...]]:
    """Bands of equally many snapshots, or single values where there are few."""
    known = ~np.isnan(numbers)
    different = np.unique(numbers[known])
    codes = np.full(len(numbers), -1, dtype=np.intp)
    if len(different) <= _FEW_VALUES:
        codes[known] = np.searchsorted(different, numbers[known])
        return codes, tuple(f"{value:g}" for value in different)
    edges = np.unique(
        np.quantile(numbers[known], np.arange(1, _BANDS) / _BANDS, method="inverted_cdf")
    )  # the upper end of each band but the last
    codes[known] = np.searchsorted(edges, numbers[known], side="left")
    lowest = [
        float(different[0]),
        *(float(different[np.searchsorted(different, e, "right")]) for e in edges if e < different[-1]),
    ]
    highest = [*(float(edge) for edge in edges[: len(lowest) - 1]), float(different[-1])]
    return codes, tuple(f"{_shown(low)} to {_shown(high)}" for low, high in zip(lowest, highest, strict=True))


def _shown(number: float) -> str:
    """A number for people: a whole one with all digits, since years and counts differ in the last; others with three.

    >>> _shown(2019.0), _shown(12.963), _shown(199.84), _shown(45231.7)
    ('2019', '13', '200', '45232')
    """
    return f"{number:.0f}" if number.is_integer() or abs(number) >= 1000 else f"{number:.3g}"


def find_levels(attribute: Attribute) -> Iterator[tuple[str, bool, Mask]]:
    """Each level with snapshots enough, what is missing as one of them, and the others together."""
    codes = np.where(attribute.codes < 0, len(attribute.levels), attribute.codes)
    counts = np.bincount(codes, minlength=len(attribute.levels) + 1)
    names = (*attribute.levels, MISSING)
    for code in np.flatnonzero(counts >= LEAST_SNAPSHOTS):
        yield names[code], False, codes == code
    rare = counts < LEAST_SNAPSHOTS
    if counts[rare].sum() > 0:
        yield OTHER, True, rare[codes]


def group_attributes(
    attributes: Sequence[Attribute],
) -> tuple[list[tuple[tuple[SignalKey, ...], list[Attribute]]], list[str]]:
    """The signals of attributes, as keys and the attributes that speak for them; and the names of constant ones."""
    ranked = sorted(
        attributes, key=lambda one: (one.number is not None, one.missing, one.key, one.name)
    )  # who speaks: a text before a number, what is known of more leads before others
    constant = [one.name for one in ranked if len(list(find_levels(one))) < 2]
    ranked = [one for one in ranked if one.name not in constant]
    speaker = list(range(len(ranked)))
    for later in range(len(ranked)):
        for earlier in range(later):
            if speaker[earlier] != speaker[later] and _same(ranked[earlier], ranked[later]):
                low, high = sorted((speaker[earlier], speaker[later]))
                speaker = [low if place == high else place for place in speaker]
    # Signals of the same key belong together, and so do those that an attribute of each ties to one another.
    first: dict[SignalKey, SignalKey] = {}
    for place, one in enumerate(ranked):
        own, other = _root(first, ranked[speaker[place]].key), _root(first, one.key)
        first[other] = first[own] = own
    groups: dict[SignalKey, tuple[list[SignalKey], list[Attribute]]] = {}
    for place, one in enumerate(ranked):
        keys, speakers = groups.setdefault(_root(first, one.key), ([_root(first, one.key)], []))
        if one.key not in keys:
            keys.append(one.key)
        if speaker[place] == place and not any(
            _saved_errors(other.codes, one.codes) >= _NEARLY_ALL for other in speakers if other.key == one.key
        ):
            speakers.append(one)
    return [
        (tuple(keys), speakers) for keys, speakers in sorted(groups.values(), key=lambda group: group[0][0])
    ], constant


def _root(first: dict[SignalKey, SignalKey], key: SignalKey) -> SignalKey:
    while first.get(key, key) != key:
        key = first[key]
    return key


def _same(one: Attribute, other: Attribute) -> bool:
    """Whether two attributes determine each other, where both are known of most leads that have either."""
    both = (one.codes >= 0) & (other.codes >= 0)
    least = min(len(both) - one.missing, len(both) - other.missing)
    if both.sum() < max(LEAST_SNAPSHOTS, least / 2):
        return False
    if one.number is None and other.number is None:
        return (
            min(_saved_errors(one.codes, other.codes), _saved_errors(other.codes, one.codes)) >= _NEARLY_ALL
        )
    if one.number is not None and other.number is not None:
        least_correlation = 1 - (1 - _NEARLY_ALL) / 2
        first, second = one.number[both], other.number[both]
        some = slice(None, None, -(-len(first) // _SOME_ROWS))
        if _correlate_ranks(first[some], second[some]) < 0.9 * least_correlation:
            return False  # as all rows would say, at a fraction of the cost
        return _correlate_ranks(first, second) >= least_correlation
    number, codes = (one.number, other.codes) if one.number is not None else (other.number, one.codes)
    assert number is not None, "one of the two is a number"
    number, codes = number[both], codes[both]
    some = slice(None, None, -(-len(number) // _SOME_ROWS))
    # Levels that overlap in some of the rows do so in all.
    return not _overlaps(number[some], codes[some]) and _is_banding(number, codes)


def _correlate_ranks(one: Floats, other: Floats) -> float:
    """The size of Spearman's correlation."""
    ranks = pd.DataFrame({"one": one, "other": other}).rank()
    return float(abs(ranks["one"].corr(ranks["other"])))


def _saved_errors(known: Rows, guessed: Rows) -> float:
    """How much better one attribute's level is guessed from another's: Goodman and Kruskal's lambda, 0 to 1."""
    both = (known >= 0) & (guessed >= 0)
    if not both.any():
        return 0.0
    width = int(guessed.max()) + 1
    counts = np.bincount(known[both] * width + guessed[both], minlength=(int(known.max()) + 1) * width)
    table = counts.reshape(-1, width)
    errors = both.sum() - table.sum(axis=0).max()
    return 0.0 if errors == 0 else float(1 - (both.sum() - table.max(axis=1).sum()) / errors)


def _is_banding(number: Floats, codes: Rows) -> bool:
    """Whether each of several levels of a text is a stretch of the number that no other level reaches into."""
    return len(np.unique(codes)) > 1 and not _overlaps(number, codes)


def _overlaps(number: Floats, codes: Rows) -> bool:
    """Whether any level of a text reaches into the stretch of the number that another covers."""
    low, high = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
    np.minimum.at(low, codes, number)
    np.maximum.at(high, codes, number)
    low, high = low[np.isfinite(low)], high[np.isfinite(high)]
    order = np.lexsort((high, low))
    return bool((high[order][:-1] >= low[order][1:]).any())


@dataclass(frozen=True)
class SignalTable:
    """What was known of each snapshot at its cutoff, and whether it converted; a row for each, in any order.

    Attributes
    ----------
    label : ndarray of int8, shape (n,)
        1 if the lead converted within the horizon.
    lead, account : ndarray of int, shape (n,)
        Equal for snapshots of one lead, and of one account (or of one lead without an account).
    age : ndarray of int, shape (n,)
        Equal for snapshots of leads of the same age; all equal where ages are not known.
    events : DataFrame of bool, shape (n, event types)
        Whether the lead had done it, and the company knew, strictly before the cutoff.
    attributes : DataFrame of shape (n, attributes)
        Numbers (NaN is missing) and texts as known at the cutoff.
    event_signals, attribute_signals : tuple of SignalKey
        The signal of each of their columns.
    titles : dict of str to str
        How people write a column's name, where not as `format_word` does.
    """

    label: npt.NDArray[np.int8]
    lead: Rows
    account: Rows
    age: Rows
    events: pd.DataFrame
    attributes: pd.DataFrame
    event_signals: tuple[SignalKey, ...]
    attribute_signals: tuple[SignalKey, ...]
    titles: dict[str, str] = field(default_factory=dict)


class Column(NamedTuple):
    """One 0/1 column of a design.

    Attributes
    ----------
    signal : int
        The position of its signal in `Design.signals`.
    attribute : int
        Equal for the levels of one attribute; -1 for an event type.
    name : str
        The event type, or the attribute.
    level : str or None
        The level; None for an event type.
    pooled : bool
        Whether it holds all levels that are too rare to be evaluated alone.
    """

    signal: int
    attribute: int
    name: str
    level: str | None
    pooled: bool


@dataclass(frozen=True)
class Design:
    """The 0/1 columns of all signals.

    Attributes
    ----------
    signals : tuple of SignalKey
    members : tuple of tuple of SignalKey
        For each signal, all those that are one with it, itself first.
    columns : tuple of Column
        Those of one attribute stand together.
    held : ndarray of bool, shape (n, columns)
        Whether each snapshot has it.
    left_out : tuple of (name, reason)
        Event types and attributes without a column.
    """

    signals: tuple[SignalKey, ...]
    members: tuple[tuple[SignalKey, ...], ...]
    columns: tuple[Column, ...]
    held: Mask
    left_out: tuple[tuple[str, str], ...]


def make_design(table: SignalTable) -> Design:
    """The 0/1 columns of a table's signals, in an order that does not depend on the order of its rows.

    Raises
    ------
    ContractError
        If the parts of the table have different lengths.
    PopulationError
        If every snapshot converted, or none.
    """
    _check(table)
    left_out: list[tuple[str, str]] = []
    events = [
        (key, str(name), table.events[name].to_numpy(np.bool_))
        for name, key in zip(table.events.columns, table.event_signals, strict=True)
    ]
    kept = []
    for key, name, done in sorted(events, key=lambda event: (event[0], event[1])):
        reason = _unusable(done, table.age)
        if reason is None:
            kept.append((key, name, done))
        else:
            left_out.append((name, reason))
    attributes = [
        read_attribute(str(name), key, table.attributes[name])
        for name, key in zip(table.attributes.columns, table.attribute_signals, strict=True)
    ]
    groups, constant = group_attributes(attributes)
    left_out += [(name, "has the same level nearly everywhere") for name in constant]

    members: list[tuple[SignalKey, ...]] = [(key,) for key in dict.fromkeys(key for key, _, _ in kept)]
    members += [keys for keys, _ in groups]
    place = {key: position for position, keys in enumerate(members) for key in keys}
    columns = [Column(place[key], -1, name, None, False) for key, name, _ in kept]
    values = [done for _, _, done in kept]
    number = 0
    for keys, speakers in groups:
        for attribute in speakers:
            for level, pooled, rows in find_levels(attribute):
                columns.append(Column(place[keys[0]], number, attribute.name, level, pooled))
                values.append(rows)
            number += 1
    if not columns:
        raise PopulationError(
            f"a signal needs at least {LEAST_SNAPSHOTS} snapshots with it and as many of the same ages without; "
            "found none. Bring more leads"
        )
    return Design(
        tuple(keys[0] for keys in members),
        tuple(members),
        tuple(columns),
        np.column_stack(values),
        tuple(left_out),
    )


def _check(table: SignalTable) -> None:
    parts: dict[str, Sized] = {
        "lead": table.lead,
        "account": table.account,
        "age": table.age,
        "events": table.events,
        "attributes": table.attributes,
    }
    for name, part in parts.items():
        if len(part) != len(table.label):
            raise ContractError(
                f"each part of a signal table needs a row for each of the {len(table.label):,} labels; found "
                f"{len(part):,} in {name!r}"
            )
    if len(np.unique(table.label)) < 2:
        found = "every one converted" if table.label.any() else "not one converted"
        raise PopulationError(
            f"signals need leads that converted and leads that did not; of {len(table.label):,} snapshots, {found}"
        )


def _unusable(done: Mask, age: Rows) -> str | None:
    """Why an event type cannot be compared, or None."""
    number = int(done.sum())
    if number < LEAST_SNAPSHOTS:
        return f"fewer than {LEAST_SNAPSHOTS} snapshots have it"
    all_of_age, doers = np.bincount(age), np.bincount(age, weights=done)
    both = (doers > 0) & (doers < all_of_age)
    if doers[both].sum() < LEAST_SNAPSHOTS or (all_of_age - doers)[both].sum() < LEAST_SNAPSHOTS:
        return "at the same age, nearly all leads have it or nearly none"
    return None
