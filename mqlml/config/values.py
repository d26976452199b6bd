"""The values of the config: text such as ``"60d"`` goes in, lengths, instants, zones and columns come out."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
)

from mqlml.errors import ConfigError
from mqlml.times import format_duration, parse_duration, parse_instant

__all__ = [
    "STAGES",
    "TERMINAL_STAGES",
    "Column",
    "ColumnFormat",
    "Duration",
    "Name",
    "Order",
    "Reason",
    "Section",
    "Size",
    "Stage",
    "Tune",
    "Window",
    "check_windows",
    "format_size",
    "known_zone",
    "parse_size",
    "read_instant",
]

Stage = Literal["mql", "sql", "opportunity", "closed_won", "closed_lost", "disqualified"]
STAGES: tuple[Stage, ...] = ("mql", "sql", "opportunity", "closed_won", "closed_lost", "disqualified")
Tune = Literal["none", "quick", "thorough"]
"""How many settings of the model are tried: a budget in trials, the same on every machine."""

TERMINAL_STAGES: tuple[Stage, ...] = ("closed_won", "closed_lost", "disqualified")


def _duration(value: object) -> int:
    try:
        return parse_duration(value)  # a bare number has no unit and is refused with the text's own message
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _window(value: object) -> object:
    return value if value == "all" else _duration(value)


def read_instant(value: object, zone: str) -> dt.datetime | None:
    try:
        return None if value is None else parse_instant(value, zone)
    except ConfigError as error:
        raise ValueError(str(error)) from None


Duration = Annotated[
    int, BeforeValidator(_duration), PlainSerializer(format_duration, return_type=str, when_used="json")
]
"""A length of time: ``"60d"`` in the file, whole microseconds in the object."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])I?B", re.IGNORECASE)
_POWERS = {"K": 3.0, "M": 6.0, "G": 9.0, "T": 12.0}


def parse_size(value: object) -> int:
    """Bytes of a size such as ``"1.5GB"`` or ``"800MB"``; a step is a thousand, with or without an i."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"a size is a number above 0 and a unit, MB or GB (as in 1.5GB); found {value!r}")
    return round(float(match[1]) * 10 ** _POWERS[match[2].upper()])


def format_size(size: int) -> str:
    """The text that `parse_size` reads back: ``"1.5GB"``, ``"800MB"``."""
    return f"{size / 1e9:.12g}GB" if size >= 10**9 else f"{size / 1e6:.12g}MB"


Size = Annotated[
    int, BeforeValidator(parse_size), PlainSerializer(format_size, return_type=str, when_used="json")
]
"""An amount of memory: ``"1.5GB"`` in the file, bytes in the object."""

Window = Annotated[
    int | Literal["all"],
    BeforeValidator(_window),
    PlainSerializer(
        lambda value: value if value == "all" else format_duration(value), return_type=str, when_used="json"
    ),
]
"""A lookback window: a length of time, or ``"all"`` for everything before the cutoff."""


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name that can be a part of a feature's name."""


def check_windows(value: list[Window]) -> list[Window]:
    """Lookback windows as they must be: different, shortest first.

    Raises
    ------
    ValueError
    """
    lengths = [length for length in value if isinstance(length, int)]
    if not value or len(set(value)) < len(value) or lengths != sorted(lengths) or 0 in lengths:
        raise ValueError("'windows' are different lengths above 0d, shortest first, 'all' last")
    if "all" in value[:-1]:
        raise ValueError("'all' must be the last of 'windows'")
    return value


def _reason(value: str) -> str:
    if not value.strip():
        raise ValueError("must say why it is known at the cutoff; the reason goes into the version")
    return value.strip()


Reason = Annotated[str, AfterValidator(_reason)]
"""Why the leakage audit is overruled."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnFormat(Section):
    """A column whose values need a hint to be read: a ``strftime`` format, or the unit of an epoch number."""

    column: str
    format: str | None = None
    unit: Literal["d", "s", "ms", "us"] | None = None


def _spelling(value: object) -> str:
    if isinstance(value, list):
        return "<several>"
    return "<hinted>" if isinstance(value, dict | ColumnFormat) else "<name>"


Column = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[ColumnFormat, Tag("<hinted>")], Discriminator(_spelling)
]
"""A column of the source: its name, or its name with a hint how to read it."""

Order = Annotated[
    Annotated[str, Tag("<name>")]
    | Annotated[ColumnFormat, Tag("<hinted>")]
    | Annotated[list[str], Tag("<several>")],
    Discriminator(_spelling),
]
"""What stands for time in a flat table: a column, or several that sort one after another."""


def known_zone(name: str) -> str:
    zones = available_timezones()
    if name not in zones:
        # Not the abbreviations: the nearest to CEST is EST, on another continent.
        places = [zone for zone in sorted(zones) if "/" in zone]
        near = difflib.get_close_matches(name, places, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "name a place, as Europe/Berlin, or UTC"
        raise ValueError(f"unknown time zone {name!r}; {hint}")
    return name
