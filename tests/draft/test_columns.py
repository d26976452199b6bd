"""How the times of a column are written, found out from its name and values."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from mqlml.draft.columns import make_column
from mqlml.draft.names import find_stage

DAYS = [dt.datetime(2025, 1, 3, 14, 5, tzinfo=dt.UTC) + dt.timedelta(days=17 * n) for n in range(20)]


def written(form: str) -> pa.ChunkedArray:
    return pa.chunked_array([[day.strftime(form) for day in DAYS]])


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("created", "%Y-%m-%d", (None, None)),
        ("created", "%Y-%m-%dT%H:%M:%S+02:00", (None, None)),
        ("created", "%d/%m/%Y %H:%M", (None, None)),  # some day above 12 proves the order
        ("created", "%m/%d/%Y", (None, None)),
        ("created", "%d %b %Y", ("%d %b %Y", None)),
        ("created", "%b %d, %Y, %I:%M %p", ("%b %d, %Y, %I:%M %p", None)),
        ("Create Date", "%Y%m%d", ("%Y%m%d", None)),
        ("ts", "%s", (None, "s")),
    ],
)
def test_times_are_found(name: str, form: str, expected: tuple[str | None, str | None]) -> None:
    time = make_column(name, written(form)).time
    assert time is not None
    assert (time.format, time.unit) == expected


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Annual Revenue", ["1700000000", "1600000000"]),
        ("Employees", ["40000", "45000"]),
        ("Phone", ["030 901820", "040 112233"]),
        ("Name", ["May", "June"]),
        ("date", ["", "n/a"]),
        ("Lead Number", ["20240101", "20240102"]),
    ],
)
def test_what_is_no_time_is_taken_for_none(name: str, values: list[str]) -> None:
    assert make_column(name, pa.chunked_array([values])).time is None


def test_a_few_bad_values_do_not_hide_times() -> None:
    values = ["2025-01-01"] * 2 + [f"2025-02-{day:02}" for day in range(1, 29)] * 4 + ["soon"]
    column = make_column("created", pa.chunked_array([values]))
    assert column.time is not None
    assert (
        make_column("created", pa.chunked_array([["soon", "2025-01-01", "2025-01-02", "2025-01-03"]])).time
        is None
    )


def test_days_and_months_that_may_be_either_are_told() -> None:
    column = make_column("created", pa.chunked_array([["01/02/2025", "03/04/2025"]]))
    assert column.either_order
    assert column.time is not None
    assert column.time.format == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("word", "stage"),
    [
        ("Closed Won", "closed_won"), ("closedwon", "closed_won"), ("CLOSED LOST", "closed_lost"),
        ("Contract signed", "closed_won"), ("Contract sent", "opportunity"), ("Unqualified", "disqualified"),
        ("Marketing Qualified Lead", "mql"), ("SQL", "sql"), ("Became a customer date", "closed_won"),
        ("Churned customer", "closed_lost"), ("Verloren", "closed_lost"), ("Window shopping", None), ("New", None),
    ],
)  # fmt: skip
def test_stages_of_crms(word: str, stage: str | None) -> None:
    assert find_stage(word) == stage
