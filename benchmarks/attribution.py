"""CPU seconds and memory of attribution: ``python benchmarks/attribution.py [--journeys 1000000]``.

Journeys of up to 30 touches on 12 channels are drawn, 6% of them won; all seven methods with 200 resampled sets run.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from mqlml.insight.channels.attribution import Touches, attribute_sales


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=1_000_000)
    n = parser.parse_args().journeys
    rng = np.random.default_rng(1)
    length = np.minimum(rng.geometric(0.3, n), 30)
    start = np.concatenate([[0], np.cumsum(length)])
    channel = rng.choice(12, start[-1], p=[0.3, 0.2, 0.1] + [0.4 / 9] * 9).astype(np.int32)
    won = (rng.random(n) < 0.06).astype(np.float64)
    touches = Touches(tuple("abcdefghijkl"), channel, start, rng.exponential(20, start[-1]), won, 1 - won)
    before = time.process_time()
    attribute_sales(touches)
    seconds = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{n:,} journeys, {start[-1]:,} touches: {seconds:.1f} CPU s, {memory:.2f} GB at most")


if __name__ == "__main__":
    main()
