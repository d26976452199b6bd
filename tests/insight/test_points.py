"""Points tables: conditions by hand, weights that a hand can check, and tables that do not depend on order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from mqlml.features import Feature
from mqlml.features.catalogue import Signal
from mqlml.features.wording import Counted, Flag, Last, Named, Share, Since, Times
from mqlml.insight.points.conditions import Condition, ConditionTable, find_conditions, hold
from mqlml.insight.points.table import describe_rows, fit_points, make_scale, total_points

DEMO = Counted("demo request", "demo requests")
FEATURES = (
    Feature("actions", "demo_request", "count", DEMO, "count", "presence", "7d", " in the last 7 days"),
    Feature("actions", "demo_request", "count", DEMO, "count", "presence", "30d", " in the last 30 days"),
    Feature("actions", "sent", "count", Times("“email sent”"), "count", "presence", "all", " so far"),
    Feature(
        "undesirables", "free_mail", "flag", Flag("writes from a free email address"), "flag", "presence"
    ),
    Feature("undesirables", "silence", "days", Last("activity"), "days"),
    Feature("profile", "lead", "age", Since("the lead was created"), "age"),
    Feature("profile", "employees", "value", Named("Employees"), "number", missing="not_given"),
    Feature("actions", "visits", "value", Named("TotalVisits"), "number", "presence", missing="not_given"),
    Feature("actions", "value", "sum", Named("total value of events"), "amount", window="all"),
    Feature("profile", "country", "value", Named("Country"), "category", missing="not_given"),
    Feature("channel", "email", "share", Share("touches through “email”"), "share"),
)
N = 400


def make_table(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    demo = rng.poisson(0.6, n)
    return pd.DataFrame(
        {
            FEATURES[0].name: demo,
            FEATURES[1].name: demo + rng.poisson(0.6, n),
            FEATURES[2].name: rng.poisson(1.0, n),
            FEATURES[3].name: rng.integers(0, 2, n),
            FEATURES[4].name: rng.uniform(0, 40, n),
            FEATURES[5].name: np.repeat([0, 30], n // 2),
            FEATURES[6].name: np.where(rng.random(n) < 0.2, np.nan, rng.integers(1, 5000, n)),
            FEATURES[7].name: rng.integers(0, 9, n),
            FEATURES[8].name: rng.integers(0, 9, n),
            FEATURES[9].name: pd.Series(rng.choice(["US", "de_at", "other", None], n), dtype="str"),
            FEATURES[10].name: rng.random(n),
        }
    )


def test_conditions_read_as_a_crm_asks_them() -> None:
    texts = [condition.text for condition in find_conditions(FEATURES, make_table()).conditions]
    for text in (
        "At least 1 demo request in the last 7 days",
        "At least 2 demo requests in the last 30 days",
        "“email sent” at least once so far",
        "“email sent” at least 3 times so far",
        "Writes from a free email address",
        "No activity for 14 days or more",
        "The lead was created 3 days ago or earlier",
        "Country is US",
        "Country is de at",
        "Country not given",
    ):
        assert text in texts
    for name in ("Employees", "TotalVisits"):
        assert any(text.startswith(f"{name}: ") and text.endswith(" or more") for text in texts)
    assert not [
        text for text in texts if any(word in text.lower() for word in ("touches", "other", "total value"))
    ]


def test_conditions_are_kept_once_and_only_where_both_sides_have_rows() -> None:
    table = make_table()
    table[FEATURES[3].name] = 0
    found = find_conditions(FEATURES, table)
    assert "Writes from a free email address" not in [condition.text for condition in found.conditions]
    # Leads are 0 or 30 days old: all ages from 3 to 30 days ask the same.
    assert [one.at_least for one in found.conditions if one.signal == Signal("profile", "lead")] == [3.0]
    assert (found.held.sum(axis=0) >= 20).all()
    assert (~found.held).sum(axis=0).min() >= 20
    for place, condition in enumerate(found.conditions):
        assert (hold(condition, table) == found.held[:, place]).all()


def test_a_number_that_everyone_reaches_who_has_one_asks_whether_it_is_given() -> None:
    table = make_table()
    table[FEATURES[6].name] = np.where(np.arange(N) < 100, np.nan, np.where(np.arange(N) < 350, 0.0, 7.0))
    found = find_conditions(FEATURES, table)
    asked = [one for one in found.conditions if one.signal.what == "employees"]
    assert [(one.text, one.at_least) for one in asked] == [
        ("Employees given", 0.0),
        ("Employees: 7 or more", 7.0),
    ]
    assert hold(asked[0], table).sum() == 300


def test_a_missing_number_meets_no_condition() -> None:
    table = pd.DataFrame({"a": [np.nan, 1.0, 3.0], "b": pd.Series([None, "x", "missing"], dtype="str")})
    signal = Signal("profile", "a")
    assert hold(Condition("a", signal, "", at_least=2), table).tolist() == [False, False, True]
    assert hold(Condition("b", signal, "", level="x"), table).tolist() == [False, True, False]
    assert hold(Condition("b", signal, "", level="missing"), table).tolist() == [True, False, True]


def two(held: np.ndarray) -> ConditionTable:
    names = [f"c{place}" for place in range(held.shape[1])]
    conditions = [Condition(name, Signal("actions", name), name, at_least=1) for name in names]
    return ConditionTable(tuple(conditions), held.astype(bool))


def test_points_of_a_table_that_adds_up_are_exact() -> None:
    """All four cells of two conditions, with the probabilities of a rule of +10 and −4 points."""
    held = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [400, 300, 200, 100], axis=0)
    target = expit(logit(0.1) + 0.2 * (held @ [10, -4]))
    rule = fit_points(two(held), target, ridge=0.0)
    assert dict(zip([one.text for one in rule.conditions], rule.points, strict=True)) == {"c0": 10, "c1": -4}
    assert rule.unit == pytest.approx(0.2, rel=1e-4)
    assert rule.log_odds == pytest.approx(logit(0.1), rel=1e-4)
    assert rule.probability(np.array([0.0, 6.0])) == pytest.approx(
        expit(logit(0.1) + np.array([0, 1.2])), rel=1e-3
    )


def test_a_ridge_pulls_few_wins_towards_the_average() -> None:
    held = np.repeat([[0], [1], [0], [1]], [160, 20, 10, 10], axis=0)
    won = np.repeat([0.0, 0.0, 1.0, 1.0], [160, 20, 10, 10])
    weights = [fit_points(two(held), won, ridge=ridge).unit for ridge in (0.0, 5.0, 50.0)]
    assert 10 * weights[0] == pytest.approx(np.log((10 / 20) / (10 / 160)), rel=1e-3)
    assert weights[0] > 1.5 * weights[1] > 3 * weights[2] > 0


def test_what_tells_nothing_gets_no_points() -> None:
    held = np.tile([[0], [1]], (100, 1))
    rule = fit_points(two(held), np.full(200, 0.2), ridge=0.0)
    assert rule.conditions == ()
    assert rule.probability(np.zeros(1)) == pytest.approx([0.2], rel=1e-12)


def test_what_hardly_moves_the_odds_gets_no_points() -> None:
    held = np.repeat([[0], [1]], 100, axis=0)
    for log_odds, rows in ((0.09, 0), (0.11, 1)):
        rule = fit_points(two(held), expit(-2 + log_odds * held[:, 0]), ridge=0.0)
        assert len(rule.conditions) == rows


def test_no_more_than_two_rows_are_about_one_signal() -> None:
    held = np.arange(2000)[:, None] > np.array([300, 700, 1100, 1500])
    conditions = [Condition(f"c{n}", Signal("profile", "employees"), f"c{n}", at_least=1) for n in range(4)]
    target = expit(np.linspace(-4, 2, 2000))
    rule = fit_points(ConditionTable(tuple(conditions), held), target, ridge=0.0)
    assert len(rule.conditions) == 2


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_one_class_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_points(two(np.array([[0], [1]])), np.full(2, target), ridge=1.0)


@given(st.integers(0, 10_000))
def test_neither_order_nor_duplicates_of_rows_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = make_table()
    target = expit(-2 + 0.8 * (table[FEATURES[1].name] >= 1) - (table[FEATURES[4].name] >= 14)).to_numpy()
    found = find_conditions(FEATURES, table)
    rule = fit_points(found, target, ridge=0.0)
    order = rng.permutation(N)
    shuffled = table.iloc[order].reset_index(drop=True)
    again = fit_points(find_conditions(FEATURES, shuffled), target[order], ridge=0.0)
    assert (rule.conditions, rule.points) == (again.conditions, again.points)
    twice = pd.concat([table, table], ignore_index=True)
    doubled = fit_points(
        ConditionTable(found.conditions, np.vstack([found.held, found.held])), np.tile(target, 2), ridge=0.0
    )
    assert (rule.conditions, rule.points) == (doubled.conditions, doubled.points)
    assert (total_points(rule, twice)[:N] == total_points(rule, table)).all()


def test_rows_and_scale_by_hand() -> None:
    held = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [400, 300, 200, 100], axis=0)
    rule = fit_points(two(held), expit(logit(0.1) + 0.2 * (held @ [10, -4])), ridge=0.0)
    table = pd.DataFrame(held, columns=["c0", "c1"])
    rows = describe_rows(rule, table)
    assert [(row.condition, row.points, row.share) for row in rows] == [("c0", 10, 0.3), ("c1", -4, 0.4)]
    scale = make_scale(rule, total_points(rule, table), [("sql", 8)])
    assert [(step.points, step.share, step.label) for step in scale] == [
        (10, 0.2, None),
        (8, 0.2, "sql"),
        (6, 0.3, None),
        (0, 0.7, None),
        (-4, 1.0, None),
    ]
    assert scale[3].probability == pytest.approx(0.1, rel=1e-3)
