"""The page in a real browser: sliders, no request from the page, and a layout that fits phone and paper."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from mqlml.render.report.page import render_report
from tests.render.report_samples import BY_LEAD, normal

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on the path")


OPEN_ALL = "document.querySelectorAll('details').forEach((found) => { found.open = true; })"

PATIENCE = 180_000
"""Milliseconds: how long a busy machine takes is no matter here."""


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE)
        yield found
        found.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(render_report(normal(), version="1"), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: sync_api.Browser, file: Path) -> Iterator[sync_api.Page]:
    """The page as a phone shows it; a message of the console or a request fails the test."""
    found = browser.new_page(viewport={"width": 360, "height": 800})
    found.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    found.on("console", lambda message: wrong.append(message.text))
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("request", lambda request: wrong.append(request.url) if request.url != file.as_uri() else None)
    found.goto(file.as_uri())
    found.evaluate(OPEN_ALL)
    yield found
    assert wrong == []
    found.close()


def cell(page: sync_api.Page, label: str, part: str) -> str:
    return str(page.locator(f"#what-if-{label} [data-part={part}]").inner_text())


def test_sliders_start_at_the_labels_and_move_by_the_keyboard(page: sync_api.Page) -> None:
    sql = BY_LEAD.labels["sql"]
    assert cell(page, "sql", "threshold") == "21%"
    before = cell(page, "sql", "leads")
    slider = page.get_by_label("SQL", exact=True)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert cell(page, "sql", "leads") != before
    assert "from a probability of" in (slider.get_attribute("aria-valuetext") or "")
    page.keyboard.press("End")
    last = BY_LEAD.curve[-1]
    assert cell(page, "sql", "caught") == f"{last.converted} of {BY_LEAD.converted}"
    assert cell(page, "mql", "caught") == cell(page, "sql", "caught"), (
        "a lower label cannot select fewer leads"
    )
    assert sql.leads < last.leads


def test_a_click_sets_the_leads_a_week(page: sync_api.Page) -> None:
    page.get_by_role("button", name="MQL: 30 a week").click()
    weekly = float(cell(page, "mql", "leads").split()[0])
    assert abs(weekly - 30) <= 10 / BY_LEAD.weeks  # type: ignore[operator]


def test_hours_and_value_follow_what_is_typed(page: sync_api.Page) -> None:
    weekly = float(cell(page, "mql", "leads").split()[0])
    page.get_by_label("Hours per follow-up").fill("2")
    assert float(cell(page, "mql", "hours")) == pytest.approx(2 * weekly, abs=0.2)
    assert cell(page, "mql", "value") == "–"
    page.get_by_label("Value of a conversion").fill("1000")
    page.get_by_label("Cost of a follow-up").fill("50")
    value = float(re.split(r" \(", cell(page, "mql", "value"))[0].replace(",", ""))
    assert value == pytest.approx(weekly * (0.1 * 1000 - 50), rel=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_is_wider_than_the_screen(page: sync_api.Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_on_at_most_eight_pages(page: sync_api.Page) -> None:
    page.reload()  # with the folds as they come
    paper = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page[^s]", paper)) <= 8
    assert len(render_report(normal()).encode()) < 1_500_000


OVERLAPS = """() => [...document.querySelectorAll(".signals > li")].filter((row) => {
  const boxes = [...row.children].map((part) => part.getBoundingClientRect()).filter((box) => box.width);
  return boxes.some((a, at) => boxes.slice(at + 1).some((b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
}).length"""


@pytest.mark.parametrize(
    ("media", "width"), [("screen", 390), ("screen", 1280), ("print", 688)]
)  # A4, less margins
def test_no_part_of_a_signal_covers_another(
    browser: sync_api.Browser, file: Path, media: Literal["screen", "print"], width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.emulate_media(media=media)
    page.goto(file.as_uri())
    page.evaluate(OPEN_ALL)
    assert page.locator(".signals .why").count() > 0
    assert page.evaluate(OVERLAPS) == 0
    page.close()
