"""Intent: acts that show a choice is near, acts the lead began, contents it took, acts that came after others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from mqlml.features.catalogue import Feature, format_window, name_parts, over_windows, window_part
from mqlml.features.families.action_counts import action
from mqlml.features.families.action_rows import (
    RESERVED,
    ActionsPlan,
    Acts,
    PairPlan,
    write_counts,
    write_distinct,
    write_last,
)
from mqlml.features.families.builder import Columns, Evidence, Piece, check_words
from mqlml.features.families.event_kinds import Kind
from mqlml.features.kernels import rhythm as rhythm_kernel
from mqlml.features.kernels.windows import divide
from mqlml.features.wording import Counted, Last, Share, Since, Times, format_word

__all__ = ["choose_pairs", "content", "intent", "pairs", "proactive"]

_BEGUN = ("events.initiated_by", "events.occurred_at")
_GOALS, _STEPS = 2, 3
"""Of the high-intent acts and of the others, the most frequent that make pairs where the config names none."""


def intent(plan: ActionsPlan) -> Iterator[Piece]:
    """Acts that show that a choice is near."""
    if not plan.intent:
        return
    acts = Counted("high-intent act", "high-intent acts", aside=" (demo, trial, price and the like)")
    kinds = Counted("kind of high-intent acts", "kinds of high-intent acts", different=True)
    count = action("high_intent", "count", acts, "count", "presence")
    yield Piece(over_windows(count, plan.windows), _write_intent_counts)
    yield Piece(
        over_windows(action("high_intent", "distinct", kinds, "count"), plan.windows), _write_intent_kinds
    )
    yield Piece((action("high_intent", "days_since", Last("high-intent act"), "days"),), _write_intent_last)


def _write_intent_counts(acts: Acts, columns: Columns) -> None:
    walk = acts.of_high_intent
    write_counts(walk, walk.starts(acts.plan.windows), columns)


def _write_intent_kinds(acts: Acts, columns: Columns) -> None:
    walk = acts.of_high_intent
    write_distinct(walk, walk.starts(acts.plan.windows), acts.events.words("action"), columns)


def _write_intent_last(acts: Acts, columns: Columns) -> None:
    write_last(acts.of_high_intent, columns)


def proactive(plan: ActionsPlan) -> Iterator[Piece]:
    """Acts that the lead itself began."""
    if plan.lead is None:
        return
    longest = plan.windows[-1]
    acts = Counted("act the lead itself began", "acts the lead itself began")
    share = Share(acts.many, aside=f", {format_window(longest)}")
    one = partial(Feature, "actions", "lead_initiated", source=_BEGUN)
    yield Piece(over_windows(one("count", acts, "count", "presence"), plan.windows), _write_begun_counts)
    yield Piece((one("share", share, "share", window=window_part(longest)),), _write_begun_share)
    yield Piece((one("days_since", Last(acts.one), "days"),), _write_begun_last)


def _write_begun_counts(acts: Acts, columns: Columns) -> None:
    walk = acts.of_lead
    write_counts(walk, walk.starts(acts.plan.windows), columns)


def _write_begun_share(acts: Acts, columns: Columns) -> None:
    walk, longest = acts.of_lead, acts.plan.windows[-1:]
    own = walk.stop - walk.starts(longest)[0]
    columns.fill(walk.row, divide(own, acts.walk.stop - acts.walk.starts(longest)[0]))


def _write_begun_last(acts: Acts, columns: Columns) -> None:
    write_last(acts.of_lead, columns)


def content(plan: ActionsPlan) -> Iterator[Piece]:
    """Contents that the lead looked at, and those that it took."""
    if plan.content:
        text = Counted("content", "contents", different=True)
        source = ("events.content", "events.occurred_at")
        one = Feature("actions", "content", "distinct", text, "count", source=source)
        yield Piece(over_windows(one, plan.windows), _write_contents)
    if plan.download is not None:
        acts = Counted("content download", "content downloads")
        count = action("download", "count", acts, "count", "presence")
        yield Piece(over_windows(count, plan.windows), _write_download_counts)
        yield Piece((action("download", "days_since", Last(acts.one), "days"),), _write_download_last)


def _write_contents(acts: Acts, columns: Columns) -> None:
    write_distinct(acts.walk, acts.start, acts.events.words("content"), columns)


def _write_download_counts(acts: Acts, columns: Columns) -> None:
    walk = acts.of_downloads
    write_counts(walk, walk.starts(acts.plan.windows), columns)


def _write_download_last(acts: Acts, columns: Columns) -> None:
    write_last(acts.of_downloads, columns)


def choose_pairs(evidence: Evidence, high_intent: Kind, welcome: dict[str, int]) -> tuple[PairPlan, ...]:
    """The ordered pairs of the config, or each of the most frequent acts before each of the high-intent ones.

    ``welcome`` counts the actions that are not undesirable.
    """
    asked = evidence.config.features.pairs
    if asked is not None:
        words = [word for pair in asked for word in (pair.first, pair.then)]
        check_words(evidence, "action", words, "features.pairs")
        return tuple(PairPlan(pair.first, pair.then, pair.at_least) for pair in asked)
    ranked = sorted(welcome, key=lambda word: (-welcome[word], word))
    goals = [word for word in ranked if high_intent.holds(word)][:_GOALS]
    steps = [word for word in ranked if not high_intent.holds(word)][:_STEPS]
    return tuple(PairPlan(first, then, 1) for then in goals for first in steps)


def pairs(plan: ActionsPlan) -> Iterator[Piece]:
    """Acts that came after others."""
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
        said = f"“{format_word(pair.then)}” came after {before}"
        kept = tuple(word for word in (pair.first, pair.then) if parts[word] != word)
        one = partial(action, parts[pair.then], words=kept)
        features += [
            one(f"count_{after}", Times(said), "count"),
            one(f"days_since_{after}", Since(said), "days"),
        ]
    yield Piece(tuple(features), _write_pairs)


def _write_pairs(acts: Acts, columns: Columns) -> None:
    plan = acts.plan
    words = list(dict.fromkeys(word for pair in plan.pairs for word in (pair.first, pair.then)))
    number = {word: i for i, word in enumerate(words)}
    action = acts.events.words("action")
    table = acts.events.kept(
        plan.pairs, lambda: np.array([*(number.get(text, -1) for text in action.text), -1], np.int32)
    )
    word = table[action.codes[acts.every.order]]
    paired = word >= 0
    walk = acts.every.only(paired)
    rhythm_kernel.count_after(
        *(walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred, word[paired]),
        np.array([number[pair.first] for pair in plan.pairs], np.int64),
        np.array([number[pair.then] for pair in plan.pairs], np.int64),
        np.array([pair.at_least for pair in plan.pairs], np.int64),
        *columns.target(2 * len(plan.pairs)),
    )
