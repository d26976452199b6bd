"""The plan: exposure by hand, rates that are found again, forecasts that come true, and invariants."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import PopulationError, UsageError
from mqlml.insight.funnel.stages import LeadStages, read_stages
from mqlml.insight.plan.forecast import Outlook, forecast_customers, forecast_past
from mqlml.insight.plan.pace import BLOCK, Draws, draw_future, learn_pace
from mqlml.simulate import simulate
from mqlml.times import DAY, NEVER, from_microseconds
from mqlml.types import Micros
from tests.by_hand import journeys, problem

WON = problem(outcome="closed_won")


def company(
    *,
    a_day: float = 4.0,
    days: int = 560,
    won: float = 0.01,
    lost: float = 0.03,
    seed: int = 0,
    mql: float = 0.02,
) -> LeadStages:
    """Leads that come in evenly and are won, lost and become MQLs at constant rates a day."""
    rng = np.random.default_rng(seed)
    until = days * DAY
    created = np.sort(rng.integers(0, until, rng.poisson(a_day * days)))

    def after(rate: float) -> Micros:
        return created + (rng.exponential(1 / rate, len(created)) * DAY).astype(np.int64)

    sale, loss, marketing = after(won), after(lost), after(mql)
    end = np.minimum(np.minimum(sale, loss), until)
    return LeadStages(
        created=created,
        reached={
            "mql": np.where(marketing <= end, marketing, NEVER),
            "closed_won": np.where((sale <= loss) & (sale <= until), sale, NEVER),
        },
        closed=np.where((loss < sale) & (loss <= until), loss, NEVER),
        account=np.arange(len(created)),
        until=until,
        customer="closed_won",
        missing=("sql", "opportunity"),
    )


def test_days_at_risk_by_hand() -> None:
    """Three blocks of 28 days. Lead 1 lives days 0 to 84, lead 2 from day 20 to its sale on day 30."""
    leads = LeadStages(
        created=np.array([0, 20]) * DAY,
        reached={"closed_won": np.array([NEVER, 30 * DAY])},
        closed=np.array([NEVER, NEVER]),
        account=np.arange(2),
        until=84 * DAY,
        customer="closed_won",
        missing=(),
    )
    pace = learn_pace(leads)
    assert pace.begins.tolist() == [0]
    assert pace.won.days == pytest.approx([84 + 10])
    assert pace.won.events.tolist() == [1]
    assert (pace.open_age.tolist(), pace.open_count.tolist()) == ([84], [1])
    assert pace.mql is None


def test_rates_and_levels_are_found_again() -> None:
    pace = learn_pace(company(a_day=20))
    assert pace.won.events.sum() / pace.won.days.sum() == pytest.approx(0.01, rel=0.1)
    assert pace.ended.events.sum() / pace.ended.days.sum() == pytest.approx(0.03, rel=0.05)
    assert pace.mql is not None
    assert pace.mql[0].events.sum() / pace.mql[0].days.sum() == pytest.approx(0.02, rel=0.05)
    assert pace.arrivals.mean == pytest.approx(20 * BLOCK / DAY, rel=0.05)
    assert pace.level.mean == pytest.approx(1, abs=0.1)


def test_the_chance_of_a_new_lead_is_the_formulas() -> None:
    """At constant rates, a lead with t days left is won with w / (w + l) (1 - exp(-(w + l) t))."""
    drawn = draw_future(learn_pace(company(a_day=40)), 60, n_draws=400)
    left = np.linspace(0, 60, 10_001)
    for chance, rate, other in ((drawn.chance, 0.01, 0.03), (drawn.chance_mql, 0.02, 0.04)):
        wanted = float((rate / (rate + other) * (1 - np.exp(-(rate + other) * left))).mean())
        assert chance is not None
        assert float(np.median(chance)) == pytest.approx(wanted, rel=0.07)


def test_a_level_that_falls_is_followed() -> None:
    """Of the leads of the last 200 days a third are won as often; the forecast follows, with a wide interval."""
    early = company(a_day=20)
    won = early.reached["closed_won"]
    fewer = (won > 360 * DAY) & (won < NEVER) & (np.arange(len(early)) % 3 > 0)
    falling = dataclasses.replace(early, reached={**early.reached, "closed_won": np.where(fewer, NEVER, won)})
    pace = learn_pace(falling)
    assert pace.level.mean < 0.6
    assert learn_pace(early).level.mean > 0.9


def test_half_of_the_time_brings_fewer_and_lead_numbers_agree_with_chances() -> None:
    leads = company()
    near = forecast_customers(leads, leads.until + 30 * DAY)
    far = forecast_customers(leads, leads.until + 90 * DAY, (30, 60, 100))
    assert near.expected.value < far.expected.value
    few, some, many = far.needs
    assert few.leads.value < some.leads.value < many.leads.value
    assert few.chance > some.chance > many.chance
    for need in far.needs:
        assert need.mqls is not None
        assert need.mqls.value < max(need.leads.value, 1)
    # At the number of customers that today's pace brings in the median, it takes about today's pace.
    (same,) = forecast_customers(leads, leads.until + 90 * DAY, (int(far.expected.value),)).needs
    assert same.leads.value == pytest.approx(far.new_leads.value, rel=0.1)
    assert same.leads_per_month == pytest.approx(far.leads_per_month, rel=0.1)


def test_enough_open_leads_need_no_new_ones_and_too_near_a_date_no_number() -> None:
    leads = company()
    (need,) = forecast_customers(leads, leads.until + 90 * DAY, (1,)).needs
    assert (need.leads.value, need.mqls and need.mqls.value) == (0, 0)
    assert need.chance > 0.99
    (never,) = forecast_customers(leads, leads.until + 60_000_000, (500,)).needs
    assert math.isnan(never.leads.value)
    assert never.mqls is not None
    assert math.isnan(never.mqls.value)


def test_intervals_cover_constant_rates() -> None:
    """Sixty companies whose next 60 days are drawn by the same law."""
    inside = 0
    for seed in range(60):
        whole = company(a_day=3, days=420, seed=seed)
        cut = 360 * DAY
        known = whole.take(whole.created <= cut)
        seen = {stage: np.where(times <= cut, times, NEVER) for stage, times in known.reached.items()}
        then = dataclasses.replace(
            known, reached=seen, closed=np.where(known.closed <= cut, known.closed, NEVER), until=cut
        )
        won = whole.reached["closed_won"]
        came = int(((won > cut) & (won < NEVER)).sum())
        found = forecast_customers(then, whole.until, n_draws=400).expected
        inside += found.low <= came <= found.high
    assert 50 <= inside <= 59


def test_what_comes_later_and_the_order_of_rows_change_nothing() -> None:
    made = simulate(400, random_state=4).journeys()
    until = int(pd.Timestamp(made.observed_until).value // 1000) + 60 * DAY
    later = made.outcomes.iloc[:40].assign(
        occurred_at=pd.Timestamp(made.observed_until) + pd.Timedelta(seconds=1),
        stage=pd.Categorical(["closed_won"] * 40, categories=made.outcomes["stage"].cat.categories),
    )
    changed = dataclasses.replace(
        made,
        leads=made.leads.iloc[::-1].reset_index(drop=True),
        outcomes=pd.concat([made.outcomes.iloc[::-1], made.outcomes.iloc[:20], later], ignore_index=True),
    )
    one, other = (forecast_customers(read_stages(data, WON), until, (10,)) for data in (made, changed))
    assert one == other
    assert one.expected.value > 0


def test_past_quarters_know_nothing_of_their_future() -> None:
    """A quarter's forecast stays where later sales are taken away; what is counted as its outcome changes."""
    made = simulate(1500, random_state=4).journeys()
    past = forecast_past(made, WON, n_draws=300)
    assert [one.quarter for one in past][-1] == "2025-Q1"
    assert len(past) >= 3
    won, at = made.outcomes["stage"] == "closed_won", made.outcomes["occurred_at"]
    cut = dataclasses.replace(
        made,
        outcomes=made.outcomes[~(won & (at >= pd.Timestamp("2025-01-01", tz="UTC")))].reset_index(drop=True),
    )
    without = forecast_past(cut, WON, n_draws=300)
    assert without[-1].forecast == past[-1].forecast
    assert (without[-1].customers, past[-1].customers > 0) == (0, True)
    sales = read_stages(made, WON).reached["closed_won"]
    starts = [pd.Timestamp(text, tz="UTC").value // 1000 for text in ("2025-01-01", "2025-04-01")]
    assert past[-1].customers == ((sales >= starts[0]) & (sales < starts[1])).sum()
    for one in past:
        assert one.inside == (one.forecast.low <= one.customers <= one.forecast.high)


def test_a_date_in_the_past_and_a_short_history_are_refused() -> None:
    leads = company()
    with pytest.raises(UsageError, match="must come after the end of the data, 1971-07-15; found 1971-07-15"):
        forecast_customers(leads, leads.until)
    with pytest.raises(PopulationError, match="over at least 84 days"):
        learn_pace(company(days=80))


def test_one_open_lead_and_one_sale_are_enough_to_answer() -> None:
    few = journeys(
        [{"lead_id": lead, "created_at": "01-10"} for lead in range(3)],
        outcomes=[{"lead_id": 0, "stage": "closed_won", "occurred_at": "02-10"}],
    )
    stages = read_stages(few, WON)
    found = forecast_customers(stages, stages.until + 90 * DAY, (5,))
    assert isinstance(found, Outlook)
    assert found.open_leads == 2
    assert found.expected.low == 0
    assert found.since == from_microseconds(stages.until).date().isoformat()
    assert isinstance(draw_future(learn_pace(stages), 10, n_draws=10), Draws)
