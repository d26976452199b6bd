"""Edges by hand: a dozen rows of one lead, and what one feature says of each snapshot."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import ContractError
from mqlml.features import build_features, plan_features
from mqlml.journeys import Journeys
from tests.features.worlds import make_config_of, make_journeys, make_snapshots

CONFIG = make_config_of(windows=["1d", "7d", "all"])


def moment(text: str) -> pd.Timestamp:
    """``"10 08:00"`` is the tenth of January 2024 at eight."""
    day, _, clock = text.partition(" ")
    return pd.Timestamp(f"2024-01-{day} {clock or '00:00'}", tz="UTC")


def journeys_of(*events: dict[str, Any], created: str = "01") -> Journeys:
    lead = {
        "lead_id": 1,
        "created_at": moment(created),
        "country": "US",
        "size": None,
        "email": None,
        "job_title": None,
    }
    rows = [
        {"lead_id": 1, "channel": None, "value": None, "campaign": None, "action": "visit"}
        | event
        | {
            "occurred_at": moment(event["occurred_at"]),
            "recorded_at": moment(event.get("recorded_at", event["occurred_at"])),
        }
        for event in events
    ]
    return make_journeys([lead, lead | {"lead_id": 2}], rows)


def value(journeys: Journeys, name: str, cutoff: str) -> Any:
    plan = plan_features(journeys, CONFIG, before=None)
    # a later snapshot of the same lead knows everything, and must not let the first one see it
    snapshots = make_snapshots([(1, moment(cutoff)), (1, moment("31 23:59"))], "int64")
    found = build_features(journeys, snapshots, plan)[name].iloc[0]
    return found if isinstance(found, str) else None if pd.isna(found) else float(found)


@pytest.mark.parametrize(
    ("cutoff", "day", "week", "all_"),
    [
        ("10", 0, 0, 0),
        ("10 00:00:00.000001", 1, 1, 1),
        ("11", 1, 1, 1),
        ("11 00:00:00.000001", 0, 1, 1),
        ("17", 0, 1, 1),
        ("17 00:00:00.000001", 0, 0, 1),
        ("31", 0, 0, 1),
    ],
    ids=[
        "at the event",
        "a microsecond later",
        "exactly one day later",
        "past one day",
        "exactly one week later",
        "past one week",
        "long after",
    ],
)
def test_a_window_holds_its_first_moment_and_not_its_last(
    cutoff: str, day: int, week: int, all_: int
) -> None:
    journeys = journeys_of({"occurred_at": "10"})
    found = [value(journeys, f"actions__visit__count__{window}", cutoff) for window in ("1d", "7d", "all")]
    assert found == [day, week, all_]


@pytest.mark.parametrize(
    ("occurred", "recorded", "cutoff", "count"),
    [
        ("10", "12", "11", 0),
        ("10", "12", "12", 0),
        ("10", "12", "12 00:00:00.000001", 1),
        ("10", "09", "10", 0),
        ("10", "09", "10 00:00:01", 1),
    ],
    ids=[
        "between the act and its record",
        "at the record",
        "after the record",
        "recorded ahead, at the act",
        "recorded ahead, after the act",
    ],
)
def test_an_act_counts_once_it_happened_and_was_recorded(
    occurred: str, recorded: str, cutoff: str, count: int
) -> None:
    journeys = journeys_of({"occurred_at": occurred, "recorded_at": recorded})
    assert value(journeys, "actions__any__count__all", cutoff) == count


def test_a_row_recorded_after_a_later_one_is_not_seen_through_it() -> None:
    journeys = journeys_of(
        {"occurred_at": "10 08:00", "channel": "ads"},
        {"occurred_at": "10 08:20", "recorded_at": "20", "channel": "mail"},
        {"occurred_at": "10 08:40", "channel": "web"},
    )
    for cutoff, sessions, count, last in (("11", 2, 2, "web"), ("20", 2, 2, "web"), ("21", 1, 3, "web")):
        assert value(journeys, "actions__any__sessions__all", cutoff) == sessions
        assert value(journeys, "actions__any__count__all", cutoff) == count
        assert value(journeys, "channel__last_touch__value", cutoff) == last


@pytest.mark.parametrize(
    ("times", "sessions", "days"),
    [
        (["10 08:00", "10 08:30", "10 09:00"], 1, 1),
        (["10 08:00", "10 08:30:00.000001"], 2, 1),
        (["10 23:50", "11 00:10"], 1, 2),
        (["10 08:00", "10 08:00", "10 08:00"], 1, 1),
        ([], 0, 0),
    ],
    ids=["pauses of just the gap", "a microsecond longer", "over midnight", "at one instant", "nothing"],
)
def test_sessions_end_with_a_pause_and_days_at_midnight(times: list[str], sessions: int, days: int) -> None:
    journeys = journeys_of(*({"occurred_at": time} for time in times), {"occurred_at": "30"})
    assert value(journeys, "actions__any__sessions__all", "12") == sessions
    assert value(journeys, "actions__any__active_days__all", "12") == days


def test_a_session_cut_by_the_window_counts_as_one() -> None:
    journeys = journeys_of(*({"occurred_at": f"10 08:{minute:02}"} for minute in (0, 20, 40)))
    assert value(journeys, "actions__any__sessions__1d", "11 08:30") == 1
    assert value(journeys, "actions__any__count__1d", "11 08:30") == 1


@pytest.mark.parametrize(
    ("lately", "before", "pace"),
    [(3, 1, 0.5), (0, 2, -1.0), (2, 0, 1.0), (1, 1, 0.0), (0, 0, None)],
    ids=["faster", "gone", "new", "steady", "never"],
)
def test_pace_is_this_week_against_the_one_before(lately: int, before: int, pace: float | None) -> None:
    events = [{"occurred_at": "14"}] * lately + [{"occurred_at": "07"}] * before + [{"occurred_at": "30"}]
    assert value(journeys_of(*events), "actions__any__pace", "15") == pace


def test_values_are_added_up_exactly_whatever_came_before() -> None:
    journeys = journeys_of(
        {"occurred_at": "02", "value": 4e12},
        {"occurred_at": "10", "value": 0.1},
        {"occurred_at": "10 01:00", "value": 0.2},
        {"occurred_at": "10 02:00"},
    )
    assert value(journeys, "actions__value__sum__7d", "11") == np.float32(0.3)
    assert value(journeys, "actions__value__mean__7d", "11") == np.float32(0.15)
    assert value(journeys, "actions__value__mean__1d", "20") is None
    assert value(journeys, "actions__value__sum__1d", "20") == 0


@pytest.mark.parametrize("values", [[9e12, 9e12], [np.inf]], ids=["too large a sum", "infinite"])
def test_values_too_large_to_add_up_exactly_are_refused(values: list[float]) -> None:
    journeys = journeys_of(*({"occurred_at": "02", "value": number} for number in values))
    with pytest.raises(ContractError, match=r"add up to .* give events\.value in a larger unit"):
        value(journeys, "actions__value__sum__all", "03")


def test_large_values_of_different_leads_are_not_added_to_each_other() -> None:
    journeys = journeys_of(
        {"occurred_at": "02", "value": 6e12}, {"occurred_at": "02", "value": 6e12, "lead_id": 2}
    )
    assert value(journeys, "actions__value__sum__all", "03") == np.float32(6e12)


@pytest.mark.parametrize(
    ("channels", "first", "last"),
    [(["ads", "mail"], "ads", "mail"), (["mail", "ads"], "ads", "mail"), ([None, "web"], "missing", "web")],
    ids=["one order", "the other order", "a nameless one"],
)
def test_touches_of_one_instant_have_one_order(channels: list[str | None], first: str, last: str) -> None:
    journeys = journeys_of(*({"occurred_at": "10", "channel": channel} for channel in channels))
    assert value(journeys, "channel__first_touch__value", "11") == first
    assert value(journeys, "channel__last_touch__value", "11") == last


def test_a_lead_is_known_from_the_moment_it_was_created() -> None:
    journeys = journeys_of({"occurred_at": "02"}, created="10")
    config = make_config_of(profile={"static": ["country"]})
    other = journeys.leads.assign(country=["US", "DE"])
    plan = plan_features(Journeys(**{**vars(journeys), "leads": other}), config, before=None)
    snapshots = make_snapshots([(1, moment("09 23:59:59")), (1, moment("10")), (1, moment("11"))], "int64")
    table = build_features(journeys, snapshots, plan)
    assert table["profile__country__value"].fillna("unknown").tolist() == ["unknown", "US", "US"]
    assert table["profile__lead__age"].fillna(-1).tolist() == [-1, 0, 1]


@pytest.mark.parametrize(
    ("cutoff", "plan"),
    [
        ("05", None),
        ("05 00:00:00.000001", "basic"),
        ("08", "basic"),
        ("08 00:00:00.000001", "pro"),
        ("12", "pro"),
        ("12 00:00:00.000001", "basic"),
        ("14 00:00:00.000001", "gone"),
        ("15 00:00:00.000001", "free"),
    ],
    ids=[
        "at the start",
        "after it",
        "at the record of a late change",
        "after that record",
        "at the end of the change",
        "after its end the lasting one holds again",
        "the first of two changes of one moment",
        "the one recorded later",
    ],
)
def test_an_attribute_is_read_as_it_was_known(cutoff: str, plan: str | None) -> None:
    journeys = journeys_of({"occurred_at": "02"})
    changes = [
        ("basic", "05", None, "05"),
        ("pro", "06", "12", "08"),
        ("free", "14", None, "15"),
        ("gone", "14", None, "14"),
    ]
    rows = [
        {
            "lead_id": 1,
            "field": "plan",
            "value": value,
            "valid_from": moment(start),
            "valid_to": end and moment(end),
            "recorded_at": moment(known),
        }
        for value, start, end, known in changes
    ]
    told = make_journeys(journeys.leads.to_dict("records"), journeys.events.to_dict("records"), rows)
    found = build_features(
        told,
        make_snapshots([(1, moment(cutoff))], "int64"),
        plan_features(told, make_config_of(profile={"history": ["plan"]}), before=None),
    )["profile__plan__as_of"].iloc[0]
    assert (None if pd.isna(found) else found) == plan


def test_a_million_unsorted_rows_of_one_lead_are_no_burden() -> None:
    rng = np.random.default_rng(0)
    journeys = journeys_of({"occurred_at": "10"})
    micros = rng.permutation(1_000_000)
    times = pd.Series(pd.to_datetime(micros + 1_700_000_000_000_000, unit="us", utc=True)).astype(
        "datetime64[us, UTC]"
    )
    events = pd.DataFrame({"lead_id": 1, "occurred_at": times, "recorded_at": times, "action": "visit"})
    large = Journeys(**{**vars(journeys), "events": events.astype({"action": "category"})})
    half = times.min() + pd.Timedelta(microseconds=500_000)
    plan = plan_features(large, CONFIG, before=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    table = build_features(large, make_snapshots([(1, half)], "int64"), plan)
    assert table["actions__visit__count__all"].iloc[0] == 500_000


def snapshots_with(**columns: Any) -> pd.DataFrame:
    return make_snapshots([(1, moment("11"))], "int64").assign(**columns)


@pytest.mark.parametrize(
    ("snapshots", "says"),
    [
        (
            make_snapshots([(3, moment("11")), (4, moment("11"))], "int64"),
            r"lead_id 3, 4 has none \(2 such in all\)",
        ),
        (make_snapshots([("1", moment("11"))], "str"), "whole numbers in leads, but text in the snapshots"),
        (snapshots_with(cutoff_time=pd.NaT), "position 0 has none"),
        (snapshots_with(cutoff_time=pd.Timestamp("2024-01-11")), "times with a zone"),
        (snapshots_with().drop(columns="lead_id"), "need the columns 'lead_id' and 'cutoff_time'"),
    ],
    ids=["unknown leads", "other kind of id", "no cutoff", "no zone", "no column"],
)
def test_snapshots_that_cannot_be_made_are_refused(snapshots: pd.DataFrame, says: str) -> None:
    journeys = journeys_of({"occurred_at": "10"})
    plan = plan_features(journeys, CONFIG, before=None)
    with pytest.raises(ContractError, match=says):
        build_features(journeys, snapshots, plan)


def test_a_lead_with_two_rows_is_refused() -> None:
    journeys = journeys_of({"occurred_at": "10"})
    plan = plan_features(journeys, CONFIG, before=None)
    double = Journeys(**{**vars(journeys), "leads": pd.concat([journeys.leads] * 2, ignore_index=True)})
    with pytest.raises(ContractError, match="needs one row in leads; lead_id 1 has 2"):
        build_features(double, make_snapshots([(1, moment("11"))], "int64"), plan)
