"""One verdict for each baseline, and the least favourable for all together."""

from __future__ import annotations

import math

import pytest

from mqlml.evaluation import Comparison, Estimate, compare_losses, worst_of


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        ((-0.02, -0.03, -0.01), "better"),
        ((-0.02, -0.03, 0.0), "not_clearly_better"),
        ((0.0, 0.0, 0.0), "not_clearly_better"),
        ((0.01, -0.01, 0.03), "not_clearly_better"),
        ((-0.02, math.nan, math.nan), "not_clearly_better"),
        ((0.02, 0.01, 0.03), "worse"),
    ],
    ids=["better", "touches none", "equal", "either", "no interval", "worse"],
)
def test_the_interval_decides(difference: tuple[float, float, float], verdict: Comparison) -> None:
    assert compare_losses(Estimate(*difference)) == verdict


def test_the_least_favourable_counts() -> None:
    assert worst_of(["better", "worse", "not_clearly_better"]) == "worse"
    assert worst_of(["better", "not_clearly_better"]) == "not_clearly_better"
    assert worst_of(["better", "better"]) == "better"
    assert worst_of([]) is None
