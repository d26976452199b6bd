"""Pairs of words: what a sum over columns leaves over goes in; which pairs of columns say more together comes out.

A chief of a small firm decides, one of a large firm rarely does: no sum of "chief" and "large" says so. Few pairs of
columns are like that, so they are looked for and only the clear ones are kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from mqlml.types import Floats, Ints

__all__ = ["MOST_PAIRS", "PairEffect", "find_pair", "place_words"]

MOST_PAIRS = 3
_MOST_WORDS = 30
"""Columns with more words are left out: their cells hold too few leads."""

_CHANCE = 1e-6
"""That any pair is found where none says more than its words. So small, since what is said of an account is inflated
more than the rest: in a world of 50,000 leads with one true pair, that one had 1e-19, the next 2e-5."""


_ENOUGH_PAIRS, _INFLATED = 10, 3.0
"""Fewer pairs cannot tell how inflated they are: at least as if each lead had been looked at three times."""


@dataclass(frozen=True)
class PairEffect:
    """What two words add to the log-odds beyond what each adds alone.

    Attributes
    ----------
    first, second : int
        Places of the two columns in the matrix.
    cells : tuple of tuples of float
        By the code of the first and that of the second column; the last of each is for missing.
    """

    first: int
    second: int
    cells: tuple[tuple[float, ...], ...]

    def add(self, matrix: Floats) -> Floats:
        """The effect in each row of the matrix, shape (n,)."""
        cells = np.array(self.cells)
        codes = (
            place_words(matrix[:, column], width)
            for column, width in zip((self.first, self.second), cells.shape, strict=True)
        )
        effect: Floats = cells[tuple(codes)]
        return effect


def place_words(values: Floats, width: int) -> Ints:
    """The place of each code among ``width`` of them; a missing one points at the last."""
    return np.where(np.isnan(values), width - 1, values).astype(np.int64)


def find_pair(
    words: Mapping[int, tuple[Ints, int]],
    left_over: Floats,
    bend: Floats,
    weight: Floats,
    *,
    min_count: float,
    found: Collection[tuple[int, int]] = (),
) -> tuple[int, int] | None:
    """The pair of columns whose words together tell most of what a model leaves over, if clearly more than chance.

    Each pair's cells are asked by a score test: ``Σ (Σ weight · left_over)² / Σ weight · bend`` over the cells is
    chi-squared where nothing is left but noise. Looks at one lead are not independent, and a ridge leaves something
    of every column behind, both of which inflate all pairs alike: the statistic is divided by the median of its
    ratio to its degrees of freedom among the others (B. Devlin, K. Roeder, "Genomic control for association studies",
    Biometrics 55, 1999). Y. Lou and others, "Accurate intelligible models with pairwise interactions", KDD 2013, add
    pairs to a sum one after the other in the same way.

    Parameters
    ----------
    words : for each column of words, by its place in the matrix, the rows' codes and how many there are.
    left_over : ndarray of shape (n,)
        Label minus predicted probability.
    bend : ndarray of shape (n,)
        ``p (1 − p)`` of the prediction.
    weight : ndarray of shape (n,)
    min_count : float
        Weight that a cell needs to be asked.
    found : pairs that the model has already.
    """
    tested = []
    few = {place: column for place, column in words.items() if column[1] <= _MOST_WORDS}
    for (first, (one, n_first)), (second, (other, n_second)) in itertools.combinations(few.items(), 2):
        cell, n_cells = one * n_second + other, n_first * n_second
        held, surplus, spread = (
            np.bincount(cell, weights=weight * values, minlength=n_cells)
            for values in (np.ones(len(cell)), left_over, bend)
        )
        used = np.flatnonzero(held >= min_count)
        freedom = len(used) - len(np.unique(used // n_second)) - len(np.unique(used % n_second)) + 1
        if freedom > 0:
            tested.append((float((surplus[used] ** 2 / spread[used]).sum()), freedom, first, second))
    ratios = np.array([statistic / freedom for statistic, freedom, *_ in tested])
    least = 1.0 if len(tested) >= _ENOUGH_PAIRS else _INFLATED
    chances = []
    for number, (statistic, freedom, first, second) in enumerate(tested):
        if (first, second) not in found:
            others = np.delete(ratios, number)
            inflated = max(least, float(np.median(others))) if len(others) else least
            chances.append((float(chi2.logsf(statistic / inflated, freedom)), first, second))
    best, first, second = min(chances, default=(0.0, 0, 0))
    return (first, second) if best + math.log(max(len(tested), 1)) < math.log(_CHANCE) else None
