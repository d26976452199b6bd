"""Hysteresis keeps a label for a while, so that a lead at the edge of a threshold does not change every day.

A label is kept for a set time (``hold``), and until the probability is clearly below the threshold (``exit``). The
state is read from the last scores, so a job run twice gives the same labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mqlml.types import Floats, Ints

__all__ = ["KEPT_BY_EXIT", "KEPT_BY_HOLD", "HoldRule", "LastLabels", "assign_with_hysteresis"]

KEPT_BY_HOLD, KEPT_BY_EXIT = 1, 2
"""Why a lead has a higher level than its probability gives it now; 0 where it does not."""


@dataclass(frozen=True)
class HoldRule:
    """How long a level is kept.

    Attributes
    ----------
    hold : int, microseconds for which it is kept at least
    exit : float or None
        The share of the threshold below which it is lost; None for the threshold itself.
    """

    hold: int = 0
    exit: float | None = None


@dataclass(frozen=True)
class LastLabels:
    """Each lead's level in the last scores.

    Attributes
    ----------
    level : ndarray of int64, shape (n,)
        The number of levels it had; 0 for none, or for a new lead.
    since : ndarray of int64, shape (n,)
        Microseconds: start of the unbroken time at this level or a higher one; undefined at level 0.
    """

    level: Ints
    since: Ints


def assign_with_hysteresis(
    probability: Floats,
    level: Ints,
    thresholds: Floats,
    last: LastLabels,
    *,
    now: int,
    hold_rules: Sequence[HoldRule],
) -> tuple[Ints, Ints, Ints]:
    """Levels now, including those kept from the last scores.

    A lead that had level k or a higher one keeps k while ``now`` is less than its ``hold`` after ``since``, or while
    its probability is at least ``exit`` times the threshold of k. It has the highest level that it meets or keeps.

    Parameters
    ----------
    probability : ndarray of shape (n,)
    level : ndarray of int64, shape (n,)
        The number of levels each lead meets by itself now.
    thresholds : ndarray of shape (n, number of levels)
        The threshold of each level for each lead.
    last : LastLabels
    now : int, microseconds
    hold_rules : one for each level, lowest first

    Returns
    -------
    level, since, kept : ndarrays of int64, shape (n,)
        ``since`` as in `LastLabels`: ``now`` for a new level. ``kept`` is 0, `KEPT_BY_HOLD` or
        `KEPT_BY_EXIT`.
    """
    found, kept = level.astype(np.int64), np.zeros(len(level), dtype=np.int64)
    for number, rule in enumerate(hold_rules, start=1):
        had = (last.level >= number) & (found < number)
        held = had & (now - last.since < rule.hold)
        near = np.zeros(len(level), dtype=bool)
        if rule.exit is not None:
            near = had & (probability >= rule.exit * thresholds[:, number - 1])
        kept = np.where(held, KEPT_BY_HOLD, np.where(near, KEPT_BY_EXIT, kept))
        found = np.where(held | near, number, found)
    since = np.where((found > last.level) | (last.level == 0), now, last.since)
    return found, since, kept
