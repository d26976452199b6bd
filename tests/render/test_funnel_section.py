"""The report's section on the funnel shows what was measured: sentence, chart, tables, Markdown and CSV."""

from __future__ import annotations

import dataclasses
import re

import pytest

from mqlml.evaluation import Estimate
from mqlml.insight import InsightResults
from mqlml.insight.funnel.cohorts import Cohort, CohortStage, Funnel, FunnelStage, Step, StepPeriod
from mqlml.monitoring import Handover
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.report.value.funnel import describe_reach
from tests.render.report_samples import normal
from tests.render.test_page import Page

MQL, WON = Estimate(0.35, 0.33, 0.37), Estimate(0.18, 0.16, 0.19)
UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


def cohort(period: str, mql: float, won: float, *, complete: bool = True) -> Cohort:
    stages = (
        CohortStage("mql", 120, Estimate(mql, mql - 0.04, mql + 0.04)),
        CohortStage("closed_won", 50, Estimate(won, won - 0.03, won + 0.03)),
    )
    return Cohort(period, 411, complete, stages)


FUNNEL = Funnel(
    leads=3288,
    within_days=365.0,
    by="quarter",
    stages=(
        FunnelStage("mql", 1211, MQL, Estimate(66.3, 61.3, 72.9)),
        FunnelStage("closed_won", 606, WON, Estimate(90.2, 80, 99)),
    ),
    missing=("sql", "opportunity"),
    cohorts=(
        *(cohort(f"2024-Q{number}", 0.30 + number / 100, 0.20) for number in range(1, 5)),
        *(cohort(f"2025-Q{number}", 0.36, 0.17, complete=False) for number in range(1, 5)),
    ),
    steps=(
        Step("lead", "mql", 3288, 1211, MQL, Estimate(66.3, 61.3, 72.9), ()),
        Step(
            "mql",
            "closed_won",
            1211,
            606,
            WON,
            UNKNOWN,
            (StepPeriod("2025-Q4", 9, 1, Estimate(0.25, 0.2, 0.3)),),
        ),
    ),
    origins=(),
    handover=Handover("mql", 1211, 26, 14.0, 844, 3, 5),
)
FOUND = InsightResults(funnel=FUNNEL)


def section(found: Funnel = FUNNEL) -> str:
    page = render_report(normal(), insight=InsightResults(funnel=found))
    return page.split('aria-labelledby="funnel-title"')[1].split("</article>")[0]


def test_the_section_says_what_becomes_of_100_leads_and_of_the_handover() -> None:
    text = Page(render_report(normal(), insight=FOUND)).text
    assert (
        "Of 100 leads, 35 become MQLs and 18 become customers within 365 days (16 to 19 customers)." in text
    )
    assert "Too early: sales rejected or lost 26 of 1,211 MQLs (2.1%) within 14 days." in text
    assert "3 became an MQL only afterward, and 5 never did." in text
    assert "The data has no SQL or opportunity stage, so these are left out." in text
    assert "The table also has 2 earlier quarters." in text


def test_the_table_holds_every_period_and_number() -> None:
    numbers = [shown for _, shown in Page(render_report(normal(), insight=FOUND)).numbers]
    for period in FUNNEL.cohorts:
        for stage in period.stages:
            assert f"{100 * stage.share.value:.0f}%" in numbers
    rows = re.findall(r'<th scope="row" class="period">([^<]*)</th>', section())
    assert rows == [f"2024-Q{n}" for n in range(1, 5)] + [f"2025-Q{n} *" for n in range(1, 5)]
    assert "2025-Q4: " in section()


def test_the_chart_draws_young_periods_lighter_and_to_the_scale_of_their_stage() -> None:
    bars = re.findall(r'<rect class="(column[^"]*)"[^>]* width="([0-9.]+)"', section())
    assert [tone for tone, _ in bars] == 2 * (2 * ["column"] + 4 * ["column young"])
    widths = [float(width) for _, width in bars]
    assert widths[1] / widths[2] == pytest.approx(0.34 / 0.36, abs=0.01)
    assert widths[6] / widths[8] == pytest.approx(0.20 / 0.17, abs=0.01)
    assert section().count('class="whisker"') == 12


def test_complete_periods_have_no_star() -> None:
    old = dataclasses.replace(FUNNEL, cohorts=FUNNEL.cohorts[:4])
    assert "*" not in section(old)
    assert "estimated from older leads" not in section(old)
    assert "column young" not in section(old)


def test_what_counts_as_a_customer_is_named_as_the_data_has_it() -> None:
    stages = (FUNNEL.stages[0], dataclasses.replace(FUNNEL.stages[1], stage="opportunity"))
    text = describe_reach(dataclasses.replace(FUNNEL, stages=stages))
    assert text.endswith("and 18 become opportunities within 365 days (16 to 19 opportunities).")


def test_a_share_that_could_not_be_measured_is_a_dash() -> None:
    stage = CohortStage("mql", 0, UNKNOWN)
    alone = dataclasses.replace(
        FUNNEL, stages=FUNNEL.stages[:1], cohorts=(Cohort("2025-Q1", 3, True, (stage,)),)
    )
    assert "nan" not in section(alone)
    assert '<td class="num">–</td>' in section(alone)


def test_markdown_and_csv_hold_the_same() -> None:
    text = render_markdown(normal(), insight=FOUND)
    assert "### How far do leads get?" in text
    assert "| 2024-Q1 | 411 | 31% (27% to 35%) | 20% (17% to 23%) |" in text
    assert (
        r"\* Not all of this time has passed yet: what is still to come is estimated from older leads."
        in text
    )
    rows = list(list_tables(normal(), insight=FOUND)["funnel"])
    assert len(rows) == 16
    assert (rows[1]["period"], rows[1]["stage"], rows[1]["share_value"]) == ("2024-Q1", "closed_won", 0.20)
