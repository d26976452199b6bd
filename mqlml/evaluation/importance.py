"""What the model relies on: how much worse it gets without each feature, and how the values move it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from mqlml.errors import ScorerError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import check_rows, log_losses
from mqlml.model.contributions import PartialScores
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints

__all__ = [
    "ALIKE",
    "Columns",
    "Direction",
    "Importance",
    "ImportanceGroup",
    "ImportanceRow",
    "Resampling",
    "Shape",
    "ShapePoint",
    "describe_direction",
    "group_alike",
    "measure_importance",
    "measure_shapes",
]


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


Shuffled = Callable[[list[str], Ints], npt.ArrayLike]
"""Probabilities if the columns named were put in another order, together."""


@dataclass(frozen=True)
class Columns:
    """What is known of the columns of a table.

    Attributes
    ----------
    families : mapping of column name to family
    used : collection of str or None
        The columns that can move a prediction, where that is known; the others are not shuffled.
    groups : sequence of sequences of str
        Columns to be shuffled together.
    """

    families: Mapping[str, str]
    used: Collection[str] | None = None
    groups: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Resampling:
    """What is drawn at random.

    Attributes
    ----------
    random_state : int
    n_repeats : int
        Shuffles whose losses are averaged.
    max_rows : int
        Above this many rows, this many drawn at random are used: the cost is columns x repeats x rows.
    n_bootstrap : int
    """

    random_state: int
    n_repeats: int = 3
    max_rows: int = 5_000
    n_bootstrap: int = 500


@dataclass(frozen=True)
class ImportanceRow(Result):
    """What one feature, or one family, is worth: how much worse the model gets when it is shuffled."""

    name: str
    """For a family the same as ``family``."""
    family: str
    """The family it belongs to."""
    drop: Estimate
    """The rise of the log loss, nats per snapshot."""
    sentence: str = ""
    """The feature as a sentence; empty for a family."""
    direction: Direction | None = None
    """How the probability moves with the feature's values, where that was measured."""
    points: tuple[ShapePoint, ...] = ()
    """The curve behind ``direction``: numbers in order, categories the commonest first, missing last."""


@dataclass(frozen=True)
class ImportanceGroup(Result):
    """The same for features that say nearly the same, shuffled together."""

    names: tuple[str, ...]
    """The most important first."""
    drop: Estimate
    """How much worse predictions get without the group."""


@dataclass(frozen=True)
class Importance(Result):
    """What the model relies on, the most important first."""

    families: tuple[ImportanceRow, ...]
    """By family of features."""
    features: tuple[ImportanceRow, ...]
    """By feature, the most important first."""
    n: int
    """Held-out snapshots that were used, less than there are where they were thinned out."""
    metric: Literal["log_loss", "roc_auc", "average_precision", "brier"] = "log_loss"
    """The metric of `Metrics` that gets worse."""
    groups: tuple[ImportanceGroup, ...] = ()
    """By group of features that say nearly the same."""


def measure_importance(
    predict: Callable[[pd.DataFrame], npt.ArrayLike],
    X: pd.DataFrame,
    y: npt.ArrayLike,
    columns: Columns,
    *,
    clusters: npt.ArrayLike,
    resampling: Resampling,
    shuffled: Callable[[Ints], Shuffled] | None = None,
) -> Importance:
    """Permutation importance on leads the model was not trained on.

    L. Breiman, "Random forests", Machine Learning 45, 2001, section 10; here on later data, with the log loss, and
    with an interval that resamples whole clusters, paired lead by lead with the unshuffled prediction.

    Parameters
    ----------
    predict : function of a table to probabilities, shape (n,)
    X : DataFrame of shape (n, columns)
    y : array of shape (n,), 0 or 1
    columns : Columns
        Every column of ``X`` must have a family.
    clusters : array of shape (n,)
        The account, or else the lead, of each row.
    resampling : Resampling
    shuffled : function, optional
        A quicker way than ``predict`` on a shuffled table: given the rows that are used, the function that predicts
        them with some columns shuffled.

    Raises
    ------
    ScorerError
        If a column has no family.
    """
    if unfiled := [str(name) for name in X.columns if name not in columns.families]:
        raise ScorerError(f"every column needs a family; {len(unfiled)} have none, the first {unfiled[0]!r}")
    rng = np.random.default_rng(resampling.random_state)
    target, members = np.asarray(y, dtype=np.float64), np.asarray(clusters)
    rows = np.arange(len(X))
    if len(X) > resampling.max_rows:
        rows = np.sort(rng.choice(len(X), size=resampling.max_rows, replace=False))
        X, target, members = X.iloc[rows], target[rows], members[rows]
    table = X.reset_index(drop=True)
    target, chance = check_rows(target, predict(table))
    before = log_losses(target, chance)
    bootstrap = ClusterBootstrap(
        members, n_bootstrap=resampling.n_bootstrap, random_state=resampling.random_state
    )
    # One set of shuffles for all columns: differences between features are then not those of their shuffles.
    shuffles = [rng.permutation(len(table)) for _ in range(resampling.n_repeats)]

    names = [str(name) for name in table.columns]
    families = list(dict.fromkeys(columns.families[name] for name in names))
    used = set(names if columns.used is None else columns.used)
    together: list[list[str]] = [[name] for name in names]
    together += [[name for name in names if columns.families[name] == family] for family in families]
    together += [list(group) for group in columns.groups]
    ask = _on_table(predict, table) if shuffled is None else shuffled(rows)
    rises = np.column_stack(
        [
            _rise(ask, [name for name in shuffled_names if name in used], target, chance, before, shuffles)
            for shuffled_names in together
        ]
    )
    size, *totals = bootstrap.sums(np.ones(len(table)), *rises.T)
    drops = [make_estimate(rise.mean(), total / size) for rise, total in zip(rises.T, totals, strict=True)]
    of_features, of_families = drops[: len(names)], drops[len(names) : len(names) + len(families)]
    return Importance(
        families=_sorted(map(ImportanceRow, families, families, of_families)),
        features=_sorted(map(ImportanceRow, names, [columns.families[name] for name in names], of_features)),
        n=len(table),
        groups=_groups(
            columns.groups,
            drops[len(names) + len(families) :],
            {name: drop.value for name, drop in zip(names, of_features, strict=True)},
        ),
    )


def _groups(
    groups: Sequence[Sequence[str]], drops: Sequence[Estimate], worth: Mapping[str, float]
) -> tuple[ImportanceGroup, ...]:
    """Each group with its most important feature first, by what each is worth alone."""
    found = [
        ImportanceGroup(tuple(sorted(group, key=lambda name: (-worth[name], name))), drop)
        for group, drop in zip(groups, drops, strict=True)
    ]
    return tuple(sorted(found, key=lambda group: (-group.drop.value, group.names)))


def _sorted(rows: Iterable[ImportanceRow]) -> tuple[ImportanceRow, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.drop.value, row.name)))


def _on_table(predict: Callable[[pd.DataFrame], npt.ArrayLike], table: pd.DataFrame) -> Shuffled:
    def ask(names: list[str], order: Ints) -> npt.ArrayLike:
        return predict(
            table.assign(**{name: table[name].take(order).set_axis(table.index) for name in names})
        )

    return ask


def _rise(
    ask: Shuffled,
    names: list[str],
    y: Floats,
    chance: Floats,
    before: Floats,
    shuffles: list[Ints],
) -> Floats:
    """Rise of each row's log loss, averaged over the shuffles of these columns, moved together row by row."""
    rise = np.zeros(len(y))
    if not names:
        return rise
    for number, shuffle in enumerate(shuffles):
        after = np.asarray(ask(names, shuffle), dtype=np.float64)
        if number == 0 and np.array_equal(after, chance):
            return rise  # the model does not use these columns; other shuffles would show it again
        rise += log_losses(y, after) - before
    return rise / len(shuffles)


Direction = Literal["rises", "falls", "peaks", "dips", "differs", "flat", "varies"]

_QUANTILES = np.linspace(0.05, 0.95, 10)
_MOST_WORDS = 8
_LEAST_ROWS = 20
_FLAT = 0.05
_BACK = 0.2


@dataclass(frozen=True)
class ShapePoint(Result):
    """One value of a feature, and the mean probability if every lead had it."""

    value: float | str | None
    """A number, a category, or None for missing."""
    probability: Number
    """Mean probability if every lead had this value."""
    share: Number
    """Of the leads, those that have it, or a value up to it and above the point before."""


@dataclass(frozen=True)
class Shape:
    """How the probability moves with one feature.

    Attributes
    ----------
    name : str
    direction : str
        ``rises`` or ``falls`` with the value, ``peaks`` or ``dips`` in between, ``varies`` to and fro; ``differs``
        between words; ``flat`` where all points lie within a twentieth of the mean probability.
    points : tuple of ShapePoint, numbers in order, words the commonest first, missing last.
    """

    name: str
    direction: Direction
    points: tuple[ShapePoint, ...]


def measure_shapes(
    scores: PartialScores,
    calibrate: Callable[[Floats], Floats],
    names: Sequence[str],
    words: Mapping[str, Sequence[str]],
) -> tuple[Shape, ...]:
    """Partial dependence over the observed values of each feature.

    J. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29, 2001, section
    8.2; over quantiles, so that no lead gets a value that none has.

    Parameters
    ----------
    scores : PartialScores of some leads
    calibrate : from raw scores to probabilities
    names : the features to measure.
    words : for a category its words in the order of their codes; see `TableEncoder.levels_`.

    Returns
    -------
    tuple of Shape, in the order of ``names``; features with fewer than two values are left out.
    """
    mean = float(calibrate(scores.raw).mean())
    shapes = []
    for name in names:
        values = scores.matrix[:, scores.place[name]]
        known = values[~np.isnan(values)]
        is_words = name in words
        places = _common(known, len(words[name])) if is_words else _places(known)
        points = []
        low = -np.inf
        for place in places:
            probability = float(calibrate(scores.change({name: place})).mean())
            has = values == place if is_words else (values > low) & (values <= place)
            shown = words[name][int(place)] if is_words else float(place)
            points.append(ShapePoint(shown, probability, float(has.mean())))
            low = place
        direction: Direction = (
            _of_words(points, mean)
            if is_words
            else describe_direction([point.probability for point in points], mean)
        )
        if np.isnan(values).sum() >= _LEAST_ROWS:
            probability = float(calibrate(scores.change({name: np.nan})).mean())
            points.append(ShapePoint(None, probability, float(np.isnan(values).mean())))
        if len(points) > 1:
            shapes.append(Shape(name, direction, tuple(points)))
    return tuple(shapes)


def _places(known: Floats) -> Floats:
    """The values at the observed quantiles, or all of them where they are few."""
    found: Floats = np.unique(known)
    if len(found) > len(_QUANTILES):
        found = np.unique(np.quantile(known, _QUANTILES, method="inverted_cdf"))
    return found


def _common(codes: Floats, n_words: int) -> Floats:
    """The codes of the commonest words; the code after the last word is no word."""
    found, counts = np.unique(codes[codes < n_words], return_counts=True)
    common: Floats = found[np.argsort(-counts, kind="stable")][:_MOST_WORDS]
    return common


def _of_words(points: Sequence[ShapePoint], mean: float) -> Direction:
    chances = [point.probability for point in points]
    return "flat" if not chances or max(chances) - min(chances) <= _FLAT * mean else "differs"


def describe_direction(chances: Sequence[float], mean: float) -> Direction:
    """One word for a curve.

    Parameters
    ----------
    chances : probabilities at rising values.
    mean : float, the mean probability, which a movement is weighed against.

    Returns
    -------
    str
        ``flat`` if all lie within a twentieth of the mean. Else steps back of up to a fifth of the whole range are
        overlooked: ``rises`` or ``falls`` if no others are left, ``peaks`` or ``dips`` if the curve turns once, and
        ``varies`` if it turns more often.
    """
    if len(chances) < 2 or max(chances) - min(chances) <= _FLAT * mean:
        return "flat"
    slack = _BACK * (max(chances) - min(chances))
    turns = [chances[0]]  # the last value, then each that turns back by more than the slack
    way = 0
    for chance in chances[1:]:
        step = chance - turns[-1]
        if way == 0 or step * way >= 0:
            if abs(step) > (slack if way == 0 else 0.0):
                if way == 0:
                    turns.append(chance)
                    way = 1 if step > 0 else -1
                else:
                    turns[-1] = chance
        elif abs(step) > slack:
            turns.append(chance)
            way = -way
    first = turns[1] - turns[0]
    if len(turns) == 2:
        return "rises" if first > 0 else "falls"
    if len(turns) == 3:
        return "peaks" if first > 0 else "dips"
    return "varies"
