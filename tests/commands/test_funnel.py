"""``mqlml funnel``: from a folder of files to the table of periods, at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
    code, out, _ = run(["funnel", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["model"], found["by"], found["leads"]) == (0, "demo-leads", "quarter", 800)
    assert [stage["stage"] for stage in found["stages"]] == ["mql", "sql", "opportunity", "closed_won"]
    code, text, _ = run(["funnel"], capsys)
    lines = text.splitlines()
    won = found["stages"][-1]["share"]
    assert code == 0
    assert lines[0].startswith("Of 100 leads, ")
    assert f"{100 * won['value']:.0f} become customers within 365 days" in lines[0]
    last = found["cohorts"][-1]
    row = next(line for line in lines if line.split()[0] == last["period"])
    assert row.split()[1] == "*"
    assert f"{100 * last['stages'][0]['share']['value']:.0f}%" in row
    assert "too young to be complete" in text
    assert f"Too early: sales rejected or lost {found['handover']['too_early']} of" in text
    assert lines[-1].startswith("In this section, MQL and SQL always mean stages in your data")


def test_months(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    code, out, _ = run(["funnel", "--by", "month", "--json"], capsys)
    assert (code, [cohort["period"] for cohort in json.loads(out)["cohorts"]][:2]) == (
        0,
        ["2024-01", "2024-02"],
    )


def test_a_flat_table_is_refused_with_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "leads.csv").write_text("id,won,n\n1,1,1\n2,0,2\n", encoding="utf-8")
    (tmp_path / "mqlml.yml").write_text(
        "name: flat\ndata: {flat: {path: leads.csv, lead_id: id, label: won, positive: 1, order: n}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    code, out, err = run(["funnel"], capsys)
    assert (code, out) == (2, "")
    assert "funnel needs tables of leads, events and outcomes" in err


def test_olist_has_customers_only(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """841 of 8,000 sellers were won by the end of the data; quarters of 2018 convert far better than of 2017."""
    monkeypatch.setenv("MQLML_REAL_DATA", str(real_data))
    config = Path(__file__).resolve().parents[2] / "examples" / "olist.yml"
    code, out, _ = run(["funnel", "--config", str(config), "--json"], capsys)
    found: dict[str, Any] = json.loads(out)
    assert (code, found["leads"], found["missing"]) == (0, 8000, ["mql", "sql", "opportunity"])
    assert found["stages"][0]["reached"] == 841
    shares = {cohort["period"]: cohort["stages"][0]["share"]["value"] for cohort in found["cohorts"]}
    assert shares["2017-Q3"] < 0.03 < 0.1 < shares["2018-Q1"]
