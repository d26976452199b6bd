"""Times as they are found: what each spelling means, to the microsecond, and which are refused."""

# ruff: noqa: DTZ001 - what a clock shows has no zone

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.config import ColumnFormat
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys.parse import Parsed
from mqlml.journeys.times import MISSING_TIME, guess_format, parse_times
from mqlml.times import to_microseconds

BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")


def parse(values: Any, kind: pa.DataType | None = None, *, zone: ZoneInfo = BERLIN, **hint: Any) -> Parsed:
    column = pa.chunked_array([pa.array(values, kind)])
    made = ColumnFormat(column="at", **hint) if hint else None
    return parse_times(column, zone=zone, hint=made, where="'at'")


def shown(parsed: Parsed) -> list[str | None]:
    times = parsed.data.view("datetime64[us]")
    return [None if np.isnat(time) else str(time).removesuffix(".000000") for time in times]


def reasons(parsed: Parsed, row: int = 0) -> list[str]:
    return [reason for reason, mask in parsed.problems if mask[row]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-15", "2024-01-14T23:00:00"),
        ("2024-07-15", "2024-07-14T22:00:00"),
        ("2024-01-15 10:30", "2024-01-15T09:30:00"),
        ("2024-01-15T10:30:15", "2024-01-15T09:30:15"),
        ("2024-01-15 10:30:15.25", "2024-01-15T09:30:15.250000"),
        ("2024-01-15 10:30:15,5", "2024-01-15T09:30:15.500000"),
        ("2024-01-15 10:30:15.123456999", "2024-01-15T09:30:15.123456"),
        ("2024-01-15T10:30:00Z", "2024-01-15T10:30:00"),
        ("2024-01-15 10:30:00 UTC", "2024-01-15T10:30:00"),
        ("2024-01-15T10:30:00+05:30", "2024-01-15T05:00:00"),
        ("2024-01-15T10:30:00-0800", "2024-01-15T18:30:00"),
        ("2024-01-15 10:30:00.5 -08", "2024-01-15T18:30:00.500000"),
        ("  2024-01-15  ", "2024-01-14T23:00:00"),
        ("1899-12-31T23:59:59Z", None),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00"),
        ("2199-12-31T23:59:59Z", "2199-12-31T23:59:59"),
        ("2200-01-01T00:00:00Z", None),
    ],
    ids=str,
)
def test_iso_text(text: str, expected: str | None) -> None:
    assert shown(parse([text])) == [expected]


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "2024-13-01", "15/01/2024", "20240115", "2024", "2024-01-15T25:00", "2024-01-15T10",
     "2024-01-15 10:30 CET", "yesterday", "1705312800", "NULL"],
)  # fmt: skip
def test_other_text_is_not_a_time(text: str) -> None:
    parsed = parse([text, "2024-01-15"])
    assert reasons(parsed) == ["not an ISO date or time"]
    assert shown(parsed) == [None, "2024-01-14T23:00:00"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-10-27 01:59:59", "2024-10-26T23:59:59"),
        ("2024-10-27 02:30:00", "2024-10-27T00:30:00"),  # twice: the first, in summer time
        ("2024-10-27 03:00:00", "2024-10-27T02:00:00"),
        ("2024-03-31 01:59:59", "2024-03-31T00:59:59"),
        ("2024-03-31 02:30:00", "2024-03-31T01:30:00"),  # never: half an hour after the jump
        ("2024-03-31 03:00:00", "2024-03-31T01:00:00"),
    ],
    ids=str,
)
def test_when_the_clock_is_changed(text: str, expected: str) -> None:
    assert shown(parse([text])) == [expected]


def test_a_column_may_mix_offsets_dates_and_naive_times() -> None:
    parsed = parse(
        ["2024-07-01T10:00:00+02:00", "2024-07-01 10:00", "2024-07-01T10:00Z", "2024-07-01", None, " "]
    )
    assert shown(parsed) == [
        "2024-07-01T08:00:00", "2024-07-01T08:00:00", "2024-07-01T10:00:00", "2024-06-30T22:00:00", None, None,
    ]  # fmt: skip
    assert parsed.missing.tolist() == [False] * 4 + [True, True]
    assert not parsed.bad.any()


def test_one_fine_time_does_not_narrow_the_years_of_the_others() -> None:
    parsed = parse(["2024-01-15T10:30:15.123456999Z", "2999-01-01"])
    assert shown(parsed) == ["2024-01-15T10:30:15.123456", None]
    assert reasons(parsed, 1) == ["time outside 1900 to 2199"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"], ids=["naive", "UTC", "New York"])
def test_arrow_timestamps(unit: str, zone: str | None) -> None:
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    parsed = parse([1_705_312_800 * ticks, None], pa.timestamp(unit, zone))
    # A zone on the column is how it shows instants that are stored in UTC; without one it holds what clocks showed.
    assert shown(parsed) == ["2024-01-15T09:00:00" if zone is None else "2024-01-15T10:00:00", None]
    assert parsed.missing.tolist() == [False, True]


def test_nanoseconds_are_cut_off() -> None:
    parsed = parse([1_705_312_800_123_456_999, -1], pa.timestamp("ns", "UTC"))
    assert shown(parsed) == ["2024-01-15T10:00:00.123456", "1969-12-31T23:59:59.999999"]


def test_dates_begin_in_the_zone() -> None:
    for kind in (pa.date32(), pa.date64()):
        assert shown(parse([dt.date(2024, 7, 15), None], kind)) == ["2024-07-14T22:00:00", None]


@pytest.mark.parametrize(
    ("unit", "tick"),
    [("s", 2**64 // 10**6 + 1_705_312_800), ("ms", 2**64 // 10**3 + 1_705_312_800_000), ("us", 2**62)],
    ids=["s", "ms", "us"],
)
def test_far_timestamps_do_not_come_back_as_near_ones(unit: str, tick: int) -> None:
    # Counted in microseconds the first two overflow 64 bits, to January 2024.
    parsed = parse([tick, -tick], pa.timestamp(unit, "UTC"))
    assert shown(parsed) == [None, None]
    assert reasons(parsed, 0) == reasons(parsed, 1) == ["time outside 1900 to 2199"]


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("s", "1705312800", "2024-01-15T10:00:00"),
        ("s", "1705312800.0", "2024-01-15T10:00:00"),
        ("s", "1705312800.25", "2024-01-15T10:00:00.250000"),
        ("s", 1_705_312_800, "2024-01-15T10:00:00"),
        ("s", 1_705_312_800.5, "2024-01-15T10:00:00.500000"),
        ("ms", "1705312800123", "2024-01-15T10:00:00.123000"),
        ("us", 1_705_312_800_123_457, "2024-01-15T10:00:00.123457"),
        ("us", "7258118399999999", "2199-12-31T23:59:59.999999"),
        ("d", "19737", "2024-01-14T23:00:00"),  # a day number is a date, so it begins in the zone
        ("s", "1705312800123", None),
        ("s", "soon", None),
        ("s", "inf", None),
    ],
    ids=str,
)
def test_epoch_numbers(unit: str, value: object, expected: str | None) -> None:
    assert shown(parse([value], unit=unit)) == [expected]


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("%d/%m/%Y", "03/04/2024", "2024-04-02T22:00:00"),
        ("%m/%d/%Y", "03/04/2024", "2024-03-03T23:00:00"),
        ("%Y%m%d", "20240115", "2024-01-14T23:00:00"),
        ("%Y%m%d", 20240115, "2024-01-14T23:00:00"),
        ("%m/%d/%y %H:%M", "1/24/18 3:12", "2018-01-24T02:12:00"),
        ("%d-%m-%Y %H:%M", "22-04-2014 03:53", "2014-04-22T01:53:00"),
        ("%d %b %Y %I:%M %p", "15 Jan 2024 10:30 PM", "2024-01-15T21:30:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-01-15T10:30:00+0530", "2024-01-15T05:00:00"),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-01-15 10:30:00.5", "2024-01-15T09:30:00.500000"),
        ("%d/%m/%Y", "31/02/2024", None),
        ("%d/%m/%Y", "2024-01-15", None),
    ],
    ids=str,
)
def test_formats(form: str, value: object, expected: str | None) -> None:
    parsed = parse([value], format=form)
    assert shown(parsed) == [expected]
    assert reasons(parsed) == ([] if expected else [f"not a time in the format {form!r}"])


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("27/03/2025 03:57", "%d/%m/%Y %H:%M"),
        ("3/27/2025", "%m/%d/%Y"),
        ("05/01/2024", "%d/%m/%Y"),
        ("27.03.25 03:57:01", "%d.%m.%y %H:%M:%S"),
        ("2024/01/15", "%Y/%m/%d"),
        ("1/24/18 3:12 PM", "%m/%d/%y %I:%M %p"),
    ],
    ids=["day first", "month first", "either: day first", "dots", "year first", "afternoon"],
)
def test_a_guessed_format_reads_the_value(value: str, form: str) -> None:
    assert guess_format(value) == form
    assert reasons(parse([value], format=form)) == []


@pytest.mark.parametrize("value", [None, "", "soon", "20240115"])
def test_a_value_like_no_date_gets_the_usual_example(value: str | None) -> None:
    assert guess_format(value) == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("dd/mm/yyyy", "must be written with directives"),
        ("%d/%m", "hold the year"),
        ("%Y-%Q", "bad directive"),
    ],
)
def test_a_format_that_is_none(form: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(["15/01/2024"], format=form)


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ([1, 2], pa.int64(), "unit: d"),
        ([1.5], pa.float64(), "unit: d"),
        ([True], pa.bool_(), "values of type bool"),
        ([[1]], pa.list_(pa.int64()), "values of type list"),
        ([dt.time(1)], pa.time64("us"), "values of type time64"),
    ],
    ids=["integers", "floats", "truths", "lists", "times of day"],
)
def test_columns_that_hold_no_times(values: list[object], kind: pa.DataType, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        parse(values, kind)


def test_an_empty_and_an_all_null_column() -> None:
    for kind in (pa.string(), pa.null(), pa.timestamp("us"), pa.date32()):
        assert len(parse([], kind).data) == 0
        parsed = parse([None, None], kind)
        assert parsed.data.tolist() == [MISSING_TIME, MISSING_TIME]
        assert parsed.missing.all()
        assert not parsed.bad.any()


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Dublin"]
)
WALLS = st.datetimes(dt.datetime(1900, 1, 2), dt.datetime(2199, 12, 30))


def meant(wall: dt.datetime, zone: str) -> int:
    """The contract in plain Python."""
    return to_microseconds(wall.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC))


@settings(max_examples=150, deadline=None)
@given(walls=st.lists(WALLS, min_size=1, max_size=20), zone=ZONES)
def test_naive_text_and_timestamps_agree_with_plain_python(walls: list[dt.datetime], zone: str) -> None:
    expected = [meant(wall, zone) for wall in walls]
    texts = [wall.isoformat(sep=" ") for wall in walls]
    assert parse(texts, zone=ZoneInfo(zone)).data.tolist() == expected
    assert parse(walls, pa.timestamp("us"), zone=ZoneInfo(zone)).data.tolist() == expected
    assert parse(texts, zone=ZoneInfo(zone), format="%Y-%m-%d %H:%M:%S.%f").data.tolist() == [
        value if wall.microsecond else MISSING_TIME for wall, value in zip(walls, expected, strict=True)
    ]


JUMPS = [("Europe/Berlin", dt.datetime(2024, 3, 31, 2)), ("America/Sao_Paulo", dt.datetime(2017, 10, 15)),
         ("Australia/Lord_Howe", dt.datetime(2024, 10, 6, 2)), ("Europe/Berlin", dt.datetime(2024, 10, 27, 2)),
         ("America/Sao_Paulo", dt.datetime(2018, 2, 17, 23))]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(jump=st.sampled_from(JUMPS), seconds=st.integers(-4000, 4000))
def test_around_changes_of_the_clock_too(jump: tuple[str, dt.datetime], seconds: int) -> None:
    wall = jump[1] + dt.timedelta(seconds=seconds)
    parsed = parse([wall.isoformat()], zone=ZoneInfo(jump[0]))
    assert parsed.data.tolist() == [meant(wall, jump[0])]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("0123456789-:T .+Z", max_size=26), max_size=8))
def test_whatever_text_is_a_time_missing_or_bad(texts: list[str]) -> None:
    parsed = parse(texts, pa.string(), zone=UTC)
    good = parsed.data != MISSING_TIME
    assert (good.astype(int) + parsed.missing + parsed.bad == 1).all()
