"""Traits: what is read out of attributes (mail kind, seniority, size band …), and who has which of several."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from mqlml.config import Condition, Config
from mqlml.errors import ConfigError, LeakageError
from mqlml.features.attributes import read_domains, read_text
from mqlml.features.builder import Source
from mqlml.features.company_size import read_employees, size_band
from mqlml.features.conditions import Requirement, meets, read_condition
from mqlml.features.job_title import TitleRow, read_titles, title_function, title_seniority
from mqlml.features.known import Attribute, Codes, parse_known, when_known
from mqlml.features.mail_domain import MailLists, mail_kind, plain_domain, read_lists
from mqlml.features.roles import Roles

__all__ = [
    "Parsing",
    "Trait",
    "Wanted",
    "count_met",
    "read_parsing",
    "read_trait",
    "read_wanted",
    "since_known",
]

Trait = Literal["text", "employees", "size_band", "mail_kind", "mail_domain", "seniority", "function"]

DERIVED: dict[str, tuple[str, Trait]] = {
    "mail_domain": ("email", "mail_domain"),
    "mail_kind": ("email", "mail_kind"),
    "seniority": ("job_title", "seniority"),
    "function": ("job_title", "function"),
    "size_band": ("company_size", "size_band"),
}
"""Attributes that conditions may use though no source has them: the role they are read from, and how."""


@dataclass(frozen=True)
class Parsing:
    """What the config adds to the tables that attributes are parsed by."""

    titles: tuple[TitleRow, ...]
    mail: MailLists
    size_ends: tuple[float, ...]


def read_parsing(config: Config) -> Parsing:
    """The config's rows for job titles, mail domains and size bands."""
    profile = config.profile
    return Parsing(
        read_titles(profile, config.folder), read_lists(profile.mail_domains), tuple(profile.size_bands)
    )


def read_trait(source: Source, attribute: Attribute, trait: Trait, parsing: Parsing) -> Codes:
    """A trait of each snapshot's lead, as known at the cutoff: codes (-1 not known) and their texts."""
    if trait in ("mail_kind", "mail_domain"):
        parse = plain_domain if trait == "mail_domain" else partial(mail_kind, added=parsing.mail)
        return parse_known(source, attribute, parse, read=read_domains)
    parsers: dict[Trait, Callable[[str], str | None]] = {
        "text": str,
        "seniority": partial(title_seniority, added=parsing.titles),
        "function": partial(title_function, added=parsing.titles),
        "employees": partial(_employees, ends=None),
        "size_band": partial(_employees, ends=parsing.size_ends),
    }
    return parse_known(source, attribute, parsers[trait], read=read_text)


def _employees(text: str, *, ends: tuple[float, ...] | None) -> str | None:
    number = read_employees(text)
    if number is None:
        return None
    return repr(number) if ends is None else size_band(number, ends)


@dataclass(frozen=True)
class Wanted:
    """One condition on a trait: ``said`` is how the config writes the attribute, ``where`` in which place."""

    said: str
    where: str
    attribute: Attribute
    trait: Trait
    required: Requirement


def read_wanted(
    conditions: Mapping[str, Condition],
    where: str,
    config: Config,
    *,
    roles: Roles,
    columns: Collection[str],
    refused: Collection[str],
    table: Literal["leads", "flat"] = "leads",
) -> tuple[Wanted, ...]:
    """What a persona or an undesirable profile asks for.

    An attribute is one of ``profile.history``, read as of each cutoff; or a static column; or one that is read out
    of another (``seniority``, ``function``, ``mail_domain``, ``mail_kind``, ``size_band``).

    Parameters
    ----------
    conditions : attribute to condition, all to be met.
    where : what errors call the place in the config.
    columns : the static attributes that may be used.
    refused : attributes that the leakage audit refused.

    Raises
    ------
    LeakageError
        If an attribute was refused by the audit.
    ConfigError
        If there is no such attribute, or a list cannot be read.
    """
    wanted = []
    for name, condition in conditions.items():
        place = f"{where}.{name}"
        required = read_condition(condition, place, config.folder)
        attribute, trait = _find(name, place, config, roles, columns, refused, table)
        if required.words is None and attribute == roles.company_size:
            trait = "employees"  # a range of employees, whatever text tells their number
        wanted.append(Wanted(name, place, attribute, trait, required))
    return tuple(wanted)


def _find(
    name: str,
    place: str,
    config: Config,
    roles: Roles,
    columns: Collection[str],
    refused: Collection[str],
    table: Literal["leads", "flat"],
) -> tuple[Attribute, Trait]:
    if name in refused:
        raise LeakageError(
            f"{place} uses {name!r}, which the leakage audit refused; remove it, or say why it is known at the "
            f"cutoff: profile: {{force: {{{name}: reason}}}}"
        )
    if name in config.profile.history:
        return Attribute(name, "history"), "text"
    if name in columns:
        return Attribute(name, table), "text"
    if name in DERIVED:
        role, trait = DERIVED[name]
        attribute = getattr(roles, role)
        if attribute is None:
            raise ConfigError(
                f"{place} needs the {role.replace('_', ' ')} of a lead; name its column: profile.{role}"
            )
        return attribute, trait
    known = [*columns, *config.profile.history, *DERIVED]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"it can use {', '.join(map(str, known[:12]))}"
    raise ConfigError(
        f"{place} uses the attribute {name!r}, which is neither in profile.static nor in profile.history; {hint}"
    )


def _met(source: Source, wanted: Wanted, parsing: Parsing) -> npt.NDArray[np.bool_]:
    codes, texts = read_trait(source, wanted.attribute, wanted.trait, parsing)
    return np.array([*meets(texts, wanted.required, wanted.where), False], bool)[codes]


def count_met(source: Source, wanted: Collection[Wanted], parsing: Parsing) -> npt.NDArray[np.int64]:
    """How many of the conditions each snapshot's lead meets; a missing value meets none."""
    count = np.zeros(len(source.lead_row), np.int64)
    for one in wanted:
        count += _met(source, one, parsing)
    return count


def since_known(source: Source, wanted: Collection[Wanted]) -> npt.NDArray[np.int64]:
    """Since when all values that the conditions look at have been known, in microseconds."""
    since = [when_known(source, one.attribute) for one in wanted]
    latest: npt.NDArray[np.int64] = np.maximum.reduce(since)
    return latest
