"""Recognize how a whole column of dates is written: the order of day, month and year, the marks, the time of day.

An order is used only where the column proves it: with no day above 12, ``03/04/2025`` may be either of two days.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

__all__ = ["ISO", "DateEvidence", "find_date_evidence"]

ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?)?$"
"""A date, or a time of the day on it, as ISO 8601 and databases write them."""

_DATE = r"^(\d{4}|\d{1,2})[/.-]\d{1,2}[/.-](\d{4}|\d{1,2})(,?[ T]\d{1,2}:\d{2}(:\d{2})?( ?[AaPp][Mm])?)?$"
_SHAPE = re.compile(r"(Y|0)([/.-])0\2(Y|0)(?:(,?[ T])0:0(:0)?( ?)(P?))?")
_DAYS_OF_A_MONTH, _MONTHS = 31, 12
_MOST_SHAPES = 5


@dataclass(frozen=True)
class DateEvidence:
    """What the values of a column, or of a batch of it, say about how dates are written; joined with ``&``.

    Attributes
    ----------
    shapes : the values with ``0`` for each number, ``Y`` for one of four digits and ``P`` for AM or PM.
    first, second : the largest first and second number.
    """

    shapes: frozenset[str] = frozenset()
    first: int = 0
    second: int = 0

    def __and__(self, other: DateEvidence) -> DateEvidence:
        return DateEvidence(
            self.shapes | other.shapes, max(self.first, other.first), max(self.second, other.second)
        )

    def formats(self) -> tuple[str, ...]:
        """The strptime formats that fit all values: one if proven, two if day and month may be either."""
        if len(self.shapes) != 1:
            return ()
        match = _SHAPE.fullmatch(next(iter(self.shapes)))
        if match is None or (match[1], match[3]) == ("Y", "Y"):
            return ()
        mark = match[2]
        year = "%Y" if "Y" in (match[1], match[3]) else "%y"
        if match[1] == "Y":
            orders = [("%Y", "%m", "%d")] if self.second <= _MONTHS else []
        else:
            orders = [("%d", "%m", year)] if self.second <= _MONTHS and self.first <= _DAYS_OF_A_MONTH else []
            # With points between, the day comes first everywhere.
            if mark != "." and self.first <= _MONTHS and self.second <= _DAYS_OF_A_MONTH:
                orders.append(("%m", "%d", year))
        time = ""
        if match[4] is not None:
            seconds = ":%S" if match[5] else ""
            time = f"{match[4]}{'%I' if match[7] else '%H'}:%M{seconds}{match[6]}{'%p' if match[7] else ''}"
        return tuple(mark.join(order) + time for order in orders)


def find_date_evidence(text: Any) -> DateEvidence:
    """What a column of trimmed texts says about its dates; nothing where its first value is none, or an ISO date."""
    text = text.drop_null()
    if not len(text):
        return DateEvidence()
    first = text[0]
    if not pc.match_substring_regex(first, _DATE).as_py() or pc.match_substring_regex(first, ISO).as_py():
        return DateEvidence()
    if not pc.all(pc.match_substring_regex(text, _DATE)).as_py():
        return DateEvidence()
    shape = pc.replace_substring_regex(text, "[AaPp][Mm]", "P")
    shape = pc.replace_substring_regex(pc.replace_substring_regex(shape, r"\d{4}", "Y"), r"\d+", "0")
    shapes = pc.unique(shape).to_pylist()
    if len(shapes) > _MOST_SHAPES:
        return DateEvidence()
    fields = pc.extract_regex(text, r"^(?P<first>\d+)[/.-](?P<second>\d+)").combine_chunks()
    largest = [int(np.max(np.asarray(pc.cast(fields.field(n), "int64")))) for n in (0, 1)]
    return DateEvidence(frozenset(shapes), *largest)
