"""The report of a version whose leads and scores are a million: CPU seconds and bytes of the page.

    mqlml demo /tmp/demo && python benchmarks/report.py /tmp/demo [--leads 1000000]

The demo's version is reported; its leads and open scores are repeated under new ids until there are as many as asked.
The version itself learned from the demo's 4,000 leads; it stores aggregates, whose number does not grow with leads.
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

REPORT = "from mqlml.cli import main; main()"


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo", type=Path)
    parser.add_argument("--leads", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        enlarge(asked.demo, folder, asked.leads)
        subprocess.run(
            [sys.executable, "-c", REPORT, "report", "--scores", "scores.csv", "--out", "report.html"],
            cwd=folder,
            check=True,
        )
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = (folder / "report.html").stat().st_size
    print(
        f"{asked.leads:,} leads: {used.ru_utime + used.ru_stime:.1f} CPU s, "
        f"{used.ru_maxrss / 1024:,.0f} MB at most, {size:,} bytes"
    )


if __name__ == "__main__":
    main()
