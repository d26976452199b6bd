"""The sections on the funnel and the plan hold the numbers of their results, on the page, in Markdown and tables."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from mqlml.evaluation import Estimate
from mqlml.insight import InsightResults
from mqlml.insight.funnel import measure_funnel
from mqlml.insight.plan import Need, plan_quarters
from mqlml.insight.stages import read_stages
from mqlml.render import list_tables, render_markdown, render_report
from mqlml.render.report.plan import describe_need
from mqlml.simulate import simulate
from tests.by_hand import problem
from tests.render.report_samples import normal
from tests.render.test_page import Page

WON = problem(outcome="closed_won")


@pytest.fixture(scope="module")
def found() -> InsightResults:
    made = simulate(600, random_state=3).journeys()
    return InsightResults(
        funnel=measure_funnel(read_stages(made, WON)), plan=plan_quarters(made, WON, n_draws=300)
    )


def test_the_page_holds_every_share_and_need(found: InsightResults) -> None:
    page = Page(render_report(normal(), insight=found))
    numbers = [shown for _, shown in page.numbers]
    assert found.funnel is not None
    assert found.plan is not None
    for cohort in found.funnel.cohorts:
        assert cohort.period in page.text
        for stage in cohort.stages:
            assert any(shown.startswith(f"{100 * stage.share.value:.0f}%") for shown in numbers)
    for outlook in found.plan.outlooks:
        assert f"{outlook.expected.value:,.0f} new customers ({outlook.expected.low:,.0f} to" in page.text
        for need in outlook.needs:
            assert f"{need.leads.value:,.0f}" in numbers
    assert set(page.references) <= set(page.ids)
    assert max(page.ids.values()) == 1


def test_the_chart_has_three_marks_for_each_stage_of_the_last_six_periods(found: InsightResults) -> None:
    page = render_report(normal(), insight=found)
    chart = page.split('aria-labelledby="funnel-chart-title')[1].split("</svg>")[0]
    assert found.funnel is not None
    stages = len(found.funnel.stages) * min(len(found.funnel.cohorts), 6)
    assert len(re.findall('class="bar plain"', chart)) == stages + 1
    assert len(re.findall('class="bar none"', chart)) == stages + 1
    assert len(re.findall('class="whisker"', chart)) == stages + 1


def test_markdown_and_tables_hold_the_same(found: InsightResults) -> None:
    text = render_markdown(normal(), insight=found)
    tables = list_tables(normal(), insight=found)
    assert found.funnel is not None
    assert found.plan is not None
    first = found.funnel.cohorts[0]
    assert f"| {first.period} | {first.leads} | {100 * first.stages[0].share.value:.0f}% (" in text
    assert tables["funnel"][0]["share_value"] == first.stages[0].share.value
    assert tables["funnel"][0]["period"] == first.period
    assert len(tables["funnel"]) == sum(len(cohort.stages) for cohort in found.funnel.cohorts)
    assert tables["plan"][0]["leads_value"] == found.plan.outlooks[0].needs[0].leads.value
    assert [row["quarter"] for row in tables["plan_past"]] == [one.quarter for one in found.plan.past]
    assert {row["start"] for row in tables["funnel_steps"]} == {"lead", "mql", "sql", "opportunity"}


def test_plans_go_to_the_ends_of_the_next_two_quarters(found: InsightResults) -> None:
    """The data ends on 24 June 2025, too near the end of June."""
    assert found.plan is not None
    assert [outlook.until for outlook in found.plan.outlooks] == ["2025-10-01", "2026-01-01"]
    for outlook in found.plan.outlooks:
        numbers = [need.customers for need in outlook.needs]
        assert numbers[0] <= max(outlook.expected.value, 1) < numbers[-1]
        assert len({after - before for before, after in itertools.pairwise(numbers)}) == 1


@pytest.mark.parametrize(
    ("leads", "mqls", "says"),
    [
        (
            (310, 240, 420),
            (62, 40, 90),
            "about 310 new leads (240 to 420), of which 62 become MQLs by then: ",
        ),
        ((310, 240, 420), None, "How many become MQLs is unknown: the data has no stage MQL."),
        ((0, 0, 0), (0, 0, 0), "should bring 20 customers by 2026-06-30 without any new ones."),
        ((0, 0, 90), (0, 0, 9), "without any new ones; to be safe, plan for 90 new leads."),
        ((math.nan, 5, math.nan), None, "2026-06-30 is too near for 20 customers"),
        ((310, 240, math.nan), (62, 40, math.nan), "about 310 new leads (240 to any number)"),
    ],
)
def test_the_sentence_of_a_need(
    leads: tuple[float, float, float],
    mqls: tuple[float, float, float] | None,
    says: str,
    found: InsightResults,
) -> None:
    assert found.plan is not None
    need = Need(20, 0.2, Estimate(*leads), 100.0, None if mqls is None else Estimate(*mqls))
    assert says in describe_need(need, found.plan.outlooks[0], "2026-06-30")
