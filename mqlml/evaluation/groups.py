"""Features that say nearly the same: an encoded matrix goes in, groups of correlated columns come out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

__all__ = ["ALIKE", "group_alike"]

ALIKE = 0.7
"""Columns are one group while the average of their absolute rank correlations across is at least this."""

_MOST_ROWS = 5_000


def group_alike(
    matrix: npt.NDArray[np.float64], names: Sequence[str], *, random_state: int
) -> tuple[tuple[str, ...], ...]:
    """Columns that can stand in for each other, by average linkage on ``1 - |Spearman's rho|``, cut at 0.3.

    A missing value ranks below all others, as being missing is a value to the model, and often what two columns have
    in common. A column that does not vary is alike to none.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, columns)
        Above 5,000 rows as many drawn at random are used.
    names : sequence of str, one for each column.
    random_state : int

    Returns
    -------
    tuple of tuples of str, of two or more columns each, in the order of the columns.

    References
    ----------
    L. Kaufman, P. Rousseeuw, "Finding groups in data", 1990, chapter 5: average linkage.
    """
    rows = len(matrix)
    if rows > _MOST_ROWS:
        rng = np.random.default_rng(random_state)
        matrix = matrix[np.sort(rng.choice(rows, _MOST_ROWS, replace=False))]
    ranks = rankdata(np.where(np.isnan(matrix), -np.inf, matrix), axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt((ranks**2).sum(axis=0))
    varies = np.flatnonzero(length > 0)
    if len(varies) < 2:
        return ()
    units = ranks[:, varies] / length[varies]
    distance = np.clip(1 - np.abs(units.T @ units), 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    label = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - ALIKE, "distance")
    groups = [[names[varies[at]] for at in np.flatnonzero(label == number)] for number in np.unique(label)]
    place = {name: at for at, name in enumerate(names)}
    return tuple(sorted((tuple(group) for group in groups if len(group) > 1), key=lambda g: place[g[0]]))
