"""Acts that promote at once: events, looks and rules go in; the level each look is given by an act comes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.config import Promote
from mqlml.scoring.rules import meets_condition
from mqlml.types import Ints, Objects

__all__ = ["match_acts"]


def match_acts(
    events: pd.DataFrame,
    looks: pd.DataFrame,
    rules: Sequence[Promote],
    levels: Sequence[str],
    *,
    folder: Path,
) -> tuple[Ints, Objects]:
    """The highest level that an act gives each look, and the reason of its rule, the first one of that level.

    An act counts if it happened and was known strictly before the cutoff, and happened at most ``within`` before it.

    Parameters
    ----------
    events : DataFrame with ``lead_id``, ``occurred_at``, ``recorded_at``, ``action``
    looks : DataFrame with ``lead_id``, ``cutoff_time``, one row per look
    rules : ``rules.promote`` of the config
    levels : labels, lowest first
    folder : where files named by a condition are looked up

    Returns
    -------
    level : ndarray of int64, shape (n,); 1 for the lowest label, 0 where no act promotes.
    reason : ndarray of str objects, shape (n,); None where no act promotes.

    Raises
    ------
    ConfigError
        If a condition names a file that cannot be read.
    """
    level, reason = np.zeros(len(looks), dtype=np.int64), np.full(len(looks), None, dtype=object)
    keys = pd.DataFrame(
        {"lead_id": looks["lead_id"], "cutoff_time": looks["cutoff_time"], "row": np.arange(len(looks))}
    )
    places = {name: place for place, name in enumerate(levels, start=1)}
    for number, rule in enumerate(rules):
        where = f"rules.promote[{number}].when.action"
        meets = meets_condition(events["action"], rule.when.action, where, folder)
        acts = events.loc[meets, ["lead_id", "occurred_at", "recorded_at"]]
        pairs = keys.merge(acts, on="lead_id", how="inner")
        counts = (pairs["occurred_at"] < pairs["cutoff_time"]) & (pairs["recorded_at"] < pairs["cutoff_time"])
        if rule.when.within is not None:
            counts &= pairs["occurred_at"] >= pairs["cutoff_time"] - pd.Timedelta(rule.when.within, "us")
        rows = np.unique(pairs.loc[counts, "row"].to_numpy(dtype=np.int64))
        place = places.get(rule.to, 0)
        higher = rows[level[rows] < place]
        level[higher], reason[higher] = place, rule.reason
    return level, reason
