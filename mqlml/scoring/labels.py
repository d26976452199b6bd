"""Labels of open leads: probabilities, a policy and the leads go in; each lead's label and its reason come out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ContractError
from mqlml.model import LabelPolicy

__all__ = ["label_leads", "team_values"]

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]


def team_values(leads: pd.DataFrame, policy: LabelPolicy) -> dict[str, Texts]:
    """By column that tells whose threshold counts: each lead's value, the empty text where it has none.

    Raises
    ------
    ContractError
        If the leads lack the column.
    """
    for column in policy.team_columns:
        if column not in leads:
            raise ContractError(
                f"this version's thresholds differ by {column!r}, which the leads lack; bring the column, or train "
                "with one capacity for all"
            )
    return {column: _text(leads[column]) for column in policy.team_columns}


def _text(column: pd.Series) -> Texts:
    return np.asarray(column.astype("str").str.strip().fillna(""), dtype=np.str_)


def label_leads(
    policy: LabelPolicy, probability: Floats, teams: Mapping[str, Texts]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """The label of each lead, and why: the threshold its probability reaches, or the lowest, which it does not.

    Parameters
    ----------
    policy : LabelPolicy
    probability : ndarray of shape (n,)
    teams : as by `team_values`

    Returns
    -------
    labels, reasons : ndarrays of str objects, shape (n,)
    """
    n = len(probability)
    levels = policy.reach(probability, teams=teams).sum(axis=1)
    labels = policy.names[levels].astype(object)
    why = np.empty(n, dtype=object)
    for level, outcome in enumerate(policy.outcomes):
        bar = outcome.bar
        rows = np.flatnonzero(levels == level + 1 if level else levels <= 1)
        bars = bar.of({name: values[rows] for name, values in teams.items()}, len(rows))
        own = teams[bar.column][rows] if bar.column is not None else None
        for place, (row, threshold) in enumerate(zip(rows, bars.tolist(), strict=True)):
            team = str(own[place]) if own is not None else ""
            if math.isinf(threshold):
                why[row] = f"nobody takes leads of {bar.column} {team!r} as {outcome.label.upper()}"
                continue
            value_text, threshold_text = _told_apart(float(probability[row]), threshold)
            sign = "≥" if levels[row] else "<"
            whose = f" of {team}" if team in bar.teams else ""
            why[row] = (
                f"probability {value_text} {sign} {outcome.label.upper()} threshold {threshold_text}{whose}"
            )
    return labels, why


def _told_apart(value: float, threshold: float) -> tuple[str, str]:
    """Both numbers with as few digits, two at least, as show which is greater."""
    for digits in range(2, 17):
        shown = f"{value:#.{digits}g}", f"{threshold:#.{digits}g}"
        if shown[0] != shown[1] or value == threshold:
            break
    return shown
