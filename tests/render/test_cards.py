"""What the report says of predictions: predicted, observed, within range, and what is predicted next."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.config import LabelRule
from mqlml.evaluation import (
    CompanyMqls,
    Estimate,
    LabelEvaluation,
    LabelPrediction,
    Promotion,
    ThresholdPoint,
    TrainingResult,
    WithinRange,
)
from mqlml.render.report.page import render_report
from mqlml.render.report.text import describe_policy
from mqlml.render.report.thresholds import (
    compare_with_company,
    compare_with_points,
    label_cards,
    label_tones,
    strips,
    what_if,
)
from tests.render.report_samples import BY_LEAD, about, flat, label, normal, tiny


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
        ("conversions caught", "not known"),
        ("leads a week", "no"),
    ]
    page = render_report(with_labels(hot_lead=PREDICTED))
    assert ">no</td>" in page
    for number in ("0.32", "0.21", "0.44", "26.0", "31.0", "0.41"):
        assert f'<data value="{number}">' in page
    assert "EMEA from" in page


def test_a_report_without_forecasts_says_that_history_is_too_short() -> None:
    rows = label_cards(normal())[0].predictions
    assert {row.predicted for row in rows} == {row.next for row in rows} == {"not enough history"}


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
            "missed conversion costs 100",
        ),
        (
            {"policy": "capacity", "teams": {"column": "region", "per_week": {"EMEA": 20, "US": 30}}},
            "Set so that at most 20 of EMEA and 30 of US reach it a week, and none of any other region",
        ),
        (
            {"policy": "fixed", "value": 0.5, "min_fit": 40, "hold": "14d", "exit": 0.8},
            "Fixed by hand at a probability of 50%; it also requires a fit of at least 40 in 100; once given, it is "
            "kept for at least 14 days and until the probability is below 80% of the threshold",
        ),
    ],
    ids=["value", "teams", "gates and memory"],
)
def test_a_rule_in_words(rule: dict, words: str) -> None:
    assert describe_policy(LabelRule.model_validate(rule)) == words


def plain(text: str) -> str:
    return re.sub("<.*?>", "", text)


def test_cards_come_highest_label_first_and_count_leads() -> None:
    cards = label_cards(normal())
    assert [card.name for card in cards] == ["SQL", "MQL or better"]
    assert [(plain(text), plain(number), plain(between)) for text, number, between in cards[0].figures] == [
        ("of 1,200 leads get this label", "125", "10%"),
        ("of these leads convert", "31%", "26% to 36%"),
        ("of 100 leads that converted", "38", "38%"),
        ("leads a week", "20", "17 to 23"),
    ]


def test_a_card_says_what_was_asked_and_what_was_delivered() -> None:
    sql, mql = label_cards(normal())
    assert plain(sql.sentence) == (
        "You asked for at most 20 leads a week; the test period delivered 20 (17 to 23). "
        "Forecast for the next period: not enough history."
    )
    assert plain(mql.sentence) == (
        "You asked for at least 15% of leads to convert; the test period delivered 20% (17% to 23%), counting every "
        "scoring date. Forecast for the next period: not enough history."
    )


def test_figures_say_at_which_threshold_they_were_measured() -> None:
    label = dataclasses.replace(normal().labels["sql"], threshold=0.25)
    moved = dataclasses.replace(normal(), labels={**normal().labels, "sql": label})
    assert plain(label_cards(moved)[0].threshold) == "25.0%"
    assert plain(label_cards(moved)[0].measured_at) == "21.2%"
    assert "which was chosen before the test period. The <data" in render_report(moved)
    assert "the threshold chosen before the test period" not in render_report(normal())


def test_labels_of_the_same_leads_say_so() -> None:
    same = dataclasses.replace(BY_LEAD.labels["sql"], same_as="mql")
    twins = dataclasses.replace(BY_LEAD, labels={**BY_LEAD.labels, "sql": same})
    page = render_report(dataclasses.replace(normal(), by_lead=twins))
    assert "In the test period SQL and MQL selected exactly the same leads." in page
    assert "the very same leads" not in render_report(normal())


def test_a_label_nobody_reached_has_no_precision() -> None:
    assert label_cards(tiny())[0].figures[0][1] == "not measured"


def test_without_dates_the_week_is_not_known() -> None:
    assert all(card.figures[-1][1] == "not known" for card in label_cards(flat()))


def test_strips_cut_leads_and_conversions_by_label_highest_first() -> None:
    (leads, strip), (converted, _) = strips(BY_LEAD)
    assert (leads, converted) == ("All 1,200 leads", "The 100 that converted")
    parts = [
        (part.attrib["class"], float(part.attrib["width"]))
        for part in ET.fromstring(strip).iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert [name for name, _ in parts] == ["part sql", "part mql", "part unqualified"]
    assert [width / 360 for _, width in parts] == pytest.approx([125 / 1200, 175 / 1200, 0.75], abs=1e-3)


def test_labels_that_do_not_nest_draw_no_strip() -> None:
    assert strips(dataclasses.replace(BY_LEAD, labels=dict(reversed(BY_LEAD.labels.items())))) == []
    assert strips(dataclasses.replace(BY_LEAD, labels={})) == strips(None) == []


def test_the_points_rule_stands_beside_each_label_at_the_same_number_of_leads() -> None:
    assert [plain(text) for text in compare_with_points(BY_LEAD)] == [
        "Picking 125 leads as SQL, the points rule finds 28 that convert; mqlml finds 38 (32 to 45).",
        "Picking 300 leads as MQL, the points rule finds 45 that convert; mqlml finds 60 (51 to 70).",
    ]


def test_sliders_start_at_the_labels_and_the_curve_stands_on_the_page() -> None:
    found = what_if(BY_LEAD)
    assert found is not None
    assert [(name, title) for name, title, _ in found.sliders] == [("sql", "SQL"), ("mql", "MQL")]
    for name, _, start in found.sliders:
        wanted = BY_LEAD.labels[name].threshold
        others = [abs(point.threshold - wanted) for point in BY_LEAD.curve]
        assert others[start] == min(others)
    data = json.loads(found.data)
    assert [point["leads"] for point in data["points"]] == [point.leads for point in BY_LEAD.curve]
    assert [point["per_week"] for point in data["points"]] == [point.leads / 11 for point in BY_LEAD.curve]
    assert (data["converted"], found.weekly) == (100, (30, 60))
    page = render_report(normal())
    assert page.count('<input type="range"') == 2
    assert what_if(None) is None
    assert "<script" not in render_report(dataclasses.replace(normal(), by_lead=None))


def test_the_company_s_own_rule_stands_beside_mqlml_at_the_same_leads_a_week() -> None:
    own = dataclasses.replace(BY_LEAD, company_mqls=CompanyMqls(198, 33, Estimate(45.2, 33.1, 60.4)))
    said = compare_with_company(own)
    assert said is not None
    assert plain(said) == (
        "Your own MQL rule picked 198 leads and found 33 of the 100 that converted in the test period; picking as "
        "many, mqlml finds 45 (33 to 60)."
    )
    assert said in render_report(dataclasses.replace(normal(), by_lead=own))
    undated = compare_with_company(dataclasses.replace(own, weeks=None))
    assert undated is not None
    assert plain(undated).startswith("Your own MQL rule picked 198 leads")
    assert compare_with_company(BY_LEAD) is None
    assert "your own MQL rule" not in render_report(normal())


points = st.lists(st.integers(1, 3000), min_size=2, max_size=30, unique=True).map(sorted)


@settings(deadline=None, max_examples=60)
@given(points, st.floats(0.5, 60))
def test_what_sales_gets_at_so_many_leads_a_week_is_a_point_of_the_curve(
    leads: list[int], weeks: float
) -> None:
    curve = tuple(
        ThresholdPoint(0.5 - place / 100, n, n // 10, about(0.1, 0.05, 0.2), about(0.5), 1.0)
        for place, n in enumerate(leads)
    )
    found = what_if(dataclasses.replace(BY_LEAD, curve=curve, weeks=weeks))
    assert found is not None
    for text in found.weekly_texts:
        asked = int(re.findall(r"about (\d+)", text)[0])
        weekly, threshold, *_, converted, _ = map(float, re.findall(r'<data value="(.*?)">', text))
        (point,) = [one for one in curve if one.threshold == threshold]
        assert weekly == pytest.approx(point.leads / weeks)
        assert abs(weekly - asked) <= 0.1 * asked
        assert converted == point.converted


def test_without_dates_nothing_is_said_of_leads_a_week() -> None:
    dated, undated = what_if(BY_LEAD), what_if(dataclasses.replace(BY_LEAD, weeks=None))
    assert dated is not None
    assert undated is not None
    assert len(dated.weekly_texts) == 2
    assert undated.weekly_texts == ()
