"""A lead's team, fit and engagement decide its label besides its probability.

Fit is the contribution of the profile to the log-odds, engagement that of channel and actions. Gates on them are set
in percentiles, 0 to 100, of the leads the version was evaluated on: log-odds shift from version to version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.features import FAMILIES, Family
from mqlml.model.contributions import contribute_in_parts, family_points
from mqlml.model.scorer import LeadScorer
from mqlml.types import Floats

__all__ = ["GateInputs", "bayes_threshold", "interest_points", "make_references", "payoff", "percentile"]

Selection = slice | npt.NDArray[Any]


@dataclass(frozen=True)
class GateInputs:
    """Row by row, each array of shape (n,).

    Attributes
    ----------
    teams : mapping of column to text
        The lead's value in each column that holds teams; empty text where it has none.
    fit, engagement : array of float or None
        In points (log-odds), or after `ranked` in percentiles; None where no gate uses them.
    """

    teams: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    fit: Floats | None = None
    engagement: Floats | None = None

    def take(self, rows: Selection) -> GateInputs:
        """The gate inputs of some rows."""
        return GateInputs(
            {name: np.asarray(team, dtype=np.str_)[rows] for name, team in self.teams.items()},
            None if self.fit is None else self.fit[rows],
            None if self.engagement is None else self.engagement[rows],
        )

    def ranked(self, references: Mapping[str, Sequence[float]]) -> GateInputs:
        """The same with fit and engagement in percentiles of the references."""
        return GateInputs(
            self.teams,
            *(
                percentile(points, np.array(references[name]))
                if points is not None and name in references
                else None
                for name, points in (("fit", self.fit), ("engagement", self.engagement))
            ),
        )


def interest_points(scorer: LeadScorer, X: Any, families: Sequence[Family]) -> Floats:
    """Fit (profile) and engagement (channel and actions) of each row, in log-odds: array of shape (n, 2)."""
    points = np.concatenate([family_points(part, families) for part in contribute_in_parts(scorer, X)])
    by_family = dict(zip(FAMILIES, points.T, strict=True))
    return np.column_stack([by_family["profile"], by_family["channel"] + by_family["actions"]])


def make_references(gate_inputs: GateInputs) -> dict[str, tuple[float, ...]]:
    """The reference for percentiles: the 0, 0.1, …, 100% quantiles of these points."""
    return {
        name: tuple(np.quantile(points, np.linspace(0, 1, 1001)).tolist())
        for name, points in (("fit", gate_inputs.fit), ("engagement", gate_inputs.engagement))
        if points is not None
    }


def percentile(values: Floats, reference: Floats) -> Floats:
    """Percentage of the reference (ascending) below each value; of those equal to it, half."""
    below = np.searchsorted(reference, values, side="left")
    up_to = np.searchsorted(reference, values, side="right")
    found: Floats = 50.0 * (below + up_to) / len(reference)
    return found


def bayes_threshold(rule: LabelRule) -> float:
    """The probability at which following up and waiting have equal value; infinite where it never pays.

    Following up one lead brings ``gain`` if it converts, costs ``cost`` in any case, and ``too_early`` more if it
    does not convert. Waiting costs ``too_late`` if it converts. With probability p, following up has the expected
    value ``p·gain − cost − (1 − p)·too_early``, and waiting ``−p·too_late``; the first is at least the second where

        p ≥ (cost + too_early) / (gain + too_late + too_early).

    C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, equation 2, with these four entries.

    Examples
    --------
    >>> bayes_threshold(LabelRule(policy="value", gain=900, cost=60, too_late=100))
    0.06
    >>> bayes_threshold(LabelRule(policy="value", gain=900, cost=60, too_late=100, too_early=1000))
    0.53
    """
    gain, cost = rule.gain or 0.0, rule.cost or 0.0
    if cost > gain + rule.too_late:
        return math.inf
    return (cost + rule.too_early) / (gain + rule.too_late + rule.too_early)


def payoff(rule: LabelRule, label: npt.ArrayLike) -> Floats:
    """Value of following up each lead, against no follow-up, in the rule's currency.

    Parameters
    ----------
    label : array of shape (n,), 0 or 1
    """
    converted = np.asarray(label) == 1
    gain, cost = rule.gain or 0.0, rule.cost or 0.0
    return np.where(converted, gain + rule.too_late - cost, -cost - rule.too_early)
