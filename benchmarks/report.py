"""The report of a version of a million leads: CPU seconds and bytes of the page.

    python benchmarks/report.py --trained                         # learned from a million leads; ten CPU minutes
    mqlml demo /tmp/demo && python benchmarks/report.py /tmp/demo # the demo's version, with a million scores

``--trained`` simulates a company of a million leads with a quarter of the usual events, trains on one snapshot a
lead, scores the open leads and reports. Otherwise the demo's version is reported; its leads and open scores are
repeated under new ids until there are as many as asked.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.commands.demo import DEMO_CONFIG
from mqlml.simulate import simulate
from mqlml.times import format_instant

MQLML = "from mqlml.cli import main; main()"


def enlarge(demo: Path, folder: Path, n: int) -> None:
    """The demo's version and events, with ``n`` leads, each of them open and scored."""
    shutil.copytree(demo / "models", folder / "models")
    shutil.copy(demo / "mqlml.yml", folder)
    (folder / "data").mkdir()
    for name in ("events.csv", "outcomes.csv"):
        shutil.copy(demo / "data" / name, folder / "data")
    leads, scores = (
        pd.read_csv(path, dtype="str", keep_default_na=False)
        for path in (demo / "data" / "leads.csv", demo / "scores.csv")
    )
    more = leads.iloc[np.arange(max(0, n - len(leads))) % len(leads)].copy()
    first = int(leads["lead_id"].astype(int).max()) + 1
    more["lead_id"] = np.arange(first, first + len(more)).astype(str)
    more["account_id"] = ""
    leads = pd.concat([leads, more])
    leads.to_csv(folder / "data" / "leads.csv", index=False)
    scores = scores.iloc[np.arange(n) % len(scores)].copy()
    scores["lead_id"] = leads["lead_id"].to_numpy()[:n]
    scores.to_csv(folder / "scores.csv", index=False)


def train(folder: Path, n: int) -> str:
    """A version that learned from ``n`` leads and the scores of those that are open, one after another.

    Returns
    -------
    What the steps used, to print.
    """
    world = simulate(n, random_state=7, activity=0.25)
    world.write(folder / "data")
    until = format_instant(world.observed_until)
    config = DEMO_CONFIG.format(observed_until=until).replace("ages: [0d, 7d, 30d]", "ages: [7d]")
    (folder / "mqlml.yml").write_text(config, encoding="utf-8")
    used = run(folder, "train")
    scored = run(folder, "score", "--as-of", until, "--out", "scores.csv")
    return f"{len(world.events):,} events; train: {used}; score: {scored}; report: "


def run(folder: Path, *arguments: str) -> str:
    """One command in a process of its own, and what it used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", MQLML, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return f"{seconds:.1f} CPU s, {used.ru_maxrss / 1e6:.2f} GB (the most so far)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo", type=Path, nargs="?", help="the folder of a demo")
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument(
        "--trained", action="store_true", help="train on a simulated company of so many leads"
    )
    asked = parser.parse_args()
    if asked.trained == (asked.demo is not None):
        parser.error("name the folder of a demo, or add --trained")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = ""
        if asked.trained:
            before = train(folder, asked.leads)
        else:
            enlarge(asked.demo, folder, asked.leads)
        used = run(folder, "report", "--scores", "scores.csv", "--out", "report.html")
        size = (folder / "report.html").stat().st_size
    print(f"{asked.leads:,} leads: {before}{used}, {size:,} bytes")


if __name__ == "__main__":
    main()
