"""Actions: what the lead did, how often, how lately, and with what rhythm; undesirable acts are not counted here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from mqlml.errors import ContractError
from mqlml.features import kernel
from mqlml.features.bad_acts import is_undesirable
from mqlml.features.builder import Block, Builder, Evidence, LeftOut
from mqlml.features.catalogue import (
    Feature,
    Window,
    feature_name,
    name_parts,
    say_acts,
    say_window,
    say_word,
    window_part,
)
from mqlml.features.vocabulary import OTHER, Vocabulary, learn_vocabulary
from mqlml.features.windows import Events, Walk
from mqlml.timeutil import DAY

__all__ = ["BUILDER", "ActionsPlan"]

_WEEK = 7 * DAY
_UNIT = 1e-6
"""Values are added up in whole millionths: such sums are exact, so neither order nor partition changes them."""

_LARGEST = 2**63 * _UNIT


@dataclass(frozen=True)
class ActionsPlan:
    """What the actions family learned.

    Attributes
    ----------
    actions : the actions with features of their own.
    undesirable : the actions the config lists as undesirable; None for the built-in patterns.
    windows : lookback windows, shortest first.
    session_gap : microseconds; a longer pause begins a new session.
    value, campaign : whether events carry a value and a campaign.
    """

    actions: Vocabulary
    undesirable: tuple[str, ...] | None
    windows: tuple[Window, ...]
    session_gap: int
    value: bool
    campaign: bool


def _plan(evidence: Evidence) -> tuple[ActionsPlan | None, list[LeftOut]]:
    if not evidence.has_events:
        return None, []
    settings = evidence.config.features
    listed = None if settings.undesirable_actions is None else tuple(settings.undesirable_actions)
    actions = learn_vocabulary(
        evidence.count_words("action"),
        most=settings.max_actions,
        include=lambda word: not is_undesirable(word, listed),
    )
    plan = ActionsPlan(
        Vocabulary(actions.words, missing=False),
        listed,
        tuple(evidence.config.windows),
        settings.session_gap,
        value=evidence.has_values("value"),
        campaign=evidence.has_values("campaign"),
    )
    return plan, []


def _describe(plan: ActionsPlan) -> tuple[Feature, ...]:
    make = partial(Feature, family="actions")
    acts = ("events.action", "events.occurred_at")
    parts = name_parts(plan.actions.words, reserved=("any", OTHER)) | {OTHER: OTHER}
    features: list[Feature] = []
    for word in plan.actions.slots:
        kept = () if parts[word] == word else (word,)
        said = "Other acts" if word == OTHER else say_acts(word)
        for window in plan.windows:
            features.append(
                make(
                    name=feature_name("actions", parts[word], "count", window_part(window)),
                    sentence=f"{said} {say_window(window)}",
                    window=window_part(window),
                    source=acts,
                    words=kept,
                )
            )
    for word in plan.actions.slots:
        features.append(
            make(
                name=feature_name("actions", parts[word], "days_since"),
                sentence="Days since the last other act"
                if word == OTHER
                else f"Days since the last “{say_word(word)}”",
                source=acts,
                words=() if parts[word] == word else (word,),
            )
        )
    features.append(
        make(
            name=feature_name("actions", "any", "days_since"), sentence="Days since the last act", source=acts
        )
    )
    totals = [
        ("any", "count", "Acts of any kind", acts),
        ("any", "active_days", "Days with at least one act", acts),
        ("any", "sessions", "Visits (acts without a long pause between them)", acts),
    ]
    if plan.value:
        totals += [
            ("value", "sum", "Sum of the acts' values", ("events.value", "events.occurred_at")),
            ("value", "mean", "Mean of the acts' values", ("events.value", "events.occurred_at")),
        ]
    if plan.campaign:
        totals.append(
            (
                "campaign",
                "distinct",
                "Different campaigns acted on",
                ("events.campaign", "events.occurred_at"),
            )
        )
    for what, aggregate, said, source in totals:
        for window in plan.windows:
            features.append(
                make(
                    name=feature_name("actions", what, aggregate, window_part(window)),
                    sentence=f"{said} {say_window(window)}",
                    window=window_part(window),
                    source=source,
                )
            )
    features.append(
        make(
            name=feature_name("actions", "any", "pace"),
            sentence="Acts of the last 7 days against the 7 days before: 1 all lately, −1 all before",
            source=acts,
        )
    )
    return tuple(features)


def _windows(plan: ActionsPlan) -> tuple[Window, ...]:
    return (*plan.windows, _WEEK, 2 * _WEEK)


def _write(walk: Walk, events: Events, plan: ActionsPlan, block: Block) -> None:
    action = events.words("action")
    slot = plan.actions.look_up(action, lambda word: not is_undesirable(word, plan.undesirable))
    word = slot[action.codes[walk.order]]
    counted = word >= 0
    walk, word = walk.only(counted), word[counted]
    start = walk.starts(plan.windows)
    out, slots, windows = block.numbers, len(plan.actions.slots), len(plan.windows)
    place = (walk.unit, walk.turn, walk.row)
    kernel.count_words(*place, start, walk.stop, word, slots, out, block.first)
    column = block.first + slots * windows
    kernel.write_days_since(*place, walk.stop, walk.cutoff, walk.occurred, word, slots, out, column)
    column += slots
    kernel.write_days_since(
        *place, walk.stop, walk.cutoff, walk.occurred, np.zeros(len(word), np.int32), 1, out, column
    )
    column += 1
    day, session = kernel.rank_stretches(walk.unit, walk.occurred, plan.session_gap)
    totals: list[npt.NDArray[np.number]] = [
        walk.stop - start,
        _stretches(day, start, walk.stop),
        _stretches(session, start, walk.stop),
    ]
    if plan.value:
        totals += _sums_and_means(walk, events.values()[walk.order], start)
    for total in totals:
        out[walk.row, column : column + windows] = total.T
        column += windows
    if plan.campaign:
        campaign = events.words("campaign")
        codes = campaign.codes[walk.order].astype(np.int32)
        kernel.count_distinct(*place, start, walk.stop, codes, len(campaign.text), out, column)
        column += windows
    out[walk.row, column] = _pace(walk)


def _stretches(
    rank: npt.NDArray[np.int32], start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Different ranks among the rows ``start:stop``, where ranks never fall."""
    if len(rank) == 0:
        return np.zeros_like(start)
    first = rank[np.minimum(start, len(rank) - 1)]
    return np.where(stop > start, rank[stop - 1] - first + 1, 0)


def _sums_and_means(
    walk: Walk, value: npt.NDArray[np.float64], start: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.float64]]:
    """Sum (0 without a value) and mean (NaN without one) of the values in each window."""
    present = ~np.isnan(value)
    value = np.where(present, value, 0.0)
    size = np.zeros(len(value) + 1)
    np.cumsum(np.abs(value), out=size[1:])
    if not size[-1] < _LARGEST:
        size = np.abs(value)
        each = np.add.reduceat(np.append(size, 0.0), np.minimum(walk.unit[:-1], len(size)))
        each[np.diff(walk.unit) == 0] = 0.0
        if not each.max() < _LARGEST:
            raise ContractError(
                f"the values of one lead's events add up to {each.max():.3g}, above the {_LARGEST:.1e} that can be "
                "summed exactly; give events.value in a larger unit, and no infinite ones"
            )
    total = np.zeros(len(value) + 1, np.int64)
    np.cumsum(
        np.rint(value / _UNIT).astype(np.int64), out=total[1:]
    )  # may wrap; differences within a lead are exact
    number = np.zeros(len(value) + 1, np.int64)
    np.cumsum(present, out=number[1:])
    sums = (total[walk.stop] - total[start]) * _UNIT
    counts = number[walk.stop] - number[start]
    return [sums, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)]


def _pace(walk: Walk) -> npt.NDArray[np.float64]:
    """(a − b) / (a + b) of the last 7 days' acts a and the 7 days before's b: in [−1, 1], NaN without either."""
    week, fortnight = walk.starts((_WEEK, 2 * _WEEK))
    both = walk.stop - fortnight
    lately = walk.stop - week
    return np.where(both > 0, (2 * lately - both) / np.maximum(both, 1), np.nan)


BUILDER = Builder("actions", _plan, _describe, _windows, _write)
