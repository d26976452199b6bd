"""Conditions of the config on attributes: reading them with their lists, and evaluating them for snapshots.

Text is compared without regard to case and to blanks at its ends, a number by its value (``1`` in the config is
``1.0`` in the table). A missing value meets no condition, not even one to be outside a list.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mqlml.config import Condition, Config, Profile
from mqlml.errors import ConfigError, LeakageError
from mqlml.features.families.builder import Source
from mqlml.features.parsers.attributes import (
    Attribute,
    CodedTexts,
    parse_known,
    read_domains,
    read_text,
    when_known,
)
from mqlml.features.parsers.company import (
    MailLists,
    mail_kind,
    normalize_domain,
    read_employees,
    read_lists,
    size_band,
)
from mqlml.features.parsers.job_title import (
    Roles,
    TitleRow,
    find_email,
    read_titles,
    title_function,
    title_seniority,
)
from mqlml.journeys.parse import plain_word
from mqlml.types import Ints, Mask

Value = str | int | float | bool


@dataclass(frozen=True)
class Requirement:
    """A condition with its list read.

    Attributes
    ----------
    words : the list, each word as `_normalize` writes it; None for a range.
    negated : whether the value must be outside the list.
    low, high : the range's ends, included; None where it has none.
    truths : the listed values that YAML read as true or false.
    exact : whether words are compared as they are, case and blanks included.
    """

    words: tuple[str, ...] | None = None
    negated: bool = False
    low: float | None = None
    high: float | None = None
    truths: tuple[bool, ...] = ()
    exact: bool = False

    def within(self, number: float) -> bool:
        """Whether a number lies in the range."""
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


def read_condition(condition: Condition, where: str, folder: Path) -> Requirement:
    """A condition with the file that it may name read.

    Raises
    ------
    ConfigError
        If the file cannot be read, or ``not_in`` is empty.
    """
    if condition.min is not None or condition.max is not None:
        return Requirement(low=condition.min, high=condition.max)
    listed, negated = (condition.in_, False) if condition.in_ is not None else (condition.not_in, True)
    assert listed is not None  # the config holds exactly one of the tests
    key = f"{where}.{'not_in' if negated else 'in'}"
    wanted: Sequence[Value] = _read_list(listed, key, folder) if isinstance(listed, str) else listed
    if negated and not wanted:
        raise ConfigError(f"{key} is empty, which every lead would meet; list what is allowed")
    truths = tuple(value for value in wanted if isinstance(value, bool))
    words = {_normalize(value) for value in wanted} | {str(int(truth)) for truth in truths}
    return Requirement(tuple(sorted(words)), negated, truths=truths)


def _normalize(value: object) -> str:
    """One spelling for what counts as the same value."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).casefold()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return plain_word(str(value).strip()).casefold()


def meets(found: Sequence[object], test: Requirement, where: str) -> list[bool]:
    """Whether each of some different values meets a condition.

    Raises
    ------
    ConfigError
        If the list holds a bare ``NO`` that YAML has read as false, and the values are texts.
    """
    if test.words is None:
        return [number is not None and test.within(number) for number in map(_number, found)]
    listed = frozenset(test.words)
    words = [str(value) if test.exact else _normalize(value) for value in found]
    _check_booleans(test, words, where)
    return [(word in listed) != test.negated for word in words]


def _number(value: object) -> float | None:
    try:
        number = float(_normalize(value))
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _check_booleans(test: Requirement, words: Sequence[str], where: str) -> None:
    """Refuse a listed true or false where an attribute holds texts."""
    if not test.truths or all(word in ("true", "false") or _number(word) is not None for word in words):
        return
    raise ConfigError(
        f"{where}.{'not_in' if test.negated else 'in'} holds {test.truths[0]!r}, but the attribute holds text, as "
        f'{words[0]!r}. YAML reads a bare NO, OFF, YES or ON as false or true; write it in quotes, as "NO"'
    )


def _read_list(name: str, key: str, folder: Path) -> list[str]:
    path = folder / Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{key} names the file {name!r}, which is not in {str(folder)!r}; a list is written as [{name}]"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{key} names the file {str(path)!r}, which cannot be read as UTF-8 text: {reason}; save it as such"
        ) from None
    return [line.strip() for line in text.splitlines() if line.strip()]


ParsedAttribute = Literal[
    "text", "employees", "size_band", "mail_kind", "mail_domain", "seniority", "function"
]

DERIVED: dict[str, tuple[str, ParsedAttribute]] = {
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


def read_parsed_attribute(
    source: Source, attribute: Attribute, parsed: ParsedAttribute, parsing: Parsing
) -> CodedTexts:
    """A parsed attribute of each snapshot's lead, as known at the cutoff: codes (-1 not known) and their texts."""
    key = (attribute, parsed, parsing)
    if key not in source.parsed:
        source.parsed[key] = _parse(source, attribute, parsed, parsing)
    found: CodedTexts = source.parsed[key]
    return found


def _parse(source: Source, attribute: Attribute, parsed: ParsedAttribute, parsing: Parsing) -> CodedTexts:
    if parsed in ("mail_kind", "mail_domain"):
        parse = normalize_domain if parsed == "mail_domain" else partial(mail_kind, added=parsing.mail)
        return parse_known(source, attribute, parse, read=read_domains)
    parsers: dict[ParsedAttribute, Callable[[str], str | None]] = {
        "text": str,
        "seniority": partial(title_seniority, added=parsing.titles),
        "function": partial(title_function, added=parsing.titles),
        "employees": partial(_employees, ends=None),
        "size_band": partial(_employees, ends=parsing.size_ends),
    }
    return parse_known(source, attribute, parsers[parsed], read=read_text)


def _employees(text: str, *, ends: tuple[float, ...] | None) -> str | None:
    number = read_employees(text)
    if number is None:
        return None
    return repr(number) if ends is None else size_band(number, ends)


@dataclass(frozen=True)
class AttributeScope:
    """The attributes that conditions, personas and flags may use.

    Attributes
    ----------
    config : the whole config: ``profile.history`` names attributes that are read as of each cutoff.
    roles : the attributes that others are parsed from.
    columns : the static attributes, refused ones left out.
    refused : attributes that the leakage audit refused.
    table : what the catalogue calls the table of the static attributes.
    """

    config: Config
    roles: Roles
    columns: Collection[str]
    refused: Collection[str]
    table: Literal["leads", "flat"] = "leads"

    def find(self, name: str, where: str) -> tuple[Attribute, ParsedAttribute]:
        """An attribute of ``profile.history``, a static one, or one that is parsed from another (`DERIVED`).

        ``where`` is what errors call the place in the config.

        Raises
        ------
        LeakageError
            If the audit refused it.
        ConfigError
            If there is no such attribute.
        """
        if name in self.refused:
            raise LeakageError(
                f"{where} uses {name!r}, which the leakage audit refused; remove it, or say why it is known at the "
                f"cutoff: profile: {{force: {{{name}: reason}}}}"
            )
        changing = self.config.profile.history
        if name in changing:
            return Attribute(name, "history"), "text"
        if name in self.columns:
            return Attribute(name, self.table), "text"
        if name in DERIVED:
            role, parsed = DERIVED[name]
            attribute = getattr(self.roles, role)
            if attribute is None:
                raise ConfigError(
                    f"{where} needs the {role.replace('_', ' ')} of a lead; name its column: profile.{role}"
                )
            return attribute, parsed
        known = [*self.columns, *changing, *DERIVED]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"it can use {', '.join(map(str, known[:12]))}"
        raise ConfigError(
            f"{where} uses the attribute {name!r}, which is neither in profile.static nor in profile.history; {hint}"
        )


@dataclass(frozen=True)
class AttributeCondition:
    """One condition on a parsed attribute; ``where`` is its place in the config."""

    where: str
    attribute: Attribute
    parsed: ParsedAttribute
    required: Requirement


def read_attribute_conditions(
    conditions: Mapping[str, Condition], where: str, scope: AttributeScope
) -> tuple[AttributeCondition, ...]:
    """What a persona or an undesirable profile requires: attribute to condition, all to be met.

    ``where`` is what errors call the place in the config.

    Raises
    ------
    LeakageError, ConfigError
        As `AttributeScope.find`, or if a list cannot be read.
    """
    wanted = []
    for name, condition in conditions.items():
        place = f"{where}.{name}"
        required = read_condition(condition, place, scope.config.folder)
        attribute, parsed = scope.find(name, place)
        if required.words is None and attribute == scope.roles.company_size:
            parsed = "employees"  # a range of employees, in whatever text their number is given
        wanted.append(AttributeCondition(place, attribute, parsed, required))
    return tuple(wanted)


def _met(source: Source, wanted: AttributeCondition, parsing: Parsing) -> Mask:
    codes, texts = read_parsed_attribute(source, wanted.attribute, wanted.parsed, parsing)
    return np.array([*meets(texts, wanted.required, wanted.where), False], bool)[codes]


def count_met(source: Source, wanted: Collection[AttributeCondition], parsing: Parsing) -> Ints:
    """How many of the conditions each snapshot's lead meets; a missing value meets none."""
    count = np.zeros(len(source.lead_row), np.int64)
    for one in wanted:
        count += _met(source, one, parsing)
    return count


def since_known(source: Source, wanted: Collection[AttributeCondition]) -> Ints:
    """Since when all values that the conditions use have been known, in microseconds."""
    since = [when_known(source, one.attribute) for one in wanted]
    latest: Ints = np.maximum.reduce(since)
    return latest


MAIL_DOMAIN = "mail_domain"
"""The attribute that rules may use though no source has it: the part of the e-mail after the ``@``."""


def match_exclusions(leads: pd.DataFrame, config: Config) -> pd.Series:
    """Why each lead is left out altogether, by the first of ``rules.exclude`` that holds; missing where none does.

    Parameters
    ----------
    leads : one row per lead, attributes as columns.

    Raises
    ------
    ConfigError
        As `match_conditions`.
    """
    reason = np.full(len(leads), None, dtype=object)
    for position, rule in enumerate(config.rules.exclude):
        where = f"rules.exclude[{position}].when"
        holds = match_conditions(leads, rule.when, where, folder=config.folder, email=config.profile.email)
        reason[holds & pd.isna(reason)] = rule.reason
    return pd.Series(reason, index=leads.index, dtype="str")


def match_conditions(
    leads: pd.DataFrame, when: Mapping[str, Condition], where: str, *, folder: Path, email: str | None
) -> Mask:
    """Which leads meet all conditions of a rule, by their present attributes.

    Parameters
    ----------
    where : what errors call the rule's place in the config.
    folder, email : of the config: the folder of files that a list names, and ``profile.email``.

    Raises
    ------
    ConfigError
        If a condition names an unknown column, one of times, or a missing file, or its list cannot be used.
    """
    holds = np.ones(len(leads), dtype=bool)
    for name, condition in when.items():
        holds &= meets_condition(
            _rule_column(leads, name, where, email), condition, f"{where}.{name}", folder
        )
    return holds


def _rule_column(leads: pd.DataFrame, name: str, where: str, email: str | None) -> pd.Series:
    if name in leads:
        column = leads[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise ConfigError(f"{where} names {name!r}, which holds times; rules compare text and numbers")
        return column
    if name == MAIL_DOMAIN:
        return _mail_domain(leads, where, email)
    known = [str(column) for column in leads.columns]
    near = difflib.get_close_matches(name, [*known, MAIL_DOMAIN], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"the leads have {', '.join(known)}"
    raise ConfigError(f"{where} names the lead attribute {name!r}, which is unknown; {hint}")


def _mail_domain(leads: pd.DataFrame, where: str, email: str | None) -> pd.Series:
    """The part after the last ``@``, or all of it where there is none; missing where that is no domain."""
    column = find_email(leads, Profile(email=email))
    if column is None:
        raise ConfigError(
            f"{where} uses {MAIL_DOMAIN!r}, but no column of the leads holds email addresses; name one with "
            "profile.email"
        )
    domain = leads[column].astype("str").str.rpartition("@")[2].str.strip(" \t<>.")
    return domain.where(domain.str.contains(".", regex=False).fillna(False))


def meets_condition(column: pd.Series, condition: Condition, where: str, folder: Path) -> Mask:
    """Whether each value meets a condition; False where the value is missing."""
    required = read_condition(condition, where, folder)
    codes, found = pd.factorize(column)  # each different value is compared once
    # The last entry is that of code -1, a missing value, which never meets a condition.
    met: Mask = np.array([*meets(list(found), required, where), False], dtype=bool)[codes]
    return met
