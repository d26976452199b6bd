"""Scores a feature table with a version: what its MLflow model answers, wherever it is served.

The labels are those of the version's thresholds. Rules of a config (who is turned away, who is promoted at once) and
labels kept from earlier scores need the journeys; `mqlml.score` applies them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mqlml.errors import ContractError
from mqlml.policy import GateInputs, interest_points, percentile
from mqlml.registry import Bundle
from mqlml.scoring.explain import explain_scores
from mqlml.scoring.labels import team_values

__all__ = ["SERVED_MODEL", "score_features"]

SERVED_MODEL = '''"""Loads the bundle beside this script and scores with it; nothing is pickled."""

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from mqlml.registry import load_bundle
from mqlml.scoring import score_features


class ServedModel(PythonModel):
    def load_context(self, context):
        self._bundle = load_bundle(context.artifacts["bundle"])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        return score_features(self._bundle, model_input, **(params or {}))


set_model(ServedModel())
'''
"""The script that defines a version's MLflow model.

It is text, since it is no part of the package: MLflow runs it where the model is loaded.
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
