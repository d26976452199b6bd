"""``thresholds``: show what other thresholds would bring, and make a version with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mqlml.commands.adjust import adjust_labels, register_adjusted
from mqlml.commands.inputs import load_model
from mqlml.config import read_config
from mqlml.errors import PopulationError, UsageError
from mqlml.monitoring import ThresholdsResult
from mqlml.monitoring.what_if import count_moves, nearest_row, set_thresholds, tabulate_thresholds
from mqlml.progress import Progress
from mqlml.registry import Bundle, Version
from mqlml.scoring.stored import read_stored_scores

__all__ = ["parse_thresholds", "show_thresholds"]


def parse_thresholds(texts: Sequence[str]) -> dict[str, float]:
    """The labels and thresholds of ``--set mql=0.12``.

    Raises
    ------
    UsageError
        If one is not a label, ``=`` and a number.

    Examples
    --------
    >>> parse_thresholds(["mql=0.12", "sql = 0.4"])
    {'mql': 0.12, 'sql': 0.4}
    """
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise UsageError(
                f"--set needs a label and a probability, as --set mql=0.12; found {text!r}"
            ) from None
    return found


def show_thresholds(
    config_path: str | Path,
    *,
    values: Mapping[str, float],
    reason: str | None,
    scores: str | None = None,
    model: str | None = None,
    now: dt.datetime,
    progress: Progress,
) -> ThresholdsResult:
    """What thresholds bring, by the held-out period and, with ``scores``, among the open leads.

    Parameters
    ----------
    values : by label, thresholds to try
    reason : with it, a version with these thresholds is registered
    scores : scores of open leads by this version; the last run of them counts
    model : as for `load_model`

    Raises
    ------
    UsageError
        If there is a reason without thresholds.
    LabelPolicyError
        If the thresholds cannot be set; see `set_thresholds`.
    """
    if reason is not None and not (values and reason.strip()):
        raise UsageError("--reason goes with --set, and says why; add --set mql=0.12, say")
    config = read_config(config_path)
    with progress.step("load"):
        bundle, version = load_model(config, model)
    by_lead = bundle.result.by_lead
    if by_lead is None:
        raise PopulationError(
            f"{bundle.name} version {version.version} holds no leads to compare thresholds on; train a new version"
        )
    policy = set_thresholds(bundle.policy, values, by_lead)
    moves = None
    if scores is not None and values:
        stored = read_stored_scores(scores, until=now, model=bundle.name, version=version.version)
        latest = stored[stored["cutoff_time"] == stored["cutoff_time"].max()]
        moves = count_moves(latest, bundle.policy, policy)
    made: Version | None = None
    if reason is not None:
        adjusted: Bundle = replace(bundle, policy=policy, config=adjust_labels(bundle, policy))
        with progress.step("register"):
            made = register_adjusted(
                adjusted, version, config, change="thresholds", reason=reason, now=now, progress=progress
            )
    return ThresholdsResult(
        model=bundle.name,
        version=version.version,
        thresholds=bundle.policy.thresholds,
        rows=tabulate_thresholds(by_lead),
        proposed=policy.thresholds,
        set_rows=tuple(nearest_row(by_lead, value, name) for name, value in values.items()),
        moves=moves,
        new_version=None if made is None else made.version,
        aliases=() if made is None else made.aliases,
    )
