"""Who is looked at, and when: both policies, the edges of the population, maturity by date."""

from __future__ import annotations

import datetime as dt

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from mqlml.errors import PopulationError
from mqlml.features import build_features, gather_facts, plan_features
from mqlml.times import DAY, NEVER, to_microseconds
from mqlml.training import assign_labels, build_snapshots, open_leads
from mqlml.training.snapshots import first_known
from tests.by_hand import instant, journeys, problem
from tests.features.worlds import make_config_of


def cutoffs(data: object, **keys: object) -> list[tuple[int, str]]:
    table = build_snapshots(data, problem(**keys)).table  # type: ignore[arg-type]
    return [(int(row.lead_id), f"{row.cutoff_time:%m-%d}") for row in table.itertuples()]


def test_ages_after_creation_sorted_by_cutoff() -> None:
    data = journeys([{"lead_id": 2, "created_at": "03-05"}, {"lead_id": 1, "created_at": "03-01"}])
    table = build_snapshots(data, problem(snapshots={"ages": ["7d", "0d"]})).table
    assert table["lead_id"].tolist() == [1, 2, 1, 2]
    assert [f"{t:%m-%d}" for t in table["cutoff_time"]] == ["03-01", "03-05", "03-08", "03-12"]
    assert table["age"].tolist() == ["0d", "0d", "7d", "7d"]


def test_calendar_grid_starts_with_each_lead() -> None:
    data = journeys([{"lead_id": 1, "created_at": "03-01"}, {"lead_id": 2, "created_at": "03-09 10:00"}])
    found = cutoffs(data, snapshots={"every": "7d", "from": "2024-03-01", "until": "2024-03-20"})
    assert found == [(1, "03-01"), (1, "03-08"), (1, "03-15"), (2, "03-15")]


def test_a_grid_without_ends_runs_from_the_first_lead_to_the_last_mature_day() -> None:
    data = journeys([{"lead_id": 1, "created_at": "03-01 15:00"}], observed_until="03-20")
    assert cutoffs(data, snapshots={"every": "2d"}) == [(1, f"03-{day:02d}") for day in (3, 5, 7, 9)]


EXITS = {
    "open": ([], True),
    "won before": ([("closed_won", "03-07 23:59", None)], False),
    "won at the cutoff": ([("closed_won", "03-08", None)], True),
    "lost before": ([("closed_lost", "03-02", None)], False),
    "disqualified before": ([("disqualified", "03-02", None)], False),
    "accepted by sales before: still open": ([("sql", "03-02", None)], True),
    "lost before, known at the cutoff: still open then": ([("closed_lost", "03-02", "03-08")], True),
    "lost before, known just before": ([("closed_lost", "03-02", "03-07 23:59:59.999999")], False),
    "won before, known later: neither open nor to come": ([("closed_won", "03-02", "03-20")], False),
    "won before creation": ([("closed_won", "02-01", None)], False),
}


@pytest.mark.parametrize(("rows", "expected"), EXITS.values(), ids=EXITS.keys())
def test_population(rows: list[tuple[str, str, str | None]], expected: bool) -> None:
    outcomes = [{"lead_id": 1, "stage": s, "occurred_at": o, "recorded_at": r} for s, o, r in rows]
    data = journeys(
        [{"lead_id": 1, "created_at": "03-01"}, {"lead_id": 2, "created_at": "03-01"}], outcomes=outcomes
    )
    found = cutoffs(data, snapshots={"ages": ["7d"]})
    assert ((1, "03-08") in found) is expected
    assert (2, "03-08") in found


def test_the_predicted_stage_ends_the_journey() -> None:
    rows = [{"lead_id": 1, "stage": "sql", "occurred_at": "03-02"}]
    data = journeys(
        [{"lead_id": 1, "created_at": "03-01"}, {"lead_id": 2, "created_at": "03-01"}], outcomes=rows
    )
    assert cutoffs(data, outcome="sql", snapshots={"ages": ["7d"]}) == [(2, "03-08")]


def test_immature_snapshots_are_dropped_by_date_both_classes() -> None:
    leads = [{"lead_id": 1, "created_at": "03-01"}, {"lead_id": 2, "created_at": "03-10"}]
    won = [{"lead_id": 2, "stage": "closed_won", "occurred_at": "03-12"}]
    data = journeys([*leads, {"lead_id": 3, "created_at": "03-11"}], outcomes=won, observed_until="03-20")
    assert cutoffs(data) == [(1, "03-01"), (2, "03-10")]  # 03-10 + 10 days is just observed; 03-11 is not
    assert cutoffs(data, gap="1d") == [(1, "03-01")]


def test_age_limits_are_inclusive() -> None:
    data = journeys([{"lead_id": 1, "created_at": "03-01"}])
    grid = {"every": "1d", "from": "2024-03-01", "until": "2024-03-10"}
    found = cutoffs(data, snapshots=grid, age_limits=["2d", "4d"])
    assert found == [(1, "03-03"), (1, "03-04"), (1, "03-05")]


def test_waterfall_counts_every_step() -> None:
    leads = [{"lead_id": lead, "created_at": f"03-{lead:02d}"} for lead in range(1, 9)]
    outcomes = [
        {"lead_id": 1, "stage": "closed_lost", "occurred_at": "03-02"},
        {"lead_id": 2, "stage": "closed_won", "occurred_at": "03-03", "recorded_at": "05-01"},
    ]
    data = journeys(leads, outcomes=outcomes, observed_until="03-23")
    found = build_snapshots(data, problem(snapshots={"ages": ["0d", "7d"]}))
    steps = [(step.snapshots, step.leads) for step in found.waterfall]
    assert steps == [(16, 8), (16, 8), (15, 8), (14, 8), (12, 8)]
    assert [step.rule for step in found.waterfall] == ["snapshots", "age", "open", "late_entry", "mature"]
    assert len(found.table) == found.waterfall[-1].snapshots


def test_nobody_mature_says_so() -> None:
    data = journeys([{"lead_id": 1, "created_at": "03-01"}], observed_until="03-05")
    with pytest.raises(
        PopulationError, match=r"no lead is mature.*10 days.*2024-03-05.*Shorten problem.horizon"
    ):
        build_snapshots(data, problem())


def test_nobody_open_says_at_which_step() -> None:
    won = [{"lead_id": 1, "stage": "closed_won", "occurred_at": "02-01"}]
    data = journeys([{"lead_id": 1, "created_at": "03-01"}], outcomes=won)
    with pytest.raises(
        PopulationError, match="no lead is left .* 'still open at that moment'; each had its outcome"
    ):
        build_snapshots(data, problem())


def test_nobody_whose_conversion_was_entered_in_time_says_so() -> None:
    won = [{"lead_id": 1, "stage": "closed_won", "occurred_at": "02-01", "recorded_at": "06-01"}]
    data = journeys([{"lead_id": 1, "created_at": "03-01"}], outcomes=won)
    late = "'no sale entered after the fact'; each had its outcome before its snapshot"
    with pytest.raises(PopulationError, match=f"no lead is left .* {late}"):
        build_snapshots(data, problem())


def test_nobody_within_the_age_limits_says_so() -> None:
    data = journeys([{"lead_id": 1, "created_at": "03-01"}])
    asked = problem(snapshots={"ages": ["7d"]}).model_copy(update={"age_limits": (DAY, 2 * DAY)})
    with pytest.raises(PopulationError, match="'1 to 2 days old'; check data.leads.columns.created_at"):
        build_snapshots(data, asked)


def test_open_leads_sees_what_the_batch_job_sees() -> None:
    leads = [{"lead_id": lead, "created_at": "03-01"} for lead in (1, 2, 3)]
    outcomes = [
        {"lead_id": 1, "stage": "closed_won", "occurred_at": "03-02"},
        {"lead_id": 2, "stage": "closed_won", "occurred_at": "03-02", "recorded_at": "03-20"},
    ]
    data = journeys([*leads, {"lead_id": 4, "created_at": "03-11"}], outcomes=outcomes)
    found = open_leads(data, instant("03-10").to_pydatetime(), problem())
    assert found["lead_id"].tolist() == [2, 3]
    assert (found["cutoff_time"] == instant("03-10")).all()


@settings(max_examples=60, deadline=None)
@given(
    created=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    exits=st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["closed_won", "closed_lost"]),
            st.integers(0, 60),
            st.integers(0, 10),
        ),
        max_size=6,
    ),
    every=st.integers(1, 9),
    limits=st.tuples(st.integers(0, 10), st.integers(10, 40)),
)
def test_grid_against_a_plain_loop(
    created: list[int], exits: list[tuple[int, str, int, int]], every: int, limits: tuple[int, int]
) -> None:
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

    def day(number: int) -> str:
        return f"{start + dt.timedelta(days=number):%m-%d}"

    leads = [{"lead_id": lead, "created_at": day(number)} for lead, number in enumerate(created)]
    rows = [
        {"lead_id": lead, "stage": stage, "occurred_at": day(when), "recorded_at": day(when + late)}
        for lead, stage, when, late in exits
        if lead < len(created)
    ]
    keys = {
        "snapshots": {"every": f"{every}d", "from": "2024-01-03", "until": "2024-02-20"},
        "age_limits": [f"{limits[0]}d", f"{limits[1]}d"],
    }
    expected = []
    for number in range(2, 51, every):
        for lead, birth in enumerate(created):
            if not (birth <= number and limits[0] <= number - birth <= limits[1]):
                continue
            mine = [(stage, when, when + late) for who, stage, when, late in exits if who == lead]
            known = any(seen < number for _, _, seen in mine)
            unnoticed = any(stage == "closed_won" and when < number for stage, when, _ in mine)
            if not known and not unnoticed:
                expected.append((lead, number))
    data = journeys(leads, outcomes=rows)
    if not expected:
        with pytest.raises(PopulationError, match="no lead"):
            build_snapshots(data, problem(**keys))
        return
    table = build_snapshots(data, problem(**keys)).table
    days = (table["cutoff_time"] - pd.Timestamp(start)).dt.days
    assert list(zip(table["lead_id"], days, strict=True)) == expected


def test_the_grid_lays_out_only_what_the_age_limits_allow() -> None:
    """Ten years of hours and a one-day limit: 24 points a lead, not 87,600."""
    data = journeys([{"lead_id": lead, "created_at": "01-01"} for lead in range(50)])
    grid = {"every": "1h", "from": "2014-01-01", "until": "2024-12-01"}
    table = build_snapshots(data, problem(snapshots=grid, age_limits=["1h", "1d"])).table
    assert len(table) == 50 * 24
    ages = table["cutoff_time"].astype("int64") - instant("01-01").value // 1000
    assert np.all((ages >= DAY // 24) & (ages <= DAY))


def test_a_fact_without_a_time_is_known_at_no_cutoff() -> None:
    """Features, plans, the population and the label agree; in a source such a row is quarantined."""
    lead = {"lead_id": 1, "created_at": "03-01"}
    events = [
        {"lead_id": 1, "action": "visit", "occurred_at": "03-02"},
        {"lead_id": 1, "action": "visit", "occurred_at": None},
        {"lead_id": 1, "action": "demo", "occurred_at": None},
    ]
    won = [{"lead_id": 1, "stage": "closed_won", "occurred_at": None}]
    data = journeys([lead], events=events, outcomes=won)
    asked = problem(snapshots={"ages": ["7d"]})
    snapshots = build_snapshots(data, asked).table
    assert len(snapshots) == 1, "a win without a time closes no lead"
    assert assign_labels(data, snapshots, asked).tolist() == [0]
    end = instant("12-01").to_pydatetime()
    plan = plan_features(data, make_config_of(windows=["all"]), before=end)
    row = build_features(data, snapshots, plan).iloc[0]
    assert row["actions__visit__count__all"] == 1
    facts = gather_facts(data.events, before=to_microseconds(end))
    assert facts.counts["action"].seen == {"visit": 1}
    assert first_known(data.events).tolist()[1:] == [NEVER, NEVER]
