"""Derived columns of the profile: mail kind, seniority, size band, personas and completeness, from one plan.

Journeys and flat tables have the same; only where an attribute stands differs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from mqlml.config import Config
from mqlml.features.builder import Block, Source
from mqlml.features.catalogue import Feature, feature_name, name_parts, say_word
from mqlml.features.known import Attribute, Codes, which_filled
from mqlml.features.roles import Roles
from mqlml.features.traits import Parsing, Trait, Wanted, count_met, read_parsing, read_trait, read_wanted
from mqlml.features.vocabulary import MISSING

__all__ = [
    "Column",
    "DerivedPlan",
    "Group",
    "derived_columns",
    "plan_derived",
    "read_groups",
    "write_columns",
]

Column = tuple[Feature, Callable[[Source], npt.NDArray[np.generic] | Codes]]
"""A feature, and how its values are read: numbers per snapshot, or codes per snapshot and their texts."""


@dataclass(frozen=True)
class Group:
    """Some conditions under one name: a persona, or an undesirable profile."""

    name: str
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True)
class DerivedPlan:
    """What the derived columns are made from.

    Attributes
    ----------
    roles : the attributes that are parsed.
    parsing : what the config adds to the tables they are parsed by.
    counted : attributes whose filled share is the completeness.
    personas : the buyers that marketing describes.
    """

    roles: Roles
    parsing: Parsing
    counted: tuple[Attribute, ...]
    personas: tuple[Group, ...]


def plan_derived(
    config: Config,
    *,
    roles: Roles,
    columns: Collection[str],
    refused: Collection[str],
    table: Literal["leads", "flat"] = "leads",
) -> DerivedPlan:
    """The plan; ``columns`` are the static attributes that were not refused.

    Raises
    ------
    ConfigError, LeakageError
        If a persona uses an attribute that is not there, or that the audit refused.
    """
    on = config.features.groups
    changing = [name for name in config.profile.history if name not in refused]
    counted = [Attribute(name, table) for name in columns] + [Attribute(name, "history") for name in changing]
    personas = read_groups(config, "personas", roles=roles, columns=columns, refused=refused, table=table)
    return DerivedPlan(
        roles if on.parsed else Roles(),
        read_parsing(config),
        tuple(counted) if on.completeness else (),
        personas,
    )


def read_groups(
    config: Config,
    what: Literal["personas", "undesirable_profiles"],
    *,
    roles: Roles,
    columns: Collection[str],
    refused: Collection[str],
    table: Literal["leads", "flat"] = "leads",
) -> tuple[Group, ...]:
    """The config's personas or undesirable profiles, with their lists read."""
    written = config.personas if what == "personas" else config.features.undesirable_profiles
    where = "personas" if what == "personas" else "features.undesirable_profiles"
    return tuple(
        Group(
            name,
            read_wanted(
                when, f"{where}.{name}", config, roles=roles, columns=columns, refused=refused, table=table
            ),
        )
        for name, when in written.items()
    )


_PARSED: tuple[tuple[str, str, str, Trait, str], ...] = (
    ("email", "mail_domain", "kind", "mail_kind", "Mail address: free, corporate, disposable or missing"),
    ("job_title", "job_title", "seniority", "seniority", "Seniority, from the job title"),
    ("job_title", "job_title", "function", "function", "Function, from the job title"),
    ("company_size", "company_size", "band", "size_band", "Size of the company, in employees"),
)


def derived_columns(plan: DerivedPlan) -> Iterator[Column]:
    """The features in order, each with its reader."""
    make = partial(Feature, family="profile")
    for role, what, aggregate, trait, said in _PARSED:
        attribute: Attribute | None = getattr(plan.roles, role)
        if attribute is not None:
            feature = make(
                name=feature_name("profile", what, aggregate),
                sentence=said + (", as known at the time" if attribute.table == "history" else ""),
                kind="category",
                source=(attribute.source,),
            )
            yield feature, partial(_read_category, attribute=attribute, trait=trait, parsing=plan.parsing)
    parts = name_parts([f"persona_{persona.name}" for persona in plan.personas])
    for persona in plan.personas:
        sources = dict.fromkeys(wanted.attribute.source for wanted in persona.wanted)
        feature = make(
            name=feature_name("profile", parts[f"persona_{persona.name}"], "match"),
            sentence=f"Share of what makes the persona “{say_word(persona.name)}” that is met",
            source=tuple(sources),
        )
        yield feature, partial(_read_match, wanted=persona.wanted, parsing=plan.parsing)
    if plan.counted:
        feature = make(
            name=feature_name("profile", "lead", "completeness"),
            sentence="Share of the profile that is filled in",
            source=tuple(attribute.source for attribute in plan.counted),
        )
        yield feature, partial(_read_completeness, counted=plan.counted)


def _read_category(source: Source, *, attribute: Attribute, trait: Trait, parsing: Parsing) -> Codes:
    codes, kinds = read_trait(source, attribute, trait, parsing)
    if MISSING not in kinds:
        kinds = (*kinds, MISSING)
    return np.where(codes >= 0, codes, kinds.index(MISSING)).astype(np.int32), kinds


def _read_match(source: Source, *, wanted: tuple[Wanted, ...], parsing: Parsing) -> npt.NDArray[np.float64]:
    share: npt.NDArray[np.float64] = count_met(source, wanted, parsing) / len(wanted)
    return share


def _read_completeness(source: Source, *, counted: tuple[Attribute, ...]) -> npt.NDArray[np.float64]:
    filled = np.zeros(len(source.lead_row), np.int64)
    for attribute in counted:
        filled += which_filled(source, attribute)
    share: npt.NDArray[np.float64] = filled / len(counted)
    return share


def write_columns(columns: Iterator[Column], source: Source, block: Block, *, first: int) -> None:
    """Fill the block: categories by name, numbers from column ``first`` on; a lead not yet created has neither."""
    known = source.lead_row >= 0
    for feature, read in columns:
        values = read(source)
        if isinstance(values, tuple):
            codes, texts = values
            block.category(feature.name, texts)[known] = codes[known]
        else:
            block.numbers[:, first] = np.where(known, values, np.nan)
            first += 1
