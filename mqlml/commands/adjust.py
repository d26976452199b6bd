"""Register a version that was adjusted without new training: the same model with other thresholds or calibration."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any, Literal

from mqlml.commands.inputs import find_store
from mqlml.config import Config
from mqlml.policy import LabelPolicy
from mqlml.progress import Progress
from mqlml.registry import Bundle, Registration, Version, register_bundle
from mqlml.render.report.page import render_report
from mqlml.render.tracked import describe_model, describe_version, render_figures
from mqlml.scoring import SERVED_MODEL

__all__ = ["Adjustment", "adjust_labels", "register_adjusted"]

Adjustment = Literal["thresholds", "calibration"]
"""What was changed."""


def adjust_labels(bundle: Bundle, policy: LabelPolicy) -> dict[str, Any]:
    """The version's config with the rules that its thresholds now come from."""
    rules = {outcome.label: outcome.rule for outcome in policy.outcomes}
    return {**bundle.config, "labels": {**bundle.config["labels"], **rules}}


def register_adjusted(
    bundle: Bundle,
    before: Version,
    config: Config,
    *,
    change: Adjustment,
    reason: str,
    now: dt.datetime,
    progress: Progress,
) -> Version:
    """Register a bundle with the same trees as an earlier version, which its tags, warnings and report say.

    Parameters
    ----------
    bundle : with what was changed
    before : the version that it was made from
    reason : why, as its tags and its report say
    """
    caution = (
        f"The same trees as version {before.version}, with other {change}: {reason}. The evaluation on the held-out "
        f"period is that of version {before.version}."
    )
    gate = replace(bundle.result.gate, warnings=(caution, *bundle.result.gate.warnings))
    result = replace(bundle.result, gate=gate, labels=_labels(bundle), created=now.isoformat())
    bundle = replace(bundle, result=result, created=now.isoformat())
    tags = {
        "mqlml": bundle.libraries["mqlml"],
        "based_on": str(before.version),
        "changed": change,
        "reason": reason,
    }
    params = {
        **{f"threshold.{name}": value for name, value in bundle.policy.thresholds.items()},
        **{f"calibrator.{key}": value for key, value in bundle.calibrator.to_dict().items()},
    }
    return register_bundle(
        find_store(config),
        bundle,
        Registration(
            created=now,
            code=SERVED_MODEL,
            params=params,
            tags=tags,
            files={"report.html": render_report(result), **render_figures(result)},
            description=f"{caution}\n\n{describe_version(result)}",
            about=describe_model(result),
        ),
        say=progress.note,
    )


def _labels(bundle: Bundle) -> dict[str, Any]:
    """The evaluations of the labels, with the thresholds that the version has now."""
    found = {}
    for outcome in bundle.policy.outcomes:
        known = bundle.result.labels.get(outcome.label)
        if known is not None:
            found[outcome.label] = replace(
                known, threshold=outcome.threshold, teams=outcome.teams, note=outcome.note
            )
    return found
