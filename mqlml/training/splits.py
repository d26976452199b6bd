"""Splits in time: which rows a model learns from and which later rows judge it.

Every split keeps two promises. A training row's label window ends at or before the first cutoff it is judged on
(so no outcome of the judged period is learned from), and no model judges a lead whose account, or whose own earlier
looks, it learned from.

The second promise has a trap. Whoever is judged later was still open later, so leaving all of them out of the past
leaves mostly those that had ended by then, winners first among them: on a weekly grid, where many leads are in both,
that raised the share of conversions to learn from by half. Hence, where many are in both, groups are dealt into parts
at random, and each part is judged by a model of its own, which learned from the other parts, whatever became of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mqlml.errors import PopulationError
from mqlml.times import DAY, month_starts, months_since_1970
from mqlml.types import Micros, Rows

__all__ = ["Fold", "cut_calendar", "holdout_split", "rolling_folds"]

_FIRST_MONDAY = 4  # 1970-01-05, in days since 1970


def _every_days(days: int, offset: int) -> Callable[[int, int], Micros]:
    """Starts of periods of a fixed number of days, counted from one day of 1970."""

    def starts(first: int, last: int) -> Micros:
        length, origin = days * DAY, offset * DAY
        return np.arange((first - origin) // length, (last - origin) // length + 1) * length + origin

    return starts


def _every_months(months: int) -> Callable[[int, int], Micros]:
    """Starts of periods of a number of months that divides the year, or of whole years, counted from a January."""

    def starts(first: int, last: int) -> Micros:
        low, high = months_since_1970(np.array([first, last])) // months * months
        return month_starts(np.arange(low, high + 1, months))

    return starts


_UNITS: tuple[Callable[[int, int], Micros], ...] = (
    _every_days(1, 0),
    _every_days(7, _FIRST_MONDAY),
    _every_days(14, _FIRST_MONDAY),
    _every_months(1),
    _every_months(2),
    _every_months(3),
    _every_months(6),
    *(_every_months(12 * years) for years in (1, 2, 5, 10, 25, 100)),
)
"""Days, weeks from Monday, fortnights, months, two months, quarters, half-years, years; in UTC."""


def cut_calendar(first: int, last: int, *, most: int) -> Micros:
    """Cut ``[first, last]`` into at most ``most`` calendar periods, of the shortest unit that makes so few.

    What is left at either end, less than half a period long, joins its neighbour.

    Parameters
    ----------
    first, last : int, microseconds since 1970, both included.
    most : int, at least 1.

    Returns
    -------
    ndarray of int64, microseconds: where each period begins, the first at ``first``.
    """
    for starts in _UNITS:
        cuts = starts(first, last)
        inner = cuts[(cuts > first) & (cuts <= last)]
        if len(inner) and inner[0] - first < _half(cuts, 0):
            inner = inner[1:]
        if len(inner) and last + 1 - inner[-1] < _half(cuts, len(cuts) - 2):
            inner = inner[:-1]
        if len(inner) < most:
            return np.concatenate([[first], inner]).astype(np.int64)
    return np.array([first], dtype=np.int64)


def _half(cuts: Micros, place: int) -> float:
    return float(cuts[place + 1] - cuts[place]) / 2


MOST_PURGED = 0.1
"""Up to this share of the earlier rows is simply left out; more would change who is learned from."""

N_PARTS = 3


@dataclass(frozen=True)
class Fold:
    """Rows to learn from and later rows to judge on.

    Attributes
    ----------
    train, test : ndarray of int, row positions.
        ``train`` is in order of time, ``test`` part by part and in order of time within each.
    parts : tuple of (train, test)
        What each model learns from and judges: one for the whole fold, or one for each part that groups were dealt
        into. Their ``test`` rows, one after another, are the fold's.
    start, end : first and last position in time that ``test`` covers (same unit as ``time``).
    purged : number of earlier rows left out because their lead or account is judged; 0 where there are parts.
    """

    train: Rows
    test: Rows
    parts: tuple[tuple[Rows, Rows], ...]
    start: int
    end: int
    purged: int


def _fold(time: npt.NDArray[np.int64], group: Rows, label_span: int, rows: Rows, test: Rows) -> Fold:
    start = int(time[test].min())
    end = int(time[test].max())
    before = rows[(time[rows] < start) & (time[rows] + label_span <= start)]
    clean = before[~np.isin(group[before], group[test])]
    purged = len(before) - len(clean)
    if purged > MOST_PURGED * len(before):
        parts = _deal(group, before, test)
        if all(len(train) for train, _ in parts):
            return Fold(before, np.concatenate([judged for _, judged in parts]), parts, start, end, 0)
    return Fold(clean, test, ((clean, test),), start, end, purged)


def _deal(group: Rows, before: Rows, test: Rows) -> tuple[tuple[Rows, Rows], ...]:
    """Rows to learn from and to judge on, part by part; groups are dealt alike whatever the rows."""
    rng = np.random.default_rng(0)
    part = rng.permutation(int(group.max()) + 1) % N_PARTS
    of_before, of_test = part[group[before]], part[group[test]]
    return tuple((before[of_before != number], test[of_test == number]) for number in np.unique(of_test))


def _by_time(time: npt.NDArray[np.int64], rows: Rows) -> Rows:
    return rows[np.argsort(time[rows], kind="stable")]


def holdout_split(time: npt.NDArray[np.int64], group: Rows, *, label_span: int, share: float) -> Fold:
    """The last period, held out from every choice, and what may be learned from before it.

    Parameters
    ----------
    time : ndarray of int64
        Each row's position in time (microseconds, or the rank of a flat table's order).
    group : ndarray of int
        Each row's lead, or account where it has one.
    label_span : int
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
    fold = _fold(time, group, label_span, rows, rows[time[rows] >= start])
    if len(fold.train) == 0:
        why = "the history is too short"
        remedy = "Shorten problem.horizon, bring a longer history, or lower problem.holdout"
        if fold.purged:
            why = "every earlier row shares a lead or account with it"
            remedy = "Bring more accounts or a longer history, or lower problem.holdout"
        elif label_span == 0:
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
    label_span: int,
    n_folds: int,
    min_positives: int,
    dated: bool = False,
) -> list[Fold]:
    """Forward folds inside ``rows``: each learns from the past and is judged on the next period.

    The first period starts as soon as ``min_positives`` conversions (and as many others) can be learned from. Where
    times are dates (``dated``), the rest is cut into calendar periods, at most ``n_folds`` of them: see
    `cut_calendar`. An order without dates is cut into ``n_folds`` periods of about as many rows each. A fold whose
    training rows hold too few conversions after purging is left out, and so is one that nobody falls into, so the
    list may be shorter than asked for, or empty.
    """
    rows = _by_time(time, rows)
    ends = np.sort(time[rows] + label_span)
    positive = label[rows] == 1
    wins, others = (np.sort(time[rows[mask]] + label_span) for mask in (positive, ~positive))
    if min(len(wins), len(others)) < min_positives:
        return []
    first = max(int(wins[min_positives - 1]), int(others[min_positives - 1]), int(ends[0]))
    later = rows[(time[rows] >= first) & (time[rows] > time[rows[0]])]
    if len(later) == 0:
        return []
    if dated:
        cuts = cut_calendar(int(time[later[0]]), int(time[later[-1]]), most=n_folds)
    else:
        cuts = np.unique(time[later[(len(later) * np.arange(n_folds)) // n_folds]])
    part = np.searchsorted(cuts, time[later], side="right")
    folds = []
    for number in np.unique(part):
        fold = _fold(time, group, label_span, rows, later[part == number])
        wins_left = [(int(label[train].sum()), len(train)) for train, _ in fold.parts]
        if min(min(wins, size - wins) for wins, size in wins_left) >= min_positives:
            folds.append(fold)
    return folds
