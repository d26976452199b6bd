"""What to do next follows from the results under it, whatever they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqlml.evaluation import Estimate
from mqlml.evaluation.by_lead import Asked
from mqlml.insight import InsightResults
from mqlml.model.signals import SignalEstimate
from mqlml.monitoring import Handover
from mqlml.render.report.advice import list_advice
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import render_markdown
from mqlml.render.report.trust import verdict
from mqlml.render.report.value.sources import name_source
from tests.render import test_funnel_section, test_plan_section, test_sources_section
from tests.render.report_samples import SIGNALS, normal, refused, signal
from tests.render.test_page import Page

FUNNEL, PLAN, SOURCES = test_funnel_section.FUNNEL, test_plan_section.FOUND, test_sources_section.FOUND
WHOLE = InsightResults(sources=SOURCES, funnel=FUNNEL, plan=PLAN)


def said(insight: InsightResults | None = None) -> list[str]:
    return [Page(item).text.strip() for item in list_advice(normal(), insight)]


def test_page_and_markdown_list_the_same_items() -> None:
    page, text = render_report(normal(), insight=WHOLE), render_markdown(normal(), insight=WHOLE)
    for number, item in enumerate(list_advice(normal(), WHOLE), 1):
        assert item in page
        assert f"{number}. {Page(item).text.split()[0]}" in text
    assert '<a href="#next">' in page


def test_without_what_pays_only_signals_and_labels_speak() -> None:
    items = said()
    assert items[0].startswith("Run a test that brings more people to these: pricing page visit")
    assert any(
        "Agree with sales on how many leads to follow up: the test period had 20 SQL a week ( 17 to 23 ) and 48 MQL"
        in item
        for item in items
    )
    assert len(items) < len(said(WHOLE))


def test_leads_a_week_are_the_forecast_where_there_is_one() -> None:
    result = normal()
    labels = {
        name: replace(label, next=replace(label.next, per_week=Estimate(12.0 + place, 9.0, 17.0)))
        for place, (name, label) in enumerate(result.labels.items())
    }
    found = " ".join(Page(item).text for item in list_advice(replace(result, labels=labels), None))
    assert f"expect about {12 + len(labels) - 1} SQL a week ( 9 to 17 ) and" in found
    assert "in the next period; each includes the higher labels." in found


def test_one_signal_is_not_spoken_of_as_several() -> None:
    made = signal("actions", "login", rates=(0.1, 0.05), like=(0.05, 0.02, 0.08), leads=300)
    items = map(str, list_advice(replace(normal(), signals=replace(SIGNALS, signals=(made,))), None))
    assert (
        "Run a test that brings more people to this: login. Leads with it convert more often than comparable leads."
        in items
    )


def test_a_refused_version_gives_no_advice() -> None:
    assert list_advice(refused(), WHOLE) == ()
    assert 'id="next"' not in render_report(refused())


@given(values=st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(0.001, 0.1)), min_size=1, max_size=6))
def test_only_clear_differences_become_advice_the_largest_first(values: list[tuple[float, float]]) -> None:
    made = [
        signal("actions", f"act {n}", rates=(0.1, 0.05), like=(at, at - wide, at + wide), leads=300)
        for n, (at, wide) in enumerate(values)
    ]
    result = replace(normal(), signals=replace(SIGNALS, signals=tuple(made)))
    items = [item for item in map(str, list_advice(result, None)) if "Run a test" in item]
    clear = sorted(
        (
            n
            for n, (at, wide) in enumerate(values)
            if SignalEstimate(at, at - wide, at + wide).direction == "more"
        ),
        key=lambda n: -values[n][0],
    )
    assert bool(items) == bool(clear)
    for n in range(len(values)):
        assert any(f"act {n}" in item for item in items) == (n in clear[:3])


@pytest.mark.parametrize(
    ("early", "expected"), [(99, "Keep handing leads over when you do"), (100, "Hand leads over later")]
)
def test_the_handover_is_later_only_where_sales_rejects_many(early: int, expected: str) -> None:
    funnel = replace(FUNNEL, handover=Handover("mql", 1000, early, 14.0, 844, 3, 5))
    assert said(InsightResults(funnel=funnel))[-1].startswith(expected)


def test_a_source_is_cut_only_where_it_loses() -> None:
    losing = [one.source for one in SOURCES.sources if one.cost is not None and one.cost.verdict == "loses"]
    assert losing
    assert any(item.startswith(f"Cut {name_source(losing[0])}, or") for item in said(WHOLE))
    alike = tuple(replace(one, cost=None, against_average="unclear") for one in SOURCES.sources)
    assert any(
        item.startswith("Keep every source")
        for item in said(InsightResults(sources=replace(SOURCES, sources=alike)))
    )
    below = (replace(alike[0], against_average="below"), *alike[1:])
    found = said(InsightResults(sources=replace(SOURCES, sources=below)))
    assert any("bring in less than the average lead" in item for item in found)


@pytest.mark.parametrize(
    ("asked", "measured", "state"),
    [
        (Asked("precision", 0.25), (0.18, 0.12, 0.24), "care"),
        (Asked("precision", 0.25), (0.18, 0.12, 0.26), "good"),
        (Asked("precision", 0.25), (0.40, 0.35, 0.45), "good"),
        (Asked("recall", 0.60), (0.50, 0.40, 0.59), "care"),
        (Asked("per_week", 20.0), (25.0, 21.0, 29.0), "care"),
        (Asked("per_week", 20.0), (10.0, 8.0, 12.0), "good"),
    ],
)
def test_what_was_asked_stands_beside_what_was_delivered(
    asked: Asked, measured: tuple[float, float, float], state: str
) -> None:
    result = normal()
    assert result.by_lead is not None
    by_lead = replace(result.by_lead, labels={"sql": replace(result.by_lead.labels["sql"], asked=asked)})
    label = replace(result.labels["sql"], **{asked.what: Estimate(*measured)})
    found = replace(result, by_lead=by_lead, labels={"sql": label})
    (check,) = [
        one for one in verdict(found).checks if one.question == "Do the labels deliver what you asked for?"
    ]
    assert check.state == state
    assert ("chance alone does not explain" in check.answer) == (state == "care")


def test_old_data_is_called_old() -> None:
    result = normal()
    late = replace(
        result, data=replace(result.data, observed_until="2024-01-01"), created="2024-12-31T00:00:00+00:00"
    )
    answers = [check.answer for check in verdict(late).checks if check.question == "Is it up to date?"]
    assert len(answers) == 1
    assert "12 months before" in answers[0]
    assert "First, export newer data" in str(list_advice(late, None)[0])
    fresh = replace(late, created="2024-02-01T00:00:00+00:00")
    assert not [check for check in verdict(fresh).checks if check.question == "Is it up to date?"]
