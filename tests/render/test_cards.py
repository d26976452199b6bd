"""What the report says of predictions: predicted, observed, within range, and what is predicted next."""

from __future__ import annotations

import dataclasses

import pytest

from mqlml.config import LabelRule
from mqlml.evaluation import (
    Estimate,
    LabelEvaluation,
    LabelPrediction,
    Promotion,
    TrainingResult,
    WithinRange,
)
from mqlml.render import describe_policy, render_report
from mqlml.render.report.parts import label_cards, label_tones
from tests.render.report_samples import about, label, normal


def with_labels(**labels: LabelEvaluation) -> TrainingResult:
    return dataclasses.replace(normal(), labels=labels)


PREDICTED = dataclasses.replace(
    label(
        0.2,
        "Set so that at most 20 leads a week reach it",
        214,
        Estimate(0.3, 0.25, 0.35),
        about(0.5),
        Estimate(31.0, 28.0, 34.0),
    ),
    predicted=LabelPrediction(precision=Estimate(0.32, 0.21, 0.44), per_week=Estimate(20.0, 15.0, 26.0)),
    within_range=WithinRange(precision=True, per_week=False),
    next=LabelPrediction(precision=Estimate(0.31, 0.22, 0.41), per_week=Estimate(22.0, 16.0, 29.0)),
    teams={"EMEA": 0.2, "US": 0.25},
)


def test_a_card_says_what_was_forecast_what_happened_and_what_comes_next() -> None:
    rows = label_cards(with_labels(hot_lead=PREDICTED))[0].predictions
    assert [(row.title, row.within_range) for row in rows] == [
        ("share that converts", "yes"),
        ("leads a week", "no"),
    ]
    page = render_report(with_labels(hot_lead=PREDICTED))
    assert ">no</td>" in page
    for number in ("0.32", "0.21", "0.44", "26.0", "31.0", "0.41"):
        assert f'<data value="{number}">' in page
    assert "EMEA from" in page


def test_a_report_without_forecasts_shows_none() -> None:
    assert label_cards(normal())[0].predictions == []
    assert "Promised with" not in render_report(normal())


@pytest.mark.parametrize(
    ("n", "tones"),
    [(1, ["mql"]), (2, ["mql", "sql"]), (4, ["low", "low", "mql", "sql"])],
    ids=["one", "two", "four"],
)
def test_the_highest_label_is_strongest_whatever_it_is_called(n: int, tones: list[str]) -> None:
    names = [f"level_{number}" for number in range(n)]
    assert label_tones(names) == dict(zip(names, tones, strict=True))
    assert "hot_lead" in render_report(with_labels(hot_lead=PREDICTED))


def test_acts_that_promote_are_counted_with_what_became_of_them() -> None:
    rule = Promotion(11, 2, Estimate(0.1818, 0.0, 0.5), reason="asked for a demo", to="sql", raised=5)
    page = render_report(dataclasses.replace(normal(), promoted=(rule,)))
    assert "asked for a demo, at least SQL" in page
    assert "Promoted at once" not in render_report(normal())


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            {"policy": "value", "gain": 900, "cost": 60, "too_early": 40, "too_late": 100},
            "Set where it pays best: a conversion gains 900, a follow-up costs 60, 40 more if it comes too early, a "
            "missed one costs 100",
        ),
        (
            {"policy": "capacity", "teams": {"column": "region", "per_week": {"EMEA": 20, "US": 30}}},
            "Set so that at most 20 of EMEA and 30 of US reach it a week, and none of any other region",
        ),
        (
            {"policy": "fixed", "value": 0.5, "min_fit": 40, "hold": "14d", "exit": 0.8},
            "Fixed by hand at a probability of 50%; it also takes a fit of at least 40 in 100; once given, it is "
            "kept for 14 days at least and until the probability is below 80% of the threshold",
        ),
    ],
    ids=["value", "teams", "gates and memory"],
)
def test_a_rule_in_words(rule: dict, words: str) -> None:
    found = describe_policy(LabelRule.model_validate(rule))
    assert found.replace("\N{NO-BREAK SPACE}", " ").replace("%", " %").replace("  %", " %") == words
