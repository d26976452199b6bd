"""Verdicts: whether the model beats the simpler ways to score, answered once for gate, console and report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from mqlml.evaluation.bootstrap import Estimate

__all__ = ["Comparison", "compare_losses", "worst_of"]

Comparison = Literal["better", "not_clearly_better", "worse"]
"""The model against a baseline; ``better`` and ``worse`` only where the interval leaves out no difference."""

_FROM_WORST: tuple[Comparison, ...] = ("worse", "not_clearly_better", "better")


def compare_losses(difference: Estimate) -> Comparison:
    """What the interval of a paired difference of log losses, the model's minus the baseline's, says of the model.

    Pairing removes what both find hard. Intervals of two separate metrics cannot tell as much: they overlap where
    one model is better lead by lead, and where they do not, other leads may have decided.
    """
    if difference.high < 0:
        return "better"
    # A NaN, from too few conversions for a single resample of both classes, shows no advantage either.
    return "worse" if difference.low > 0 else "not_clearly_better"


def worst_of(verdicts: Iterable[Comparison]) -> Comparison | None:
    """The verdict on all baselines together: the least favourable; None where there is none."""
    return min(verdicts, key=_FROM_WORST.index, default=None)
