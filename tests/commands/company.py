"""Companies to run commands on."""

from __future__ import annotations

from pathlib import Path

from mqlml.commands.demo import DEMO_CONFIG
from mqlml.simulate import simulate
from mqlml.times import format_instant


def write_company(folder: Path, leads: int, *, seed: int = 3, activity: float = 1.0) -> Path:
    """The demo's files and config of a simulated company."""
    company = simulate(leads, random_state=seed, activity=activity)
    company.write(folder / "data")
    text = DEMO_CONFIG.format(observed_until=format_instant(company.observed_until))
    (folder / "mqlml.yml").write_text(text, encoding="utf-8")
    return folder
