"""Markdown and CSV tables hold what the page holds; open leads are summarized by hand."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from mqlml.insight import OpenLeads, ProbabilityBand, summarize_open_leads
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from tests.render.report_samples import BY_LEAD, SIGNALS, empty, flat, normal, refused, tiny

OPEN = summarize_open_leads(
    pd.DataFrame(
        {
            "lead_id": ["1", "1", "2", "3"],
            "cutoff_time": pd.to_datetime(["2025-06-01", "2025-06-02", "2025-06-02", "2025-06-02"], utc=True),
            "probability": [0.9, 0.03, 0.04, 0.25],
            "label": ["sql", "unqualified", "unqualified", "mql"],
        }
    )
)


def test_the_latest_run_is_summarized() -> None:
    assert (
        OpenLeads(
            as_of="2025-06-02",
            leads=3,
            expected=pytest.approx(0.32),  # type: ignore[arg-type]
            labels={"unqualified": 2, "mql": 1},
            bands=(
                ProbabilityBand(0.0, 0.01, 0),
                ProbabilityBand(0.01, 0.02, 0),
                ProbabilityBand(0.02, 0.05, 2),
                ProbabilityBand(0.05, 0.1, 0),
                ProbabilityBand(0.1, 0.2, 0),
                ProbabilityBand(0.2, 0.35, 1),
            ),
        )
        == OPEN
    )


def test_the_page_tells_of_open_leads_only_where_scores_are_given() -> None:
    page = re.sub("<[^>]*>", "", render_report(normal(), open_leads=OPEN))
    assert "3 open leads were scored on June 2, 2025" in page
    assert "1 MQL, 2 unqualified." in page
    assert "Open leads" not in render_report(normal())


@pytest.mark.parametrize("data", [normal(), refused(), flat(), tiny(), empty()], ids=lambda data: data.model)
def test_markdown_has_no_markup_of_the_page(data) -> None:
    text = render_markdown(data, version="3", open_leads=OPEN)
    assert "<" not in text.replace("\\<", "")
    assert text.startswith("# ")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    assert "## Can it be trusted?" in text
    assert "nan" not in text.lower().split()


def test_markdown_says_what_the_page_says() -> None:
    text = render_markdown(normal(), version="3")
    assert "| Pricing page visit | 415 leads (13%) | 17% | 4.2% | more, +5.6 points (2.4 to 9.5) |" in text
    assert "### SQL: from 21.2%" in text
    assert "You asked for at most 20 leads a week; the test period delivered 20 (17 to 23)." in text
    assert (
        "If sales takes about 60 leads a week, the threshold is 7.0%. Then 10% (8.0% to 12%) of those leads convert"
        in text
    )


def test_tables_are_flat_and_complete() -> None:
    tables = list_tables(normal(), OPEN)
    levels = [level for signal in SIGNALS.signals for level in signal.levels]
    assert len(tables["signals"]) == len(levels)
    assert tables["signals"][0]["like_leads_low"] == levels[0].like_leads.low
    assert [row["threshold"] for row in tables["thresholds"]] == [point.threshold for point in BY_LEAD.curve]
    assert [row["label"] for row in tables["labels"]] == ["mql", "sql"]
    assert len(tables["open_leads"]) == len(OPEN.bands)
    for rows in tables.values():
        assert all(
            value is None or isinstance(value, str | int | float) for row in rows for value in row.values()
        )
    assert "signals" not in list_tables(empty())
