"""Splits in time: which rows a model learns from and which later rows judge it.

Every split keeps two promises. A training row's label window ends at or before the first cutoff it is judged on
(so no outcome of the judged period is learned from), and a lead, with everyone of its account, is on one side only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mqlml.errors import PopulationError

__all__ = ["Fold", "holdout_split", "rolling_folds"]

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Fold:
    """Rows to learn from and later rows to judge on.

    Attributes
    ----------
    train, test : ndarray of int, row positions, in order of time.
    start, end : first and last position in time that ``test`` covers (same unit as ``time``).
    purged : number of earlier rows left out because their lead or account is judged.
    """

    train: Rows
    test: Rows
    start: int
    end: int
    purged: int


def _fold(time: npt.NDArray[np.int64], group: Rows, reach: int, rows: Rows, test: Rows) -> Fold:
    start = int(time[test].min())
    before = rows[(time[rows] < start) & (time[rows] + reach <= start)]
    clean = before[~np.isin(group[before], group[test])]
    return Fold(clean, test, start, int(time[test].max()), len(before) - len(clean))


def _by_time(time: npt.NDArray[np.int64], rows: Rows) -> Rows:
    return rows[np.argsort(time[rows], kind="stable")]


def holdout_split(time: npt.NDArray[np.int64], group: Rows, *, reach: int, share: float) -> Fold:
    """The last period, held out from every choice, and what may be learned from before it.

    Parameters
    ----------
    time : ndarray of int64
        Each row's position in time (microseconds, or the rank of a flat table's order).
    group : ndarray of int
        Each row's lead, or account where it has one.
    reach : int
        Gap plus horizon, in the unit of ``time``; 0 for a flat table.
    share : float
        Share of rows to hold out; ties in time stay together, so it is met as nearly as they allow.

    Raises
    ------
    PopulationError
        If no row is a full label window older than the held-out period.
    """
    rows = _by_time(time, np.arange(len(time)))
    start = time[rows[min(int(np.ceil(len(rows) * (1 - share))), len(rows) - 1)]]
    fold = _fold(time, group, reach, rows, rows[time[rows] >= start])
    if len(fold.train) == 0:
        why = "the history is too short"
        remedy = "Shorten problem.horizon, bring a longer history, or lower problem.holdout"
        if fold.purged:
            why = "every earlier row shares a lead or account with it"
            remedy = "Bring more accounts or a longer history, or lower problem.holdout"
        elif reach == 0:
            why = "no row comes before it in the order"
            remedy = "Name a finer data.flat.order, or several columns, or lower problem.holdout"
        raise PopulationError(
            f"nothing is left to learn from before the held-out last {share:.0%} of cutoffs: {why}. {remedy}"
        )
    return fold


def rolling_folds(
    time: npt.NDArray[np.int64],
    label: npt.NDArray[np.int8],
    group: Rows,
    rows: Rows,
    *,
    reach: int,
    n_folds: int,
    min_positives: int,
) -> list[Fold]:
    """Forward folds inside ``rows``: each learns from the past and is judged on the next period.

    The first period starts as soon as ``min_positives`` conversions (and as many others) can be learned from; the
    rest of the time is cut into ``n_folds`` periods of about as many rows each. A fold whose training rows hold
    fewer after purging is left out, so the list may be shorter than asked for, or empty.
    """
    rows = _by_time(time, rows)
    ends = np.sort(time[rows] + reach)
    positive = label[rows] == 1
    wins, others = (np.sort(time[rows[mask]] + reach) for mask in (positive, ~positive))
    if min(len(wins), len(others)) < min_positives:
        return []
    first = max(int(wins[min_positives - 1]), int(others[min_positives - 1]), int(ends[0]))
    later = rows[(time[rows] >= first) & (time[rows] > time[rows[0]])]
    if len(later) == 0:
        return []
    cuts = np.unique(time[later[(len(later) * np.arange(n_folds)) // n_folds]])
    part = np.searchsorted(cuts, time[later], side="right")
    folds = []
    for number in range(1, len(cuts) + 1):
        fold = _fold(time, group, reach, rows, later[part == number])
        wins_left = int(label[fold.train].sum())
        if min(wins_left, len(fold.train) - wins_left) >= min_positives:
            folds.append(fold)
    return folds
