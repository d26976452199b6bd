"""Feature functions: Python functions of other packages, which are given only what was known at each cutoff.

A package registers one as an entry point of the group ``mqlml.features``; the config switches it on by the entry
point's name. docs/user_features.md has an example that runs.
"""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import NUMBER_UNITS, NumberUnit
from mqlml.errors import BundleError, ConfigError, ContractError
from mqlml.features.catalogue import FAMILIES, Family, Feature
from mqlml.features.families.builder import Builder, Columns, Evidence, LeftOut, Piece, Source
from mqlml.features.kernels.windows import Events, WindowScan, scan_windows
from mqlml.features.parsers.attributes import Attribute, read_known_text
from mqlml.features.vocabulary import Words
from mqlml.features.wording import Named
from mqlml.journeys.contract import WORDS
from mqlml.times import MISSING_TIME, column_to_microseconds, microseconds_to_column
from mqlml.types import Floats, Ints

GROUP = "mqlml.features"
"""The entry point group that feature functions are registered under."""

_ROWS = 2_000_000
"""Events handed to a function at a time, about."""


@dataclass(frozen=True)
class Known:
    """What a feature function is given: some snapshots and all that was known at each, nothing more.

    Attributes
    ----------
    snapshots : DataFrame, a row per snapshot, numbered from 0
        ``lead_id``, ``cutoff_time``, ``created_at`` (missing where the lead came later), and as text the static
        attributes and those of ``profile.history`` as of the cutoff.
    events : DataFrame, earliest first within each snapshot
        ``snapshot`` (its number), ``occurred_at``, and what the events have of ``action``, ``channel``, ``campaign``,
        ``content``, ``initiated_by`` and ``value``. Only rows that had happened and were recorded before the cutoff.
    """

    snapshots: pd.DataFrame
    events: pd.DataFrame


@dataclass(frozen=True)
class FeatureFunction:
    """A feature that a function makes.

    Attributes
    ----------
    family : ``profile``, ``channel``, ``actions`` or ``undesirables``.
    name : the second part of the feature's name: ``weekend_share`` becomes ``actions__weekend_share__function``.
    sentence : what it says, in a marketer's words, without a full stop.
    function : takes a `Known`, gives one number per row of its ``snapshots`` (NaN for unknown), in their order.
    source : the columns it uses, as ``events.occurred_at``, for the catalogue.
    unit : what its numbers are measured in, as ``share``, ``days`` or ``amount``.
    """

    family: Family
    name: str
    sentence: str
    function: Callable[[Known], npt.ArrayLike]
    source: tuple[str, ...] = ()
    unit: NumberUnit = "number"


@dataclass(frozen=True)
class FunctionPlan:
    """One function: where it was found (entry point, package and its version), and how it describes itself."""

    entry: str
    package: str
    version: str
    family: Family
    name: str
    sentence: str
    source: tuple[str, ...]
    unit: NumberUnit


@dataclass(frozen=True)
class FunctionsPlan:
    """The functions in the config's order, and the attributes that they are given."""

    functions: tuple[FunctionPlan, ...]
    attributes: tuple[Attribute, ...]


def installed_functions() -> dict[str, importlib.metadata.EntryPoint]:
    """The registered functions by the name of their entry point; nothing is loaded."""
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def _package(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist is not None else ("unknown", "unknown")


def _plan(evidence: Evidence) -> tuple[FunctionsPlan | None, list[LeftOut]]:
    config = evidence.config
    installed = installed_functions()
    left_out = [
        (
            f"function {name}",
            f"is installed ({' '.join(_package(entry))}); features.functions does not name it",
        )
        for name, entry in sorted(installed.items())
        if name not in config.features.functions
    ]
    if not config.features.functions:
        return None, left_out
    functions = []
    for name in dict.fromkeys(config.features.functions):
        if name not in installed:
            near = difflib.get_close_matches(name, installed, n=1)
            there = (
                f"did you mean {near[0]!r}?" if near else f"found {', '.join(sorted(installed)) or 'none'}"
            )
            raise ConfigError(
                f"features.functions names {name!r}, which no installed package registers under {GROUP!r}; {there}"
            )
        found = _load(installed[name])
        package, version = _package(installed[name])
        functions.append(
            FunctionPlan(
                *(name, package, version, found.family, found.name, found.sentence),
                *(tuple(found.source), found.unit),
            )
        )
    columns = [
        column
        for column in evidence.static_columns
        if column not in evidence.refused and column not in config.profile.history
    ]
    changing = [name for name in config.profile.history if name not in evidence.refused]
    attributes = [Attribute(name) for name in columns] + [Attribute(name, "history") for name in changing]
    return FunctionsPlan(tuple(functions), tuple(attributes)), left_out


def _load(entry: importlib.metadata.EntryPoint) -> FeatureFunction:
    try:
        found = entry.load()
    except Exception as error:  # an import may raise anything
        raise ConfigError(
            f"the feature function {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if (
        not isinstance(found, FeatureFunction)
        or found.family not in FAMILIES
        or not found.name.isidentifier()
    ):
        raise ConfigError(
            f"the entry point {entry.name!r} of {GROUP!r} must name a FeatureFunction with a family of "
            f"{', '.join(FAMILIES)} and a name of letters, digits and '_'; found {found!r}"
        )
    if found.unit not in NUMBER_UNITS:
        raise ConfigError(
            f"the unit of the feature function {entry.name!r} must be one of {', '.join(NUMBER_UNITS)}; "
            f"found {found.unit!r}"
        )
    return found


def _load_planned(plan: FunctionPlan) -> FeatureFunction:
    entry = installed_functions().get(plan.entry)
    found = None if entry is None else _package(entry)
    if entry is None or found != (plan.package, plan.version):
        what = "is not installed" if found is None else f"is {found[0]} {found[1]} here"
        raise BundleError(
            f"the version was trained with the feature function {plan.entry!r} of {plan.package} {plan.version}, "
            f"which {what}; install {plan.package}=={plan.version}, or train a new version"
        )
    return _load(entry)


def _pieces(plan: FunctionsPlan) -> Iterator[Piece]:
    features = (
        Feature(
            one.family,
            one.name.lower(),
            "function",
            Named(one.sentence),
            one.unit,
            missing="not_known",
            source=one.source,
            words=(f"{one.package} {one.version}",),
        )
        for one in plan.functions
    )
    yield Piece(tuple(features), _write, "journeys")


def _write(given: tuple[Source, Events, FunctionsPlan], columns: Columns) -> None:
    source, events, plan = given
    loaded = [(one, _load_planned(one)) for one in plan.functions]
    everyone = _snapshots(source, plan)
    for scan in scan_windows(events, source.keys, ()):
        for rows, known in _batches(scan, events, everyone):
            columns.fill(rows, *(_call(one, function, known) for one, function in loaded))


def _of_journeys(source: Source, events: Events, plan: FunctionsPlan) -> tuple[Source, Events, FunctionsPlan]:
    return source, events, plan


def _snapshots(source: Source, plan: FunctionsPlan) -> pd.DataFrame:
    """What is known of each snapshot's lead."""
    keys = source.keys
    created = np.append(column_to_microseconds(source.leads["created_at"]), MISSING_TIME)
    columns: dict[str, pd.Series | pd.Index] = {
        "lead_id": pd.Series(keys.ids.take(keys.lead)),
        "cutoff_time": microseconds_to_column(keys.cutoff),
        "created_at": microseconds_to_column(created[source.lead_row]),
    }
    for attribute in plan.attributes:
        codes, texts = read_known_text(source, attribute)
        known = np.where(source.lead_row >= 0, codes, -1)
        columns[attribute.name] = pd.Series(pd.array(list(texts), dtype="str").take(known, allow_fill=True))
    return pd.DataFrame(columns)


def _batches(scan: WindowScan, events: Events, everyone: pd.DataFrame) -> Iterator[tuple[Ints, Known]]:
    """Some of the scan's snapshots, and what was known at them: each snapshot's own copy of its rows."""
    first = scan.first
    number = scan.stop - first
    for some in np.split(np.arange(len(scan.row)), np.flatnonzero(np.diff(np.cumsum(number) // _ROWS)) + 1):
        each = number[some]
        snapshot = np.repeat(np.arange(len(some)), each)
        within = np.arange(len(snapshot)) - np.repeat(np.cumsum(each) - each, each)
        place = first[some][snapshot] + within
        row = scan.order[place]
        known = {
            "snapshot": pd.Series(snapshot),
            "occurred_at": microseconds_to_column(scan.arrays.occurred[place]),
        }
        for column in WORDS:
            if column in events:
                known[column] = _words_of(events.words(column), row)
        if "value" in events:
            known["value"] = pd.Series(events.values()[row])
        rows = scan.row[some]
        yield rows, Known(everyone.take(rows).reset_index(drop=True), pd.DataFrame(known))


def _words_of(words: Words, row: Ints) -> pd.Series:
    """The words of some rows as categories, none of which stands in other rows only: it would reveal later ones."""
    codes = words.codes[row]
    present = sorted(np.unique(codes[codes >= 0]).tolist(), key=words.text.__getitem__)
    place = np.full(len(words.text) + 1, -1, np.int64)
    place[present] = np.arange(len(present))
    texts = pd.Index([words.text[code] for code in present], dtype="str")
    return pd.Series(pd.Categorical.from_codes(place[codes], categories=texts))


def _call(plan: FunctionPlan, feature: FeatureFunction, known: Known) -> Floats:
    given = Known(known.snapshots.copy(), known.events.copy())
    try:
        values = np.asarray(feature.function(given), np.float64)
    except Exception as error:  # another's code may raise anything
        raise ContractError(
            f"the feature function {plan.entry!r} of {plan.package} {plan.version} raised {type(error).__name__}: "
            f"{error}; correct it, or remove it from features.functions"
        ) from error
    if values.shape != (len(known.snapshots),):
        raise ContractError(
            f"the feature function {plan.entry!r} must give one number per snapshot, shape "
            f"({len(known.snapshots)},); found {values.shape}"
        )
    return np.where(np.isfinite(values), values, np.nan)


BUILDER = Builder("functions", _plan, _pieces, of_journeys=_of_journeys)
