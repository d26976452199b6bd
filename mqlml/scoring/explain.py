"""A version's raw scores, reasons and points are computed together, in one pass over encoded features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.features import FAMILIES
from mqlml.model import Contributor, calibrate, choose_reasons, family_points
from mqlml.model.reasons import Sentences
from mqlml.registry import Bundle
from mqlml.types import Floats

__all__ = ["REASON_COLUMNS", "ExplainedScores", "Explainer", "explain_scores"]

_REASONS = 3
_FOR = tuple(f"reason_{number + 1}" for number in range(_REASONS))
_AGAINST = tuple(f"against_{number + 1}" for number in range(_REASONS))
_POINTS = (*(f"{family}_points" for family in FAMILIES), "base_points")
REASON_COLUMNS = (*_FOR, *_AGAINST, *_POINTS)
"""Reasons for and against a lead, strongest first, and the points of each family and of the base rate."""


@dataclass(frozen=True)
class ExplainedScores:
    """What the model says of n rows of features.

    Attributes
    ----------
    raw : ndarray of float64, shape (n,)
        Log-odds before calibration.
    interest : ndarray of float64, shape (n, 2), or None
        Fit and engagement in uncalibrated log-odds; None where no label has a gate.
    reasons : DataFrame of n rows
        `REASON_COLUMNS`, numbered from 0. The five columns of points sum to the log-odds of the calibrated
        probability, unless that was clipped near 0 or 1.
    """

    raw: Floats
    interest: Floats | None
    reasons: pd.DataFrame


class Explainer:
    """A bundle prepared for any number of tables: Shapley tables and sentences are made once.

    Parameters
    ----------
    bundle : Bundle
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._contributor = Contributor(bundle.scorer)
        self._families = [feature.family for feature in bundle.plan.features]
        self._signals = bundle.reason_signals
        self._sentences: Sentences = {}

    def explain(self, features: pd.DataFrame) -> ExplainedScores:
        """Score and explain each row of features.

        Raises
        ------
        ScorerError
            If the columns are not those of the training.
        """
        raw, interest, tables, start = [], [], [], 0
        scorer = self.bundle.scorer
        for matrix in scorer.encode_in_parts(features):
            rows = features.iloc[start : start + len(matrix)]
            start += len(matrix)
            raw.append(scorer.predict_matrix(matrix))
            added = self._contributor.contribute(matrix)
            if self.bundle.policy.gated:
                points = family_points(added, self._families)
                profile, channel, actions = (
                    points[:, FAMILIES.index(name)] for name in ("profile", "channel", "actions")
                )
                interest.append(np.column_stack([profile, channel + actions]))
            calibrated = calibrate(added, self.bundle.calibrator)
            chosen = choose_reasons(
                calibrated,
                self.bundle.plan.features,
                rows,
                self._signals,
                number=_REASONS,
                formatted=self._sentences,
            )
            sentences = pd.array([*chosen.sentences, ""], dtype="str")[:-1]
            codes = np.column_stack([chosen.speaks_for, chosen.speaks_against])
            texts = {
                name: pd.Series(sentences.take(column, allow_fill=True))
                for name, column in zip((*_FOR, *_AGAINST), codes.T, strict=True)
            }
            points = family_points(calibrated, self._families)
            points = np.column_stack([points, np.full(len(rows), calibrated.base)])
            tables.append(pd.DataFrame({**texts, **dict(zip(_POINTS, points.T, strict=True))}))
        return ExplainedScores(
            np.concatenate(raw),
            np.concatenate(interest) if interest else None,
            pd.concat(tables, ignore_index=True),
        )


def explain_scores(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """The reasons and points of each row of features; see `ExplainedScores`."""
    return Explainer(bundle).explain(features).reasons
