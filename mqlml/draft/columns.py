"""One column of a file that no config describes: whether it holds times, and how they are written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.config import ColumnFormat
from mqlml.config.tables import MISSING_WORDS
from mqlml.draft.names import sounds_like_time
from mqlml.errors import ContractError
from mqlml.journeys.parse import find_date_evidence, parse_numbers, plain_text
from mqlml.journeys.times import guess_unit, parse_times
from mqlml.times import MISSING_TIME, to_microseconds

__all__ = ["Column", "make_column"]

_UTC = ZoneInfo("UTC")
_FEW_BAD = 0.02
"""A column holds times if no larger share of its values is none, and ids if no more than half of that repeat."""

_DAYS = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %I:%M %p")
_WRITTEN = (*(day + clock for day in _DAYS for clock in _CLOCKS), "%Y%m%d", "%Y%m%d%H%M%S")
"""Ways to write a time that a reader must be told; all others are found by the reader itself."""

_SOME = 500


@dataclass(frozen=True)
class Column:
    """A column as it stands in its file.

    Attributes
    ----------
    name : str
    short : str
        The name without what all columns of its file begin with, as ``Person - ``.
    values : pyarrow ChunkedArray
        Text for CSV and Excel, any type for Parquet.
    time : ColumnFormat or None
        How its times are written: with neither format nor unit where the reader needs no hint. None where it holds
        no times.
    either_order : bool
        Whether the day or the month may come first in its dates.
    """

    name: str
    short: str
    values: Any
    time: ColumnFormat | None
    either_order: bool = False

    @cached_property
    def texts(self) -> frozenset[str]:
        """Its different values as text, without those that mean a missing one."""
        if pa.types.is_nested(self.values.type):
            return frozenset()
        text = plain_text(self.values, missing=MISSING_WORDS)
        return frozenset(value for value in pc.unique(text).to_pylist() if value is not None)

    @cached_property
    def filled(self) -> int:
        """Rows with a value."""
        return len(self.values) - int(plain_text(self.values, missing=MISSING_WORDS).null_count)

    @property
    def is_key(self) -> bool:
        """Whether nearly every row has a value of its own, and it is no time; the reader sets repeated ids aside."""
        return self.time is None and len(self.texts) >= (1 - _FEW_BAD / 2) * len(self.values)


def make_column(name: str, values: Any, *, short: str | None = None) -> Column:
    """A column with how its times are written, if it holds times."""
    time, either_order = _find_time(name, values)
    return Column(name, short or name, values, time, either_order)


def _find_time(name: str, values: Any) -> tuple[ColumnFormat | None, bool]:
    """How its times are written, and whether day or month may come first."""
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return ColumnFormat(column=name), False
    if pa.types.is_boolean(kind) or pa.types.is_nested(kind) or pa.types.is_time(kind):
        return None, False
    text = plain_text(values, missing=MISSING_WORDS).drop_null()
    if not len(text):
        return None, False
    some = text.take(np.unique(np.linspace(0, len(text) - 1, _SOME).astype(np.intp)))
    if not parse_numbers(some).bad.any():
        return _number_format(name, some), False
    formats = find_date_evidence(text).formats()
    if len(formats) > 1:
        return ColumnFormat(column=name, format=formats[0]), True
    return _text_format(name, some), False


def _number_format(name: str, some: Any) -> ColumnFormat | None:
    """How a column of numbers counts time, which its name must say: revenues are as large as seconds."""
    if not sounds_like_time(name):
        return None
    for hint in (ColumnFormat(column=name, format="%Y%m%d"), ColumnFormat(column=name)):
        if _are_times(some, hint):
            return hint
    hint = ColumnFormat.model_validate({"column": name, "unit": guess_unit(some)})
    return hint if _are_times(some, hint) else None


def _text_format(name: str, some: Any) -> ColumnFormat | None:
    hints = [ColumnFormat(column=name), *(ColumnFormat(column=name, format=written) for written in _WRITTEN)]
    return next((hint for hint in hints if _are_times(some, hint)), None)


_FIRST, _END = (to_microseconds(dt.datetime(year, 1, 1, tzinfo=dt.UTC)) for year in (1990, 2100))


def _are_times(some: Any, hint: ColumnFormat) -> bool:
    """Whether nearly all values are times from 1990 on."""
    try:
        found = parse_times(some, zone=_UTC, hint=hint, where=hint.column)
    except ContractError:
        return False
    instants = found.data[~found.missing]
    good = (instants != MISSING_TIME) & (instants >= _FIRST) & (instants < _END)
    return len(good) > 0 and float(np.mean(good)) >= 1 - _FEW_BAD
