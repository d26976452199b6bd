"""Features of intent: events that show a choice is near, that the lead initiated, or that follow others; contents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from mqlml.features.catalogue import Feature, format_window, name_parts, over_windows, window_part
from mqlml.features.families.action_counts import action
from mqlml.features.families.action_rows import (
    RESERVED,
    ActionsPlan,
    EventRows,
    Kind,
    PairPlan,
    write_counts,
    write_distinct,
    write_last,
)
from mqlml.features.families.builder import Columns, Evidence, Piece, check_words
from mqlml.features.kernels import rhythm as rhythm_kernel
from mqlml.features.kernels.windows import WindowScan, divide
from mqlml.features.wording import Counted, Last, Share, Since, Times, format_word

_INITIATED = ("events.initiated_by", "events.occurred_at")
_GOALS, _STEPS = 2, 3
"""Of the high-intent actions and of the others, the most frequent that make pairs where the config names none."""


Select = Callable[[EventRows], WindowScan]
"""Which of the event rows a feature is made from."""


def _write_counts(rows: EventRows, columns: Columns, *, select: Select) -> None:
    write_counts(select(rows), rows.plan.windows, columns)


def _write_last(rows: EventRows, columns: Columns, *, select: Select) -> None:
    write_last(select(rows), columns)


def intent(plan: ActionsPlan) -> Iterator[Piece]:
    """Events that show that a choice is near."""
    if not plan.groups.intent:
        return
    events = Counted("high-intent event", "high-intent events", aside=" (demo, trial, price and the like)")
    kinds = Counted("kind of high-intent events", "kinds of high-intent events", different=True)
    one = partial(action, "high_intent")

    def select(rows: EventRows) -> WindowScan:
        return rows.of_high_intent

    counts = over_windows(one("count", events, "count", "presence"), plan.windows)
    yield Piece(counts, partial(_write_counts, select=select))
    yield Piece(over_windows(one("distinct", kinds, "count"), plan.windows), _write_intent_kinds)
    yield Piece((one("days_since", Last(events.one), "days"),), partial(_write_last, select=select))


def _write_intent_kinds(rows: EventRows, columns: Columns) -> None:
    write_distinct(rows.of_high_intent, rows.plan.windows, rows.events.words("action"), columns)


def proactive(plan: ActionsPlan) -> Iterator[Piece]:
    """Events that the lead itself initiated."""
    if plan.kinds.lead is None:
        return
    longest = plan.windows[-1]
    events = Counted("event the lead itself initiated", "events the lead itself initiated")
    share = Share(events.many, aside=f", {format_window(longest)}")
    one = partial(Feature, "actions", "lead_initiated", source=_INITIATED)

    def select(rows: EventRows) -> WindowScan:
        return rows.of_lead

    counts = over_windows(one("count", events, "count", "presence"), plan.windows)
    yield Piece(counts, partial(_write_counts, select=select))
    yield Piece((one("share", share, "share", window=window_part(longest)),), _write_initiated_share)
    yield Piece((one("days_since", Last(events.one), "days"),), partial(_write_last, select=select))


def _write_initiated_share(rows: EventRows, columns: Columns) -> None:
    own, scan, longest = rows.of_lead, rows.scan, rows.plan.windows[-1:]
    number = own.stop - own.starts(longest)[0]
    columns.fill(scan.row, divide(number, scan.stop - scan.starts(longest)[0]))


def content(plan: ActionsPlan) -> Iterator[Piece]:
    """Contents that the lead viewed, and those that it downloaded."""
    if plan.columns.content:
        text = Counted("content", "contents", different=True)
        source = ("events.content", "events.occurred_at")
        distinct = Feature("actions", "content", "distinct", text, "count", source=source)
        yield Piece(over_windows(distinct, plan.windows), _write_contents)
    if plan.kinds.download is not None:
        downloads = Counted("content download", "content downloads")
        one = partial(action, "download")

        def select(rows: EventRows) -> WindowScan:
            return rows.of_downloads

        counts = over_windows(one("count", downloads, "count", "presence"), plan.windows)
        yield Piece(counts, partial(_write_counts, select=select))
        yield Piece((one("days_since", Last(downloads.one), "days"),), partial(_write_last, select=select))


def _write_contents(rows: EventRows, columns: Columns) -> None:
    write_distinct(rows.scan, rows.plan.windows, rows.events.words("content"), columns)


def choose_pairs(evidence: Evidence, high_intent: Kind, positive: dict[str, int]) -> tuple[PairPlan, ...]:
    """The ordered pairs of the config, or each of the most frequent actions before each of the high-intent ones.

    ``positive`` counts the actions that are not undesirable.
    """
    written = evidence.config.features.pairs
    if written is not None:
        words = [word for pair in written for word in (pair.first, pair.then)]
        check_words(evidence, "action", words, "features.pairs")
        return tuple(PairPlan(pair.first, pair.then, pair.at_least) for pair in written)
    ranked = sorted(positive, key=lambda word: (-positive[word], word))
    goals = [word for word in ranked if high_intent.holds(word)][:_GOALS]
    steps = [word for word in ranked if not high_intent.holds(word)][:_STEPS]
    return tuple(PairPlan(first, then, 1) for then in goals for first in steps)


def pairs(plan: ActionsPlan) -> Iterator[Piece]:
    """Events that follow others."""
    if not plan.pairs:
        return
    others = dict.fromkeys(word for pair in plan.pairs for word in (pair.first, pair.then))
    words = dict.fromkeys((*plan.actions.words, *others))
    parts = name_parts(list(words), reserved=RESERVED)
    features: list[Feature] = []
    for pair in plan.pairs:
        after = f"after_{pair.at_least}_{parts[pair.first]}"
        before = f"“{format_word(pair.first)}”"
        if pair.at_least > 1:
            before = f"at least {pair.at_least} {before}"
        text = f"“{format_word(pair.then)}” followed {before}"
        kept = tuple(word for word in (pair.first, pair.then) if parts[word] != word)
        one = partial(action, parts[pair.then], words=kept)
        features += [
            one(f"count_{after}", Times(text), "count"),
            one(f"days_since_{after}", Since(text), "days"),
        ]
    yield Piece(tuple(features), _write_pairs)


def _write_pairs(rows: EventRows, columns: Columns) -> None:
    plan = rows.plan
    words = list(dict.fromkeys(word for pair in plan.pairs for word in (pair.first, pair.then)))
    number = {word: i for i, word in enumerate(words)}
    action = rows.events.words("action")
    table = rows.events.kept(
        plan.pairs, lambda: np.array([*(number.get(text, -1) for text in action.text), -1], np.int32)
    )
    code = table[action.codes[rows.every.order]]
    paired = code >= 0
    rhythm_kernel.count_after(
        *(rows.every.only(paired).arrays, code[paired]),
        np.array([number[pair.first] for pair in plan.pairs], np.int64),
        np.array([number[pair.then] for pair in plan.pairs], np.int64),
        np.array([pair.at_least for pair in plan.pairs], np.int64),
        *columns.target(2 * len(plan.pairs)),
    )
