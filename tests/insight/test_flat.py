"""One lead of a flat table explained at the command line: new rows, reasons and points, no timeline, no change."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.bad_input.front_door import Desk, run
from tests.bad_input.worlds import flat_company


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    desk = Desk(tmp_path_factory.mktemp("flat"))
    flat_company(desk)
    desk.write("new.csv", "id,visits,country,day,quality\n901,2.5,US,2024-08-01,high\n902,,,2024-08-01,\n")
    desk.save()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk.folder)
        from mqlml.cli import main

        with pytest.raises(SystemExit) as stopped:
            main(["train"])
        assert stopped.value.code == 0
    return desk.folder


@pytest.mark.parametrize("lead", ["901", "902"], ids=["a keen one", "one of whom nothing is known"])
def test_a_new_row_is_explained(
    trained: Path, lead: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    code, out, err = run(["explain", lead, "--leads", "new.csv", "--json"], capsys)
    assert code == 0, err
    result = json.loads(out)
    odds = result["probability"] / (1 - result["probability"])
    added = result["log_odds"]["base"] + sum(reason["points"] for reason in result["reasons"])
    assert math.log(odds) == pytest.approx(added, abs=1e-9)
    assert (result["timeline"], result["earlier"]) == ([], None)
    said = [reason["sentence"] for reason in result["reasons"]]
    assert ("visits: 2.5" if lead == "901" else "visits not given") in said
    code, out, _ = run(["explain", lead, "--leads", "new.csv"], capsys)
    assert code == 0
    assert "Since" not in out
    assert "happened" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["1"], 1, "lead 1 has its label already; explain one whose outcome is open"),
        (["90", "--leads", "new.csv"], 1, "no lead has the id '90' among 2; the nearest are '90"),
        (["901", "--leads", "new.csv", "--since", "2024-01-01"], 2, "a flat table knows one moment only"),
    ],
    ids=["labelled", "unknown", "since"],
)
def test_refusals_are_in_words(
    trained: Path,
    arguments: list[str],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(trained)
    found, _, err = run(["explain", *arguments], capsys)
    assert found == code
    assert says in err
