"""The slow oracle of the simulator: every path of hidden states, one at a time, with nothing cancelled.

It computes P(known past) and P(known past, won in the window) of an account by going through both markets and all
sequences of daily states of each lead, multiplying full densities. It shares the laws (`World`) with the package,
and no code that infers anything.
"""

from __future__ import annotations

import math

import numpy as np

from mqlml.simulate.behavior import uploaded_at
from mqlml.simulate.truth import Truth
from mqlml.simulate.world import ACTIONS, AFTER_EXIT, OFFLINE, STATES, WEB, read_clock
from mqlml.times import DAY, HOUR

SECOND = 1_000_000
PAGE_VIEW, SIGN_UP = ACTIONS.index("page_view"), ACTIONS.index("signup_form")


def clock(time: int) -> float:
    return float(read_clock(np.array([time]))[0])


def monday_known(cutoff: int) -> int:
    """The moment before which offline acts are known: the last Monday whose upload was before the cutoff."""
    monday = 4 * DAY + (cutoff - 4 * DAY) // (7 * DAY) * (7 * DAY)
    return monday if cutoff > monday + 6 * HOUR else monday - 7 * DAY


def log_density_of_day(truth: Truth, lead: int, day: int, cutoff: int, state: int) -> float:
    """Log density of all that is known of one lead on one day before the cutoff, given its state on that day."""
    world, population = truth.world, truth.population
    calendar = world.calendar(day, day)
    begin, end = max(int(population.created[lead]), day * DAY), min((day + 1) * DAY, cutoff)
    if begin > end:
        return 0.0
    source = int(population.source[lead])
    left = int(truth.exits.time[lead])
    is_known = left < cutoff
    mine = [
        (int(time), int(action), int(channel), int(seconds))
        for time, action, channel, seconds in zip(
            *(
                getattr(truth.events, name)[truth.events.lead == lead]
                for name in ("time", "action", "channel", "seconds")
            ),
            strict=True,
        )
        if begin <= time < end and action != SIGN_UP
    ]
    mine = [act for act in mine if not OFFLINE[act[1]] or int(uploaded_at(np.array([act[0]]))[0]) < cutoff]

    log = 0.0
    # Acts are Poisson: the density of each, times the probability of no others.
    for time, action, channel, seconds in mine:
        kept = AFTER_EXIT if is_known and time >= left else 1.0
        if action == PAGE_VIEW:
            parents = sum(
                WEB[kind] and kind != PAGE_VIEW and via == channel and 0 <= time - start < 1200 * SECOND
                for start, kind, via, _ in mine
            )
            log += math.log(world.page_views[state] * parents / 1200)
        else:
            share = world.channels[source, action, channel, state]
            log += math.log(world.rates[action, state] * calendar.activity[0] * share * kept)
        mean = world.seconds[action, state]
        if mean:
            log += math.log((1 / mean) * (1 - 1 / mean) ** (seconds - 1))
    for action in range(len(ACTIONS)):
        last = end if not OFFLINE[action] else max(begin, min(end, monday_known(cutoff)))
        length = clock(last) - clock(begin)
        if is_known and left < last:
            before = max(clock(left) - clock(begin), 0.0)
            length = before + AFTER_EXIT * (length - before)
        log -= world.rates[action, state] * calendar.activity[0] * length
    for time, action, _, _ in mine:
        if WEB[action] and action != PAGE_VIEW:
            seconds_left = min(1200, (min((day + 1) * DAY, cutoff) - time) // SECOND)
            log -= world.page_views[state] * seconds_left / 1200

    # Exits: survival, and the hazard of the one that came.
    won = world.exits[0, state] * float(world.fit_factor(population.fit[lead])) * calendar.won[0]
    other = world.exits[1:, state] * calendar.other[0]
    at_risk = max(min(clock(end), clock(left) if is_known else math.inf) - clock(begin), 0.0)
    log -= (won + other.sum()) * at_risk
    if is_known and begin <= left < (day + 1) * DAY:
        log += math.log([won, *other][truth.exits.kind[lead]])
    return log


def win_on_day(
    truth: Truth, lead: int, day: int, state: int, cutoff: int, opens: int, closes: int
) -> tuple[float, float]:
    """P(won on this day within the window | open at its begin, state) and P(open at its end | the same)."""
    world = truth.world
    calendar = world.calendar(day, day)
    won = world.exits[0, state] * float(world.fit_factor(truth.population.fit[lead])) * calendar.won[0]
    hazard = won + world.exits[1:, state].sum() * calendar.other[0]
    low, high = max(cutoff, day * DAY), min(closes, (day + 1) * DAY)
    if high <= low:
        return 0.0, 1.0
    middle = min(max(opens, low), high)
    unseen = math.exp(-hazard * (clock(middle) - clock(low)))
    counted = math.exp(-hazard * (clock(high) - clock(middle)))
    return unseen * (1 - counted) * won / hazard, unseen * counted


def paths_of(truth: Truth, lead: int, market: int, days: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """All sequences of states over the days, (paths, days), and their probabilities."""
    n_states = len(STATES)
    paths = np.indices((n_states,) * len(days)).reshape(len(days), -1).T
    chance = truth.population.first_state[lead, market][paths[:, 0]].copy()
    for step in range(1, len(days)):
        chance *= truth.world.moves[market][paths[:, step - 1], paths[:, step]]
    return paths, chance


def enumerate_probability(truth: Truth, lead: int, cutoff: int, *, horizon: int, gap: int) -> float:
    """P(won in the window | what is known before the cutoff), by summing over everything that is hidden."""
    population = truth.population
    account = population.account[lead]
    group = [
        int(row) for row in np.flatnonzero(population.account == account) if population.created[row] <= cutoff
    ]
    prior = [1 - population.in_market[account], population.in_market[account]]
    past_and_win = past = 0.0
    for market in (0, 1):
        evidence, win = prior[market], 1.0
        for member in group:
            first = int(population.created[member]) // DAY
            last = (cutoff + gap + horizon) // DAY if member == lead else cutoff // DAY
            days = list(range(first, last + 1))
            paths, chance = paths_of(truth, member, market, days)
            density = np.zeros(len(paths))
            for step, day in enumerate(days):
                if day <= cutoff // DAY:
                    by_state = [log_density_of_day(truth, member, day, cutoff, k) for k in range(len(STATES))]
                    density += np.array(by_state)[paths[:, step]]
            joint = chance * np.exp(density - density.max())  # the maximum is that of both markets
            if member == lead:
                is_open, won = np.ones(len(paths)), np.zeros(len(paths))
                for step, day in enumerate(days):
                    if day >= cutoff // DAY:
                        both = [
                            win_on_day(truth, member, day, k, cutoff, cutoff + gap, cutoff + gap + horizon)
                            for k in range(len(STATES))
                        ]
                        wins, stays = (np.array(column)[paths[:, step]] for column in zip(*both, strict=True))
                        won += is_open * wins
                        is_open *= stays
                win = float((joint * won).sum() / joint.sum())
            evidence *= float(joint.sum())
        past += evidence
        past_and_win += evidence * win
    return past_and_win / past
