"""The report's section on sources: every number from the result, verdicts in plain sentences, hostile names."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mqlml.evaluation import Estimate
from mqlml.insight import InsightResults
from mqlml.insight.channels.sources import OpenValue, Sources, SourceValue
from mqlml.insight.channels.spend import SourceCost, SpendPeriod, SpentInVain
from mqlml.render.console.sources import format_sources
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.report.value.sources import format_money
from mqlml.render.results import SourcesResult
from tests.render.report_samples import normal
from tests.render.test_page import Page


def cost(value: Estimate, per_lead: float, verdict: str) -> SourceCost:
    returns = Estimate(*(end / per_lead for end in (value.value, value.low, value.high)))
    per_customer = Estimate(per_lead * 12, per_lead * 10, per_lead * 15)
    return SourceCost(1000.0, 40, per_lead, None, per_customer, value, returns, verdict)  # type: ignore[arg-type]


def source(name: str | None, value: tuple[float, float, float], **more: object) -> SourceValue:
    worth = Estimate(*value)
    rate, amount = Estimate(0.08, 0.06, 0.11), Estimate(20.5, 18.0, 24.0)
    found = SourceValue(name, 500, 41, 840.5, worth, rate, amount, "unclear")
    return replace(found, **more)  # type: ignore[arg-type]


FOUND = Sources(
    column="origin",
    leads=1500,
    customers=123,
    span_days=60.0,
    in_revenue=True,
    without_amount=2,
    average=Estimate(1.48, 1.31, 1.66),
    sources=(
        source("Partner", (2.1, 1.7, 2.6), against_average="above"),
        source("Ads <b>", (1.64, 1.4, 1.9), cost=cost(Estimate(1.64, 1.4, 1.9), 1.2, "pays")),
        source(None, (1.5, 1.0, 2.0)),
        source("Fair", (0.4, 0.1, 0.9), cost=cost(Estimate(0.41, 0.12, 0.91), 1.85, "loses")),
    ),
    spend=SpendPeriod(
        start="2025-01-01",
        until="2025-04-01",
        spent=2500.0,
        leads=130,
        mature_leads=90,
        from_period=True,
        returns=Estimate(0.9, 0.7, 1.1),
        in_vain=(SpentInVain("Radio", 500.0),),
        free=("Partner", None),
        free_leads=50,
        later=0.0,
    ),
)


def read_text(found: Sources) -> str:
    text = Page(render_report(normal(), insight=InsightResults(sources=found))).text
    return text.replace("( ", "(").replace(" )", ")")


def section(found: Sources) -> str:
    page = render_report(normal(), insight=InsightResults(sources=found))
    return page.split('aria-labelledby="sources-title"')[1].split("</article>")[0]


def test_the_page_says_what_to_do_with_the_numbers_of_the_result() -> None:
    page, text = Page(render_report(normal(), insight=InsightResults(sources=FOUND))), read_text(FOUND)
    for said in (
        "The average lead is worth 1.48 (1.31 to 1.66) in the currency of your amounts, based on 123 customers among",
        "Cut Fair, or make it cheaper: a lead from it is worth 0.410 (0.120 to 0.910), less than the 1.85 it costs.",
        "Ads <b> pays: a lead from it is worth 1.64 (1.40 to 1.90), more than the 1.20 it costs.",
        "Partner is above average: a lead from it is worth 2.10 (1.70 to 2.60).",
        "No clear difference from the average lead: (source not known).",
        "From 2025-01-01 to 2025-04-01, 2,500 was spent and 130 leads came in; each 1 spent brings back 0.900",
        "Money was spent without a single lead on Radio (500).",
        "Nothing was spent on Partner and (source not known), which brought 50 leads.",
        "Only an experiment shows how many leads would have come without it.",
    ):
        assert said in text, said
    numbers = {value for value, _ in page.numbers}
    for one in FOUND.sources:
        assert {repr(one.value.value), repr(one.value.low), repr(one.value.high)} <= set(map(str, numbers))
    assert "<b>" not in section(FOUND)
    assert max(page.ids.values()) == 1
    assert set(page.references) <= set(page.ids)


def test_verdicts_come_before_comparisons_and_the_costly_first() -> None:
    said = re.findall("<li>(.*?)</li>", section(FOUND))
    assert [text.split(" ")[0] for text in said] == ["Cut", "Ads", "Partner", "No"]


def test_the_chart_has_a_mark_for_each_value_and_cost() -> None:
    drawn = section(FOUND)
    assert len(re.findall('<circle class="method"', drawn)) == 1 + 4
    assert len(re.findall('class="method model hollow"', drawn)) == 1 + 2
    assert drawn.count('class="whisker"') == 4
    many = replace(FOUND, sources=tuple(source(f"s{number}", (1.0, 0.5, 1.5)) for number in range(30)))
    assert "18 sources more" in section(many)
    assert section(many).count('class="whisker"') == 12


def test_without_amounts_shares_are_shown() -> None:
    rate = Estimate(0.08, 0.06, 0.11)
    plain = tuple(
        replace(one, value=rate, amount=None, cost=None, against_average="below") for one in FOUND.sources
    )
    found = replace(FOUND, in_revenue=False, average=Estimate(0.12, 0.1, 0.14), sources=plain, spend=None)
    text = read_text(found)
    assert "12% (10% to 14%) of all leads become customers" in text
    assert "Partner is below average: 8.0% (6.0% to 11%) of its leads become customers." in text
    assert "Share that become customers" in text


def test_markdown_tables_and_console_say_the_same() -> None:
    results = InsightResults(sources=FOUND)
    text = render_markdown(normal(), insight=results)
    assert "| Partner | 500 | 41 | 2.10 (1.70 to 2.60) | 8.0% | 20.5 |" in text
    assert "- Cut Fair, or make it cheaper" in text
    assert "| Ads \\<b> | 1,000 | 40 | 1.20 | – | 14.4 (12.0 to 18.0) |" in text
    rows = list(list_tables(normal(), insight=results)["sources"])
    assert [row["source"] for row in rows] == ["Partner", "Ads <b>", None, "Fair"]
    assert rows[3]["cost_per_lead"] == 1.85
    opened = tuple(
        replace(one, open=OpenValue(number, 0.5 * number, 10.25 * number))
        for number, one in enumerate(FOUND.sources, 1)
    )
    result = SourcesResult(**{**vars(FOUND), "sources": opened}, model="m", outcome="closed_won")
    lines = format_sources(result).splitlines()
    assert "Ads <b> pays: a lead from it is worth 1.64 (1.40 to 1.90), more than the 1.20 it costs." in lines
    assert "The amount of 2 sales is not known; each counts as much as others of its source." in lines
    heads = next(number for number, line in enumerate(lines) if "Customers to expect" in line)
    assert lines[heads + 1].split() == ["Fair", "4", "2.0", "41.0"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (1.4812, "1.48"),
        (147.6, "148"),
        (16384.2, "16,384"),
        (0.01234, "0.0123"),
        (float("nan"), "not measured"),
    ],
)
def test_money_has_three_digits(value: float, shown: str) -> None:
    assert format_money(value) == shown
