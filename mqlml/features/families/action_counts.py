"""Counts per window of each kept action and of all events; their days, values, campaigns and pace."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from mqlml.features.catalogue import Feature, Signal, Unit, name_parts, over_windows
from mqlml.features.families.action_rows import (
    RESERVED,
    ActionsPlan,
    EventRows,
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
    counted_events,
    format_word,
    last_event,
)
from mqlml.times import DAY

WEEK = 7 * DAY
_EVENTS = ("events.action", "events.occurred_at")
_VALUES = ("events.value", "events.occurred_at")

action = partial(Feature, "actions", source=_EVENTS)
"""A feature of the family, made from the events."""


def slot_names(plan: ActionsPlan) -> list[tuple[str, str, tuple[str, ...]]]:
    """Each action with features of its own, ``other`` last: its word, its part of a name, the words kept with it."""
    parts = name_parts(plan.actions.words, reserved=RESERVED) | {OTHER: OTHER}
    return [(word, parts[word], () if parts[word] == word else (word,)) for word in plan.actions.slots]


def counts(plan: ActionsPlan) -> Iterator[Piece]:
    """How often each kept action was done, and how long ago."""
    if not plan.groups.counts:
        return
    often: list[Feature] = []
    ago: list[Feature] = []
    for word, part, kept in slot_names(plan):
        counted: Counted | Times = Counted("other event", "other events")
        last = Last("other event")
        if word != OTHER:
            counted, last = counted_events(word), last_event(word)
        count = action(part, "count", counted, "count", "presence", words=kept)
        often += over_windows(count, plan.windows)
        ago.append(action(part, "days_since", last, "days", words=kept))
    yield Piece(tuple(often), _write_counts)
    yield Piece(tuple(ago), _write_days_since)


def _write_counts(rows: EventRows, columns: Columns) -> None:
    slots = len(rows.plan.actions.slots)
    target = columns.target(slots * len(rows.start))
    kernel.count_codes(rows.scan.arrays, rows.start, rows.slot, slots, *target)


def _write_days_since(rows: EventRows, columns: Columns) -> None:
    slots = len(rows.plan.actions.slots)
    kernel.write_days_since(rows.scan.arrays, rows.slot, slots, *columns.target(slots))


def days(plan: ActionsPlan) -> Iterator[Piece]:
    """On how many days each kept action was done."""
    if not plan.groups.days:
        return
    features: list[Feature] = []
    for word, part, kept in slot_names(plan):
        which = "another event" if word == OTHER else f"a “{format_word(word)}”"
        text = Counted(f"day with {which}", f"days with {which}")
        features += over_windows(action(part, "active_days", text, "count", words=kept), plan.windows)
    yield Piece(tuple(features), _write_days)


def _write_days(rows: EventRows, columns: Columns) -> None:
    slots = len(rows.plan.actions.slots)
    target = columns.target(slots * len(rows.start))
    kernel.count_days(rows.scan.arrays, rows.start, rows.slot, slots, rows.ranks[0], *target)


def values(plan: ActionsPlan) -> Iterator[Piece]:
    """Sum and mean of the values of each kept action."""
    if not plan.groups.values:
        return
    features: list[Feature] = []
    for aggregate, measure in (("value_sum", "Total"), ("value_mean", "Mean")):
        for word, part, kept in slot_names(plan):
            of = "other events" if word == OTHER else f"“{format_word(word)}”"
            text = Named(f"{measure} value of {of}")
            one = Feature("actions", part, aggregate, text, "amount", source=_VALUES, words=kept)
            features += over_windows(one, plan.windows)
    yield Piece(tuple(features), _write_values)


def _write_values(rows: EventRows, columns: Columns) -> None:
    whole, present = rows.values
    given = (rows.scan.arrays, rows.start, rows.slot, len(rows.plan.actions.slots))
    sums = kernel.sum_codes(*given, whole) * UNIT
    number = kernel.sum_codes(*given, present.astype(np.int64))
    columns.fill(rows.scan.row, sums, divide(sums, number))


def usual(plan: ActionsPlan) -> Iterator[Piece]:
    """The values of events against those that such events usually have."""
    if not plan.usual:
        return
    text = Named("Value of events against what is usual for such events", aside=" (1 is usual)")
    source = ("events.action", *_VALUES)
    one = Feature("actions", "value", "against_usual", text, "ratio", source=source)
    yield Piece(over_windows(one, plan.windows), _write_usual)


def _write_usual(rows: EventRows, columns: Columns) -> None:
    expected = np.array(rows.plan.usual, np.int64)[rows.slot]
    whole, present = rows.values
    compared = present & (expected > 0)
    found = sum_in_windows(np.where(compared, whole, 0), rows.start, rows.scan.stop)
    expected = sum_in_windows(np.where(compared, expected, 0), rows.start, rows.scan.stop)
    columns.fill(rows.scan.row, divide(found, expected).T)


def choose_usual(values: dict[str, tuple[int, int]], actions: Vocabulary) -> tuple[int, ...]:
    """The mean value of each slot's events in whole millionths, 0 where it has none above 0.

    ``values`` are number and sum of the values of each action that is not undesirable.
    """
    number, total = dict.fromkeys(actions.slots, 0), dict.fromkeys(actions.slots, 0)
    for word, (counted, added) in values.items():
        slot = word if word in number else OTHER
        number[slot] += counted
        total[slot] += added
    return tuple(max(total[slot] // max(number[slot], 1), 0) for slot in actions.slots)


def totals(plan: ActionsPlan) -> Iterator[Piece]:
    """All events together."""
    if not plan.groups.totals:
        return

    def each(
        what: str, aggregate: str, text: Text, unit: Unit, source: tuple[str, ...] = _EVENTS
    ) -> tuple[Feature, ...]:
        return over_windows(Feature("actions", what, aggregate, text, unit, source=source), plan.windows)

    silence = Signal("undesirables", "silence")
    last = action("any", "days_since", Last("activity", named="event"), "days", signal=silence)
    yield Piece((last,), _write_last)
    yield Piece(
        each("any", "count", Counted("event of any kind", "events of any kind"), "count"), _write_total
    )
    with_any = Counted("day with at least one event", "days with at least one event")
    yield Piece(each("any", "active_days", with_any, "count"), partial(_write_ranks, rank=0))
    visits = Counted("visit", "visits", aside=" (events without a long pause between them)")
    yield Piece(each("any", "sessions", visits, "count"), partial(_write_ranks, rank=1))
    if plan.columns.value:
        total, mean = Named("Total value of events"), Named("Mean value of events")
        sums = each("value", "sum", total, "amount", _VALUES)
        yield Piece((*sums, *each("value", "mean", mean, "amount", _VALUES)), _write_all_values)
    if plan.columns.campaign:
        text = Counted("campaign responded to", "campaigns responded to", different=True)
        source = ("events.campaign", "events.occurred_at")
        yield Piece(each("campaign", "distinct", text, "count", source), _write_campaigns)
    pace = Compared(
        what="events",
        lately="in the last 7 days",
        before="in the 7 days before",
        name="events of the last 7 days against the 7 days before",
        aside=": 1 all lately, −1 all before",
    )
    yield Piece((action("any", "pace", pace, "ratio"),), _write_pace)


def _write_last(rows: EventRows, columns: Columns) -> None:
    write_last(rows.scan, columns)


def _write_total(rows: EventRows, columns: Columns) -> None:
    write_counts(rows.scan, rows.plan.windows, columns)


def _write_ranks(rows: EventRows, columns: Columns, *, rank: int) -> None:
    columns.fill(rows.scan.row, count_ranks(rows.ranks[rank], rows.start, rows.scan.stop).T)


def _write_all_values(rows: EventRows, columns: Columns) -> None:
    whole, present = rows.values
    start, stop = rows.start, rows.scan.stop
    sums = sum_in_windows(whole, start, stop) * UNIT
    number = sum_in_windows(present.astype(np.int64), start, stop)
    columns.fill(rows.scan.row, sums.T, divide(sums, number).T)


def _write_campaigns(rows: EventRows, columns: Columns) -> None:
    write_distinct(rows.scan, rows.plan.windows, rows.events.words("campaign"), columns)


def _write_pace(rows: EventRows, columns: Columns) -> None:
    """(a − b) / (a + b) of the last 7 days' events a and the 7 days before's b: in [−1, 1], NaN without either."""
    week, fortnight = rows.scan.starts((WEEK, 2 * WEEK))
    both = rows.scan.stop - fortnight
    lately = rows.scan.stop - week
    columns.fill(rows.scan.row, divide(2 * lately - both, both))
