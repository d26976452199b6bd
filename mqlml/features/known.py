"""What is known of an attribute: a column of the leads, or a field of the history, at each snapshot's cutoff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.features.attributes import is_filled, read_numbers, read_text
from mqlml.features.builder import Source
from mqlml.features.history import rows_as_of
from mqlml.times import NEVER, column_to_microseconds

__all__ = [
    "Attribute",
    "Codes",
    "parse_known",
    "read_known_numbers",
    "read_known_text",
    "when_known",
    "which_filled",
]

Codes = tuple[npt.NDArray[np.int32], tuple[str, ...]]
"""One code per snapshot, -1 where nothing is known, and the texts."""

NOT_ATTRIBUTES = ("lead_id", "account_id", "created_at", "recorded_at")
"""Columns of the leads that are no attributes."""


@dataclass(frozen=True)
class Attribute:
    """An attribute's name and its table: static ones stand in leads (or flat), changing ones in history."""

    name: str
    table: Literal["leads", "history", "flat"] = "leads"

    @property
    def source(self) -> str:
        """As the catalogue names it."""
        return f"{self.table}.{self.name}"


def _locate(source: Source, attribute: Attribute) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """A table with the attribute as a column, and each snapshot's row in it; -1 where nothing is known."""
    if attribute.table != "history":
        return source.leads, source.lead_row
    changes, held = rows_as_of(source, attribute.name)
    return pd.DataFrame({attribute.name: changes["value"]}), np.where(source.lead_row >= 0, held, -1)


def read_known_numbers(source: Source, attribute: Attribute) -> npt.NDArray[np.float32]:
    """One number per snapshot, NaN where none is known."""
    table, row = _locate(source, attribute)
    return np.append(read_numbers(table, attribute.name), np.float32(np.nan))[row]


def read_known_text(source: Source, attribute: Attribute) -> Codes:
    """One code per snapshot, and the texts."""
    table, row = _locate(source, attribute)
    codes, texts = read_text(table, attribute.name)
    return np.append(codes, np.int32(-1))[row], texts


def parse_known(
    source: Source,
    attribute: Attribute,
    parse: Callable[[str], str | None],
    *,
    read: Callable[[pd.DataFrame, str], Codes] = read_text,
) -> Codes:
    """What each text comes to; -1 where nothing is known or ``parse`` gives None. Each text is parsed once."""
    table, row = _locate(source, attribute)
    codes, texts = read(table, attribute.name)
    parsed = [*map(parse, texts), None]
    kinds = tuple(sorted({kind for kind in parsed if kind is not None}))
    place = {kind: number for number, kind in enumerate(kinds)}
    found = np.array([-1 if kind is None else place[kind] for kind in parsed], np.int32)
    return found[np.append(codes, np.int32(-1))[row]], kinds


def which_filled(source: Source, attribute: Attribute) -> npt.NDArray[np.bool_]:
    """Which snapshots know a value of it; a blank text is none."""
    table, row = _locate(source, attribute)
    return np.append(is_filled(table, attribute.name), False)[row]


def when_known(source: Source, attribute: Attribute) -> npt.NDArray[np.int64]:
    """Since when each snapshot's value has been known, in microseconds; meaningless where none is."""
    if attribute.table != "history":
        return np.append(column_to_microseconds(source.leads["created_at"]), 0)[source.lead_row]
    changes, held = rows_as_of(source, attribute.name)
    valid, recorded = (
        column_to_microseconds(changes[time], missing=NEVER) for time in ("valid_from", "recorded_at")
    )
    return np.append(np.maximum(valid, recorded), 0)[held]
