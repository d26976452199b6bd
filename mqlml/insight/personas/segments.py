"""Stable segments: groups of rows that mixed columns show beyond chance, and that resampled rows show again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.cluster import KMeans

from mqlml.types import Codes, Floats, Mask, Rows

__all__ = ["Category", "Column", "Measure", "Segments", "Space", "find_segments"]

NUMBERS = (2, 3, 4, 5, 6)
"""How many segments are tried."""

LEAST_JACCARD = 0.75
"""A segment is stable if resampled rows give it back with this mean Jaccard similarity (C. Hennig, "Cluster-wise
assessment of cluster stability", Computational Statistics & Data Analysis 52, 2007)."""

LEAST_SHARE = 0.05
"""A segment holds at least this share of the rows."""

LEAST_COVERED = 0.5
"""Stable segments hold at least this share of the rows together; else what they leave out is the rule."""

LEAST_EXCESS = 0.05
"""Segments explain at least this share of the spread that columns without segments leave: with many rows a
dependence too weak to act on is significant, too."""

_N_NULL, _N_BOOTSTRAP = 99, 50
_MOST_ROWS = 2_000
"""Rows that segments are looked for in; more are a sample, the others are assigned."""

_MOST_LEVELS, _LEAST_LEVEL = 8, 0.02
_COIN = 0.25
"""Each number gets the variance of a fair coin."""


@dataclass(frozen=True)
class Category:
    """A column of words: codes of each row, -1 for missing."""

    codes: Codes

    @property
    def known(self) -> Mask:
        return np.asarray(self.codes >= 0)

    def take(self, rows: Rows | Mask) -> Category:
        return Category(self.codes[rows])


@dataclass(frozen=True)
class Measure:
    """A column of numbers, NaN for missing; only their order counts."""

    numbers: Floats

    @property
    def known(self) -> Mask:
        return np.asarray(~np.isnan(self.numbers))

    def take(self, rows: Rows | Mask) -> Measure:
        return Measure(self.numbers[rows])


Column = Category | Measure


class Space:
    """Rows as points: the squared distance of two rows is about the number of columns in which they differ.

    Each of a column's commonest words has a direction of its own, all rarer ones share one. A number is its rank.
    What is missing stands in the middle, so that it draws no row anywhere.

    Parameters
    ----------
    columns : what the directions are learned from.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._directions: list[Codes | Floats] = []
        self._middles: list[Floats] = []
        for column in columns:
            known = column.known
            if isinstance(column, Measure):
                self._directions.append(np.sort(column.numbers[known]))
            else:
                numbers = np.bincount(column.codes[known])
                kept = np.argsort(-numbers, kind="stable")[:_MOST_LEVELS]
                kept = kept[numbers[kept] >= max(_LEAST_LEVEL * known.sum(), 1)]
                self._directions.append(kept.astype(np.int32))
            self._middles.append(self._place(column.take(known), self._directions[-1]).mean(axis=0))

    def places(self, columns: Sequence[Column]) -> list[Floats]:
        """The coordinates of each row, column by column: arrays of shape (n_rows, n_directions of the column)."""
        placed = []
        for column, direction, middle in zip(columns, self._directions, self._middles, strict=True):
            points = np.tile(middle, (len(column.known), 1))
            points[column.known] = self._place(column.take(column.known), direction)
            placed.append(points)
        return placed

    @staticmethod
    def _place(column: Column, direction: Codes | Floats) -> Floats:
        if isinstance(column, Measure):
            below = np.searchsorted(direction, column.numbers, side="left")
            upto = np.searchsorted(direction, column.numbers, side="right")
            rank = (below + upto) / (2 * max(len(direction), 1)) - 0.5
            spread = float(np.std((np.arange(max(len(direction), 2)) + 0.5) / max(len(direction), 2)))
            points: Floats = (rank * np.sqrt(_COIN) / spread)[:, None]
            return points
        own = column.codes[:, None] == direction[None, :]
        rest = ~own.any(axis=1)
        words: Floats = np.column_stack([own, rest]).astype(np.float64) / np.sqrt(2)
        return words


@dataclass(frozen=True)
class Segments:
    """Segments that were found.

    Attributes
    ----------
    space, centers : where the segments stand; a row belongs to the nearest center.
    stable : indices of the centers whose segments are stable, the largest segment first.
    jaccard : float64 array, the mean Jaccard similarity of each center's segment under resampling.
    beyond_chance : whether the columns show more than columns without segments do.
    """

    space: Space | None
    centers: Floats
    stable: tuple[int, ...]
    jaccard: Floats
    beyond_chance: bool

    def assign(self, columns: Sequence[Column]) -> Rows:
        """The stable segment of each row, as its place in ``stable``; -1 for none."""
        n = len(columns[0].known) if columns else 0
        if not self.stable or self.space is None:
            return np.full(n, -1, dtype=np.intp)
        place = np.full(len(self.centers), -1, dtype=np.intp)
        place[list(self.stable)] = np.arange(len(self.stable))
        found = [
            place[
                _nearest(
                    np.hstack(self.space.places([column.take(rows) for column in columns])), self.centers
                )
            ]
            for rows in np.array_split(np.arange(n), n // 100_000 + 1)
        ]
        return np.concatenate(found)


def find_segments(columns: Sequence[Column], *, random_state: int) -> Segments:
    """Find stable segments among rows.

    K-means splits any cloud of points, and some clouds always at the same place. So segments count only if 2 to 6
    of them explain more of the spread than in all of 99 tables of the same columns without segments, which happens by
    chance with a probability of 1%, and if they explain clearly more. Then the segments that are stable under
    resampled rows are kept, for the number of segments at which these hold the most rows; of equal ones, at which
    they explain the most beyond chance.

    Parameters
    ----------
    columns : what is known of each row; the rows must not share a fate, as leads of one account do.
    random_state : int

    Returns
    -------
    Segments; without stable ones where there are none.
    """
    rng = np.random.default_rng(random_state)
    n = len(columns[0].known)
    if n > _MOST_ROWS:
        sample = np.sort(rng.choice(n, _MOST_ROWS, replace=False))
        columns = [column.take(sample) for column in columns]
    space = Space(columns)
    placed = space.places(columns)
    points = np.hstack(placed)
    fits = [_fit(points, number, rng) for number in NUMBERS]
    explained = np.array([_explained(points, fit) for fit in fits])
    null = _Null(columns, placed)
    chance = np.zeros((_N_NULL, len(NUMBERS)))
    for row in chance:
        drawn = null.draw(rng)
        row[:] = [_explained(drawn, _fit(drawn, number, rng)) for number in NUMBERS]
        if row.sum() >= explained.sum():  # one of 99 suffices, so the rest need not be drawn
            return Segments(None, np.empty((0, points.shape[1])), (), np.empty(0), beyond_chance=False)
    usual = chance.mean(axis=0)
    excess = (explained - usual) / (1 - usual)
    found = Segments(
        None, np.empty((0, points.shape[1])), (), np.empty(0), bool((excess >= LEAST_EXCESS).any())
    )
    best = (0.0, 0.0)
    for fit, gain in zip(fits, excess.tolist(), strict=True):
        if gain < LEAST_EXCESS:
            continue
        jaccard = _measure_stability(points, fit, rng)
        size = np.bincount(fit.labels_, minlength=fit.n_clusters) / len(points)
        stable = [c for c in np.argsort(-size, kind="stable").tolist() if jaccard[c] >= LEAST_JACCARD]
        stable = [c for c in stable if size[c] >= LEAST_SHARE]
        covered = float(size[stable].sum())
        # To a tenth: a number of segments that leaves hardly a row out is as good as one that leaves none.
        if len(stable) >= 2 and covered >= LEAST_COVERED and (round(covered, 1), gain) > best:
            best = round(covered, 1), gain
            found = Segments(space, fit.cluster_centers_, tuple(stable), jaccard, beyond_chance=True)
    return found


def _fit(points: Floats, number: int, rng: np.random.Generator) -> KMeans:
    seed = int(rng.integers(2**31))
    return KMeans(number, n_init=4, max_iter=100, random_state=seed).fit(points)


def _explained(points: Floats, fit: KMeans) -> float:
    return float(1 - fit.inertia_ / max(((points - points.mean(axis=0)) ** 2).sum(), 1e-300))


def _nearest(points: Floats, centers: Floats) -> Rows:
    return np.asarray(np.argmin((centers**2).sum(axis=1) - 2 * points @ centers.T, axis=1), dtype=np.intp)


class _Null:
    """Tables of the same columns without segments.

    Each column's known values are shuffled among its known rows: words independently of all other columns, numbers
    together, so that they rise and fall with one another as they do, but smoothly, as a normal distribution does.
    """

    def __init__(self, columns: Sequence[Column], placed: Sequence[Floats]) -> None:
        self._known = [column.known for column in columns]
        self._placed = placed
        self._numbers = [at for at, column in enumerate(columns) if isinstance(column, Measure)]
        scores = np.full((len(self._numbers), len(placed[0])), np.nan)
        for row, at in enumerate(self._numbers):
            known = self._known[at]
            scores[row, known] = norm.ppf((rankdata(placed[at][known, 0]) - 0.5) / known.sum())
        self._root = _correlation_root(scores)

    def draw(self, rng: np.random.Generator) -> Floats:
        together = self._root @ rng.standard_normal((len(self._numbers), len(self._placed[0])))
        parts = []
        for at, (points, known) in enumerate(zip(self._placed, self._known, strict=True)):
            own = points[known]
            drawn = points.copy()
            if at in self._numbers:
                order = np.argsort(together[self._numbers.index(at)][known])
                shuffled = np.empty_like(own)
                shuffled[order] = np.sort(own, axis=0)
                drawn[known] = shuffled
            else:
                drawn[known] = rng.permutation(own, axis=0)
            parts.append(drawn)
        return np.hstack(parts)


def _correlation_root(scores: Floats) -> Floats:
    """A root of the correlations of rows, each pair over the places where both are known."""
    n = len(scores)
    correlation = np.eye(n)
    for i in range(n):
        for j in range(i):
            both = ~np.isnan(scores[i]) & ~np.isnan(scores[j])
            if both.sum() > 2 and scores[i, both].std() > 0 and scores[j, both].std() > 0:
                correlation[i, j] = correlation[j, i] = np.corrcoef(scores[i, both], scores[j, both])[0, 1]
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    scaled: Floats = root / np.maximum(np.sqrt((root**2).sum(axis=1, keepdims=True)), 1e-12)
    return scaled


def _measure_stability(points: Floats, fit: KMeans, rng: np.random.Generator) -> Floats:
    """The mean Jaccard similarity of each segment with the most similar one of resampled rows."""
    number, labels = fit.n_clusters, fit.labels_
    total = np.zeros(number)
    for _ in range(_N_BOOTSTRAP):
        drawn = np.unique(rng.integers(len(points), size=len(points)), return_counts=True)
        rows, times = drawn
        seed = int(rng.integers(2**31))
        again = KMeans(number, n_init=2, max_iter=100, random_state=seed).fit(
            points[rows], sample_weight=times
        )
        both = np.zeros((number, number))
        np.add.at(both, (labels[rows], again.labels_), 1)
        union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
        total += (both / np.maximum(union, 1)).max(axis=1)
    mean: Floats = total / _N_BOOTSTRAP
    return mean
