"""The funnel: a small company by hand, young periods against what became of them, and invariants."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.errors import PopulationError
from mqlml.insight.funnel.cohorts import Funnel, measure_funnel
from mqlml.insight.funnel.stages import LeadStages, read_stages
from mqlml.journeys.contract import chain_merges
from mqlml.monitoring import known_by
from mqlml.simulate import simulate
from mqlml.times import DAY, NEVER, from_microseconds
from tests.by_hand import journeys, problem

WON = problem(outcome="closed_won")


def outcome(lead: int, stage: str, at: str) -> dict[str, Any]:
    return {"lead_id": lead, "stage": stage, "occurred_at": at}


COMPANY = journeys(
    [{"lead_id": lead, "created_at": "01-10" if lead < 5 else "04-10"} for lead in range(1, 9)],
    outcomes=[
        outcome(1, "mql", "01-12"),
        outcome(1, "sql", "01-14"),
        outcome(1, "closed_won", "01-20"),
        outcome(2, "mql", "01-11"),
        outcome(2, "closed_lost", "01-21"),
        outcome(3, "sql", "01-15"),
        outcome(3, "closed_won", "02-01"),
        outcome(4, "disqualified", "01-12"),
        outcome(5, "sql", "04-12"),
        outcome(5, "mql", "04-14"),
        outcome(6, "mql", "04-11"),
        outcome(6, "disqualified", "06-11"),
        outcome(7, "mql", "12-31 01:00"),
    ],
)
"""Eight leads: 1 goes all the way, 3 skips MQL, 5 is MQL only after SQL; 7 is MQL after the end of the data."""


def shares(found: Funnel) -> dict[str, tuple[int, float]]:
    return {stage.stage: (stage.reached, stage.share.value) for stage in found.stages}


def test_a_small_company_by_hand() -> None:
    found = measure_funnel(read_stages(COMPANY, WON), within=180 * DAY)
    assert (found.leads, found.missing, found.within_days) == (8, ("opportunity",), 180)
    assert shares(found) == {
        "mql": (4, pytest.approx(4 / 8)),
        "sql": (3, pytest.approx(3 / 8)),
        "closed_won": (2, pytest.approx(2 / 8)),
    }
    mql = found.stages[0].days
    assert mql.value == pytest.approx(1)  # 1, 1, 2 and 4 days: half of the four by day 1
    assert [(cohort.period, cohort.leads, cohort.complete) for cohort in found.cohorts] == [
        ("2024-Q1", 4, True),
        ("2024-Q2", 4, True),
    ]
    assert [stage.reached for stage in found.cohorts[0].stages] == [2, 2, 2]
    assert [stage.reached for stage in found.cohorts[1].stages] == [2, 1, 0]
    step = found.steps[1]
    assert (step.start, step.end, step.entered, step.moved) == ("mql", "sql", 4, 2)
    assert step.share.value == pytest.approx(2 / 4)  # lead 5 was SQL already, leads 2 and 6 were lost
    assert [(period.period, period.entered, period.moved) for period in step.periods] == [
        ("2024-Q1", 2, 1),
        ("2024-Q2", 2, 1),
    ]


def test_origins_and_the_handover_by_hand() -> None:
    found = measure_funnel(read_stages(COMPANY, WON), soon=14 * DAY)
    assert [(one.period, one.customers, one.marketing) for one in found.origins] == [
        ("all", 2, 1),
        ("2024-Q1", 2, 1),
    ]
    handover = found.handover
    assert handover is not None
    assert (handover.handed_over, handover.too_early) == (4, 1)  # lead 2 within 10 days; lead 6 only after 61
    assert (handover.accepted, handover.too_late, handover.never) == (3, 1, 1)  # lead 5; lead 3
    later = measure_funnel(read_stages(COMPANY, WON), soon=61 * DAY).handover
    assert later is not None
    assert later.too_early == 2


def test_months_are_those_of_the_zone() -> None:
    leads = journeys(
        [{"lead_id": 1, "created_at": "01-31 23:30"}, {"lead_id": 2, "created_at": "02-10"}],
        outcomes=[outcome(1, "closed_won", "02-01")],
    )
    found = measure_funnel(read_stages(leads, WON), by="month", zone="Europe/Berlin")
    assert [(cohort.period, cohort.leads) for cohort in found.cohorts] == [("2024-02", 2)]
    assert [cohort.period for cohort in measure_funnel(read_stages(leads, WON), by="month").cohorts] == [
        "2024-01",
        "2024-02",
    ]


def test_a_lead_that_was_won_after_a_loss_is_a_customer() -> None:
    leads = journeys(
        [{"lead_id": 1, "created_at": "01-01"}, {"lead_id": 2, "created_at": "01-01"}],
        outcomes=[outcome(1, "closed_lost", "01-05"), outcome(1, "closed_won", "03-01")],
    )
    assert shares(measure_funnel(read_stages(leads, WON))) == {"closed_won": (1, pytest.approx(0.5))}


def test_without_stages_the_handover_is_unknown() -> None:
    leads = journeys([{"lead_id": 1, "created_at": "01-01"}], outcomes=[outcome(1, "closed_won", "01-02")])
    found = measure_funnel(read_stages(leads, WON))
    assert (found.handover, found.origins, found.missing) == (None, (), ("mql", "sql", "opportunity"))


def test_the_predicted_stage_is_the_customer_where_nothing_is_won() -> None:
    leads = journeys(
        [{"lead_id": 1, "created_at": "01-01"}],
        outcomes=[outcome(1, "mql", "01-02"), outcome(1, "sql", "01-04")],
    )
    found = read_stages(leads, problem(outcome="sql"))
    assert (found.customer, list(found.reached), found.missing) == ("sql", ["mql", "sql"], ())


def test_without_customers_or_leads_it_says_so() -> None:
    lost = journeys([{"lead_id": 1, "created_at": "01-01"}], outcomes=[outcome(1, "closed_lost", "01-02")])
    with pytest.raises(PopulationError, match="the funnel needs customers: leads that reached closed_won"):
        read_stages(lost, WON)
    early = journeys(
        [{"lead_id": 1, "created_at": "02-01"}],
        outcomes=[outcome(1, "closed_won", "02-02")],
        observed_until="01-01",
    )
    with pytest.raises(PopulationError, match="found none among 1"):
        read_stages(early, WON)


@pytest.fixture(scope="module")
def grown() -> tuple[Funnel, LeadStages]:
    """A company's funnel after 18 months, and what had become of its leads a year later."""
    later = simulate(12_000, random_state=5, days=900).journeys()
    end = from_microseconds(int(pd.Timestamp("2025-06-24", tz="UTC").value // 1000))
    then = dataclasses.replace(known_by(later, end), observed_until=end)
    return measure_funnel(read_stages(then, WON), within=150 * DAY), read_stages(later, WON)


def test_young_periods_do_not_sag(grown: tuple[Funnel, LeadStages]) -> None:
    """Most intervals of customers hold the share of each quarter's leads that were won within 150 days in the end."""
    found, later = grown
    starts = [
        pd.Timestamp(f"{year}-{month:02}-01", tz="UTC").value // 1000
        for year in (2024, 2025)
        for month in (1, 4, 7, 10)
    ]
    inside = []
    for number, cohort in enumerate(found.cohorts[:5]):
        own = (later.created >= starts[number]) & (later.created < starts[number + 1])
        won = later.reached["closed_won"]
        came = np.mean((won < NEVER)[own] & (won - later.created <= 150 * DAY)[own])
        share = cohort.stages[-1].share
        inside.append(share.low <= came <= share.high)
        assert share.value == pytest.approx(came, rel=0.2)
    assert sum(inside) >= 4
    last = found.cohorts[-1]
    assert not last.complete
    assert last.stages[-1].share.value > 2 * last.stages[-1].reached / last.leads


def _same(one: Any, other: Any) -> bool:
    """Equal but for the last digits of sums taken in another order; NaN equals NaN."""
    if dataclasses.is_dataclass(one):
        return all(
            _same(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one)
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or (
            math.isnan(one) and math.isnan(other)
        )
    return bool(one == other)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15)
def test_order_repetition_and_what_comes_later_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = simulate(60, random_state=seed, days=200).journeys()
    if not (made.outcomes["stage"] == "closed_won").any():
        return
    found = measure_funnel(read_stages(made, WON))
    rows = rng.permutation(
        np.concatenate([np.arange(len(made.outcomes)), rng.integers(0, len(made.outcomes), 20)])
    )
    later = made.outcomes.iloc[:30].assign(
        occurred_at=pd.Timestamp(made.observed_until) + pd.Timedelta(seconds=1), stage="closed_won"
    )
    changed = dataclasses.replace(
        made,
        leads=pd.concat(
            [
                made.leads.iloc[rng.permutation(len(made.leads))],
                made.leads.iloc[:1].assign(
                    lead_id=999_999, created_at=pd.Timestamp(made.observed_until) + pd.Timedelta(days=1)
                ),
            ]
        ).reset_index(drop=True),
        outcomes=pd.concat(
            [table.assign(stage=table["stage"].astype("str")) for table in (made.outcomes.iloc[rows], later)],
            ignore_index=True,
        ),
    )
    assert _same(measure_funnel(read_stages(changed, WON)), found)
    assert len(changed.outcomes) > len(made.outcomes)


def test_a_merged_lead_counts_once() -> None:
    made = simulate(50, random_state=2).journeys()
    at = int(pd.Timestamp("2024-02-01", tz="UTC").value // 1000)
    merged = dataclasses.replace(made, merged=chain_merges([0], [1], [at]))
    assert len(read_stages(merged, WON)) == len(read_stages(made, WON)) - 1
