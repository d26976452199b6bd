"""Leads are counted once, however often they are scored: by hand, and against a plain loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqlml.evaluation.by_lead import (
    Asked,
    ByLead,
    CompanyMqls,
    LabelRows,
    LeadRows,
    count_leads,
    find_company_mqls,
)
from mqlml.policy import make_volume_data
from tests.by_hand import instant, journeys, problem

#            lead 1      lead 2      lead 3  lead 4      lead 5
LEADS = np.array([1, 1, 2, 2, 3, 4, 4, 5])
Y = np.array([0, 1, 1, 0, 0, 0, 0, 1])
SCORE = np.array([0.1, 0.6, 0.4, 0.7, 0.8, 0.2, 0.3, 0.1])
POINTS = np.array([10.0, 10.0, 20.0, 20.0, 20.0, 0.0, 0.0, 0.0])
ROWS = LeadRows(Y, LEADS, LEADS, SCORE, POINTS)
LABELS = {
    "mql": LabelRows(0.3, SCORE >= 0.3, Asked("recall", 0.6)),
    "sql": LabelRows(0.6, SCORE >= 0.6, None),
}


def counted(rows: LeadRows | None = None, labels: dict[str, LabelRows] | None = None) -> ByLead:
    return count_leads(ROWS if rows is None else rows, LABELS if labels is None else labels, weeks=2.0)


def test_labels_by_hand() -> None:
    found = counted()
    assert (found.leads, found.converted, found.base_rate) == (5, 3, 0.6)
    mql, sql = found.labels["mql"], found.labels["sql"]
    assert (mql.leads, mql.converted, mql.recall.value) == (4, 2, pytest.approx(2 / 3))
    # Lead 2 is selected at its second snapshot only, which no conversion followed.
    assert (sql.leads, sql.converted, sql.precision.value) == (3, 1, pytest.approx(1 / 3))
    assert sql.precision.low < 1 / 3 < sql.precision.high
    assert (mql.asked, sql.asked) == (Asked("recall", 0.6), None)
    assert mql.same_as is sql.same_as is None


def test_leads_a_week_are_those_that_reach_a_threshold_first_in_these_nights() -> None:
    """Leads 1 and 2 had reached 0.3 before, lead 2 also 0.6; the rows are of half the accounts."""
    volume = make_volume_data(
        [0.2, 0.7, 0.9, 0.4, 0.8, 0.1],
        lead=[1, 1, 2, 3, 4, 5],
        time=[0.0, 1.0, 1.5, 1.0, 0.5, 0.5],
        period=(0.0, 2.0),
        before=np.array([0.5, 0.5, 0.8, 0.0, 0.0, 0.0]),
        share=0.5,
    )
    found = count_leads(ROWS, LABELS, weeks=2.0, nights=volume)
    assert (found.labels["mql"].per_week, found.labels["sql"].per_week) == (2.0, 2.0)
    curve = {point.threshold: point.per_week for point in found.curve}
    assert (curve[0.3], curve[0.6]) == (2.0, 2.0)
    assert found.weekly(found.labels["mql"]) == 2.0
    assert counted().weekly(counted().labels["mql"]) == 4 / 2
    assert [point.per_week for point in counted().curve] == [None] * len(counted().curve)


def test_the_points_rule_picks_as_many_and_shares_its_ties() -> None:
    found = counted()
    # 20 points: leads 2 and 3, of which 2 converts; 10 points: lead 1, which converts; 0 points: leads 4 and 5.
    assert found.labels["sql"].points_converted == pytest.approx(2.0)
    assert found.labels["mql"].points_converted == pytest.approx(2.5)
    assert np.isnan(counted(replace(ROWS, points=np.zeros(8))).labels["sql"].points_converted)


def test_labels_of_the_same_leads_are_said_to_be() -> None:
    found = counted(labels={"mql": LabelRows(0.6, SCORE >= 0.6, None), "sql": LABELS["sql"]})
    assert found.labels["sql"].same_as == "mql"
    assert found.labels["mql"].same_as is None


def test_the_curve_holds_the_thresholds_of_the_labels() -> None:
    found = counted()
    by_threshold = {point.threshold: point for point in found.curve}
    for label in found.labels.values():
        point = by_threshold[label.threshold]
        assert (point.leads, point.converted) == (label.leads, label.converted)
    assert [point.threshold for point in found.curve] == sorted(by_threshold, reverse=True)
    assert found.curve[-1].leads == found.leads


@given(seed=st.integers(0, 1000), n=st.integers(2, 60))
def test_the_curve_is_that_of_a_plain_loop(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    leads, y = rng.integers(0, max(1, n // 2), n), rng.integers(0, 2, n)
    score = rng.random(n).round(1)
    found = counted(LeadRows(y, leads, leads // 2, score, score), {})
    for point in found.curve:
        rows = score >= point.threshold
        assert point.leads == len(set(leads[rows]))
        assert point.converted == len(set(leads[rows & (y == 1)]))
        assert 0 <= point.precision.low <= point.precision.value <= point.precision.high <= 1


def test_the_company_s_own_mqls_stand_beside_as_many_of_the_model() -> None:
    #                 1     1     2     2     3     4     4     5
    company = np.array([2, 2, 0, 0, 1, 0, 0, 0], dtype=np.int8)
    found = counted(replace(ROWS, company=company)).company_mqls
    assert found is not None
    assert (found.leads, found.converted) == (2, 1)
    # The two highest are leads 3 and 2; lead 2 converts, but not after the snapshot that ranks it so high.
    assert found.model_converted.value == 0.0
    assert found.model_converted.low == 0.0 < found.model_converted.high < 2
    three = replace(ROWS, company=np.array([2, 2, 0, 0, 1, 1, 1, 0], dtype=np.int8))
    beside = counted(three).company_mqls
    assert beside is not None
    assert (beside.leads, beside.converted, beside.model_converted.value) == (3, 1, pytest.approx(1.0))


def test_without_mqls_of_the_company_there_is_nothing_to_compare() -> None:
    assert counted().company_mqls is None
    assert counted(replace(ROWS, company=np.zeros(8, dtype=np.int8))).company_mqls is None
    assert isinstance(counted(replace(ROWS, company=np.ones(8, dtype=np.int8))).company_mqls, CompanyMqls)


def test_the_company_s_mqls_by_hand() -> None:
    stages = {
        1: [("mql", "01-05", "01-05"), ("closed_won", "01-09", "01-09")],  # an MQL, then a customer
        2: [("mql", "01-05", "01-09"), ("closed_won", "01-08", "01-08")],  # entered after the sale
        3: [("mql", "01-12", "01-12"), ("closed_won", "01-14", "01-14")],  # after the period's last snapshot
        4: [
            ("mql", "01-02", "01-02"),
            ("closed_won", "05-01", "05-01"),
        ],  # an MQL whose sale is no conversion
        5: [("sql", "01-05", "01-05"), ("closed_won", "01-09", "01-09")],  # never an MQL
    }
    data = journeys(
        [{"lead_id": lead, "created_at": "01-01"} for lead in stages],
        outcomes=[
            {"lead_id": lead, "stage": stage, "occurred_at": happened, "recorded_at": known}
            for lead, rows in stages.items()
            for stage, happened, known in rows
        ],
    )
    snapshots = pd.DataFrame({"lead_id": [1, 2, 3, 4, 5, 1]}).assign(
        cutoff_time=[instant(day) for day in ("01-01", "01-01", "01-01", "01-01", "01-10", "01-04")]
    )
    found = find_company_mqls(data, snapshots, [0, 1, 1, 0, 1, 1], problem())
    assert found is not None
    assert found.tolist() == [2, 1, 0, 1, 0, 2]
    assert find_company_mqls(data, snapshots, [0] * 6, problem(outcome="mql")) is None
    none = journeys([{"lead_id": 1, "created_at": "01-01"}])
    assert find_company_mqls(none, snapshots.iloc[:1], [0], problem()) is None
