"""Durations and instants: text in, exact microseconds out."""

from __future__ import annotations

import datetime as dt

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mqlml.errors import ConfigError
from mqlml.timeutil import (
    DAY,
    HOUR,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
    to_microseconds,
)


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
