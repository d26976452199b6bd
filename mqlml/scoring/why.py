"""Why: a version and the features of open leads go in, the reasons and points of their scores come out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mqlml.features import FAMILIES
from mqlml.model import calibrate, choose_reasons, contribute_in_parts, family_points
from mqlml.registry import Bundle

__all__ = ["WHY_COLUMNS", "explain_scores"]

_NUMBER = 3
_FOR = tuple(f"reason_{place + 1}" for place in range(_NUMBER))
_AGAINST = tuple(f"against_{place + 1}" for place in range(_NUMBER))
_POINTS = (*(f"{family}_points" for family in FAMILIES), "base_points")
WHY_COLUMNS = (*_FOR, *_AGAINST, *_POINTS)
"""What speaks for a lead, what against it, the strongest first; what each family adds, and where all leads start."""


def explain_scores(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """The reasons and points of each row of features.

    Returns
    -------
    DataFrame
        `WHY_COLUMNS`, a row for each of ``features``, numbered from 0. The five columns of points sum to the log-odds
        of the calibrated probability (as far as that is not so near 0 or 1 that it was cut off).
    """
    families = [feature.family for feature in bundle.plan.features]
    parts, start = [], 0
    for raw in contribute_in_parts(bundle.scorer, features):
        found = calibrate(raw, bundle.calibrator)
        table = features.iloc[start : start + len(found.added)]
        start += len(table)
        reasons = choose_reasons(found, bundle.plan.features, table, number=_NUMBER)
        words = pd.array([*reasons.sentences, ""], dtype="str")[:-1]
        said = np.column_stack([reasons.speaks_for, reasons.speaks_against])
        part = {
            name: pd.Series(words.take(codes, allow_fill=True))
            for name, codes in zip((*_FOR, *_AGAINST), said.T, strict=True)
        }
        points = np.column_stack([family_points(found, families), np.full(len(table), found.base)])
        parts.append(pd.DataFrame({**part, **dict(zip(_POINTS, points.T, strict=True))}))
    return pd.concat(parts, ignore_index=True)
