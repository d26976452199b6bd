"""Features of flat tables, where each row is a lead and a snapshot: its columns as they are, and what is parsed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.errors import ConfigError
from mqlml.features.catalogue import FAMILIES, Family, Feature, name_parts
from mqlml.features.families.builder import LeftOut, Piece, Source
from mqlml.features.families.flags import FlagsPlan, flag_pieces, plan_flags
from mqlml.features.families.profile import DerivedPlan, derived_pieces, plan_derived, read_piece
from mqlml.features.kernels.windows import SnapshotKeys
from mqlml.features.parsers.attributes import (
    Attribute,
    Attributes,
    check_columns,
    choose_attributes,
    is_filled,
    read_known_numbers,
    read_known_text,
)
from mqlml.features.parsers.conditions import AttributeScope
from mqlml.features.parsers.job_title import find_roles
from mqlml.features.wording import Named, format_word, upper_first
from mqlml.journeys import FlatTable


@dataclass(frozen=True)
class FlatPlan:
    """What a flat table's features are made from.

    Attributes
    ----------
    columns : those that become features as they are.
    families : the family of each of them.
    derived : what is parsed from the profile's columns.
    flags : the undesirable profiles; None where no column shows one.
    """

    columns: Attributes
    families: dict[str, Family]
    derived: DerivedPlan
    flags: FlagsPlan | None


def choose_flat(
    table: FlatTable, config: Config, *, refused: Collection[str], rows: npt.NDArray[np.intp] | None
) -> tuple[FlatPlan, list[LeftOut]]:
    """Sort the columns of a flat table into numbers, categories and those left out, by ``rows`` only."""
    for key, written in (
        ("profile.history", config.profile.history),
        ("features.custom", config.features.custom),
        ("features.functions", config.features.functions),
    ):
        if written:
            raise ConfigError(
                f"{key} needs journeys, and a flat table has neither history nor events; remove it"
            )
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
    wanted = {*families} if config.profile.static == "auto" else {*families, *config.profile.static}
    chosen, unfit = choose_attributes(
        known, [column for column in named if column not in refused], named=wanted
    )
    kept = {column: families.get(column, "profile") for column in (*chosen.numbers, *chosen.categories)}
    columns = [column for column in named if column not in refused]
    roles = find_roles(known, config.profile, refused=refused, table="flat")
    scope = AttributeScope(config, roles, columns, refused, "flat")
    derived = plan_derived(scope)
    own = tuple(a for a in derived.counted if families.get(a.name, "profile") == "profile")
    derived = replace(derived, counted=own)
    plan = FlatPlan(chosen, kept, derived, plan_flags(scope))
    without_completeness = replace(plan, derived=replace(derived, counted=()))
    if not any(flat_pieces(without_completeness)) and not _fills_differ(known, own):
        # else a table without any usable column would seem to have one, the same for every lead
        plan = without_completeness
    return plan, left_out + unfit


def _fills_differ(known: pd.DataFrame, counted: tuple[Attribute, ...]) -> bool:
    """Whether some leads have more of these filled in than others."""
    filled = np.zeros(len(known), np.int64)
    for attribute in counted:
        filled += is_filled(known, attribute.name)
    return bool((filled != filled[:1]).any())


def flat_pieces(plan: FlatPlan) -> Iterator[Piece]:
    """Each feature and its reader, family by family: the columns as they are, then what is parsed from them."""
    for family in FAMILIES:
        columns = [column for column, own in plan.families.items() if own == family]
        parts = name_parts(columns)
        for column in columns:
            number = column in plan.columns.numbers
            feature = Feature(
                family,
                parts[column],
                "value",
                Named(upper_first(format_word(column))),
                "number" if number else "category",
                "presence" if number and family != "profile" else "amount",
                missing="not_given",
                source=(f"flat.{column}",),
                words=() if parts[column] == column else (column,),
            )
            read = read_known_numbers if number else read_known_text
            yield read_piece(feature, partial(read, attribute=Attribute(column, "flat")))
        if family == "profile":
            yield from derived_pieces(plan.derived)
        if family == "undesirables" and plan.flags is not None:
            yield from flag_pieces(plan.flags, timed=False)


def flat_source(leads: pd.DataFrame) -> Source:
    """What the features are read from: each row a lead and a snapshot of it."""
    rows = np.arange(len(leads))
    keys = SnapshotKeys(pd.Index(rows), rows, np.zeros(len(leads), np.int64))
    nothing = pd.DataFrame({"field": pd.Series([], dtype="str")})
    return Source(leads, nothing, keys, rows, leads, rows)
