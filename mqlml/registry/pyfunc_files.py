"""A bundle as an MLflow model: a pyfunc whose code is a script and whose data is the bundle, without any pickle.

Its input is the feature table, its output the score columns; see `mqlml.scoring.score_features`.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mqlml.registry.bundle import Bundle

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

__all__ = ["BUNDLE_IN_MODEL", "save_pyfunc"]

BUNDLE_IN_MODEL = "artifacts/bundle"
"""Where the bundle is in the model's files."""

_REQUIRED = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
_EXAMPLE_DATE = pd.Timestamp("2024-01-01")
"""In UTC; MLflow takes no times with a zone."""


def save_pyfunc(
    folder: Path, bundle: Bundle, bundle_folder: Path, *, code: Path, model_id: str, run_id: str
) -> None:
    """Write the model's files into a new folder.

    Parameters
    ----------
    folder, bundle : Path, Bundle
    bundle_folder : path
        Where `save_bundle` has written the bundle.
    code : path
        The script that defines the model for MLflow.
    model_id, run_id : str
        MLflow's names of the logged model and its run.
    """
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    # Named exactly; MLflow would spend seconds on guessing them. mqlml is whatever release this is.
    packages = [f"{name}=={importlib.metadata.version(name)}" for name in _REQUIRED]
    save_model(
        folder,
        mlflow_model=Model(run_id=run_id, model_uuid=model_id, model_id=model_id),
        python_model=str(code),
        artifacts={"bundle": str(bundle_folder)},
        signature=_make_signature(bundle),
        input_example=_make_example(bundle),
        pip_requirements=[f"mqlml=={bundle.libraries['mqlml']}", *packages],
    )


def _make_signature(bundle: Bundle) -> ModelSignature:
    """A column for each feature and team column and the prediction date; the four columns that always come out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    kinds = {"number": DataType.double, "category": DataType.string}
    columns = [ColSpec(kinds[feature.kind], feature.name) for feature in bundle.plan.features]
    columns += [ColSpec(DataType.string, name) for name in bundle.policy.team_columns]
    columns += [ColSpec(DataType.datetime, "cutoff_time", required=False)]
    params = [ParamSpec(name, DataType.boolean, True) for name in ("labels", "reasons")]
    outputs = [ColSpec(DataType.double, name) for name in ("probability", "raw_score", "score")]
    outputs += [ColSpec(DataType.string, "label")]
    return ModelSignature(inputs=Schema(columns), outputs=Schema(outputs), params=ParamSchema(params))


def _make_example(bundle: Bundle) -> pd.DataFrame:
    """Two made-up rows: zeros with the commonest category each, and a lead of whom nothing is known.

    Rows of the training data would put people's data where everyone who sees the model can read it.
    """
    columns = {}
    for feature in bundle.plan.features:
        levels = bundle.scorer.encoder_.levels_.get(feature.name) or [""]
        known = [levels[0], None] if feature.kind == "category" else [0.0, None]
        columns[feature.name] = pd.Series(known, dtype="object" if feature.kind == "category" else "float64")
    teams = {name: pd.Series(["", ""], dtype="object") for name in bundle.policy.team_columns}
    return pd.DataFrame({**columns, **teams, "cutoff_time": pd.Series([_EXAMPLE_DATE] * 2)})
