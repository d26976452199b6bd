from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.model import LabelPolicy, choose_thresholds

FIVE = ([0.1, 0.2, 0.4, 0.4, 0.8], [0, 1, 0, 1, 1])
judged = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=25).filter(
    lambda rows: any(label for _, label in rows)
)


def _one(rule: LabelRule, probability, label, *, weeks: float = 1.0) -> LabelPolicy:
    return choose_thresholds(probability, label, {"mql": rule}, weeks=weeks)


def _selections(probability: np.ndarray, label: np.ndarray) -> list[tuple[float, int, int]]:
    """Threshold, number selected, number converted, for each different probability: the slow way."""
    return [
        (t, sum(probability >= t), sum(label[probability >= t]))
        for t in sorted(set(probability), reverse=True)
    ]


@given(rows=judged, percent=st.integers(0, 100))
def test_min_precision_selects_the_most_leads_that_keep_it(rows: list[tuple[int, int]], percent: int) -> None:
    probability, label = np.array(rows, dtype=float).T
    probability /= 12
    keep = [(n, t) for t, n, wins in _selections(probability, label) if wins * 100 >= percent * n]
    rule = LabelRule(policy="min_precision", value=percent / 100)
    if not keep:
        with pytest.raises(
            LabelPolicyError, match=r"labels.mql: no threshold reaches a precision of .*; the best is"
        ):
            _one(rule, probability, label)
        return
    outcome = _one(rule, probability, label).outcomes[0]
    assert (outcome.selected, outcome.threshold) == max(keep)
    assert outcome.precision >= percent / 100


@given(rows=judged, percent=st.integers(0, 100))
def test_min_recall_selects_the_fewest_leads_that_reach_it(rows: list[tuple[int, int]], percent: int) -> None:
    probability, label = np.array(rows, dtype=float).T
    probability /= 12
    keep = [(n, t) for t, n, wins in _selections(probability, label) if wins * 100 >= percent * label.sum()]
    outcome = _one(LabelRule(policy="min_recall", value=percent / 100), probability, label).outcomes[0]
    assert (outcome.selected, outcome.threshold) == min(keep)
    assert outcome.recall >= percent / 100


@given(rows=judged, tenths=st.integers(1, 300), weeks=st.sampled_from([1.0, 0.5, 3.0, 16 / 7]))
def test_capacity_selects_the_most_leads_it_can_take(rows, tenths: int, weeks: float) -> None:
    probability, label = np.array(rows, dtype=float).T
    probability /= 12
    per_week = tenths / 10
    keep = [(n, t) for t, n, _ in _selections(probability, label) if n / weeks <= per_week]
    rule = LabelRule(policy="capacity", per_week=per_week)
    if not keep:
        with pytest.raises(
            LabelPolicyError, match=r"no threshold selects as few as .* leads a week; the best is"
        ):
            _one(rule, probability, label, weeks=weeks)
        return
    outcome = _one(rule, probability, label, weeks=weeks).outcomes[0]
    assert (outcome.selected, outcome.threshold) == max(keep)
    assert outcome.per_week <= per_week


@given(rows=judged, first=st.integers(0, 100), second=st.integers(0, 100), per_week=st.integers(1, 30))
def test_every_policy_is_in_order_and_says_what_its_labels_do(
    rows, first: int, second: int, per_week: int
) -> None:
    probability, label = np.array(rows, dtype=float).T
    probability /= 12
    rules = {
        "mql": LabelRule(policy="min_recall", value=first / 100),
        "sql": LabelRule(policy="capacity", per_week=per_week)
        if second % 2
        else LabelRule(policy="value", gain=9, cost=4),
    }
    try:
        policy = choose_thresholds(probability, label, rules, weeks=1)
    except LabelPolicyError:
        assert second % 2  # a capacity below the smallest group of ties
        return
    assert policy.thresholds["sql"] >= policy.thresholds["mql"]
    labels = policy.assign_labels(probability)
    mql, sql = policy.outcomes
    assert (labels != "unqualified").sum() == mql.selected
    assert (labels == "sql").sum() == sql.selected
    assert label[labels == "sql"].sum() == sql.converted
    assert (probability >= sql.threshold).tolist() == (labels == "sql").tolist()


def test_precision_is_not_monotone_and_the_lowest_threshold_that_keeps_it_wins() -> None:
    # Precision from the top: 0, 1/2, 2/3, 2/4
    outcome = _one(LabelRule(policy="min_precision", value=0.5), [0.9, 0.8, 0.7, 0.6], [0, 1, 1, 0]).outcomes[
        0
    ]
    assert (outcome.threshold, outcome.selected, outcome.precision) == (0.6, 4, 0.5)


def test_a_tie_is_taken_whole_or_not_at_all() -> None:
    probability, label = [0.9, 0.5, 0.5, 0.5, 0.1], [1, 1, 0, 0, 0]
    three = _one(LabelRule(policy="capacity", per_week=3), probability, label).outcomes[0]
    assert (three.threshold, three.selected) == (0.9, 1)
    four = _one(LabelRule(policy="capacity", per_week=4), probability, label).outcomes[0]
    assert (four.threshold, four.selected) == (0.5, 4)


def test_a_lead_that_is_looked_at_twice_counts_once_towards_a_capacity() -> None:
    probability, label, leads = [0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 0, 0], ["a", "a", "b", "b", "c"]
    rule = {"mql": LabelRule(policy="capacity", per_week=2)}
    outcome = choose_thresholds(probability, label, rule, weeks=1, leads=leads).outcomes[0]
    assert (outcome.threshold, outcome.selected, outcome.per_week) == (0.6, 4, 2.0)
    assert choose_thresholds(probability, label, rule, weeks=1).thresholds == {"mql": 0.8}


def test_without_dates_there_are_no_weeks_and_no_capacity() -> None:
    recall = LabelRule(policy="min_recall", value=0.5)
    outcome = choose_thresholds(*FIVE, {"mql": recall}, weeks=None).outcomes[0]
    assert outcome.per_week is None
    with pytest.raises(
        LabelPolicyError, match="a capacity of 3 leads a week needs dates, and this data has none"
    ):
        choose_thresholds(*FIVE, {"mql": LabelRule(policy="capacity", per_week=3)}, weeks=None)


def test_a_threshold_takes_those_who_reach_it_exactly() -> None:
    policy = _one(LabelRule(policy="fixed", value=0.4), *FIVE)
    assert policy.assign_labels([0.4, np.nextafter(0.4, 0)]).tolist() == ["mql", "unqualified"]


def test_what_an_outcome_says() -> None:
    outcome = _one(LabelRule(policy="fixed", value=0.3), *FIVE, weeks=2).outcomes[0]
    assert outcome.label == "mql"
    assert outcome.rule == {"policy": "fixed", "value": 0.3}
    assert (outcome.selected, outcome.converted, outcome.per_week) == (3, 2, 1.5)
    assert outcome.precision == pytest.approx(2 / 3)
    assert outcome.recall == pytest.approx(2 / 3)
    assert outcome.note == "rests on 3 leads only"


def test_a_fixed_threshold_above_all_selects_nobody_and_says_so() -> None:
    outcome = _one(LabelRule(policy="fixed", value=0.9), *FIVE).outcomes[0]
    assert (outcome.selected, outcome.precision, outcome.recall) == (0, None, 0.0)
    assert outcome.note == "selects nobody: the highest probability is 0.8"


def test_the_value_policy_takes_the_bayes_threshold() -> None:
    rule = LabelRule(policy="value", gain=800, cost=50, missed_cost=200)
    outcome = _one(rule, *FIVE).outcomes[0]
    assert outcome.threshold == pytest.approx(0.05)
    # 3 conversions bring 1,000 each against 5 follow-ups at 50; leaving out the first lead would have saved one.
    assert outcome.note is not None
    assert outcome.note.startswith("brought 2,750 more than following up nobody; in hindsight 0.2 would")
    assert "the most, 2,800" in outcome.note


def test_the_bayes_threshold_is_where_a_large_sample_has_its_greatest_value() -> None:
    rng = np.random.default_rng(0)
    probability = expit(rng.normal(-3.0, 1.2, 400_000))  # calibrated by construction
    label = (rng.random(len(probability)) < probability).astype(int)
    gain, cost, missed = 900.0, 60.0, 100.0
    order = np.argsort(-probability)
    worth = np.cumsum((gain + missed) * label[order] - cost)
    best = probability[order][np.argmax(worth)]
    chosen = _one(
        LabelRule(policy="value", gain=gain, cost=cost, missed_cost=missed), probability, label
    ).outcomes[0]
    assert chosen.threshold == pytest.approx(0.06)
    assert best == pytest.approx(chosen.threshold, abs=0.01)
    assert worth[chosen.selected - 1] > 0.998 * worth.max()
    # gain·TP − cost·(TP + FP) − missed·FN differs from it by a constant only
    positives = label.sum()
    wins = np.cumsum(label[order])
    direct = gain * wins - cost * np.arange(1, len(order) + 1) - missed * (positives - wins)
    np.testing.assert_allclose(direct - worth, -missed * positives)


def test_a_follow_up_that_costs_more_than_it_can_bring_is_refused() -> None:
    with pytest.raises(
        LabelPolicyError, match=r"labels.mql: a follow-up costs 100, more than .* brings \(90\).*is 0"
    ):
        _one(LabelRule(policy="value", gain=80, cost=100, missed_cost=10), *FIVE)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            LabelRule(policy="min_precision", value=0.9),
            r"labels.mql: no threshold reaches a precision of 0.9; the best is 0.5, at 0.2 \(4 leads, 2 converted\)",
        ),
        (
            LabelRule(policy="capacity", per_week=1),
            r"labels.mql: no threshold selects as few as 1 leads a week; the best is 2, at 0.9, where 2 leads share",
        ),
    ],
    ids=["precision", "capacity"],
)
def test_an_unreachable_target_names_the_best_reachable(rule: LabelRule, message: str) -> None:
    with pytest.raises(LabelPolicyError, match=message):
        _one(rule, [0.9, 0.9, 0.2, 0.2, 0.1], [0, 0, 1, 1, 0])


@pytest.mark.parametrize(
    ("mql", "sql"),
    [
        (LabelRule(policy="fixed", value=0.3), LabelRule(policy="capacity", per_week=5)),
        (LabelRule(policy="fixed", value=0.3), LabelRule(policy="min_precision", value=0.5)),
        (LabelRule(policy="fixed", value=0.3), LabelRule(policy="value", gain=100, cost=1)),
    ],
    ids=["capacity", "min_precision", "value"],
)
def test_sql_is_raised_to_mql_where_its_promise_survives(mql: LabelRule, sql: LabelRule) -> None:
    policy = choose_thresholds(*FIVE, {"mql": mql, "sql": sql}, weeks=1)
    assert policy.thresholds == {"mql": 0.3, "sql": 0.3}
    assert "to the threshold of mql: nobody can be sql who is not mql" in str(policy.outcomes[1].note)
    assert "mql" not in policy.assign_labels([0.1, 0.3, 0.9])


@pytest.mark.parametrize(
    ("mql", "sql", "message"),
    [
        (
            LabelRule(policy="fixed", value=0.5),
            LabelRule(policy="fixed", value=0.4),
            r"sql must not be easier to reach than mql: it asks for a threshold of 0.4, but mql begins at 0.5\.",
        ),
        (
            LabelRule(policy="min_recall", value=0.3),
            LabelRule(policy="min_recall", value=0.9),
            r"a recall of 0.9, which needs a threshold of 0.2, but mql begins at 0.8 \(recall there: 0.333\)",
        ),
        (
            LabelRule(policy="fixed", value=0.85),
            LabelRule(policy="min_precision", value=1.0),
            r"a precision of 1, which a threshold of 0.8 keeps, but mql begins at 0.85 \(precision there: 0\)",
        ),
    ],
    ids=["fixed", "min_recall", "min_precision"],
)
def test_rules_that_contradict_each_other_are_refused(mql: LabelRule, sql: LabelRule, message: str) -> None:
    with pytest.raises(LabelPolicyError, match=message):
        choose_thresholds(*FIVE, {"mql": mql, "sql": sql}, weeks=1)


def test_everyone_of_one_probability_is_one_group() -> None:
    rules = {
        "mql": LabelRule(policy="min_recall", value=0.6),
        "sql": LabelRule(policy="min_recall", value=0.25),
    }
    policy = choose_thresholds([0.2] * 5, [0, 0, 1, 0, 0], rules, weeks=1)
    assert policy.thresholds == {"mql": 0.2, "sql": 0.2}
    assert policy.outcomes[0].selected == 5


def test_json_gives_an_equal_policy() -> None:
    rules = {
        "mql": LabelRule(policy="capacity", per_week=4),
        "sql": LabelRule(policy="value", gain=10.0, cost=7.0),
    }
    policy = choose_thresholds(*FIVE, rules, weeks=1 / 3 * 4)
    again = LabelPolicy.from_dict(json.loads(json.dumps(policy.to_dict())))
    assert again == policy


@pytest.mark.parametrize(
    ("probability", "label", "weeks", "message"),
    [
        ([0.1, 1.2], [0, 1], 1.0, r"within 0 and 1, one per lead; found shape \(2,\) with 1 that do not"),
        ([0.1, np.nan], [0, 1], 1.0, "within 0 and 1, one per lead"),
        ([[0.1, 0.2]], [[0, 1]], 1.0, r"one per lead; found shape \(1, 2\)"),
        (
            [0.1, 0.2],
            [0, 1, 1],
            1.0,
            "one label, 0 or 1, for each probability; found 2 probabilities and 3 labels",
        ),
        ([0.1, 0.2], [0, 2], 1.0, "one label, 0 or 1"),
        ([], [], 1.0, "found 0 probabilities and 0 labels"),
        ([0.1, 0.2], [0, 0], 1.0, "thresholds need leads that converted; found none among 2"),
        ([0.1, 0.2], [0, 1], 0.0, r"the number of weeks the leads came in, above 0; found 0.0"),
        ([0.1, 0.2], [0, 1], float("nan"), "above 0; found nan"),
    ],
    ids=[
        "above 1",
        "missing",
        "2-d",
        "lengths",
        "label 2",
        "empty",
        "no conversion",
        "no weeks",
        "nan weeks",
    ],
)
def test_what_no_threshold_can_be_chosen_on_is_refused(
    probability, label, weeks: float, message: str
) -> None:
    with pytest.raises(LabelPolicyError, match=message):
        _one(LabelRule(policy="min_recall", value=0.5), probability, label, weeks=weeks)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "must hold labels with thresholds"),
        ({"labels": []}, "must hold rising thresholds"),
        ({"labels": [{"label": "mql"}]}, "must hold labels with thresholds"),
    ],
    ids=["nothing", "no labels", "no thresholds"],
)
def test_a_stored_policy_that_is_none_is_refused(values: dict, message: str) -> None:
    with pytest.raises(LabelPolicyError, match=message):
        LabelPolicy.from_dict(values)


def test_a_stored_policy_out_of_order_is_refused() -> None:
    rules = {"mql": LabelRule(policy="fixed", value=0.2), "sql": LabelRule(policy="fixed", value=0.5)}
    values = choose_thresholds(*FIVE, rules, weeks=1).to_dict()
    values["labels"].reverse()
    with pytest.raises(LabelPolicyError, match=r"rising thresholds, lowest label first; found \[0.5, 0.2\]"):
        LabelPolicy.from_dict(values)
