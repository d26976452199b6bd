"""How numbers, lists and labels are written for people, the same in every room.

This stands at the bottom of the house because errors, reasons, console and report all write numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TypeGuard

__all__ = [
    "UNKNOWN",
    "format_label",
    "format_name",
    "format_number",
    "format_percent",
    "format_signed",
    "is_known",
    "join_texts",
    "normalize_name",
    "pluralize",
]

UNKNOWN = "not measured"
"""What stands in place of a number that is missing or undefined."""

_WHOLE = 1_000
"""Numbers from here on are written without decimals."""

_ABBREVIATIONS = {"iql", "mql", "sql"}


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def format_percent(share: float | None, decimals: int | None = None) -> str:
    """Write a share as a percentage: one decimal below 10%, none from there, unless ``decimals`` says otherwise.

    What would be rounded to 0% or 100% without being it says so.

    >>> format_percent(0.083), format_percent(0.314), format_percent(0.00001), format_percent(0.9999)
    ('8.3%', '31%', 'under 0.1%', 'over 99%')
    """
    if not is_known(share):
        return UNKNOWN
    shown = 100 * share
    if decimals is None:
        decimals = 1 if 0 < abs(shown) < 9.95 else 0
    step = 10.0**-decimals
    if -step / 2 < shown < 0:
        return "just below 0%"
    if 0 < shown < step / 2:
        return f"under {step:.{decimals}f}%"
    if 100 - step / 2 <= shown < 100:
        return f"over {100 - step:.{decimals}f}%"
    return f"{shown:,.{decimals}f}%".replace("-", "−")


def format_number(value: float | None, decimals: int = 0) -> str:
    """Write a number with thousands separators, a large one whole; one too small for ``decimals`` says so.

    >>> format_number(1003.04, 1), format_number(0.2461, 3), format_number(1e-9, 3), format_number(-0.5, 1)
    ('1,003', '0.246', 'under 0.001', '−0.5')
    """
    if not is_known(value):
        return UNKNOWN
    decimals = 0 if abs(value) >= _WHOLE else decimals
    step = 10.0**-decimals
    if decimals and 0 < abs(value) < step / 2:
        return f"under {step:.{decimals}f}" if value > 0 else "just below 0"
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if text == "-0" else text.replace("-", "−")


def format_signed(value: float | None, decimals: int = 0) -> str:
    """Write a difference with its sign, and 0 without one.

    >>> format_signed(0.0083, 4), format_signed(-0.0146, 3), format_signed(-0.0001, 3)
    ('+0.0083', '−0.015', '0.000')
    """
    if not is_known(value):
        return UNKNOWN
    text = f"{value:+,.{decimals}f}"
    return text.replace("-", "−") if text.strip("+-0.") else text[1:]


def pluralize(number: float, one: str, many: str | None = None) -> str:
    """``1 lead``, ``1,200 leads``, ``0.5 hours``."""
    large = float(number).is_integer() or abs(number) >= _WHOLE
    shown = format_number(number) if large else f"{number:.4g}".replace("-", "−")
    return f"{shown} {one if number == 1 else many or one + 's'}"


def join_texts(parts: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}" if len(parts) > 1 else "".join(parts)


def format_name(name: str) -> str:
    """A name in the data as people write it.

    >>> format_name("paid_search")
    'paid search'
    """
    return " ".join(name.replace("_", " ").split())


def format_label(label: str) -> str:
    """Write a label for people: ``MQL`` for ``mql``; a user's own label exactly as written."""
    return label.upper() if label in _ABBREVIATIONS else label


_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_WORD = re.compile(r"[\W_]+")


def normalize_name(column: str) -> str:
    """A column's name in lower case, its words joined by underscores.

    >>> normalize_name("JobTitle"), normalize_name("Phone  Number")
    ('job_title', 'phone_number')
    """
    return _NO_WORD.sub("_", _HUMPS.sub("_", column)).strip("_").lower()
