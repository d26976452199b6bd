"""``mqlml paths``: from a folder of files to the paths that stand out, at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.bad_input.front_door import run
from tests.commands.company import write_company


def make_folder(folder: Path, *, careers: bool = False) -> Path:
    """A simulated company; with ``careers`` nobody is won who visited the page of jobs."""
    write_company(folder, 2500)
    if careers:
        events = pd.read_csv(folder / "data" / "events.csv")
        outcomes = pd.read_csv(folder / "data" / "outcomes.csv")
        seekers = events.loc[events["action"].isin(["blog_view", "careers_page_visit"]), "lead_id"]
        outcomes = outcomes[~((outcomes["stage"] == "closed_won") & outcomes["lead_id"].isin(seekers))]
        outcomes.to_csv(folder / "data" / "outcomes.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("company"), careers=True)


def test_text_and_json_say_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    code, out, _ = run(["paths", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["model"], found["step"], found["within_days"]) == (0, "demo-leads", "action", 14)
    first = found["paths"][0]
    assert first["steps"] == ["blog_view"]
    assert (first["won"], first["lift"]["value"]) == (0, 0)
    assert first["p_value"] <= found["error_rate"] == 0.05
    code, text, _ = run(["paths"], capsys)
    lines = text.splitlines()
    assert lines[0].startswith(f"{found['leads']:,} leads still open 14 days after creation")
    assert "Leads with “blog view” in their first 14 days are won less often: 0%, compared with" in lines[1]
    assert any(line.split()[:3] == ["blog", "view", str(first["leads"])] for line in lines)
    mql = next(stage for stage in found["stages"] if stage["stage"] == "mql")
    row = next(line for line in lines if line.split()[:1] == ["MQL"])
    assert f"{mql['days']['median']:.1f}" in row
    assert f"{found['early']} leads won before that are left out" in text
    assert "not why they bought" in lines[-1]


def test_steps_may_be_channels_and_the_days_fewer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    _, out, _ = run(["paths", "--step", "channel", "--within", "3d", "--json"], capsys)
    found = json.loads(out)
    assert (found["step"], found["within_days"]) == ("channel", 3)
    channels = set(pd.read_csv(folder / "data" / "events.csv")["channel"].dropna())
    assert {node["step"] for node in found["flows"]["nodes"]} <= {*channels, ""}


@pytest.mark.parametrize(("within", "says"), [("7", "a number and a unit"), ("0d", "must be above 0")])
def test_wrong_days_are_said(
    within: str,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    code, out, err = run(["paths", "--within", within], capsys)
    assert (code, out) == (2, "")
    assert "--within" in err
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
    code, out, err = run(["paths"], capsys)
    assert (code, out) == (2, "")
    assert "paths needs tables of leads, events and outcomes" in err


@pytest.mark.parametrize("name", ["codecademy", "relax"])
def test_on_real_data(
    name: str,
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MQLML_REAL_DATA", str(real_data))
    config = tmp_path / f"{name}.yml"
    examples = Path(__file__).resolve().parents[2] / "examples"
    config.write_text((examples / f"{name}.yml").read_text(encoding="utf-8"), encoding="utf-8")
    code, out, err = run(["paths", "--within", "7d", "--json", "--config", str(config)], capsys)
    assert code in (0, 1), err
    assert json.loads(out)
