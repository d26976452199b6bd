"""Memory: the labels of now and of the last time go in; labels that do not flap, and since when, come out.

A lead at the edge of a threshold would have its label one day and lose it the next. A label may therefore be kept for
a while (``hold``), and until the probability has fallen clearly below the threshold (``exit``). All there is to
remember stands in the last scores, so that a job run twice gives the same labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mqlml.types import Floats, Ints

__all__ = ["KEPT_BY_EXIT", "KEPT_BY_HOLD", "HoldRule", "LastLabels", "assign_with_hysteresis"]

KEPT_BY_HOLD, KEPT_BY_EXIT = 1, 2
"""Why a lead has a higher level than its probability gives it now; 0 where it has not."""


@dataclass(frozen=True)
class HoldRule:
    """How a level is kept once it is reached.

    Attributes
    ----------
    hold : int, microseconds for which it is kept at least
    exit : float or None
        The share of the threshold below which it is left; None for the threshold itself.
    """

    hold: int = 0
    exit: float | None = None


@dataclass(frozen=True)
class LastLabels:
    """What each lead was the last time.

    Attributes
    ----------
    level : ndarray of int64, shape (n,)
        How many levels it had reached; 0 for none, or a lead not seen before.
    since : ndarray of int64, shape (n,)
        Microseconds: from when it has had this level or a higher one without a break; means nothing at level 0.
    """

    level: Ints
    since: Ints


def assign_with_hysteresis(
    probability: Floats,
    level: Ints,
    bars: Floats,
    last: LastLabels,
    *,
    now: int,
    hold_rules: Sequence[HoldRule],
) -> tuple[Ints, Ints, Ints]:
    """Levels of now, with what leads keep of their last ones.

    A lead that had level k or a higher one keeps k while ``now`` is less than its ``hold`` after ``since``, or while
    its probability is at least ``exit`` times the threshold of k. It has the highest level that it reaches or keeps.

    Parameters
    ----------
    probability : ndarray of shape (n,)
    level : ndarray of int64, shape (n,)
        How many levels each lead reaches by itself now.
    bars : ndarray of shape (n, number of levels)
        The threshold of each level for each lead.
    last : Remembered
    now : int, microseconds
    hold_rules : one for each level, lowest first

    Returns
    -------
    level, since, kept : ndarrays of int64, shape (n,)
        ``since`` as in `LastLabels`: ``now`` for a level newly reached. ``kept`` is 0, `KEPT_BY_HOLD` or
        `KEPT_BY_EXIT`.
    """
    found, kept = level.astype(np.int64), np.zeros(len(level), dtype=np.int64)
    for number, stay in enumerate(hold_rules, start=1):
        had = (last.level >= number) & (found < number)
        held = had & (now - last.since < stay.hold)
        near = np.zeros(len(level), dtype=bool)
        if stay.exit is not None:
            near = had & (probability >= stay.exit * bars[:, number - 1])
        kept = np.where(held, KEPT_BY_HOLD, np.where(near, KEPT_BY_EXIT, kept))
        found = np.where(held | near, number, found)
    since = np.where((found > last.level) | (last.level == 0), now, last.since)
    return found, since, kept
