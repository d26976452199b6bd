"""Answers of sales, lead by lead."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.config import Problem, make_config
from mqlml.journeys import Journeys, read_journeys
from mqlml.journeys.contract import MergedLeads
from mqlml.monitoring.feedback import Handover, LabelFeedback, measure_feedback
from mqlml.monitoring.snapshots import known_by, match_scores
from mqlml.simulate import simulate
from mqlml.times import DAY, column_to_microseconds
from mqlml.training import assign_labels, build_snapshots

LABELS = ["mql", "sql"]


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp("2025-03-01", tz="UTC") + pd.Timedelta(number, "D")


def company(outcomes: list[tuple[str, str, int, str | None]], leads: str = "abcdefg") -> Journeys:
    rows = pd.DataFrame(outcomes, columns=["lead_id", "stage", "day", "reason"])
    when = pd.Series([day(number) for number in rows["day"]], dtype="datetime64[us, UTC]")
    table = pd.DataFrame(
        {
            "lead_id": rows["lead_id"].astype("str"),
            "stage": rows["stage"].astype("category"),
            "occurred_at": when,
            "recorded_at": when,
            "reason": rows["reason"].astype("str"),
        }
    )
    people = pd.DataFrame(
        {
            "lead_id": pd.Series(list(leads), dtype="str"),
            "created_at": pd.Series([day(-1)] * len(leads), dtype="datetime64[us, UTC]"),
        }
    )
    empty = simulate(1, random_state=0).journeys()
    return replace(
        empty,
        leads=people,
        outcomes=table,
        events=empty.events.iloc[:0],
        observed_until=dt.datetime(2025, 6, 1, tzinfo=dt.UTC),
    )


def scores(*rows: tuple[str, int, str]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["lead_id", "day", "label"])
    return pd.DataFrame(
        {
            "lead_id": found["lead_id"].astype("str"),
            "cutoff_time": pd.Series([day(number) for number in found["day"]], dtype="datetime64[us, UTC]"),
            "probability": 0.1,
            "label": found["label"].astype("str"),
        }
    )


SCORES = scores(
    ("a", 0, "unqualified"), ("a", 7, "mql"), ("a", 14, "sql"),  # accepted as MQL on day 10
    ("b", 0, "mql"),                                             # rejected after 5 days: too early
    ("c", 0, "unqualified"), ("c", 7, "unqualified"),            # accepted, never an MQL
    ("d", 0, "unqualified"), ("d", 7, "mql"),                    # accepted on day 3, before it was an MQL
    ("e", 0, "sql"),                                             # rejected after 20 days
    ("f", 0, "unqualified"),                                     # rejected before it was scored: no answer to us
    ("g", 0, "mql"),                                             # no answer
)  # fmt: skip
OUTCOMES = [
    ("a", "sql", 10, None),
    ("a", "closed_lost", 30, "price"),
    ("b", "disqualified", 5, "student"),
    ("c", "closed_won", 9, None),
    ("d", "opportunity", 3, None),
    ("e", "closed_lost", 20, None),
    ("f", "disqualified", -1, "job seeker"),
]


def test_each_lead_counts_for_the_label_that_sales_saw() -> None:
    found = measure_feedback(SCORES, company(OUTCOMES), LABELS, soon=14 * DAY)
    assert found.labels == {
        "unqualified": LabelFeedback(3, 2, 0, 1, {}),
        "mql": LabelFeedback(3, 1, 1, 1, {"student": 1}),
        "sql": LabelFeedback(1, 0, 1, 0, {"no reason given": 1}),
    }


def test_reasons_are_counted_however_they_are_written_and_notes_are_cut() -> None:
    note = "Spoke with Anna, she said: maybe later, call in Q3 when the budget is set"
    reasons = ["no budget", "No Budget", " no  budget ", note, "-", "n/a", None]
    outcomes = [(lead, "disqualified", 5, reason) for lead, reason in zip("abcdefg", reasons, strict=True)]
    seen = scores(*[(lead, 0, "mql") for lead in "abcdefg"])
    found = measure_feedback(seen, company(outcomes), LABELS, soon=14 * DAY).labels["mql"]
    assert found.reasons == {
        "no budget": 3,
        "no reason given": 3,
        "Spoke with Anna, she said: maybe later, call in Q3 when the…": 1,
    }
    assert max(map(len, found.reasons)) == 60


def test_the_first_reason_is_that_of_the_rejection() -> None:
    twice = [("a", "closed_lost", 5, "price"), ("a", "disqualified", 9, "student")]
    found = measure_feedback(scores(("a", 0, "mql")), company(twice), LABELS, soon=14 * DAY)
    assert found.labels["mql"].reasons == {"price": 1}


def test_handed_over_too_early_too_late_and_never() -> None:
    found = measure_feedback(SCORES, company(OUTCOMES), LABELS, soon=14 * DAY)
    assert found.handover == Handover("mql", 5, 1, 14.0, 3, 1, 1)
    later = measure_feedback(SCORES, company(OUTCOMES), LABELS, soon=20 * DAY)
    assert later.handover.too_early == 2


def test_labels_of_one_s_own_hand_over_at_the_lowest() -> None:
    own = SCORES.assign(label=SCORES["label"].replace({"mql": "warm", "sql": "hot"}))
    found = measure_feedback(own, company(OUTCOMES), ["warm", "hot"], soon=14 * DAY)
    assert (found.handover.label, found.handover.handed_over) == ("warm", 5)


PROBLEM = Problem.model_validate(
    {"horizon": "30d", "snapshots": {"ages": ["7d"]}, "age_limits": ["0d", "365d"]}
)


def test_weekly_snapshots_have_the_outcome_known_at_the_moment() -> None:
    """Nightly scores of one lead: runs on days 0, 7 and 14 count; the last is not mature on day 40."""
    nightly = scores(*[("c", number, "mql") for number in range(15)], ("x", 0, "mql"))
    moment = day(40).to_pydatetime()
    journeys = known_by(company(OUTCOMES), moment)
    found = match_scores(nightly, journeys, PROBLEM, trained_until=day(-60).to_pydatetime())
    table = found.table
    # The lead converts on day 9, so on day 14 it was no longer open.
    assert table["cutoff_time"].tolist() == [day(0), day(7)]
    assert table["converted"].tolist() == [1, 1]
    assert table["mature"].tolist() == [True, True]
    assert table["first"].tolist() == [True, False]
    assert table["new"].tolist() == [True, False]
    assert (found.unknown, found.late, found.learned) == (1, 1, 0)


def test_what_was_recorded_later_is_not_known_yet() -> None:
    journeys = known_by(company(OUTCOMES), day(5).to_pydatetime())
    assert set(journeys.outcomes["lead_id"]) == {"d", "f"}
    found = match_scores(SCORES, journeys, PROBLEM, trained_until=day(-60).to_pydatetime())
    assert not found.table["mature"].any()


def test_merges_keep_their_leads_among_those_known_by_a_moment() -> None:
    """Lead a comes only on day 20, so those after it move up; a merge of day 30 is not known on day 10."""
    whole = company(OUTCOMES)
    created = whole.leads["created_at"].mask(whole.leads["lead_id"] == "a", day(20))
    merged = MergedLeads(
        old=np.array([1, 3], dtype=np.int32),
        new=np.array([2, 4], dtype=np.int32),
        at=column_to_microseconds(pd.Series([day(5), day(30)], dtype="datetime64[us, UTC]")),
        direct=np.array([True, True]),
    )
    whole = replace(whole, leads=whole.leads.assign(created_at=created), merged=merged)
    known = known_by(whole, day(10).to_pydatetime())
    ids = known.leads["lead_id"]
    assert list(zip(ids.iloc[known.merged.old], ids.iloc[known.merged.new], strict=True)) == [("b", "c")]


def test_scores_that_training_learned_from_are_left_out() -> None:
    journeys = known_by(company(OUTCOMES), day(80).to_pydatetime())
    found = match_scores(SCORES, journeys, PROBLEM, trained_until=day(35).to_pydatetime())
    assert found.learned == 7
    assert found.table["cutoff_time"].min() == day(7)


def test_answers_in_sales_own_words_are_read_counted_and_learned_from(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text(
        "lead,day\na,2025-03-01\nb,2025-03-01\nc,2025-03-01\n", encoding="utf-8"
    )
    (tmp_path / "deals.csv").write_text(
        "lead,at,status,why\na,2025-03-11,Accepted,\na,2025-04-20,Won,\nb,2025-03-06,Rejected,no budget\n",
        encoding="utf-8",
    )
    config = make_config(
        {
            "name": "accepted",
            "data": {
                "observed_until": "2025-06-01",
                "leads": {"path": "leads.csv", "columns": {"lead_id": "lead", "created_at": "day"}},
                "outcomes": {
                    "path": "deals.csv",
                    "columns": {"lead_id": "lead", "occurred_at": "at", "stage": "status", "reason": "why"},
                    "stages": {"Accepted": "sql", "Rejected": "disqualified", "Won": "closed_won"},
                },
            },
            "problem": {"outcome": "sql", "horizon": "30d", "snapshots": {"ages": ["1d"]}},
        },
        folder=tmp_path,
    )
    journeys = read_journeys(config)
    given = scores(("a", 2, "mql"), ("b", 2, "mql"), ("c", 2, "unqualified"))
    found = measure_feedback(given, journeys, LABELS, soon=14 * DAY)
    assert found.labels["mql"] == LabelFeedback(2, 1, 1, 0, {"no budget": 1})
    # As a target: accepted within 30 days, where the sale itself is 50 days away.
    snapshots = build_snapshots(journeys, config.problem).table
    assert dict(
        zip(snapshots["lead_id"], assign_labels(journeys, snapshots, config.problem).tolist(), strict=True)
    ) == {"a": 1, "b": 0, "c": 0}
    won = config.problem.model_copy(update={"outcome": "closed_won"})
    assert assign_labels(journeys, snapshots, won).sum() == 0
