"""``features`` lists the features of a config or a version, and what was left out and why."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from mqlml.commands.check import read_data
from mqlml.commands.inputs import load_model
from mqlml.config import Config, read_config
from mqlml.features import FAMILIES, Feature, FeaturePlan, check_own, feature_name
from mqlml.journeys import FlatTable, Journeys
from mqlml.progress import Progress
from mqlml.render.results import CatalogEntry, FeaturesResult, NoFeature
from mqlml.training import Finding, build_table, refused_columns, sample_snapshots, take_leads
from mqlml.training.table import choose_rows, learn_plan
from mqlml.training.warnings import find_config_warnings

__all__ = [
    "format_features",
    "group_windows",
    "learn_features",
    "list_entries",
    "list_features",
    "list_no_features",
    "list_version_features",
]

_WIDTH = 100


def learn_features(data: Journeys | FlatTable, config: Config) -> tuple[FeaturePlan, tuple[Finding, ...]]:
    """The features that training would build, and the findings of the leakage audit; custom features are checked."""
    if not data.dated:
        table = build_table(data, config)
        return table.plan, table.leaks
    rows = choose_rows(data, config)
    plan, leaks = learn_plan(data, config, rows)
    snapshots = pd.DataFrame({"lead_id": rows.lead_id, "cutoff_time": rows.cutoff_time})
    sample = sample_snapshots(data.leads, snapshots)
    check_own(take_leads(data, sample), sample, plan)
    return plan, leaks


def list_features(config_path: str | Path, *, now: dt.datetime, progress: Progress) -> FeaturesResult:
    """The catalog of a config and its data."""
    config = read_config(config_path)
    data = read_data(config, progress, now=now)
    with progress.step("plan"):
        plan, leaks = learn_features(data, config)
    return FeaturesResult(
        model=config.name,
        version=None,
        features=list_entries(plan),
        left_out=list_no_features(plan, config, leaks),
        config_warnings=tuple(find_config_warnings(data, plan, config)),
    )


def list_no_features(
    plan: FeaturePlan, config: Config | None = None, leaks: Sequence[Finding] = ()
) -> tuple[NoFeature, ...]:
    """What is not a feature and why; a version does not store the switches of its config or the findings."""
    reasons = {str(leak.column): leak.reason for leak in leaks}
    refused = refused_columns(leaks)
    left_out = [(what, reasons.get(what, reason)) for what, reason in plan.left_out]
    listed = {what for what, _ in left_out}
    left_out += [(column, reasons[column]) for column in sorted(refused) if column not in listed]
    if config is not None:
        of_tables = ("parsed", "completeness", "flags")  # the groups of a flat table
        left_out += [
            (f"group {name}", f"is switched off; turn it on with features: {{groups: {{{name}: on}}}}")
            for name, on in config.features.groups
            if not on and (plan.flat is None or name in of_tables)
        ]
    return tuple(NoFeature(what, reason) for what, reason in left_out)


def list_entries(plan: FeaturePlan) -> tuple[CatalogEntry, ...]:
    """The catalog of a plan."""
    return tuple(_make_entry(feature) for feature in plan.features)


def _make_entry(feature: Feature) -> CatalogEntry:
    return CatalogEntry(
        name=feature.name,
        family=feature.family,
        what=feature.what,
        aggregate=feature.aggregate,
        signal=feature.signal,
        sentence=feature.sentence,
        kind=feature.kind,
        unit=feature.unit,
        window=feature.window,
        source=feature.source,
        words=feature.words,
    )


def format_features(result: FeaturesResult) -> str:
    """The text of ``mqlml features``: by family, one entry for a feature with all its windows."""
    of = result.model if result.version is None else f"{result.model} version {result.version}"
    lines = [f"{len(result.features):,} features of {of}"]
    for family in FAMILIES:
        own = [feature for feature in result.features if feature.family == family]
        if own:
            lines += ["", f"{family.capitalize()} ({len(own):,})"]
            lines += [line for name, group in group_windows(own) for line in _entry(name, group)]
    if result.left_out:
        lines += ["", f"Left out ({len(result.left_out):,})"]
        for left_out in result.left_out:
            lines += _wrapped(f"{left_out.what}: {left_out.reason}", "  ")
    for warning in result.config_warnings:
        lines += ["", *_wrapped(f"Note: {warning}", "")]
    return "\n".join(lines)


def group_windows(features: Sequence[CatalogEntry]) -> Iterator[tuple[str, list[CatalogEntry]]]:
    """Features that differ in their window only, under one name, such as ``actions__any__count__{7d, all}``."""
    groups: dict[str, list[CatalogEntry]] = {}
    for feature in features:
        stem = feature_name(feature.family, feature.what, feature.aggregate)
        groups.setdefault(stem, []).append(feature)
    for stem, group in groups.items():
        windows = ", ".join(str(feature.window) for feature in group)
        yield (f"{stem}__{{{windows}}}" if len(group) > 1 else group[0].name), group


def _entry(name: str, group: Sequence[CatalogEntry]) -> list[str]:
    """The lines of one entry: name, sentence, source."""
    first = group[0]
    text = first.sentence + (" (a category)" if first.kind == "category" else "")
    if len(group) > 1:
        text += f", and likewise {', '.join(str(feature.window) for feature in group[1:])}"
    words = f", in the source: {', '.join(map(repr, first.words))}" if first.words else ""
    source = f"from {', '.join(first.source) or 'what its function reads'}{words}"
    return [*_wrapped(name, "  "), *_wrapped(text, "      "), *_wrapped(source, "      ")]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "    ", break_on_hyphens=False
    )


def list_version_features(
    config_path: str | Path, *, model: str | None, progress: Progress
) -> FeaturesResult:
    """The catalog of a version, see `list_features`."""
    config = read_config(config_path)
    with progress.step("load"):
        bundle, version = load_model(config, model)
    return FeaturesResult(
        model=bundle.name,
        version=version.version,
        features=list_entries(bundle.plan),
        left_out=list_no_features(bundle.plan),
    )
