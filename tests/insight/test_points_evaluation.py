"""Points on later leads: losses and overlaps by hand, and when a model will be possible."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from mqlml.insight.points.evaluation import LaterRows, choose_total, evaluate_points
from mqlml.insight.points.more_wins import MONTH, expect_more_wins
from mqlml.simulate import simulate
from mqlml.training import build_table
from tests.features.worlds import make_config_of

LEAD = np.array([0, 0, 1, 2, 3, 4])
ROWS = LaterRows(
    converted=np.array([0.0, 1, 1, 0, 0, 0]),
    lead=LEAD,
    group=LEAD,
    total=np.array([1.0, 7, 3, 7, 3, 0]),
    probability=np.array([0.2, 0.5, 0.3, 0.5, 0.3, 0.1]),
    by_model=np.array([0.1, 0.8, 0.6, 0.2, 0.5, 0.1]),
)


def test_losses_and_overlap_by_hand() -> None:
    found = evaluate_points(
        ROWS, base_rate=0.25, thresholds={"mql": 0.5, "sql": 0.7}, totals={"mql": 3, "sql": 7}, random_state=0
    )
    assert (found.snapshots, found.leads, found.converted) == (6, 5, 2)
    points = -np.log([0.8, 0.5, 0.3, 0.5, 0.7, 0.9]).mean()
    base = -np.log([0.75, 0.25, 0.25, 0.75, 0.75, 0.75]).mean()
    model = -np.log([0.9, 0.8, 0.6, 0.8, 0.5, 0.9]).mean()
    assert found.log_loss.value == pytest.approx(points)
    assert found.beside_base_rate.log_loss == pytest.approx(base)
    assert found.beside_base_rate.log_loss_difference.value == pytest.approx(points - base)
    assert np.isnan(found.beside_base_rate.roc_auc)
    assert found.beside_model is not None
    assert found.beside_model.log_loss_difference.value == pytest.approx(points - model)
    assert found.beside_model.roc_auc == 1.0
    # The winner with 7 points beats three others and ties with one; the one with 3 beats two, ties with one of four.
    assert found.roc_auc.value == pytest.approx((3.5 + 2.5) / 8)
    assert found.beside_model.roc_auc_difference.value == pytest.approx(6 / 8 - 1)
    # The model calls leads 0, 1 and 3 MQL. Three with the most points: 0 and 2 with 7, then 1 or 3 by lot.
    mql, sql = found.labels["mql"], found.labels["sql"]
    assert (mql.leads, mql.converted, mql.points_converted) == (3, 2, 1.5)
    assert mql.overlap.value == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert (sql.leads, sql.overlap.value, sql.points_converted) == (1, 0.5, 0.5)


def test_without_a_model_only_the_base_rate_stands_beside() -> None:
    rows = LaterRows(ROWS.converted, ROWS.lead, ROWS.group, ROWS.total, ROWS.probability, None)
    found = evaluate_points(rows, base_rate=0.25, thresholds={}, totals={}, random_state=0)
    assert found.beside_model is None
    assert found.labels == {}


def test_points_that_are_the_model_lose_nothing() -> None:
    assert ROWS.by_model is not None
    rows = LaterRows(ROWS.converted, LEAD, LEAD, ROWS.by_model, ROWS.by_model, ROWS.by_model)
    found = evaluate_points(rows, base_rate=0.3, thresholds={"mql": 0.5}, totals={"mql": 1}, random_state=0)
    assert found.beside_model is not None
    difference = found.beside_model.log_loss_difference
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert found.labels["mql"].overlap.value == 1.0


def test_a_label_begins_at_the_points_of_about_as_many_leads() -> None:
    total = np.array([1.0, 7, 3, 7, 3, 0])
    assert choose_total(LEAD, total, np.array([0, 1, 0, 1, 0, 0], dtype=bool)) == 7
    assert choose_total(LEAD, total, np.array([0, 1, 1, 1, 1, 0], dtype=bool)) == 3
    assert choose_total(LEAD, total, np.zeros(6, dtype=bool)) == 8  # nobody


def make_few() -> object:
    company = simulate(450, random_state=5)
    config = make_config_of(
        problem={"horizon": "60d", "snapshots": {"ages": ["0d", "7d", "30d"]}}, windows=["30d", "all"]
    )
    return build_table(company.journeys(), config)


def test_how_many_more_wins_and_when_by_integration() -> None:
    table = make_few()
    found = expect_more_wins(table, needed=50, holdout=0.3)
    rows = table.holdout.train
    won = rows[table.label[rows] == 1]
    assert found.conversions == len(won)
    assert found.leads == table.lead_id.iloc[won].nunique()
    assert found.missing == 50 - found.conversions > 0
    span = np.ptp(table.time[rows]) / 86_400e6 / MONTH
    assert found.leads_per_month.low < found.leads / span < found.leads_per_month.high
    more = int(np.ceil(found.missing * found.leads / found.conversions))
    months = found.months.high * 0.7

    # The chance to wait at most so long: rates by Jeffreys' posterior, the wait for `more` events a gamma each.
    def at_rate(rate: float) -> float:
        posterior = stats.gamma.pdf(rate, found.leads + 0.5, scale=1 / span)
        return float(posterior * stats.gamma.cdf(months, more, scale=1 / rate))

    assert integrate.quad(at_rate, 1e-9, 50, limit=200)[0] == pytest.approx(0.95, abs=1e-4)


def test_with_enough_nothing_is_missing() -> None:
    found = expect_more_wins(make_few(), needed=10, holdout=0.3)
    assert (found.missing, found.leads_missing) == (0, 0)
    assert np.isnan(found.months.value)
