"""CPU seconds to read and audit a wide table: ``wide.py [COLUMNS] [LEADS]``.

Every column is text: words that recur, or words with numbers behind them. Run from the repository's root::

    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/wide.py 5000 300

It prints the CPU seconds of `read_journeys` and of `audit_journeys` in this process, and the findings, of which there
should be none.
"""

from __future__ import annotations

import csv
import datetime as dt
import random
import sys
import tempfile
import time
from pathlib import Path

from mqlml.config import Config, make_config
from mqlml.journeys import read_journeys
from mqlml.training import audit_journeys
from mqlml.training.snapshots import build_snapshots

WORDS = ("alpha", "beta", "gamma", "delta", "two words", "a longer text of words")


def write_world(folder: Path, columns: int, leads: int) -> Config:
    """Write leads with so many columns of text, and the wins of four in ten; the config that reads them."""
    draw = random.Random(1)
    with (folder / "leads.csv").open("w", newline="") as table, (folder / "won.csv").open("w") as won:
        writer = csv.writer(table)
        writer.writerow(["lead_id", "created_at", *(f"text_{number}" for number in range(columns))])
        won.write("lead_id,occurred_at\n")
        for lead in range(leads):
            created = dt.date(2024, 1, 1) + dt.timedelta(days=draw.randrange(365))
            texts = [
                draw.choice(WORDS) + (str(draw.randrange(40)) if number % 3 else "")
                for number in range(columns)
            ]
            writer.writerow([lead, created.isoformat(), *texts])
            if draw.random() < 0.4:
                won.write(f"{lead},{created + dt.timedelta(days=10 + draw.randrange(20))}\n")
    data = {
        "observed_until": "2025-06-30",
        "leads": {"path": "leads.csv"},
        "outcomes": {"path": "won.csv", "stage": "closed_won"},
    }
    problem = {"horizon": "60d", "snapshots": {"ages": ["0d"]}}
    return make_config({"name": "wide", "data": data, "problem": problem}, folder=folder)


def main(columns: int = 5000, leads: int = 300) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        config = write_world(Path(folder), columns, leads)
        start = time.process_time()
        journeys = read_journeys(config)
        read = time.process_time()
        snapshots = build_snapshots(journeys, config.problem).table
        findings = audit_journeys(journeys, snapshots, config)
        audited = time.process_time()
    print(
        f"{columns:,} text columns, {leads:,} leads: read {read - start:.1f} CPU s, audited "
        f"{audited - read:.1f} CPU s, {len(findings)} findings"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
