"""The bundle is a folder with everything that scoring and reporting need of one version.

The manifest lists each file's size and SHA-256, so a damaged or incomplete bundle is refused. That proves no origin,
since whoever changes a file can change the manifest too; so nothing in it is unpickled or run, the types in it are
listed in `mqlml.registry.model_file`, and the trees are checked before they predict.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import BundleError, MqlmlError, OutputError
from mqlml.evaluation import TrainingResult
from mqlml.features import FeaturePlan
from mqlml.model import LeadScorer, ReasonSignals, SigmoidCalibrator, map_features
from mqlml.policy import LabelPolicy
from mqlml.registry.model_file import load_scorer, load_trees, save_scorer, save_trees
from mqlml.results import from_json_safe, to_json_safe
from mqlml.types import Floats

__all__ = [
    "Bundle",
    "find_git_commit",
    "fingerprint_tables",
    "library_versions",
    "load_bundle",
    "make_reference",
    "save_bundle",
]


def fingerprint_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Row count, columns and SHA-256 of each table.

    Returns
    -------
    dict of table name to ``{"rows", "columns", "sha256"}``, and ``"sha256"`` of all of them together.
    """
    prints: dict[str, Any] = {}
    together = hashlib.sha256()
    for name, table in sorted(tables.items()):
        hashes = np.sort(pd.util.hash_pandas_object(table, index=False).to_numpy())
        digest = hashlib.sha256(" ".join(map(str, table.columns)).encode("utf-8"))
        digest.update(hashes.tobytes())
        prints[name] = {
            "rows": len(table),
            "columns": list(map(str, table.columns)),
            "sha256": digest.hexdigest(),
        }
        together.update(f"{name} {digest.hexdigest()}\n".encode())
    return {"tables": prints, "sha256": together.hexdigest()}


def find_git_commit(folder: Path) -> str | None:
    """The commit checked out in the config's folder; None outside a repository or without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


FORMAT = 3
"""The number of the bundle's layout."""

_MANIFEST = "manifest.json"
_TREES = "model.skops"
_FILES = (
    _TREES,
    "scorer.json",
    "calibrator.json",
    "thresholds.json",
    "features.json",
    "reference.json",
    "config.json",
    "result.json",
    "fingerprint.json",
)
_MOST_BYTES = 256 * 2**20
_LIBRARIES = ("mqlml", "scikit-learn", "numpy", "scipy", "pandas", "skops")


def library_versions() -> dict[str, str]:
    """The versions of Python, mqlml and the libraries that a prediction depends on."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **versions}


@dataclass(frozen=True)
class Bundle:
    """One version of a model.

    Attributes
    ----------
    name : str
        The registered model's name.
    scorer : LeadScorer, fitted
    calibrator : SigmoidCalibrator
    policy : LabelPolicy
    plan : FeaturePlan
        Builds the scorer's columns.
    config : dict
        The resolved config, as JSON and without secrets.
    reference : ndarray of float64
        Quantiles of the probabilities the version gave to later data, ascending, as by `make_reference`.
    result : TrainingResult
        How it was chosen and how well it predicted held-out data; the report reads it.
    fingerprint : dict
        Row counts and hashes of the training data.
    git_commit : str or None
        Of the code that trained it.
    created : str
        ISO time in UTC.
    libraries : dict of str to str
        Versions it was trained with.
    """

    name: str
    scorer: LeadScorer
    calibrator: SigmoidCalibrator
    policy: LabelPolicy
    plan: FeaturePlan
    config: dict[str, Any]
    reference: Floats
    result: TrainingResult
    fingerprint: dict[str, Any]
    git_commit: str | None
    created: str
    libraries: dict[str, str] = field(default_factory=library_versions)

    @functools.cached_property
    def reason_signals(self) -> ReasonSignals:
        """Which signal each feature tells of, and which way events count among like leads: for reasons."""
        return map_features(self.plan.features, self.result.signals)


def make_reference(probability: npt.ArrayLike) -> Floats:
    """The 0, 0.1, … 100% quantiles of these probabilities; later scores are percentiles of them.

    Parameters
    ----------
    probability : array of shape (n,), at least one
        Calibrated probabilities of leads the model had not seen, of all ages.

    Returns
    -------
    ndarray of float64, shape (1001,), ascending.
    """
    quantiles: Floats = np.quantile(np.asarray(probability, dtype=np.float64), np.linspace(0, 1, 1001))
    return quantiles


def save_bundle(bundle: Bundle, folder: str | Path) -> None:
    """Write a bundle into a new folder, whole or not at all; it is loaded once before it gets its name.

    NaN and infinite numbers in the result become null.

    Raises
    ------
    OutputError
        If the folder exists already, or cannot be written.
    BundleError
        If the bundle could not be loaded again.
    """
    folder = Path(folder)
    if folder.exists():
        raise OutputError(f"a bundle needs a new folder; {str(folder)!r} exists already. Name another")
    contents = {
        _TREES: save_trees(bundle.scorer.trees_),
        "scorer.json": _json(save_scorer(bundle.scorer)),
        "calibrator.json": _json(bundle.calibrator.to_dict()),
        "thresholds.json": _json(bundle.policy.to_dict()),
        "features.json": _json(bundle.plan.to_dict()),
        "reference.json": _json(bundle.reference.tolist()),
        "config.json": _json(bundle.config),
        "result.json": _json(to_json_safe(bundle.result)),
        "fingerprint.json": _json(bundle.fingerprint),
    }
    manifest = {
        "format": FORMAT,
        "name": bundle.name,
        "created": bundle.created,
        "git_commit": bundle.git_commit,
        "libraries": bundle.libraries,
        "files": {name: {"bytes": len(data), "sha256": _hash(data)} for name, data in contents.items()},
    }
    part = folder.parent / f".{secrets.token_hex(6)}.part"
    try:
        part.mkdir()
        try:
            for name, data in {**contents, _MANIFEST: _json(manifest)}.items():
                (part / name).write_bytes(data)
            load_bundle(part)
            os.rename(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"the bundle {str(folder)!r} cannot be written: {error.strerror or error}; see that its folder "
            f"{str(folder.parent)!r} exists, may be written to and has space"
        ) from error


def load_bundle(folder: str | Path) -> Bundle:
    """Load a bundle after checking its hashes, types and every node of every tree.

    Parameters
    ----------
    folder : folder that `save_bundle` has written, or a copy of it

    Raises
    ------
    BundleError
        If a file is missing, damaged or not what training makes; if it has another layout; or if it was trained
        with another minor release of scikit-learn, whose trees may differ in meaning.

    Examples
    --------
    >>> import datetime as dt, tempfile
    >>> from mqlml.config import Config
    >>> from mqlml.simulate import simulate
    >>> from mqlml import train
    >>> config = Config(
    ...     name="leads",
    ...     data={
    ...         "observed_until": "2025-06-24",
    ...         "leads": {"path": "leads.csv"},
    ...         "outcomes": {"path": "deals.csv"},
    ...     },
    ...     problem={"horizon": "60d", "snapshots": {"ages": ["7d"]}},
    ...     windows=["30d"],
    ...     gate={"min_positives": 20},
    ... )
    >>> journeys = simulate(800, random_state=1).journeys()
    >>> trained = train(config, journeys, now=dt.datetime(2025, 7, 1, tzinfo=dt.UTC))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_bundle(trained.bundle, Path(folder) / "version")
    ...     bundle = load_bundle(Path(folder) / "version")
    >>> list(bundle.policy.thresholds) == list(trained.bundle.policy.thresholds)
    True
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BundleError(f"there is no bundle {str(folder)!r}; name the folder of one, or train a version")
    manifest = _read_manifest(folder)
    files = {name: _read_checked(folder, name, manifest["files"][name]) for name in _FILES}
    values: dict[str, Any] = {name: _parse(data, name) for name, data in files.items() if name != _TREES}
    try:
        bundle = Bundle(
            name=manifest["name"],
            scorer=load_scorer(values["scorer.json"], load_trees(files[_TREES])),
            calibrator=SigmoidCalibrator.from_dict(values["calibrator.json"]),
            policy=LabelPolicy.from_dict(values["thresholds.json"]),
            plan=FeaturePlan.from_dict(values["features.json"]),
            config=_dict(values["config.json"], "config.json"),
            reference=_reference(values["reference.json"]),
            result=from_json_safe(TrainingResult, values["result.json"], where="the stored result"),
            fingerprint=_dict(values["fingerprint.json"], "fingerprint.json"),
            git_commit=manifest["git_commit"],
            created=manifest["created"],
            libraries=manifest["libraries"],
        )
        if [feature.name for feature in bundle.plan.features] != bundle.scorer.encoder_.feature_names_:
            raise BundleError("its feature plan does not make the columns of its model")
        return bundle
    except BundleError as error:
        raise BundleError(f"{str(folder)!r}: {error}") from error
    except (MqlmlError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        _refuse(folder, f"its values do not fit ({type(error).__name__}: {error})")


def _refuse(folder: Path, what: str) -> NoReturn:
    raise BundleError(f"the bundle {str(folder)!r} cannot be used: {what}. Fetch or train the version again")


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    manifest = _parse(_read(folder, _MANIFEST), _MANIFEST)
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        _refuse(folder, f"{path.name} is not a manifest")
    if manifest["format"] > FORMAT:
        raise BundleError(
            f"the bundle {str(folder)!r} has the format {manifest['format']}; this mqlml reads up to {FORMAT}. "
            "Upgrade mqlml"
        )
    if manifest["format"] < FORMAT:
        raise BundleError(
            f"the bundle {str(folder)!r} has the format {manifest['format']} of an earlier mqlml, and this one reads "
            f"{FORMAT}; train a new version"
        )
    shapes = {"name": str, "created": str, "git_commit": str | None, "libraries": dict, "files": dict}
    for key, kind in shapes.items():
        if key not in manifest or not isinstance(manifest[key], kind):
            _refuse(folder, f"{path.name} has no {key!r}")
    if set(manifest["files"]) != set(_FILES):
        odd = sorted(set(manifest["files"]) ^ set(_FILES))
        _refuse(folder, f"{path.name} lists missing or extra files: {', '.join(odd)}")
    _check_scikit_learn(folder, manifest["libraries"])
    return manifest


def _check_scikit_learn(folder: Path, libraries: dict[str, Any]) -> None:
    saved, here = str(libraries.get("scikit-learn")), importlib.metadata.version("scikit-learn")
    if saved.split(".")[:2] != here.split(".")[:2]:
        raise BundleError(
            f"the bundle {str(folder)!r} was trained with scikit-learn {saved}, and {here} is installed; install "
            f"scikit-learn {'.'.join(saved.split('.')[:2])}, or train a new version"
        )


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if not path.is_file():
            _refuse(folder, f"{name} is missing")
        if path.stat().st_size > _MOST_BYTES:
            _refuse(folder, f"{name} is larger than {_MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        _refuse(folder, f"{name} cannot be read: {error.strerror or error}")


def _read_checked(folder: Path, name: str, listed: object) -> bytes:
    data = _read(folder, name)
    if listed != {"bytes": len(data), "sha256": _hash(data)}:
        _refuse(folder, f"{name} is not the file the manifest lists (its SHA-256 differs)")
    return data


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _parse(data: bytes, name: str) -> object:
    def constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    try:
        value: object = json.loads(data, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{name} is not JSON: {error}; it is damaged. Fetch or train the version again"
        ) from None
    return value


def _dict(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BundleError(
            f"{name} holds {type(value).__name__}, not keys and values. Fetch or train the version again"
        )
    return value


def _reference(value: object) -> Floats:
    reference = np.array(value, dtype=np.float64)
    good = reference.ndim == 1 and len(reference) > 0 and (np.diff(reference) >= 0).all()
    if not (good and reference[0] >= 0 and reference[-1] <= 1):
        raise BundleError(
            "reference.json does not hold ascending probabilities. Fetch or train the version again"
        )
    return reference


def _json(value: object) -> bytes:
    try:
        text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"cannot save a version with values that JSON cannot hold: {error}") from error
    return f"{text}\n".encode()
