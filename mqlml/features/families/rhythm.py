"""Rhythm of acts: how they fade, how the lead comes back and stays, how long it was silent, at what hours it acts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from mqlml.features.catalogue import Feature, format_length, name_part, over_windows, window_part
from mqlml.features.families.action_counts import action, slot_names
from mqlml.features.families.action_rows import ActionsPlan, Acts
from mqlml.features.families.builder import Columns, Piece
from mqlml.features.kernels import rhythm as rhythm_kernel
from mqlml.features.kernels.windows import count_ranks, divide, sum_in_windows
from mqlml.features.vocabulary import OTHER
from mqlml.features.wording import Counted, Named, Share, format_word

__all__ = ["decay", "rhythm", "visits"]

_TIMES = ("events.occurred_at",)
_MINUTE = 60_000_000


def decay(plan: ActionsPlan) -> Iterator[Piece]:
    """How much is left of each kept action, and of all acts, where each fades with its age."""
    for half_life in plan.half_lives:
        aggregate = f"faded_{name_part(window_part(half_life))}"
        told = f", each counting half after {format_length(half_life)}"
        features: list[Feature] = []
        for word, part, kept in slot_names(plan):
            acts = "Other acts" if word == OTHER else f"Acts “{format_word(word)}”"
            features.append(action(part, aggregate, Named(acts, aside=told), words=kept))
        yield Piece(tuple(features), partial(_write_faded, half_life=half_life))
        every = action("any", aggregate, Named("Acts of any kind", aside=told))
        yield Piece((every,), partial(_write_all_faded, half_life=half_life))


def _write_faded(acts: Acts, columns: Columns, *, half_life: int) -> None:
    walk, slots = acts.walk, len(acts.plan.actions.slots)
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    rhythm_kernel.fade_words(*place, acts.slot, slots, half_life, *columns.target(slots))


def _write_all_faded(acts: Acts, columns: Columns, *, half_life: int) -> None:
    walk = acts.walk
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    every = np.zeros(len(walk.occurred), np.int32)
    rhythm_kernel.fade_words(*place, every, 1, half_life, *columns.target(1))


def visits(plan: ActionsPlan) -> Iterator[Piece]:
    """How often the lead comes back, how long it stays, and what it does then."""
    if not plan.visits:
        return
    returns = Counted("visit after the first one", "visits after the first one")
    one = Feature("actions", "any", "return_visits", returns, "count", source=_TIMES)
    yield Piece(over_windows(one, plan.windows), _write_returns)
    stay = Named("Minutes between the acts of visits")
    source: tuple[str, ...] = _TIMES
    if plan.seconds:
        stay = Named("Minutes on site", aside=", as the acts' values tell")
        source = ("events.value", *_TIMES)
    one = Feature("actions", "any", "time_on_site", stay, "amount", source=source)
    yield Piece(over_windows(one, plan.windows), _write_minutes)
    one = Feature("actions", "any", "acts_per_visit", Named("Acts a visit"), "ratio", source=_TIMES)
    yield Piece(over_windows(one, plan.windows), _write_depth)


def _write_returns(acts: Acts, columns: Columns) -> None:
    walk, start, stop = acts.walk, acts.start, acts.walk.stop
    session = acts.ranks[1]
    returns = sum_in_windows(acts.visit_begins, np.minimum(start + 1, stop), stop)
    if len(session):  # a visit that the window cuts counts too
        cut = np.minimum(start, len(session) - 1)
        first_visit = session[np.minimum(np.repeat(walk.unit[:-1], np.diff(walk.turn)), len(session) - 1)]
        returns += (start < stop) & (session[cut] != first_visit)
    columns.fill(walk.row, returns.T)


def _write_minutes(acts: Acts, columns: Columns) -> None:
    walk, start, stop = acts.walk, acts.start, acts.walk.stop
    if acts.plan.seconds:
        minutes = sum_in_windows(acts.values[0], start, stop) / _MINUTE
    else:
        stays = np.diff(walk.occurred, prepend=0) * (1 - acts.visit_begins)
        minutes = sum_in_windows(stays, np.minimum(start + 1, stop), stop) / _MINUTE
    columns.fill(walk.row, minutes.T)


def _write_depth(acts: Acts, columns: Columns) -> None:
    visits = count_ranks(acts.ranks[1], acts.start, acts.walk.stop)
    columns.fill(acts.walk.row, divide(acts.walk.stop - acts.start, visits).T)


def rhythm(plan: ActionsPlan) -> Iterator[Piece]:
    """How long the lead was silent at most, and when its visits begin."""
    if not plan.rhythm:
        return
    silence = Named("longest silence since the first act", before="Days of the ")
    same_hour = Named("Chance that two of its visits begin in the same hour of the day")
    same_weekday = Named("Chance that two of its visits begin on the same weekday")
    office = Share("visits that begin in office hours", aside=" (weekdays, 8 to 18)")
    one = partial(Feature, "actions", "any", source=_TIMES)
    features = (
        one("longest_silence", silence, "days", missing="not_known"),
        one("same_hour", same_hour, "share"),
        one("same_weekday", same_weekday, "share"),
        one("office_hours", office, "share"),
    )
    yield Piece(features, _write_rhythm)


def _write_rhythm(acts: Acts, columns: Columns) -> None:
    walk = acts.walk
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    rhythm_kernel.write_rhythm(*place, acts.local, acts.ranks[1], *columns.target(4))
