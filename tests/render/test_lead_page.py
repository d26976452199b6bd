"""The page about one lead: reasons both ways, its trend, and what a user typed stays text."""

from __future__ import annotations

import dataclasses
import re

from mqlml.insight import Change, EarlierMoment, Reason, TimelineEvent, TrendPoint
from mqlml.render.report.page import render_lead
from tests.render.test_console import EXPLAINED

LEAD = dataclasses.replace(
    EXPLAINED,
    reasons=(
        Reason("3 pricing page visits in the last 7 days", 0.8, "actions", True),
        Reason("country is <b>", -0.4, "profile", True),
        Reason("2 events", 0.1, "actions", False),
    ),
    earlier=EarlierMoment("2026-05-24", 0.05, (Change("3 visits", "1 visit", "1", 0.5, "actions"),)),
    timeline=(TimelineEvent("2026-05-30", "demo_request", "paid_search", 2),),
    trend=(TrendPoint("2026-05-17", 0.02), TrendPoint("2026-05-24", 0.05), TrendPoint("2026-05-31", 0.12)),
)


def test_reasons_changes_and_events_stand_on_the_page() -> None:
    page = render_lead(LEAD)
    text = re.sub(r"\s+", " ", re.sub("<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))
    assert "3 pricing page visits in the last 7 days +0.80" in text
    assert "country is &lt;b&gt; −0.40" in text
    assert "2 events" not in text, "not given as a reason"
    assert "3 visits before: 1 +0.50" in text
    assert "demo request paid search 2" in text
    assert page.count('<circle class="point"') == 3
    assert "<script" not in page
    almost = render_lead(dataclasses.replace(LEAD, score=99.9))
    assert "Score 99.9 of 100" in almost


def test_a_lead_without_reasons_says_so() -> None:
    page = render_lead(dataclasses.replace(LEAD, reasons=(), trend=()))
    assert "Nothing in particular speaks for this lead." in page
    assert "Nothing in particular speaks against this lead." in page
    assert "Over time" not in page
