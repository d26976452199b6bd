"""The report's section on the plan shows what was forecast: sentences, charts, tables, Markdown and CSV."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from mqlml.evaluation import Estimate
from mqlml.insight import InsightResults
from mqlml.insight.plan.forecast import Need, Outlook, PastForecast
from mqlml.insight.plan.targets import Targets, TargetsBy
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.report.value.plan import describe_more
from tests.render.report_samples import normal
from tests.render.test_page import Page

NEVER = Estimate(math.nan, math.nan, math.nan)
OUTLOOK = Outlook(
    since="2026-03-31",
    until="2026-07-01",
    days=92.0,
    expected=Estimate(13, 8, 19),
    from_open=Estimate(5, 3, 9),
    new_leads=Estimate(240, 200, 280),
    leads_per_month=79.0,
    open_leads=512,
    needs=(
        Need(10, 0.82, Estimate(150, 40, 260), 50.0, Estimate(30, 8, 52)),
        Need(20, 0.04, Estimate(310, 240, 420), 103.0, Estimate(62, 45, 85)),
        Need(30, 0.001, NEVER, math.nan, NEVER),
    ),
)
FOUND = Targets(
    (TargetsBy("2026-06-30", OUTLOOK),),
    (
        PastForecast("2025-Q3", Estimate(12, 7, 18), 15, True),
        PastForecast("2025-Q4", Estimate(14, 9, 21), 23, False),
    ),
)
INSIGHT = InsightResults(plan=FOUND)


def section(found: Targets = FOUND) -> str:
    page = render_report(normal(), insight=InsightResults(plan=found))
    return page.split('aria-labelledby="plan-title"')[1].split("</article>")[0]


def without_mqls() -> Targets:
    needs = tuple(dataclasses.replace(need, mqls=None) for need in OUTLOOK.needs)
    return Targets((TargetsBy("2026-06-30", dataclasses.replace(OUTLOOK, needs=needs)),), ())


def test_the_first_number_above_todays_pace_is_said_in_a_sentence() -> None:
    text = Page(render_report(normal(), insight=INSIGHT)).text
    assert "For 20 customers by June 30, 2026, you need about 310 new leads (240 to 420), of which 62" in text
    assert "24 more leads a month than now" in text
    assert "At today's pace, you will have 13 new customers (8 to 19) by June 30, 2026" in text
    assert "the range held the actual number of customers in 1 of 2" in text


def test_what_more_customers_take_is_said_for_numbers_that_the_table_lacks() -> None:
    """From 240 leads for 13 customers to 310 for 20: ten leads a customer, over 92 days."""
    said = "For every 10 customers beyond what today's pace brings, add about 100 new leads (33 a month)."
    assert said in Page(render_report(normal(), insight=INSIGHT)).text
    assert said in render_markdown(normal(), insight=INSIGHT)
    assert describe_more(OUTLOOK) == said
    out_of_reach = dataclasses.replace(OUTLOOK, needs=OUTLOOK.needs[::2])
    assert describe_more(out_of_reach) == ""


def test_the_tables_hold_every_number() -> None:
    numbers = [shown for _, shown in Page(render_report(normal(), insight=INSIGHT)).numbers]
    for shown in ("310", "240", "420", "62", "45", "85", "103", "4.0%", "82%", "23"):
        assert shown in numbers
    assert (
        section().count("out of reach") == 4
    )  # leads and MQLs in the table; in the chart, drawn and described
    assert "nan" not in section()


def test_the_chart_sets_the_leads_beside_todays_pace() -> None:
    points = [float(x) for x in re.findall(r'class="point" cx="([0-9.]+)"', section())]
    (pace,) = re.findall(r'class="guide" x1="([0-9.]+)"', section())
    assert len(points) == 2
    assert points[0] < float(pace) < points[1]
    start = 96.0
    assert (points[1] - start) / (points[0] - start) == pytest.approx(310 / 150, abs=0.01)


def test_without_mqls_the_column_is_left_out_and_the_reason_said() -> None:
    assert "MQLs among them" not in section(without_mqls())
    assert "the data has no MQL stage" in section(without_mqls())
    assert "MQLs among them" in section()


def test_markdown_and_csv_hold_the_same() -> None:
    text = render_markdown(normal(), insight=INSIGHT)
    assert "| 20 | 4.0% | 310 (240 to 420) | 62 (45 to 85) | 103 |" in text
    assert "| 2025-Q4 | 14 (9 to 21) | 23 | no |" in text
    rows = list(list_tables(normal(), insight=INSIGHT)["plan"])
    assert [row["customers"] for row in rows] == [10, 20, 30]
    assert (rows[1]["by"], rows[1]["leads_value"], rows[1]["mqls_high"]) == ("2026-06-30", 310, 85)
    assert rows[2]["leads_value"] is None
