"""The oracle: the true probability of being won given what could be known, by a forward filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from mqlml.errors import ContractError
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
from mqlml.times import DAY, HOUR, NEVER, column_to_microseconds
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


_BLOCK = 10_000  # leads filtered at a time, and snapshots finished at a time: bounds memory


@dataclass(frozen=True)
class Truth:
    """True probabilities of one simulated world.

    Attributes
    ----------
    world, population, events, exits : the laws, and what they led to.
    end : int, the end of the simulated time, in microseconds since 1970.
    """

    world: World
    population: Population
    events: SimulatedEvents
    exits: Exits
    end: int

    def probability(self, snapshots: pd.DataFrame, *, horizon: int, gap: int = 0) -> Floats:
        """P(closed_won in ``[cutoff + gap, cutoff + gap + horizon)`` | what is known before the cutoff).

        Parameters
        ----------
        snapshots : DataFrame with ``lead_id`` and ``cutoff_time`` (datetime64[us, UTC], whole seconds).
        horizon, gap : lengths in microseconds; the window may reach beyond the simulated time.

        Returns
        -------
        array of float64 in the order of ``snapshots``; NaN for a lead that was won, lost or disqualified before
        its cutoff, as it is not in the population.

        Raises
        ------
        ContractError
            If a lead is unknown, or a cutoff is before its lead's creation or after the simulated time.
        """
        if horizon <= 0 or gap < 0:
            raise ContractError(f"horizon must be above 0 and gap at least 0; found {horizon!r} and {gap!r}")
        leads, cutoff = self._read(snapshots)
        result = np.full(len(leads), np.nan)
        is_open = np.flatnonzero(self.exits.time[leads] >= cutoff)
        for forward, rows in self._blocks(leads, cutoff, is_open):
            for start in range(0, len(rows), _BLOCK):
                some = rows[start : start + _BLOCK]
                belief = self._believe(forward, leads[some], cutoff[some])
                result[some] = self._win(leads[some], cutoff[some], belief, horizon=horizon, gap=gap)
        return result

    def _read(self, snapshots: pd.DataFrame) -> tuple[Ints, Ints]:
        """Rows of the population and cutoffs in microseconds, checked."""
        leads = pd.Index(self.population.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
        if (leads < 0).any():
            unknown = str(snapshots["lead_id"][leads < 0].iloc[0])
            raise ContractError(
                f"every snapshot's lead_id must be one of the simulated leads; found {unknown!r}"
            )
        cutoff = column_to_microseconds(snapshots["cutoff_time"])
        outside = np.flatnonzero((cutoff < self.population.created[leads]) | (cutoff > self.end))
        if len(outside):
            row = snapshots.iloc[int(outside[0])]
            raise ContractError(
                "every cutoff_time must lie between its lead's creation and the end of the simulated time; "
                f"found {str(row['cutoff_time'])!r} for lead {row['lead_id']}"
            )
        return leads.astype(np.int64), cutoff

    def _blocks(self, leads: Ints, cutoff: Ints, rows: Ints) -> Iterator[tuple[ForwardFilter, Ints]]:
        """The accounts of the snapshots, some at a time, with the rows of the snapshots of their leads."""
        account = self.population.account
        last = np.full(int(account.max()) + 1, -1)
        np.maximum.at(last, account[leads[rows]], cutoff[rows] // DAY)
        members = np.flatnonzero(last[account] >= 0)
        members = members[np.argsort(account[members], kind="stable")]
        first = np.flatnonzero(np.diff(account[members], prepend=-1))
        number = np.full(len(last), -1)
        number[account[members[first]]] = first // _BLOCK
        of_event, of_row = number[account[self.events.lead]], number[account[leads[rows]]]
        for block in np.unique(number[number >= 0]):
            some = members[number[account[members]] == block]
            events = self.events.take(np.flatnonzero(of_event == block))
            forward = ForwardFilter(
                self.world, self.population, self.exits, events, some, last[account[some]]
            )
            yield forward, rows[of_row == block]

    def _believe(self, forward: ForwardFilter, leads: Ints, cutoff: Ints) -> Floats:
        """P(market, state | what is known before the cutoff) of these leads: (leads, markets, states)."""
        account = self.population.account
        accounts = account[forward.leads]
        low = np.searchsorted(accounts, account[leads], side="left")
        size = np.searchsorted(accounts, account[leads], side="right") - low
        snapshot, colleague = np.repeat(np.arange(len(leads)), size), make_ranges(low, size)
        exists = self.population.created[forward.leads[colleague]] <= cutoff[snapshot]
        snapshot, colleague = snapshot[exists], colleague[exists]
        joint = forward.finish(colleague, cutoff[snapshot])

        is_self = forward.leads[colleague] == leads[snapshot]
        own = np.empty((len(leads), *joint.shape[1:]))
        own[snapshot[is_self]] = joint[is_self]
        evidence = np.log(joint.sum(axis=2))
        evidence[is_self] = 0.0
        prior = self.population.in_market[account[leads]]
        market = np.log(np.column_stack([1 - prior, prior]))
        for column in range(market.shape[1]):
            market[:, column] += np.bincount(snapshot, evidence[:, column], len(leads))
        belief = own * np.exp(market - market.max(axis=1, keepdims=True))[:, :, None]
        return np.asarray(belief / belief.sum(axis=(1, 2), keepdims=True))

    def _win(self, leads: Ints, cutoff: Ints, belief: Floats, *, horizon: int, gap: int) -> Floats:
        """Push P(market, state) through the gap and the horizon; add up what exits as won in the horizon."""
        begin, opens, closes = (read_clock(cutoff + wait) for wait in (0, gap, gap + horizon))
        day = cutoff // DAY
        n_days = int((closes - day).max()) + 1
        calendar = self.world.calendar(int(day.min()), int(day.max()) + n_days)
        fit = self.population.fit[leads]
        won_so_far = np.zeros(len(leads))
        for step in range(n_days):
            today = day + step
            won, hazard = self.world.hazards(fit, calendar, today)
            low = np.maximum(begin, today)
            high = np.maximum(np.minimum(closes, today + 1), low)
            counted = high - np.clip(opens, low, high)
            waiting = high - low - counted
            belief = belief * np.exp(-hazard * waiting[:, None])[:, None, :]
            left = -np.expm1(-hazard * counted[:, None])
            won_so_far += (belief * (left * won / hazard)[:, None, :]).sum(axis=(1, 2))
            belief = move_states(belief * (1 - left)[:, None, :], self.world.moves)
        return won_so_far
