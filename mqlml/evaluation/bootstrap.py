"""Resampling: which account or lead each row belongs to goes in, intervals that respect it come out.

Rows of one lead, and leads of one account, share their fate. Drawing rows one by one would count them as so many
independent pieces of news and give intervals that are too narrow; here whole clusters are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import PopulationError
from mqlml.results import Number, Result
from mqlml.types import Floats, Rows

__all__ = ["ClusterBootstrap", "Estimate", "cluster_inflation", "make_estimate"]

_CELLS_AT_ONCE = 2_000_000
_MOST_KEPT = 40_000_000
_TAIL = 0.025


@dataclass(frozen=True)
class Estimate(Result):
    """A measured number with its interval: of 95%, where the field names no other level."""

    value: Number
    """What was measured."""
    low: Number
    """The lower end of the interval."""
    high: Number
    """The upper end of the interval."""


def make_estimate(value: float, resampled: Floats, *, tail: float = _TAIL) -> Estimate:
    """A percentile interval from the values of the resamples; NaN stands for a resample where it is undefined.

    B. Efron, R. Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.
    """
    defined = resampled[~np.isnan(resampled)]
    low, high = np.quantile(defined, (tail, 1 - tail)) if len(defined) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high))


class ClusterBootstrap:
    """Draws clusters with replacement; the same seed draws the same clusters, so that two models can be paired.

    Parameters
    ----------
    clusters : array of shape (n,)
        The account, or else the lead, of each row.
    n_bootstrap : int
        Number of resamples.
    random_state : int

    Raises
    ------
    PopulationError
        If all rows belong to one cluster, which leaves nothing to resample.
    """

    def __init__(self, clusters: npt.ArrayLike, *, n_bootstrap: int, random_state: int) -> None:
        codes, found = pd.factorize(np.asarray(clusters), use_na_sentinel=False)
        if len(found) < 2:
            raise PopulationError(
                f"intervals need at least two accounts or leads to resample; found {len(found)} in {len(codes)} rows"
            )
        self.codes = codes.astype(np.int64)
        self.n_clusters = len(found)
        self.n_bootstrap = n_bootstrap
        self.random_state = random_state

    def draws(self) -> Iterator[Floats]:
        """How often each cluster is drawn: blocks of shape (some resamples, n_clusters), all resamples in order."""
        block = max(1, min(self.n_bootstrap, _CELLS_AT_ONCE // max(self.n_clusters, len(self.codes))))
        if self.n_bootstrap * self.n_clusters <= _MOST_KEPT:
            kept = _draw_all(self.n_clusters, self.n_bootstrap, self.random_state)
            for low in range(0, self.n_bootstrap, block):
                yield kept[low : low + block].astype(np.float64)
            return
        rng = np.random.default_rng(self.random_state)
        for low in range(0, self.n_bootstrap, block):
            yield _draw(self.n_clusters, min(block, self.n_bootstrap - low), rng).astype(np.float64)

    def sums(self, *columns: Floats) -> list[Floats]:
        """The total of each column of row values in every resample, each of shape (n_bootstrap,)."""
        per_cluster = np.column_stack(
            [np.bincount(self.codes, weights=column, minlength=self.n_clusters) for column in columns]
        )
        totals = np.concatenate([counts @ per_cluster for counts in self.draws()])
        return list(totals.T)


@lru_cache(maxsize=1)
def _draw_all(n_clusters: int, n_bootstrap: int, random_state: int) -> npt.NDArray[np.unsignedinteger]:
    """All resamples, kept: one evaluation after the other asks for the same."""
    drawn = _draw(n_clusters, n_bootstrap, np.random.default_rng(random_state))
    drawn.flags.writeable = False
    return drawn


def _draw(n_clusters: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.unsignedinteger]:
    """How often each cluster is drawn in each of some resamples, in the smallest numbers that hold it."""
    counts = np.empty((size, n_clusters), dtype=np.min_scalar_type(n_clusters))
    for row in counts:
        row[:] = np.bincount(rng.integers(0, n_clusters, size=n_clusters), minlength=n_clusters)
    return counts


def cluster_inflation(error: Floats, chance: Floats, members: Rows) -> float:
    """How many times the variance of independent leads clusters give to the number of conversions; at least 1."""
    together = np.bincount(members, weights=error)
    return max(1.0, float((together**2).sum() / (chance * (1 - chance)).sum()))
