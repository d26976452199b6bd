"""Calendar cuts, each against dates one can look up."""

from __future__ import annotations

import datetime as dt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mqlml.times import DAY
from mqlml.training.splits import cut_calendar


def micros(day: str) -> int:
    return int(np.datetime64(day, "us").astype(np.int64))


def dates(cuts: np.ndarray) -> list[str]:
    return [str(cut) for cut in cuts.astype("datetime64[us]").astype("datetime64[D]")]


@pytest.mark.parametrize(
    ("first", "last", "most", "expected"),
    [
        ("2024-03-05", "2024-03-07T20", 5, ["2024-03-05", "2024-03-06", "2024-03-07"]),
        ("2024-03-04", "2024-03-31", 5, ["2024-03-04", "2024-03-11", "2024-03-18", "2024-03-25"]),
        ("2024-01-01", "2024-05-31", 5, [f"2024-0{month}-01" for month in range(1, 6)]),
        ("2024-01-20", "2024-06-30", 5, ["2024-01-20", "2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01"]),
        ("2024-01-01", "2024-06-10", 5, [f"2024-0{month}-01" for month in range(1, 6)]),
        ("2023-01-01", "2023-12-31", 5, ["2023-01-01", "2023-04-01", "2023-07-01", "2023-10-01"]),
        ("2023-01-01", "2023-12-31", 6, [f"2023-{month:02d}-01" for month in range(1, 12, 2)]),
        ("2022-11-15", "2024-09-30", 4, ["2022-11-15", "2023-07-01", "2024-01-01", "2024-07-01"]),
        ("2010-01-01", "2019-12-31", 1, ["2010-01-01"]),
    ],
    ids=["days", "weeks", "months", "a short start", "a short end", "quarters", "two months", "half-years", "one"],
)  # fmt: skip
def test_periods_begin_where_the_calendar_does(first: str, last: str, most: int, expected: list[str]) -> None:
    assert dates(cut_calendar(micros(first), micros(last), most=most)) == expected


TIMES = st.integers(micros("1969-06-01"), micros("2060-01-01"))


@settings(max_examples=200, deadline=None)
@given(first=TIMES, length=st.integers(0, 40 * 365 * DAY), most=st.integers(1, 30))
def test_any_stretch_is_cut_into_few_periods_at_midnights(first: int, length: int, most: int) -> None:
    cuts = cut_calendar(first, first + length, most=most)
    assert 1 <= len(cuts) <= most
    assert cuts[0] == first
    assert (np.diff(cuts) > 0).all()
    assert cuts[-1] <= first + length
    for cut in cuts[1:]:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=int(cut))  # noqa: DTZ001
        assert (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
        if (np.diff(cuts)[1:-1] > 20 * DAY).any():  # months or longer
            assert moment.day == 1
