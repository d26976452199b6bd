"""Paths: cost, error rate without an effect, power with one.

``python benchmarks/paths.py cost [N]``: CPU seconds and memory of N journeys (1,000,000).
``python benchmarks/paths.py none [N]``: in how many of N companies (200) without an effect of paths one is shown.
``python benchmarks/paths.py found [N]``: in how many of N companies (100) with one the path is shown, and how often
90% intervals of lifts cover the true ones.
"""

from __future__ import annotations

import pathlib
import resource
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from mqlml.config import Problem
from mqlml.errors import PopulationError
from mqlml.insight.paths.flows import count_flows
from mqlml.insight.paths.sequences import FrequentPaths, make_sequences
from mqlml.insight.paths.steps import (
    ObservedSteps,
    Path,
    compare_paths,
    describe_path,
    find_paths,
    study_paths,
)
from mqlml.times import DAY
from tests.insight.walks import STEPS, holds, make_company, make_patient_buyers


def measure_cost(n: int) -> None:
    rng = np.random.default_rng(1)
    length = np.minimum(rng.geometric(0.12, n), 60)
    lead = np.repeat(np.arange(n), length)
    code = rng.choice(15, len(lead), p=[0.3, 0.15, 0.1] + [0.45 / 12] * 12)
    when = rng.integers(0, 14 * DAY, len(lead))
    won = rng.random(n) < 0.03
    account = np.sort(rng.integers(0, int(0.6 * n), n))
    small = make_company(500, 0)[0]
    find_paths(small)  # compiles
    before = time.process_time()
    sequences = make_sequences(tuple("abcdefghijklmno"), lead, when, code, n_journeys=n)
    found = find_paths(ObservedSteps(sequences, won, account, 0))
    count_flows(sequences, won)
    seconds = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{n:,} journeys, {len(lead):,} events: {found.tried:,} paths of at least {found.min_leads:,} leads tried, "
        f"{len(found.paths)} shown, {seconds:.1f} CPU s, {memory:.2f} GB at most"
    )


def measure_error(n: int) -> None:
    for leads in (600, 3000):
        shown = sum(bool(find_paths(make_company(leads, seed)[0]).paths) for seed in range(n))
        print(f"no effect, {leads:,} leads with accounts: a path is shown in {shown} of {n} companies")
    shown = 0
    for seed in range(n):
        try:
            shown += bool(study_paths(make_patient_buyers(1500, seed), Problem()).paths)
        except PopulationError as error:
            print(error)
    print(f"no effect, winners stay longer, 1,500 leads: a path is shown in {shown} of {n} companies")


def measure_power(n: int) -> None:
    target = (STEPS[6], STEPS[2])
    for leads in (3000, 10_000):
        shown, always, covered, tried = 0, 0, 0, 0
        for seed in range(n):
            company, chance = make_company(leads, seed, effect=1.2)
            paths = find_paths(company).paths
            shown += any(path.steps == target for path in paths)
            always += covers(describe_target(company), company, chance)
            covered += sum(covers(path, company, chance) for path in paths)
            tried += len(paths)
        print(
            f"webinar > demo multiplies the odds by 3.3, {leads:,} leads: that path is shown in {shown} of {n} "
            f"companies; its lift, shown or not, is covered in {always}; of the {tried} lifts shown "
            f"{covered / max(tried, 1):.0%} are covered"
        )


def describe_target(company: ObservedSteps) -> Path:
    own = np.flatnonzero(holds(company.sequences, (6, 2))).astype(np.int32)
    paths = FrequentPaths(((6, 2),), (own,))
    tested = compare_paths(company, paths, n_permutations=1, random_state=0)
    return describe_path(company, paths, tested, 0)


def covers(path: Path, company: ObservedSteps, chance: np.ndarray) -> bool:
    own = holds(company.sequences, tuple(STEPS.index(step) for step in path.steps))
    return bool(path.lift.low <= chance[own].mean() / path.expected_rate <= path.lift.high)


def main() -> None:
    what, default = {
        "cost": (measure_cost, 1_000_000),
        "none": (measure_error, 200),
        "found": (measure_power, 100),
    }[sys.argv[1]]
    what(int(sys.argv[2]) if len(sys.argv) > 2 else default)


if __name__ == "__main__":
    main()
