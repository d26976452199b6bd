"""Lines of text: shares, moments, estimates and rows of a table go in; their words at the command line come out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mqlml.times import format_instant, parse_instant

__all__ = ["columns", "four_digits", "local_day", "local_moment", "percent", "ranged"]

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")


def percent(share: float) -> str:
    """A share in per cent, with a decimal below 99.5 %."""
    return f"{share:.1%}" if share < 0.995 else f"{share:.0%}"


def local_moment(text: str, zone: str) -> str:
    """A result's instant, which is in UTC, as clocks in the config's zone show it; a place in an order as it is."""
    return format_instant(parse_instant(text, "UTC"), zone) if _DATED.match(text) else text


def local_day(text: str, zone: str) -> str:
    """The date of a result's instant in the config's zone; a place in an order as it is."""
    moment = local_moment(text, zone)
    return moment[:10] if _DATED.match(moment) else moment


def columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of text as aligned lines; the first column to the left, the others to the right."""
    rows = list(rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    return [
        "  "
        + "  ".join(
            text.ljust(width) if at == 0 else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def four_digits(estimate: dict[str, float] | None) -> str:
    """The value of an estimate without its interval, or a dash."""
    return "-" if estimate is None else f"{estimate['value']:.4f}"


def ranged(estimate: dict[str, float] | None, digits: int = 3, *, sign: str = "") -> str:
    """``0.701 (0.650 to 0.752)``, or a dash for what could not be measured."""
    if estimate is None:
        return "-"
    form = f"{sign}.{digits}f"
    if estimate["low"] is None:
        return f"{estimate['value']:{form}}"
    return f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"
