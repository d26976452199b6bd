"""The pages of docs/ that are made from the code are what the code makes."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from mqlml.cli import app
from mqlml.render.results import BacktestResult, CheckResult
from mqlml.results import json_schema
from tests.conftest import ROOT

MADE = runpy.run_path(str(ROOT / "docs" / "make_docs.py"))
PAGES = MADE["PAGES"]
FILLED = runpy.run_path(str(ROOT / "docs" / "make_readme.py"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name: str) -> None:
    made = PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run python docs/make_docs.py"
    assert max(map(len, made.splitlines())) < 1000


def test_the_json_page_has_every_command() -> None:
    commands = {str(command.name or command.callback.__name__) for command in app.registered_commands}
    assert {name.split()[0] for name in MADE["RESULTS"]} | {"train"} == commands


@pytest.mark.parametrize(("command", "kind"), [("check", CheckResult), ("backtest", BacktestResult)])
def test_the_json_page_has_the_keys_of_the_schema_and_no_others(command: str, kind: type) -> None:
    """The page is made from the types of the fields, the schema by pydantic."""
    section = PAGES["json.md"]().split(f"## mqlml {command}\n", 1)[1].split("\n## ", 1)[0]
    keys = re.findall(r"^\| `([^`.[]+)`", section, re.MULTILINE)
    assert keys == list(json_schema(kind)["properties"])
    assert ("| `population` | [Population](#population) |" in section) is (command in ("check", "train"))


def test_the_json_page_describes_a_shared_record_once_and_links_to_it() -> None:
    page = PAGES["json.md"]()
    assert page.count("### Estimate\n") == 1
    assert "| `roc_auc` | [Estimate](#estimate) |" in page
    assert "roc_auc.low" not in page


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    shown = FILLED["find_block"]("demo", (ROOT / "README.md").read_text(encoding="utf-8")).group()
    assert shown == FILLED["make_demo"](tmp_path), "run python docs/make_readme.py"


@pytest.mark.parametrize("name", FILLED["BLOCKS"])
def test_no_block_that_a_run_fills_is_empty(name: str) -> None:
    page, *_ = FILLED["BLOCKS"][name]
    shown = FILLED["find_block"](name, page.read_text(encoding="utf-8")).group()
    assert len(shown.splitlines()) > 4
