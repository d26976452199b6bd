"""The undesirables family: negative signals among actions and channels, silence, and undesirable profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from mqlml.features.catalogue import Asks, Feature, Window, name_parts, over_windows
from mqlml.features.families.action_rows import (
    is_undesirable,
    is_undesirable_channel,
    write_counts,
    write_last,
)
from mqlml.features.families.builder import Builder, Columns, Evidence, LeftOut, Piece
from mqlml.features.families.flags import FlagsPlan, flag_pieces, plan_flags
from mqlml.features.kernels import counts as kernel
from mqlml.features.kernels.windows import Events, WindowScan
from mqlml.features.parsers.conditions import AttributeScope
from mqlml.features.parsers.job_title import find_roles
from mqlml.features.vocabulary import Vocabulary, learn_vocabulary
from mqlml.features.wording import Counted, Last, Times, counted_events, format_word, last_event
from mqlml.types import Codes

WordColumn = Literal["action", "channel"]
"""The columns of the events whose words may be negative signals."""

Include = Callable[[str, tuple[str, ...] | None], bool]
"""Whether a word is a negative signal, by those that the config lists."""


@dataclass(frozen=True)
class NegativeSignals:
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
    actions, channels : the negative signals among the actions and the channels.
    windows : lookback windows, shortest first.
    silence : whether the days since the last event are a feature.
    flags : the undesirable profiles; None where no attribute shows one.
    """

    actions: NegativeSignals
    channels: NegativeSignals
    windows: tuple[Window, ...]
    silence: bool
    flags: FlagsPlan | None


def _plan(evidence: Evidence) -> tuple[UndesirablesPlan | None, list[LeftOut]]:
    config, settings, refused = evidence.config, evidence.config.features, evidence.refused
    actions, left_out = _learn(
        evidence, "action", settings.undesirable_actions, is_undesirable, settings.max_actions
    )
    channels, unknown = _learn(
        evidence, "channel", settings.undesirable_channels, is_undesirable_channel, settings.max_channels
    )
    columns = [column for column in evidence.static_columns if column not in refused]
    roles = find_roles(evidence.leads, config.profile, refused=refused)
    flags = plan_flags(AttributeScope(config, roles, columns, refused))
    silence = evidence.has_events and settings.groups.silence
    plan = UndesirablesPlan(actions, channels, tuple(config.windows), silence, flags)
    return (plan if any(_pieces(plan)) else None), left_out + unknown


def _learn(
    evidence: Evidence, column: str, written: list[str] | None, include: Include, most: int
) -> tuple[NegativeSignals, list[LeftOut]]:
    listed = None if written is None else tuple(written)
    if not (evidence.has_values(column) and evidence.config.features.groups.unwelcome):
        return NegativeSignals((), listed), []
    words = learn_vocabulary(
        evidence.count_words(column), most=most, include=lambda word: include(word, listed)
    ).words
    return NegativeSignals(words, listed), [
        (f"events.{column}={word}", f"listed as undesirable, but no event has this {column}")
        for word in listed or ()
        if not evidence.knows_word(column, word)
    ]


_RESERVED = ("any", "silence", "profile")
"""Parts of names that are no words of the source."""


def _pieces(plan: UndesirablesPlan) -> Iterator[Piece]:
    if plan.actions.words:
        yield from _actions(plan)
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


def _actions(plan: UndesirablesPlan) -> Iterator[Piece]:
    parts = name_parts(plan.actions.words, reserved=(*_RESERVED, "via_any"))
    own: list[_Texts] = []
    for word in plan.actions.words:
        kept = () if parts[word] in (word, f"via_{word}") else (word,)
        own.append((parts[word], counted_events(word), last_event(word), kept))
    every = Counted("undesirable event of any kind", "undesirable events of any kind")
    texts: _Texts = ("any", every, Last("undesirable event"), ())
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
    asks: Asks = "amount" if column == "action" else "presence"  # any event has a column of its own beside it

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
class _NegativeRows:
    """Rows of negative signals; ``code`` is each row's word among the ``n_codes`` with features, -1 for another."""

    scan: WindowScan
    code: Codes
    n_codes: int
    windows: tuple[Window, ...]


class _Scanned:
    """The rows of a scan, and those of negative signals by the column that shows them, made when first needed."""

    def __init__(self, scan: WindowScan, events: Events, plan: UndesirablesPlan) -> None:
        self.scan = scan
        self.events = events
        self.plan = plan
        self._made: dict[WordColumn, _NegativeRows] = {}

    def negative(self, column: WordColumn) -> _NegativeRows:
        """Those with an undesirable action, or through an undesirable channel."""
        if column not in self._made:
            self._made[column] = self._find(column)
        return self._made[column]

    def _find(self, column: WordColumn) -> _NegativeRows:
        signals = self.plan.actions if column == "action" else self.plan.channels
        include: Include = is_undesirable if column == "action" else is_undesirable_channel
        words = self.events.words(column)
        slot = Vocabulary(signals.words, missing=False).look_up(
            words, lambda word: include(word, signals.listed)
        )
        slot[-1] = -1
        code = slot[words.codes[self.scan.order]]
        counted = code >= 0
        n_codes, code = len(signals.words), code[counted]
        own = np.where(code < n_codes, code, np.int32(-1))
        return _NegativeRows(self.scan.only(counted), own, n_codes, self.plan.windows)


def _write_counts(scanned: _Scanned, columns: Columns, *, column: WordColumn) -> None:
    rows = scanned.negative(column)
    target = columns.target(rows.n_codes * len(rows.windows))
    kernel.count_codes(rows.scan.arrays, rows.scan.starts(rows.windows), rows.code, rows.n_codes, *target)


def _write_all_counts(scanned: _Scanned, columns: Columns, *, column: WordColumn) -> None:
    rows = scanned.negative(column)
    write_counts(rows.scan, rows.windows, columns)


def _write_since(scanned: _Scanned, columns: Columns, *, column: WordColumn) -> None:
    rows = scanned.negative(column)
    kernel.write_days_since(rows.scan.arrays, rows.code, rows.n_codes, *columns.target(rows.n_codes))


def _write_last(scanned: _Scanned, columns: Columns, *, column: WordColumn) -> None:
    write_last(scanned.negative(column).scan, columns)


def _write_silence(scanned: _Scanned, columns: Columns) -> None:
    write_last(scanned.scan, columns)


BUILDER = Builder("undesirables", _plan, _pieces, lambda plan: plan.windows, of_scan=_Scanned)
