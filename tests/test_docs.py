"""The pages of docs/ that are made from the code are what the code makes."""

from __future__ import annotations

import runpy

import pytest

from tests.conftest import ROOT

PAGES = runpy.run_path(str(ROOT / "docs" / "make_docs.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name: str) -> None:
    made = PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run python docs/make_docs.py"
    assert max(map(len, made.splitlines())) < 1000
