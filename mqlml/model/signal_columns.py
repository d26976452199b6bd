"""Signals as 0/1 columns: what each lead had done, and which level of each attribute it had, at its snapshots.

A *signal* is one thing that is counted or known, whatever its windows and aggregates. An event type is one column: 1
if it was done by then. An attribute has a column for each of its levels. Attributes that determine each other (number
of employees and size of the company) are one signal, and one of them speaks for all.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ContractError, PopulationError
from mqlml.model.signal_attributes import (
    LEAST_SNAPSHOTS,
    SignalKey,
    find_levels,
    group_attributes,
    read_attribute,
)
from mqlml.types import Mask, Rows

__all__ = ["LEAST_SNAPSHOTS", "Column", "Design", "SignalKey", "SignalTable", "make_design"]


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
