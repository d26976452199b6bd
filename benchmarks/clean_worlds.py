"""Counts the false findings of the leakage audit in worlds without a leak: ``clean_worlds.py [WORLDS]``.

Each world has 40 columns and 30, 100 or 300 leads, of which 5% or 30% convert; some columns are honestly
informative, and four bear everyday names (index, state, page, count). Run from the repository's root::

    PYTHONPATH=. python benchmarks/clean_worlds.py 2000

It prints every finding and their number; at most one in 2,000 worlds is allowed, and the exit code says whether so.
"""

from __future__ import annotations

import sys

import numpy as np

from mqlml.config import Profile
from mqlml.training import audit_columns
from tests.training.leakage.test_chance import clean_columns

NAMES = {"few 0": "index", "two 0": "state", "many 0": "page", "number 0": "count"}


def count_findings(worlds: int) -> int:
    """Print the findings in so many worlds; their number."""
    found = 0
    for seed in range(worlds):
        n = (30, 100, 300)[seed % 3]
        rng = np.random.default_rng([99, seed])
        columns, label = clean_columns(n, (0.05, 0.3)[seed % 2], rng)
        for finding in audit_columns(columns.rename(columns=NAMES), label, np.arange(n), Profile()):
            print(f"world {seed}, {finding.column}: {finding.reason}")
            found += 1
    return found


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    findings = count_findings(number)
    print(f"{findings} findings in {number:,} worlds")
    sys.exit(findings * 2000 > max(number, 2000))
