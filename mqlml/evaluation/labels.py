"""What a label policy gives on later leads: its thresholds and their outcomes go in, kept promises come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import check_judged
from mqlml.model import LabelOutcome, LabelPolicy, Traits, payoff

__all__ = ["evaluate_policy", "judge_selection"]

Floats = npt.NDArray[np.float64]


def evaluate_policy(
    policy: LabelPolicy,
    probability: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    weeks: float | None,
    clusters: npt.ArrayLike,
    random_state: int,
    leads: npt.ArrayLike | None = None,
    traits: Traits | None = None,
    n_bootstrap: int = 500,
) -> dict[str, dict[str, Any]]:
    """Precision, recall, volume and value of each label on leads it was not chosen on, all who reach it counted.

    Parameters
    ----------
    policy : LabelPolicy
    probability, y : arrays of shape (n,), the looks at one lead in order of time
    weeks : float or None
        How many weeks these leads came in; None where the data has no dates.
    leads : array of shape (n,), optional
        Which lead each row is a look at; a lead that is selected at several looks counts once in ``per_week`` and
        ``value``.
    traits : Traits, optional
        Needed where thresholds differ by team, or a label has a gate.
    clusters : array of shape (n,)
        The account, or else the lead, of each row.
    random_state, n_bootstrap : int

    Returns
    -------
    dict of str to dict
        By label: ``threshold``, ``selected``, ``converted`` (rows); ``precision`` (None where nobody is selected),
        ``recall``, ``per_week`` (leads; None without dates), ``value`` (of the follow-ups against none, a week or,
        without dates, a row; None for other policies), and for these four ``…_low`` and ``…_high``, 95 % percentile
        bootstrap intervals over clusters. The interval of a volume holds the number of weeks fixed. ``promised`` is
        what the policy promised of each, and ``kept`` whether what came lies within.
    """
    target, chance = check_judged(y, probability)
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=n_bootstrap, random_state=random_state)
    reached = policy.reach(chance, traits).astype(np.float64)
    return {
        outcome.label: _judge(outcome, reached[:, level], target, leads, weeks, bootstrap)
        for level, outcome in enumerate(policy.outcomes)
    }


def judge_selection(
    selected: npt.NDArray[np.bool_], y: npt.ArrayLike, *, clusters: npt.ArrayLike, random_state: int
) -> dict[str, Any]:
    """How many of some rows converted: ``selected``, ``converted`` and ``precision`` with its 95 % interval.

    The precision and its ends are None where no row is selected.
    """
    label = np.asarray(y, dtype=np.float64)
    n, converted = int(selected.sum()), int(label[selected].sum())
    estimate = None
    if n:
        bootstrap = ClusterBootstrap(clusters, n_bootstrap=500, random_state=random_state)
        drawn, hits = bootstrap.sums(selected.astype(np.float64), selected * label)
        with np.errstate(invalid="ignore"):
            estimate = make_estimate(converted / n, hits / drawn)
    return {
        "selected": n,
        "converted": converted,
        "precision": estimate.value if estimate else None,
        "precision_low": estimate.low if estimate else None,
        "precision_high": estimate.high if estimate else None,
    }


def _judge(
    outcome: LabelOutcome,
    reached: Floats,
    target: Floats,
    leads: npt.ArrayLike | None,
    weeks: float | None,
    bootstrap: ClusterBootstrap,
) -> dict[str, Any]:
    handed = _once(reached, leads)
    by_value = outcome.rule["policy"] == "value"
    worth = handed * payoff(LabelRule.model_validate(outcome.rule), target) if by_value else handed
    rows = np.ones_like(target)
    selected, converted, positives, handed_over, brought, looked_at = bootstrap.sums(
        reached, reached * target, target, handed, worth, rows
    )
    n_selected, n_converted = int(reached.sum()), int((reached * target).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        value = make_estimate(worth.sum() / (weeks or rows.sum()), brought / (weeks or looked_at))
        estimates: dict[str, Estimate | None] = {
            "precision": make_estimate(n_converted / n_selected, converted / selected)
            if n_selected
            else None,
            "recall": make_estimate(n_converted / target.sum(), converted / positives),
            "per_week": make_estimate(handed.sum() / weeks, handed_over / weeks) if weeks else None,
            "value": value if by_value else None,
        }
    row: dict[str, Any] = {
        "threshold": outcome.threshold,
        "selected": n_selected,
        "converted": n_converted,
        "teams": outcome.teams,
    }
    for what, estimate in estimates.items():
        row[what] = estimate.value if estimate else None
        row[f"{what}_low"] = estimate.low if estimate else None
        row[f"{what}_high"] = estimate.high if estimate else None
    row["promised"] = outcome.promises
    row["kept"] = {
        what: None if row[what] is None else bool(promise.low <= row[what] <= promise.high)
        for what, promise in outcome.promises.items()
    }
    return row


def _once(reached: Floats, leads: npt.ArrayLike | None) -> Floats:
    """1 at the first selected row of each lead, 0 elsewhere."""
    if leads is None:
        return reached
    first = np.zeros_like(reached)
    rows = np.flatnonzero(reached)
    first[rows[np.unique(np.asarray(leads)[rows], return_index=True)[1]]] = 1.0
    return first
