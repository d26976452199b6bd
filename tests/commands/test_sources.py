"""``mqlml sources``: from a folder of files to the value and cost of each source, at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.bad_input.front_door import run
from tests.commands.company import write_company

SPEND = "spend: {path: spend.csv, columns: {source: Channel, day: Month, cost: Cost}}\n"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_company(tmp_path_factory.mktemp("company"), 1500, activity=0.1)


@pytest.fixture
def folder(company: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(company)
    return company


def write_spend(folder: Path, rows: list[tuple[str, str, str]]) -> str:
    pd.DataFrame(rows, columns=["Channel", "Month", "Cost"]).to_csv(folder / "spend.csv", index=False)
    text = (folder / "mqlml.yml").read_text(encoding="utf-8")
    (folder / "with_spend.yml").write_text(text + SPEND, encoding="utf-8")
    return "with_spend.yml"


@pytest.mark.usefixtures("folder")
def test_text_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["sources", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["model"], found["column"], found["in_revenue"]) == (
        0,
        "demo-leads",
        "lead_source",
        True,
    )
    assert len(found["sources"]) == 8
    assert sum(one["leads"] for one in found["sources"]) == found["leads"]
    assert (found["spend"], found["sources"][0]["cost"]) == (None, None)
    code, text, _ = run(["sources"], capsys)
    lines = text.splitlines()
    assert lines[0].startswith(f"The average lead is worth {found['average']['value']:.0f} (")
    assert f"{found['customers']:,} customers among {found['leads']:,} leads" in lines[0]
    first = found["sources"][0]
    row = next(line for line in lines if line.split()[0] == first["source"])
    assert (
        f"{first['value']['value']:,.0f} ({first['value']['low']:,.0f} to {first['value']['high']:,.0f})"
        in row
    )
    assert lines[-1].endswith("Only an experiment shows how many leads would have come without it.")


def test_spend_gives_costs_and_a_verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    months = [f"2024-{month:02}-01" for month in range(2, 12)]
    config = write_spend(
        folder,
        [
            *[("Paid Search", month, "$90,000.50") for month in months],
            *[("partner", month, "$10.00") for month in months],
            *[("billboards", month, "$500.00") for month in months],
        ],
    )
    code, out, _ = run(["sources", "--config", config, "--json"], capsys)
    found = json.loads(out)
    period = found["spend"]
    assert (code, period["start"], period["until"]) == (0, "2024-02-01", "2024-12-01")
    assert period["in_vain"] == [{"source": "billboards", "spent": 5000}]
    costs = {one["source"]: one["cost"] for one in found["sources"] if one["cost"]}
    assert set(costs) == {"paid_search", "partner"}
    assert costs["paid_search"]["spent"] == 900_005
    assert (costs["paid_search"]["verdict"], costs["partner"]["verdict"]) == ("loses", "pays")
    code, text, _ = run(["sources", "--config", config], capsys)
    assert "Cut paid search, or make it cheaper: a lead from it is worth" in text
    assert "Partner pays: a lead from it is worth" in text
    assert "Money was spent without a single lead on billboards (5,000)." in text
    assert (
        "Nothing was spent on direct, email, event, organic search, paid social and referral, which" in text
    )


def test_open_leads_are_valued_by_their_scores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = pd.read_csv(folder / "data" / "leads.csv")
    scores = (
        leads[["lead_id"]].tail(200).assign(cutoff_time="2025-06-24T00:00:00Z", probability=0.05, label="mql")
    )
    scores.to_csv(folder / "scores.csv", index=False)
    code, out, _ = run(["sources", "--scores", "scores.csv", "--json"], capsys)
    opened = [one["open"] for one in json.loads(out)["sources"] if one["open"]]
    assert (code, sum(one["leads"] for one in opened)) == (0, 200)
    assert sum(one["customers"] for one in opened) == pytest.approx(10)
    code, text, _ = run(["sources", "--scores", "scores.csv"], capsys)
    assert "Customers to expect" in text


@pytest.mark.usefixtures("folder")
def test_the_column_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["sources", "--by", "country", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["column"]) == (0, "country")
    assert {"US", "DE"} <= {one["source"] for one in found["sources"]}
    code, _, err = run(["sources", "--by", "countri"], capsys)
    assert (code, "--by must name a column" in err, "did you mean 'country'?" in err) == (2, True, True)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("a", "2024-02-01", "")], "required value is missing"),
        ([("", "2024-02-01", "3")], "required value is missing"),
        ([("a", "someday", "3")], "Month"),
        ([("a", "2024-02-01", "3"), ("a", "2024-02-02", "much")], "Cost"),
    ],
)
def test_a_row_of_spend_that_cannot_be_used_is_an_error(
    rows: list[tuple[str, str, str]], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(["sources", "--config", write_spend(folder, rows)], capsys)
    assert (code, out) == (1, "")
    assert says in err
    assert "spend" in err


@pytest.mark.parametrize(
    ("spend", "says"),
    [
        ("{path: gone.csv}", "gone.csv"),
        ("{path: data/leads.csv}", "spend"),
        ("{path: spend.csv, columns: {price: Cost}}", "spend have no column 'price'"),
        ("{sql: select 1, url: 'postgresql://host/db'}", "read from files only"),
        ("{path: spend.csv, colums: {}}", "did you mean 'columns'?"),
    ],
)
def test_a_wrong_section_of_spend_is_said(
    spend: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spend(folder, [("a", "2024-02-01", "3")])
    text = (folder / "mqlml.yml").read_text(encoding="utf-8")
    (folder / "wrong.yml").write_text(f"{text}spend: {spend}\n", encoding="utf-8")
    code, out, err = run(["sources", "--config", "wrong.yml"], capsys)
    assert (code, out) == (1, "")
    assert says in err


def test_a_flat_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leads.csv").write_text("id,won,source\n1,1,a\n2,0,b\n", encoding="utf-8")
    (tmp_path / "mqlml.yml").write_text(
        "{name: f, data: {flat: {path: leads.csv, lead_id: id, label: won, order: id}}}", encoding="utf-8"
    )
    code, _, err = run(["sources"], capsys)
    assert (code, "the config names one flat table" in err) == (2, True)
