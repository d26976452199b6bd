"""The script by which MLflow loads a version's model; it is copied into the model's files, and nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from mqlml.registry import load_bundle
from mqlml.scoring import score_features


class ServedModel(PythonModel):
    """Answers a feature table with its scores."""

    def load_context(self, context: Any) -> None:
        """Load and check the bundle among the model's files."""
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """See `mqlml.scoring.score_features`; ``params`` are its ``labels`` and ``reasons``."""
        return score_features(self._bundle, model_input, **(params or {}))


set_model(ServedModel())
