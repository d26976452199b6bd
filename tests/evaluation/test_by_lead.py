"""Leads are counted once, however often they are scored: by hand, and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqlml.evaluation.by_lead import Asked, ByLead, count_leads

#            lead 1      lead 2      lead 3  lead 4      lead 5
LEADS = np.array([1, 1, 2, 2, 3, 4, 4, 5])
Y = np.array([0, 1, 1, 0, 0, 0, 0, 1])
SCORE = np.array([0.1, 0.6, 0.4, 0.7, 0.8, 0.2, 0.3, 0.1])
POINTS = np.array([10.0, 10.0, 20.0, 20.0, 20.0, 0.0, 0.0, 0.0])


def counted(**changes: object) -> ByLead:
    given = {
        "selected": {"mql": SCORE >= 0.3, "sql": SCORE >= 0.6},
        "y": Y,
        "score": SCORE,
        "points": POINTS,
        "leads": LEADS,
        "clusters": LEADS,
        "thresholds": {"mql": 0.3, "sql": 0.6},
        "asked": {"mql": Asked("recall", 0.6), "sql": None},
        "weeks": 2.0,
    }
    rest = {**given, **changes}
    return count_leads(
        rest.pop("selected"),
        rest.pop("y"),
        rest.pop("score"),
        rest.pop("points"),
        **rest,  # type: ignore[arg-type]
    )


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


def test_the_points_rule_picks_as_many_and_shares_its_ties() -> None:
    found = counted()
    # 20 points: leads 2 and 3, of which 2 converts; 10 points: lead 1, which converts; 0 points: leads 4 and 5.
    assert found.labels["sql"].points_converted == pytest.approx(2.0)
    assert found.labels["mql"].points_converted == pytest.approx(2.5)
    assert np.isnan(counted(points=np.zeros(8)).labels["sql"].points_converted)


def test_labels_of_the_same_leads_are_said_to_be() -> None:
    found = counted(selected={"mql": SCORE >= 0.6, "sql": (SCORE >= 0.6) & (LEADS > 0)})
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
    found = counted(
        selected={}, y=y, score=score, points=score, leads=leads, clusters=leads // 2, thresholds={}, asked={}
    )
    for point in found.curve:
        rows = score >= point.threshold
        assert point.leads == len(set(leads[rows]))
        assert point.converted == len(set(leads[rows & (y == 1)]))
        assert 0 <= point.precision.low <= point.precision.value <= point.precision.high <= 1
