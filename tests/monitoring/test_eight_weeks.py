"""The path of a new user through real commands: two versions, eight weeks with a break in the fifth, a retraining."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqlml.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "later_weeks.py"
LEADS = 2600

Said = tuple[int, str]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Said]:
    """Runs a command line in the company's folder: its exit code, and what it prints for people."""
    monkeypatch.chdir(tmp_path)

    def command(line: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        return int(ended.value.code or 0), capsys.readouterr().out

    return command


def test_a_new_user_watches_a_company_for_eight_weeks(tmp_path: Path, run: Callable[[str], Said]) -> None:
    write: Callable[..., Any] = runpy.run_path(str(EXAMPLE))["write_export"]
    write(tmp_path, weeks=0, broken="signal", leads=LEADS)
    config = tmp_path / "mqlml.yml"
    config.write_text(
        config.read_text().replace("[7d, 30d, all]", "[7d, all]") + "gate: {min_positives: 20}\n"
    )
    assert run("train")[0] == 0
    first = config.read_text()
    config.write_text(first.replace("min_recall, value: 0.6", "min_recall, value: 0.8"))
    assert "version 2 as challenger" in run("train")[1]
    config.write_text(first)

    code, text = run("compare")
    assert code == 0
    assert "the first is known on 2025-08-23" in text
    assert "from unqualified to MQL: the probability is the same" in text
    assert run("promote")[0] == 3
    assert run("promote --force --reason more")[0] == 0
    assert "version 1 is the champion, in place of version 2" in run("rollback --reason enough")[1]
    assert "there was no champion" in run("history --at 2025-06-24")[1]

    (tmp_path / "scores").mkdir()
    codes = []
    for week in range(1, 9):
        day = write(tmp_path, weeks=week, broken="signal", leads=LEADS)
        assert run(f"score --as-of {day} --out scores/{day}.csv")[0] == 0
        if week in (4, 6, 8):
            code, text = run(f"monitor --as-of {day} --scores scores/*.csv --fail-on retrain")
            codes.append((week, code))
            assert text.startswith("Fine." if week == 4 else "Stop."), f"week {week}: {text}"
    assert codes == [(4, 0), (6, 3), (8, 3)]
    assert "Page views in the last 7 days: hardly any lead has this signal any more" in text
    assert "no outcome is known yet, the first on 2025-08-30" in text

    write(tmp_path, weeks=8, broken="nothing", leads=LEADS)
    shutil.rmtree(tmp_path / "scores")
    assert run("monitor --as-of 2025-08-19 --fail-on recalibrate")[0] == 0, "the data is mended"
    code, text = run("retrain")
    assert code == 0
    assert text.startswith("Kept: demo-leads version 1 stays the champion; version 3 is the challenger")
