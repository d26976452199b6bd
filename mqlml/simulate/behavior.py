"""Simulate what the leads do and how they end.

A lead's hidden state is drawn at its creation and moves at each midnight. While in a state it events as Poisson
processes, one per action, and runs the risk of three exits; all rates are the world's. Web events are followed by a
Poisson number of page views within the next minutes, which makes visits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mqlml.simulate.population import Population
from mqlml.simulate.world import (
    AFTER_EXIT,
    CHANNELS,
    FIXED_CHANNEL,
    OFFLINE,
    PAGE_VIEW,
    SIGN_UP,
    STATES,
    VISIT,
    WEB,
    World,
    read_clock,
    set_clock,
)
from mqlml.times import DAY, HOUR, NEVER
from mqlml.types import Floats, Ints

_BLOCK = 20_000  # leads simulated at a time: bounds memory, and is part of what a seed means
_MONDAY = 4 * DAY  # 1970-01-05


@dataclass(frozen=True)
class SimulatedEvents:
    """All events, by time: ``lead`` (row of the population), ``time`` (microseconds since 1970), ``action`` and
    ``channel`` (places in `world.ACTIONS` and `world.CHANNELS`), ``seconds`` (0 where the action has none)."""

    lead: Ints
    time: Ints
    action: NDArray[np.int8]
    channel: NDArray[np.int8]
    seconds: NDArray[np.int32]

    def take(self, rows: Ints) -> SimulatedEvents:
        """The events of these rows, in their order."""
        return SimulatedEvents(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Exits:
    """How each lead ended: ``time`` (`NEVER`: open to the end) and ``kind`` (place in `world.EXITS`)."""

    time: Ints
    kind: Ints


def uploaded_at(time: Ints) -> Ints:
    """When an offline event is first known: 06:00 UTC on the Monday of the following week."""
    return np.asarray((time - _MONDAY) // (7 * DAY) * (7 * DAY) + _MONDAY + 7 * DAY + 6 * HOUR)


Arrays = TypeVar("Arrays", SimulatedEvents, Exits)


@dataclass(frozen=True)
class _Bursts:
    """Events to come on single lead-days: which lead, which day, in which state."""

    lead: Ints
    day: Ints
    state: Ints


def _live(
    rng: np.random.Generator, world: World, population: Population, rows: slice, days: int
) -> tuple[_Bursts, Exits]:
    """Take a block of leads, sorted by creation, through the days: states, exits, and on which days they act."""
    created = read_clock(population.created[rows])
    began = np.floor(created).astype(np.int64) - world.start
    market = population.market[population.account[rows]]
    factor = world.fit_factor(population.fit[rows])
    n = len(created)
    n_begun = np.searchsorted(began, np.arange(days), side="right")

    first = np.cumsum(population.first_state[np.arange(rows.start, rows.stop), market], axis=-1)
    state = (rng.random(n)[:, None] > first[:, :-1]).sum(axis=-1)
    # A move is rare: one draw tells whether the lead leaves its state, and only then a second says for which.
    leave = 1 - np.diagonal(world.moves, axis1=1, axis2=2)
    arrive = np.cumsum(world.moves * (1 - np.eye(len(STATES))) / leave[..., None], axis=-1)
    rates = world.rates.sum(axis=0)
    calendar = world.calendar(world.start, world.start + days)

    threshold = rng.exponential(size=n)
    risk = np.zeros(n)
    exit_clock = np.full(n, np.inf)
    exit_kind = np.zeros(n, dtype=np.int64)
    leads, on_day, states = [], [], []
    before = 0
    for day, now in enumerate(n_begun):
        if now == 0:
            continue
        moving = np.flatnonzero(rng.random(before) < leave[market[:before], state[:before]])
        target = arrive[market[moving], state[moving]]
        state[moving] = (rng.random(len(moving))[:, None] > target[:, :-1]).sum(axis=-1)

        current = state[:now]
        begin = np.maximum(created[:now], world.start + day)
        length = world.start + day + 1 - begin
        numbers = rng.poisson(rates[current] * (calendar.activity[day] * length))
        active = np.flatnonzero(numbers)
        numbers = numbers[active]
        leads.append(np.repeat(active, numbers))
        states.append(np.repeat(current[active], numbers))
        on_day.append(np.full(len(leads[-1]), day))

        won = world.exits[0][current] * factor[:now] * calendar.won[day]
        other = world.exits[1:].sum(axis=0)[current] * calendar.other[day]
        hazard = won + other
        left = threshold[:now] - risk[:now]
        ending = np.flatnonzero((left > 0) & (left <= hazard * length))
        exit_clock[ending] = begin[ending] + left[ending] / hazard[ending]
        draw = rng.random(len(ending)) * hazard[ending]
        lost = world.exits[1][current[ending]] * calendar.other[day]
        exit_kind[ending] = (draw > won[ending]).astype(np.int64) + (draw > won[ending] + lost)
        risk[:now] += hazard * length
        before = int(now)

    ended = np.isfinite(exit_clock)
    exit_time = np.full(n, NEVER)
    exit_time[ended] = np.maximum(set_clock(exit_clock[ended]), population.created[rows][ended])
    bursts = _Bursts(*(np.concatenate(parts or [[]]).astype(np.int64) for parts in (leads, on_day, states)))
    return bursts, Exits(exit_time, exit_kind)


def _choose(rng: np.random.Generator, state: Ints, shares: Floats) -> Ints:
    """One place drawn for each entry, from the shares of its state: (states, places)."""
    draw = rng.random(len(state))
    chosen = np.empty(len(state), dtype=np.int64)
    for value in range(len(STATES)):
        rows = np.flatnonzero(state == value)
        steps = np.cumsum(shares[value])
        last = int(np.flatnonzero(shares[value])[-1])
        chosen[rows] = np.minimum(np.searchsorted(steps, draw[rows] * steps[-1], side="right"), last)
    return chosen


def _seconds(rng: np.random.Generator, mean: Floats) -> Ints:
    """Geometric whole seconds (1, 2, …) with these means; 0 where the mean is 0."""
    seconds = np.zeros(len(mean), dtype=np.int64)
    timed = np.flatnonzero(mean)
    stop = 1 / mean[timed]
    seconds[timed] = 1 + np.floor(np.log(1 - rng.random(len(timed))) / np.log1p(-stop)).astype(np.int64)
    return seconds


def _act(
    rng: np.random.Generator, world: World, population: Population, bursts: _Bursts, exits: Exits, rows: slice
) -> SimulatedEvents:
    """Turn bursts into events: when within the day, what, by which channel, for how long, and the pages after."""
    created = population.created[rows]
    midnight = (bursts.day + world.start).astype(float)
    begin = np.maximum(read_clock(created)[bursts.lead], midnight)
    time = set_clock(begin + rng.random(len(begin)) * (midnight + 1 - begin))
    time = np.maximum(time, created[bursts.lead])  # `begin` may round to just below the second it stands for
    kept = (time < exits.time[bursts.lead]) | (rng.random(len(time)) < AFTER_EXIT)
    lead, state, time = bursts.lead[kept], bursts.state[kept], time[kept]
    action = _choose(rng, state, world.rates.T)

    source = population.source[rows][lead]
    channel = FIXED_CHANNEL[action]
    for value in range(len(CHANNELS)):
        mine = np.flatnonzero(WEB[action] & (source == value))
        channel[mine] = _choose(rng, state[mine], world.channels[value, PAGE_VIEW].T)

    visits = np.flatnonzero(WEB[action])
    follow = np.repeat(visits, rng.poisson(world.page_views[state[visits]]))
    later = time[follow] + np.floor(rng.random(len(follow)) * (VISIT / 1e6)).astype(np.int64) * 1_000_000
    same_day = later // DAY == time[follow] // DAY
    follow, later = follow[same_day], later[same_day]

    every = np.concatenate([np.arange(len(lead)), follow])
    action = np.concatenate([action, np.full(len(follow), PAGE_VIEW)])
    return SimulatedEvents(
        lead=lead[every] + rows.start,
        time=np.concatenate([time, later]),
        action=action.astype(np.int8),
        channel=channel[every].astype(np.int8),
        seconds=_seconds(rng, world.seconds[action, state[every]]).astype(np.int32),
    )


def make_behavior(
    seed: np.random.SeedSequence, population: Population, *, days: int, world: World
) -> tuple[SimulatedEvents, Exits]:
    """Simulate all leads until the end of the observed days.

    Returns
    -------
    events : by time; an offline event that is uploaded after the end is left out: the company has no such row.
    exits : one for each lead.
    """
    end = (world.start + days) * DAY
    n_leads = len(population.created)
    blocks = [slice(start, min(start + _BLOCK, n_leads)) for start in range(0, n_leads, _BLOCK)]
    parts: list[SimulatedEvents] = []
    exits: list[Exits] = []
    for rows, child in zip(blocks, seed.spawn(len(blocks)), strict=True):
        rng = np.random.default_rng(child)
        bursts, ended = _live(rng, world, population, rows, days)
        parts.append(_act(rng, world, population, bursts, ended, rows))
        exits.append(ended)
    sign_up, seconds = np.full(n_leads, SIGN_UP, dtype=np.int8), np.zeros(n_leads, dtype=np.int32)
    source = population.source.astype(np.int8)
    parts.append(SimulatedEvents(np.arange(n_leads), population.created, sign_up, source, seconds))
    events = _join(SimulatedEvents, parts)
    known = np.flatnonzero(~OFFLINE[events.action] | (uploaded_at(events.time) < end))
    return events.take(known[np.argsort(events.time[known], kind="stable")]), _join(Exits, exits)


def _join(kind: type[Arrays], parts: Sequence[Arrays]) -> Arrays:
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)))
