"""Undesirables: what speaks against a lead: unwelcome acts and channels, silence, and its profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from mqlml.features.catalogue import Asks, Feature, Window, name_parts, over_windows
from mqlml.features.families.action_rows import write_counts, write_last
from mqlml.features.families.builder import Builder, Columns, Evidence, LeftOut, Piece
from mqlml.features.families.event_kinds import is_undesirable, is_undesirable_channel
from mqlml.features.families.flags import FlagsPlan, flag_pieces, plan_flags
from mqlml.features.kernels import counts as kernel
from mqlml.features.kernels.windows import Events, WindowScan
from mqlml.features.parsers.attributes import NOT_ATTRIBUTES
from mqlml.features.parsers.job_title import find_roles
from mqlml.features.vocabulary import Vocabulary, learn_vocabulary
from mqlml.features.wording import Counted, Last, Times, counted_acts, format_word, last_act
from mqlml.types import Codes, Ints

__all__ = ["BUILDER", "UndesirablesPlan"]

WordColumn = Literal["action", "channel"]
"""The columns of the events whose words may be unwelcome."""

Include = Callable[[str, tuple[str, ...] | None], bool]
"""Whether a word is unwelcome, by those that the config lists."""


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
    return (plan if any(_pieces(plan)) else None), left_out + unknown


def _unwelcome(
    evidence: Evidence,
    column: str,
    written: list[str] | None,
    include: Include,
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


_RESERVED = ("any", "silence", "profile")
"""Parts of names that are no words of the source."""


def _pieces(plan: UndesirablesPlan) -> Iterator[Piece]:
    if plan.acts.words:
        yield from _acts(plan)
    if plan.silence:
        silence = Last("activity", instead="Days of silence: since anything at all happened")
        source = ("events.occurred_at",)
        yield Piece(
            (Feature("undesirables", "silence", "days", silence, "days", source=source),), _write_silence
        )
    if plan.channels.words:
        yield from _channels(plan)
    if plan.flags is not None:
        yield from flag_pieces(plan.flags, timed=True)


_Texts = tuple[str, Counted | Times, Last, tuple[str, ...]]
"""Of a word its part of the name, how it is counted, the last such, and the words kept with it."""


def _acts(plan: UndesirablesPlan) -> Iterator[Piece]:
    parts = name_parts(plan.acts.words, reserved=(*_RESERVED, "via_any"))
    own: list[_Texts] = [
        (
            parts[word],
            counted_acts(word),
            last_act(word),
            () if parts[word] in (word, f"via_{word}") else (word,),
        )
        for word in plan.acts.words
    ]
    every = Counted("undesirable act of any kind", "undesirable acts of any kind")
    texts: _Texts = ("any", every, Last("undesirable act"), ())
    yield from _over_words(plan, own, texts, column="action")


def _channels(plan: UndesirablesPlan) -> Iterator[Piece]:
    parts = name_parts([f"via {word}" for word in plan.channels.words], reserved=(*_RESERVED, "via_any"))
    own: list[_Texts] = []
    for word in plan.channels.words:
        through = f"through “{format_word(word)}”"
        touches = Counted(f"touch {through}", f"touches {through}")
        part = parts[f"via {word}"]
        own.append((part, touches, Last(touches.one), () if part in (word, f"via_{word}") else (word,)))
    through = "through any undesirable channel"
    every = Counted(f"touch {through}", f"touches {through}")
    texts: _Texts = ("via_any", every, Last("touch through an undesirable channel"), ())
    yield from _over_words(plan, own, texts, column="channel")


def _over_words(
    plan: UndesirablesPlan, own: list[_Texts], every: _Texts, *, column: WordColumn
) -> Iterator[Piece]:
    """Counts of each word and of any in each window, then the days since each."""
    make = partial(Feature, "undesirables", source=(f"events.{column}", "events.occurred_at"))
    asks: Asks = "amount" if column == "action" else "presence"  # any act has a column of its own beside it

    def count(texts: _Texts, asks: Asks) -> tuple[Feature, ...]:
        part, counted, _, kept = texts
        return over_windows(make(part, "count", counted, "count", asks, words=kept), plan.windows)

    def since(texts: _Texts) -> Feature:
        part, _, last, kept = texts
        return make(part, "days_since", last, "days", words=kept)

    counts = tuple(feature for texts in own for feature in count(texts, "presence"))
    yield Piece(counts, partial(_write_counts, column=column))
    yield Piece(count(every, asks), partial(_write_all_counts, column=column))
    yield Piece(tuple(map(since, own)), partial(_write_since, column=column))
    yield Piece((since(every),), partial(_write_last, column=column))


@dataclass(frozen=True)
class _BadRows:
    """Unwelcome rows; ``word`` is each row's among the ``words`` with features of their own, -1 for another."""

    walk: WindowScan
    word: Codes
    words: int
    windows: tuple[Window, ...]

    @property
    def start(self) -> Ints:
        """The first row of each window."""
        return self.walk.starts(self.windows)


class _Bad:
    """The unwelcome rows of a walk, by the column that tells; each made once, when first needed."""

    def __init__(self, walk: WindowScan, events: Events, plan: UndesirablesPlan) -> None:
        self.walk = walk
        self.events = events
        self.plan = plan
        self._made: dict[WordColumn, _BadRows] = {}

    def rows(self, column: WordColumn) -> _BadRows:
        """Those with an unwelcome act, or through an unwelcome channel."""
        if column not in self._made:
            self._made[column] = self._rows(column)
        return self._made[column]

    def _rows(self, column: WordColumn) -> _BadRows:
        unwelcome = self.plan.acts if column == "action" else self.plan.channels
        include: Include = is_undesirable if column == "action" else is_undesirable_channel
        words = self.events.words(column)
        slot = Vocabulary(unwelcome.words, missing=False).look_up(
            words, lambda word: include(word, unwelcome.listed)
        )
        slot[-1] = -1
        word = slot[words.codes[self.walk.order]]
        counted = word >= 0
        listed, word = len(unwelcome.words), word[counted]
        own = np.where(word < listed, word, np.int32(-1))
        return _BadRows(self.walk.only(counted), own, listed, self.plan.windows)


def _write_counts(bad: _Bad, columns: Columns, *, column: WordColumn) -> None:
    rows = bad.rows(column)
    place = (rows.walk.unit, rows.walk.turn, rows.walk.row, rows.start, rows.walk.stop)
    kernel.count_words(*place, rows.word, rows.words, *columns.target(rows.words * len(rows.windows)))


def _write_all_counts(bad: _Bad, columns: Columns, *, column: WordColumn) -> None:
    rows = bad.rows(column)
    write_counts(rows.walk, rows.start, columns)


def _write_since(bad: _Bad, columns: Columns, *, column: WordColumn) -> None:
    rows = bad.rows(column)
    walk = rows.walk
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    kernel.write_days_since(*place, rows.word, rows.words, *columns.target(rows.words))


def _write_last(bad: _Bad, columns: Columns, *, column: WordColumn) -> None:
    write_last(bad.rows(column).walk, columns)


def _write_silence(bad: _Bad, columns: Columns) -> None:
    write_last(bad.walk, columns)


BUILDER = Builder("undesirables", _plan, _pieces, lambda plan: plan.windows, of_scan=_Bad)
