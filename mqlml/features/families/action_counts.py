"""Counts of acts: each kept action and all acts together, by window; days, values, campaigns and pace with them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from mqlml.features.catalogue import Feature, Signal, Unit, name_parts, over_windows
from mqlml.features.families.action_rows import (
    RESERVED,
    ActionsPlan,
    Acts,
    write_counts,
    write_distinct,
    write_last,
)
from mqlml.features.families.builder import Columns, Piece
from mqlml.features.kernels import counts as kernel
from mqlml.features.kernels.windows import UNIT, count_ranks, divide, sum_in_windows
from mqlml.features.vocabulary import OTHER, Vocabulary
from mqlml.features.wording import (
    Compared,
    Counted,
    Last,
    Named,
    Text,
    Times,
    counted_acts,
    format_word,
    last_act,
)
from mqlml.times import DAY

__all__ = ["WEEK", "action", "choose_usual", "counts", "days", "slot_names", "totals", "usual", "values"]

WEEK = 7 * DAY
_ACTS = ("events.action", "events.occurred_at")
_VALUES = ("events.value", "events.occurred_at")

action = partial(Feature, "actions", source=_ACTS)
"""A feature of the family, made from the acts."""


def slot_names(plan: ActionsPlan) -> list[tuple[str, str, tuple[str, ...]]]:
    """Each action with features of its own, ``other`` last: its word, its part of a name, the words kept with it."""
    parts = name_parts(plan.actions.words, reserved=RESERVED) | {OTHER: OTHER}
    return [(word, parts[word], () if parts[word] == word else (word,)) for word in plan.actions.slots]


def counts(plan: ActionsPlan) -> Iterator[Piece]:
    """How often each kept action was done, and how long ago."""
    if not plan.counts:
        return
    often: list[Feature] = []
    ago: list[Feature] = []
    for word, part, kept in slot_names(plan):
        acts: Counted | Times = Counted("other act", "other acts")
        last = Last("other act")
        if word != OTHER:
            acts, last = counted_acts(word), last_act(word)
        count = action(part, "count", acts, "count", "presence", words=kept)
        often += over_windows(count, plan.windows)
        ago.append(action(part, "days_since", last, "days", words=kept))
    yield Piece(tuple(often), _write_counts)
    yield Piece(tuple(ago), _write_days_since)


def _write_counts(acts: Acts, columns: Columns) -> None:
    walk, slots = acts.walk, len(acts.plan.actions.slots)
    target = columns.target(slots * len(acts.start))
    kernel.count_words(walk.unit, walk.turn, walk.row, acts.start, walk.stop, acts.slot, slots, *target)


def _write_days_since(acts: Acts, columns: Columns) -> None:
    walk, slots = acts.walk, len(acts.plan.actions.slots)
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    kernel.write_days_since(*place, acts.slot, slots, *columns.target(slots))


def days(plan: ActionsPlan) -> Iterator[Piece]:
    """On how many days each kept action was done."""
    if not plan.days:
        return
    features: list[Feature] = []
    for word, part, kept in slot_names(plan):
        which = "another act" if word == OTHER else f"a “{format_word(word)}”"
        text = Counted(f"day with {which}", f"days with {which}")
        features += over_windows(action(part, "active_days", text, "count", words=kept), plan.windows)
    yield Piece(tuple(features), _write_days)


def _write_days(acts: Acts, columns: Columns) -> None:
    walk, slots = acts.walk, len(acts.plan.actions.slots)
    place = (walk.unit, walk.turn, walk.row, acts.start, walk.stop)
    kernel.count_days(*place, acts.slot, slots, acts.ranks[0], *columns.target(slots * len(acts.start)))


def values(plan: ActionsPlan) -> Iterator[Piece]:
    """Sum and mean of the values of each kept action."""
    if not plan.values:
        return
    features: list[Feature] = []
    for aggregate, said in (("value_sum", "Sum"), ("value_mean", "Mean")):
        for word, part, kept in slot_names(plan):
            of = "other acts’ values" if word == OTHER else f"values of “{format_word(word)}”"
            text = Named(f"{said} of the {of}")
            one = Feature("actions", part, aggregate, text, "amount", source=_VALUES, words=kept)
            features += over_windows(one, plan.windows)
    yield Piece(tuple(features), _write_values)


def _write_values(acts: Acts, columns: Columns) -> None:
    whole, present = acts.values
    walk = acts.walk
    place = (walk.unit, walk.turn, acts.start, walk.stop, acts.slot, len(acts.plan.actions.slots))
    sums = kernel.sum_words(*place, whole) * UNIT
    number = kernel.sum_words(*place, present.astype(np.int64))
    columns.fill(walk.row, sums, divide(sums, number))


def usual(plan: ActionsPlan) -> Iterator[Piece]:
    """The values of acts against those that such acts usually have."""
    if not plan.usual:
        return
    text = Named("Values of the acts against what is usual for such acts", aside=" (1 is usual)")
    source = ("events.action", *_VALUES)
    one = Feature("actions", "value", "against_usual", text, "ratio", source=source)
    yield Piece(over_windows(one, plan.windows), _write_usual)


def _write_usual(acts: Acts, columns: Columns) -> None:
    expected = np.array(acts.plan.usual, np.int64)[acts.slot]
    whole, present = acts.values
    compared = present & (expected > 0)
    found = sum_in_windows(np.where(compared, whole, 0), acts.start, acts.walk.stop)
    expected = sum_in_windows(np.where(compared, expected, 0), acts.start, acts.walk.stop)
    columns.fill(acts.walk.row, divide(found, expected).T)


def choose_usual(values: dict[str, tuple[int, int]], actions: Vocabulary) -> tuple[int, ...]:
    """The mean value of each slot's acts in whole millionths, 0 where it has none above 0.

    ``values`` are number and sum of the values of each action that is not undesirable.
    """
    number, total = dict.fromkeys(actions.slots, 0), dict.fromkeys(actions.slots, 0)
    for word, (counted, added) in values.items():
        slot = word if word in number else OTHER
        number[slot] += counted
        total[slot] += added
    return tuple(max(total[slot] // max(number[slot], 1), 0) for slot in actions.slots)


def totals(plan: ActionsPlan) -> Iterator[Piece]:
    """All acts together."""
    if not plan.totals:
        return

    def each(
        what: str, aggregate: str, text: Text, unit: Unit, source: tuple[str, ...] = _ACTS
    ) -> tuple[Feature, ...]:
        return over_windows(Feature("actions", what, aggregate, text, unit, source=source), plan.windows)

    silence = Signal("undesirables", "silence")
    last = action("any", "days_since", Last("activity", named="act"), "days", signal=silence)
    yield Piece((last,), _write_last)
    yield Piece(each("any", "count", Counted("act of any kind", "acts of any kind"), "count"), _write_total)
    with_any = Counted("day with at least one act", "days with at least one act")
    yield Piece(each("any", "active_days", with_any, "count"), partial(_write_ranks, rank=0))
    visits = Counted("visit", "visits", aside=" (acts without a long pause between them)")
    yield Piece(each("any", "sessions", visits, "count"), partial(_write_ranks, rank=1))
    if plan.value:
        added, mean = Named("Sum of the acts' values"), Named("Mean of the acts' values")
        features = (
            *each("value", "sum", added, "amount", _VALUES),
            *each("value", "mean", mean, "amount", _VALUES),
        )
        yield Piece(features, _write_all_values)
    if plan.campaign:
        text = Counted("campaign acted on", "campaigns acted on", different=True)
        source = ("events.campaign", "events.occurred_at")
        yield Piece(each("campaign", "distinct", text, "count", source), _write_campaigns)
    pace = Compared(
        what="acts",
        lately="in the last 7 days",
        before="in the 7 days before",
        name="acts of the last 7 days against the 7 days before",
        aside=": 1 all lately, −1 all before",
    )
    yield Piece((action("any", "pace", pace, "ratio"),), _write_pace)


def _write_last(acts: Acts, columns: Columns) -> None:
    write_last(acts.walk, columns)


def _write_total(acts: Acts, columns: Columns) -> None:
    write_counts(acts.walk, acts.start, columns)


def _write_ranks(acts: Acts, columns: Columns, *, rank: int) -> None:
    columns.fill(acts.walk.row, count_ranks(acts.ranks[rank], acts.start, acts.walk.stop).T)


def _write_all_values(acts: Acts, columns: Columns) -> None:
    whole, present = acts.values
    start, stop = acts.start, acts.walk.stop
    sums = sum_in_windows(whole, start, stop) * UNIT
    number = sum_in_windows(present.astype(np.int64), start, stop)
    columns.fill(acts.walk.row, sums.T, divide(sums, number).T)


def _write_campaigns(acts: Acts, columns: Columns) -> None:
    write_distinct(acts.walk, acts.start, acts.events.words("campaign"), columns)


def _write_pace(acts: Acts, columns: Columns) -> None:
    """(a − b) / (a + b) of the last 7 days' acts a and the 7 days before's b: in [−1, 1], NaN without either."""
    walk = acts.walk
    week, fortnight = walk.starts((WEEK, 2 * WEEK))
    both = walk.stop - fortnight
    lately = walk.stop - week
    columns.fill(walk.row, divide(2 * lately - both, both))
