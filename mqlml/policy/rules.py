"""What overrules a threshold: rules on attributes and events, and hysteresis that keeps a label for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.config import Promote, Rules
from mqlml.features.parsers.conditions import match_conditions, meets_condition
from mqlml.types import Floats, Ints, Objects

__all__ = [
    "KEPT_BY_EXIT",
    "KEPT_BY_HOLD",
    "HoldRule",
    "LastLabels",
    "assign_with_hysteresis",
    "match_promotions",
    "match_rules",
]


def match_rules(leads: pd.DataFrame, rules: Rules, *, folder: Path, email: str | None = None) -> pd.Series:
    """Why each lead is disqualified, by the first rule that holds; missing where none does.

    A rule holds when all conditions of its ``when`` do. Text is compared without case and outer blanks, a number by
    its value (``1`` in the config is ``1.0`` in the table). A missing attribute meets no condition, ``not_in``
    included: nobody is disqualified for an empty field.

    Parameters
    ----------
    leads : DataFrame
        One row per lead, attributes as columns.
    rules : Rules
    folder : path
        The folder of files named by ``in`` and ``not_in`` (one value per line).
    email : str, optional
        The column to take ``mail_domain`` from, where ``leads`` has no column of that name (as
        ``profile.email``); else one with a usual name that holds addresses.

    Returns
    -------
    Series of str, index as ``leads``; missing where no rule holds.

    Raises
    ------
    ConfigError
        If a rule names an unknown column, one of times, or a missing file; or if its list is empty after
        ``not_in``, or holds a bare ``NO`` that YAML reads as false.
    """
    reason = np.full(len(leads), None, dtype=object)
    for position, rule in enumerate(rules.disqualify):
        where = f"rules.disqualify[{position}].when"
        holds = match_conditions(leads, rule.when, where, folder=folder, email=email)
        reason[holds & pd.isna(reason)] = rule.reason
    return pd.Series(reason, index=leads.index, dtype="str")


def match_promotions(
    events: pd.DataFrame,
    snapshots: pd.DataFrame,
    rules: Sequence[Promote],
    levels: Sequence[str],
    *,
    folder: Path,
) -> tuple[Ints, Objects]:
    """The highest level that an event gives each snapshot, and the reason of the first rule of that level.

    An event counts if it occurred and was recorded strictly before the cutoff, and at most ``within`` before it.

    Parameters
    ----------
    events : DataFrame with ``lead_id``, ``occurred_at``, ``recorded_at``, ``action``
    snapshots : DataFrame with ``lead_id``, ``cutoff_time``, one row per snapshot
    rules : ``rules.promote`` of the config
    levels : labels, lowest first
    folder : the folder of files named by a condition

    Returns
    -------
    level : ndarray of int64, shape (n,); 1 for the lowest label, 0 where no event promotes.
    reason : ndarray of str objects, shape (n,); None where no event promotes.

    Raises
    ------
    ConfigError
        If a condition names a file that cannot be read.
    """
    level, reason = np.zeros(len(snapshots), dtype=np.int64), np.full(len(snapshots), None, dtype=object)
    keys = pd.DataFrame(
        {
            "lead_id": snapshots["lead_id"],
            "cutoff_time": snapshots["cutoff_time"],
            "row": np.arange(len(snapshots)),
        }
    )
    places = {name: place for place, name in enumerate(levels, start=1)}
    for number, rule in enumerate(rules):
        where = f"rules.promote[{number}].when.action"
        meets = meets_condition(events["action"], rule.when.action, where, folder)
        matching = events.loc[meets, ["lead_id", "occurred_at", "recorded_at"]]
        pairs = keys.merge(matching, on="lead_id", how="inner")
        counts = (pairs["occurred_at"] < pairs["cutoff_time"]) & (pairs["recorded_at"] < pairs["cutoff_time"])
        if rule.when.within is not None:
            counts &= pairs["occurred_at"] >= pairs["cutoff_time"] - pd.Timedelta(rule.when.within, "us")
        rows = np.unique(pairs.loc[counts, "row"].to_numpy(dtype=np.int64))
        place = places.get(rule.to, 0)
        higher = rows[level[rows] < place]
        level[higher], reason[higher] = place, rule.reason
    return level, reason


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
