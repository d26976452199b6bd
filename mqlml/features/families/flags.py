"""Flags of undesirable profiles (student, competitor, throw-away address …): which hold, how many, since when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mqlml.features.catalogue import Feature, Signal
from mqlml.features.families.builder import Piece, Source
from mqlml.features.families.profile import Group, read_groups, read_piece
from mqlml.features.parsers.attributes import Attribute, parse_known, when_known
from mqlml.features.parsers.conditions import (
    AttributeScope,
    ParsedAttribute,
    Parsing,
    count_met,
    read_parsed_attribute,
    read_parsing,
    since_known,
)
from mqlml.features.parsers.job_title import Roles, is_phone
from mqlml.features.wording import Counted, Flag, Since, format_word
from mqlml.times import DAY, NEVER, column_to_microseconds
from mqlml.types import Floats, Ints, Mask


@dataclass(frozen=True)
class FlagsPlan:
    """What the flags are read from.

    Attributes
    ----------
    roles : the attributes that mqlml's own flags are read from.
    parsing : what the config adds to the tables they are parsed by.
    profiles : the config's undesirable profiles; a flag is up where all conditions are met.
    """

    roles: Roles
    parsing: Parsing
    profiles: tuple[Group, ...]


def plan_flags(scope: AttributeScope) -> FlagsPlan | None:
    """The plan, or None where there is nothing to raise a flag about; errors as of `plan_derived`."""
    if not scope.config.features.groups.flags:
        return None
    written = scope.config.features.undesirable_profiles
    profiles = read_groups(written, "features.undesirable_profiles", scope)
    if not (profiles or scope.roles.email or scope.roles.job_title or scope.roles.phone):
        return None
    return FlagsPlan(scope.roles, read_parsing(scope.config), profiles)


@dataclass(frozen=True)
class _Flag:
    """A flag: its name, the fact where it is up, the attributes it is read from, and its signal.

    ``read`` gives 1 where it is up, 0 where not, NaN where not known; ``since`` when that was first known.
    """

    name: str
    fact: str
    attributes: tuple[Attribute, ...]
    read: Callable[[Source], Floats]
    since: Callable[[Source], Ints]
    signal: Signal


def _flags(plan: FlagsPlan) -> Iterator[_Flag]:
    roles = plan.roles
    own: tuple[tuple[Attribute | None, str, str, ParsedAttribute, str], ...] = (
        (roles.email, "free_mail", "writes from a free email address", "mail_kind", "free"),
        (roles.email, "disposable_mail", "writes from a throw-away email address", "mail_kind", "disposable"),
        (roles.email, "invalid_mail", "gave an invalid email address", "mail_kind", "missing"),
        (roles.job_title, "student", "is a student or a pupil by job title", "seniority", "student"),
    )
    for attribute, name, fact, parsed, value in own:
        if attribute is not None:
            read = partial(_is, attribute=attribute, parsed=parsed, value=value, parsing=plan.parsing)
            signal = Signal("profile", "mail_domain" if parsed == "mail_kind" else "job_title")
            yield _Flag(name, fact, (attribute,), read, partial(when_known, attribute=attribute), signal)
    if roles.phone is not None:
        read_phone = partial(_no_phone, attribute=roles.phone)
        yield _Flag(
            "invalid_phone",
            "gave a phone number that cannot be one",
            (roles.phone,),
            read_phone,
            partial(when_known, attribute=roles.phone),
            Signal("undesirables", "invalid_phone"),
        )
    taken = {"free_mail", "disposable_mail", "invalid_mail", "student", "invalid_phone", "profile"}
    for group in plan.profiles:
        attributes = tuple(dict.fromkeys(wanted.attribute for wanted in group.wanted))
        name = f"{group.name}_2" if group.name in taken else group.name
        yield _Flag(
            name,
            f"has the undesirable profile “{format_word(group.name)}”",
            attributes,
            partial(_has, group=group, parsing=plan.parsing),
            partial(since_known, wanted=group.wanted),
            Signal("undesirables", name),
        )


def _is(
    source: Source, *, attribute: Attribute, parsed: ParsedAttribute, value: str, parsing: Parsing
) -> Floats:
    codes, kinds = read_parsed_attribute(source, attribute, parsed, parsing)
    up = np.array([*(float(kind == value) for kind in kinds), np.nan])
    if parsed == "mail_kind" and value != "missing" and "missing" in kinds:
        up[kinds.index("missing")] = np.nan  # a text that is no address does not show whose it is
    return up[codes]


def _no_phone(source: Source, *, attribute: Attribute) -> Floats:
    codes, kinds = parse_known(source, attribute, lambda text: "0" if is_phone(text) else "1")
    return np.array([*map(float, kinds), np.nan])[codes]


def _has(source: Source, *, group: Group, parsing: Parsing) -> Floats:
    all_met: Mask = count_met(source, group.wanted, parsing) == len(group.wanted)
    return all_met.astype(np.float64)


def flag_pieces(plan: FlagsPlan, *, timed: bool) -> Iterator[Piece]:
    """The features in order, each with its reader.

    ``timed`` is whether cutoffs are instants: then "days since" says since when the first flag has been up.
    """
    flags = tuple(replace(flag, read=_once(flag.read)) for flag in _flags(plan))
    make = partial(Feature, "undesirables", missing="not_given")
    for flag in flags:
        source = tuple(attribute.source for attribute in flag.attributes)
        feature = make(
            flag.name, "flag", Flag(flag.fact), "flag", "presence", source=source, signal=flag.signal
        )
        yield read_piece(feature, flag.read)
    sources = tuple(dict.fromkeys(a.source for flag in flags for a in flag.attributes))
    counted = Counted("undesirable trait of the profile", "undesirable traits of the profile")
    count = make("profile", "count", counted, "count", "presence", source=sources)
    yield read_piece(count, partial(_count, flags=flags))
    if timed:
        first = Since("the first undesirable trait of the profile was known")
        since = make("profile", "days_since", first, "days", source=sources)
        yield read_piece(since, partial(_days_since, flags=flags))


def _once(read: Callable[[Source], Floats]) -> Callable[[Source], Floats]:
    """The same reader, which keeps what it read last: a flag is read for itself, for the count and for the days."""
    kept: list[tuple[Source, Floats]] = []

    def read_or_keep(source: Source) -> Floats:
        if not kept or kept[0][0] is not source:
            kept[:] = [(source, read(source))]
        return kept[0][1]

    return read_or_keep


def _count(source: Source, *, flags: tuple[_Flag, ...]) -> Floats:
    count = np.zeros(len(source.lead_row))
    for flag in flags:
        count += flag.read(source) == 1
    return count


def _days_since(source: Source, *, flags: tuple[_Flag, ...]) -> Floats:
    earliest = np.full(len(source.lead_row), NEVER)
    for flag in flags:
        up = flag.read(source) == 1
        earliest = np.where(up, np.minimum(earliest, flag.since(source)), earliest)
    created = np.append(column_to_microseconds(source.leads["created_at"]), 0)[source.lead_row]
    since = np.maximum(earliest, created)  # nothing is known of a lead before there is one
    return np.where(earliest < NEVER, (source.keys.cutoff - since) / DAY, np.nan)
