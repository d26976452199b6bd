"""A version's raw scores, reasons and points in one pass; and what its MLflow model answers for a feature table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.errors import ContractError
from mqlml.features import FAMILIES
from mqlml.model import (
    Contributor,
    calibrate,
    choose_signal_reasons,
    family_points,
    find_done,
    format_reasons,
)
from mqlml.model.reasons import Sentences, SignalReasons
from mqlml.policy import GateInputs, interest_points, percentile
from mqlml.registry import Bundle
from mqlml.scoring.labels import team_values
from mqlml.types import Floats

__all__ = [
    "REASON_COLUMNS",
    "SERVED_MODEL",
    "ExplainedScores",
    "Explainer",
    "explain_scores",
    "score_features",
]


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
        raw, interest, families, chosen, start = [], [], [], [], 0
        scorer, calibrator = self.bundle.scorer, self.bundle.calibrator
        for matrix in scorer.encode_in_parts(features):
            rows = features.iloc[start : start + len(matrix)]
            start += len(matrix)
            predicted, added = self._contributor.predict_and_contribute(matrix)
            raw.append(predicted)
            if self.bundle.policy.gated:
                points = family_points(added, self._families)
                profile, channel, actions = (
                    points[:, FAMILIES.index(name)] for name in ("profile", "channel", "actions")
                )
                interest.append(np.column_stack([profile, channel + actions]))
            calibrated = calibrate(added, calibrator)
            families.append(family_points(calibrated, self._families))
            done = find_done(rows, self._signals)
            chosen.append(choose_signal_reasons(calibrated, self._signals, done, number=_REASONS))
        points = np.concatenate(families)
        base = np.full(len(points), calibrated.base)
        return ExplainedScores(
            np.concatenate(raw),
            np.concatenate(interest) if interest else None,
            pd.DataFrame(
                self._format(SignalReasons.join(chosen), features)
                | dict(zip(_POINTS, (*points.T, base), strict=True))
            ),
        )

    def _format(self, chosen: SignalReasons, features: pd.DataFrame) -> dict[str, pd.Series]:
        """The columns of reasons, each sentence written once for all rows."""
        found = format_reasons(chosen, self.bundle.plan.features, features, formatted=self._sentences)
        sentences = pd.array([*found.sentences, ""], dtype="str")[:-1]
        codes = (*found.speaks_for.T, *found.speaks_against.T)
        return {
            name: pd.Series(sentences.take(column, allow_fill=True))
            for name, column in zip((*_FOR, *_AGAINST), codes, strict=True)
        }


def explain_scores(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """The reasons and points of each row of features; see `ExplainedScores`."""
    return Explainer(bundle).explain(features).reasons


SERVED_MODEL = '''"""Loads the bundle beside this script and scores with it; nothing is pickled."""

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from mqlml.registry import load_bundle
from mqlml.scoring import score_features


class ServedModel(PythonModel):
    def load_context(self, context):
        self._bundle = load_bundle(context.artifacts["bundle"], name={name!r}, digest={digest!r})

    def predict(self, context, model_input: pd.DataFrame, params=None):
        return score_features(self._bundle, model_input, **(params or {{}}))


set_model(ServedModel())
'''
"""The script that defines a version's MLflow model.

It is text, since it is no part of the package: MLflow runs it where the model is loaded. ``name`` and ``digest`` are
filled in, so that MLflow refuses another bundle in this one's place, too.
"""


def score_features(
    bundle: Bundle, table: pd.DataFrame, *, labels: bool = True, reasons: bool = True
) -> pd.DataFrame:
    """Score each row of a feature table.

    Parameters
    ----------
    bundle : Bundle
    table : DataFrame
        The version's features, as ``mqlml table`` writes them; missing values and unknown categories are allowed.
        Further columns: ``cutoff_time``, which is handed through (for MLflow in UTC, without a zone), and the columns
        of teams if thresholds differ.
    labels : bool
        Whether to add ``label``.
    reasons : bool
        Whether to add the reasons and points.

    Returns
    -------
    DataFrame
        A row per row of ``table``, with its index: ``cutoff_time`` if given, ``probability``, ``raw_score``,
        ``score``, and what was asked for.

    Raises
    ------
    ContractError
        If a column is missing.
    """
    names = [feature.name for feature in bundle.plan.features]
    if missing := [name for name in (*names, *bundle.policy.team_columns) if name not in table]:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ContractError(
            f"the table must have every column that {bundle.name} reads; missing: "
            f"{', '.join(map(repr, missing[:3]))}{more}. Make it with 'mqlml table'"
        )
    # As features are made: JSON and Spark hand numbers over as float64, and a rounding would move a split.
    features = pd.DataFrame(
        {
            feature.name: table[feature.name].astype("float32" if feature.kind == "number" else "str")
            for feature in bundle.plan.features
        }
    )
    raw = bundle.scorer.decision_function(features)
    probability = bundle.calibrator.predict_proba(raw)[:, 1]
    scores = pd.DataFrame(
        {
            "probability": probability,
            "raw_score": raw,
            "score": np.round(percentile(probability, bundle.reference), 1),
        }
    )
    if "cutoff_time" in table:
        scores.insert(0, "cutoff_time", table["cutoff_time"].to_numpy())
    if labels:
        scores["label"] = pd.Series(
            bundle.policy.assign_labels(probability, _gate_inputs(bundle, table, features)), dtype="str"
        )
    if reasons:
        scores = pd.concat([scores, explain_scores(bundle, features)], axis="columns")
    return scores.set_axis(table.index, axis="index")


def _gate_inputs(bundle: Bundle, table: pd.DataFrame, features: pd.DataFrame) -> GateInputs:
    teams = team_values(table, bundle.policy)
    if not bundle.policy.gated:
        return GateInputs(teams)
    points = interest_points(bundle.scorer, features, [feature.family for feature in bundle.plan.features])
    return GateInputs(teams, fit=points[:, 0], engagement=points[:, 1])
