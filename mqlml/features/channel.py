"""Channel: where the lead's acts came through, first, last and in what mixture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from mqlml.features import kernel
from mqlml.features.builder import Block, Builder, Evidence, LeftOut
from mqlml.features.catalogue import (
    Feature,
    Window,
    feature_name,
    name_parts,
    say_window,
    say_word,
    window_part,
)
from mqlml.features.vocabulary import MISSING, OTHER, Vocabulary, learn_vocabulary
from mqlml.features.windows import Events, Walk

__all__ = ["BUILDER", "ChannelPlan"]

_FIRST = feature_name("channel", "first_touch", "value")
_LAST = feature_name("channel", "last_touch", "value")


@dataclass(frozen=True)
class ChannelPlan:
    """The channels with features of their own, and the lookback windows, shortest first."""

    channels: Vocabulary
    windows: tuple[Window, ...]


def _plan(evidence: Evidence) -> tuple[ChannelPlan | None, list[LeftOut]]:
    if not evidence.has_events:
        return None, []
    if not evidence.has_values("channel"):
        return None, [("events.channel", "no event known by then names a channel")]
    channels = learn_vocabulary(evidence.count_words("channel"), most=evidence.config.features.max_channels)
    return ChannelPlan(channels, tuple(evidence.config.windows)), []


def _said(word: str) -> str:
    return {OTHER: "another channel", MISSING: "no named channel"}.get(word, f"“{say_word(word)}”")


def _describe(plan: ChannelPlan) -> tuple[Feature, ...]:
    make = partial(Feature, family="channel", source=("events.channel", "events.occurred_at"))
    parts = name_parts(plan.channels.words, reserved=("any", OTHER, MISSING)) | {
        OTHER: OTHER,
        MISSING: MISSING,
    }
    features = [
        make(name=_FIRST, sentence="Channel of the first touch", kind="category"),
        make(name=_LAST, sentence="Channel of the last touch", kind="category"),
    ]
    for aggregate, said in (("count", "Touches through"), ("share", "Share of touches through")):
        for word in plan.channels.slots:
            for window in plan.windows:
                features.append(
                    make(
                        name=feature_name("channel", parts[word], aggregate, window_part(window)),
                        sentence=f"{said} {_said(word)} {say_window(window)}",
                        window=window_part(window),
                        words=() if parts[word] == word else (word,),
                    )
                )
    for window in plan.windows:
        features.append(
            make(
                name=feature_name("channel", "any", "distinct", window_part(window)),
                sentence=f"Different channels {say_window(window)}",
                window=window_part(window),
            )
        )
    return tuple(features)


def _write(walk: Walk, events: Events, plan: ChannelPlan, block: Block) -> None:
    channel = events.words("channel")
    codes = channel.codes[walk.order].astype(np.int32)
    slot = plan.channels.look_up(channel)[codes]
    start = walk.starts(plan.windows)
    place = (walk.unit, walk.turn, walk.row)
    slots = plan.channels.slots
    width = len(slots) * len(plan.windows)
    counted, shared, distinct = block.first, block.first + width, block.first + 2 * width
    kernel.count_words(*place, start, walk.stop, slot, len(slots), block.numbers, counted)
    touches = np.tile((walk.stop - start).T, len(slots))
    counts = block.numbers[walk.row, counted:shared]
    block.numbers[walk.row, shared:distinct] = np.where(touches > 0, counts / np.maximum(touches, 1), np.nan)
    kernel.count_distinct(*place, start, walk.stop, codes, len(channel.text), block.numbers, distinct)
    first = np.repeat(walk.unit[:-1], np.diff(walk.turn))
    touched = walk.stop > first
    for name, rows in ((_FIRST, first), (_LAST, walk.stop - 1)):
        block.category(name, slots)[walk.row[touched]] = slot[rows[touched]]


BUILDER = Builder("channel", _plan, _describe, lambda plan: plan.windows, _write)
