"""The nights of a window: each open lead on each night, as the batch job would find it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqlml.features import build_features
from mqlml.simulate import Simulation, simulate
from mqlml.times import DAY, from_microseconds, to_microseconds
from mqlml.training import build_nights, build_table, nights, open_leads
from tests.by_hand import instant, journeys, problem
from tests.commands.test_learn import config


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(150, random_state=5)


def moment(text: str) -> int:
    return to_microseconds(instant(text).to_pydatetime())


@given(
    created=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    left=st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=6, max_size=6),
    limits=st.tuples(st.integers(0, 10), st.integers(0, 40)).map(sorted),
    days=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_each_night_has_the_leads_that_the_job_would_find_open(
    created: list[int], left: list[int | None], limits: list[int], days: tuple[int, int]
) -> None:
    day = [f"{date:%m-%d}" for date in pd.date_range("2024-01-01", periods=80)]
    leads = [{"lead_id": number, "created_at": day[at]} for number, at in enumerate(created)]
    outcomes = [
        {"lead_id": number, "stage": "closed_lost", "occurred_at": day[created[number] + at % 40]}
        for number, at in enumerate(left[: len(created)])
        if at is not None
    ]
    data = journeys(leads, outcomes=outcomes)
    asked = problem(age_limits=[f"{limit}d" for limit in limits])
    moments = moment("01-01") + DAY * np.arange(days[0], days[0] + days[1])
    lead, time, parts = nights._open_on(data, asked, moments)
    found = [(data.leads["lead_id"].iloc[row], at) for row, at in zip(lead, time.tolist(), strict=True)]
    expected = [
        (number, at)
        for at in moments.tolist()
        for number in open_leads(data, from_microseconds(at), asked)["lead_id"]
    ]
    assert found == expected
    assert parts == 1


def test_a_window_of_nights_has_the_weeks_before_it_for_comparison(world: Simulation) -> None:
    settings, data = config(), world.journeys()
    table = build_table(data, settings)
    end = to_microseconds(data.observed_until)
    found = build_nights(data, settings, table.plan, start=end - 56 * DAY, end=end)
    assert found is not None
    assert (found.start, found.end, found.share) == (end - 56 * DAY, end, 1.0)
    oldest = settings.problem.age_limits[1] // DAY
    assert np.unique(found.time).tolist() == (end - DAY * np.arange(56 + oldest, 0, -1)).tolist()
    some = np.random.default_rng(0).choice(len(found.time), 200, replace=False)
    rows = found.snapshots.iloc[some].reset_index(drop=True)
    again = build_features(data, rows, table.plan)
    pd.testing.assert_frame_equal(found.features.iloc[some].reset_index(drop=True), again)


@pytest.mark.parametrize(("age", "before"), [("7d", 7), ("90d", 14)])
def test_the_weeks_before_are_as_long_as_leads_are_scored_or_as_the_window(
    world: Simulation, age: str, before: int
) -> None:
    settings = config(problem={"horizon": "60d", "snapshots": {"ages": ["0d"]}, "age_limits": ["0d", age]})
    table = build_table(world.journeys(), settings)
    end = table.holdout.end
    found = build_nights(world.journeys(), settings, table.plan, start=end - 14 * DAY, end=end)
    assert found is not None
    assert int(found.time.min()) >= end - (14 + before) * DAY


def test_on_a_grid_its_dates_are_the_nights(world: Simulation) -> None:
    grid = {"every": "14d"}
    settings = config(problem={"horizon": "60d", "snapshots": grid, "age_limits": ["0d", "365d"]})
    table = build_table(world.journeys(), settings)
    end = to_microseconds(world.journeys().observed_until)
    found = build_nights(world.journeys(), settings, table.plan, start=end - 56 * DAY, end=end)
    assert found is not None
    dates = np.unique(found.time)
    assert set(np.diff(dates)) == {14 * DAY}
    inside = dates[dates >= end - 56 * DAY]
    assert (found.start, found.end) == (int(inside[0]), int(inside[-1]) + 14 * DAY)
    assert len(dates) == 2 * len(inside)


def test_a_grid_that_ended_has_no_nights(world: Simulation) -> None:
    grid = {"every": "14d", "until": "2025-03-01"}
    settings = config(problem={"horizon": "60d", "snapshots": grid, "age_limits": ["0d", "90d"]})
    table = build_table(world.journeys(), settings)
    end = to_microseconds(world.journeys().observed_until)
    assert build_nights(world.journeys(), settings, table.plan, start=end - 56 * DAY, end=end) is None


def test_of_too_many_rows_whole_accounts_stand_for_all(
    world: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, data = config(), world.journeys()
    table = build_table(data, settings)
    window: dict[str, Any] = {"start": table.holdout.start, "end": table.holdout.end}
    whole = build_nights(data, settings, table.plan, **window)
    assert whole is not None
    monkeypatch.setattr(nights, "MOST_ROWS", len(whole.time) // 3 + 1)
    some = build_nights(data, settings, table.plan, **window)
    assert some is not None
    assert some.share == pytest.approx(1 / 3)
    taken = np.isin(whole.group, some.group)
    assert taken.sum() == len(some.time)
    assert len(some.time) < len(whole.time) // 2


def test_a_lead_without_a_creation_time_is_open_on_no_night() -> None:
    leads = [{"lead_id": 1, "created_at": "03-01"}, {"lead_id": 2, "created_at": None}]
    moments = moment("03-02") + DAY * np.arange(3)
    lead, _, _ = nights._open_on(journeys(leads), problem(), moments)
    assert lead.tolist() == [0, 0, 0]
