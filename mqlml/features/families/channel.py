"""The channel family: through which channels the lead was reached first and last, how often, paid or organic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from mqlml.features.catalogue import (
    Feature,
    Window,
    format_length,
    name_part,
    name_parts,
    over_windows,
    window_part,
)
from mqlml.features.families.action_rows import is_paid, write_counts, write_distinct, write_last
from mqlml.features.families.builder import Builder, Columns, Evidence, LeftOut, Piece, check_words
from mqlml.features.kernels import counts as kernel
from mqlml.features.kernels import rhythm as rhythm_kernel
from mqlml.features.kernels.windows import Events, WindowScan, divide
from mqlml.features.vocabulary import MISSING, OTHER, Vocabulary, learn_vocabulary
from mqlml.features.wording import Counted, Flag, Last, Named, Share, format_word
from mqlml.types import Codes, Floats32, Ints, Mask

_SOURCE = ("events.channel", "events.occurred_at")
_channel = partial(Feature, "channel", source=_SOURCE)
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
    return (plan if any(_pieces(plan)) else None), left_out


def _pieces(plan: ChannelPlan) -> Iterator[Piece]:
    if plan.touches:
        first, last = Named("Channel of the first touch"), Named("Channel of the last touch")
        yield Piece((_channel("first_touch", "value", first, "category"),), _write_first)
        yield Piece((_channel("last_touch", "value", last, "category"),), _write_last)
    if plan.counts:
        yield from _words(plan)
    if plan.touches:
        channels = Counted("channel", "channels", different=True)
        yield Piece(
            over_windows(_channel("any", "distinct", channels, "count"), plan.windows), _write_distinct
        )
    if plan.switches:
        after = "of channel from one touch to the next"
        changes = Counted(f"change {after}", f"changes {after}")
        yield Piece(
            over_windows(_channel("any", "switches", changes, "count"), plan.windows), _write_switches
        )
    if plan.paid:
        yield from _paid(plan)
    if plan.breadth is not None:
        yield from _breadth(plan, plan.breadth)


def _words(plan: ChannelPlan) -> Iterator[Piece]:
    """How many of the touches were through each channel, and which share of them."""
    parts = name_parts(plan.channels.words, reserved=_RESERVED) | {OTHER: OTHER, MISSING: MISSING}
    counts: list[Feature] = []
    shares: list[Feature] = []
    for word in plan.channels.slots:
        kept = () if parts[word] == word else (word,)
        through = {OTHER: "another channel", MISSING: "no named channel"}.get(word, f"“{format_word(word)}”")
        touches = Counted(f"touch through {through}", f"touches through {through}")
        one = partial(_channel, parts[word], words=kept)
        counts += over_windows(one("count", touches, "count", "presence"), plan.windows)
        shares += over_windows(one("share", Share(touches.many), "share"), plan.windows)
    yield Piece((*counts, *shares), _write_counts)


def _paid(plan: ChannelPlan) -> Iterator[Piece]:
    """Touches through paid channels."""
    touches = Counted("touch through paid channels", "touches through paid channels")
    one = partial(_channel, "paid")
    yield Piece(over_windows(one("count", touches, "count", "presence"), plan.windows), _write_paid_counts)
    yield Piece(over_windows(one("share", Share(touches.many), "share"), plan.windows), _write_paid_shares)
    yield Piece((one("days_since", Last("touch through a paid channel"), "days"),), _write_paid_last)
    first = Flag("the first touch was through a paid channel")
    yield Piece((one("first_touch", first, "flag", "presence", missing="not_known"),), _write_paid_first)


def _breadth(plan: ChannelPlan, period: int) -> Iterator[Piece]:
    """How many campaigns and channels reached the lead: lately, and at the height of it."""
    source = (*(("events.campaign",) if plan.campaign else ()), *_SOURCE)
    aside = ", and channels without one," if plan.campaign else ""
    what = "campaign" if plan.campaign else "channel"
    reached = Counted(
        f"{what}{aside} that reached the lead", f"{what}s{aside} that reached the lead", different=True
    )
    most = Counted(
        f"most different {reached.one} within any {format_length(period)}",
        f"most different {reached.many} within any {format_length(period)}",
    )
    one = partial(Feature, "channel", "initiatives", source=source)
    yield Piece(over_windows(one("distinct", reached, "count"), (period,)), _write_initiatives)
    yield Piece((one(f"most_in_{name_part(window_part(period))}", most, "count"),), _write_most)


def _windows(plan: ChannelPlan) -> tuple[Window, ...]:
    return plan.windows if plan.breadth is None else (*plan.windows, plan.breadth)


class _Touches:
    """The rows of a scan and their channels, which the pieces share; each made once, when first needed."""

    def __init__(self, scan: WindowScan, events: Events, plan: ChannelPlan) -> None:
        self.scan = scan
        self.events = events
        self.plan = plan
        self.channel = events.words("channel")
        self.codes: Codes = self.channel.codes[scan.order].astype(np.int32)
        self.slot: Codes = plan.channels.look_up(self.channel)[self.codes]
        self.start = scan.starts(plan.windows)

    @property
    def number(self) -> Ints:
        """How many rows lie in each window."""
        return self.scan.stop - self.start

    @cached_property
    def is_paid(self) -> Mask:
        """Whether each row's channel is paid."""
        text = self.channel.text
        known: Mask = self.events.kept(
            (self.plan.kinds, "paid"), lambda: np.array([*map(self.plan.is_paid, text), False], np.bool_)
        )
        return np.asarray(known[self.codes], np.bool_)

    @cached_property
    def paid(self) -> WindowScan:
        """The scan over the rows of paid channels."""
        return self.scan.only(self.is_paid)

    @cached_property
    def initiatives(self) -> tuple[Codes, int]:
        """One code for each campaign, and for each channel of a row without one; -1 where a row has neither."""
        channels = len(self.channel.text)
        if not self.plan.campaign:
            return self.codes, channels
        campaign = self.events.words("campaign")
        own = campaign.codes[self.scan.order].astype(np.int32)
        return np.where(own >= 0, own + np.int32(channels), self.codes), channels + len(campaign.text)


def _write_first(touches: _Touches, columns: Columns) -> None:
    scan, first = touches.scan, touches.scan.first
    touched = scan.stop > first
    columns.fill_category(scan.row[touched], touches.slot[first[touched]], touches.plan.channels.slots)


def _write_last(touches: _Touches, columns: Columns) -> None:
    scan = touches.scan
    touched = scan.stop > scan.first
    latest = touches.slot[scan.stop[touched] - 1]
    columns.fill_category(scan.row[touched], latest, touches.plan.channels.slots)


def _write_counts(touches: _Touches, columns: Columns) -> None:
    scan, slots = touches.scan, len(touches.plan.channels.slots)
    arrays = scan.arrays._replace(row=np.arange(len(scan.row)))
    counts: Floats32 = np.empty((len(scan.row), slots * len(touches.start)), np.float32)
    kernel.count_codes(arrays, touches.start, touches.slot, slots, counts, 0)
    columns.fill(scan.row, counts, divide(counts, np.tile(touches.number.T, slots)))


def _write_distinct(touches: _Touches, columns: Columns) -> None:
    write_distinct(touches.scan, touches.plan.windows, touches.channel, columns)


def _write_switches(touches: _Touches, columns: Columns) -> None:
    """Between touches with a named channel; a change counts in a window that holds both touches."""
    named = touches.codes >= 0
    scan, codes = touches.scan.only(named), touches.codes[named]
    changed = np.zeros(len(codes) + 1, np.int64)
    np.cumsum(codes[1:] != codes[:-1], out=changed[1:-1])  # up to each row, over all groups
    start = scan.starts(touches.plan.windows)
    changes = changed[np.maximum(scan.stop - 1, 0)] - changed[np.minimum(start, len(codes))]
    columns.fill(scan.row, np.where(scan.stop > start, changes, 0).T)


def _write_paid_counts(touches: _Touches, columns: Columns) -> None:
    write_counts(touches.paid, touches.plan.windows, columns)


def _write_paid_shares(touches: _Touches, columns: Columns) -> None:
    paid = touches.paid.stop - touches.paid.starts(touches.plan.windows)
    columns.fill(touches.scan.row, divide(paid, touches.number).T)


def _write_paid_last(touches: _Touches, columns: Columns) -> None:
    write_last(touches.paid, columns)


def _write_paid_first(touches: _Touches, columns: Columns) -> None:
    scan, first = touches.scan, touches.scan.first
    touched = scan.stop > first
    columns.fill(scan.row[touched], touches.is_paid[first[touched]].astype(np.float32))


def _write_initiatives(touches: _Touches, columns: Columns) -> None:
    assert touches.plan.breadth is not None
    start = touches.scan.starts((touches.plan.breadth,))
    kernel.count_distinct(touches.scan.arrays, start, *touches.initiatives, *columns.target(1))


def _write_most(touches: _Touches, columns: Columns) -> None:
    assert touches.plan.breadth is not None
    target = columns.target(1)
    rhythm_kernel.count_most(touches.scan.arrays, *touches.initiatives, touches.plan.breadth, *target)


BUILDER = Builder("channel", _plan, _pieces, _windows, of_scan=_Touches)
