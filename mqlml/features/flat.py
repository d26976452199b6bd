"""Flat tables: one row per lead, a snapshot already made; its columns become features as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.errors import ConfigError
from mqlml.features.attributes import Attributes, check_columns, choose_attributes, read_numbers, read_text
from mqlml.features.builder import Block, LeftOut
from mqlml.features.catalogue import FAMILIES, Family, Feature, feature_name, name_parts, say_word
from mqlml.journeys import FlatTable

__all__ = ["FlatPlan", "choose_flat", "describe_flat", "fill_flat"]


@dataclass(frozen=True)
class FlatPlan:
    """The columns that become features, and the family of each that is not Profile's."""

    columns: Attributes
    families: dict[str, Family]


def choose_flat(
    table: FlatTable, config: Config, *, refused: Collection[str], rows: npt.NDArray[np.intp] | None
) -> tuple[FlatPlan, list[LeftOut]]:
    """Sort the columns of a flat table into numbers, categories and those left out, looking at ``rows`` only."""
    there = [column for column in table.leads.columns if column not in ("lead_id", "account_id")]
    settings = config.data.flat
    families: dict[str, Family] = {}
    for family, columns in (settings.families if settings else {}).items():
        check_columns(columns, there, f"data.flat.families.{family}")
        for column in columns:
            if families.setdefault(column, family) != family:
                raise ConfigError(
                    f"data.flat.families files {column!r} under {families[column]} and {family}; choose one"
                )
    named = there
    if config.profile.static != "auto":
        check_columns(config.profile.static, there, "profile.static")
        named = [column for column in there if column in config.profile.static or column in families]
    left_out = [(column, "refused by the leakage audit") for column in named if column in refused]
    known = table.leads if rows is None else table.leads.iloc[rows]
    chosen, unfit = choose_attributes(known, [column for column in named if column not in refused])
    kept = {column: families.get(column, "profile") for column in (*chosen.numbers, *chosen.categories)}
    return FlatPlan(chosen, kept), left_out + unfit


def _columns(plan: FlatPlan) -> Iterator[tuple[str, Feature]]:
    """Each column and its feature, family by family."""
    for family in FAMILIES:
        columns = [column for column, own in plan.families.items() if own == family]
        parts = name_parts(columns)
        for column in columns:
            said = say_word(column)
            yield (
                column,
                Feature(
                    name=feature_name(family, parts[column], "value"),
                    family=family,
                    sentence=said[:1].upper() + said[1:],
                    kind="number" if column in plan.columns.numbers else "category",
                    source=(f"flat.{column}",),
                    words=() if parts[column] == column else (column,),
                ),
            )


def describe_flat(plan: FlatPlan) -> tuple[Feature, ...]:
    """The features in order."""
    return tuple(feature for _, feature in _columns(plan))


def fill_flat(leads: pd.DataFrame, plan: FlatPlan, block: Block) -> None:
    """Fill the block, a row per lead."""
    place = 0
    for column, feature in _columns(plan):
        if feature.kind == "number":
            block.numbers[:, place] = read_numbers(leads, column)
            place += 1
        else:
            codes, texts = read_text(leads, column)
            block.category(feature.name, texts)[:] = codes
