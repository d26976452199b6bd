"""Performance before the outcomes are known: what calibrated probabilities say of themselves.

If the probabilities hold, a label's precision is the mean probability of its leads, and every other metric has an
expectation, too (confidence-based performance estimation, as NannyML's CBPE). Its interval comes from outcomes drawn
by these probabilities: 95% of what will be observed lies within, unless the level moves. So it warns of a weaker mix
of leads, and cannot see that odds have changed; that is what `Evidence` and the realized figures are for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from mqlml.evaluation.bootstrap import Estimate, make_estimate
from mqlml.results import Result
from mqlml.types import Floats, Mask

__all__ = ["EstimatedLabel", "EstimatedPerformance", "estimate_performance"]

_DRAWS = 500
_CELLS = 4_000_000


@dataclass(frozen=True)
class EstimatedLabel(Result):
    """A label and those above it, before the outcomes are known."""

    leads: int
    """Open leads that have it."""
    precision: Estimate | None
    """The share of them that will convert; null where nobody has it."""
    recall: Estimate | None
    """Their share of all open leads that will convert."""


@dataclass(frozen=True)
class EstimatedPerformance(Result):
    """What to expect of the leads of the last run whose outcome is not known."""

    leads: int
    """How many."""
    conversions: Estimate
    """How many of them will convert."""
    roc_auc: Estimate
    """How often one that converts is ranked above one that does not."""
    brier: Estimate
    """Mean squared error."""
    labels: dict[str, EstimatedLabel]
    """By label, lowest first; higher labels count too, so MQL includes SQL."""


def estimate_performance(
    probability: Floats, has_label: Mapping[str, Mask], *, random_state: int
) -> EstimatedPerformance | None:
    """Expected metrics of some leads, with 95% intervals; None without any.

    Parameters
    ----------
    probability : array of shape (n,), calibrated
    has_label : by label, lowest first, who has it or a higher one; arrays of shape (n,)
    random_state : of the outcomes that are drawn for the intervals
    """
    n = len(probability)
    if not n:
        return None
    rng = np.random.default_rng(random_state)
    rank = rankdata(probability)
    members = np.column_stack([*has_label.values()]).astype(np.float64) if has_label else np.zeros((n, 0))
    rows: list[Floats] = []
    done = 0
    while done < _DRAWS:
        size = min(_DRAWS - done, max(1, _CELLS // n))
        drawn = (rng.random((size, n)) < probability).astype(np.float64)
        squares = ((drawn - probability) ** 2).mean(axis=1)
        rows.append(np.column_stack([drawn.sum(axis=1), drawn @ rank, squares, drawn @ members]))
        done += size
    draws = np.concatenate(rows)
    won, ranks, brier = draws[:, 0], draws[:, 1], draws[:, 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (ranks - won * (won + 1) / 2) / (won * (n - won))
        recall = draws[:, 3:] / won[:, None]
    expected = float(probability.sum())
    labels = {}
    for place, (name, has) in enumerate(has_label.items()):
        size, some = int(has.sum()), float(probability[has].sum())
        labels[name] = EstimatedLabel(
            leads=size,
            precision=make_estimate(some / size, draws[:, 3 + place] / size) if size else None,
            recall=make_estimate(some / expected, recall[:, place]) if expected > 0 else None,
        )
    defined = auc[~np.isnan(auc)]
    return EstimatedPerformance(
        leads=n,
        conversions=make_estimate(expected, won),
        roc_auc=make_estimate(float(defined.mean()) if len(defined) else math.nan, auc),
        brier=make_estimate(float((probability * (1 - probability)).mean()), brier),
        labels=labels,
    )
