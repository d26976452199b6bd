"""Channel: where the lead's acts came through, first, last and in what mixture; paid or organic; how broad."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mqlml.features import kernel, rhythm_kernel
from mqlml.features.acts import write_counts, write_last
from mqlml.features.builder import Block, Builder, Evidence, LeftOut, check_words
from mqlml.features.catalogue import (
    Feature,
    Window,
    feature_name,
    name_parts,
    over_windows,
    say_length,
    say_window,
    say_word,
    window_part,
)
from mqlml.features.compiled import Codes, Numbers
from mqlml.features.vocabulary import MISSING, OTHER, Vocabulary, learn_vocabulary
from mqlml.features.windows import Events, Walk
from mqlml.features.word_kinds import is_paid

__all__ = ["BUILDER", "ChannelPlan"]

_FIRST = feature_name("channel", "first_touch", "value")
_LAST = feature_name("channel", "last_touch", "value")
_SOURCE = ("events.channel", "events.occurred_at")
_RESERVED = ("any", OTHER, MISSING, "paid", "initiatives")


@dataclass(frozen=True)
class ChannelPlan:
    """What the channel family learned.

    Attributes
    ----------
    channels : the channels with features of their own.
    windows : lookback windows, shortest first.
    touches, counts, switches, paid : whether these groups are made.
    breadth : the period of the breadth group, microseconds; None where it is not made.
    campaign : whether events carry a campaign.
    kinds : the channels that the config calls paid (true) or organic, by name.
    """

    channels: Vocabulary
    windows: tuple[Window, ...]
    touches: bool
    counts: bool
    switches: bool
    paid: bool
    breadth: int | None
    campaign: bool
    kinds: tuple[tuple[str, bool], ...]

    def is_paid(self, channel: str) -> bool:
        """Whether a channel is paid: as the config says, else by mqlml's patterns."""
        return dict(self.kinds).get(channel, is_paid(channel))


def _plan(evidence: Evidence) -> tuple[ChannelPlan | None, list[LeftOut]]:
    if not evidence.has_events:
        return None, []
    settings = evidence.config.features
    check_words(evidence, "channel", settings.channel_kinds, "features.channel_kinds")
    if not evidence.has_values("channel"):
        return None, [("events.channel", "no event known by then names a channel")]
    seen = evidence.count_words("channel")
    plan = ChannelPlan(
        learn_vocabulary(seen, most=settings.max_channels),
        tuple(evidence.config.windows),
        touches=settings.groups.touches,
        counts=settings.groups.channels,
        switches=settings.groups.switches,
        paid=settings.groups.paid,
        breadth=settings.initiative_period if settings.groups.breadth else None,
        campaign=evidence.has_values("campaign"),
        kinds=tuple((word, kind == "paid") for word, kind in settings.channel_kinds.items()),
    )
    left_out: list[LeftOut] = []
    paid = {plan.is_paid(word) for word in seen.seen}
    if plan.paid and len(paid) == 1:
        found = "all channels are paid" if paid == {True} else "no channel is known to be paid"
        left_out.append(("events.channel: paid or organic", f"{found}; see features.channel_kinds"))
        plan = replace(plan, paid=False)
    return (plan if _describe(plan) else None), left_out


def _said(word: str) -> str:
    return {OTHER: "another channel", MISSING: "no named channel"}.get(word, f"“{say_word(word)}”")


def _over_windows(
    plan: ChannelPlan, what: str, aggregate: str, said: str, words: tuple[str, ...] = ()
) -> list[Feature]:
    return over_windows("channel", plan.windows, what, aggregate, said, source=_SOURCE, words=words)


def _describe(plan: ChannelPlan) -> tuple[Feature, ...]:
    make = partial(Feature, family="channel", source=_SOURCE)
    parts = name_parts(plan.channels.words, reserved=_RESERVED) | {OTHER: OTHER, MISSING: MISSING}
    features: list[Feature] = []
    if plan.touches:
        features += [
            make(name=_FIRST, sentence="Channel of the first touch", kind="category"),
            make(name=_LAST, sentence="Channel of the last touch", kind="category"),
        ]
    for aggregate, said in (("count", "Touches through"), ("share", "Share of touches through")):
        for word in plan.channels.slots if plan.counts else ():
            kept = () if parts[word] == word else (word,)
            features += _over_windows(plan, parts[word], aggregate, f"{said} {_said(word)}", kept)
    if plan.touches:
        features += _over_windows(plan, "any", "distinct", "Different channels")
    if plan.switches:
        features += _over_windows(plan, "any", "switches", "Changes of channel from one touch to the next")
    if plan.paid:
        features += _over_windows(plan, "paid", "count", "Touches through paid channels")
        features += _over_windows(plan, "paid", "share", "Share of touches through paid channels")
        features += [
            make(
                name=feature_name("channel", "paid", "days_since"),
                sentence="Days since the last touch through a paid channel",
            ),
            make(
                name=feature_name("channel", "paid", "first_touch"),
                sentence="The first touch came through a paid channel (1 yes, 0 no)",
            ),
        ]
    if plan.breadth is not None:
        source = (*(("events.campaign",) if plan.campaign else ()), *_SOURCE)
        period, said = window_part(plan.breadth), say_length(plan.breadth)
        what = "campaigns, and channels without one," if plan.campaign else "channels"
        features += [
            Feature(
                name=feature_name("channel", "initiatives", "distinct", period),
                family="channel",
                sentence=f"Different {what} that reached the lead {say_window(plan.breadth)}",
                window=period,
                source=source,
            ),
            Feature(
                name=feature_name("channel", "initiatives", f"most_in_{period.replace('.', '_')}"),
                family="channel",
                sentence=f"Most different {what} that reached the lead within any {said}",
                source=source,
            ),
        ]
    return tuple(features)


def _windows(plan: ChannelPlan) -> tuple[Window, ...]:
    return plan.windows if plan.breadth is None else (*plan.windows, plan.breadth)


def _write(walk: Walk, events: Events, plan: ChannelPlan, block: Block) -> None:
    channel = events.words("channel")
    codes = channel.codes[walk.order].astype(np.int32)
    slot = plan.channels.look_up(channel)[codes]
    start = walk.starts(plan.windows)
    place = (walk.unit, walk.turn, walk.row)
    slots, windows = plan.channels.slots, len(plan.windows)
    out, column = block.numbers, block.first
    if plan.counts:
        width = len(slots) * windows
        kernel.count_words(*place, start, walk.stop, slot, len(slots), out, column)
        touches = np.tile((walk.stop - start).T, len(slots))
        counts = out[walk.row, column : column + width]
        shares = np.where(touches > 0, counts / np.maximum(touches, 1), np.nan)
        out[walk.row, column + width : column + 2 * width] = shares
        column += 2 * width
    if plan.touches:
        kernel.count_distinct(*place, start, walk.stop, codes, len(channel.text), out, column)
        column += windows
        first = np.repeat(walk.unit[:-1], np.diff(walk.turn))
        touched = walk.stop > first
        for name, rows in ((_FIRST, first), (_LAST, walk.stop - 1)):
            block.category(name, slots)[walk.row[touched]] = slot[rows[touched]]
    if plan.switches:
        _write_switches(walk, codes, plan, out, column)
        column += windows
    if plan.paid:
        _write_paid(walk, events, codes, plan, out, column)
        column += 2 * windows + 2
    if plan.breadth is not None:
        word, words = _initiatives(walk, events, codes, plan)
        edge = walk.starts((plan.breadth,))
        kernel.count_distinct(*place, edge, walk.stop, word, words, out, column)
        rhythm_kernel.count_most(*place, walk.stop, walk.occurred, word, words, plan.breadth, out, column + 1)


def _write_switches(walk: Walk, codes: Codes, plan: ChannelPlan, out: Numbers, column: int) -> None:
    """Between touches with a named channel; a change counts in a window that holds both touches."""
    named = codes >= 0
    walk, codes = walk.only(named), codes[named]
    changed = np.zeros(len(codes) + 1, np.int64)
    np.cumsum(codes[1:] != codes[:-1], out=changed[1:-1])  # up to each row, over all units
    start = walk.starts(plan.windows)
    inside = changed[np.maximum(walk.stop - 1, 0)] - changed[np.minimum(start, len(codes))]
    out[walk.row, column : column + len(start)] = np.where(walk.stop > start, inside, 0).T


def _write_paid(
    walk: Walk, events: Events, codes: Codes, plan: ChannelPlan, out: Numbers, column: int
) -> None:
    text = events.words("channel").text
    known = events.kept((plan.kinds, "paid"), lambda: np.array([*map(plan.is_paid, text), False], np.bool_))
    paid = known[codes]
    sub = walk.only(paid)
    start, windows = sub.starts(plan.windows), len(plan.windows)
    write_counts(sub, start, out, column)
    touches = walk.stop - walk.starts(plan.windows)
    shares = np.where(touches > 0, (sub.stop - start) / np.maximum(touches, 1), np.nan)
    out[walk.row, column + windows : column + 2 * windows] = shares.T
    column += 2 * windows
    write_last(sub, out, column)
    first = np.repeat(walk.unit[:-1], np.diff(walk.turn))
    touched = walk.stop > first
    out[walk.row[touched], column + 1] = paid[first[touched]]


def _initiatives(walk: Walk, events: Events, codes: Codes, plan: ChannelPlan) -> tuple[Codes, int]:
    """One code for each campaign, and for each channel of a row without one; -1 where a row has neither."""
    channels = len(events.words("channel").text)
    if not plan.campaign:
        return codes, channels
    campaign = events.words("campaign")
    own = campaign.codes[walk.order].astype(np.int32)
    return np.where(own >= 0, own + np.int32(channels), codes), channels + len(campaign.text)


BUILDER = Builder("channel", _plan, _describe, _windows, _write)
