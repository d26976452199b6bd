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
    column_to_microseconds,
    format_duration,
    format_instant,
    microseconds_to_column,
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


@given(INSTANTS, st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", None]))
def test_columns_and_integers_are_the_same(instants: Sequence[int | None], zone: str | None) -> None:
    ticks = np.array([MISSING_TIME if each is None else each for each in instants], dtype=np.int64)
    column = microseconds_to_column(ticks)
    assert str(column.dtype) == "datetime64[us, UTC]"
    assert column.isna().tolist() == [each is None for each in instants]
    shown = column.dt.tz_localize(None) if zone is None else column.dt.tz_convert(zone)
    assert column_to_microseconds(shown).tolist() == ticks.tolist()
    never = column_to_microseconds(shown, missing=NEVER)
    assert never.tolist() == [NEVER if each is None else each for each in instants]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_a_column_is_read(unit: str) -> None:
    column = pd.Series(pd.to_datetime(["2024-01-01", None], utc=True)).dt.as_unit(unit)
    assert column_to_microseconds(column).tolist() == [1_704_067_200_000_000, MISSING_TIME]


def test_what_is_finer_than_a_microsecond_is_cut_off() -> None:
    column = pd.Series([pd.Timestamp(1_999, unit="ns", tz="UTC")])
    assert column_to_microseconds(column).tolist() == [1]


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
