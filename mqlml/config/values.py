"""The values of the config: text such as ``"60d"`` goes in, lengths, instants, zones and columns come out."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from pathlib import Path
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
from mqlml.times import DAY, format_duration, parse_duration, parse_instant

__all__ = [
    "STAGES",
    "TERMINAL_STAGES",
    "Column",
    "ColumnFormat",
    "Constant",
    "DecimalMark",
    "Duration",
    "FilePath",
    "InvalidValueError",
    "Name",
    "Order",
    "OutcomeWord",
    "Reason",
    "Section",
    "Size",
    "Stage",
    "StageWord",
    "TimeUnit",
    "Tune",
    "Window",
    "check_stage",
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


class InvalidValueError(ValueError):
    """A value of the config that breaks a rule.

    Parameters
    ----------
    rule : what must hold, as ``must be 'auto' or a list of columns``.
    remedy : what to write instead, as ``write 60d``.
    place : the keys from the section that is checked to the value; then ``found`` is that value.
    """

    def __init__(
        self, rule: str, *, remedy: str | None = None, place: tuple[int | str, ...] = (), found: object = None
    ) -> None:
        super().__init__(rule)
        self.rule, self.remedy, self.place, self.found = rule, remedy, place, found


_LONGEST = 36_500 * DAY
_SPELLED = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\.?", re.IGNORECASE)
_NAMED_UNITS = {
    "": "{0:g}d",
    "day": "{0:g}d",
    "week": "{0:g}w",
    "wk": "{0:g}w",
    "hour": "{0:g}h",
    "hr": "{0:g}h",
    "month": "{1:g}d or {2:g}w",
    "mo": "{1:g}d or {2:g}w",
    "m": "{1:g}d or {2:g}w",
    "year": "{3:g}d",
    "yr": "{3:g}d",
    "y": "{3:g}d",
    "d": "{0:g}d",
    "w": "{0:g}w",
    "h": "{0:g}h",
}
"""How a length is written that is given in other words; a month has 30 days or 4 weeks."""


def _duration(value: object) -> int:
    try:
        length = parse_duration(value)
    except (ConfigError, OverflowError):
        match = _SPELLED.fullmatch(str(value).strip())
        spelling = None
        if match is not None:
            unit = match[2].lower()
            number = float(match[1])
            spelling = _NAMED_UNITS.get(unit) or _NAMED_UNITS.get(unit.removesuffix("s"))
        raise InvalidValueError(
            "a duration is a number and a unit, h, d or w (as in 12h, 90d, 2w)",
            remedy=spelling and f"write {spelling.format(number, number * 30, number * 4, number * 365)}",
        ) from None
    if length > _LONGEST:
        raise InvalidValueError(f"must be at most {format_duration(_LONGEST)}")
    return length


def _window(value: object) -> object:
    return value if value == "all" else _duration(value)


_NO_TIME = dt.datetime.min.replace(tzinfo=dt.UTC)


def read_instant(value: object, zone: str) -> dt.datetime | None:
    try:
        instant = None if value is None else parse_instant(value, zone)
    except (ConfigError, OverflowError):
        instant = _NO_TIME
    if instant is not None and instant.year < 1900:
        raise InvalidValueError(
            "a time is written as 2018-11-14 or 2018-11-14T08:30:00+01:00, and must exist, from 1900 on"
        )
    return instant


_MEANT: dict[str, Stage] = {
    "won": "closed_won",
    "closed": "closed_won",
    "customer": "closed_won",
    "sale": "closed_won",
    "converted": "closed_won",
    "lost": "closed_lost",
    "deal": "opportunity",
    "junk": "disqualified",
    "unqualified": "disqualified",
}
"""The stage that a CRM's own word usually means."""


def check_stage(value: object) -> object:
    if value in STAGES:
        return value
    word = re.sub(r"\W+", "_", str(value).strip().casefold())
    near = [_MEANT[word]] if word in _MEANT else difflib.get_close_matches(word, STAGES, n=1)
    raise InvalidValueError(
        f"must be one of mqlml's stages, {', '.join(STAGES)}", remedy=f"write {near[0]}" if near else None
    )


def _outcome(value: object) -> object:
    try:
        return check_stage(value)
    except InvalidValueError as error:
        if isinstance(value, str):
            ours = _MEANT.get(value.strip().casefold(), "closed_won")
            error.remedy = error.remedy or f"write {ours}"
            error.remedy += (
                f", and say which word of yours it is, as data.outcomes.stages: {{{value}: {ours}}}"
            )
        raise


StageWord = Annotated[Stage, BeforeValidator(check_stage)]
"""One of mqlml's stages."""

OutcomeWord = Annotated[Stage, BeforeValidator(_outcome)]
"""The stage that is predicted."""

Duration = Annotated[
    int, BeforeValidator(_duration), PlainSerializer(format_duration, return_type=str, when_used="json")
]
"""A length of time: ``"60d"`` in the file, whole microseconds in the object."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])I?B", re.IGNORECASE)
_POWERS = {"K": 3.0, "M": 6.0, "G": 9.0, "T": 12.0}


def parse_size(value: object) -> int:
    """Bytes of a size such as ``"1.5GB"`` or ``"800MB"``; a step is a thousand, with or without an i."""
    match = _SIZE.fullmatch(str(value).strip())
    size = 0.0 if match is None else float(match[1]) * 10 ** _POWERS[match[2].upper()]
    if not 0 < size < 1e18:
        raise InvalidValueError("a size is a number above 0 and a unit, MB or GB (as in 1.5GB)")
    return round(size)


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
        raise InvalidValueError("'windows' are different lengths above 0d, shortest first, 'all' last")
    if "all" in value[:-1]:
        raise InvalidValueError("'all' must be the last of 'windows'")
    return value


def _reason(value: str) -> str:
    if not value.strip():
        raise InvalidValueError(
            "must say why it is known at the cutoff", remedy="the reason goes into the version"
        )
    return value.strip()


Reason = Annotated[str, AfterValidator(_reason)]
"""Why the leakage audit is overruled."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


TimeUnit = Literal["d", "s", "ms", "us", "excel"]
"""What numbers count: days, seconds, milli- or microseconds since 1970, or the days of a spreadsheet."""

DecimalMark = Literal[".", ","]
"""What stands before the fraction of a number."""


class ColumnFormat(Section):
    """A column whose values need a hint to be read: a ``strftime`` format, the unit of a number that stands for a
    time, or the mark before the fraction of a quantity."""

    column: str
    format: str | None = None
    unit: TimeUnit | None = None
    decimal: DecimalMark | None = None


class Constant(Section):
    """One value for all rows, where the source has no such column."""

    constant: Annotated[str, Field(min_length=1)]


def _spelling(value: object) -> str:
    if isinstance(value, list):
        return "<several>"
    if isinstance(value, Constant) or (isinstance(value, dict) and "constant" in value):
        return "<constant>"
    return "<hinted>" if isinstance(value, dict | ColumnFormat) else "<name>"


Column = Annotated[
    Annotated[str, Tag("<name>")]
    | Annotated[ColumnFormat, Tag("<hinted>")]
    | Annotated[Constant, Tag("<constant>")],
    Discriminator(_spelling),
]
"""A column of the source: its name, its name with a hint how to read it, or one value for all rows."""

Order = Annotated[
    Annotated[str, Tag("<name>")]
    | Annotated[ColumnFormat, Tag("<hinted>")]
    | Annotated[list[str], Tag("<several>")],
    Discriminator(_spelling),
]
"""What stands for time in a flat table: a column, or several that sort one after another."""


def _home(value: str) -> str:
    try:
        Path(value).expanduser()
    except RuntimeError:
        raise InvalidValueError(
            "must not begin with a user this machine does not know",
            remedy="write the path out, or ~/… for your own home",
        ) from None
    return value


FilePath = Annotated[str, AfterValidator(_home)]
"""A path; a relative one starts at the config's folder."""


def known_zone(name: str) -> str:
    zones = available_timezones()
    if name not in zones:
        # Not the abbreviations: the nearest to CEST is EST, on another continent.
        places = [zone for zone in sorted(zones) if "/" in zone]
        near = difflib.get_close_matches(name, places, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "name a place, as Europe/Berlin, or UTC"
        raise InvalidValueError("must be a time zone", remedy=hint)
    return name
