"""What people read at the command line: results as the pipeline returns them, and the lines made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mqlml.insight import Change, EarlierMoment, LogOdds, PointsPercentile
from mqlml.journeys.quarantine import QuarantineGroup, TableCount
from mqlml.render.console.common import format_check, format_score
from mqlml.render.console.explain import format_explain
from mqlml.render.results import BaseRatePeriod, CheckResult, DataNeed, ExplainResult, ScoreResult
from mqlml.training import Finding, HoldoutPeriod, PerturbationTest, Population, Step
from mqlml.training.leakage.perturbation import Moved

CHECKED = CheckResult(
    tables={"leads": TableCount(3, 2)},
    quarantine=(
        QuarantineGroup("leads", "Created", "required value is missing", 1, 2, None),
        QuarantineGroup("leads", "", "line has fewer fields than the header", 1, 3, "7"),
    ),
    population=Population((Step("snapshots", "looked at", 1, 1),), 1, 1, 1.0),
    observed_until="2026-05-30T22:00:00Z",
    timezone="Europe/Berlin",
    base_rate=(BaseRatePeriod("2026-01", 1, 1, 1.0),),
    holdout=HoldoutPeriod("2026-01-01T23:00:00Z", "2026-02-01T08:00:00Z", 1),
    leaks=(),
    leak_test=None,
    left_out=(),
    features=1,
    enough=DataNeed(1, 0, 50, False, 0),
)


def test_check_speaks_in_the_time_zone_of_the_config() -> None:
    said = format_check(CHECKED)
    assert "Outcomes are complete until 2026-05-31\n" in said
    assert "1 snapshots from 2026-01-02 until 2026-02-01T09:00:00+01:00\n" in said


def test_check_leaves_places_in_an_order_as_they_are() -> None:
    order = HoldoutPeriod("6468", "20180101", 2772)
    assert "from 6468 until 20180101" in format_check(replace(CHECKED, holdout=order, observed_until=None))


def test_what_was_set_aside_names_no_value_that_is_missing_and_no_column_that_there_is_not() -> None:
    said = format_check(CHECKED).splitlines()
    assert "  leads.Created: 1 × required value is missing (first in row 2)" in said
    assert "  leads: 1 × line has fewer fields than the header (first in row 3: '7')" in said


PROOF = PerturbationTest(snapshots=300, features=56, rounds=2, changed=700, removed=300, added=1800, moved=())


def test_check_tells_leaks_with_what_was_done_and_what_can_be() -> None:
    leaks = (
        Finding("lead_status", "the name says 'status'", "refused"),
        Finding("checkout", "the name says 'status'", "noted", kind="action"),
    )
    said = format_check(replace(CHECKED, leaks=leaks, leak_test=PROOF)).splitlines()
    start = said.index(
        "Warning: some of the data appears to be filled in with the outcome or after it: 1 refused, 1 noted"
    )
    assert said[start + 1 : start + 5] == [
        "  lead_status (refused, likely): the name says 'status'",
        "  event type checkout (noted, likely): the name says 'status'",
        "  To keep a refused column all the same: profile: {force: {COLUMN: why it is known at the cutoff}}",
        "Leak test passed: changing 2,800 later rows altered none of the 56 features",
    ]


def test_check_says_where_there_is_no_proof_and_where_it_fails() -> None:
    assert "No leak test: a flat table has no times" in format_check(CHECKED)
    failed = replace(PROOF, moved=(Moved("profile__hint__value", 3, "7", "1.0", "2.0"),))
    assert "Leak test failed: changing 2,800 later rows altered 1 of the 56 features" in format_check(
        replace(CHECKED, leak_test=failed)
    )


@pytest.mark.parametrize(
    ("zone", "moment"), [("UTC", "2026-05-30T22:00:00Z"), ("Europe/Berlin", "2026-05-31")]
)
def test_score_says_the_moment_as_it_was_asked_for(zone: str, moment: str) -> None:
    result = ScoreResult(
        out="s.csv",
        as_of="2026-05-30T22:00:00Z",
        timezone=zone,
        leads=2,
        older_than_learned=0,
        labels={"mql": 2},
        model="leads",
        version=1,
        run_id="a",
        changed_labels=0,
        skipped={},
        rows_read=2,
        quarantined=0,
        parts=1,
        job_id="b",
        newest_fact=None,
    )
    assert format_score(result) == f"s.csv: 2 open leads as of {moment}: 2 MQL"


EXPLAINED = ExplainResult(
    lead_id="7",
    as_of="2026-02-01T00:00:00Z",
    created_at=None,
    probability=0.25,
    raw_score=-1.0,
    score=97.0,
    label="mql",
    label_reason="probability 0.25 ≥ MQL threshold 0.10",
    log_odds=LogOdds(
        total=-1.0,
        base=-1.0,
        points={"profile": 0.5, "channel": 0.0, "actions": -0.5, "undesirables": 0.0},
        fit=PointsPercentile(0.5, 99.9),
        engagement=PointsPercentile(-0.5, 0.2),
    ),
    reasons=(),
    earlier=EarlierMoment(
        "2026-01-25T00:00:00Z",
        0.2,
        (
            Change("acts against the usual: 1.43", "acts against the usual: 0.76", "0.76", 0.3, "actions"),
            Change("last visit 5 days ago", "no visit so far", "no visit so far", 0.2, "actions"),
            Change("region: north", "country: north", "country: north", 0.1, "profile"),
        ),
    ),
    timeline=(),
    trend=(),
    timezone="UTC",
    model="leads",
    version=1,
    run_id="a",
)


def test_a_lead_is_never_above_all_the_open_leads_of_which_it_is_one() -> None:
    said = format_explain(EXPLAINED)
    assert "above over 99% of the open leads" in said
    assert "above under 1% of the open leads" in said
    middle = replace(EXPLAINED, log_odds=replace(EXPLAINED.log_odds, fit=PointsPercentile(0.5, 57.3)))
    assert "above 57% of the open leads" in format_explain(middle)


def test_what_changed_is_said_once_with_the_value_before() -> None:
    lines = format_explain(EXPLAINED).splitlines()
    assert "  +0.30  acts against the usual: 1.43 (before: 0.76)" in lines
    assert "  +0.20  last visit 5 days ago (before: no visit so far)" in lines
