"""Derived columns of the profile: mail kind, seniority, size band, personas and completeness, from one plan.

Journeys and flat tables have the same; only where an attribute stands differs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from mqlml.config import Config
from mqlml.features.builder import Source
from mqlml.features.catalogue import Feature, name_parts
from mqlml.features.columns import Columns, Piece
from mqlml.features.known import Attribute, Codes, which_filled
from mqlml.features.roles import Roles
from mqlml.features.traits import Parsing, Trait, Wanted, count_met, read_parsing, read_trait, read_wanted
from mqlml.features.vocabulary import MISSING
from mqlml.features.wording import Named, Part, say_word

__all__ = [
    "AS_OF",
    "DerivedPlan",
    "Group",
    "Read",
    "derived_pieces",
    "plan_derived",
    "read_groups",
    "read_piece",
]

Read = Callable[[Source], npt.NDArray[np.number] | Codes]
"""How the values of a feature are read: numbers per snapshot, or codes per snapshot and their texts."""

AS_OF = ", as known at the time"
"""What is said of an attribute that changes."""


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


_PARSED: tuple[tuple[str, str, str, Trait, Named], ...] = (
    (
        *("email", "mail_domain", "kind", "mail_kind"),
        Named("Mail address", aside=": free, corporate, disposable or missing"),
    ),
    ("job_title", "job_title", "seniority", "seniority", Named("Seniority", aside=", from the job title")),
    ("job_title", "job_title", "function", "function", Named("Function", aside=", from the job title")),
    (
        *("company_size", "company_size", "band", "size_band"),
        Named("Size of the company", aside=", in employees"),
    ),
)


def derived_pieces(plan: DerivedPlan) -> Iterator[Piece]:
    """The features in order, each with its reader."""
    make = partial(Feature, "profile", missing="not_given")
    for role, what, aggregate, trait, text in _PARSED:
        attribute: Attribute | None = getattr(plan.roles, role)
        if attribute is not None:
            as_of = AS_OF if attribute.table == "history" else ""
            known = replace(text, aside=text.aside + as_of)
            feature = make(what, aggregate, known, "category", source=(attribute.source,))
            yield read_piece(
                feature, partial(_read_category, attribute=attribute, trait=trait, parsing=plan.parsing)
            )
    parts = name_parts([f"persona_{persona.name}" for persona in plan.personas])
    for persona in plan.personas:
        sources = dict.fromkeys(wanted.attribute.source for wanted in persona.wanted)
        match = Part(f"what makes the persona “{say_word(persona.name)}”", "is met")
        feature = make(parts[f"persona_{persona.name}"], "match", match, "share", source=tuple(sources))
        yield read_piece(feature, partial(_read_match, wanted=persona.wanted, parsing=plan.parsing))
    if plan.counted:
        source = tuple(attribute.source for attribute in plan.counted)
        filled = Part("the profile", "is filled in")
        feature = make("lead", "completeness", filled, "share", source=source)
        yield read_piece(feature, partial(_read_completeness, counted=plan.counted))


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


def read_piece(feature: Feature, read: Read) -> Piece:
    """A feature that is read from leads and history; of a lead not yet created it is missing."""
    return Piece((feature,), partial(_write, read=read), "leads")


def _write(source: Source, columns: Columns, *, read: Read) -> None:
    known = source.lead_row >= 0
    values = read(source)
    if isinstance(values, tuple):
        codes, texts = values
        columns.fill_category(known, codes[known], texts)
    else:
        columns.fill(slice(None), np.where(known, values, np.nan))
