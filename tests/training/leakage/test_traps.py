"""Traps of a CRM: columns and times that give the outcome away in their own way, and their honest look-alikes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Profile
from mqlml.times import DAY, HOUR, NEVER
from mqlml.training.leakage.columns import ask_about, audit_columns, check_filling, check_missingness
from mqlml.training.leakage.findings import Clue
from mqlml.training.leakage.names import check_name
from mqlml.training.leakage.times import Moments, audit_creation, check_times
from mqlml.training.leakage.univariate import split_halves
from tests.training.leakage.test_signs import START, iso

N = 2000
ERROR = 1e-4


def world(seed: int = 0, **times: Any) -> tuple[Moments, np.random.Generator]:
    """2,000 leads in a year, looked at a week after creation; a fifth is won 8 to 48 days after it."""
    rng = np.random.default_rng(seed)
    created = START + np.sort(rng.integers(0, 360 * DAY, N))
    won = rng.random(N) < 0.2
    given = {
        "created": created,
        "first_cutoff": created + 7 * DAY,
        "converted": np.where(won, created + 8 * DAY + rng.integers(0, 40 * DAY, N), NEVER),
        "end": START + 360 * DAY,
        "zone": ZoneInfo("Europe/Berlin"),
    }
    return Moments(**{**given, **times}), rng


def stage_dates(when: Moments, rng: np.random.Generator) -> np.ndarray:
    """The day on which a lead became an MQL: on the way to the conversion, or within 25 days of creation."""
    won = when.converted < NEVER
    wait = np.where(won, when.converted - when.created, 25 * DAY)
    return (when.created + (rng.uniform(0.3, 0.8, N) * wait).astype(np.int64)) // DAY * DAY


class TestStageDates:
    @pytest.mark.parametrize("until", [335, 345, 360, 380])
    def test_are_refused_though_some_lie_beyond_the_end(self, until: int) -> None:
        when, rng = world(end=START + until * DAY)
        clue = check_times(iso(stage_dates(when, rng)), when, error=ERROR)
        assert clue is not None
        assert (clue.severity, clue.refuses) == ("certain", True)
        assert (clue.figures["share_beyond_data"] > 0.001) == (until < 380)

    def test_are_refused_though_a_few_years_are_mistyped(self) -> None:
        when, rng = world()
        last = np.minimum(when.created + rng.integers(0, 120, N) * DAY, when.end)
        last[rng.random(N) < 0.01] += 36_500 * DAY
        clue = check_times(iso(last), when, error=ERROR)
        assert clue is not None
        assert clue.figures["share_beyond_data"] > 0.001

    @pytest.mark.parametrize("wait", [20, 60, 200])
    def test_plans_pass(self, wait: int) -> None:
        when, rng = world()
        planned = when.created + rng.integers(wait // 2, wait, N) * DAY
        assert check_times(iso(planned), when, error=ERROR) is None


class TestMissingness:
    def check(self, filled: np.ndarray, won: np.ndarray, deal: np.ndarray) -> Clue | None:
        values = pd.Series(np.where(filled, "IT", ""), dtype="str")
        halves = split_halves(won.astype(np.int8), np.arange(N))
        return check_missingness(values, halves, error=ERROR, reached={"a deal": deal})

    def test_filled_in_with_the_deal_is_refused_the_right_way_round(self) -> None:
        rng = np.random.default_rng(3)
        won = rng.random(N) < 0.2
        deal = won | (rng.random(N) < 0.3)
        clue = self.check(deal, won, deal)
        assert clue is not None
        assert clue.refuses
        assert clue.text.startswith("every winner has it, and so have ")
        assert clue.text.endswith(
            " and 0 of the " + f"{int((~deal).sum()):,} others: it is filled in once there is a deal"
        )
        assert clue.figures["filled_of_reached"] == 1

    def test_an_honest_column_of_all_leads_is_not(self) -> None:
        rng = np.random.default_rng(4)
        won = rng.random(N) < 0.2
        deal = won | (rng.random(N) < 0.3)
        assert self.check(rng.random(N) < np.where(deal, 0.8, 0.4), won, deal) is None

    def test_empty_for_no_winner_is_noted_the_right_way_round(self) -> None:
        rng = np.random.default_rng(5)
        won = rng.random(N) < 0.2
        clue = self.check(won | (rng.random(N) < 0.5), won, rng.random(N) < 0.5)
        assert clue is not None
        assert not clue.refuses
        assert clue.text.startswith("every winner has it, and 0 of the ")


class TestFilling:
    def filled(self, months: float) -> Clue | None:
        """A column of which each lead has a 70% chance, after a wait of so many months on average."""
        when, rng = world()
        settled = when.created <= when.end - 60 * DAY
        age = (when.end - when.created) / DAY
        filled = (rng.random(N) < 0.7) & (rng.exponential(30 * months + 1e-9, N) <= age)
        values = pd.Series(np.where(filled, "x", None), dtype="str")
        return check_filling(values, when.created, settled, error=ERROR)

    def test_what_fills_up_over_months_is_named(self) -> None:
        clue = self.filled(2)
        assert clue is not None
        assert (clue.check, clue.refuses) == ("fills_up", False)

    def test_what_is_filled_in_at_once_is_not(self) -> None:
        assert self.filled(0) is None

    def test_a_form_that_asks_no_longer_is_not(self) -> None:
        when, rng = world()
        asked = when.created <= when.end - 60 * DAY
        values = pd.Series(np.where(asked & (rng.random(N) < 0.7), "x", None), dtype="str")
        assert check_filling(values, when.created, asked, error=ERROR) is None


class TestCreationByDay:
    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata"])
    def test_wins_on_earlier_days_are_named_in_every_zone(self, zone: str) -> None:
        when, rng = world(zone=ZoneInfo(zone))
        days = pd.to_datetime(when.created // DAY, unit="D").tz_localize(zone)
        created = days.as_unit("us").asi8
        won = when.converted < NEVER
        early = won & (rng.random(N) < 0.5)
        converted = np.where(early, created - 10 * DAY, when.converted)
        (finding,) = audit_creation(replace(when, created=created, converted=converted))
        assert finding.reason.startswith(
            f"{int(early.sum()):,} of {int(won.sum()):,} winners converted on a day before"
        )
        assert finding.action == "noted"
        same_day = np.where(won, created + rng.integers(0, 20, N) * HOUR, NEVER)
        assert audit_creation(replace(when, created=created, converted=same_day)) == ()

    def test_wins_dated_by_day_on_the_day_of_the_creation_are_not(self) -> None:
        when, rng = world(zone=ZoneInfo("UTC"))
        won = when.converted < NEVER
        by_day = np.where(won & (rng.random(N) < 0.5), when.created, when.converted) // DAY * DAY
        assert audit_creation(replace(when, converted=np.where(won, by_day, NEVER))) == ()

    def test_wins_to_the_second_before_creation_are_named_too(self) -> None:
        when, _ = world()
        (finding,) = audit_creation(
            replace(when, converted=np.where(when.converted < NEVER, when.created - DAY, NEVER))
        )
        assert "converted before their creation" in finding.reason


@pytest.mark.parametrize(
    "column",
    ["Salesperson", "sales rep", "hubspotscore", "Lead Score", "lifecyclestage", "closedate", "SystemModstamp",
     "einstein_lead", "seller", "Activity Index", "propensity", "Number of Associated Deals"],
)  # fmt: skip
def test_names_of_owners_and_of_scores_of_other_tools_are_refused(column: str) -> None:
    clue = check_name(column)
    assert clue is not None
    assert clue.refuses


@pytest.mark.parametrize(
    "column",
    [
        "User",
        "account_manager",
        "call_duration",
        "Meetings",
        "proposal sent",
        "likelihood to buy",
        "Lead temperature",
    ],
)
def test_names_that_may_be_written_with_sales_are_noted(column: str) -> None:
    clue = check_name(column)
    assert clue is not None
    assert (clue.severity, clue.refuses) == ("suspicious", False)


@pytest.mark.parametrize(
    "column",
    ["index", "Unnamed: 0", "state", "page", "count", "user_agent", "user_type", "Do Not Call", "credit_score",
     "invited_by_user_id", "level", "region", "page_count", "index_page", "session_duration", "callback_requested"],
)  # fmt: skip
def test_everyday_names_are_not(column: str) -> None:
    assert check_name(column) is None


class TestQuestions:
    def ask(self, strengths: dict[str, float], **profile: Any) -> list[str]:
        rng = np.random.default_rng(6)
        label = (rng.random(N) < 0.2).astype(np.int8)
        columns = {name: label * strength + rng.normal(size=N) for name, strength in strengths.items()}
        asked = ask_about(pd.DataFrame(columns), label, np.arange(N), Profile(**profile))
        assert all("is it known at the cutoff?" in question.text for question in asked)
        return [question.column for question in asked]

    def test_the_column_that_carries_most_of_the_skill(self) -> None:
        assert self.ask({"visits": 1.2, "size": 0.2, "noise": 0.0}) == ["visits"]

    def test_not_one_of_several(self) -> None:
        assert self.ask({"a": 0.9, "b": 0.9, "c": 0.9}) == []

    def test_two_copies_of_a_strong_column_are_both_asked_about(self) -> None:
        assert self.ask({"a": 1.9, "b": 1.9}) == ["a", "b"]

    def test_one_that_tells_little_is_not(self) -> None:
        assert self.ask({"a": 0.2, "noise": 0.0}) == []

    def test_a_reason_in_the_config_answers_it(self) -> None:
        assert self.ask({"visits": 1.2, "size": 0.2}, force={"visits": "counted before the form"}) == []

    def test_it_is_no_finding(self) -> None:
        rng = np.random.default_rng(7)
        label = (rng.random(N) < 0.2).astype(np.int8)
        columns = pd.DataFrame({"visits": label * 1.2 + rng.normal(size=N)})
        assert audit_columns(columns, label, np.arange(N), Profile()) == ()
