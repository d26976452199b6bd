"""Durations and instants: text in, exact microseconds out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from mqlml.errors import ConfigError
from mqlml.times import (
    DAY,
    HOUR,
    MISSING_TIME,
    NEVER,
    TIME_DTYPE,
    column_to_microseconds,
    format_column,
    format_duration,
    format_instant,
    from_microseconds,
    microseconds_to_column,
    month_starts,
    months_since_1970,
    parse_duration,
    parse_instant,
    to_clock,
    to_microseconds,
)

FIRST = to_microseconds(dt.datetime(1900, 1, 1, tzinfo=dt.UTC))
LAST = to_microseconds(dt.datetime(2199, 12, 31, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60d", 60 * DAY),
        ("12h", 12 * HOUR),
        ("2w", 14 * DAY),
        ("0d", 0),
        ("0.5h", HOUR // 2),
        (" 7d ", 7 * DAY),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["60", "60 d", "d", "-7d", "1m", "", "7dd", 60, None])
def test_no_durations(text: object) -> None:
    with pytest.raises(ConfigError, match="a number and a unit, h, d or w"):
        parse_duration(text)


@given(st.integers(0, 100_000))
def test_durations_survive_writing(hours: int) -> None:
    assert parse_duration(format_duration(hours * HOUR)) == hours * HOUR


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2018-11-14", "UTC", "2018-11-14"),
        (dt.date(2018, 11, 14), "America/Sao_Paulo", "2018-11-14T02:00:00Z"),
        ("2018-11-14T08:30:00+01:00", "Asia/Tokyo", "2018-11-14T07:30:00Z"),
        (dt.datetime.fromisoformat("2018-07-01T12:00"), "Europe/Berlin", "2018-07-01T10:00:00Z"),
    ],
    ids=["a date in UTC", "a date far west", "an offset beats the zone", "summer time"],
)
def test_instants(value: object, zone: str, expected: str) -> None:
    assert format_instant(parse_instant(value, zone)) == expected


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2026-05-31", "Europe/Berlin", "2026-05-31"),
        ("2026-05-31 09:00", "Europe/Berlin", "2026-05-31T09:00:00+02:00"),
        ("2026-05-31T00:00:00Z", "America/Sao_Paulo", "2026-05-30T21:00:00-03:00"),
    ],
    ids=["its midnight is a date", "a time has its offset", "another midnight has none"],
)
def test_instants_as_clocks_in_a_zone_show_them(value: str, zone: str, expected: str) -> None:
    instant = parse_instant(value, zone)
    assert format_instant(instant, zone) == expected
    assert parse_instant(expected, zone) == instant


def test_microseconds_are_exact() -> None:
    late = dt.datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    assert to_microseconds(late) == int(late.replace(microsecond=0).timestamp()) * 1_000_000 + 999_999


def test_no_instant() -> None:
    with pytest.raises(ConfigError, match="a time is written as 2018-11-14"):
        parse_instant("14/11/2018", "UTC")


INSTANTS = st.lists(st.none() | st.integers(FIRST, LAST), max_size=8)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", None])
PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}


@given(INSTANTS, ZONES, st.sampled_from([*PER_UNIT]), st.sampled_from([MISSING_TIME, NEVER]))
def test_columns_and_integers_are_the_same(
    instants: Sequence[int | None], zone: str | None, unit: str, missing: int
) -> None:
    whole = [None if each is None else each // PER_UNIT[unit] * PER_UNIT[unit] for each in instants]
    ticks = np.array([missing if each is None else each for each in whole], dtype=np.int64)
    before = ticks.copy()
    column = microseconds_to_column(ticks)
    assert str(column.dtype) == TIME_DTYPE
    assert column.isna().tolist() == [each is None for each in whole]
    shown = (column.dt.tz_localize(None) if zone is None else column.dt.tz_convert(zone)).dt.as_unit(unit)
    read = column_to_microseconds(shown, missing=missing)
    assert read.tolist() == ticks.tolist() == before.tolist()
    pd.testing.assert_series_equal(microseconds_to_column(read), column)


@given(st.integers(FIRST, LAST))
def test_one_instant_and_its_integer_are_the_same(microseconds: int) -> None:
    instant = from_microseconds(microseconds)
    assert instant.utcoffset() == dt.timedelta(0)
    assert to_microseconds(instant) == microseconds
    assert microseconds_to_column(np.array([microseconds])).iloc[0] == pd.Timestamp(instant)


@pytest.mark.parametrize("missing", [MISSING_TIME, NEVER], ids=["missing", "never"])
def test_no_datetime_stands_for_a_missing_one(missing: int) -> None:
    with pytest.raises(OverflowError, match="out of range"):
        from_microseconds(missing)


@given(st.integers(FIRST, LAST))
def test_months_are_those_of_the_calendar(microseconds: int) -> None:
    month = months_since_1970(np.array([microseconds]))
    instant = from_microseconds(microseconds)
    assert month.tolist() == [(instant.year - 1970) * 12 + instant.month - 1]
    first = instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert month_starts(month).tolist() == [to_microseconds(first)]


@pytest.mark.parametrize(
    ("times", "whole_seconds", "expected"),
    [
        (["2024-01-01", None], None, ["2024-01-01T00:00:00Z", None]),
        (["2024-01-01T08:30:00.5+01:00"], None, ["2024-01-01T07:30:00.500000Z"]),
        (["2024-01-01T08:30:00.5Z"], True, ["2024-01-01T08:30:00Z"]),
        (["2024-01-01", None], False, ["2024-01-01T00:00:00.000000Z", None]),
        ([None], None, [None]),
        ([], None, []),
    ],
    ids=["whole", "a fraction", "cut", "as the others", "missing", "empty"],
)
def test_columns_as_text(
    times: list[str | None], whole_seconds: bool | None, expected: list[str | None]
) -> None:
    column = pd.Series(pd.to_datetime(pd.Series(times, dtype="str"), utc=True, format="ISO8601"))
    text = format_column(column, whole_seconds=whole_seconds)
    assert text.dtype == "str"
    assert text.astype(object).where(text.notna(), None).tolist() == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_a_column_is_read(unit: str) -> None:
    column = pd.Series(pd.to_datetime(["2024-01-01", None], utc=True)).dt.as_unit(unit)
    assert column_to_microseconds(column).tolist() == [1_704_067_200_000_000, MISSING_TIME]


def test_what_is_finer_than_a_microsecond_is_rounded_down() -> None:
    column = pd.Series(pd.to_datetime([1_999, -1], unit="ns", utc=True))
    assert column_to_microseconds(column).tolist() == [1, -1]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_no_clock_shows_a_missing_time(zone: str) -> None:
    january = 1_704_067_200_000_000
    ahead = HOUR if zone == "Europe/Berlin" else 0
    shown = to_clock(np.array([MISSING_TIME, january, NEVER]), zone)
    assert shown.tolist() == [MISSING_TIME, january + ahead, NEVER]
    assert to_clock(np.array([NEVER]), zone).tolist() == [NEVER]


def test_a_column_is_named_like_its_rows() -> None:
    column = microseconds_to_column(np.array([0, MISSING_TIME]), index=pd.Index(["a", "b"]))
    assert column.to_dict() == {"a": pd.Timestamp(0, tz="UTC"), "b": pd.NaT}


def test_the_missing_time_is_numpys_own() -> None:
    assert np.datetime64("NaT").astype(np.int64) == MISSING_TIME
    assert np.iinfo(np.int64).max == NEVER


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"])
@pytest.mark.parametrize("days", [1, 20_000], ids=["near", "far apart"])
def test_clocks_show_what_python_says(zone: str, days: int) -> None:
    rng = np.random.default_rng(3)
    instants = 1_700_000_000_000_000 + rng.integers(-days, days, 200) * DAY // 3
    expected = [
        to_microseconds(dt.datetime.fromtimestamp(instant / 1e6, ZoneInfo(zone)).replace(tzinfo=dt.UTC))
        for instant in instants.tolist()
    ]
    assert to_clock(instants, zone).tolist() == expected
