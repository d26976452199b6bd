"""The oracle: the true probability of being won, given all that could be known about a lead at a cutoff.

What is known at a cutoff c, of the lead and of its account's other leads: their profiles, every event with
``occurred_at < c`` and ``recorded_at < c``, and every exit before c. (Stage moves by sales follow from events and
independent delays, so they add nothing.) What is hidden: each lead's state, and whether the account is in the
market. Three steps, exact up to floating point and the rounding of times to whole seconds:

1. a forward filter over days (`forward`) gives, for each lead and either market, P(known events, survival, state at
   c), up to a factor that is the same for all states and markets;
2. the market's posterior combines the leads of an account, which are independent once the market is given;
3. the state's posterior is pushed through gap and horizon, and the mass that exits as won is added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.errors import ContractError
from mqlml.simulate.behavior import Exits, SimulatedEvents
from mqlml.simulate.forward import ForwardFilter, make_ranges
from mqlml.simulate.population import Population
from mqlml.simulate.world import World, move_states, read_clock
from mqlml.times import DAY, column_to_microseconds
from mqlml.types import Floats, Ints

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
