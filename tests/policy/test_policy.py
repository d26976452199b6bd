from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.policy import (
    GateInputs,
    LabelOutcome,
    LabelPolicy,
    ThresholdData,
    choose_policy,
    choose_thresholds,
    make_threshold_data,
    make_volume_data,
)
from mqlml.policy.threshold_data import make_curve

FIVE = ([0.1, 0.2, 0.4, 0.4, 0.8], [0, 1, 0, 1, 1])
rows_with_labels = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=25).filter(
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


@given(rows=rows_with_labels, percent=st.integers(0, 100))
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


@given(rows=rows_with_labels, percent=st.integers(0, 100))
def test_min_recall_selects_the_fewest_leads_that_reach_it(rows: list[tuple[int, int]], percent: int) -> None:
    probability, label = np.array(rows, dtype=float).T
    probability /= 12
    keep = [(n, t) for t, n, wins in _selections(probability, label) if wins * 100 >= percent * label.sum()]
    outcome = _one(LabelRule(policy="min_recall", value=percent / 100), probability, label).outcomes[0]
    assert (outcome.selected, outcome.threshold) == min(keep)
    assert outcome.recall >= percent / 100


@given(rows=rows_with_labels, tenths=st.integers(1, 300), weeks=st.sampled_from([1.0, 0.5, 3.0, 16 / 7]))
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


@given(
    rows=rows_with_labels, first=st.integers(0, 100), second=st.integers(0, 100), per_week=st.integers(1, 30)
)
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


def test_precision_is_not_monotone_and_the_lowest_threshold_that_meets_it_wins() -> None:
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


def test_a_lead_with_two_snapshots_counts_once_towards_a_capacity() -> None:
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
    assert outcome.note == "based on only 3 snapshots"


def test_a_fixed_threshold_above_all_selects_nobody_and_says_so() -> None:
    outcome = _one(LabelRule(policy="fixed", value=0.9), *FIVE).outcomes[0]
    assert (outcome.selected, outcome.precision, outcome.recall) == (0, None, 0.0)
    assert outcome.note == "selects nobody: the highest probability is 0.8"


def test_the_value_policy_takes_the_bayes_threshold() -> None:
    rule = LabelRule(policy="value", gain=800, cost=50, too_late=200)
    outcome = _one(rule, *FIVE).outcomes[0]
    assert outcome.threshold == pytest.approx(0.05)
    # 3 conversions bring 1,000 each against 5 follow-ups at 50; leaving out the first lead would have saved one.
    assert outcome.note is not None
    assert outcome.note.startswith(
        "worth 2,750 more than no follow-up on past leads; the best threshold there, 0.2, is"
    )
    assert "is worth 2,800" in outcome.note


def test_the_bayes_threshold_is_where_a_large_sample_has_its_greatest_value() -> None:
    rng = np.random.default_rng(0)
    probability = expit(rng.normal(-3.0, 1.2, 400_000))  # calibrated by construction
    label = (rng.random(len(probability)) < probability).astype(int)
    gain, cost, missed = 900.0, 60.0, 100.0
    order = np.argsort(-probability)
    worth = np.cumsum((gain + missed) * label[order] - cost)
    best = probability[order][np.argmax(worth)]
    chosen = _one(
        LabelRule(policy="value", gain=gain, cost=cost, too_late=missed), probability, label
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
        _one(LabelRule(policy="value", gain=80, cost=100, too_late=10), *FIVE)


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
def test_sql_is_raised_to_mql_where_its_rule_still_holds(mql: LabelRule, sql: LabelRule) -> None:
    policy = choose_thresholds(*FIVE, {"mql": mql, "sql": sql}, weeks=1)
    assert policy.thresholds == {"mql": 0.3, "sql": 0.3}
    assert "to the threshold of mql, which a lead must meet first; selects the same leads as mql" in str(
        policy.outcomes[1].note
    )
    assert "mql" not in policy.assign_labels([0.1, 0.3, 0.9])


@pytest.mark.parametrize(
    ("mql", "sql", "message"),
    [
        (
            LabelRule(policy="fixed", value=0.5),
            LabelRule(policy="fixed", value=0.4),
            r"sql must not have a lower threshold than mql: its rule is a threshold of 0.4, but mql begins at 0.5\.",
        ),
        (
            LabelRule(policy="min_recall", value=0.3),
            LabelRule(policy="min_recall", value=0.9),
            r"a recall of 0.9, which needs a threshold of 0.2, but mql begins at 0.8 \(recall there: 0.333\)",
        ),
        (
            LabelRule(policy="fixed", value=0.85),
            LabelRule(policy="min_precision", value=1.0),
            r"a precision of 1, which holds from 0.8, but mql begins at 0.85 \(precision there: 0\)",
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
        ([0.1, 0.2], [0, 1], 0.0, r"the number of weeks the rows cover, above 0; found 0.0"),
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


@given(
    gain=st.integers(0, 40),
    cost=st.integers(1, 20),
    too_early=st.integers(0, 20),
    too_late=st.integers(0, 20),
)
def test_the_value_threshold_is_where_following_up_begins_to_pay(gain, cost, too_early, too_late) -> None:
    rule = LabelRule(policy="value", gain=gain, cost=cost, too_early=too_early, too_late=too_late)
    if cost > gain + too_late:
        with pytest.raises(LabelPolicyError, match="so no threshold pays"):
            _one(rule, *FIVE)
        return
    threshold = _one(rule, *FIVE).outcomes[0].threshold
    for p in np.linspace(0, 1, 41):
        follow_up = p * gain - cost - (1 - p) * too_early
        wait = -p * too_late
        assert (p >= threshold) == (follow_up >= wait) or abs(follow_up - wait) < 1e-9


def test_too_early_raises_and_too_late_lowers_the_threshold_by_hand() -> None:
    def threshold(**costs: float) -> float:
        return _one(LabelRule(policy="value", gain=80, cost=20, **costs), *FIVE).outcomes[0].threshold

    assert threshold() == pytest.approx(20 / 80)
    assert threshold(too_early=20) == pytest.approx(40 / 100)
    assert threshold(too_late=20) == pytest.approx(20 / 100)


def test_the_value_of_follow_ups_counts_each_lead_once_and_at_its_first_selected_snapshot() -> None:
    # Lead a is selected at its second snapshot, which does not convert in the window, and again at its third.
    snapshots = make_threshold_data(
        [0.1, 0.5, 0.9, 0.8, 0.2],
        [1, 0, 1, 1, 1],
        weeks=2,
        lead=["a", "a", "a", "b", "c"],
        time=[0.0, 0.5, 1.0, 0.2, 0.3],
        periods=[(0, 2)],
    )
    rule = LabelRule(policy="value", gain=100, cost=20, too_early=10)
    outcome = choose_policy(snapshots, {"mql": rule}).outcomes[0]
    assert outcome.threshold == pytest.approx(30 / 110)
    assert outcome.value == pytest.approx((-30 + 80) / 2)


def _weekly(n: int, region: list[str], **keys) -> ThresholdData:
    """One lead a day for ``n`` days, of falling probability, every other one converting."""
    return make_threshold_data(
        np.linspace(0.9, 0.1, n),
        np.arange(n) % 2,
        weeks=n / 7,
        gate_inputs=GateInputs(teams={"region": region}),
        **keys,
    )


def test_each_team_has_a_threshold_for_its_own_capacity() -> None:
    snapshots = _weekly(14, ["EMEA", "US"] * 5 + ["APAC", ""] * 2)
    teams = {"column": "region", "per_week": {"EMEA": 1, "US": 2}}
    sql = choose_policy(snapshots, {"sql": LabelRule(policy="capacity", teams=teams)}).outcomes[0]
    p = snapshots.probability
    assert sql.teams == {"EMEA": p[2], "US": p[7]}
    assert (sql.threshold, sql.others, sql.selected, sql.per_week) == (p[7], None, 6, 3.0)
    policy = LabelPolicy((sql,))
    named = {"region": ["EMEA", "EMEA", "US", "APAC", ""]}
    assert policy.assign_labels([p[2], p[3], p[7], 1.0, 1.0], GateInputs(teams=named)).tolist() == [
        "sql",
        "unqualified",
        "sql",
        "unqualified",
        "unqualified",
    ]
    with pytest.raises(LabelPolicyError, match="thresholds by team need the column 'region'.*found none"):
        policy.assign_labels([0.5])
    assert LabelPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_a_capacity_beside_teams_is_for_all_others() -> None:
    snapshots = _weekly(14, ["EMEA"] * 5 + ["APAC", "", "US"] * 3)
    rule = LabelRule(policy="capacity", per_week=1.5, teams={"column": "region", "per_week": {"EMEA": 1}})
    sql = choose_policy(snapshots, {"sql": rule}).outcomes[0]
    p = snapshots.probability
    assert (sql.teams, sql.others, sql.selected) == ({"EMEA": p[1]}, p[7], 5)
    assert LabelPolicy((sql,)).assign_labels([p[7]], GateInputs(teams={"region": ["new"]})).tolist() == [
        "sql"
    ]


def test_no_team_may_take_leads_that_do_not_have_the_label_below() -> None:
    snapshots = _weekly(14, ["EMEA", "US"] * 7)
    p = snapshots.probability
    rules = {
        "mql": LabelRule(policy="fixed", value=float(p[4])),
        "sql": LabelRule(policy="capacity", teams={"column": "region", "per_week": {"EMEA": 1, "US": 9}}),
    }
    policy = choose_policy(snapshots, rules)
    assert policy.outcomes[1].teams == {"EMEA": p[2], "US": p[4]}
    assert "US: raised from 0.1 to the threshold of mql" in str(policy.outcomes[1].note)


def test_a_lead_of_two_kinds_of_team_must_reach_both_thresholds() -> None:
    snapshots = make_threshold_data(
        np.linspace(0.9, 0.1, 8),
        [1] * 8,
        weeks=1,
        gate_inputs=GateInputs(teams={"region": ["EMEA", "US"] * 4, "line": ["x"] * 4 + ["y"] * 4}),
    )
    rules = {
        "mql": LabelRule(policy="capacity", teams={"column": "region", "per_week": {"EMEA": 1, "US": 4}}),
        "sql": LabelRule(policy="capacity", teams={"column": "line", "per_week": {"x": 4, "y": 1}}),
    }
    meets = choose_policy(snapshots, rules).meets_thresholds(snapshots.probability, snapshots.gate_inputs)
    assert meets.tolist()[:5] == [[True, True], [True, True], [False, False], [True, True], [False, False]]
    assert (meets[:, 0] >= meets[:, 1]).all()


@pytest.mark.parametrize(
    ("teams", "weeks", "message"),
    [
        (
            {"column": "country", "per_week": {"US": 3}},
            2.0,
            "the leads have no column 'country' that holds teams",
        ),
        (
            {"column": "region", "per_week": {"usa": 3}},
            2.0,
            "no past lead has 'usa' in 'region', which holds 'EMEA', 'US'",
        ),
        (
            {"column": "region", "per_week": {"US": 3}},
            None,
            "a capacity by team needs dates, and this data has",
        ),
        (
            {"column": "region", "per_week": {"US": 0.1}},
            2.0,
            "labels.mql.teams, US: no threshold selects as few",
        ),
    ],
    ids=["column", "team", "dates", "too few"],
)
def test_teams_that_cannot_be_served_are_refused(teams: dict, weeks: float | None, message: str) -> None:
    snapshots = make_threshold_data(
        [0.5, 0.4], [1, 0], weeks=weeks, gate_inputs=GateInputs(teams={"region": ["EMEA", "US"]})
    )
    with pytest.raises(LabelPolicyError, match=message):
        choose_policy(snapshots, {"mql": LabelRule(policy="capacity", teams=teams)})


def test_any_number_of_levels_in_order() -> None:
    rules = {
        name: LabelRule(policy="fixed", value=v) for name, v in [("iql", 0.1), ("warm", 0.3), ("hot", 0.6)]
    }
    policy = choose_thresholds(*FIVE, rules, weeks=1)
    assert policy.assign_labels([0.05, 0.1, 0.5, 0.6]).tolist() == ["unqualified", "iql", "warm", "hot"]
    assert [outcome.selected for outcome in policy.outcomes] == [5, 3, 1]


def test_recent_weeks_count_more_towards_a_capacity() -> None:
    """Volume has doubled lately, so a capacity must hold in weeks like the last ones."""
    week = np.repeat(np.arange(60), [10] * 40 + [20] * 20)
    rng = np.random.default_rng(0)
    probability = rng.random(len(week))
    snapshots = make_threshold_data(
        probability,
        rng.random(len(week)) < probability,
        weeks=60,
        time=week + rng.random(len(week)),
        periods=[(0, 60)],
    )
    outcome = choose_policy(snapshots, {"sql": LabelRule(policy="capacity", per_week=5)}).outcomes[0]
    late = (week >= 40) & (probability >= outcome.threshold)
    assert outcome.per_week == pytest.approx(5, abs=0.2)
    assert late.sum() / 20 == pytest.approx(5, abs=1)
    plain = choose_thresholds(
        probability, snapshots.label, {"sql": LabelRule(policy="capacity", per_week=5)}, weeks=60
    )
    assert (probability[week >= 40] >= plain.outcomes[0].threshold).sum() / 20 > 6.5


def test_a_lead_that_met_a_threshold_before_does_not_come_again() -> None:
    """Lead 0 was at .85 before, lead 2 at .55, lead 1 is new; the weeks have two."""
    recent = make_volume_data(
        [0.9, 0.8, 0.7, 0.6, 0.5],
        lead=[0, 0, 1, 1, 2],
        time=np.full(5, 9.9),
        period=(8, 10),
        before=np.array([0.85, 0.85, 0.0, 0.0, 0.55]),
    )
    weights, weeks = recent.recency()
    one = weights[0] / weeks
    known = make_threshold_data(FIVE[0], FIVE[1], weeks=1)

    def per_week(threshold: float, data: ThresholdData = recent) -> float | None:
        rules = {"sql": LabelRule(policy="fixed", value=threshold)}
        return choose_policy(known, rules, recent=data).outcomes[0].per_week

    half = replace(recent, share=0.5)
    assert [per_week(t, half) for t in (0.9, 0.7)] == pytest.approx([2 * one, 2 * one])
    everyone = replace(recent, before=None)
    assert [per_week(t) for t in (0.9, 0.8, 0.7, 0.5)] == pytest.approx([one, 0.0, one, one])
    assert [per_week(t, everyone) for t in (0.9, 0.8, 0.7, 0.5)] == pytest.approx(
        [one, one, 2 * one, 3 * one]
    )
    capacity = {"sql": LabelRule(policy="capacity", per_week=1.001 * one)}
    assert choose_policy(known, capacity, recent=recent).thresholds == {"sql": 0.5}
    assert choose_policy(known, capacity, recent=everyone).thresholds == {"sql": 0.8}


def test_a_lead_counts_in_the_week_in_which_it_first_meets_a_threshold() -> None:
    """Recent weeks weigh more, so a lead that is at its best later must not count as one that came later."""
    time = np.array([8.5, 0.5, 8.5, 0.5])
    recent = make_volume_data([0.9, 0.6, 0.7, 0.8], lead=[0, 0, 1, 1], time=time, period=(0, 9))
    early, late = 0.5 ** (8.5 / 8), 0.5 ** (0.5 / 8)
    weeks = recent.recency()[1]
    known = make_threshold_data(FIVE[0], FIVE[1], weeks=1)

    def choose(**rule: Any) -> LabelOutcome:
        return choose_policy(known, {"sql": LabelRule(**rule)}, recent=recent).outcomes[0]

    found = [choose(policy="fixed", value=threshold).per_week for threshold in (0.9, 0.8, 0.7, 0.6)]
    expected = np.array([late, late + early, late + early, 2 * early]) / weeks
    assert found == pytest.approx(expected)
    # At 0.6 both count early again; that a higher threshold exceeds the capacity still decides.
    assert choose(policy="capacity", per_week=1.01 * (late + early) / weeks).threshold == 0.6
    assert choose(policy="capacity", per_week=1.4 * late / weeks).threshold == 0.9


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 8)), min_size=1, max_size=25))
def test_the_volume_of_every_threshold_is_that_of_the_leads_that_first_meet_it(
    rows: list[tuple[int, int, int]],
) -> None:
    """Against a loop over thresholds and leads, with some leads that met a threshold before."""
    lead, chance, time = (np.array(column) for column in zip(*rows, strict=True))
    before = np.array([0.0, 0.05, 0.15, 0.35, 0.0, 0.85])[lead]
    recent = make_volume_data(chance / 10, lead=lead, time=time + 0.5, period=(0, 9), before=before)
    recency, _ = recent.recency()
    curve = make_curve(recent, np.ones(len(rows), dtype=bool))
    expected = []
    for threshold in curve.threshold:
        total = 0.0
        for one in set(lead[before < threshold]):
            met = np.flatnonzero((lead == one) & (chance / 10 >= threshold))
            total += recency[met[np.argmin(time[met])]] if len(met) else 0.0
        expected.append(total)
    np.testing.assert_allclose(curve.leads, np.maximum.accumulate(expected), atol=1e-12)


def _recent(probability: list[float], lead: list[int], **teams: list[str]) -> ThresholdData:
    n = len(probability)
    return make_volume_data(
        probability, lead=lead, time=np.full(n, 9.999), period=(8, 10), gate_inputs=GateInputs(teams=teams)
    )


def test_volumes_are_read_off_the_recent_weeks_where_there_are_some() -> None:
    """Four weeks ago the same threshold took half as many: fewer leads came, and the model thought less of them."""
    snapshots = make_threshold_data(
        [0.5, 0.4, 0.3, 0.2], [1, 0, 0, 0], weeks=1, time=[6.1, 6.2, 6.3, 6.4], periods=[(6, 7)]
    )
    recent = _recent([0.7, 0.6, 0.6, 0.45, 0.45, 0.3], [1, 2, 1, 3, 4, 5])
    # What two weeks at the edge count, each lead once.
    once = len({1, 2, 3, 4}) * 0.5 ** (0.001 / 8) / (8 / math.log(2) * (1 - 0.5 ** (2 / 8)))
    rules = {
        "mql": LabelRule(policy="fixed", value=0.45),
        "sql": LabelRule(policy="capacity", per_week=once * 0.99),
    }
    mql, sql = choose_policy(snapshots, rules, recent=recent).outcomes
    assert (mql.selected, mql.precision) == (1, 1.0)
    assert mql.per_week == pytest.approx(once)
    assert sql.threshold == 0.6
    assert sql.per_week == pytest.approx(once / 2)
    assert choose_policy(snapshots, {"sql": rules["sql"]}).outcomes[0].threshold == 0.4


def test_a_team_nobody_of_which_came_lately_has_the_threshold_of_before() -> None:
    snapshots = _weekly(14, ["EMEA", "US"] * 7)
    teams = {"column": "region", "per_week": {"EMEA": 1, "US": 1}}
    rule = LabelRule(policy="capacity", teams=teams)
    recent = _recent([0.95, 0.94, 0.93, 0.92, 0.91], [1, 2, 3, 4, 5], region=["US"] * 5)
    found = choose_policy(snapshots, {"sql": rule}, recent=recent).outcomes[0]
    assert found.teams == {"EMEA": snapshots.probability[2], "US": 0.95}


def test_gates_hold_for_recent_snapshots_too() -> None:
    gate_inputs = GateInputs(fit=np.array([1.0, 2.0, 3.0, 4.0]))
    snapshots = make_threshold_data([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0], weeks=1, gate_inputs=gate_inputs)
    recent = replace(
        _recent([0.9, 0.8, 0.7], [1, 2, 3]), gate_inputs=GateInputs(fit=np.array([1.0, 4.0, 4.0]))
    )
    rule = LabelRule(policy="capacity", per_week=0.6, min_fit=50)
    assert choose_policy(snapshots, {"sql": rule}, recent=recent).outcomes[0].threshold == 0.8


def test_a_week_without_leads_is_a_week_and_a_hole_between_periods_is_none() -> None:
    near, far = ([0.9, 0.8], [1, 0]), {"weeks": 2, "time": [0.5, 1.5]}
    whole = make_threshold_data(*near, **far, periods=[(0, 2)]).recency()
    parted = make_threshold_data(*near, **far, periods=[(0, 1), (1, 2)]).recency()
    assert parted[1] == pytest.approx(whole[1])
    assert whole[1] < 2
    assert make_threshold_data(*near, weeks=2).recency()[1] == 2


def test_a_gate_excludes_leads_that_do_not_fit_whatever_the_probability() -> None:
    snapshots = make_threshold_data(
        [0.9, 0.8, 0.7, 0.6],
        [0, 1, 1, 1],
        weeks=1,
        gate_inputs=GateInputs(
            fit=np.array([-2.0, 0.5, 1.0, 2.0]), engagement=np.array([3.0, 2.0, -1.0, 1.0])
        ),
    )
    rules = {
        "iql": LabelRule(policy="min_recall", value=1),
        "mql": LabelRule(policy="min_precision", value=1, min_fit=20),
        "sql": LabelRule(policy="capacity", per_week=9, min_fit=20, min_engagement=30),
    }
    policy = choose_policy(snapshots, rules)
    assert policy.thresholds == {"iql": 0.6, "mql": 0.6, "sql": 0.6}
    assert [outcome.selected for outcome in policy.outcomes] == [4, 3, 2]
    assert policy.assign_labels(snapshots.probability, snapshots.gate_inputs).tolist() == [
        "iql",
        "sql",
        "mql",
        "sql",
    ]
    again = LabelPolicy.from_dict(json.loads(json.dumps(policy.to_dict())))
    assert again == policy
    assert again.assign_labels([0.9], GateInputs(fit=np.array([9.0]), engagement=np.array([9.0])))[0] == "sql"
    with pytest.raises(LabelPolicyError, match="a label with min_fit needs the fit of each lead"):
        policy.assign_labels([0.5])


def test_a_gate_that_nobody_passes_or_that_forbids_the_recall_is_refused() -> None:
    gate_inputs = GateInputs(fit=np.array([0.0, 0.0, 0.0, 1.0]))
    snapshots = make_threshold_data([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0], weeks=1, gate_inputs=gate_inputs)
    with pytest.raises(LabelPolicyError, match="labels.mql: some past lead must pass its gates"):
        choose_policy(snapshots, {"mql": LabelRule(policy="fixed", value=0.1, min_fit=100)})
    with pytest.raises(
        LabelPolicyError, match=r"no threshold reaches a recall of 0.5; the best is 0, with all leads"
    ):
        choose_policy(snapshots, {"mql": LabelRule(policy="min_recall", value=0.5, min_fit=80)})
