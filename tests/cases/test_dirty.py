"""Dirty journeys: merged leads, machines, spellings of one word, leads that a rule leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.commands.check import read_data
from mqlml.config import Problem, make_config
from mqlml.journeys import Journeys
from mqlml.journeys.cleaning import MACHINE_ACTION, find_crowded
from mqlml.progress import Silent
from mqlml.training.snapshots import assign_labels, group_leads, open_leads
from tests.cases.test_tables import rows
from tests.journeys.files import findings, read, write

NOW = pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime()
MERGE: dict[str, Any] = {
    "leads.csv": "lead_id,created_at\nold,2024-01-01\nnew,2024-01-10\nother,2024-01-01\n",
    "events.csv": "lead_id,occurred_at,action\nold,2024-01-02,visit\nnew,2024-01-11,demo\nold,2024-02-05,call\n"
    "gone,2024-01-12,visit\n",
    "outcomes.csv": "lead_id,occurred_at,stage\nnew,2024-03-01,closed_won\n",
    "merged.csv": "was,is,day\nold,new,2024-02-01\ngone,other,2024-02-01\n",
}
MERGES = {"path": "merged.csv", "columns": {"from": "was", "into": "is", "at": "day"}}


def moment(text: str) -> Any:
    return pd.Timestamp(text, tz="UTC").to_pydatetime()


@pytest.fixture
def merged(tmp_path: Path) -> Journeys:
    return read(tmp_path, MERGE, merges=MERGES)


def test_a_merged_lead_is_open_until_the_merge_and_the_other_after_it(merged: Journeys) -> None:
    problem = Problem()
    before, after = (
        open_leads(merged, moment(day), problem)["lead_id"].tolist() for day in ("2024-01-31", "2024-02-02")
    )
    assert before == ["old", "new", "other"]
    assert after == ["new", "other"]


def test_the_win_of_the_lead_that_stays_counts_for_both(merged: Journeys) -> None:
    looks = pd.DataFrame(
        {"lead_id": ["old", "new", "other"], "cutoff_time": pd.Timestamp("2024-01-20", tz="UTC")}
    )
    assert assign_labels(merged, looks, Problem()).tolist() == [1, 1, 0]


def test_the_lead_that_stays_has_both_journeys_from_the_merge_on(merged: Journeys) -> None:
    mine = merged.events[merged.events["lead_id"] == "new"]
    assert rows(mine, "occurred_at", "recorded_at", "action") == [
        ("2024-01-11 00:00:00+00:00", "2024-01-11 00:00:00+00:00", "demo"),
        ("2024-01-02 00:00:00+00:00", "2024-02-01 00:00:00+00:00", "visit"),
        ("2024-02-05 00:00:00+00:00", "2024-02-05 00:00:00+00:00", "call"),
    ]


def test_events_of_a_lead_that_is_gone_belong_to_the_one_it_went_into(merged: Journeys) -> None:
    mine = merged.events[merged.events["lead_id"] == "other"]
    assert rows(mine, "recorded_at", "action") == [("2024-02-01 00:00:00+00:00", "visit")]
    assert findings(merged.quarantine) == []


def test_both_stand_on_one_side_of_every_split(merged: Journeys) -> None:
    old, new, other = group_leads(merged.leads)
    assert old == new != other
    assert [(notice.kind, notice.leads) for notice in merged.notices] == [("merged", 1)]


def test_two_leads_merged_into_each_other_leave_one_open(tmp_path: Path) -> None:
    circle = {"merged.csv": "was,is,day\nold,new,2024-02-01\nnew,old,2024-02-05\nother,other,2024-02-05\n"}
    journeys = read(tmp_path, {**MERGE, **circle}, merges=MERGES)
    assert open_leads(journeys, moment("2024-02-10"), Problem())["lead_id"].tolist() == ["new", "other"]
    assert [(notice.kind, notice.rows) for notice in journeys.notices] == [
        ("merged", 1),
        ("ignored_merges", 2),
    ]
    assert assign_labels(
        journeys,
        pd.DataFrame({"lead_id": ["old", "new"], "cutoff_time": pd.Timestamp("2024-01-20", tz="UTC")}),
        Problem(),
    ).tolist() == [1, 1]


def test_a_lead_that_is_gone_may_have_gone_into_another_that_is(tmp_path: Path) -> None:
    chain = {
        "merged.csv": "was,is,day\ngone,there,2024-01-20\nthere,other,2024-02-01\nlost,nowhere,2024-02-01\n"
        "x,y,2024-02-01\ny,x,2024-02-01\n"
    }
    journeys = read(tmp_path, {**MERGE, **chain}, merges=MERGES)
    mine = journeys.events[journeys.events["lead_id"] == "other"]
    assert rows(mine, "recorded_at", "action") == [("2024-02-01 00:00:00+00:00", "visit")]
    assert findings(journeys.quarantine) == [
        ("merges", row, "is", into, "unknown lead") for row, into in ((3, "nowhere"), (4, "y"), (5, "x"))
    ]


def test_ids_of_merges_match_leads_as_those_of_other_tables_do(tmp_path: Path) -> None:
    leads = "lead_id,created_at\n1,2024-01-01\n2,2024-01-01\n"
    merges = {"leads.csv": leads, "merged.csv": "was,is,day\n1.0, 2,2024-02-01\n"}
    journeys = read(tmp_path, merges, merges=MERGES)
    assert journeys.merged.old.tolist() == [0]
    assert journeys.merged.new.tolist() == [1]


CLICKS = "".join(f"1,2024-01-05 10:00:0{n % 5},Click,l{n % 3},Mozilla\n" for n in range(24))
MAIL = "".join(f"2,2024-01-06 10:00:01,click,link{n},Mozilla\n" for n in range(6))
EVENTS = (
    "lead_id,occurred_at,action,content,user_agent\n"
    f"{CLICKS}{MAIL}3,2024-01-07 10:00:03,click,a,Barracuda Sentinel\n3,2024-01-08 11:00:04,demo,b,Mozilla\n"
    "1,2024-01-09 12:00:05,demo,c,Mozilla\n"
)


def journeys_with(
    folder: Path, bots: str, events: str = EVENTS, *, merges: dict[str, str] | None = None, **rules: Any
) -> Journeys:
    leads = "lead_id,created_at,email\n1,2024-01-01,a@x.com\n2,2024-01-02,b@ours.com\n3,2024-01-03,c@y.com\n"
    outcomes = "lead_id,occurred_at,stage\n1,2024-02-01,closed_won\n2,2024-02-01,closed_won\n"
    write(folder, {"leads.csv": leads, "events.csv": events, "outcomes.csv": outcomes})
    data: dict[str, Any] = {
        "observed_until": "2024-12-31",
        **{name: {"path": f"{name}.csv"} for name in ("leads", "events", "outcomes")},
    }
    data |= {} if merges is None else {"merges": merges}
    settings = {"name": "w", "data": data, "journeys": {"bots": bots}, "rules": rules}
    found = read_data(make_config(settings, folder=folder), Silent(), now=NOW)
    assert isinstance(found, Journeys)
    return found


def test_bursts_scanners_and_whole_mails_are_left_out(tmp_path: Path) -> None:
    journeys = journeys_with(tmp_path, "drop")
    assert rows(journeys.events, "lead_id", "action") == [("3", "demo"), ("1", "demo")]
    assert "user_agent" not in journeys.events
    told = {notice.kind: notice for notice in journeys.notices}
    assert (told["machine_events"].rows, told["machine_events"].leads) == (31, 3)


def test_no_lead_with_a_burst_is_passed_over() -> None:
    draw = np.random.default_rng(0)
    lead = np.repeat(np.arange(2_000, dtype=np.int32), 7)
    times = draw.integers(0, 60_000_000, len(lead))
    sooner = times.reshape(-1, 7)
    sooner.sort(axis=1)
    burst = (sooner[:, 4:] - sooner[:, :3] <= 10_000_000).any(axis=1)  # five within ten seconds
    found = find_crowded(lead, times, 5, 10_000_000)
    assert 20 < burst.sum() < 200
    assert set(np.flatnonzero(burst)) <= set(lead[found])
    far = np.arange(len(lead)) * 60_000_000
    assert len(find_crowded(lead, far, 5, 10_000_000)) == 0


def test_machine_events_can_be_kept_and_flagged(tmp_path: Path) -> None:
    assert len(journeys_with(tmp_path, "keep").events) == 33
    flagged = journeys_with(tmp_path, "flag").events
    assert (flagged["action"] == MACHINE_ACTION).sum() == 31


@pytest.mark.parametrize("time", ["", " 10:00", " 10:00:00"], ids=["days", "minutes", "full minutes"])
def test_times_too_coarse_for_bursts_show_none(time: str, tmp_path: Path) -> None:
    events = "lead_id,occurred_at,action\n" + f"1,2024-01-05{time},visit\n" * 40
    assert len(journeys_with(tmp_path, "drop", events).events) == 40


def test_people_are_no_machines(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,action,content\n" + "".join(
        f"1,2024-01-05 10:{n:02d}:07,visit,page{n % 5}\n" for n in range(40)
    )
    assert len(journeys_with(tmp_path, "drop", events).events) == 40


def test_spellings_of_actions_and_channels_become_one(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,action,channel\n1,2024-01-05,Demo Request,Mail\n2,2024-01-05,demo  request ,mail\n"
    journeys = read(tmp_path, {"events.csv": events})
    assert rows(journeys.events, "action", "channel") == [("demo request", "mail")] * 2
    assert [(notice.kind, notice.column) for notice in journeys.notices] == [
        ("spellings", "action"),
        ("spellings", "channel"),
    ]


def test_excluded_leads_are_gone_with_all_their_rows(tmp_path: Path) -> None:
    rule = {"when": {"mail_domain": {"in": ["ours.com"]}}, "reason": "internal test"}
    journeys = journeys_with(tmp_path, "drop", exclude=[rule])
    assert journeys.leads["lead_id"].tolist() == [1, 3]
    assert set(journeys.outcomes["lead_id"]) == {1}
    assert 2 not in set(journeys.events["lead_id"])
    assert len(journeys.quarantine) == 0
    told = {notice.kind: notice for notice in journeys.notices}
    assert (told["excluded"].leads, told["excluded"].examples) == (1, ("internal test",))
