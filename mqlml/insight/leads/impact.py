"""What another version means for people: which open leads get another label, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from mqlml.features import FAMILIES
from mqlml.results import Result

__all__ = ["ChangedLead", "Impact", "LabelMove", "measure_impact"]

_SHOWN = 20
_PARTS = (*FAMILIES, "base")


@dataclass(frozen=True)
class LabelMove(Result):
    """Open leads that move from one label to another."""

    before: str
    """The champion's label."""
    after: str
    """The challenger's."""
    leads: int
    """How many move."""
    points: dict[str, float]
    """By family, and ``base``: how much more it contributes to their log-odds with the challenger, on average."""


@dataclass(frozen=True)
class ChangedLead(Result):
    """One open lead with another label."""

    lead_id: int | str
    """Its id."""
    before: str
    """The champion's label."""
    after: str
    """The challenger's."""
    probability: tuple[float, float]
    """The champion's, the challenger's."""
    points: dict[str, float]
    """By family, and ``base``: how much more it contributes to the log-odds with the challenger."""


@dataclass(frozen=True)
class Impact(Result):
    """The open leads, labeled by both versions."""

    as_of: str
    """ISO time at which they are open; for a flat table, that of the comparison."""
    open_leads: int
    """Leads that both versions score."""
    changed: int
    """Of these, those with another label."""
    by_one_only: int
    """Leads that only one of the versions scores, since their age limits or outcomes differ."""
    thresholds: dict[str, tuple[float, float]]
    """By label that both have: the probability from which a lead has it, the champion's and the challenger's; the
    lowest one where teams differ."""
    moves: tuple[LabelMove, ...]
    """By pair of labels, most leads first."""
    leads: tuple[ChangedLead, ...]
    """The twenty whose probability changes most."""


def measure_impact(
    champion: pd.DataFrame,
    challenger: pd.DataFrame,
    *,
    thresholds: tuple[Mapping[str, float], Mapping[str, float]],
    as_of: str,
) -> Impact:
    """Compare the scores of two versions, as by `mqlml.scoring.score`, lead by lead.

    Parameters
    ----------
    champion, challenger : their scores
    thresholds : theirs, by label, lowest first
    as_of : ISO time at which the leads are open
    """
    both = champion.merge(challenger, on="lead_id", suffixes=("_a", "_b"), validate="one_to_one")
    changed = both[both["label_a"] != both["label_b"]].copy()
    for part in _PARTS:
        changed[part] = changed[f"{part}_points_b"] - changed[f"{part}_points_a"]
    distance = (changed["probability_b"] - changed["probability_a"]).abs()
    first = changed.loc[distance.sort_values(ascending=False, kind="stable").index[:_SHOWN]]
    moves = [
        LabelMove(str(before), str(after), len(found), {part: float(found[part].mean()) for part in _PARTS})
        for (before, after), found in changed.groupby(["label_a", "label_b"], sort=True)
    ]
    return Impact(
        as_of=as_of,
        open_leads=len(both),
        changed=len(changed),
        by_one_only=len(champion) + len(challenger) - 2 * len(both),
        thresholds={
            label: (value, thresholds[1][label])
            for label, value in thresholds[0].items()
            if label in thresholds[1]
        },
        moves=tuple(sorted(moves, key=lambda move: -move.leads)),
        leads=tuple(
            ChangedLead(
                row["lead_id"] if isinstance(row["lead_id"], str) else int(row["lead_id"]),
                row["label_a"],
                row["label_b"],
                (float(row["probability_a"]), float(row["probability_b"])),
                {part: float(row[part]) for part in _PARTS},
            )
            for row in first.to_dict("records")
        ),
    )
