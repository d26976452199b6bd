"""Whom the leads stand for: duplicates of one person, and leads that a rule leaves out wherever they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mqlml.config import Problem, Profile, make_config
from mqlml.errors import PopulationError
from mqlml.journeys import FlatTable, Journeys, read_flat
from mqlml.journeys.people import find_duplicates, leave_out
from mqlml.training.snapshots import exclude_leads, find_snapshots, group_leads, open_leads
from tests.cases.test_dirty import journeys_with, moment
from tests.cases.test_tables import rows
from tests.journeys.files import read

LEADS = (
    "lead_id,created_at,Email,Phone\n"
    "new,2024-01-10,Ann@X.com ,\nold,2024-01-01,ann@x.com,+49 30 1234567\nother,2024-01-02,bob@x.com,\n"
    "caller,2024-01-05,,0049 30 123-4567\n"
)
PEOPLE: dict[str, Any] = {
    "leads.csv": LEADS,
    "events.csv": "lead_id,occurred_at,action\nold,2024-01-02,visit\nnew,2024-01-11,demo\nold,2024-02-05,call\n",
    "outcomes.csv": "lead_id,occurred_at,stage\nnew,2024-03-01,closed_won\n",
}
MERGED = {"path": "leads.csv", "duplicates": "merge"}


def told(data: Journeys | FlatTable) -> list[tuple[str, str, int]]:
    return [(notice.kind, notice.column, notice.leads) for notice in data.notices]


def test_duplicates_are_told_and_left_as_they_are(tmp_path: Path) -> None:
    journeys = read(tmp_path, PEOPLE)
    assert told(journeys) == [("duplicates", "Email", 1), ("duplicates", "Phone", 1)]
    assert len(journeys.merged) == 0
    assert all("ann" not in str(notice).lower() for notice in journeys.notices)


def test_duplicates_are_merged_into_the_oldest_if_asked(tmp_path: Path) -> None:
    journeys = read(tmp_path, PEOPLE, leads=MERGED)
    assert told(journeys) == [("duplicates_merged", "Email", 1), ("duplicates_merged", "Phone", 1)]
    mine = journeys.events[journeys.events["lead_id"] == "old"]
    assert rows(mine, "recorded_at", "action") == [
        ("2024-01-02 00:00:00+00:00", "visit"),
        ("2024-02-05 00:00:00+00:00", "call"),
        ("2024-01-11 00:00:00+00:00", "demo"),
    ]
    closed = journeys.outcomes[journeys.outcomes["stage"] == "disqualified"]
    assert rows(closed, "lead_id", "occurred_at") == [
        ("caller", "2024-01-04 23:59:59.999999+00:00"),
        ("new", "2024-01-09 23:59:59.999999+00:00"),
    ]
    ages = Problem.model_validate({"snapshots": {"ages": ["0d"]}})
    for lead, day in (("new", "2024-01-10"), ("caller", "2024-01-05")):
        assert lead not in open_leads(journeys, moment(day), ages)["lead_id"].tolist()
    assert find_snapshots(journeys, ages).table["lead_id"].tolist() == ["old", "other"]
    won = journeys.outcomes[journeys.outcomes["stage"] == "closed_won"]
    assert set(won["lead_id"]) == {"new", "old"}
    new, old, other, caller = group_leads(journeys.leads)
    assert new == old == caller != other


def test_a_merge_that_the_table_holds_is_no_duplicate(tmp_path: Path) -> None:
    files = {**PEOPLE, "merged.csv": "from,into,at\nnew,old,2024-02-01\n"}
    journeys = read(tmp_path, files, leads=MERGED, merges={"path": "merged.csv"})
    assert told(journeys) == [("merged", "", 1), ("duplicates_merged", "Phone", 1)]
    closed = journeys.outcomes[journeys.outcomes["stage"] == "disqualified"].set_index("lead_id")
    assert closed.loc["new", "occurred_at"] == moment("2024-02-01")


CONTACTS: dict[str, tuple[list[tuple[Any, Any]], list[tuple[int, int]]]] = {
    "case and blanks": ([("a@x.com", None), (" A@X.COM", None)], [(1, 0)]),
    "no address": ([("n/a", None), ("n/a", None), ("x", None), ("x", None)], []),
    "colleagues at one phone": ([("a@x.com", "555 010 1234"), ("b@x.com", "5550101234")], []),
    "a phone of nobody else": ([("a@x.com", "555 010 1234"), (None, "(555) 0101234")], [(1, 0)]),
    "whose phone is not clear": (
        [("a@x.com", "5550101234"), ("b@x.com", "5550101234"), (None, "5550101234")],
        [],
    ),
    "phones only": ([(None, "5550101234"), (None, "555-010-1234")], [(1, 0)]),
    "no number": ([(None, "1111111"), (None, "1111111"), (None, "12"), (None, "12")], []),
    "three of one": ([("a@x.com", None)] * 3, [(1, 0), (2, 0)]),
    "a placeholder": ([("info@x.com", None)] * 6, []),
}


@pytest.mark.parametrize(("people", "pairs"), CONTACTS.values(), ids=CONTACTS.keys())
def test_who_is_one_person(people: list[tuple[Any, Any]], pairs: list[tuple[int, int]]) -> None:
    leads = pd.DataFrame(people, columns=["email", "phone"]).astype("str")
    found = find_duplicates(leads, Profile())
    assert list(zip(found.newer.tolist(), found.older.tolist(), strict=True)) == pairs


def test_the_config_names_the_columns_of_unusual_names() -> None:
    leads = pd.DataFrame({"adresse": ["a@x.com", "a@x.com"], "nummer": [5550101234.0, 5550101235.0]})
    assert len(find_duplicates(leads, Profile()).newer) == 0
    assert len(find_duplicates(leads, Profile(email="adresse")).newer) == 1
    assert len(find_duplicates(leads.assign(nummer=5550101234.0), Profile(phone="nummer")).newer) == 1


FLAT = "id,day,won,email\n1,1,1,a@x.com\n2,2,0,b@ours.com\n3,3,1,a@x.com\n4,4,,b@ours.com\n5,5,0,c@y.com\n"
RULE = {"when": {"mail_domain": {"in": ["ours.com"]}}, "reason": "internal test"}


def flat_config(folder: Path, *rules: dict[str, Any]) -> Any:
    flat = {"path": "flat.csv", "lead_id": "id", "label": "won", "order": "day"}
    return make_config(
        {"name": "w", "data": {"flat": flat}, "rules": {"exclude": list(rules)}}, folder=folder
    )


def test_a_flat_table_tells_its_duplicates_and_leaves_leads_out(tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_text(FLAT)
    config = flat_config(tmp_path, RULE)
    flat = read_flat(config)
    assert told(flat) == [("duplicates", "email", 2)]
    kept = exclude_leads(flat, config)
    assert kept.leads["lead_id"].tolist() == [1, 3, 5]
    assert (kept.label.tolist(), kept.order.tolist()) == ([1, 1, 0], [0, 2, 4])
    assert told(kept)[1:] == [("excluded", "", 2)]


def test_excluding_in_memory_gives_what_excluding_while_reading_gives(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,action\n1,2024-01-05,visit\n2,2024-01-05,visit\n"
    whole = journeys_with(tmp_path, "drop", events)
    assert set(whole.events["lead_id"]) == {1, 2}
    reasons = pd.Series([None, "internal test", None], dtype="str")
    kept, read_so = leave_out(whole, reasons), journeys_with(tmp_path, "drop", events, exclude=[RULE])
    assert isinstance(kept, Journeys)
    for table in ("leads", "events", "outcomes", "history"):
        left, right = getattr(kept, table), getattr(read_so, table)
        pd.testing.assert_frame_equal(left.astype("str"), right.astype("str"))
    assert len(kept.leads) == 2


def test_a_rule_that_leaves_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_text(FLAT)
    everybody = flat_config(tmp_path, {"when": {"lead_id": {"min": 0}}, "reason": "all"})
    with pytest.raises(PopulationError, match="it leaves out all 5. Correct the rule"):
        exclude_leads(read_flat(everybody), everybody)


def test_events_and_merges_of_excluded_leads_go_with_them(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,action\n1,2024-01-05,visit\n2,2024-01-05,visit\n"
    write_merges = tmp_path / "merged.csv"
    write_merges.write_text("from,into,at\n2,1,2024-01-06\n1,2,2024-01-07\n")
    journeys = journeys_with(tmp_path, "drop", events, merges={"path": "merged.csv"}, exclude=[RULE])
    assert rows(journeys.events, "lead_id", "action") == [("1", "visit")]
    assert len(journeys.merged) == 0
    assert len(journeys.quarantine) == 0
