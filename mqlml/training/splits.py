"""Splits in time: which rows a model learns from and which later rows it is evaluated on.

Every split keeps two rules. A training row's label window ends at or before the first cutoff of the test rows, so no
outcome of the test period is learned from. And no model is evaluated on a lead if it learned from the lead's account
or earlier snapshots.

The second rule has a trap. A lead of the test period was still open then, so leaving all of them out of the past
leaves mostly leads that had ended, winners first among them: on a weekly grid, where many leads are in both, that
raised the share of conversions to learn from by half. Hence, where many are in both, groups are assigned to
cross-fitting parts at random, and each part is evaluated with a model that learned from the other parts.
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
"""Up to this share of the earlier rows is left out; more would change the training population."""

N_PARTS = 3


@dataclass(frozen=True)
class Fold:
    """Rows to learn from and later rows to evaluate on.

    Attributes
    ----------
    train, test : ndarray of int, row positions.
        ``train`` is in order of time, ``test`` part by part and in order of time within each.
    parts : tuple of (train, test)
        What each model learns from and is evaluated on: one pair for the whole fold, or one for each cross-fitting
        part. Their ``test`` rows, one after another, are the fold's.
    start, end : first and last position in time that ``test`` covers (same unit as ``time``).
    purged : number of earlier rows left out because their lead or account is in ``test``; 0 where there are parts.
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
        parts = _assign_parts(group, before, test)
        if all(len(train) for train, _ in parts):
            return Fold(before, np.concatenate([test for _, test in parts]), parts, start, end, 0)
    return Fold(clean, test, ((clean, test),), start, end, purged)


def _assign_parts(group: Rows, before: Rows, test: Rows) -> tuple[tuple[Rows, Rows], ...]:
    """Training and test rows of each cross-fitting part; a group's part does not depend on the rows."""
    rng = np.random.default_rng(0)
    part = rng.permutation(int(group.max()) + 1) % N_PARTS
    of_before, of_test = part[group[before]], part[group[test]]
    return tuple((before[of_before != number], test[of_test == number]) for number in np.unique(of_test))


def _by_time(time: npt.NDArray[np.int64], rows: Rows) -> Rows:
    return rows[np.argsort(time[rows], kind="stable")]


def holdout_split(time: npt.NDArray[np.int64], group: Rows, *, label_span: int, share: float) -> Fold:
    """Hold out the last period from every choice; what may be learned from lies before it.

    Parameters
    ----------
    time : ndarray of int64
        Each row's position in time (microseconds, or the rank of a flat table's order).
    group : ndarray of int
        Each row's lead, or account where it has one.
    label_span : int
        Gap plus horizon, in the unit of ``time``; 0 for a flat table.
    share : float
        Share of rows to hold out, as nearly as ties in time allow, which stay together.

    Raises
    ------
    PopulationError
        If no row is a full label window older than the held-out period.
    """
    rows = _by_time(time, np.arange(len(time)))
    start = time[rows[min(int(np.ceil(len(rows) * (1 - share))), len(rows) - 1)]]
    fold = _fold(time, group, label_span, rows, rows[time[rows] >= start])
    if len(fold.train) == 0:
        reason = "the history is too short"
        remedy = "Shorten problem.horizon, bring a longer history, or lower problem.holdout"
        if fold.purged:
            reason = "every earlier row shares a lead or account with it"
            remedy = "Bring more accounts or a longer history, or lower problem.holdout"
        elif label_span == 0:
            reason = "no row comes before it in the order"
            remedy = "Name a finer data.flat.order, or several columns, or lower problem.holdout"
        raise PopulationError(
            f"nothing is left to learn from before the held-out last {share:.0%} of cutoffs: {reason}. {remedy}"
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
    """Rolling folds inside ``rows``: each learns from the past and is evaluated on the next period.

    ::

        time     ------------------------------------------------------------->
        fold 1   [ train          ]  span  [ test ]
        fold 2   [ train                  ]  span  [ test ]
        fold 3   [ train                          ]  span  [ test ]

    ``span`` is ``label_span``: the label windows of the training rows end before the test period begins. The first
    period starts as soon as ``min_positives`` conversions (and as many others) can be learned from. Where times are
    dates (``dated``), the rest is cut into calendar periods, at most ``n_folds`` of them: see `cut_calendar`. An
    order without dates is cut into ``n_folds`` periods of about as many rows each. A fold whose training rows hold
    too few conversions after purging is left out, and so is a period without rows, so the list may be shorter than
    ``n_folds``, or empty.
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
