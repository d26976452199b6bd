"""What a label policy gives on later leads: its thresholds and their outcomes go in, kept promises come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.evaluation.bootstrap import ClusterBootstrap, make_estimate
from mqlml.evaluation.metrics import check_judged
from mqlml.model import LabelPolicy

__all__ = ["evaluate_policy"]


def evaluate_policy(
    policy: LabelPolicy,
    probability: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    weeks: float | None,
    clusters: npt.ArrayLike,
    random_state: int,
    leads: npt.ArrayLike | None = None,
    n_bootstrap: int = 500,
) -> dict[str, dict[str, Any]]:
    """Precision, recall and volume of each label on leads it was not chosen on, all those at or above its threshold.

    Parameters
    ----------
    policy : LabelPolicy
    probability, y : arrays of shape (n,)
    weeks : float or None
        How many weeks these leads came in; None where the data has no dates.
    leads : array of shape (n,), optional
        Which lead each row is a look at; a lead that is selected at several looks counts once in ``per_week``.
    clusters : array of shape (n,)
        The account, or else the lead, of each row.
    random_state, n_bootstrap : int

    Returns
    -------
    dict of str to dict
        By label: ``threshold``, ``selected``, ``converted`` (rows); ``precision`` (None where nobody is selected),
        ``recall``, ``per_week`` (leads; None without dates), and for these three ``…_low`` and ``…_high``, 95 %
        percentile bootstrap intervals over clusters. The interval of a volume holds the number of weeks fixed.
    """
    target, chance = check_judged(y, probability)
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=n_bootstrap, random_state=random_state)
    results: dict[str, dict[str, Any]] = {}
    for name, threshold in policy.thresholds.items():
        reached = (chance >= threshold).astype(np.float64)
        handed = _once(reached, leads)
        selected, converted, positives, handed_over = bootstrap.sums(
            reached, reached * target, target, handed
        )
        n_selected, n_converted = int(reached.sum()), int((reached * target).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            estimates = {
                "precision": make_estimate(n_converted / n_selected, converted / selected)
                if n_selected
                else None,
                "recall": make_estimate(n_converted / target.sum(), converted / positives),
                "per_week": make_estimate(handed.sum() / weeks, handed_over / weeks) if weeks else None,
            }
        row: dict[str, Any] = {"threshold": threshold, "selected": n_selected, "converted": n_converted}
        for what, estimate in estimates.items():
            row[what] = estimate.value if estimate else None
            row[f"{what}_low"] = estimate.low if estimate else None
            row[f"{what}_high"] = estimate.high if estimate else None
        results[name] = row
    return results


def _once(reached: npt.NDArray[np.float64], leads: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
    """1 at the first selected row of each lead, 0 elsewhere."""
    if leads is None:
        return reached
    first = np.zeros_like(reached)
    rows = np.flatnonzero(reached)
    first[rows[np.unique(np.asarray(leads)[rows], return_index=True)[1]]] = 1.0
    return first
