"""Counts of acts: each kept action and all acts together, by window; days, values, campaigns and pace with them."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from mqlml.errors import ContractError
from mqlml.features import catalogue, kernel
from mqlml.features.acts import RESERVED, ActionsPlan, Acts, Group, write_counts, write_last
from mqlml.features.catalogue import (
    Feature,
    Window,
    feature_name,
    name_parts,
    say_acts,
    say_word,
)
from mqlml.features.compiled import Codes, Floats, Ints, Numbers
from mqlml.features.vocabulary import OTHER, Vocabulary
from mqlml.features.windows import LARGEST, UNIT, Walk
from mqlml.times import DAY

__all__ = [
    "COUNTS",
    "DAYS",
    "TOTALS",
    "VALUES",
    "over_windows",
    "slot_names",
    "sum_in_windows",
    "whole_values",
]

_WEEK = 7 * DAY
_ACTS = ("events.action", "events.occurred_at")
_VALUES = ("events.value", "events.occurred_at")


def slot_names(plan: ActionsPlan) -> list[tuple[str, str, tuple[str, ...]]]:
    """Each action with features of its own, ``other`` last: its word, its part of a name, the words kept with it."""
    parts = name_parts(plan.actions.words, reserved=RESERVED) | {OTHER: OTHER}
    return [(word, parts[word], () if parts[word] == word else (word,)) for word in plan.actions.slots]


def over_windows(
    plan: ActionsPlan,
    what: str,
    aggregate: str,
    said: str,
    source: tuple[str, ...],
    words: tuple[str, ...] = (),
) -> list[Feature]:
    """One feature for each window; ``said`` is followed by the window in words."""
    return catalogue.over_windows("actions", plan.windows, what, aggregate, said, source=source, words=words)


def _describe_counts(plan: ActionsPlan) -> list[Feature]:
    if not plan.counts:
        return []
    features: list[Feature] = []
    for word, part, kept in slot_names(plan):
        said = "Other acts" if word == OTHER else say_acts(word)
        features += over_windows(plan, part, "count", said, _ACTS, kept)
    for word, part, kept in slot_names(plan):
        said = "other act" if word == OTHER else f"“{say_word(word)}”"
        features.append(
            Feature(
                name=feature_name("actions", part, "days_since"),
                family="actions",
                sentence=f"Days since the last {said}",
                source=_ACTS,
                words=kept,
            )
        )
    return features


def _write_counts(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk, slots = acts.walk, len(plan.actions.slots)
    place = (walk.unit, walk.turn, walk.row)
    kernel.count_words(*place, acts.start, walk.stop, acts.slot, slots, out, column)
    column += slots * len(plan.windows)
    kernel.write_days_since(*place, walk.stop, walk.cutoff, walk.occurred, acts.slot, slots, out, column)


def _describe_days(plan: ActionsPlan) -> list[Feature]:
    features: list[Feature] = []
    for word, part, kept in slot_names(plan) if plan.days else ():
        said = "Days with another act" if word == OTHER else f"Days with a “{say_word(word)}”"
        features += over_windows(plan, part, "active_days", said, _ACTS, kept)
    return features


def _write_days(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk = acts.walk
    kernel.count_days(
        *(walk.unit, walk.turn, walk.row, acts.start, walk.stop),
        *(acts.slot, len(plan.actions.slots), acts.ranks[0], out, column),
    )


def _describe_values(plan: ActionsPlan) -> list[Feature]:
    features: list[Feature] = []
    for aggregate, said in (("value_sum", "Sum"), ("value_mean", "Mean")):
        for word, part, kept in slot_names(plan) if plan.values else ():
            of = "other acts’ values" if word == OTHER else f"values of “{say_word(word)}”"
            features += over_windows(plan, part, aggregate, f"{said} of the {of}", _VALUES, kept)
    return features


def _write_values(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    whole, present = whole_values(acts.walk, acts.values)
    width = len(plan.actions.slots) * len(plan.windows)
    walk = acts.walk
    place = (walk.unit, walk.turn, acts.start, walk.stop, acts.slot, len(plan.actions.slots))
    sums = kernel.sum_words(*place, whole) * UNIT
    counts = kernel.sum_words(*place, present.astype(np.int64))
    out[walk.row, column : column + width] = sums
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    out[walk.row, column + width : column + 2 * width] = means


def _describe_usual(plan: ActionsPlan) -> list[Feature]:
    if not plan.usual:
        return []
    said = "Values of the acts against what is usual for such acts (1 is usual)"
    return over_windows(plan, "value", "against_usual", said, ("events.action", *_VALUES))


def _write_usual(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    usual = np.array(plan.usual, np.int64)[acts.slot]
    whole, present = whole_values(acts.walk, acts.values)
    compared = present & (usual > 0)
    found = sum_in_windows(np.where(compared, whole, 0), acts.start, acts.walk.stop)
    expected = sum_in_windows(np.where(compared, usual, 0), acts.start, acts.walk.stop)
    ratio = np.where(expected > 0, found / np.maximum(expected, 1), np.nan)
    out[acts.walk.row, column : column + len(plan.windows)] = ratio.T


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


def _describe_totals(plan: ActionsPlan) -> list[Feature]:
    if not plan.totals:
        return []
    make = partial(Feature, family="actions", source=_ACTS)
    features = [make(name=feature_name("actions", "any", "days_since"), sentence="Days since the last act")]
    features += over_windows(plan, "any", "count", "Acts of any kind", _ACTS)
    features += over_windows(plan, "any", "active_days", "Days with at least one act", _ACTS)
    features += over_windows(
        plan, "any", "sessions", "Visits (acts without a long pause between them)", _ACTS
    )
    if plan.value:
        features += over_windows(plan, "value", "sum", "Sum of the acts' values", _VALUES)
        features += over_windows(plan, "value", "mean", "Mean of the acts' values", _VALUES)
    if plan.campaign:
        source = ("events.campaign", "events.occurred_at")
        features += over_windows(plan, "campaign", "distinct", "Different campaigns acted on", source)
    features.append(
        make(
            name=feature_name("actions", "any", "pace"),
            sentence="Acts of the last 7 days against the 7 days before: 1 all lately, −1 all before",
        )
    )
    return features


def _windows_of_totals(plan: ActionsPlan) -> tuple[Window, ...]:
    return (_WEEK, 2 * _WEEK) if plan.totals else ()


def _write_totals(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk, start, windows = acts.walk, acts.start, len(plan.windows)
    write_last(walk, out, column)
    write_counts(walk, start, out, column + 1)
    column += 1 + windows
    totals: list[npt.NDArray[np.number]] = [count_ranks(rank, start, walk.stop) for rank in acts.ranks]
    if plan.value:
        whole, present = whole_values(walk, acts.values)
        sums = sum_in_windows(whole, start, walk.stop) * UNIT
        counts = sum_in_windows(present.astype(np.int64), start, walk.stop)
        totals += [sums, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)]
    for total in totals:
        out[walk.row, column : column + windows] = total.T
        column += windows
    if plan.campaign:
        campaign = acts.events.words("campaign")
        codes = campaign.codes[walk.order].astype(np.int32)
        place = (walk.unit, walk.turn, walk.row)
        kernel.count_distinct(*place, start, walk.stop, codes, len(campaign.text), out, column)
        column += windows
    out[walk.row, column] = _pace(walk)


def count_ranks(rank: Codes, start: Ints, stop: Ints) -> Ints:
    """Different ranks among the rows ``start:stop``, where ranks never fall."""
    if len(rank) == 0:
        return np.zeros_like(start)
    first = rank[np.minimum(start, len(rank) - 1)]
    return np.where(stop > start, rank[stop - 1] - first + 1, 0)


def sum_in_windows(amount: Ints, start: Ints, stop: Ints) -> Ints:
    """Sum of the amounts of the rows ``start:stop``; the running total may wrap, its differences are exact."""
    total = np.zeros(len(amount) + 1, np.int64)
    np.cumsum(amount, out=total[1:])
    return total[stop] - total[start]


def whole_values(walk: Walk, value: Floats) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Values in whole millionths, 0 where there is none, and where there is one.

    Raises
    ------
    ContractError
        If the values of a lead are too large to be added up exactly.
    """
    present = ~np.isnan(value)
    value = np.where(present, value, 0.0)
    if not np.abs(value).sum() < LARGEST:
        size = np.abs(value)
        each = np.add.reduceat(np.append(size, 0.0), np.minimum(walk.unit[:-1], len(size)))
        each[np.diff(walk.unit) == 0] = 0.0
        if not each.max() < LARGEST:
            raise ContractError(
                f"the values of one lead's events add up to {each.max():.3g}, above the {LARGEST:.1e} that can be "
                "summed exactly; give events.value in a larger unit, and no infinite ones"
            )
    return np.rint(value / UNIT).astype(np.int64), present


def _pace(walk: Walk) -> Floats:
    """(a − b) / (a + b) of the last 7 days' acts a and the 7 days before's b: in [−1, 1], NaN without either."""
    week, fortnight = walk.starts((_WEEK, 2 * _WEEK))
    both = walk.stop - fortnight
    lately = walk.stop - week
    return np.where(both > 0, (2 * lately - both) / np.maximum(both, 1), np.nan)


COUNTS = Group(_describe_counts, _write_counts)
DAYS = Group(_describe_days, _write_days)
USUAL = Group(_describe_usual, _write_usual)
VALUES = Group(_describe_values, _write_values)
TOTALS = Group(_describe_totals, _write_totals, _windows_of_totals)
