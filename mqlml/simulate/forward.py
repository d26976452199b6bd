"""The forward filter of the hidden Markov model: P(what is known of a lead, market, state at a cutoff).

Leads are followed from day to day, each Monday's result is kept, and a cutoff is then at most a week of days away.
Offline events are known from the Monday on which they are uploaded. Those not uploaded yet are no evidence either
way: from the last *settled* Monday on, before which every event is known, their actions and rates are left out.

Factors that are the same in all states and markets are left out throughout, as they cancel: the day's multiplier and
the moment within the day of an event, the channel of a page view (it is that of the event it follows), and the share
of events that are kept after an exit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from mqlml.simulate.behavior import Exits, SimulatedEvents
from mqlml.simulate.population import Population
from mqlml.simulate.world import (
    AFTER_EXIT,
    OFFLINE,
    PAGE_VIEW,
    SIGN_UP,
    STATES,
    VISIT,
    WEB,
    World,
    move_states,
    read_clock,
)
from mqlml.times import DAY, HOUR, NEVER
from mqlml.types import Floats, Ints

_K = len(STATES)
_DAYS_UNSETTLED = 8  # from a settled Monday to the Monday after, both included
_Days = TypeVar("_Days", int, Ints)


def _monday(day: _Days) -> _Days:
    """The Monday on or before a day (1970-01-01 was a Thursday)."""
    return day - (day + 3) % 7


def make_ranges(low: Ints, size: Ints) -> Ints:
    """The ranges ``low[i], low[i] + 1, …`` of ``size[i]`` numbers, one after the other."""
    ends = np.cumsum(size)
    return np.arange(int(size.sum())) + np.repeat(low - ends + size, size)


class ForwardFilter:
    """Forward probabilities of some leads.

    Parameters
    ----------
    world, population, exits : the laws; all leads and their exits.
    events : the events of ``leads`` and of nobody else, by time.
    leads : rows of the population.
    last : the last day, for each of them, that a cutoff can fall on.
    """

    def __init__(
        self,
        world: World,
        population: Population,
        exits: Exits,
        events: SimulatedEvents,
        leads: Ints,
        last: Ints,
    ) -> None:
        self.world, self.leads, self.last = world, leads, last
        self.fit = population.fit[leads]
        self.first_state = population.first_state[leads]
        self.created_at = population.created[leads]
        self.created = read_clock(self.created_at)
        self.begun_on = self.created.astype(np.int64)
        self.exit_at, self.exit_kind = exits.time[leads], exits.kind[leads]
        self.exit = np.full(len(leads), np.inf)
        self.exit[self.exit_at < NEVER] = read_clock(self.exit_at[self.exit_at < NEVER])

        place = np.zeros(len(population.created), dtype=np.int64)
        place[leads] = np.arange(len(leads))
        events = events.take(np.argsort(place[events.lead], kind="stable"))
        self.log_likelihood = _log_likelihood(world, population.source[events.lead], events)
        self.events = replace(events, lead=place[events.lead])

        self.first_monday = _monday(int(self.begun_on.min()))
        self.calendar = world.calendar(self.first_monday - 7, int(last.max()))
        self.mondays = self._filter_days()

    def finish(self, leads: Ints, cutoff: Ints) -> Floats:
        """P(what is known before the cutoff, state | market), up to a factor: (leads, markets, states).

        ``leads`` are places among the filter's own leads, created at or before their ``cutoff`` (microseconds);
        a lead may come several times.
        """
        day = cutoff // DAY
        settled = np.where(cutoff > _monday(day) * DAY + 6 * HOUR, _monday(day), _monday(day) - 7)
        begun_on = self.begun_on[leads]
        belief = self.first_state[leads]
        before = np.flatnonzero(begun_on < settled)
        belief[before] = self.mondays[(settled[before] - self.first_monday) // 7, leads[before]]

        start = int(self.created_at.min())
        span = int(cutoff.max()) + DAY - start
        key = self.events.lead * span + np.minimum(self.events.time - start, span - 1)
        low = np.searchsorted(key, leads * span + np.maximum(settled * DAY - start, 0))
        size = np.searchsorted(key, leads * span + cutoff - start) - low
        pair, event = np.repeat(np.arange(len(leads)), size), make_ranges(low, size)
        known = ~OFFLINE[self.events.action[event]]
        pair, event = pair[known], event[known]
        likely = self.log_likelihood[event] - self._page_views(event, cutoff[pair])
        cell = pair * _DAYS_UNSETTLED + self.events.time[event] // DAY - settled[pair]
        n_cells = len(leads) * _DAYS_UNSETTLED
        evidence = np.column_stack([np.bincount(cell, likely[:, k], n_cells) for k in range(_K)])
        evidence = evidence.reshape(len(leads), _DAYS_UNSETTLED, _K)

        rates = self.world.rates[~OFFLINE].sum(axis=0)
        until = read_clock(cutoff)
        exit_clock = np.where(self.exit_at[leads] < cutoff, self.exit[leads], np.inf)
        for step in range(_DAYS_UNSETTLED):
            today = settled + step
            some = np.flatnonzero((today <= day) & (today >= begun_on))
            likely = self._day(
                leads[some], today[some], until[some], exit_clock[some], evidence[some, step], rates
            )
            after = belief[some] * likely[:, None, :]
            after /= after.sum(axis=(1, 2), keepdims=True)
            over = today[some] < day[some]
            after[over] = move_states(after[over], self.world.moves)
            belief[some] = after
        return belief

    def _filter_days(self) -> Floats:
        """Forward probabilities at the start of each Monday, all events before it known: (Mondays, …)."""
        day = self.events.time // DAY
        order = np.argsort(day, kind="stable")  # stays by lead within a day
        likely = (self.log_likelihood - self._page_views(np.arange(len(day)), None))[order]
        starts = np.flatnonzero(
            (np.diff(day[order], prepend=-1) != 0) | (np.diff(self.events.lead[order], prepend=-1) != 0)
        )
        totals = np.add.reduceat(likely, starts, axis=0)
        cell_day, cell_lead = day[order][starts], self.events.lead[order][starts]

        belief = self.first_state.copy()
        rates = self.world.rates.sum(axis=0)
        stored = []
        for today in range(self.first_monday, int(self.last.max()) + 1):
            if today == _monday(today):
                stored.append(belief.copy())
            living = np.flatnonzero((self.begun_on <= today) & (today < self.last))
            cells = slice(*np.searchsorted(cell_day, [today, today + 1]))
            evidence = np.zeros((len(self.leads), _K))
            evidence[cell_lead[cells]] = totals[cells]
            days = np.full(len(living), today)
            likely = self._day(living, days, days + 1.0, self.exit[living], evidence[living], rates)
            after = belief[living] * likely[:, None, :]
            belief[living] = move_states(after / after.sum(axis=(1, 2), keepdims=True), self.world.moves)
        return np.stack(stored)

    def _day(
        self, leads: Ints, day: Ints, until: Floats, exit_clock: Floats, evidence: Floats, rates: Floats
    ) -> Floats:
        """Likelihood, by state, of a day up to ``until``: the events, the silence between, survival or exit.

        ``exit_clock`` is infinite where no exit is known; ``evidence`` is the sum of the events'
        log-likelihoods, ``rates`` the events a day in each state.
        """
        low = np.maximum(self.created[leads], day)
        high = np.maximum(np.minimum(until, day + 1), low)
        at_risk = np.clip(exit_clock, low, high) - low
        acting = at_risk + AFTER_EXIT * (high - low - at_risk)
        _, hazard = self.world.hazards(self.fit[leads], self.calendar, day)
        silent = rates * (acting * self.calendar.activity[day - self.calendar.first])[:, None]
        log_likely = evidence - silent - hazard * at_risk[:, None]
        likely = np.exp(log_likely - log_likely.max(axis=1, keepdims=True))
        ending = np.flatnonzero((exit_clock >= day) & (exit_clock < day + 1))
        likely[ending] *= self.world.exits[self.exit_kind[leads[ending]]]
        return np.asarray(likely)

    def _page_views(self, events: Ints, until: Ints | None) -> Floats:
        """The mean number of page views that each event had time for, on its day and before ``until``, by state."""
        time, action = self.events.time[events], self.events.action[events]
        limit = (time // DAY + 1) * DAY
        if until is not None:
            limit = np.minimum(limit, until)
        followed = WEB[action] & (action != PAGE_VIEW) & (action != SIGN_UP)
        share = np.minimum(limit - time, VISIT) / VISIT * followed
        return np.asarray(share[:, None] * self.world.page_views)


def _log_likelihood(world: World, source: Ints, events: SimulatedEvents) -> Floats:
    """The log-likelihood of each event's action, channel and seconds by state: (events, states)."""
    with np.errstate(divide="ignore", invalid="ignore"):  # actions without a rate, a channel or seconds
        rate = np.log(world.rates)[None, :, None, :] + np.log(world.channels)
        stop, onward = np.log(1 / world.seconds), np.log1p(-1 / world.seconds)
    rate[:, PAGE_VIEW] = np.log(world.page_views)
    rate[:, SIGN_UP] = 0.0
    likely = rate[source, events.action, events.channel]
    timed = np.flatnonzero(events.seconds)
    action = events.action[timed]
    likely[timed] += stop[action] + (events.seconds[timed, None] - 1) * onward[action]
    return np.asarray(likely)
