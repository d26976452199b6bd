"""The chapter on what pays says what its pieces found, and why a piece is missing; without results there is none."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mqlml.insight import InsightResults
from mqlml.insight.channels.attribution import attribute_sales, touches_from_paths
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.report.value.chapter import describe_insight
from mqlml.texts import format_percent
from tests.render.report_samples import normal
from tests.render.test_funnel_section import FUNNEL
from tests.render.test_page import Page
from tests.render.test_points import TABLE as POINTS

CREDIT = attribute_sales(
    touches_from_paths(
        [("Google",), ("Mail <b>",), ("Google", "Mail <b>"), ("Google",)],
        won=[20, 10, 10, 0],
        lost=[0, 0, 0, 10],
    )
)
"""Ten times the field's example: 24 and 16 sales by the Markov chain, 25 and 15 by Shapley."""

FOUND = InsightResults(attribution=CREDIT)


def test_without_results_there_is_no_chapter() -> None:
    assert "What pays" not in render_report(normal())
    assert "What pays" not in render_markdown(normal())
    assert "attribution" not in list_tables(normal())


def test_the_page_holds_every_number_of_the_table() -> None:
    page = Page(render_report(normal(), insight=FOUND))
    assert "Google gets the most sales by every method: 20 to 30 of 40 sales." in page.text
    assert "only an experiment shows that." in page.text
    numbers = [shown for _, shown in page.numbers]
    for channel in CREDIT.channels:
        for credit in channel.credit.values():
            assert f"{credit.value:.1f}" in numbers
    assert set(page.references) <= set(page.ids)
    assert max(page.ids.values()) == 1
    assert "<b>" not in render_report(normal(), insight=FOUND).split('id="pays"')[1].split("</section>")[0]


def test_the_sentence_counts_the_methods_that_agree() -> None:
    paths = touches_from_paths([("a", "b"), ("b", "a"), ("b",)], won=[12, 6, 1], lost=[5, 5, 5])
    page = Page(render_report(normal(), insight=InsightResults(attribution=attribute_sales(paths))))
    assert (
        "B gets the most sales by 5 of 6 methods: 7.0 to 13 of 19 sales." in page.text
    )  # not by the first touch
    assert "disagree most about b: first touch gives it 7.0 , last touch gives it 13 ." in page.text


def test_the_sentence_names_the_channel_of_most_disagreement() -> None:
    paths = touches_from_paths([("a", "c", "b"), ("b", "c", "a"), ("c",)], won=[12, 6, 30], lost=[5, 5, 5])
    page = Page(render_report(normal(), insight=InsightResults(attribution=attribute_sales(paths))))
    assert "C gets the most sales by every method" in page.text
    assert "disagree most about c: Markov gives it 25 , linear gives it 36 ." in page.text


def test_the_chart_has_a_mark_for_each_method_and_channel() -> None:
    page = render_report(normal(), insight=FOUND)
    legend, channels = 6, 2  # without times there is no time decay
    assert len(re.findall('class="method[^"]*"', page)) == legend * (1 + channels)


def test_markdown_and_tables_hold_the_same() -> None:
    text = render_markdown(normal(), insight=FOUND)
    assert "## What pays" in text
    assert "| Google | 40 | 30 | 30.0 | 20.0 | 25.0 | 25.0 | 24.0 | 25.0 |" in text
    (first, second) = list_tables(normal(), insight=FOUND)["attribution"]
    assert (first["channel"], second["channel"]) == ("Google", "Mail <b>")
    assert first["credit_markov_value"] == pytest.approx(24)
    assert second["credit_shapley_value"] == pytest.approx(15)


def test_the_chapter_says_how_it_differs_from_the_sections_before() -> None:
    ranges = "Ranges in this chapter are 90% intervals; in the sections above they are 95%"
    staged = "MQL and SQL are the stages that sales recorded, not the labels that mqlml assigns above"
    labels = "mqlml’s labels in “Which points could your CRM use?”"

    def notes(**found: object) -> str:
        chapter = describe_insight(replace(InsightResults(), **found), normal())
        assert chapter is not None
        return " ".join(chapter.notes)

    assert notes(attribution=CREDIT).startswith(ranges)
    assert "MQL" not in notes(attribution=CREDIT)
    share = format_percent(FUNNEL.stages[-1].share.value)
    assert (
        f"In the sections above, 8.2% of leads were won within 60 days. Here every lead is followed for "
        f"{FUNNEL.within_days:g} days from the day it came in, and {share} become customers."
    ) in notes(funnel=FUNNEL)
    assert f"{staged}." in notes(funnel=FUNNEL)
    assert f"{staged}; they are {labels}." in notes(funnel=FUNNEL, points=POINTS)
    assert notes(points=POINTS).endswith(f"MQL and SQL are {labels}.")
    whole = InsightResults(funnel=FUNNEL)
    for text in (Page(render_report(normal(), insight=whole)).text, render_markdown(normal(), insight=whole)):
        assert ranges in text
        assert staged in text


def test_a_missing_piece_is_named_with_its_reason() -> None:
    found = InsightResults(missing={"attribution": "The events have no channel."})
    for text in (render_report(normal(), insight=found), render_markdown(normal(), insight=found)):
        assert "The events have no channel." in text
        assert "Which channels are linked to sales?" in text
    assert "attribution" not in list_tables(normal(), insight=found)
