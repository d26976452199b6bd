"""The report's section on paths: every number from the result, a readable diagram with a text beside it."""

from __future__ import annotations

import itertools
import re

import pytest

from mqlml.evaluation import Estimate
from mqlml.insight import InsightResults
from mqlml.insight.paths.flows import Flow, StepFlows, StepNode
from mqlml.insight.paths.stage_times import Quartiles, StageTime
from mqlml.insight.paths.steps import JourneyPaths, Path
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.report.value.sankey import Link, Node, draw_sankey
from tests.render.report_samples import normal
from tests.render.test_page import Page

MORE = Path(("webinar <b>", "demo"), 234, 70, 0.299, 0.165, Estimate(1.81, 1.53, 2.12), 0.003)
LESS = Path(("jobs",), 390, 8, 0.021, 0.057, Estimate(0.37, 0.2, 0.6), 0.02)
FLOWS = StepFlows(
    won=40,
    others=360,
    nodes=(
        StepNode(1, "step", "webinar <b>", 30, 90),
        StepNode(1, "other", "", 10, 270),
        StepNode(2, "step", "demo", 20, 36),
    ),
    flows=(Flow(0, 2, 16, 30), Flow(1, 2, 4, 6)),
)


def make(*paths: Path, **more: object) -> JourneyPaths:
    values: dict[str, object] = {
        "step": "action",
        "within_days": 14,
        "horizon_days": 60,
        "leads": 400,
        "won": 40,
        "early": 12,
        "tried": 99,
        "min_leads": 30,
        "error_rate": 0.05,
        "nested": 3,
        "paths": paths,
        "stages": (StageTime("mql", 77, Quartiles(7.4, 19.4, 37.4), Quartiles(5, 9, 17)),),
        "flows": FLOWS,
    }
    return JourneyPaths(**(values | more))  # type: ignore[arg-type]


def show(found: JourneyPaths) -> tuple[Page, str]:
    html = render_report(normal(), insight=InsightResults(paths=found))
    return Page(html), html


def test_the_section_says_what_stands_out_both_ways() -> None:
    page, html = show(make(MORE, LESS))
    assert (
        "Leads with “webinar <b> > demo” in their first 14 days are won 1.8 times as often ( 1.5 to 2.1 )"
        in page.text
    )
    assert "Leads with “jobs” in their first 14 days are won less often: " in page.text
    assert "of leads with a similar number of steps." in page.text
    assert "If paths had no effect, one would be shown in at most 5% of companies." in page.text
    assert "3 further paths that stand out contain a shown one or are part of it." in page.text
    assert "12 leads won before that are left out" in page.text
    assert "luck plays a part in those that stand out" in page.text
    assert "in part lucky" not in show(make())[0].text
    assert "19.4 ( 7.4 to 37.4 )" in page.text
    assert "<b>" not in html.split('id="pays"')[1].split("</section>")[0]
    assert set(page.references) <= set(page.ids)
    assert max(page.ids.values()) == 1


def test_the_diagram_has_a_ribbon_a_flow_and_a_text() -> None:
    page, html = show(make(MORE))
    assert html.count('class="ribbon"') == 2
    assert len(re.findall(r'class="node( plain)?"', html)) == 3
    assert "Step 2: demo 50% against 10%." in html
    unseen = StepNode(2, "step", "jobs", 0, 9)
    html = show(
        make(MORE, flows=StepFlows(40, 360, (*FLOWS.nodes, unseen), (*FLOWS.flows, Flow(0, 3, 0, 9))))
    )[1]
    assert len(re.findall(r'class="node( plain)?"', html)) == 3  # no won lead took it
    assert "jobs 0% against 2.5%." in html
    for share in ("75%", "25%", "50%"):
        assert share in page.text


def test_labels_of_the_diagram_never_meet_and_stay_inside() -> None:
    """Five places with five nodes each, of long names and small shares."""
    names = ("product_page_visit", "internationalization", "email_open", "demo", "other steps")
    nodes = [Node(place, name, "1%", 0.01) for place in range(5) for name in names]
    links = [
        Link(5 * place + a, 5 * place + 5 + b, 0.0004)
        for place in range(4)
        for a in range(5)
        for b in range(5)
    ]
    svg = draw_sankey(nodes, links, heads=["a", "b", "c", "d", "e"], key="k", title="t", desc="d")
    height = float(re.findall(r'viewBox="0 0 360 ([\d.]+)"', svg)[0])
    texts = re.findall(r'class="of-node[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)<', svg)
    assert len(texts) >= 50
    by_column: dict[str, list[float]] = {}
    for x, y, text in texts:
        assert len(text) <= 11
        assert float(x) + 6 * len(text) <= 366
        by_column.setdefault(x, []).append(float(y))
    assert len(by_column) == 5
    for ys in by_column.values():
        assert all(after - before >= 11.9 for before, after in itertools.pairwise(ys))
        assert ys[-1] < height


def test_without_a_path_it_says_so() -> None:
    assert "No path stands out: leads that take one of the 99 most frequent paths" in show(make())[0].text
    only = show(make(tried=1))[0].text
    assert (
        "leads that take the only frequent path are won about as often as leads with a similar number of steps."
        in only
    )
    assert "1 path taken by at least 30 leads was tested." in only
    few = show(make(tried=0, flows=StepFlows(40, 360, (), ()), stages=()))[0].text
    assert "No path was taken by the 30 leads that a comparison needs." in few


def test_markdown_and_tables_hold_the_same() -> None:
    found = InsightResults(paths=make(MORE, LESS))
    text = render_markdown(normal(), insight=found)
    assert r"| webinar \<b> > demo | 234 | 70 | 30% | 16% | 1.8 | 1.5 to 2.1 |" in text
    assert "| 2 | demo | 50% | 10% |" in text
    tables = list_tables(normal(), insight=found)
    (first, second) = tables["paths"]
    assert (first["path"], second["path"], first["leads"]) == ("webinar <b> > demo", "jobs", 234)
    assert first["lift_low"] == pytest.approx(1.53)
    (stage,) = tables["stages"]
    assert (stage["stage"], stage["days_median"]) == ("mql", 19.4)
