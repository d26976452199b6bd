"""Undesirables: what speaks against a lead: unwelcome acts and channels, silence, and its profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from mqlml.features import kernel
from mqlml.features.bad_acts import is_undesirable, is_undesirable_channel
from mqlml.features.builder import Block, Builder, Evidence, LeftOut, Source
from mqlml.features.catalogue import (
    Feature,
    Window,
    feature_name,
    name_parts,
    over_windows,
    say_acts,
    say_word,
)
from mqlml.features.derived import write_columns
from mqlml.features.flags import FlagsPlan, flag_columns, plan_flags
from mqlml.features.known import NOT_ATTRIBUTES
from mqlml.features.roles import find_roles
from mqlml.features.vocabulary import Vocabulary, learn_vocabulary
from mqlml.features.windows import Events, Walk

__all__ = ["BUILDER", "UndesirablesPlan"]


@dataclass(frozen=True)
class Unwelcome:
    """The undesirable words of one events column.

    Attributes
    ----------
    words : those with features of their own; the others count in ``any`` only.
    listed : those the config lists; None for the built-in patterns.
    """

    words: tuple[str, ...]
    listed: tuple[str, ...] | None


@dataclass(frozen=True)
class UndesirablesPlan:
    """What the undesirables family learned.

    Attributes
    ----------
    acts, channels : what is unwelcome among the actions and the channels.
    windows : lookback windows, shortest first.
    silence : whether the days since the last event are a feature.
    flags : the undesirable profiles; None where no attribute tells of one.
    """

    acts: Unwelcome
    channels: Unwelcome
    windows: tuple[Window, ...]
    silence: bool
    flags: FlagsPlan | None


def _plan(evidence: Evidence) -> tuple[UndesirablesPlan | None, list[LeftOut]]:
    config, settings, refused = evidence.config, evidence.config.features, evidence.refused
    acts, left_out = _unwelcome(
        evidence, "action", settings.undesirable_actions, is_undesirable, settings.max_actions
    )
    channels, unknown = _unwelcome(
        evidence, "channel", settings.undesirable_channels, is_undesirable_channel, settings.max_channels
    )
    leads = evidence.leads
    named = config.profile.static
    columns = [
        column
        for column in leads.columns
        if column not in NOT_ATTRIBUTES and column not in refused and (named == "auto" or column in named)
    ]
    roles = find_roles(leads, config.profile, refused=refused)
    flags = plan_flags(config, roles=roles, columns=columns, refused=refused)
    silence = evidence.has_events and settings.groups.silence
    plan = UndesirablesPlan(acts, channels, tuple(config.windows), silence, flags)
    return (plan if _describe(plan) else None), left_out + unknown


def _unwelcome(
    evidence: Evidence,
    column: str,
    written: list[str] | None,
    include: Callable[[str, tuple[str, ...] | None], bool],
    most: int,
) -> tuple[Unwelcome, list[LeftOut]]:
    listed = None if written is None else tuple(written)
    if not (evidence.has_values(column) and evidence.config.features.groups.unwelcome):
        return Unwelcome((), listed), []
    words = learn_vocabulary(
        evidence.count_words(column), most=most, include=lambda word: include(word, listed)
    ).words
    return Unwelcome(words, listed), [
        (f"events.{column}={word}", f"listed as undesirable, but no event has this {column}")
        for word in listed or ()
        if not evidence.knows_word(column, word)
    ]


def _describe(plan: UndesirablesPlan) -> tuple[Feature, ...]:
    features = _describe_words(plan.acts, plan.windows, "events.action")
    if plan.silence:
        features.append(
            Feature(
                name=feature_name("undesirables", "silence", "days"),
                family="undesirables",
                sentence="Days of silence: since anything at all happened",
                source=("events.occurred_at",),
            )
        )
    features += _describe_words(plan.channels, plan.windows, "events.channel")
    if plan.flags is not None:
        features += [feature for feature, _ in flag_columns(plan.flags, timed=True)]
    return tuple(features)


def _describe_words(unwelcome: Unwelcome, windows: tuple[Window, ...], column: str) -> list[Feature]:
    """Counts of each word and of any in each window, then the days since each."""
    if not unwelcome.words:
        return []
    acts = column == "events.action"
    prefix = "" if acts else "via "
    source = (column, "events.occurred_at")
    make = partial(Feature, family="undesirables", source=source)
    parts = name_parts([prefix + word for word in unwelcome.words], reserved=(*_RESERVED, "via_any"))
    features: list[Feature] = []
    for word in (*unwelcome.words, None):
        part, kept = _named(word, prefix, parts)
        if acts:
            said = "Undesirable acts of any kind" if word is None else say_acts(word)
        else:
            said = "Touches through " + ("any undesirable channel" if word is None else f"“{say_word(word)}”")
        features += over_windows("undesirables", windows, part, "count", said, source=source, words=kept)
    last = "Days since the last "
    for word in (*unwelcome.words, None):
        part, kept = _named(word, prefix, parts)
        if acts:
            said = last + ("undesirable act" if word is None else f"“{say_word(word)}”")
        else:
            what = "an undesirable channel" if word is None else f"“{say_word(word)}”"
            said = f"{last}touch through {what}"
        features.append(
            make(name=feature_name("undesirables", part, "days_since"), sentence=said, words=kept)
        )
    return features


_RESERVED = ("any", "silence", "profile")
"""Parts of names that are no words of the source."""


def _named(word: str | None, prefix: str, parts: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """The part of a feature's name, and the source's word where it differs."""
    if word is None:
        return "via_any" if prefix else "any", ()
    part = parts[prefix + word]
    return part, () if part in (word, f"via_{word}") else (word,)


def _width(unwelcome: Unwelcome, windows: tuple[Window, ...]) -> int:
    return (len(unwelcome.words) + 1) * (len(windows) + 1) if unwelcome.words else 0


def _write_events(walk: Walk, events: Events, plan: UndesirablesPlan, block: Block) -> None:
    first = block.first
    _write_words(walk, events, plan, plan.acts, "action", block.numbers, first)
    first += _width(plan.acts, plan.windows)
    if plan.silence:
        every = np.zeros(len(walk.occurred), np.int32)
        place = (walk.unit, walk.turn, walk.row)
        kernel.write_days_since(*place, walk.stop, walk.cutoff, walk.occurred, every, 1, block.numbers, first)
        first += 1
    _write_words(walk, events, plan, plan.channels, "channel", block.numbers, first)


def _write_words(
    walk: Walk,
    events: Events,
    plan: UndesirablesPlan,
    unwelcome: Unwelcome,
    column: str,
    out: npt.NDArray[np.float32],
    first: int,
) -> None:
    if not unwelcome.words:
        return
    include = is_undesirable if column == "action" else is_undesirable_channel
    words = events.words(column)
    listed = len(unwelcome.words)
    slot = Vocabulary(unwelcome.words, missing=False).look_up(
        words, lambda word: include(word, unwelcome.listed)
    )
    slot[-1] = -1
    word = slot[words.codes[walk.order]]
    counted = word >= 0
    bad, word = walk.only(counted), word[counted]
    start = bad.starts(plan.windows)
    windows = len(plan.windows)
    place = (bad.unit, bad.turn, bad.row)
    any_word = np.zeros(len(word), np.int32)
    own = np.where(word < listed, word, np.int32(-1))
    kernel.count_words(*place, start, bad.stop, own, listed, out, first)
    kernel.count_words(*place, start, bad.stop, any_word, 1, out, first + listed * windows)
    since = first + (listed + 1) * windows
    kernel.write_days_since(*place, bad.stop, bad.cutoff, bad.occurred, own, listed, out, since)
    kernel.write_days_since(*place, bad.stop, bad.cutoff, bad.occurred, any_word, 1, out, since + listed)


def _write_leads(source: Source, plan: UndesirablesPlan, block: Block) -> None:
    if plan.flags is not None:
        first = block.first + _width(plan.acts, plan.windows) + plan.silence
        first += _width(plan.channels, plan.windows)
        write_columns(flag_columns(plan.flags, timed=True), source, block, first=first)


BUILDER = Builder("undesirables", _plan, _describe, lambda plan: plan.windows, _write_events, _write_leads)
