"""The section on personas says what was found, with every number behind it, or that nothing stable was."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mqlml.evaluation import Estimate
from mqlml.insight import InsightResults, Persona, Personas
from mqlml.insight.personas.buyers import PersonaChannel
from mqlml.insight.personas.rules import PersonaCondition, PersonaTrait
from mqlml.render.console.personas import format_persona_yaml
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from tests.render.report_samples import normal
from tests.render.test_page import HOSTILE, Page

BIG = Persona(
    key="it_software",
    name="Function: it, Industry: software",
    won=120,
    share_of_won=0.6,
    leads=400,
    conversion=Estimate(0.3, 0.26, 0.34),
    jaccard=0.93,
    traits=(
        PersonaTrait("function", "Function: it", "it", 0.8, 0.2),
        PersonaTrait("industry", "Industry: software", "software", 0.7, 0.25),
    ),
    channels=(PersonaChannel("webinar", 0.5, 0.35),),
    conditions={"function": PersonaCondition(in_=("it",)), "employees": PersonaCondition(min=50)},
    met_inside=0.85,
    met_outside=0.04,
)
SMALL = replace(
    BIG,
    key="retail",
    name=f"Industry: {HOSTILE}",
    won=80,
    share_of_won=0.4,
    leads=900,
    conversion=Estimate(0.089, 0.07, 0.11),
    channels=(),
)
FOUND = Personas(
    finding="found",
    leads=3000,
    won=205,
    undescribed=5,
    accounts=180,
    conversion=Estimate(0.068, 0.06, 0.077),
    attributes=("function", "industry", "employees"),
    personas=(BIG, SMALL),
)


def read(found: Personas) -> tuple[Page, str]:
    """The page, and its text without the blanks that its tags leave before a sign."""
    page = Page(render_report(normal(), insight=InsightResults(personas=found)))
    return page, re.sub(r"(?<=\() | (?=[).,:;])", "", page.text)


def test_the_page_says_who_buys_and_how_often() -> None:
    page, text = read(FOUND)
    assert (
        "Buyers fall into 2 groups. Leads like “Function: it, Industry: software” are won most often: 30% of them "
        "(26% to 34%), compared with 6.8% of all leads." in text
    )
    assert "60% of won leads (120). Of the 400 leads like it, 30% were won (26% to 34%)." in text
    assert (
        "More often than among all leads: Function: it: 80% (all leads: 20%); Industry: software: 70%" in text
    )
    assert "First seen through: webinar 50% (all won leads: 35%)" in text
    assert "Too little is known about 5 won leads." in text
    assert max(page.ids.values()) == 1
    assert set(page.references) <= set(page.ids)
    assert HOSTILE in text
    assert "<script>alert" not in render_report(normal(), insight=InsightResults(personas=FOUND))


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        ("unstable", "would give different segments"),
        ("not_beyond_chance", "buyers do not fall into distinct groups"),
    ],
)
def test_without_personas_it_says_why(finding: str, says: str) -> None:
    none = replace(FOUND, finding=finding, personas=())
    for text in (
        render_report(normal(), insight=InsightResults(personas=none)),
        render_markdown(normal(), insight=InsightResults(personas=none)),
    ):
        assert "No stable segments" in text
        assert says in text
    assert "personas-chart" not in render_report(normal(), insight=InsightResults(personas=none))


def test_a_group_that_is_not_clearly_better_is_not_called_best() -> None:
    alike = replace(FOUND, personas=(replace(BIG, conversion=Estimate(0.08, 0.065, 0.1)), SMALL))
    alike = replace(
        alike, personas=(alike.personas[0], replace(SMALL, conversion=Estimate(0.07, 0.06, 0.09)))
    )
    _, text = read(alike)
    assert "None of them is clearly won more often than the average lead (6.8%)." in text
    assert "won most often" not in text


def test_markdown_and_tables_hold_the_same() -> None:
    text = render_markdown(normal(), insight=InsightResults(personas=FOUND))
    assert "| Function: it, Industry: software | 120 | 60% | 400 | 30% | 26% to 34% |" in text
    tables = list_tables(normal(), insight=InsightResults(personas=FOUND))
    assert [row["key"] for row in tables["personas"]] == ["it_software", "retail"]
    assert [row["text"] for row in tables["persona_traits"]][:2] == ["Function: it", "Industry: software"]
    assert [row["channel"] for row in tables["persona_channels"]] == ["webinar"]


def test_yaml_by_hand() -> None:
    assert format_persona_yaml(replace(FOUND, personas=(BIG,))).splitlines() == [
        "personas:",
        "  # Function: it, Industry: software. Met by 85% of its won leads, and by 4.0% of the others",
        "  it_software:",
        "    function:",
        "      in: [it]",
        "    employees: {min: 50}",
    ]
    hostile = format_persona_yaml(replace(FOUND, personas=(replace(SMALL, name="a\nb: c"),)))
    assert len([line for line in hostile.splitlines() if line.startswith("  #")]) == 1
