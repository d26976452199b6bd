"""``mqlml plan``: what customers by a date take, at the command line."""

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
    wanted = ["plan", "--customers", "60", "--by", "2025-09-30"]
    code, out, _ = run([*wanted, "--json"], capsys)
    found = json.loads(out)
    assert (code, found["by"], found["since"], found["until"]) == (
        0,
        "2025-09-30",
        "2025-06-24",
        "2025-10-01",
    )
    assert found["days"] == 99
    (need,) = found["needs"]
    code, text, _ = run(wanted, capsys)
    lines = text.splitlines()
    leads = need["leads"]
    assert code == 0
    assert lines[0].startswith(
        f"For 60 customers by 2025-09-30, you need about {leads['value']:,.0f} new leads ({leads['low']:,.0f} to "
        f"{leads['high']:,.0f}), of which {need['mqls']['value']:,.0f} become MQLs by then: "
    )
    more = need["leads_per_month"] - found["leads_per_month"]
    assert f": {abs(more):.0f} {'more' if more > 0 else 'fewer'} leads a month than now." in lines[0]
    expected = found["expected"]
    assert (
        f"At today's pace, you will have {expected['value']:.0f} new customers ({expected['low']:.0f} to "
        f"{expected['high']:.0f}) by 2025-09-30" in lines[1]
    )
    inside = sum(one["inside"] for one in found["past"])
    assert f"in {inside} of {len(found['past'])}" in lines[2]
    assert text.count("within range") == inside
    assert [one["quarter"] for one in found["past"]][-1] == "2025-Q1"


@pytest.mark.parametrize(
    ("customers", "by", "says"),
    [
        ("0", "2025-09-30", "--customers must be at least 1; found 0"),
        ("5", "30.9.2025", "--by must be a day such as 2026-06-30; found '30.9.2025'"),
        ("5", "2025-06-01", "must come after the end of the data, 2025-06-24; found 2025-06-02"),
    ],
)
def test_a_wrong_wish_is_said(
    customers: str,
    by: str,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    code, out, err = run(["plan", "--customers", customers, "--by", by], capsys)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())


def test_without_mql_stages_it_says_so(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Olist has wins only; nobody could have forecast the first quarter of 2018, in which they began."""
    monkeypatch.setenv("MQLML_REAL_DATA", str(real_data))
    config = Path(__file__).resolve().parents[2] / "examples" / "olist.yml"
    wanted = ["plan", "--customers", "100", "--by", "2018-12-31", "--config", str(config)]
    code, out, _ = run(wanted, capsys)
    assert code == 0
    assert "the data has no MQL stage" in out
    code, out, _ = run([*wanted, "--json"], capsys)
    found = json.loads(out)
    assert found["needs"][0]["mqls"] is None
    assert {one["quarter"]: one["inside"] for one in found["past"]} == {
        "2018-Q1": False,
        "2018-Q2": True,
        "2018-Q3": True,
    }
