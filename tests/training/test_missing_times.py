"""A time that is missing means the same to the snapshots, the label, the features and the audit."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import PopulationError
from mqlml.features import build_features, plan_features
from mqlml.features.families.builder import Source
from mqlml.features.kernels.windows import Events, read_snapshot_keys
from mqlml.features.parsers.attributes import rows_as_of
from mqlml.journeys import Journeys
from mqlml.times import DAY, NEVER, to_microseconds
from mqlml.training import build_snapshots, open_leads
from mqlml.training.leakage.events import count_events
from mqlml.training.leakage.perturbation import perturb
from mqlml.training.leakage.times import Moments, audit_creation, count_changes
from mqlml.training.snapshots import conversion_times, creation_times, first_known, fix_grid
from tests.by_hand import instant, journeys, problem
from tests.features.worlds import make_config_of

END = instant("12-01")
LEADS = [{"lead_id": 1, "created_at": "03-01", "account_id": "a"}]
UNBORN = {"lead_id": 2, "created_at": None, "account_id": "a"}
HISTORY = [
    {"field": "size", "value": "small", "valid_from": "03-01", "recorded_at": "03-01"},
    {"field": "size", "value": "no start", "valid_from": None, "recorded_at": "03-02"},
    {"field": "size", "value": "no record", "valid_from": "03-02", "recorded_at": None},
]


def world(*, leads: list[dict[str, Any]] | None = None, **tables: Any) -> Journeys:
    changes = [{"lead_id": 1, "valid_to": None, **row} for row in HISTORY]
    return journeys(LEADS if leads is None else leads, history=changes, **tables)


def as_of(*moments: str, lead_id: int = 1) -> pd.DataFrame:
    times = pd.Series([instant(moment) for moment in moments]).astype("datetime64[us, UTC]")
    return pd.DataFrame({"lead_id": [lead_id] * len(moments), "cutoff_time": times})


def test_a_fact_without_a_time_is_known_at_the_same_moment_everywhere() -> None:
    rows = [("05-01", "05-02"), ("05-02", "05-01"), (None, "05-01"), ("05-01", None), (None, None)]
    events = [
        {"lead_id": 1, "action": "visit", "occurred_at": occurred, "recorded_at": recorded}
        for occurred, recorded in rows
    ]
    data = world(events=events)
    # the short rows fall back to the time of the event, which is missed here on purpose
    unrecorded = pd.Series([recorded is None for _, recorded in rows])
    table = data.events.assign(recorded_at=data.events["recorded_at"].mask(unrecorded))
    known = to_microseconds(instant("05-02").to_pydatetime())
    assert first_known(table).tolist() == [known, known, NEVER, NEVER, NEVER]
    assert Events(table).known.tolist() == first_known(table).tolist()


def test_a_change_without_a_time_is_known_at_no_cutoff() -> None:
    data = world()
    snapshots = as_of("03-03", "11-01")
    asked, position = read_snapshot_keys(snapshots, data.leads)
    source = Source(data.leads, data.history, asked, asked.lead, data.leads, position)
    changes, held = rows_as_of(source, "size")
    assert changes["value"].take(held).tolist() == ["small", "small"], "features"
    assert (first_known(data.history, "valid_from") < NEVER).tolist() == [True, False, False]


def test_a_change_without_a_time_comes_after_every_cutoff_in_the_audit() -> None:
    data = world()
    first_cutoff = np.array([to_microseconds(END.to_pydatetime())])
    counts = count_changes(data.history, ["size"], np.zeros(3, np.intp), first_cutoff, np.array([NEVER]))
    assert counts.table.loc["size"].to_dict() == {"leads": 1, "changed": 1, "won": 0, "won_after": 0}
    only_known = data.history[first_known(data.history, "valid_from") < NEVER]
    counts = count_changes(only_known, ["size"], np.zeros(1, np.intp), first_cutoff, np.array([NEVER]))
    assert counts.table.loc["size", "changed"] == 0


def test_an_event_without_a_time_comes_before_no_conversion_in_the_audit() -> None:
    events = [
        {"lead_id": 1, "action": "timed", "occurred_at": "03-02"},
        {"lead_id": 1, "action": "untimed", "occurred_at": None},
    ]
    won = [{"lead_id": 1, "stage": "closed_won", "occurred_at": "04-01"}]
    table = count_events(world(events=events, outcomes=won), problem()).table
    assert table.loc["timed", "won_before"] == 1
    assert table.loc["untimed", "won_before"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_proof_changes_what_has_no_time(seed: int) -> None:
    """What the features do not know, the proof may change; a fact that they know stays."""
    data = world(events=[{"lead_id": 1, "action": "visit", "occurred_at": "03-02"}])
    cutoff = np.array([to_microseconds(END.to_pydatetime())])
    other = perturb(data, cutoff, np.random.default_rng(seed), keep=np.array([True])).journeys
    assert {"small"} <= set(other.history["value"])
    before, after = (
        table.assign(known=first_known(table, "valid_from")) for table in (data.history, other.history)
    )
    columns = ["field", "value", "known"]
    pd.testing.assert_frame_equal(
        before.loc[before["known"] < cutoff[0], columns].reset_index(drop=True),
        after.loc[after["known"] < cutoff[0], columns].reset_index(drop=True),
    )


@pytest.mark.parametrize("snapshots", [{"ages": ["0d", "7d"]}, {"every": "7d"}], ids=["ages", "grid"])
def test_a_lead_without_a_creation_time_is_looked_at_nowhere(snapshots: dict[str, Any]) -> None:
    alone, both = world(), world(leads=[UNBORN, *LEADS])
    asked = problem(snapshots=snapshots, age_limits=["0d", "60d"])
    assert creation_times(both.leads).tolist() == [NEVER, to_microseconds(instant("03-01").to_pydatetime())]
    for data in (alone, both):
        assert fix_grid(asked, data.leads) == fix_grid(asked, alone.leads)
        found = build_snapshots(data, asked)
        pd.testing.assert_frame_equal(found.table, build_snapshots(alone, asked).table)
        assert found.waterfall == build_snapshots(alone, asked).waterfall
        moment = instant("03-15").to_pydatetime()
        assert open_leads(data, moment, asked)["lead_id"].tolist() == [1]


@pytest.mark.parametrize("snapshots", [{"ages": ["7d"]}, {"every": "7d"}], ids=["ages", "grid"])
def test_leads_that_all_lack_a_creation_time_are_no_population(snapshots: dict[str, Any]) -> None:
    data, asked = journeys([UNBORN]), problem(snapshots=snapshots)
    assert fix_grid(asked, data.leads) == asked
    with pytest.raises(PopulationError, match="no lead is left to learn from"):
        build_snapshots(data, asked)


def test_the_account_does_not_know_a_lead_without_a_creation_time() -> None:
    acts = [{"lead_id": number, "action": "visit", "occurred_at": "03-02"} for number in (2, 3)]
    born = [*LEADS, {**LEADS[0], "lead_id": 3}]
    config = make_config_of(windows=["all"], features={"groups": {"account": True}})
    plan = plan_features(world(leads=born, events=acts), config, before=END.to_pydatetime())
    without, with_it = (
        build_features(world(leads=leads, events=acts), as_of("05-01"), plan)
        for leads in (born, [*born, UNBORN])
    )
    others = [name for name in with_it if name.startswith("actions__colleagues__")]
    assert with_it["actions__colleagues__created"].tolist() == [1]
    assert with_it["actions__colleagues__count__all"].tolist() == [1]
    pd.testing.assert_frame_equal(with_it[others], without[others])
    own = build_features(world(leads=[*born, UNBORN], events=acts), as_of("05-01", lead_id=2), plan)
    assert own["profile__lead__age"].isna().all()


def test_a_winner_without_a_creation_time_was_not_entered_at_the_deal() -> None:
    won = [{"lead_id": number, "stage": "closed_won", "occurred_at": "04-01"} for number in range(200)]
    timed = [f"03-01 {number % 24:02d}:00" if number % 2 else None for number in range(200)]
    leads = [{"lead_id": number, "created_at": created} for number, created in enumerate(timed)]
    data = journeys(leads, outcomes=won)
    converted = conversion_times(data, problem())
    moments = Moments(
        creation_times(data.leads), converted, converted, int(converted.max()) + DAY, ZoneInfo("UTC")
    )
    assert audit_creation(moments) == ()
