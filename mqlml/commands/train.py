"""``train``: train a version and register it if it passes the gate."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from mqlml.commands.inputs import find_store
from mqlml.commands.learn import Trained, train
from mqlml.config import Config, describe_config, read_config
from mqlml.progress import Progress, Silent
from mqlml.registry import Bundle, Registration, Version, check_store, register_bundle
from mqlml.registry.holdout_log import Logbook, find_user
from mqlml.render.report.page import render_report
from mqlml.render.results import TrainedVersion
from mqlml.render.tracked import describe_model, describe_version, render_figures
from mqlml.render.version_results import CompareResult
from mqlml.results import to_json_safe
from mqlml.scoring import SERVED_MODEL

__all__ = ["register", "train_version"]


def train_version(
    config_path: str | Path, *, register_it: bool = True, now: dt.datetime, progress: Progress
) -> TrainedVersion:
    """Train what the config describes and register it if it passes the gate."""
    config = read_config(config_path)
    store = find_store(config)
    if register_it:
        check_store(store)
    logbook = Logbook(config, store, now=now, needed=register_it)
    trained = train(config, now=now, progress=progress, record=logbook)
    version = None
    if register_it and trained.bundle is not None:
        with progress.step("register"):
            version = register(trained, config, now=now, access=logbook.id, progress=progress)
    return TrainedVersion(
        **vars(trained.result),
        version=version.version if version else None,
        run_id=version.run_id if version else None,
        aliases=version.aliases if version else (),
        set_aside_in=tuple(sorted({found.table for found in trained.result.data.quarantine})),
    )


def register(
    trained: Trained,
    config: Config,
    *,
    now: dt.datetime,
    access: str | None = None,
    progress: Progress | None = None,
    compared: CompareResult | None = None,
) -> Version:
    """Save the bundle of a model that passed the gate and log it in the config's store as the next version.

    ``access`` is the `Logbook`'s id of the access to the held-out period that evaluated it; ``compared``, if
    given, is shown in its report and kept beside it.
    """
    assert trained.bundle is not None, "only a model that passed the gate has a bundle"
    bundle = trained.bundle
    tags = {
        "mqlml": bundle.libraries["mqlml"],
        "data_sha256": bundle.fingerprint["sha256"],
        **({"git_commit": bundle.git_commit} if bundle.git_commit else {}),
        **({"holdout_access": access} if access else {}),
    }
    return register_bundle(
        find_store(config),
        bundle,
        Registration(
            created=now,
            code=SERVED_MODEL,
            params=_params(bundle, config),
            tags=tags,
            files=_files(trained, compared),
            description=describe_version(trained.result),
            about=describe_model(trained.result),
            by=find_user(),
        ),
        say=(progress or Silent()).note,
    )


def _files(trained: Trained, compared: CompareResult | None) -> dict[str, str]:
    files = {"report.html": render_report(trained.result, compared=compared)}
    if compared is not None:
        files["comparison.json"] = json.dumps(to_json_safe(compared), indent=1)
    return {**files, **render_figures(trained.result)}


def _params(bundle: Bundle, config: Config) -> dict[str, object]:
    """What was chosen: the problem, the thresholds, the calibration and the model's settings."""
    described = describe_config(config)
    return {
        **{f"problem.{key}": value for key, value in described["problem"].items()},
        **{f"threshold.{name}": value for name, value in bundle.policy.thresholds.items()},
        **{f"calibrator.{key}": value for key, value in bundle.calibrator.to_dict().items()},
        **{f"scorer.{key}": value for key, value in bundle.scorer.get_params().items()},
        "features": len(bundle.plan.features),
    }
