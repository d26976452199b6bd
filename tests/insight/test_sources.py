"""Source value: counts and costs by hand, the simulator's truth, pooling, and invariants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.errors import PopulationError
from mqlml.insight.channels.pooling import draw_amounts, draw_rates
from mqlml.insight.channels.sources import Sources, SourceValue, value_sources
from mqlml.insight.channels.spend import SpendRows, match_spend
from mqlml.journeys import Journeys
from mqlml.journeys.contract import empty_table
from mqlml.results import to_json_safe
from mqlml.simulate import simulate
from tests.features.worlds import make_config_of

PROBLEM = make_config_of(problem={"horizon": "30d", "snapshots": {"ages": ["0d"]}}).problem
DAY_ONE = pd.Timestamp("2025-01-01", tz="UTC")
END = dt.datetime(2025, 12, 31, tzinfo=dt.UTC)
Lead = tuple[str | None, int, int | None, float | None]
"""Source, day of creation, days until the sale, its amount."""


def make_journeys(
    leads: Sequence[Lead], *, mqls: Sequence[int] = (), accounts: Sequence[str] = ()
) -> Journeys:
    ids = [f"L{number:04}" for number in range(len(leads))]
    created = [DAY_ONE + pd.Timedelta(days=lead[1]) for lead in leads]
    table = pd.DataFrame(
        {
            "lead_id": pd.Series(ids, dtype="str"),
            "created_at": pd.Series(created).astype("datetime64[us, UTC]"),
            "origin": pd.Series([lead[0] for lead in leads], dtype="str"),
        }
    )
    if accounts:
        table["account_id"] = pd.Series(accounts, dtype="str")
    rows: list[tuple[str, str, Any, float | None]] = [
        (name, "closed_won", when + pd.Timedelta(days=lead[2]), lead[3])
        for name, when, lead in zip(ids, created, leads, strict=True)
        if lead[2] is not None
    ]
    rows += [(ids[at], "mql", created[at] + pd.Timedelta(days=1), None) for at in mqls]
    outcomes = pd.DataFrame(rows, columns=["lead_id", "stage", "occurred_at", "amount"])
    outcomes["occurred_at"] = pd.to_datetime(outcomes["occurred_at"], utc=True).astype("datetime64[us, UTC]")
    outcomes["amount"] = outcomes["amount"].astype("float64")
    outcomes["recorded_at"] = outcomes["occurred_at"]
    return Journeys(
        leads=table,
        events=empty_table("events", "str"),
        outcomes=outcomes.astype({"stage": "category", "lead_id": "str"}),
        history=empty_table("history", "str"),
        observed_until=END,
        quarantine=pd.DataFrame(),
        rows_read={},
    )


def make_spend(rows: Sequence[tuple[str, str, float]]) -> SpendRows:
    table = pd.DataFrame(rows, columns=["source", "day", "cost"])
    table["day"] = pd.to_datetime(table["day"]).to_numpy().astype("datetime64[D]").astype(np.int64)
    return SpendRows(table, "UTC")


def value(journeys: Journeys, **more: Any) -> Sources:
    return value_sources(journeys, PROBLEM, **{"column": "origin", "n_draws": 1000, **more})


def by_name(found: Sources) -> dict[str | None, SourceValue]:
    return {one.source: one for one in found.sources}


BY_HAND: list[Lead] = [
    *[("ads", day, 5, 100.0 + day) for day in range(6)],
    *[("ads", day, None, None) for day in range(14)],
    *[("fair", day, 10, 50.0) for day in range(2)],
    *[("fair", day, None, None) for day in range(8)],
    ("fair", 9, 31, 900.0),  # a day too late
    ("fair", 9, -3, 900.0),  # a customer before it was a lead
    ("ads", 350, 2, 700.0),  # too young
    (None, 20, 3, None),  # amount unknown
    (None, 21, None, None),
]


def test_counts_by_hand() -> None:
    found = value(make_journeys(BY_HAND))
    rows = by_name(found)
    assert {name: (one.leads, one.customers) for name, one in rows.items()} == {
        "ads": (20, 6),
        "fair": (11, 2),
        None: (2, 1),
    }
    assert rows["ads"].revenue == sum(100 + day for day in range(6))
    assert rows["fair"].revenue == 100
    assert (found.leads, found.customers, found.without_amount, found.span_days) == (33, 9, 1, 30)
    assert found.in_revenue
    assert rows["ads"].amount is not None
    assert rows["ads"].amount.value == pytest.approx(102, rel=0.1)
    assert found.average.low < found.average.value < found.average.high
    assert found.sources[0].value.value == max(one.value.value for one in found.sources)


def test_costs_by_hand() -> None:
    spend = make_spend(
        [
            ("Ads", "2025-01-01", 100.0),
            ("ads", "2025-01-10", 100.0),
            ("radio", "2025-01-05", 70.0),
            ("fair", "2026-02-01", 9.0),  # after the end of the data
        ]
    )
    found = value(make_journeys(BY_HAND, mqls=[0, 1, 2, 20]), spend=spend)
    period, ads = found.spend, by_name(found)["ads"].cost
    assert period is not None
    assert ads is not None
    assert (period.start, period.until, period.spent, period.later) == ("2025-01-01", "2025-01-11", 270, 9)
    assert (period.leads, period.mature_leads, period.from_period) == (27, 27, True)
    assert [(one.source, one.spent) for one in period.in_vain] == [("radio", 70)]
    assert (period.free, period.free_leads) == (("fair",), 11)
    assert (ads.spent, ads.leads, ads.per_lead) == (200, 16, 12.5)
    assert ads.per_customer.value == pytest.approx(12.5 / (6 / 16), rel=0.25)
    assert ads.per_mql is not None
    assert ads.per_mql.value == pytest.approx(12.5 / (3 / 16), rel=0.3)
    assert ads.value is not None
    assert ads.returns is not None
    assert ads.returns.value == pytest.approx(ads.value.value / 12.5)
    assert ads.verdict == "pays"
    assert period.returns is not None
    assert period.returns.value == pytest.approx(ads.value.value * 16 / 270)


def test_a_verdict_needs_the_whole_interval() -> None:
    """Costs just inside either end of the interval cannot be told from the value; costs just outside can."""
    first = by_name(value(make_journeys(BY_HAND), spend=spend_on_ads(1.0)))["ads"].cost
    assert first is not None
    assert first.value is not None
    for per_lead, verdict in (
        (first.value.low * 0.99, "pays"),
        (first.value.low * 1.01, "unclear"),
        (first.value.high * 0.99, "unclear"),
        (first.value.high * 1.01, "loses"),
    ):
        cost = by_name(value(make_journeys(BY_HAND), spend=spend_on_ads(per_lead)))["ads"].cost
        assert cost is not None
        assert (cost.verdict, cost.per_lead) == (verdict, pytest.approx(per_lead))


def spend_on_ads(per_lead: float) -> SpendRows:
    """Sixteen leads from ads come in within these ten days."""
    return make_spend([("ads", "2025-01-01", 8 * per_lead), ("ads", "2025-01-10", 8 * per_lead)])


def test_spend_of_a_period_with_too_few_customers_is_compared_with_all_leads() -> None:
    few = value(
        make_journeys(BY_HAND), spend=make_spend([("ads", "2025-01-01", 5.0), ("ads", "2025-01-03", 5.0)])
    )
    assert few.spend is not None
    assert (few.spend.mature_leads, few.spend.from_period) == (11, True)
    one = value(make_journeys(BY_HAND), spend=make_spend([("ads", "2025-01-04", 5.0)]))
    assert one.spend is not None
    assert (one.spend.mature_leads, one.spend.from_period) == (3, False)  # one amount tells no spread
    spend = make_spend([("ads", "2025-12-10", 1000.0), ("ads", "2025-12-20", 1000.0)])
    found = value(make_journeys(BY_HAND), spend=spend)
    ads = by_name(found)["ads"]
    assert found.spend is not None
    assert ads.cost is not None
    assert (found.spend.leads, found.spend.mature_leads, found.spend.from_period) == (1, 0, False)
    assert ads.cost.value == ads.value
    assert (ads.cost.per_lead, ads.cost.verdict) == (2000, "loses")


@pytest.mark.parametrize(
    ("days", "until"),
    [
        (["2025-01-01", "2025-02-01", "2025-03-01"], dt.date(2025, 4, 1)),
        (["2025-01-15", "2025-03-15"], dt.date(2025, 4, 15)),
        (["2025-01-06", "2025-01-13", "2025-01-27"], dt.date(2025, 2, 3)),
        (["2025-01-06", "2025-01-07"], dt.date(2025, 1, 8)),
        (["2025-01-31", "2025-03-02"], dt.date(2025, 3, 3)),
        (["2025-01-06"], dt.date(2025, 1, 7)),
        (["2025-11-01", "2025-12-01"], dt.date(2025, 12, 1)),  # December is not over at the end of the data
    ],
)
def test_the_last_row_stands_for_its_month_or_week(days: list[str], until: dt.date) -> None:
    matched = match_spend(make_spend([("a", day, 1.0) for day in days]), ("a",), END)
    assert dt.date(1970, 1, 1) + dt.timedelta(days=matched.until) == until


def test_days_of_spend_are_days_of_the_zone() -> None:
    """Leads come in at midnight in UTC, which is still the day before in New York."""
    rows = make_spend([("ads", "2025-01-01", 1.0), ("ads", "2025-01-02", 1.0)]).rows
    leads = {
        zone: value(make_journeys(BY_HAND), spend=SpendRows(rows, zone)).spend
        for zone in ("UTC", "America/New_York")
    }
    assert leads["UTC"] is not None
    assert leads["America/New_York"] is not None
    assert (leads["UTC"].leads, leads["America/New_York"].leads) == (8, 7)


def test_a_small_source_does_not_win_by_luck() -> None:
    leads: list[Lead] = [("large", day % 300, 5 if day % 10 == 0 else None, 100.0) for day in range(1000)]
    leads += [("other", day % 300, 5 if day % 12 == 0 else None, 100.0) for day in range(1000)]
    leads += [("lucky", day, 5 if day < 2 else None, 100.0) for day in range(4)]
    lucky = by_name(value(make_journeys(leads)))["lucky"]
    assert lucky.customers / lucky.leads == 0.5
    assert lucky.customer_rate.value < 0.2
    assert lucky.against_average == "unclear"


@pytest.mark.parametrize("tiny", [0.0, 1.7e-285, 1e-9])
def test_an_amount_of_next_to_nothing_is_a_free_sale(tiny: float) -> None:
    leads: list[Lead] = [("ads", day, 3, 100.0) for day in range(8)] + [("ads", 20, 3, tiny)]
    free: list[Lead] = [*leads[:-1], ("ads", 20, 3, 0.0)]
    one, other = (by_name(value(make_journeys(each)))["ads"] for each in (leads, free))
    assert one.value == other.value
    assert other.amount is not None
    assert other.amount.value == pytest.approx(100, rel=0.01)


def test_without_amounts_a_lead_is_worth_its_chance() -> None:
    journeys = make_journeys(
        [(source, day, 5 if day % 4 == 0 else None, None) for source in "ab" for day in range(80)]
    )
    spend = make_spend([("a", "2025-01-01", 40.0), ("a", "2025-03-21", 40.0)])
    found = value(journeys, spend=spend)
    assert not found.in_revenue
    for one in found.sources:
        assert one.value == one.customer_rate
        assert one.amount is None
        assert np.isnan(one.revenue)
    cost = by_name(found)["a"].cost
    assert cost is not None
    assert (cost.verdict, cost.value, cost.returns) == (None, None, None)
    assert cost.per_customer.low < 4 < cost.per_customer.high


def test_sales_of_nothing_bring_no_revenue() -> None:
    paid: list[Lead] = [("a", day, 5 if day % 4 == 0 else None, 100.0) for day in range(200)]
    half: list[Lead] = [(name, day, sold, 0.0 if day % 8 == 0 else 100.0) for name, day, sold, _ in paid]
    one, two = (by_name(value(make_journeys(leads)))["a"] for leads in (paid, half))
    assert one.value.value == pytest.approx(25, rel=0.1)
    assert two.value.value == pytest.approx(12.5, rel=0.15)
    assert one.customer_rate.value == pytest.approx(two.customer_rate.value, rel=0.03)


def test_leads_of_one_account_are_fewer_independent_ones() -> None:
    leads: list[Lead] = [("ab"[day % 2], day, 5 if day % 40 < 20 else None, 100.0) for day in range(320)]
    alone = by_name(value(make_journeys(leads)))["a"].value
    together = by_name(value(make_journeys(leads, accounts=[f"A{day // 20}" for day in range(320)])))[
        "a"
    ].value
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_open_leads_by_source() -> None:
    scores = pd.DataFrame(
        {
            "lead_id": ["L0000", "L0006", "L0020", "L0034", "gone", "L0001"],
            "cutoff_time": [DAY_ONE + pd.Timedelta(days=9)] * 5 + [DAY_ONE],
            "probability": [0.5, 0.25, 0.1, 0.2, 0.3, 0.9],
        }
    )
    found = value(make_journeys(BY_HAND), scores=scores)
    rows = by_name(found)
    ads = rows["ads"]
    assert ads.open is not None
    assert ads.amount is not None
    assert (ads.open.leads, ads.open.customers) == (2, 0.75)
    assert ads.open.revenue == pytest.approx(0.75 * ads.amount.value)
    assert {name: one.open.leads for name, one in rows.items() if one.open} == {"ads": 2, "fair": 1, None: 1}
    assert found.open_elsewhere == 1


def test_rates_and_amounts_follow_much_data_and_pool_little() -> None:
    rng = np.random.default_rng(0)
    rates = draw_rates(np.array([2000.0, 6000, 0]), np.array([20_000.0, 20_000, 0]), 4000, rng)
    assert rates.mean(axis=0)[:2] == pytest.approx([0.1, 0.3], rel=0.02)
    assert rates[:, 0].std() == pytest.approx(np.sqrt(0.1 * 0.9 / 20_000), rel=0.1)
    assert 0.1 < rates[:, 2].mean() < 0.3
    amounts = draw_amounts(np.array([1.0, 2.0, 0.0]), np.array([5000.0, 5000, 0]), 1.0, 9997, 4000, rng)
    assert amounts.mean(axis=0)[:2] == pytest.approx([1, 2], abs=0.01)
    assert amounts[:, 0].std() == pytest.approx(1 / np.sqrt(5000), rel=0.1)
    assert np.median(amounts[:, 2]) == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("spread", [0.2, 0.6])
def test_intervals_cover_the_truth_of_groups_that_differ(spread: float) -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(80):
        rate, middle = rng.gamma(spread**-2, spread**2 * 0.08, 8), rng.normal(8, spread, 8)
        trials = rng.choice([20, 100, 400, 1000], 8)
        wins = rng.binomial(trials, np.minimum(rate, 1))
        logs = [rng.normal(middle[group], 0.6, max(1, wins[group])) for group in range(8)]
        mean = np.array([own.mean() for own in logs])
        drawn = draw_rates(wins.astype(float), trials.astype(float), 500, rng)
        drawn = drawn * np.exp(draw_amounts(mean, wins.astype(float), 0.36, 200, 500, rng))
        low, high = np.quantile(drawn, (0.05, 0.95), axis=0)
        truth = rate * np.exp(middle)
        covered.append((low <= truth) & (truth <= high))
    assert 0.84 <= np.mean(covered) <= 0.96


def test_intervals_cover_the_simulators_truth() -> None:
    """The truth is the revenue per lead of 200,000 leads; benchmarks/sources.py does the same on 200 companies."""
    problem = make_config_of(problem={"horizon": "60d", "snapshots": {"ages": ["0d"]}}).problem

    def company(n: int, seed: int) -> Journeys:
        made = simulate(n, random_state=seed, activity=0.02).journeys()
        return replace(made, events=empty_table("events"))

    large = company(200_000, 10_000)
    truth = {
        one.source: one.revenue / one.leads
        for one in value_sources(large, problem, column="lead_source").sources
    }
    covered = [
        one.value.low <= truth[one.source] <= one.value.high
        for seed in range(25)
        for one in value_sources(company(4000, seed), problem, column="lead_source", n_draws=1000).sources
    ]
    assert 0.86 <= np.mean(covered) <= 0.975


LEADS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]),
        st.integers(0, 400),
        st.one_of(st.none(), st.integers(-5, 40)),
        st.one_of(st.none(), st.floats(0, 1e6)),
    ),
    min_size=1,
    max_size=40,
)
SPEND = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "d"]),
        st.integers(1, 28).map(lambda day: f"2025-02-{day:02}"),
        st.floats(-10, 1e4),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(LEADS, SPEND, st.integers(0, 2**16))
def test_order_and_repeated_rows_do_not_matter_and_verdicts_agree_with_the_numbers(
    leads: list[Lead], spend: list[tuple[str, str, float]], seed: int
) -> None:
    journeys = make_journeys(leads)
    rng = np.random.default_rng(seed)
    mixed = replace(
        journeys,
        leads=journeys.leads.iloc[rng.permutation(len(leads))].reset_index(drop=True),
        outcomes=pd.concat([journeys.outcomes] * 2).sample(frac=1, random_state=seed).reset_index(drop=True),
    )
    rows = make_spend(spend)
    try:
        found = value(journeys, spend=rows)
    except PopulationError:
        with pytest.raises(PopulationError):
            value(mixed, spend=rows)
        return
    again = value(mixed, spend=replace(rows, rows=rows.rows.iloc[::-1].reset_index(drop=True)))
    for one, other in zip(found.sources, again.sources, strict=True):
        assert (one.source, one.leads, one.customers) == (other.source, other.leads, other.customers)
        assert [one.value.low, one.value.high] == pytest.approx([other.value.low, other.value.high], rel=1e-6)
        check_verdicts(one, found)
    assert sum(one.leads for one in found.sources) == found.leads
    if found.spend is not None:
        told = sum(one.cost.spent for one in found.sources if one.cost) + sum(
            one.spent for one in found.spend.in_vain
        )
        credits = [cost for _, _, cost in spend if cost < 0]
        assert told == pytest.approx(found.spend.spent, abs=1e-6 - sum(credits))


def check_verdicts(one: SourceValue, found: Sources) -> None:
    assert one.value.low <= one.value.value <= one.value.high
    assert (one.against_average == "above") == (one.value.low > found.average.value)
    assert (one.against_average == "below") == (one.value.high < found.average.value)
    if one.cost is not None and one.cost.returns is not None and one.cost.value is not None:
        assert (one.cost.verdict == "pays") == (one.cost.value.low > one.cost.per_lead)
        assert (one.cost.verdict == "loses") == (one.cost.value.high < one.cost.per_lead)
        assert (one.cost.verdict == "pays") == (one.cost.returns.low > 1)


@settings(max_examples=30, deadline=None)
@given(LEADS)
def test_nothing_after_the_end_of_the_data_moves_a_number(leads: list[Lead]) -> None:
    until = (DAY_ONE + pd.Timedelta(days=200)).to_pydatetime()
    whole = replace(make_journeys(leads), observed_until=until)
    known = replace(
        whole,
        leads=whole.leads[whole.leads["created_at"] <= until].reset_index(drop=True),
        outcomes=whole.outcomes[whole.outcomes["occurred_at"] <= until].reset_index(drop=True),
    )
    try:
        found = value(whole)
    except PopulationError:
        return
    assert to_json_safe(value(known)) == to_json_safe(found)


def test_what_cannot_be_told_is_said() -> None:
    journeys = make_journeys(BY_HAND)
    with pytest.raises(PopulationError, match="found none among 35"):
        value(replace(journeys, observed_until=DAY_ONE.to_pydatetime()))
    with pytest.raises(PopulationError, match="at least one customer"):
        value(replace(journeys, outcomes=journeys.outcomes.iloc[:0]))
    with pytest.raises(PopulationError, match="at most 1,000 different sources; found 1,200"):
        value(make_journeys([(f"s{number}", 1, 2, 3.0) for number in range(1200)]))
    with pytest.raises(PopulationError, match="over at the end of the data"):
        value(journeys, spend=make_spend([("ads", "2026-05-01", 1.0)]))
