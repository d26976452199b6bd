"""The examples of docs/architecture.md are applied to a copy of the package and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "architecture.md"

FEATURE = """
import pandas as pd
import mqlml
from mqlml.commands.features import learn_features
from mqlml.features import build_features

config = mqlml.read_config("mqlml.yml")
journeys = mqlml.read_journeys(config)
plan, _ = learn_features(journeys, config)
cutoffs = pd.DataFrame({"lead_id": ["a", "b"], "cutoff_time": pd.Timestamp("2025-01-05", tz="UTC")})
print(build_features(journeys, cutoffs, plan)["actions__any__night__all"].tolist())
"""
POLICY = """
import mqlml
from mqlml.policy import choose_thresholds

labels = mqlml.read_config("mqlml.yml").labels
print(choose_thresholds([0.9, 0.8, 0.4, 0.3], [1, 0, 1, 0], labels, weeks=2).outcomes[0].threshold)
"""
COMMAND = "from mqlml.cli import main; main(['stages'])"

CONFIG = """\
name: leads
data:
  observed_until: 2025-03-01
  leads: {path: leads.csv}
  events: {path: events.csv}
  outcomes: {path: outcomes.csv}
problem: {outcome: closed_won, horizon: 7d, snapshots: {ages: [3d]}, age_limits: [0d, 7d]}
"""
DAYS = [f"2025-0{month}-{day:02}" for month in (1, 2) for day in range(1, 28)]
FILES = {
    "mqlml.yml": CONFIG,
    "leads.csv": "lead_id,created_at\na,2025-01-01\nb,2025-01-01\n"
    + "".join(f"lead {day},{day}\n" for day in DAYS),
    "events.csv": (
        "lead_id,occurred_at,action\n"
        "a,2025-01-02T03:00:00Z,visit\na,2025-01-02T22:00:00Z,visit\na,2025-01-02T21:59:59Z,visit\n"
        "b,2025-01-02T06:00:00Z,visit\na,2025-01-05T00:00:00Z,visit\n"
    ),
    "outcomes.csv": "lead_id,stage,occurred_at\na,closed_lost,2025-01-08\n"
    + "".join(f"lead {day},closed_won,{day[:-2]}{int(day[-2:]) + 5:02}\n" for day in DAYS[::9]),
}
"""A lead a day, one in nine of them won after five days."""


@pytest.mark.parametrize(
    ("name", "settings", "code", "expected"),
    [
        ("feature", "windows: [all]\nfeatures: {groups: {night: on}}\n", FEATURE, "[2.0, 0.0]\n"),
        ("policy", "labels: {mql: {policy: top_share, value: 0.5}}\n", POLICY, "0.8\n"),
        (
            "command",
            "",
            COMMAND,
            "closed_lost           1 leads\nclosed_won            6 leads\n",
        ),
    ],
)
def test_an_example_of_where_to_add_runs(
    name: str, settings: str, code: str, expected: str, tmp_path: Path
) -> None:
    """Events count at 22:00 and 3:00, not at 21:59:59, at 6:00, or at the cutoff."""
    shown = re.search(
        rf"<!-- example: {name} -->\n```diff\n(.*?)```\n", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert shown is not None
    shutil.copytree(ROOT / "mqlml", tmp_path / "mqlml")
    for file, text in FILES.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    with (tmp_path / "mqlml.yml").open("a", encoding="utf-8") as config:
        config.write(settings)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown[1], text=True, check=True)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
