"""Company sizes: a number of employees, or a text that tells one, goes in; a number and its band come out."""

from __future__ import annotations

import re
from bisect import bisect_left

__all__ = ["read_employees", "size_band", "size_bands"]

_NUMBER = re.compile(
    r"(\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+|\d+(?:[.,]\d+)?)\s*(k|m|tsd|thousand)?\b", re.IGNORECASE
)
_TIMES = {"k": 1e3, "tsd": 1e3, "thousand": 1e3, "m": 1e6}
_BETWEEN = re.compile(r"\s*(-|–|—|to|bis|until|till|à|a|hasta|até|and|und)\s*", re.IGNORECASE)
_BELOW = re.compile(
    r"<|≤|\b(under|below|less|fewer|up to|bis|unter|weniger|moins|menos|max)\b", re.IGNORECASE
)
_ABOVE = re.compile(
    r"\+|>|≥|\b(over|above|more|or more|plus|über|mehr|más|mais|at least|min)\b", re.IGNORECASE
)
_ALONE = re.compile(r"\b(self[- ]?employed|freelance\w*|sole trader|just me|solo)\b", re.IGNORECASE)


def read_employees(text: str) -> float | None:
    """The number of employees that a text tells; None where it tells none.

    A range is its middle; ``1,000+`` and ``> 1000`` are just above their number, as they begin the next band;
    ``< 50`` and ``up to 50`` are the half of it.

    >>> [read_employees(size) for size in ("51-200", "1,000+", "< 10 people", "2.5k", "Self-employed", "unknown")]
    [125.5, 1001.0, 5.0, 2500.0, 1.0, None]
    """
    found = list(_NUMBER.finditer(text))
    if not found:
        return 1.0 if _ALONE.search(text) else None
    numbers = [_value(match) for match in found[:2]]
    if len(numbers) == 2 and _BETWEEN.fullmatch(text[found[0].end() : found[1].start()]):
        low, high = numbers
        if found[1][2] and not found[0][2]:
            low *= _TIMES[found[1][2].lower()]  # "1-5k" is 1k to 5k
        return (low + high) / 2 if low <= high else None
    if _BELOW.search(text):
        return numbers[0] / 2
    return numbers[0] + 1 if _ABOVE.search(text) else numbers[0]


def _value(match: re.Match[str]) -> float:
    digits = match[1]
    groups = re.split(r"[.,' \u00a0\u202f]", digits)
    grouped = len(groups) > 1 and all(len(group) == 3 for group in groups[1:])
    number = float("".join(groups)) if grouped else float(digits.replace(",", "."))
    return number * _TIMES.get((match[2] or "").lower(), 1.0)


def size_bands(ends: tuple[float, ...]) -> tuple[str, ...]:
    """What each band is called, smallest first.

    >>> size_bands((10.0, 50.0))
    ('1 to 10', '11 to 50', 'over 50')
    """
    names = [f"{low + 1:g} to {high:g}" for low, high in zip((0.0, *ends), ends, strict=False)]
    return (*names, f"over {ends[-1]:g}")


def size_band(employees: float, ends: tuple[float, ...]) -> str:
    """The band of a number of employees; each band ends with one of ``ends``, included."""
    return size_bands(ends)[bisect_left(ends, employees)]
