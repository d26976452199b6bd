"""axe-core finds nothing on the pages in a real browser: both color schemes, phone and desktop, all folds open."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from mqlml.render.report.page import render_lead, render_report
from tests.insight.test_open_leads import scores, sources, summarize_open_leads
from tests.render.report_samples import normal, refused
from tests.render.test_browser import CHROMIUM, OPEN_ALL, PATIENCE, sync_api
from tests.render.test_lead_page import LEAD

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on the path")

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

FINDINGS = """async () => (await axe.run(document)).violations.map(
    (found) => `${found.id}: ${found.nodes.map((node) => node.target.join(' ')).join(', ')}`)"""

OPEN_LEADS = summarize_open_leads(scores(11), {"source": sources(["web"] * 6 + ["mail"] * 5)})

PAGES = {
    "report": render_report(normal(), version="1", open_leads=OPEN_LEADS),
    "refused": render_report(refused()),
    "lead": render_lead(LEAD),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE)
        yield found
        found.close()


def open_page(browser: sync_api.Browser, text: str, file: Path, *, width: int, scheme: str) -> sync_api.Page:
    file.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    page.goto(file.as_uri())
    page.evaluate(AXE)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(
    browser: sync_api.Browser, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    page = open_page(browser, PAGES[name], tmp_path / "page.html", width=width, scheme=scheme)
    assert page.evaluate(FINDINGS) == []
    page.evaluate(OPEN_ALL)
    assert page.evaluate(FINDINGS) == []
    page.close()


def test_axe_finds_what_is_wrong(browser: sync_api.Browser, tmp_path: Path) -> None:
    wrong = (
        PAGES["report"]
        .replace('<label for="slider-1">SQL</label>', "")
        .replace("--soft: #555e6b", "--soft: #c9ccd1")
    )
    page = open_page(browser, wrong, tmp_path / "page.html", width=1200, scheme="light")
    page.evaluate(OPEN_ALL)
    found = " ".join(page.evaluate(FINDINGS))
    assert "label" in found
    assert "color-contrast" in found
    page.close()


def test_a_phone_folds_what_a_wide_screen_and_paper_show(browser: sync_api.Browser, tmp_path: Path) -> None:
    page = open_page(browser, PAGES["report"], tmp_path / "page.html", width=375, scheme="light")
    words = page.get_by_text("One lead on one date, described only by what was known before then.")
    assert not words.is_visible()
    folded = page.evaluate("document.documentElement.scrollHeight")
    page.evaluate(OPEN_ALL)
    assert words.is_visible()
    assert folded < 0.6 * page.evaluate("document.documentElement.scrollHeight")
    page.close()
    page = open_page(browser, PAGES["report"], tmp_path / "page.html", width=1200, scheme="light")
    words = page.get_by_text("One lead on one date, described only by what was known before then.")
    assert words.is_visible()
    page.set_viewport_size({"width": 375, "height": 900})
    assert not words.is_visible()
    page.emulate_media(media="print")
    assert words.is_visible()
    page.close()
