"""Intent: acts that show a choice is near, acts the lead began, contents it took, acts that came after others."""

from __future__ import annotations

import numpy as np

from mqlml.features import kernel, rhythm_kernel
from mqlml.features.action_counts import over_windows
from mqlml.features.acts import RESERVED, ActionsPlan, Acts, Group, PairPlan, write_counts, write_last
from mqlml.features.builder import Evidence, check_words
from mqlml.features.catalogue import Feature, feature_name, name_parts, say_window, say_word, window_part
from mqlml.features.compiled import Numbers
from mqlml.features.word_kinds import Kind

__all__ = ["CONTENT", "INTENT", "PAIRS", "PROACTIVE", "choose_pairs"]

_ACTS = ("events.action", "events.occurred_at")
_BEGUN = ("events.initiated_by", "events.occurred_at")
_GOALS, _STEPS = 2, 3
"""Of the high-intent acts and of the others, the most frequent that make pairs where the config names none."""


def _since(what: str, said: str, source: tuple[str, ...]) -> Feature:
    return Feature(
        feature_name("actions", what, "days_since"), "actions", f"Days since the last {said}", source=source
    )


def _describe_intent(plan: ActionsPlan) -> list[Feature]:
    if not plan.intent:
        return []
    return [
        *over_windows(
            plan, "high_intent", "count", "High-intent acts (demo, trial, price and the like)", _ACTS
        ),
        *over_windows(plan, "high_intent", "distinct", "Different kinds of high-intent acts", _ACTS),
        _since("high_intent", "high-intent act", _ACTS),
    ]


def _write_intent(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk = acts.walk.only(acts.are(plan.high_intent))
    start, windows = walk.starts(plan.windows), len(plan.windows)
    write_counts(walk, start, out, column)
    action = acts.events.words("action")
    codes = action.codes[walk.order].astype(np.int32)
    place = (walk.unit, walk.turn, walk.row)
    kernel.count_distinct(*place, start, walk.stop, codes, len(action.text), out, column + windows)
    write_last(walk, out, column + 2 * windows)


def _describe_proactive(plan: ActionsPlan) -> list[Feature]:
    if plan.lead is None:
        return []
    longest = plan.windows[-1]
    return [
        *over_windows(plan, "lead_initiated", "count", "Acts the lead itself began", _BEGUN),
        Feature(
            name=feature_name("actions", "lead_initiated", "share", window_part(longest)),
            family="actions",
            sentence=f"Share of acts the lead itself began, {say_window(longest)}",
            window=window_part(longest),
            source=_BEGUN,
        ),
        _since("lead_initiated", "act the lead itself began", _BEGUN),
    ]


def _write_proactive(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    assert plan.lead is not None
    walk = acts.walk.only(acts.are(plan.lead, "initiated_by"))
    start, windows = walk.starts(plan.windows), len(plan.windows)
    write_counts(walk, start, out, column)
    every, own = acts.walk.stop - acts.start[-1], walk.stop - start[-1]
    out[walk.row, column + windows] = np.where(every > 0, own / np.maximum(every, 1), np.nan)
    write_last(walk, out, column + windows + 1)


def _describe_content(plan: ActionsPlan) -> list[Feature]:
    features: list[Feature] = []
    if plan.content:
        source = ("events.content", "events.occurred_at")
        features += over_windows(plan, "content", "distinct", "Different contents", source)
    if plan.download is not None:
        features += over_windows(plan, "download", "count", "Content downloads", _ACTS)
        features.append(_since("download", "content download", _ACTS))
    return features


def _write_content(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk = acts.walk
    if plan.content:
        content = acts.events.words("content")
        codes = content.codes[walk.order].astype(np.int32)
        place = (walk.unit, walk.turn, walk.row, acts.start, walk.stop)
        kernel.count_distinct(*place, codes, len(content.text), out, column)
        column += len(plan.windows)
    if plan.download is not None:
        taken = walk.only(acts.are(plan.download))
        write_counts(taken, taken.starts(plan.windows), out, column)
        write_last(taken, out, column + len(plan.windows))


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


def _describe_pairs(plan: ActionsPlan) -> list[Feature]:
    others = dict.fromkeys(word for pair in plan.pairs for word in (pair.first, pair.then))
    words = dict.fromkeys((*plan.actions.words, *others))
    parts = name_parts(list(words), reserved=RESERVED)
    features: list[Feature] = []
    for pair in plan.pairs:
        after = f"after_{pair.at_least}_{parts[pair.first]}"
        before = f"“{say_word(pair.first)}”"
        if pair.at_least > 1:
            before = f"at least {pair.at_least} {before}"
        said = f"“{say_word(pair.then)}” came after {before}"
        kept = tuple(word for word in (pair.first, pair.then) if parts[word] != word)
        features += [
            Feature(
                name=feature_name("actions", parts[pair.then], f"{what}_{after}"),
                family="actions",
                sentence=sentence,
                source=_ACTS,
                words=kept,
            )
            for what, sentence in (("count", f"Times {said}"), ("days_since", f"Days since {said}"))
        ]
    return features


def _write_pairs(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
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
        *(out, column),
    )


INTENT = Group(_describe_intent, _write_intent)
PROACTIVE = Group(_describe_proactive, _write_proactive)
CONTENT = Group(_describe_content, _write_content)
PAIRS = Group(_describe_pairs, _write_pairs)
