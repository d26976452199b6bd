"""Features of rhythm: how events decay, how often the lead returns, how long it stays or is silent, and when."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from mqlml.features.catalogue import Feature, format_length, name_part, over_windows, window_part
from mqlml.features.families.action_counts import action, slot_names
from mqlml.features.families.action_rows import ActionsPlan, EventRows
from mqlml.features.families.builder import Columns, Piece
from mqlml.features.kernels import rhythm as rhythm_kernel
from mqlml.features.kernels.windows import count_ranks, divide, sum_in_windows
from mqlml.features.vocabulary import OTHER
from mqlml.features.wording import Counted, Named, Share, format_word

_TIMES = ("events.occurred_at",)
_MINUTE = 60_000_000


def decay(plan: ActionsPlan) -> Iterator[Piece]:
    """How much is left of each kept action, and of all events, where each decays with its age."""
    for half_life in plan.half_lives:
        aggregate = f"faded_{name_part(window_part(half_life))}"
        aside = f", each counting half after {format_length(half_life)}"
        features: list[Feature] = []
        for word, part, kept in slot_names(plan):
            counted = "Other events" if word == OTHER else f"“{format_word(word)}” events"
            features.append(action(part, aggregate, Named(counted, aside=aside), words=kept))
        yield Piece(tuple(features), partial(_write_decayed, half_life=half_life))
        every = action("any", aggregate, Named("Events of any kind", aside=aside))
        yield Piece((every,), partial(_write_all_decayed, half_life=half_life))


def _write_decayed(rows: EventRows, columns: Columns, *, half_life: int) -> None:
    slots = len(rows.plan.actions.slots)
    rhythm_kernel.decay_codes(rows.scan.arrays, rows.slot, slots, half_life, *columns.target(slots))


def _write_all_decayed(rows: EventRows, columns: Columns, *, half_life: int) -> None:
    every = np.zeros(len(rows.slot), np.int32)
    rhythm_kernel.decay_codes(rows.scan.arrays, every, 1, half_life, *columns.target(1))


def visits(plan: ActionsPlan) -> Iterator[Piece]:
    """How often the lead comes back, how long it stays, and what it does then."""
    if not plan.groups.visits:
        return
    returns = Counted("visit after the first one", "visits after the first one")
    one = Feature("actions", "any", "return_visits", returns, "count", source=_TIMES)
    yield Piece(over_windows(one, plan.windows), _write_returns)
    stay = Named("Minutes between the events of visits")
    source: tuple[str, ...] = _TIMES
    if plan.columns.seconds:
        stay = Named("Minutes on site", aside=", from the events' values")
        source = ("events.value", *_TIMES)
    one = Feature("actions", "any", "time_on_site", stay, "amount", source=source)
    yield Piece(over_windows(one, plan.windows), _write_minutes)
    one = Feature("actions", "any", "acts_per_visit", Named("Events per visit"), "ratio", source=_TIMES)
    yield Piece(over_windows(one, plan.windows), _write_depth)


def _write_returns(rows: EventRows, columns: Columns) -> None:
    start, stop, session = rows.start, rows.scan.stop, rows.ranks[1]
    returns = sum_in_windows(rows.visit_begins, np.minimum(start + 1, stop), stop)
    if len(session):  # a visit that the window cuts counts too
        cut = np.minimum(start, len(session) - 1)
        first_visit = session[np.minimum(rows.scan.first, len(session) - 1)]
        returns += (start < stop) & (session[cut] != first_visit)
    columns.fill(rows.scan.row, returns.T)


def _write_minutes(rows: EventRows, columns: Columns) -> None:
    start, stop = rows.start, rows.scan.stop
    if rows.plan.columns.seconds:
        minutes = sum_in_windows(rows.values[0], start, stop) / _MINUTE
    else:
        stays = np.diff(rows.scan.arrays.occurred, prepend=0) * (1 - rows.visit_begins)
        minutes = sum_in_windows(stays, np.minimum(start + 1, stop), stop) / _MINUTE
    columns.fill(rows.scan.row, minutes.T)


def _write_depth(rows: EventRows, columns: Columns) -> None:
    visits = count_ranks(rows.ranks[1], rows.start, rows.scan.stop)
    columns.fill(rows.scan.row, divide(rows.scan.stop - rows.start, visits).T)


def rhythm(plan: ActionsPlan) -> Iterator[Piece]:
    """How long the lead was silent at most, and when its visits begin."""
    if not plan.groups.rhythm:
        return
    silence = Named("longest silence since the first event", before="Days of the ")
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


def _write_rhythm(rows: EventRows, columns: Columns) -> None:
    rhythm_kernel.write_rhythm(rows.scan.arrays, rows.local, rows.ranks[1], *columns.target(4))
