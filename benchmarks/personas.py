"""How often personas are found where they are, and where they are not: ``personas.py [WORLDS] [kinds|none]``.

In each world with three kinds of buyers, with a kind's word in 70% of the cases in each column, all three must be
found, each with a Jaccard similarity of at least 0.85; in each world without kinds, none may be printed. Run from the
repository's root::

    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/personas.py 100

The exit code says whether personas are printed in at most 5 of 100 worlds without.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import get_args

import numpy as np

from mqlml.insight.personas.buyers import find_personas
from mqlml.insight.personas.segments import find_segments
from tests.insight.buyers import Kind, no_kinds, similarity, three_kinds

LEADS = 4_000


def count_found(worlds: int, *, purity: float, n: int = LEADS) -> tuple[Counter[int], list[float]]:
    """How many personas were found in how many worlds, and the least similarity with a true kind in each."""
    numbers, least = Counter[int](), []
    for seed in range(worlds):
        profiles, kind = three_kinds(n, seed=seed, purity=purity)
        won = np.flatnonzero(profiles.won & (kind >= 0))
        columns = [one.column for one in profiles.columns]
        segments = find_segments(
            [one.take(np.flatnonzero(profiles.won)) for one in columns], random_state=seed
        )
        numbers[len(segments.stable)] += 1
        least.append(min(similarity(segments.assign([one.take(won) for one in columns]), kind[won])))
    return numbers, least


def try_kinds(worlds: int) -> None:
    """Print how well three kinds are found, with words that are more or less typical of them."""
    for purity in (0.6, 0.7, 0.8):
        begin = time.process_time()
        numbers, least = count_found(worlds, purity=purity)
        seconds = (time.process_time() - begin) / worlds
        found = sum(similar >= 0.85 for similar in least)
        print(
            f"three kinds, word of the kind in {purity:.0%}: all found with Jaccard >= 0.85 in {found} of {worlds}; "
            f"least {min(least):.2f}, median {np.median(least):.2f}; numbers {dict(sorted(numbers.items()))}; "
            f"{seconds:.1f} CPU s a world",
            flush=True,
        )


def try_none(worlds: int) -> bool:
    """Print how often personas are printed without kinds; whether that is in few enough worlds."""
    good = True
    for kind in get_args(Kind):
        for n in (LEADS, 5 * LEADS):
            printed = sum(
                bool(find_personas(no_kinds(n, kind, seed=seed), random_state=seed).personas)
                for seed in range(worlds)
            )
            good &= printed * 20 <= worlds
            print(f"no kinds, {kind}, {n:,} leads: printed in {printed} of {worlds}", flush=True)
    return good


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    if "none" not in sys.argv[2:]:
        try_kinds(number)
    sys.exit("kinds" not in sys.argv[2:] and not try_none(number))
