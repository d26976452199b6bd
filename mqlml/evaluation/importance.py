"""What the model relies on: held-out leads go in, how much worse it gets without each feature and family comes out.

A column is shuffled among the held-out leads, which breaks its link with everything else and leaves its values as
they are; the rise of the log loss is what the column was worth. Features that say nearly the same stand in for each
other, so each alone looks less important than it is; a family, shuffled as one, shows what its features are worth
together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ScorerError
from mqlml.evaluation.bootstrap import ClusterBootstrap, make_estimate
from mqlml.evaluation.metrics import check_judged, log_losses

__all__ = ["Importance", "ImportanceGroup", "ImportanceRow", "measure_importance"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Shuffled = Callable[[list[str], IntArray], npt.ArrayLike]
"""Probabilities if the columns named were put in another order, together."""


@dataclass(frozen=True)
class ImportanceRow:
    """How much the log loss rises (nats per lead) when one feature, or one family, is shuffled, with a 95 % interval.

    For a family ``name`` and ``family`` are the same.
    """

    name: str
    family: str
    drop: float
    low: float
    high: float


@dataclass(frozen=True)
class ImportanceGroup:
    """The same for features that say nearly the same, shuffled together; the most important of them first."""

    names: tuple[str, ...]
    drop: float
    low: float
    high: float


@dataclass(frozen=True)
class Importance:
    """Families, features and groups of features, the most important first.

    ``n_rows`` is how many held-out rows were used, which is less than there are where they were thinned out.
    """

    families: tuple[ImportanceRow, ...]
    features: tuple[ImportanceRow, ...]
    n_rows: int
    metric: str = "log_loss"
    groups: tuple[ImportanceGroup, ...] = ()


def measure_importance(
    predict: Callable[[pd.DataFrame], npt.ArrayLike],
    X: pd.DataFrame,
    y: npt.ArrayLike,
    families: Mapping[str, str],
    *,
    clusters: npt.ArrayLike,
    random_state: int,
    used: Collection[str] | None = None,
    groups: Sequence[Sequence[str]] = (),
    shuffled: Callable[[IntArray], Shuffled] | None = None,
    n_repeats: int = 3,
    max_rows: int = 5_000,
    n_bootstrap: int = 500,
) -> Importance:
    """Permutation importance on leads the model was not trained on.

    L. Breiman, "Random forests", Machine Learning 45, 2001, section 10; here on later data, with the log loss, and
    with an interval that resamples whole clusters, paired lead by lead with the unshuffled prediction.

    Parameters
    ----------
    predict : function of a table to probabilities, shape (n,)
    X : DataFrame of shape (n, columns)
    y : array of shape (n,), 0 or 1
    families : mapping of column name to family
        Every column of ``X`` must be in it.
    clusters : array of shape (n,)
        The account, or else the lead, of each row.
    random_state : int
    used : collection of str, optional
        The columns that can move a prediction, where that is known; the others are not shuffled.
    groups : sequence of sequences of str, optional
        Columns to be shuffled together.
    shuffled : function, optional
        A quicker way than ``predict`` on a shuffled table: given the rows that are used, the function that predicts
        them with some columns shuffled.
    n_repeats : int
        Shuffles whose losses are averaged.
    max_rows : int
        Above this many rows, this many drawn at random are used: the cost is columns x repeats x rows.
    n_bootstrap : int

    Raises
    ------
    ScorerError
        If a column has no family.
    """
    if unfiled := [str(name) for name in X.columns if name not in families]:
        raise ScorerError(f"every column needs a family; {len(unfiled)} have none, the first {unfiled[0]!r}")
    rng = np.random.default_rng(random_state)
    target, members = np.asarray(y, dtype=np.float64), np.asarray(clusters)
    rows = np.arange(len(X))
    if len(X) > max_rows:
        rows = np.sort(rng.choice(len(X), size=max_rows, replace=False))
        X, target, members = X.iloc[rows], target[rows], members[rows]
    table = X.reset_index(drop=True)
    target, chance = check_judged(target, predict(table))
    before = log_losses(target, chance)
    bootstrap = ClusterBootstrap(members, n_bootstrap=n_bootstrap, random_state=random_state)
    # One set of shuffles for all columns: differences between features are then not those of their shuffles.
    shuffles = [rng.permutation(len(table)) for _ in range(n_repeats)]

    columns = [str(name) for name in table.columns]
    used = set(columns if used is None else used)
    together: list[list[str]] = [[name] for name in columns]
    names_of_families = list(dict.fromkeys(families[name] for name in columns))
    together += [[name for name in columns if families[name] == family] for family in names_of_families]
    together += [list(group) for group in groups]
    ask = _on_table(predict, table) if shuffled is None else shuffled(rows)
    rises = np.column_stack(
        [
            _rise(ask, [name for name in names if name in used], target, chance, before, shuffles)
            for names in together
        ]
    )
    size, *totals = bootstrap.sums(np.ones(len(table)), *rises.T)
    found = [make_estimate(rise.mean(), total / size) for rise, total in zip(rises.T, totals, strict=True)]
    of_families = found[len(columns) : len(columns) + len(names_of_families)]
    worth = {name: one.value for name, one in zip(columns, found[: len(columns)], strict=True)}
    measured = [
        ImportanceGroup(
            tuple(sorted(group, key=lambda name: (-worth[name], name))), one.value, one.low, one.high
        )
        for group, one in zip(groups, found[len(columns) + len(names_of_families) :], strict=True)
    ]
    return Importance(
        families=_sorted(
            ImportanceRow(name, name, one.value, one.low, one.high)
            for name, one in zip(names_of_families, of_families, strict=True)
        ),
        features=_sorted(
            ImportanceRow(name, families[name], one.value, one.low, one.high)
            for name, one in zip(columns, found[: len(columns)], strict=True)
        ),
        n_rows=len(table),
        groups=tuple(sorted(measured, key=lambda group: (-group.drop, group.names))),
    )


def _sorted(rows: Iterable[ImportanceRow]) -> tuple[ImportanceRow, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.drop, row.name)))


def _on_table(predict: Callable[[pd.DataFrame], npt.ArrayLike], table: pd.DataFrame) -> Shuffled:
    def ask(names: list[str], order: IntArray) -> npt.ArrayLike:
        return predict(
            table.assign(**{name: table[name].take(order).set_axis(table.index) for name in names})
        )

    return ask


def _rise(
    ask: Shuffled,
    names: list[str],
    y: FloatArray,
    chance: FloatArray,
    before: FloatArray,
    shuffles: list[IntArray],
) -> FloatArray:
    """Rise of each row's log loss, averaged over the shuffles of these columns, moved together row by row."""
    rise = np.zeros(len(y))
    if not names:
        return rise
    for number, shuffle in enumerate(shuffles):
        after = np.asarray(ask(names, shuffle), dtype=np.float64)
        if number == 0 and np.array_equal(after, chance):
            return rise  # the model does not look at these columns; other shuffles would show it again
        rise += log_losses(y, after) - before
    return rise / len(shuffles)
