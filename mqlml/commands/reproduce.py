"""``reproduce``: train a version again from its stored config and data, or say exactly what has changed since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mqlml.commands.check import read_data
from mqlml.commands.inputs import load_model
from mqlml.commands.learn import fingerprint_data, train
from mqlml.config import Config, make_config, read_config
from mqlml.errors import PopulationError
from mqlml.journeys import FlatTable, Journeys
from mqlml.progress import Progress
from mqlml.registry import Bundle, find_git_commit, library_versions
from mqlml.render.version_results import Difference, ReproduceResult
from mqlml.scoring import score, score_flat

__all__ = ["reproduce"]

_COMPARED = ("raw_score", "probability", "label")


def reproduce(
    config_path: str | Path, which: str, *, now: dt.datetime, progress: Progress
) -> ReproduceResult:
    """Train a version again and compare the predictions of both for the open leads.

    The config is the one that the version keeps; environment variables in it are read again. Where the data has
    changed, nothing is trained, since the predictions could not be the same.

    Raises
    ------
    VersionError, ConfigError
        If there is no such version, or its config can no longer be read.
    """
    found = read_config(config_path)
    with progress.step("load"):
        bundle, version = load_model(found, which if "@" in which else f"{found.name}@{which}")
    config = make_config(bundle.config, folder=found.folder, where=f"the config of version {version.version}")
    data = read_data(config, progress, now=now)
    changed = tuple(_compare_data(bundle.fingerprint, fingerprint_data(data)))
    around = (*_compare_code(bundle, config), *_compare_packages(bundle))
    if changed:
        return ReproduceResult(
            bundle.name, version.version, False, False, 0, float("nan"), (*changed, *around)
        )
    created = dt.datetime.fromisoformat(bundle.created)
    again = train(config, data, now=created, progress=progress).bundle
    if again is None:
        refused = Difference("prediction", "gate", "passed", "refused")
        return ReproduceResult(bundle.name, version.version, False, True, 0, float("nan"), (refused, *around))
    leads, largest, predictions = _compare_predictions(bundle, again, data, config, now=created)
    return ReproduceResult(
        model=bundle.name,
        version=version.version,
        identical=not predictions,
        trained=True,
        leads=leads,
        largest_difference=largest,
        differences=(*predictions, *around),
    )


def _compare_data(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """Each table and column that is not what it was."""
    if then.get("sha256") == now["sha256"]:
        return
    before, after = then.get("tables", {}), now["tables"]
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            yield Difference("data", name, _presence(name in before), _presence(name in after))
            continue
        yield from _compare_table(name, before[name], after[name])


def _presence(there: bool) -> str:
    return "there" if there else "missing"


def _compare_table(name: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    if then["sha256"] == now["sha256"]:
        return
    if then["rows"] != now["rows"]:
        yield Difference("data", name, f"{then['rows']:,} rows", f"{now['rows']:,} rows")
    old, new = then.get("column_sha256", {}), now["column_sha256"]
    differing = [column for column in then["columns"] if column not in now["columns"]]
    for column in differing:
        yield Difference("data", f"{name}.{column}", "there", "missing")
    for column in now["columns"]:
        if column not in then["columns"]:
            differing.append(column)
            yield Difference("data", f"{name}.{column}", "missing", "there")
        elif column in old and old[column] != new[column]:
            differing.append(column)
            yield Difference("data", f"{name}.{column}", old[column][:12], new[column][:12])
    if not differing and then["rows"] == now["rows"]:
        # The same values in every column, but not together; or a version without hashes of columns.
        yield Difference("data", name, then["sha256"][:12], now["sha256"][:12])


def _compare_code(bundle: Bundle, config: Config) -> Iterator[Difference]:
    commit = find_git_commit(config.folder)
    if commit != bundle.git_commit:
        yield Difference("code", "commit", bundle.git_commit or "none", commit or "none")


def _compare_packages(bundle: Bundle) -> Iterator[Difference]:
    here = library_versions()
    for name in sorted({*bundle.libraries, *here}):
        then, now = bundle.libraries.get(name, "none"), here.get(name, "none")
        if then != now:
            yield Difference("package", name, then, now)


def _compare_predictions(
    bundle: Bundle, again: Bundle, data: Journeys | FlatTable, config: Config, *, now: dt.datetime
) -> tuple[int, float, tuple[Difference, ...]]:
    """How many open leads were scored by both, the largest difference of a probability, and what differs."""
    try:
        first, second = (_score(found, data, config, now) for found in (bundle, again))
    except PopulationError:  # nobody is open; thresholds, calibration and model still can be compared
        first = second = pd.DataFrame({name: pd.Series(dtype="object") for name in ("lead_id", *_COMPARED)})
    both = first.merge(second, on="lead_id", suffixes=("_then", "_now"), validate="one_to_one")
    differences = []
    for name in _COMPARED:
        differing = int((both[f"{name}_then"] != both[f"{name}_now"]).sum())
        if differing or len(both) != len(first):
            differences.append(
                Difference("prediction", name, f"of {len(both):,} leads", f"{differing:,} differ")
            )
    if bundle.policy.thresholds != again.policy.thresholds:
        differences.append(
            Difference(
                "prediction", "thresholds", str(bundle.policy.thresholds), str(again.policy.thresholds)
            )
        )
    if bundle.calibrator.to_dict() != again.calibrator.to_dict():
        then, found = bundle.calibrator.to_dict(), again.calibrator.to_dict()
        differences.append(Difference("prediction", "calibration", str(then), str(found)))
    if not len(both):
        return 0, float("nan"), tuple(differences)
    distance = np.abs(both["probability_then"].to_numpy(float) - both["probability_now"].to_numpy(float))
    return len(both), float(distance.max()), tuple(differences)


def _score(bundle: Bundle, data: Journeys | FlatTable, config: Config, now: dt.datetime) -> pd.DataFrame:
    if isinstance(data, Journeys):
        return score(bundle, data, config, as_of=data.observed_until, scored_at=now)
    return score_flat(bundle, data, config, as_of=now, scored_at=now)
