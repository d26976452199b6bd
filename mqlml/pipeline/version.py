"""``train``, ``score`` and ``report`` with a store: versions are registered, fetched, used and shown."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

from mqlml.config import Config, describe_config, read_config
from mqlml.journeys import FlatTable, read_lead_ids
from mqlml.pipeline.features import describe_features
from mqlml.pipeline.learn import Trained, train
from mqlml.pipeline.logbook import Logbook
from mqlml.pipeline.opening import find_store, load_model, open_version
from mqlml.pipeline.progress import Progress
from mqlml.registry import Bundle, Version, check_store, register_bundle
from mqlml.report import ReportData, render_report
from mqlml.scoring import (
    TABLE_SUFFIXES,
    check_target,
    count_older,
    read_scores,
    score,
    score_flat,
    write_table,
    write_text,
)
from mqlml.times import format_instant

__all__ = [
    "list_version_features",
    "register",
    "score_leads",
    "train_version",
    "write_report",
]


def train_version(
    config_path: str | Path, *, register_it: bool = True, now: dt.datetime, progress: Progress
) -> dict[str, Any]:
    """Train what the config describes and, if the gate lets it pass, register it.

    Returns
    -------
    dict, what ``train --json`` prints; ``version`` and ``run_id`` are None for a model that was not registered.
    """
    config = read_config(config_path)
    store = find_store(config)
    if register_it:
        check_store(store)
    logbook = Logbook(config, store, now=now, needed=register_it)
    trained = train(config, now=now, progress=progress, record=logbook)
    aside = trained.report.data.quarantined if trained.report.data else ()
    version = None
    if register_it and trained.bundle is not None:
        with progress.step("register"):
            version = register(trained, config, now=now, opening=logbook.id)
    return {
        "model": config.name,
        "version": version.version if version else None,
        "run_id": version.run_id if version else None,
        "aliases": list(version.aliases) if version else [],
        "timezone": config.data.timezone,
        "set_aside_in": sorted({found.table for found in aside}),
        **trained.summary,
    }


def register(trained: Trained, config: Config, *, now: dt.datetime, opening: str | None = None) -> Version:
    """Save the bundle of a model that passed the gate and log it in the config's store as the next version.

    ``opening`` is the `Logbook`'s id of the opening of the held-out period that judged it.
    """
    assert trained.bundle is not None, "only a model that passed the gate has a bundle"
    bundle = trained.bundle
    tags = {
        "mqlml": bundle.libraries["mqlml"],
        "data_sha256": bundle.fingerprint["sha256"],
        **({"git_commit": bundle.git_commit} if bundle.git_commit else {}),
        **({"opening": opening} if opening else {}),
    }
    return register_bundle(
        find_store(config),
        bundle,
        created=now,
        params=_params(bundle, config),
        metrics={name: trained.summary[name] for name in ("holdout", "labels", "baselines")},
        tags=tags,
        texts={"report.html": render_report(trained.report)},
    )


def _params(bundle: Bundle, config: Config) -> dict[str, object]:
    """What was chosen, flat: the problem, the thresholds, the calibration and the model's own settings."""
    described = describe_config(config)
    return {
        **{f"problem.{key}": value for key, value in described["problem"].items()},
        **{f"threshold.{name}": value for name, value in bundle.policy.thresholds.items()},
        **{f"calibrator.{key}": value for key, value in bundle.calibrator.to_dict().items()},
        **{f"scorer.{key}": value for key, value in bundle.scorer.get_params().items()},
        "features": len(bundle.plan.features),
    }


def score_leads(
    config_path: str | Path,
    *,
    as_of: str | None,
    out: str | Path,
    model: str | None = None,
    leads: str | Path | None = None,
    previous: str | Path | None = None,
    now: dt.datetime,
    progress: Progress,
) -> dict[str, Any]:
    """Label every lead that is open at ``as_of`` and write one row for each.

    Parameters
    ----------
    as_of : str or None
        ISO date or time, in the config's zone where it names none. A flat table needs none: then ``now``.
    out : path of a ``.parquet`` or ``.csv`` file; an earlier one is replaced whole or stays whole.
    model : ``NAME@ALIAS`` or ``NAME@NUMBER``; the champion if left out.
    leads : path, optional
        Score these leads only: a table with the column of lead ids; for a flat table, a file of new rows.
    previous : path, optional
        Earlier scores, for labels that are held (``hold``, ``exit``); those of ``as_of`` or later change nothing.
    """
    config = read_config(config_path)
    target = check_target(out, suffixes=TABLE_SUFFIXES)
    before = None if previous is None else read_scores(previous)
    opened = open_version(
        config, command="score", as_of=as_of, model=model, leads=leads, now=now, progress=progress
    )
    bundle, version, data, moment = opened.bundle, opened.version, opened.data, opened.moment
    with progress.step("score"):
        if isinstance(data, FlatTable):
            table = score_flat(
                bundle, data, config, as_of=moment, scored_at=now, version=version, previous=before
            )
            older = 0
        else:
            table = score(
                bundle,
                data,
                config,
                as_of=moment,
                scored_at=now,
                version=version,
                lead_ids=None if leads is None else read_lead_ids(config, leads),
                previous=before,
            )
            older = count_older(bundle, data, table, moment)
    with progress.step("write"):
        write_table(table, target)
    return {
        "out": str(out),
        "as_of": format_instant(moment),
        "timezone": config.data.timezone,
        "leads": len(table),
        "older_than_learned": older,
        "labels": {str(name): int(n) for name, n in table["label"].value_counts().items()},
        "model": bundle.name,
        "version": version.version,
        "run_id": version.run_id,
    }


def list_version_features(
    config_path: str | Path, *, model: str | None, progress: Progress
) -> dict[str, Any]:
    """The catalogue of a version, as `list_features` gives that of a config."""
    config = read_config(config_path)
    with progress.step("load"):
        bundle, version = load_model(config, model)
    return {"model": bundle.name, "version": version.version, **describe_features(bundle.plan)}


def write_report(
    config_path: str | Path, out: str | Path, *, model: str | None = None, progress: Progress
) -> dict[str, Any]:
    """Write the page about a version: the champion, unless another is named."""
    config = read_config(config_path)
    target = check_target(out, suffixes=(".html",))
    with progress.step("load"):
        bundle, version = load_model(config, model)
    data = replace(ReportData.from_dict(bundle.report), version=str(version.version), run_id=version.run_id)
    with progress.step("write"):
        write_text(render_report(data), target)
    return {"out": str(out), "model": bundle.name, "version": version.version, "run_id": version.run_id}
