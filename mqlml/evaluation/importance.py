"""What the model relies on: held-out leads go in, how much worse it gets without each feature and family comes out.

A column is shuffled among the held-out leads, which breaks its link with everything else and leaves its values as
they are; the rise of the log loss is what the column was worth. Features that say nearly the same stand in for each
other, so each alone looks less important than it is; a family, shuffled as one, shows what its features are worth
together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ScorerError
from mqlml.evaluation.bootstrap import ClusterBootstrap, make_estimate
from mqlml.evaluation.metrics import check_judged, log_losses

__all__ = ["Importance", "ImportanceRow", "measure_importance"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


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
class Importance:
    """Families and features, the most important first.

    ``n_rows`` is how many held-out rows were used, which is less than there are where they were thinned out.
    """

    families: tuple[ImportanceRow, ...]
    features: tuple[ImportanceRow, ...]
    n_rows: int
    metric: str = "log_loss"


def measure_importance(
    predict: Callable[[pd.DataFrame], npt.ArrayLike],
    X: pd.DataFrame,
    y: npt.ArrayLike,
    families: Mapping[str, str],
    *,
    clusters: npt.ArrayLike,
    random_state: int,
    used: Collection[str] | None = None,
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
    if len(X) > max_rows:
        rows = np.sort(rng.choice(len(X), size=max_rows, replace=False))
        X, target, members = X.iloc[rows], target[rows], members[rows]
    # A copy, since its columns are shuffled in place and put back.
    table = X.reset_index(drop=True).copy()
    target, chance = check_judged(target, predict(table))
    before = log_losses(target, chance)
    bootstrap = ClusterBootstrap(members, n_bootstrap=n_bootstrap, random_state=random_state)
    # One set of shuffles for all columns: differences between features are then not those of their shuffles.
    shuffles = [rng.permutation(len(table)) for _ in range(n_repeats)]

    columns = [str(name) for name in table.columns]
    used = set(columns if used is None else used)
    groups: list[tuple[str, str, list[str]]] = [(name, families[name], [name]) for name in columns]
    for family in dict.fromkeys(families[name] for name in columns):
        groups.append((family, family, [name for name in columns if families[name] == family]))
    rises = np.column_stack(
        [
            _rise(predict, table, [n for n in names if n in used], target, chance, before, shuffles)
            for _, _, names in groups
        ]
    )
    size, *totals = bootstrap.sums(np.ones(len(table)), *rises.T)
    measured = []
    for (name, family, _), rise, total in zip(groups, rises.T, totals, strict=True):
        estimate = make_estimate(rise.mean(), total / size)
        measured.append(ImportanceRow(name, family, estimate.value, estimate.low, estimate.high))
    return Importance(
        families=_sorted(measured[len(columns) :]),
        features=_sorted(measured[: len(columns)]),
        n_rows=len(table),
    )


def _sorted(rows: Sequence[ImportanceRow]) -> tuple[ImportanceRow, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.drop, row.name)))


def _rise(
    predict: Callable[[pd.DataFrame], npt.ArrayLike],
    table: pd.DataFrame,
    names: list[str],
    y: FloatArray,
    chance: FloatArray,
    before: FloatArray,
    shuffles: list[IntArray],
) -> FloatArray:
    """Rise of each row's log loss, averaged over the shuffles of these columns, moved together row by row."""
    kept = {name: table[name] for name in names}
    rise = np.zeros(len(table))
    if not names:
        return rise
    for number, shuffle in enumerate(shuffles):
        shuffled = {name: column.take(shuffle).set_axis(table.index) for name, column in kept.items()}
        changed = table.assign(**shuffled)
        after = np.asarray(predict(changed), dtype=np.float64)
        if number == 0 and np.array_equal(after, chance):
            return rise  # the model does not look at these columns; other shuffles would show it again
        rise += log_losses(y, after) - before
    return rise / len(shuffles)
