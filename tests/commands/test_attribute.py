"""``mqlml attribute``: from a folder of files to the table of credit, at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bad_input.front_door import run
from tests.commands.company import write_company


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_company(tmp_path_factory.mktemp("company"), 800)


def test_text_and_json_say_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    code, out, _ = run(["attribute", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["model"], found["outcome"], found["half_life_days"]) == (
        0,
        "demo-leads",
        "closed_won",
        7,
    )
    for method in ("first", "time_decay", "markov", "shapley"):
        total = sum(channel["credit"][method]["value"] for channel in found["channels"])
        assert total == pytest.approx(found["sales"])
    code, text, _ = run(["attribute"], capsys)
    lines = text.splitlines()
    first = found["channels"][0]
    assert lines[0].startswith(f"{found['sales']:.0f} sales among {found['journeys']:.0f} leads with a touch")
    row = next(line for line in lines if line.split()[0] == first["channel"])
    assert f"{first['credit']['markov']['value']:.1f}" in row
    assert lines[-1].endswith("only an experiment shows that.")


@pytest.mark.parametrize(("half_life", "says"), [("7", "a number and a unit"), ("0d", "must be above 0")])
def test_a_wrong_half_life_is_said(
    half_life: str,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    code, out, err = run(["attribute", "--half-life", half_life], capsys)
    assert (code, out) == (2, "")
    assert "--half-life" in err
    assert says in err


def test_a_flat_table_is_refused_with_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "leads.csv").write_text("id,won,n\n1,1,1\n2,0,2\n", encoding="utf-8")
    (tmp_path / "mqlml.yml").write_text(
        "name: flat\ndata: {flat: {path: leads.csv, lead_id: id, label: won, positive: 1, order: n}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    code, out, err = run(["attribute"], capsys)
    assert (code, out) == (2, "")
    assert "attribute needs tables of leads, events and outcomes" in err
