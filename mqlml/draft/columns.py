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
from mqlml.types import Micros

__all__ = ["Column", "look_at"]

_UTC = ZoneInfo("UTC")
_FEW_BAD = 0.02
"""A column holds times if no larger share of its values is none."""

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
    values : pyarrow ChunkedArray
        Text for CSV and Excel, any type for Parquet.
    time : ColumnFormat or None
        How its times are written: with neither format nor unit where the reader needs no hint. None where it holds
        no times.
    either_order : bool
        Whether the day or the month may come first in its dates.
    """

    name: str
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
        """Whether every row has a value of its own."""
        return self.filled == len(self.values) == len(self.texts)

    @property
    def instants(self) -> Micros:
        """Its times in microseconds, missing where it holds none."""
        assert self.time is not None
        return parse_times(self.values, zone=_UTC, hint=self.time, where=self.name, missing=MISSING_WORDS).data


def look_at(name: str, values: Any) -> Column:
    """A column, after a look at whether it holds times."""
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Column(name, values, ColumnFormat(column=name))
    if pa.types.is_boolean(kind) or pa.types.is_nested(kind) or pa.types.is_time(kind):
        return Column(name, values, None)
    text = plain_text(values, missing=MISSING_WORDS).drop_null()
    some = pa.chunked_array([text.unique()[:_SOME]])
    if not len(some):
        return Column(name, values, None)
    if not parse_numbers(some).bad.any():
        return Column(name, values, _number_format(name, some))
    formats = find_date_evidence(text).formats()
    if len(formats) > 1:
        return Column(name, values, ColumnFormat(column=name, format=formats[0]), either_order=True)
    return Column(name, values, _text_format(name, some))


def _number_format(name: str, some: Any) -> ColumnFormat | None:
    """How a column of numbers counts time, which its name must say: revenues look like seconds, too."""
    if not sounds_like_time(name):
        return None
    numbers = pc.cast(some, pa.float64(), safe=False) if _all_plain(some) else None
    for hint in (ColumnFormat(column=name, format="%Y%m%d"), ColumnFormat(column=name)):
        if _are_times(some, hint):
            return hint
    if numbers is None:
        return None
    hint = ColumnFormat.model_validate({"column": name, "unit": guess_unit(numbers)})
    return hint if _are_times(some, hint) else None


def _all_plain(text: Any) -> bool:
    return bool(pc.all(pc.match_substring_regex(text, r"^\d+(\.\d+)?$")).as_py())


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
