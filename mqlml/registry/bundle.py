"""The bundle is a folder with everything that scoring and reporting need of one version.

The manifest lists each file's size and SHA-256, so a damaged or incomplete bundle is refused. That proves no origin,
since whoever changes a file can change the manifest too; so nothing in it is unpickled or run, the types in it are
listed in `mqlml.registry.model_file`, and the trees are checked before they predict.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import BundleError, MqlmlError, OutputError
from mqlml.evaluation import TrainingResult
from mqlml.features import FeaturePlan
from mqlml.model import LeadScorer, ReasonSignals, SigmoidCalibrator, map_features
from mqlml.policy import LabelPolicy
from mqlml.registry.bundle_files import (
    BUNDLE_FILES,
    FORMAT,
    MANIFEST,
    TREES,
    hash_bytes,
    parse_json,
    read_files,
    refuse,
    to_json,
)
from mqlml.registry.model_file import load_scorer, load_trees, save_scorer, save_trees
from mqlml.registry.plausibility import load_calibrator, load_policy, load_reference, require_dict
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
    dict of table name to ``{"rows", "columns", "sha256", "column_sha256"}``, and ``"sha256"`` of them all.
        Hashes do not depend on the order of the rows; that of a column is of its values alone.
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
            "column_sha256": {str(name): _hash_column(column) for name, column in table.items()},
        }
        together.update(f"{name} {digest.hexdigest()}\n".encode())
    return {"tables": prints, "sha256": together.hexdigest()}


def _hash_column(column: pd.Series) -> str:
    hashes = np.sort(pd.util.hash_pandas_object(column, index=False).to_numpy())
    return hashlib.sha256(hashes.tobytes()).hexdigest()


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


_MISFITS = (
    *(MqlmlError, ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError),
    *(TypeError, ValueError),
)
"""What crafted values make the classes that they are for raise."""

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
        """Which signal each feature tells of, and which way events count among comparable leads: for reasons."""
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


def save_bundle(bundle: Bundle, folder: str | Path) -> str:
    """Write a bundle into a new folder, whole or not at all; it is loaded once before it gets its name.

    NaN and infinite numbers in the result become null.

    Returns
    -------
    str
        The bundle's digest: the SHA-256 of its manifest, which lists the SHA-256 of every other file.

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
        TREES: save_trees(bundle.scorer.trees_),
        "scorer.json": to_json(save_scorer(bundle.scorer)),
        "calibrator.json": to_json(bundle.calibrator.to_dict()),
        "thresholds.json": to_json(bundle.policy.to_dict()),
        "features.json": to_json(bundle.plan.to_dict()),
        "reference.json": to_json(bundle.reference.tolist()),
        "config.json": to_json(bundle.config),
        "result.json": to_json(to_json_safe(bundle.result)),
        "fingerprint.json": to_json(bundle.fingerprint),
    }
    manifest = {
        "format": FORMAT,
        "name": bundle.name,
        "created": bundle.created,
        "git_commit": bundle.git_commit,
        "libraries": bundle.libraries,
        "files": {name: {"bytes": len(data), "sha256": hash_bytes(data)} for name, data in contents.items()},
    }
    written = to_json(manifest)
    part = folder.parent / f".{secrets.token_hex(6)}.part"
    try:
        part.mkdir()
        try:
            for name, data in {**contents, MANIFEST: written}.items():
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
    return hash_bytes(written)


def load_bundle(folder: str | Path, *, name: str | None = None, digest: str | None = None) -> Bundle:
    """Load a bundle after checking its hashes, types and every node of every tree.

    Parameters
    ----------
    folder : folder that `save_bundle` has written, or a copy of it
    name : str, optional
        The model that it must be a version of.
    digest : str, optional
        The SHA-256 that its manifest must have, as `save_bundle` returned it.

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
    >>> journeys = simulate(800, random_state=2).journeys()
    >>> trained = train(config, journeys, now=dt.datetime(2025, 7, 1, tzinfo=dt.UTC))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = save_bundle(trained.bundle, Path(folder) / "version")
    ...     bundle = load_bundle(Path(folder) / "version")
    >>> list(bundle.policy.thresholds) == list(trained.bundle.policy.thresholds)
    True
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BundleError(f"there is no bundle {str(folder)!r}; name the folder of one, or train a version")
    manifest, files = read_files(folder, digest=digest)
    if name is not None and manifest.name != name:
        refuse(repr(str(folder)), f"it is a version of {manifest.name!r}, not of {name!r}")
    try:
        values = {file: parse_json(files[file], file) for file in BUNDLE_FILES if file != TREES}
        config = require_dict(values["config.json"], "config.json")
        bundle = Bundle(
            name=manifest.name,
            scorer=load_scorer(values["scorer.json"], load_trees(files[TREES])),
            calibrator=load_calibrator(values["calibrator.json"]),
            policy=load_policy(values["thresholds.json"], require_dict(config.get("labels"), "config.json")),
            plan=FeaturePlan.from_dict(values["features.json"]),
            config=config,
            reference=load_reference(values["reference.json"]),
            result=from_json_safe(TrainingResult, values["result.json"], where="the stored result"),
            fingerprint=require_dict(values["fingerprint.json"], "fingerprint.json"),
            git_commit=manifest.git_commit,
            created=manifest.created,
            libraries=manifest.libraries,
        )
        if [feature.name for feature in bundle.plan.features] != bundle.scorer.encoder_.feature_names_:
            raise BundleError("its feature plan does not make the columns of its model")
        return bundle
    except BundleError as error:
        raise BundleError(f"{str(folder)!r}: {error}") from error
    except _MISFITS as error:
        refuse(repr(str(folder)), f"its values do not fit ({type(error).__name__}: {str(error)[:300]})")
