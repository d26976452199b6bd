"""What a training run shows in MLflow, as typed items: settings, a few metrics, datasets and files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from mqlml.evaluation import TrainingResult
from mqlml.evaluation.metrics import Metrics
from mqlml.registry.bundle import Bundle
from mqlml.registry.bundle_files import to_json
from mqlml.results import to_json_safe

__all__ = ["METRICS_FILE", "Measured", "RunFile", "RunItem", "Setting", "UsedData", "make_run_items"]

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
