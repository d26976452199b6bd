"""Traits: what besides its probability decides a lead's label, its team, its fit and its engagement, as arrays.

Fit and engagement are how far the profile, and what the lead did and by which channels, move its log-odds. A gate on
them ("qualified and interested") is set in percentiles, 0 to 100, of the leads the version was judged on, since
log-odds mean nothing to most people and shift from version to version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mqlml.features import FAMILIES, Family
from mqlml.model.contributions import contribute_in_parts, family_points
from mqlml.model.scorer import LeadScorer
from mqlml.types import Floats

__all__ = ["Traits", "interest_points", "make_references", "percentile"]

Selection = slice | npt.NDArray[Any]


@dataclass(frozen=True)
class Traits:
    """Row by row, each array of shape (n,).

    Attributes
    ----------
    teams : mapping of column to text
        The lead's value in each column that some label tells teams by; the empty text where it has none.
    fit, engagement : array of float or None
        In points (log-odds), or after `ranked` in percentiles; None where no gate asks for them.
    """

    teams: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    fit: Floats | None = None
    engagement: Floats | None = None

    def take(self, rows: Selection) -> Traits:
        """The traits of some rows."""
        return Traits(
            {name: np.asarray(team, dtype=np.str_)[rows] for name, team in self.teams.items()},
            None if self.fit is None else self.fit[rows],
            None if self.engagement is None else self.engagement[rows],
        )

    def ranked(self, references: Mapping[str, Sequence[float]]) -> Traits:
        """The same with fit and engagement in percentiles of the references."""
        return Traits(
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


def make_references(traits: Traits) -> dict[str, tuple[float, ...]]:
    """What later points are measured against: the 0, 0.1, … 100 % quantiles of these."""
    return {
        name: tuple(np.quantile(points, np.linspace(0, 1, 1001)).tolist())
        for name, points in (("fit", traits.fit), ("engagement", traits.engagement))
        if points is not None
    }


def percentile(values: Floats, reference: Floats) -> Floats:
    """Percentage of the reference (ascending) below each value; of those equal to it, half."""
    below = np.searchsorted(reference, values, side="left")
    up_to = np.searchsorted(reference, values, side="right")
    found: Floats = 50.0 * (below + up_to) / len(reference)
    return found
