"""The campaign of random mutations in ``benchmarks/mutations.py``, bounded; it must also see what it looks for."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.mutations import find_faults, run
from tests.registry.versions import make_version


def test_mutated_bundles_are_refused_or_harmless() -> None:
    made = make_version()
    counts = run(made.bundle, made.features.head(20), mutations=120, seed=1)
    assert counts.total() == 120
    assert find_faults(counts) == []
    outcomes = Counter[str]()
    for (_, without, with_digest), number in counts.items():
        outcomes[without] += number
        assert with_digest in ("refused", "same")
    assert outcomes["refused"] > 60
    assert outcomes["same"] + outcomes["other predictions"] > 5, "rewritten hashes get past the manifest"


@pytest.mark.parametrize(
    "found",
    [
        ("json", "FOREIGN KeyError", "refused"),
        ("skops", "HANGS", "refused"),
        ("json, hashes rewritten", "other predictions", "other predictions"),
    ],
)
def test_faults_are_found(found: tuple[str, str, str]) -> None:
    assert len(find_faults(Counter({found: 2, ("json", "refused", "refused"): 9}))) == 1
