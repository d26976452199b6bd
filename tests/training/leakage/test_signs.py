"""The signs one by one, on tables whose truth is plain: history, times, gaps, identifiers, creation."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Profile
from mqlml.features import plan_features
from mqlml.journeys import Journeys
from mqlml.simulate import simulate
from mqlml.times import DAY, HOUR, MISSING_TIME, NEVER
from mqlml.training import audit_journeys
from mqlml.training.leakage.columns import Evidence, audit_columns, check_missingness
from mqlml.training.leakage.findings import Clue, conclude
from mqlml.training.leakage.names import check_identifier
from mqlml.training.leakage.times import (
    Moments,
    audit_creation,
    check_changes,
    check_times,
    count_changes,
    read_instants,
)
from mqlml.training.leakage.univariate import split_halves
from tests.by_hand import instant, journeys, table
from tests.features.worlds import make_config_of

START = instant("01-01").value // 1000
N = 400


def moments(**times: Any) -> Moments:
    """400 leads, one a day, looked at when created; every fourth is won ten days later."""
    created = START + np.arange(N) * DAY + 9 * HOUR + np.arange(N) * 60_000_000
    won = np.arange(N) % 4 == 0
    given = {
        "created": created,
        "first_cutoff": created,
        "converted": np.where(won, created + 10 * DAY, NEVER),
        "end": int(created.max()) + 30 * DAY,
        "zone": ZoneInfo("UTC"),
    }
    return Moments(**{**given, **times})


def iso(micros: np.ndarray) -> pd.Series:
    text = pd.Series(pd.DatetimeIndex(micros.view("datetime64[us]"))).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text.where(pd.Series(micros != MISSING_TIME), None).astype("str")


class TestHistory:
    HISTORY = table(
        "history",
        [
            {"lead_id": lead, "field": field, "value": value, "valid_from": since, "recorded_at": known}
            for lead, field, value, since, known in [
                (1, "plan", "free", "01-01", "01-01"),
                (1, "plan", "pro", "01-20", "01-20"),
                (2, "plan", "free", "01-01", "01-01"),
                (2, "plan", "free", "01-20", "01-20"),
                (3, "plan", "pro", "01-02", "01-15"),
                (4, "plan", "pro", "01-30", "01-30"),
                (1, "size", "10", "01-01", "01-01"),
                (9, "plan", "pro", "01-30", "01-30"),
            ]
        ],
    )
    LEAD = np.array([0, 0, 1, 1, 2, 3, 0, -1])
    FIRST_CUTOFF = np.array([instant("01-10").value // 1000] * 3 + [NEVER])
    CONVERTED = np.array([instant("01-18").value // 1000, NEVER, instant("02-18").value // 1000, NEVER])

    def counts(self, rows: Any = slice(None)) -> Any:
        history = self.HISTORY.iloc[rows]
        return count_changes(history, ["plan", "size"], self.LEAD[rows], self.FIRST_CUTOFF, self.CONVERTED)

    def test_by_hand(self) -> None:
        counted = self.counts().table
        # Lead 1 changed on the 20th; 2 was written down again; 3's value was recorded late; 4 was never looked at.
        assert counted.loc["plan"].to_dict() == {"leads": 3, "changed": 2, "won": 2, "won_after": 1}
        assert counted.loc["size"].to_dict() == {"leads": 1, "changed": 0, "won": 0, "won_after": 0}

    def test_parts_add_up(self) -> None:
        by_lead = [np.flatnonzero(lead == self.LEAD) for lead in (-1, 0, 1, 2, 3)]
        summed = reduce(add, (self.counts(rows) for rows in by_lead))
        pd.testing.assert_frame_equal(summed.table.sort_index(), self.counts().table.sort_index())

    def changes(self, changed: float) -> dict[str, Clue]:
        rng = np.random.default_rng(0)
        later = rng.random(2000) < changed
        rows = [(lead, "free", 0) for lead in range(2000)]
        rows += [(lead, "pro", 30) for lead in np.flatnonzero(later)]
        history = pd.DataFrame(rows, columns=["lead_id", "value", "day"])
        created = START + np.arange(2000) * HOUR
        since = pd.to_datetime(created[history["lead_id"]] + history["day"] * DAY, unit="us", utc=True)
        history = history.assign(field="plan", valid_from=since, recorded_at=since)
        never = np.full(2000, NEVER)
        lead = history["lead_id"].to_numpy()
        return check_changes(count_changes(history, ["plan"], lead, created + 7 * DAY, never), error=0.001)

    def test_what_changes_for_many_is_refused_with_the_remedy(self) -> None:
        clue = self.changes(0.05)["plan"]
        assert (clue.severity, clue.refuses) == ("certain", True)
        assert clue.figures["leads"] == 2000
        assert "profile: {history: [plan]}" in clue.text

    def test_a_few_corrections_are_not(self) -> None:
        assert self.changes(0.005) == {}

    def test_the_day_on_which_a_history_was_begun_is_no_change(self) -> None:
        created = START + np.arange(500) * HOUR
        begun = pd.to_datetime(np.full(500, START + 90 * DAY), unit="us", utc=True)
        history = pd.DataFrame({"field": "plan", "value": "free", "valid_from": begun, "recorded_at": begun})
        counts = count_changes(history, ["plan"], np.arange(500), created, np.full(500, NEVER))
        assert counts.table.loc["plan", "changed"] == 0

    def test_a_column_that_is_read_from_the_history_is_not_asked_about(self) -> None:
        leads = pd.DataFrame({"plan": np.arange(100) % 3, "status": ["a", "b"] * 50})
        label = (np.arange(100) % 5 == 0).astype(np.int8)
        profile = Profile(history=["plan", "status"])
        assert (
            audit_columns(leads, label, np.arange(100), profile, Evidence(changes=self.changes(0.05))) == ()
        )
        (finding,) = audit_columns(
            leads, label, np.arange(100), Profile(history=["status"]), Evidence(changes=self.changes(0.05))
        )
        assert (finding.column, finding.action, finding.severity) == ("plan", "refused", "certain")

    def test_a_field_is_matched_to_its_column_however_it_is_written(self) -> None:
        days = 40
        leads = [
            {
                "lead_id": lead,
                "created_at": f"01-{1 + lead % 28:02}",
                "plan_name": ("pro", "free")[lead % 9 == 0],
            }
            for lead in range(days)
        ]
        rows = [
            {"lead_id": lead, "field": "PlanName", "value": value, "valid_from": since, "recorded_at": since}
            for lead in range(days)
            for value, since in (("free", f"01-{1 + lead % 28:02}"), ("pro", "03-01"))
        ]
        made = journeys(leads, history=rows)
        snapshots = made.leads[["lead_id"]].assign(cutoff_time=made.leads["created_at"])
        (finding,) = audit_journeys(made, snapshots, make_config_of())
        assert (finding.column, finding.action, finding.severity) == ("plan_name", "refused", "certain")
        assert "profile: {history: [PlanName]}" in finding.reason


class TestAccounts:
    def world(self, *, filled_late: bool) -> Journeys:
        """Accounts of two leads; where they are filled in late, winners only have theirs."""
        world = simulate(2000, random_state=3).journeys()
        account = pd.Series([f"a{place // 2}" for place in range(len(world.leads))], dtype="str")
        won = world.leads["lead_id"].isin(world.outcomes.query("stage == 'closed_won'")["lead_id"])
        return replace(world, leads=world.leads.assign(account_id=account.where(won | (not filled_late))))

    def audit(self, world: Journeys, **config: Any) -> list[tuple[str, str]]:
        snapshots = world.leads[["lead_id"]].assign(cutoff_time=world.leads["created_at"])
        findings = audit_journeys(world, snapshots, make_config_of(**config))
        return [(found.column, found.action) for found in findings]

    def test_an_account_that_is_filled_in_with_the_sale_gives_no_features(self) -> None:
        world, on = self.world(filled_late=True), {"groups": {"account": True}}
        assert self.audit(world, features=on) == [("account_id", "refused")]
        plan = plan_features(world, make_config_of(features=on), before=None, refused=["account_id"])
        assert not plan.group_by_account
        assert self.audit(world, features=on, profile={"static": ["country"]}) == [("account_id", "refused")]
        forced = {"force": {"account_id": "matched by mail domain on arrival"}}
        assert self.audit(world, features=on, profile=forced) == [("account_id", "forced")]

    def test_other_accounts_are_not_suspected(self) -> None:
        assert self.audit(self.world(filled_late=False), features={"groups": {"account": True}}) == []
        assert self.audit(self.world(filled_late=True), features={"groups": {"account": False}}) == []


class TestTimes:
    @pytest.mark.parametrize(
        "write",
        [
            lambda micros: iso(micros),
            lambda micros: pd.Series(np.where(micros == MISSING_TIME, np.nan, micros / 1e6)),
            lambda micros: pd.Series(np.where(micros == MISSING_TIME, np.nan, micros // 1000)),
            lambda micros: pd.Series(pd.DatetimeIndex(micros.view("datetime64[us]"))).dt.strftime(
                "%d/%m/%Y %H:%M"
            ),
        ],
        ids=["ISO", "seconds", "milliseconds", "day first"],
    )
    def test_an_activity_that_is_overwritten_is_later_than_the_cutoff(self, write: Any) -> None:
        when = moments()
        rng = np.random.default_rng(1)
        last = np.minimum(when.created + rng.integers(0, 60, N) * DAY, when.end)
        clue = check_times(write(last), when, error=0.001)
        assert clue is not None
        assert (clue.check, clue.severity) == ("time", "certain")
        assert clue.figures["times"] == N
        assert clue.figures["after_cutoff"] > 0.8 * N

    def test_what_was_known_before_passes(self) -> None:
        when = moments()
        assert check_times(iso(when.created - 40 * DAY), when, error=0.001) is None
        assert check_times(iso(when.created // DAY * DAY), when, error=0.001) is None, "a day without an hour"

    def test_a_plan_lies_beyond_the_end_of_the_data_too(self) -> None:
        when = moments()
        assert check_times(iso(when.created + 90 * DAY), when, error=0.001) is None

    def test_the_time_of_the_win_under_another_name(self) -> None:
        when = moments()
        clue = check_times(
            iso(np.where(when.converted < NEVER, when.converted, MISSING_TIME)), when, error=0.001
        )
        assert clue is not None
        assert clue.figures["at_conversion"] == clue.figures["winners"] == N // 4
        assert "it holds the minute of the conversion" in clue.text

    @pytest.mark.parametrize(
        "values",
        [
            pd.Series(np.arange(N, dtype=float) * 1000),
            pd.Series([f"2024-{i}" for i in range(N)], dtype="str"),
            pd.Series(["10/12 Main Street"] * N, dtype="str"),
            pd.Series([np.nan] * N),
        ],
        ids=["amounts", "numbers of forms", "addresses", "nothing"],
    )
    def test_what_is_no_time_is_not_read_as_one(self, values: pd.Series) -> None:
        assert read_instants(values, moments()) is None


class TestGaps:
    def check(
        self, filled_won: float, filled_other: float, *, n: int = 4000, rate: float = 0.1
    ) -> Clue | None:
        rng = np.random.default_rng(2)
        label = (rng.random(n) < rate).astype(np.int8)
        filled = rng.random(n) < np.where(label == 1, filled_won, filled_other)
        values = pd.Series(np.where(filled, "x", ""), dtype="str")
        return check_missingness(values, split_halves(label, np.arange(n)), error=1e-4)

    @pytest.mark.parametrize(("won", "other"), [(1.0, 0.0), (0.95, 0.02), (0.15, 0.0)])
    def test_filled_in_for_winners_only(self, won: float, other: float) -> None:
        clue = self.check(won, other)
        assert clue is not None
        assert (clue.check, clue.refuses) == ("missingness", True)
        assert clue.figures["filled_of_winners"] == pytest.approx(won, abs=0.05)
        assert clue.figures["filled_of_others"] == pytest.approx(other, abs=0.01)

    def test_empty_for_winners_only(self) -> None:
        clue = self.check(0.0, 1.0)
        assert clue is not None
        assert clue.refuses

    @pytest.mark.parametrize(("won", "other"), [(0.7, 0.3), (0.1, 0.01), (0.9, 0.5), (1.0, 0.9)])
    def test_an_honest_difference_passes(self, won: float, other: float) -> None:
        assert self.check(won, other) is None

    def test_filled_in_for_losers_only_is_told(self) -> None:
        clue = self.check(0.0, 0.6, n=8000)
        assert clue is not None
        assert (clue.severity, clue.refuses) == ("suspicious", False)

    def test_few_rows_are_no_evidence(self) -> None:
        assert self.check(1.0, 0.0, n=60) is None


class TestIdentifiers:
    @pytest.mark.parametrize(
        "values",
        [
            pd.Series([f"00Q{i:07d}" for i in range(500)], dtype="str"),
            pd.Series(np.random.default_rng(0).permutation(500) + 660_000.0),
        ],
        ids=["codes", "a counter"],
    )
    def test_one_to_a_lead(self, values: pd.Series) -> None:
        clue = check_identifier(values)
        assert clue is not None
        assert clue.figures == {"distinct": 500, "filled": 500}

    @pytest.mark.parametrize(
        "values",
        [
            pd.Series(np.random.default_rng(0).lognormal(14, 1, 500).round()),
            pd.Series(np.random.default_rng(0).normal(size=500)),
            pd.Series([f"Meyer & {i} Sons" for i in range(500)], dtype="str"),
            pd.Series([f"a{i}@b.example" for i in range(500)], dtype="str"),
            pd.Series([f"v{i % 100}x" for i in range(500)], dtype="str"),
            pd.Series([f"00Q{i:07d}" for i in range(40)], dtype="str"),
        ],
        ids=["revenues", "measures", "companies", "addresses", "campaigns", "few rows"],
    )
    def test_what_only_differs(self, values: pd.Series) -> None:
        assert check_identifier(values) is None


class TestCreation:
    def test_leads_entered_at_the_deal(self) -> None:
        when = moments()
        converted = when.converted.copy()
        converted[::8] = when.created[::8]
        (finding,) = audit_creation(replace(when, converted=converted))
        assert (finding.column, finding.action) == ("created_at", "noted")
        assert finding.evidence[0].figures["created_at_conversion"] == N // 8

    def test_others(self) -> None:
        when = moments()
        assert audit_creation(when) == ()
        one = when.converted.copy()
        one[0] = when.created[0]
        assert audit_creation(replace(when, converted=one)) == (), "one mishap"
        by_day = when.created // DAY * DAY
        same_day = np.where(when.converted < NEVER, by_day, NEVER)
        assert audit_creation(replace(when, created=by_day, converted=same_day)) == (), "known by day only"


def test_two_likely_signs_are_certain_together() -> None:
    name = Clue("name", "the name says so", {"word": "won"}, "likely")
    alone = Clue("univariate", "it alone says so", {"auc": 0.99}, "likely")
    hint = Clue("missingness", "its gaps hint", {"filled": 3}, "suspicious", refuses=False)
    one, both = conclude("a", [name], force={}), conclude("a", [name, alone, hint], force={})
    assert one is not None
    assert both is not None
    assert (one.severity, both.severity) == ("likely", "certain")
    assert both.reason == "the name says so; it alone says so"
    assert len(both.evidence) == 3
    noted = conclude("a", [hint], force={"a": "why"})
    assert noted is not None
    assert (noted.action, noted.reason) == ("noted", "its gaps hint"), "there is nothing to force"
