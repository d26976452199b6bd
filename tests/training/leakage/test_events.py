"""Event types around the conversion: by hand, in simulated worlds with and without leaks, and in parts."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Config
from mqlml.errors import ConfigError
from mqlml.features import build_features, plan_features
from mqlml.simulate import Simulation, simulate
from mqlml.training import EventCounts, audit_events, count_events, refused_actions
from mqlml.training.partitions import assign_partitions
from tests.by_hand import journeys, problem
from tests.features.worlds import make_config_of

BY_HAND = journeys(
    [{"lead_id": lead, "created_at": "01-01"} for lead in (1, 2, 3)]
    + [{"lead_id": 4, "created_at": "12-30"}],
    events=[
        {"lead_id": 1, "action": "visit", "occurred_at": "01-02"},
        {"lead_id": 1, "action": "visit", "occurred_at": "01-09"},
        {"lead_id": 1, "action": "checkout", "occurred_at": "01-04 11:30"},
        {"lead_id": 1, "action": "purchase", "occurred_at": "01-04 12:00"},
        {"lead_id": 2, "action": "visit", "occurred_at": "01-02"},
        {"lead_id": 2, "action": "call", "occurred_at": "01-03", "recorded_at": "01-06"},
        {"lead_id": 3, "action": "visit", "occurred_at": "01-02"},
        {"lead_id": 4, "action": "visit", "occurred_at": "12-30 12:00"},
    ],
    outcomes=[
        {"lead_id": 1, "stage": "closed_won", "occurred_at": "01-04 12:00"},
        {"lead_id": 2, "stage": "closed_won", "occurred_at": "01-05"},
    ],
)


def test_counts_by_hand() -> None:
    table = count_events(BY_HAND, problem()).table
    columns = ["rows", "before", "after", "with_it", "settled", "settled_won", "won_before", "won_close"]
    assert table[columns].loc["visit"].tolist() == [5, 4, 1, 0, 3, 2, 2, 0]
    assert table[columns].loc["checkout"].tolist() == [1, 1, 0, 0, 1, 1, 1, 1]
    assert table[columns].loc["purchase"].tolist() == [1, 0, 1, 1, 0, 0, 0, 0]
    assert table[columns].loc["call"].tolist() == [1, 0, 1, 0, 0, 0, 0, 0], "known only after the win"


def config(**features: Any) -> Config:
    return make_config_of(features=features, problem={"horizon": "60d", "snapshots": {"ages": ["0d"]}})


@pytest.fixture(scope="module")
def leaky() -> Simulation:
    return simulate(4000, random_state=7, leaky_columns=True)


def found(counts: EventCounts, settings: Config) -> dict[str, str]:
    return {finding.column: finding.action for finding in audit_events(counts, settings)}


def test_parts_add_up_to_the_whole(leaky: Simulation) -> None:
    whole = leaky.journeys()
    partitioned = assign_partitions(whole.leads, 3)
    parts = []
    for number in range(3):
        leads = whole.leads[partitioned == number]
        tables = {
            name: getattr(whole, name)[getattr(whole, name)["lead_id"].isin(leads["lead_id"])]
            for name in ("events", "outcomes")
        }
        parts.append(count_events(replace(whole, leads=leads, **tables), config().problem))
    summed = reduce(add, parts).table.sort_index()
    pd.testing.assert_frame_equal(summed, count_events(whole, config().problem).table.sort_index())


def test_what_follows_the_deal_is_refused_and_nothing_else(leaky: Simulation) -> None:
    (finding,) = audit_events(count_events(leaky.journeys(), config().problem), config())
    assert (finding.column, finding.kind) == ("onboarding_call", "action")
    assert (finding.action, finding.severity) == ("refused", "certain")
    after = next(clue for clue in finding.evidence if clue.check == "after_conversion")
    assert (after.figures["before"], after.figures["after"]) == (0, after.figures["rows"])


@pytest.mark.parametrize("signal", [0.0, 1.0])
@pytest.mark.parametrize("leads", [100, 1000])
def test_a_clean_world_is_not_suspected(leads: int, signal: float) -> None:
    for seed in range(3):
        world = simulate(leads, random_state=seed, signal=signal)
        assert found(count_events(world.journeys(), config().problem), config()) == {}


def _dated_back(world: Simulation, away: pd.Timedelta) -> Simulation:
    """The onboarding call written down as if it had been this long before its deal."""
    wins = world.outcomes[world.outcomes["stage"] == "closed_won"].set_index("lead_id")["occurred_at"]
    events = world.events.copy()
    rows = (events["action"] == "onboarding_call").to_numpy()
    deal = events.loc[rows, "lead_id"].map(wins)
    events["action"] = events["action"].cat.rename_categories({"onboarding_call": "intro_meeting"})
    events.loc[rows, "occurred_at"] = deal - away
    events.loc[rows, "recorded_at"] = deal - away
    return replace(world, events=events)


@pytest.mark.parametrize(
    ("away", "check", "action"),
    [
        (pd.Timedelta(0), "with_conversion", "refused"),
        (pd.Timedelta(days=20), "before_conversion", "refused"),
        (pd.Timedelta(minutes=20), "before_conversion", "refused"),
    ],
    ids=["at the deal", "weeks before it", "just before it"],
)
def test_an_event_that_is_dated_back(leaky: Simulation, away: pd.Timedelta, check: str, action: str) -> None:
    world = _dated_back(leaky, away)
    (finding,) = audit_events(count_events(world.journeys(), config().problem), config())
    assert finding.column == "intro_meeting"
    assert finding.action == action
    assert check in {clue.check for clue in finding.evidence}


def test_a_step_of_the_conversion_is_told_not_refused(leaky: Simulation) -> None:
    """Others take the step, too, and do not buy."""
    world = _dated_back(leaky, pd.Timedelta(minutes=20))
    some = world.leads.iloc[::3]
    steps = (
        world.events.iloc[:0]
        .reindex(range(len(some)))
        .assign(
            lead_id=some["lead_id"].to_numpy(),
            occurred_at=(some["created_at"] + pd.Timedelta(days=1)).to_numpy(),
            recorded_at=(some["created_at"] + pd.Timedelta(days=1)).to_numpy(),
            action="intro_meeting",
        )
    )
    for column in ("occurred_at", "recorded_at"):
        steps[column] = pd.to_datetime(steps[column], utc=True).astype(world.events[column].dtype)
    steps["action"] = steps["action"].astype(world.events["action"].dtype)
    world = replace(world, events=pd.concat([world.events, steps.astype(world.events.dtypes)]))
    (finding,) = audit_events(count_events(world.journeys(), config().problem), config())
    assert (finding.column, finding.action, finding.severity) == ("intro_meeting", "noted", "suspicious")


def test_forced_by_name_with_a_reason(leaky: Simulation) -> None:
    settings = config(force={"onboarding_call": "a call to every new lead"})
    (finding,) = audit_events(count_events(leaky.journeys(), settings.problem), settings)
    assert finding.action == "forced"
    assert finding.reason.endswith("Kept because: a call to every new lead")
    assert refused_actions([finding]) == ()


def test_forcing_what_is_not_there_names_the_nearest(leaky: Simulation) -> None:
    settings = config(force={"onbording_call": "why"})
    with pytest.raises(
        ConfigError, match=r"features\.force names 'onbording_call', .*did you mean 'onboarding_call'"
    ):
        audit_events(count_events(leaky.journeys(), settings.problem), settings)


def test_a_refused_type_is_as_if_it_had_never_happened(leaky: Simulation) -> None:
    whole = leaky.journeys()
    rows = (whole.events["action"] != "onboarding_call").to_numpy()
    without = replace(whole, events=whole.events[rows])
    plan = plan_features(whole, config(), before=None, refused_actions=["onboarding_call"])
    assert plan.refused_actions == ("onboarding_call",)
    assert not any("onboarding" in feature.name for feature in plan.features)
    late = whole.leads["created_at"] + pd.Timedelta(days=300)
    snapshots = whole.leads[["lead_id"]].assign(cutoff_time=late).iloc[::7]
    np.testing.assert_array_equal(
        build_features(whole, snapshots, plan).select_dtypes("number"),
        build_features(without, snapshots, plan).select_dtypes("number"),
    )
    unfiltered = replace(plan, refused_actions=())
    assert not build_features(whole, snapshots, unfiltered).equals(build_features(without, snapshots, plan))
