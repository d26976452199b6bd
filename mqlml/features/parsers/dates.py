"""Dates in text columns: whether a column of texts holds dates or times, and which instants they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from mqlml.config import ColumnFormat
from mqlml.journeys.times import guess_format, parse_times
from mqlml.times import MISSING_TIME
from mqlml.types import Micros

__all__ = ["holds_dates", "read_dates"]

_SAMPLED = 200
_NEARLY_ALL = 0.95
_DATED = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d).*", re.DOTALL)
_UTC = ZoneInfo("UTC")


def _formats(texts: list[str]) -> Iterator[ColumnFormat | None]:
    yield None  # ISO
    seen = dict.fromkeys(guess_format(text) for text in texts)
    # A day above 12 settles which comes first.
    for form in sorted(seen, key=lambda form: form[:2] == "%d"):
        yield ColumnFormat(column="", format=form)


def _sample(filled: pd.Series) -> list[str]:
    texts: list[str] = filled.iloc[:: max(len(filled) // _SAMPLED, 1)].astype("str").tolist()
    return texts


def read_dates(filled: pd.Series, zone: ZoneInfo) -> Micros | None:
    """Read texts as instants, `MISSING_TIME` where one is no date; None if they are not dates, nearly all of them.

    Parameters
    ----------
    filled : texts without missing ones, at least one.
    zone : of times without an offset.
    """
    if (
        _DATED.fullmatch(str(filled.iloc[0]).strip()) is None
        and _DATED.fullmatch(str(filled.iloc[-1]).strip()) is None
    ):
        return None  # as in most columns, at a hundredth of the cost
    texts = _sample(filled)
    if sum(_DATED.fullmatch(text.strip()) is not None for text in texts) < _NEARLY_ALL * len(texts):
        return None
    codes, distinct = pd.factorize(filled)
    column = pa.chunked_array([pa.array([str(text) for text in distinct], type=pa.string())])
    for hint in _formats(texts):
        parsed: Micros = parse_times(column, zone=zone, hint=hint, where="an attribute").data
        if np.count_nonzero(parsed != MISSING_TIME) >= _NEARLY_ALL * len(parsed):
            return parsed[codes]
    return None


def holds_dates(values: pd.Series) -> bool:
    """Whether the filled texts of a column are dates, nearly all of them."""
    filled = values[values.notna() & (values != "")]
    return len(filled) > 0 and read_dates(filled, _UTC) is not None
