"""What a training run shows in MLflow, as typed items, and its bundle as a pyfunc model without any pickle."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mqlml.evaluation import TrainingResult
from mqlml.evaluation.metrics import Metrics
from mqlml.registry.bundle import Bundle
from mqlml.registry.bundle_files import to_json
from mqlml.results import to_json_safe

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

__all__ = [
    "BUNDLE_IN_MODEL",
    "METRICS_FILE",
    "Measured",
    "RunFile",
    "RunItem",
    "Setting",
    "UsedData",
    "make_run_items",
    "save_pyfunc",
]


METRICS_FILE = "metrics.json"
_MOST_METRICS = 25
_LONGEST_VALUE = 500
_DIGEST = 32
"""MLflow keeps 36 characters of a dataset's digest."""


@dataclass(frozen=True)
class Setting:
    """One parameter of a run and its model."""

    key: str
    value: str


@dataclass(frozen=True)
class UsedData:
    """A dataset, identified by the fingerprint of its tables; ``context`` is what it was used for."""

    name: str
    digest: str
    context: str
    rows: int


@dataclass(frozen=True)
class Measured:
    """One metric of the model on a dataset."""

    key: str
    value: float
    data: UsedData


@dataclass(frozen=True)
class RunFile:
    """One file, shown with the run and with the model."""

    path: str
    text: str


RunItem = Setting | UsedData | Measured | RunFile


def make_run_items(
    bundle: Bundle, *, params: Mapping[str, object], files: Mapping[str, str]
) -> Iterator[RunItem]:
    """All items of one version's run; at most 25 metrics, the rest in one JSON file.

    Parameters
    ----------
    bundle : Bundle
    params : mapping
        What was chosen; as text, long values shortened.
    files : mapping of path to text
        The report and its figures.
    """
    for key, value in params.items():
        yield Setting(key, _shortened(value))
    result = bundle.result
    training, held_out = _datasets(bundle)
    yield training
    yield held_out
    for key, number in islice(_numbers(result), _MOST_METRICS):
        yield Measured(key, number, held_out)
    measured = to_json_safe(result)
    kept = ("holdout", "by_age", "baselines", "labels", "slices", "over_time", "calibration", "deciles")
    yield RunFile(METRICS_FILE, to_json({name: measured[name] for name in kept}).decode())
    for path, text in files.items():
        yield RunFile(path, text)


def _datasets(bundle: Bundle) -> tuple[UsedData, UsedData]:
    """What the version learned from, and the held-out part that its metrics are from."""
    fingerprint = hashlib.sha256(to_json(bundle.fingerprint)).hexdigest()
    whole = str(bundle.fingerprint.get("sha256", fingerprint))
    holdout = bundle.result.holdout
    part = hashlib.sha256(f"{whole} {holdout.start} {holdout.until} {holdout.n}".encode()).hexdigest()
    snapshots = bundle.result.population.snapshots
    return (
        UsedData(f"{bundle.name} history", whole[:_DIGEST], "training", snapshots),
        UsedData(f"{bundle.name} held-out period", part[:_DIGEST], "evaluation", holdout.n),
    )


def _numbers(result: TrainingResult) -> Iterator[tuple[str, float]]:
    """The finite ones of the numbers that people compare versions by, the most telling first."""
    found: list[tuple[str, float | None]] = [*_quality("holdout", result.holdout)]
    found += [("holdout/brier_base_rate", result.holdout.brier_base_rate)]
    found += [("holdout/n", result.holdout.n), ("holdout/positives", result.holdout.positives)]
    found += [(f"baselines/{name}_log_loss", one.log_loss.value) for name, one in result.baselines.items()]
    for label, threshold in result.labels.items():
        found += [(f"labels/{label}_threshold", threshold.threshold)]
        for name, share in (
            ("precision", threshold.precision),
            ("recall", threshold.recall),
            ("per_week", threshold.per_week),
        ):
            found += [(f"labels/{label}_{name}", None if share is None else share.value)]
    for key, number in found:
        if number is not None and abs(number) < float("inf"):
            yield key, float(number)


def _quality(prefix: str, metrics: Metrics) -> Iterator[tuple[str, float]]:
    for name in ("roc_auc", "average_precision", "log_loss", "brier", "ece", "lift_top_decile"):
        yield f"{prefix}/{name}", getattr(metrics, name).value


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


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
