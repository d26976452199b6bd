"""Which slices of the held-out leads are evaluated: the config's columns, or those people ask about first."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from mqlml.config import Config
from mqlml.errors import ConfigError
from mqlml.evaluation.holdout import RANDOM_STATE, Evaluated
from mqlml.evaluation.slices import Slice, evaluate_slices
from mqlml.features import Feature
from mqlml.journeys import FlatTable, Journeys
from mqlml.training import TrainingTable
from mqlml.types import Objects

__all__ = ["check_slices", "choose_slices", "find_slices"]

MOST_COLUMNS = 6
MOST_ALIKE = 2
"""Of a kind, as regions."""

MOST_WORDS = 50
"""A column of more words names people or things rather than groups."""

MOST_VALUES = 8
"""Of a column the commonest values are slices of their own, and the rest is one."""

REST, MISSING = "all others", "missing"

_FIRMS = re.compile("size|industry|segment|sector")
_PERSONAS = re.compile("^persona")
_REGIONS = re.compile("region|country|state|province|territory|market")
_ROLES = re.compile("seniority|function")
_SOURCES = re.compile("source|origin|channel|medium")
"""Words by which companies call their own attributes and personas."""


def _is_attribute(words: re.Pattern[str], feature: Feature) -> bool:
    return feature.family == "profile" and words.search(feature.what) is not None


def _is_role(feature: Feature) -> bool:
    derived = feature.what == "job_title" and feature.aggregate in ("seniority", "function")
    return _is_attribute(_ROLES, feature) or derived


_ASKED: tuple[Callable[[Feature], bool], ...] = (
    partial(_is_attribute, _PERSONAS),
    partial(_is_attribute, _REGIONS),
    lambda feature: feature.family == "channel" and feature.what == "first_touch",
    partial(_is_attribute, _SOURCES),
    partial(_is_attribute, _FIRMS),
    _is_role,
)
"""What people ask about: personas, regions, sources, firms, roles, in this order."""


def check_slices(data: Journeys | FlatTable, table: TrainingTable, config: Config) -> None:
    """Refuse a name that is no column, before anything is trained.

    Raises
    ------
    ConfigError
        If ``slices`` names neither a column of the leads nor a feature.
    """
    if config.slices == "auto":
        return
    known = {feature.name for feature in table.plan.features} | set(map(str, data.leads.columns))
    for name in config.slices:
        if name not in known:
            columns = [
                str(column) for column in data.leads.columns if column not in ("lead_id", "account_id")
            ]
            shown = ", ".join(map(repr, columns[:8]))
            raise ConfigError(
                f"slices must name columns of the leads or features; {name!r} is neither. Columns are {shown}"
            )


def find_slices(
    data: Journeys | FlatTable, table: TrainingTable, evaluated: Evaluated, config: Config
) -> tuple[Slice, ...]:
    """The model of the past, evaluated slice by slice on the held-out period."""
    last = table.holdout.test
    return evaluate_slices(
        choose_slices(data, table, config),
        table.label[last],
        evaluated.probability,
        raw=evaluated.raw,
        base_rate=float(table.label[table.holdout.train].mean()),
        clusters=table.group[last],
        random_state=RANDOM_STATE,
    )


def choose_slices(data: Journeys | FlatTable, table: TrainingTable, config: Config) -> dict[str, Objects]:
    """By column's title, the slice of each row of the held-out period.

    Without names in the config these are a few columns of words, personas first, then regions, sources, firms and
    roles. The age of the lead is always one, where leads have snapshots at several. Which of a column's values are
    slices, and where numbers are cut, is read off the rows before the period.
    """
    rows = table.holdout.test
    slices: dict[str, Objects] = {}
    if config.slices == "auto":
        for feature in _asked_about(table):
            slices[feature.sentence] = _cut(table.features[feature.name], table)
    else:
        sentences = {feature.name: feature.sentence for feature in table.plan.features}
        for name in config.slices:
            column = table.features[name] if name in sentences else _of_lead(data.leads, name, table.lead_id)
            slices[sentences.get(name, name)] = _cut(column, table)
    if table.age is not None:
        slices["Age of the lead"] = table.age.to_numpy(dtype=object)
    return {title: values[rows] for title, values in slices.items() if len(set(values[rows])) > 1}


def _asked_about(table: TrainingTable) -> Sequence[Feature]:
    found: list[Feature] = []
    for is_asked in _ASKED:
        alike = [
            feature
            for feature in table.plan.features
            if is_asked(feature)
            and feature not in found
            and (is_asked is _ASKED[0] or _tells_groups(table.features[feature.name], feature))
        ]
        found += alike[:MOST_ALIKE]
    return found[:MOST_COLUMNS]


def _tells_groups(column: pd.Series, feature: Feature) -> bool:
    return feature.kind == "category" and column.nunique() <= MOST_WORDS


def _of_lead(leads: pd.DataFrame, name: str, lead_id: pd.Series) -> pd.Series:
    """A column of the leads, for each snapshot."""
    place = pd.Index(leads["lead_id"]).get_indexer(pd.Index(lead_id))
    column: pd.Series = leads[name].iloc[place].reset_index(drop=True)
    return column


def _cut(column: pd.Series, table: TrainingTable) -> Objects:
    """A column as the slice of each row: words as they are, numbers by the quartiles of the past."""
    past = table.holdout.train
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        text = column.astype("str")
    else:
        values = column.astype("float64")
        if values.iloc[past].nunique() <= MOST_VALUES:
            text = values.map("{:g}".format, na_action="ignore")
        else:
            text = _by_quartile(values, values.iloc[past])
    text = text.mask(column.isna())
    kept = text.iloc[past].value_counts().index[:MOST_VALUES]
    named = text.where(text.isin(kept) | text.isna(), REST).fillna(MISSING)
    return named.to_numpy(dtype=object)


def _by_quartile(values: pd.Series, past: pd.Series) -> pd.Series:
    edges = np.unique(past.quantile([0.25, 0.5, 0.75]).to_numpy())
    names = [
        f"up to {edges[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)),
        f"over {edges[-1]:g}",
    ]
    return pd.Series(np.array(names, dtype=object)[np.searchsorted(edges, values)], index=values.index)
