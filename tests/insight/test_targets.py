"""The plan for the coming quarters: which days, which numbers, and the same figures as the plan for one date."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from mqlml.errors import PopulationError
from mqlml.insight.funnel.stages import read_stages
from mqlml.insight.plan.forecast import forecast_customers
from mqlml.insight.plan.targets import choose_numbers, plan_quarters, quarter_ends
from mqlml.simulate import simulate
from mqlml.times import parse_instant, to_microseconds
from tests.by_hand import journeys, problem

WON = problem(outcome="closed_won")


def at(text: str, zone: str = "UTC") -> int:
    return to_microseconds(parse_instant(text, zone))


@pytest.mark.parametrize(
    ("until", "zone", "first"),
    [
        ("2026-03-03", "UTC", "2026-03-31"),  # 31 March begins 28 days later
        ("2026-03-04", "UTC", "2026-06-30"),
        ("2025-12-31", "UTC", "2026-03-31"),
        ("2026-03-03T23:30", "UTC", "2026-03-31"),
        ("2026-03-03T22:30", "Europe/Berlin", "2026-03-31"),
        ("2026-03-03T23:30Z", "Europe/Berlin", "2026-06-30"),  # in Berlin it is 1 April 28 days later
    ],
)
def test_the_first_quarter_ends_at_least_28_days_away(until: str, zone: str, first: str) -> None:
    days = quarter_ends(at(until, zone), zone)
    assert days[0].isoformat() == first
    following = days[1] + dt.timedelta(days=1)
    assert following.day == 1
    assert 90 <= (days[1] - days[0]).days <= 92


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 1), (1, 5), (8, 19), (130, 190), (900, 1500)])
def test_numbers_are_round_and_go_beyond_what_is_expected(low: int, high: int) -> None:
    numbers = choose_numbers(low, high)
    assert 3 <= len(numbers) <= 8
    assert numbers[0] >= max(low, 1)
    assert high < numbers[-1] <= max(1.5 * high, 3)
    assert len({later - earlier for earlier, later in itertools.pairwise(numbers)}) == 1


def test_the_quarters_hold_the_plan_of_their_last_day() -> None:
    company = simulate(800, random_state=3, activity=0.3).journeys()
    found = plan_quarters(company, WON)
    leads = read_stages(company, WON)
    assert [quarter.by for quarter in found.quarters] == ["2025-09-30", "2025-12-31"]
    first = found.quarters[0].outlook
    numbers = tuple(need.customers for need in first.needs)
    assert first == forecast_customers(leads, at("2025-10-01"), numbers)
    assert found.past[-1].quarter == "2025-Q1"


def test_without_customers_it_says_so() -> None:
    lost = journeys(
        [{"lead_id": 1, "created_at": "01-01"}],
        outcomes=[{"lead_id": 1, "stage": "closed_lost", "occurred_at": "01-02"}],
    )
    with pytest.raises(PopulationError, match="needs customers"):
        plan_quarters(lost, WON)
