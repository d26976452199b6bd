"""The funnel's curve beside lifelines', which stands in an environment of its own, and its speed.

``python -m venv /tmp/peer && /tmp/peer/bin/pip install lifelines``
``PYTHONPATH=. python benchmarks/funnel_peer.py /tmp/peer/bin/python [--leads 1000000]``

Leads without ties: mqlml's share and variance at every age, and at late entries the share, less those of lifelines.
Then the whole funnel of many leads by quarter.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from mqlml.insight.funnel.cohorts import measure_funnel
from mqlml.insight.funnel.stages import LeadStages
from mqlml.insight.funnel.survival import FROM_START, Spells, estimate_incidence
from mqlml.times import DAY, NEVER
from mqlml.types import Floats

PEER = """
import sys, numpy as np
from lifelines import AalenJohansenFitter
stop, cause, entry = np.loadtxt(sys.argv[1], delimiter=",", unpack=True)
late = None if (entry < 0).all() else entry
fit = AalenJohansenFitter(calculate_variance=late is None)
fit.fit(stop, cause.astype(int), 1, entry=late)
table = fit.cumulative_density_.join(fit.event_table["observed"])
if late is None:
    table["variance"] = fit.variance_
table = table[table["observed"] > 0]
np.savetxt(sys.argv[2], np.column_stack([table.index, table.drop(columns="observed")]), delimiter=",", fmt="%.17g")
"""


def differences(python: str, spells: Spells) -> list[str]:
    """The largest difference of each column."""
    curve = estimate_incidence(spells)
    with tempfile.TemporaryDirectory() as folder:
        script, rows, out = (Path(folder) / name for name in ("peer.py", "rows.csv", "out.csv"))
        script.write_text(PEER, encoding="utf-8")
        np.savetxt(rows, np.column_stack([spells.stop, spells.cause, spells.entry]), delimiter=",", fmt="%d")
        subprocess.run([python, script, rows, out], check=True)
        peer: Floats = np.loadtxt(out, delimiter=",")
    if not np.array_equal(peer[:, 0], curve.age):
        raise SystemExit("lifelines has other ages")
    names = ("share", "variance")[: peer.shape[1] - 1]
    ours = (curve.value, curve.variance)
    missing = np.isnan(peer).any(axis=1).sum()  # where nobody is left, lifelines divides by 0
    largest = (float(np.nanmax(np.abs(peer[:, 1 + n] - ours[n]))) for n in range(len(names)))
    return [
        *(f"{name} {difference:.1e}" for name, difference in zip(names, largest, strict=True)),
        f"({missing} of {len(peer)} ages undefined in lifelines)",
    ]


def leads(n: int, rng: np.random.Generator) -> LeadStages:
    """Leads of two years with all stages and delays of weeks."""
    until = 730 * DAY
    created = rng.integers(0, until, n)

    def later(origin: np.ndarray, share: float, days: float) -> np.ndarray:
        wait = (rng.exponential(days, n) * DAY).astype(np.int64)
        moved = (origin < NEVER) & (rng.random(n) < share)
        when = np.where(moved, np.where(moved, origin, 0) + wait, NEVER)
        return np.where(when <= until, when, NEVER)

    mql = later(created, 0.4, 20)
    sql = later(mql, 0.4, 10)
    won = later(sql, 0.3, 30)
    closed = np.where(won < NEVER, NEVER, later(created, 0.5, 60))
    return LeadStages(
        created,
        {"mql": mql, "sql": sql, "closed_won": won},
        closed,
        rng.integers(0, n // 2, n),
        until,
        "closed_won",
        (),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", help="the Python of the environment that has lifelines")
    parser.add_argument("--leads", type=int, default=1_000_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    n = 2000
    stop = rng.permutation(20 * n)[:n] + 1
    cause = rng.integers(0, 3, n).astype(np.int8)
    start = np.full(n, FROM_START)
    print("from the start:", *differences(arguments.python, Spells(start, stop, cause, np.arange(n))))
    # lifelines counts a lead as at risk at the age at which it enters, so nothing ends at an entry here.
    entry = np.where(rng.random(n) < 0.5, 0, stop * 2 // 3 * 2 + 1)
    stop = stop * 2
    print(
        "late entries:",
        *differences(arguments.python, Spells(np.minimum(entry, stop - 1), stop, cause, np.arange(n))),
    )
    found = leads(arguments.leads, rng)
    before = time.process_time()
    funnel = measure_funnel(found)
    seconds, memory = time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{len(found):,} leads, {len(funnel.cohorts)} quarters: {seconds:.1f} CPU s, {memory:.2f} GB at most"
    )


if __name__ == "__main__":
    main()
