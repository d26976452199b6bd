"""Numbers, dates and settings in words, and what the numbers allow the page to say."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import (
    BY_LEAD,
    NAN,
    about,
    baseline,
    drifting,
    empty,
    holdout,
    metrics,
    normal,
    refused,
    tiny,
)
from scipy.special import expit

from mqlml.config import LabelRule, Problem
from mqlml.evaluation import (
    CalibrationBand,
    Estimate,
    GateResult,
    TrainingResult,
    check_gate,
    evaluate_baselines,
    evaluate_probabilities,
)
from mqlml.evaluation.accounts import AccountCalibration, AccountFigures
from mqlml.render.report.page import render_report
from mqlml.render.report.text import (
    caught_by_top,
    describe_age,
    describe_policy,
    describe_question,
    effect_kind,
    format_date,
    format_leak_test,
    headline,
    out_of,
    short_date,
)
from mqlml.render.report.trust import verdict
from mqlml.texts import format_number, format_percent, join_texts
from mqlml.training import PerturbationTest
from mqlml.training.leakage.perturbation import Moved

unhurried = settings(deadline=None, max_examples=100)  # the machine may be busy


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.083, "8.3%"),
        (0.314, "31%"),
        (0.0, "0%"),
        (1.0, "100%"),
        (0.0996, "10%"),
        (1e-9, "under 0.1%"),
        (0.9999, "over 99%"),
        (-0.02, "−2.0%"),
        (-0.0001, "just below 0%"),
        (math.nan, "not measured"),
        (None, "not measured"),
    ],
)
def test_percent(value: float | None, expected: str) -> None:
    assert format_percent(value) == expected


@unhurried
@given(st.floats(0, 1))
def test_percent_never_says_none_or_all_of_something_else(share: float) -> None:
    said = format_percent(share)
    assert (said == "0%") == (share == 0)
    assert (said == "100%") == (share == 1)


@unhurried
@given(st.floats(0.001, 0.99))
def test_percent_is_within_half_a_step_of_the_share(share: float) -> None:
    said = float(format_percent(share).replace("%", "").replace("over ", ""))
    assert abs(said / 100 - share) <= (0.0005 if share < 0.0995 else 0.0055)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2018-11-14", "UTC", "November 14, 2018"),
        ("2018-11-14T09:31:00Z", "UTC", "November 14, 2018, 09:31 UTC"),
        ("2018-11-13T23:00:00Z", "Europe/Berlin", "November 14, 2018"),
        ("20181114", None, "20181114"),
    ],
    ids=["date", "time", "midnight in the zone", "a place in an order that could pass for a date"],
)
def test_date(text: str, zone: str | None, expected: str) -> None:
    assert format_date(text, zone) == expected


def test_a_place_in_an_order_is_never_a_short_date() -> None:
    assert short_date("20181114", None) == ("20181114", "")
    assert short_date("2018-11-14T23:30:00Z", "Europe/Berlin") == ("Nov 15", "2018")


def test_counts_and_decimals() -> None:
    assert [format_number(207917), format_number(0.4), format_number(None)] == [
        "207,917",
        "0",
        "not measured",
    ]
    assert [
        format_number(0.2461, 3),
        format_number(1e-9, 3),
        format_number(-1e-9, 3),
        format_number(-0.5, 1),
    ] == [
        "0.246",
        "under 0.001",
        "just below 0",
        "−0.5",
    ]
    assert [join_texts([]), join_texts(["a"]), join_texts(["a", "b", "c"])] == ["", "a", "a, b and c"]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.31, 0.08), 100),
        ((0.31, 0.004), 1000),
        ((0.0004, 0.2), 10_000),
        ((0.0, 0.0), 100),
        ((1e-9,), 10_000),
    ],
)
def test_out_of_so_many_that_the_rarer_is_at_least_one(rates: tuple[float, ...], expected: int) -> None:
    assert out_of(*rates) == expected


@pytest.mark.parametrize(
    ("problem", "sentence", "converts", "repeated"),
    [
        (
            {},
            "Won within 60 days, scored 0, 7 and 30 days after the lead came in",
            "be won within 60 days",
            True,
        ),
        (
            {"outcome": "opportunity", "horizon": "1d", "gap": "7d", "snapshots": {"ages": ["0d"]}},
            "An opportunity between 7 days and 8 days later, scored when the lead came in",
            "become an opportunity between 7 days and 8 days later",
            False,
        ),
        (
            {"outcome": "sql", "horizon": "12h", "snapshots": {"every": "7d"}, "age_limits": ["0d", "90d"]},
            "An SQL within 12 hours, scored every 7 days",
            "become an SQL within 12 hours",
            True,
        ),
        (
            {"snapshots": {"ages": ["14d"]}, "horizon": "30d"},
            "Won within 30 days, scored 14 days after the lead came in",
            "be won within 30 days",
            False,
        ),
    ],
    ids=["default", "gap", "grid", "one age"],
)
def test_the_question_in_words(problem: dict[str, Any], sentence: str, converts: str, repeated: bool) -> None:
    question = describe_question(Problem.model_validate(problem))
    assert question.sentence == sentence
    assert question.converts == converts
    assert question.repeated is repeated


def test_a_flat_table_has_no_horizon_to_speak_of() -> None:
    question = describe_question(Problem(), flat=True)
    assert (question.converts, question.repeated) == ("convert", False)
    assert "days" not in question.sentence


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"policy": "fixed", "value": 0.3}, "Fixed by hand at a probability of 30%"),
        (
            {"policy": "min_precision", "value": 0.15},
            "The lowest threshold at which at least 15% of leads convert",
        ),
        (
            {"policy": "min_recall", "value": 0.6},
            "The highest threshold that still catches at least 60% of conversions",
        ),
        ({"policy": "capacity", "per_week": 1200}, "Set so that at most 1,200 leads a week reach it"),
        ({"policy": "capacity", "per_week": 2.5}, "Set so that at most 2.5 leads a week reach it"),
        (
            {"policy": "value", "gain": 1000, "cost": 50, "too_late": 12.5},
            "Set where it pays best: a conversion gains 1,000, a follow-up costs 50, a missed conversion costs 12.5",
        ),
        (
            {"policy": "value", "gain": 9, "cost": 1},
            "Set where it pays best: a conversion gains 9, a follow-up costs 1",
        ),
    ],
    ids=["fixed", "precision", "recall", "capacity", "small capacity", "value", "no cost of missing"],
)
def test_a_policy_in_words(rule: dict[str, Any], expected: str) -> None:
    assert describe_policy(LabelRule.model_validate(rule)) == expected


def test_ages_in_words() -> None:
    said = [describe_age(age) for age in ("0d", "1d", "7d", "12h", "on the grid")]
    assert said == [
        "when the lead came in",
        "1 day after the lead came in",
        "7 days after the lead came in",
        "12 hours after the lead came in",
        "on the grid",
    ]


def _headline(data: Any) -> str:
    return str(headline(data).sentence.striptags())


def test_the_headline_of_a_good_version() -> None:
    assert _headline(normal()) == (
        "Out of 100 open leads that mqlml calls SQL, about 31 will be won within 60 days; "
        "picked at random, it would be 8."
    )
    head = headline(normal())
    assert (head.picked, head.random, head.total) == (31, 8, 100)
    assert "between 26% and 36%" in str(head.rests_on.striptags())


def test_a_refused_version_says_so_first() -> None:
    assert _headline(refused()) == "This version was refused. Please do not use it to label leads."
    assert headline(refused()).total == 0
    assert verdict(refused()).title == "No"


def _sql(precision: Estimate, **changes: Any) -> TrainingResult:
    sql = dataclasses.replace(BY_LEAD.labels["sql"], precision=precision)
    return dataclasses.replace(
        normal(), by_lead=dataclasses.replace(BY_LEAD, labels={**BY_LEAD.labels, "sql": sql}, **changes)
    )


def test_a_label_that_may_be_no_better_than_chance_is_said_to_be() -> None:
    assert _headline(_sql(Estimate(0.10, 0.06, 0.14))).endswith(
        "so the label has not yet been shown to help."
    )


def test_a_rare_conversion_is_counted_in_larger_groups() -> None:
    rare = _sql(Estimate(0.011, 0.008, 0.014), leads=50_000, converted=100)
    assert _headline(rare).startswith("Out of 1,000 open leads that mqlml calls SQL, about 11 will be won")
    assert _headline(rare).endswith("picked at random, it would be 2.")


def test_without_labels_the_headline_speaks_of_the_top_tenth() -> None:
    assert "in the tenth that mqlml ranks highest, about 32 will" in _headline(
        dataclasses.replace(normal(), labels={}, by_lead=None)
    )


def test_what_was_not_measured_is_not_claimed() -> None:
    assert "so the value of that label is not known yet" in _headline(_sql(Estimate(NAN, NAN, NAN)))
    assert "not measured on later leads" in _headline(empty())
    assert [check.state for check in verdict(empty()).checks] == ["unknown"] * 4
    assert verdict(empty()).title == "Not known yet"


def _with(**changes: Estimate) -> TrainingResult:
    data = normal()
    return dataclasses.replace(data, holdout=dataclasses.replace(data.holdout, **changes))


def _state(data: Any, question: str) -> tuple[str, str]:
    check = next(check for check in verdict(data).checks if question in check.question)
    return check.state, str(check.answer.striptags())


def test_all_well_is_a_yes() -> None:
    assert {check.state for check in verdict(normal()).checks} == {"good"}
    assert verdict(normal()).title == "Yes"


def test_accounts_stand_beside_the_percentages_of_leads() -> None:
    figures = AccountFigures(accounts=1730, converted=51, predicted=52.9, log_loss=0.2)
    accounts = AccountCalibration(0.0, 443, figures, figures, figures)
    state, answer = _state(dataclasses.replace(normal(), accounts=accounts), "percentages")
    assert state == "good"
    assert answer.endswith(" Counted by account, 53 of 1,730 were forecast to convert, and 51 did.")
    nobody = dataclasses.replace(accounts, all=dataclasses.replace(figures, accounts=0))
    for without in (None, nobody):
        assert "account" not in _state(dataclasses.replace(normal(), accounts=without), "percentages")[1]


def test_a_warning_is_never_a_plain_yes() -> None:
    data = dataclasses.replace(normal(), gate=GateResult(True, (), ("Few conversions.",)))
    assert verdict(data).title == "Yes, with care"


def test_percentages_that_move_from_period_to_period_are_not_called_good() -> None:
    state, answer = _state(drifting(), "percentages")
    assert state == "care"
    assert answer.endswith(
        "We cannot say that they will stay accurate: the share of leads that converted changed from one "
        "past period to the next by more than chance explains."
    )
    assert verdict(drifting()).title == "Yes, with care"
    assert _state(normal(), "percentages")[0] == "good"


def test_percentages_that_were_wrong_stay_wrong_where_they_move() -> None:
    failed = refused().calibration
    moving = dataclasses.replace(failed, drift=True)
    states = [
        _state(dataclasses.replace(drifting(), calibration=found), "percentages")[0]
        for found in (failed, moving)
    ]
    assert states[0] == states[1] != "good"


def test_the_warning_of_drift_stands_on_the_page() -> None:
    page = render_report(drifting())
    trust = page[page.index('<section id="trust"') : page.index('<section id="matters"')]
    assert "To keep in mind" in trust
    assert "<li>We cannot say that the percentages will stay accurate: from period to period" in trust
    assert "We cannot say that the percentages" not in render_report(normal())


def test_a_brier_score_no_better_than_the_base_rate_is_said_to_be() -> None:
    state, answer = _state(_with(brier=about(0.0781)), "probabilities")
    assert state == "bad"
    assert answer == (
        "No. Giving every lead the rate known at training would have been better (error 0.0781 against 0.0771). "
        "Use the ranking of the leads, not the probabilities."
    )
    assert "just as good" in _state(_with(brier=about(0.0771)), "probabilities")[1]
    assert verdict(_with(brier=about(0.0781))).title == "Only in part"


def test_an_interval_over_the_coin_is_said_to_be() -> None:
    data = _with(roc_auc=Estimate(0.56, 0.49, 0.63), brier=about(0.0781))
    state, answer = _state(data, "likely leads first")
    assert state == "bad"
    assert answer.endswith("That is not clearly better than the coin flip.")
    assert "Use the order" not in _state(data, "probabilities")[1]
    assert verdict(data).title == "Not shown"


@pytest.mark.parametrize(
    ("differences", "state", "words"),
    [
        (
            {"logistic": (-0.02, -0.03, -0.01), "points": (-0.1, -0.2, -0.05)},
            "good",
            "Yes. Lead by lead, its error is lower than that of logistic regression and a points rule, by more "
            "than chance explains.",
        ),
        (
            {"logistic": (-0.002, -0.005, 0.001), "points": (-0.1, -0.2, -0.05)},
            "care",
            "Its advantage over logistic regression may be luck.",
        ),
        (
            {"logistic": (0.02, 0.01, 0.03), "points": (-0.1, -0.2, -0.05)},
            "care",
            "No. The error of logistic regression is lower, by more than chance explains.",
        ),
        (
            {"logistic": (0.02, 0.01, 0.03), "points": (0.0, -0.01, 0.01)},
            "care",
            "No. The error of logistic regression is lower, by more than chance explains. Its advantage over a "
            "points rule may be luck.",
        ),
        (
            {"base_rate": (0.0, NAN, NAN)},
            "care",
            "Its advantage over giving everyone the base rate may be luck.",
        ),
        ({}, "unknown", "No simpler method was measured for comparison."),
    ],
    ids=["clear", "within", "worse", "worse and within", "no interval", "none"],
)
def test_simpler_ways_are_compared_plainly(
    differences: dict[str, tuple[float, float, float]], state: str, words: str
) -> None:
    rivals = {
        name: baseline(metrics(roc_auc=about(0.7)), Estimate(*ends)) for name, ends in differences.items()
    }
    found, answer = _state(dataclasses.replace(normal(), baselines=rivals), "simpler")
    assert found == state
    assert answer.endswith(words)


def _close_race() -> TrainingResult:
    """A model that errs less than a rival on nearly every lead: their ROC AUCs are hardly apart, their losses are."""
    rng = np.random.default_rng(0)
    odds = rng.normal(-1.0, 1.0, 1_500)
    label = rng.random(1_500) < expit(odds)
    chance, rival = expit(odds), expit(0.6 * odds)  # the same order, less sure than it could be
    rows = {"clusters": np.arange(1_500), "base_rate": float(label.mean()), "random_state": 0}
    found = evaluate_probabilities(label, chance, **rows)
    baselines = evaluate_baselines(label, chance, {"logistic": rival}, **rows)
    gate = check_gate(found, baselines)
    return dataclasses.replace(
        normal(), holdout=holdout(found, "2018-03-14", "2018-05-31"), baselines=baselines, gate=gate
    )


def test_gate_and_report_give_one_verdict_where_they_used_to_disagree() -> None:
    """Paired by lead the model is better beyond chance, so the gate does not warn; its ROC AUC has an interval that
    takes in the rival's, so that the page once said that the lead may be chance."""
    race = _close_race()
    rival = race.baselines["logistic"]
    assert race.holdout.roc_auc.low <= rival.roc_auc.value
    assert rival.log_loss_difference.high < 0
    assert race.gate.warnings == ()
    assert _state(race, "simpler")[0] == "good"
    assert verdict(race).title == "Yes"


def test_what_the_gate_warns_of_the_page_does_not_call_good() -> None:
    """The other way round: ranks clearly better, while its probabilities are not clearly better."""
    data = normal()
    unsure = baseline(metrics(roc_auc=Estimate(0.70, 0.67, 0.73)), Estimate(-0.0004, -0.0031, 0.0022))
    warned = check_gate(data.holdout, {"logistic": unsure})
    assert data.holdout.roc_auc.low > unsure.roc_auc.value
    assert len(warned.warnings) == 1
    found = dataclasses.replace(data, baselines={"logistic": unsure}, gate=warned)
    assert _state(found, "simpler")[0] == "care"


def test_the_leak_test_as_text() -> None:
    test = PerturbationTest(300, 56, 2, 700, 300, 1800, ())
    assert (
        format_leak_test(test)
        == "Leak test passed: changing 2,800 later rows altered none of the 56 features"
    )
    failed = dataclasses.replace(test, moved=(Moved(*["?"] * len(dataclasses.fields(Moved))),))
    assert (
        format_leak_test(failed) == "Leak test failed: changing 2,800 later rows altered 1 of the 56 features"
    )
    assert format_leak_test(None).startswith("No leak test: a flat table has no times")


def test_groups_whose_percentages_are_wrong_are_counted() -> None:
    rows = (
        CalibrationBand(0.05, Estimate(0.11, 0.08, 0.15), 100),
        CalibrationBand(0.10, Estimate(0.11, 0.08, 0.15), 100),
        CalibrationBand(0.60, Estimate(0.30, 0.20, 0.40), 100),
        CalibrationBand(NAN, about(NAN), 0),
    )
    found = dataclasses.replace(normal().calibration, bands=rows)
    state, answer = _state(dataclasses.replace(normal(), calibration=found), "percentages")
    assert state == "bad"
    assert answer == (
        "In 1 of 3 groups the actual share matches the forecast; in 1, more leads converted than forecast; "
        "in 1, fewer. Overall, 25% were forecast to convert and 17% did."
    )


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0.01, 0.03, "helps"),
        (-0.01, 0.03, "none"),
        (0.0, 0.03, "none"),
        (-0.03, -0.01, "hurts"),
        (NAN, NAN, "unknown"),
        (NAN, 0.1, "unknown"),
    ],
)
def test_an_effect_is_claimed_only_where_its_interval_is_clear_of_zero(
    low: float, high: float, kind: str
) -> None:
    assert effect_kind(Estimate(0.01, low, high)) == kind


def test_what_the_top_of_the_ranking_catches() -> None:
    said = caught_by_top(normal(), 1)
    assert said is not None
    assert str(said.striptags()) == (
        "Following up on only the top tenth of the ranking would have caught 38% of all conversions; "
        "a lead there is 3.8 times as likely to convert as the average lead."
    )
    assert caught_by_top(tiny(), 1) is None


def test_metrics_without_intervals_are_taken_with_care() -> None:
    data = dataclasses.replace(
        normal(), holdout=holdout(metrics(roc_auc=about(0.8)), "2018-03-14", "2018-05-31")
    )
    assert _state(data, "likely leads first")[0] == "care"
