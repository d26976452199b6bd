"""The laws of the simulated world: the states a lead can be in, and the rates of events and exits in each.

Nothing here is random. `World` holds the rate tables after ``signal``, ``drift`` and ``activity`` are applied;
`behavior`, `outcome` and `truth` all read their laws from it, so that what is simulated and what is known about
it cannot differ.

Time runs on a *clock*: a real number whose whole part is the day (UTC, since 1970) and whose fraction is the share
of a day's activity that has passed, more in office hours than at night. All rates are per unit of clock, i.e. per
day, so every likelihood needs only differences of clock readings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mqlml.times import DAY, HOUR
from mqlml.types import Floats, Ints

STATES = ("cold", "curious", "evaluating", "misfit")
EXITS = ("closed_won", "closed_lost", "disqualified")
CHANNELS = ("organic_search", "paid_search", "paid_social", "email", "referral", "direct", "event", "partner")

# Events a day in the states cold, curious, evaluating, misfit; the medium; mean seconds relative to a page (0: none).
_RATES: dict[str, tuple[tuple[float, float, float, float], str, float]] = {
    "return_visit": ((0.006, 0.080, 0.240, 0.015), "web", 1.0),
    "blog_view": ((0.007, 0.050, 0.040, 0.025), "web", 1.5),
    "product_page_visit": ((0.003, 0.045, 0.180, 0.008), "web", 1.0),
    "pricing_page_visit": ((0.0010, 0.010, 0.130, 0.0020), "web", 0.8),
    "case_study_view": ((0.002, 0.018, 0.060, 0.002), "web", 1.8),
    "content_download": ((0.003, 0.030, 0.045, 0.012), "web", 0.6),
    "buying_guide_download": ((0.0003, 0.003, 0.020, 0.0004), "web", 0.6),
    "webinar_attended": ((0.0008, 0.010, 0.016, 0.0015), "web", 25.0),
    "form_submit": ((0.0008, 0.006, 0.022, 0.003), "web", 0.7),
    "demo_request": ((0.00006, 0.0008, 0.030, 0.0002), "web", 0.9),
    "trial_start": ((0.00008, 0.0010, 0.018, 0.0004), "web", 2.0),
    "careers_page_visit": ((0.0006, 0.0012, 0.0010, 0.050), "web", 1.0),
    "email_sent": ((0.042, 0.042, 0.042, 0.042), "email", 0.0),
    "email_open": ((0.009, 0.030, 0.055, 0.005), "email", 0.0),
    "email_click": ((0.0015, 0.014, 0.030, 0.0010), "email", 0.0),
    "unsubscribe": ((0.0014, 0.0006, 0.0003, 0.0040), "email", 0.0),
    "email_bounce": ((0.0012, 0.0006, 0.0005, 0.0060), "email", 0.0),
    "spam_complaint": ((0.00025, 0.00006, 0.00003, 0.0008), "email", 0.0),
    "event_attended": ((0.0010, 0.004, 0.010, 0.0020), "event", 0.0),
    "call_connected": ((0.002, 0.006, 0.030, 0.002), "phone", 0.0),
    "no_show": ((0.0010, 0.0014, 0.0030, 0.0030), "phone", 0.0),
}
ACTIONS = (*_RATES, "page_view", "signup_form")
"""All actions. Page views only follow another web event; the sign-up form only marks a lead's creation."""

_MEDIA = np.array([medium for _, medium, _ in _RATES.values()] + ["web", "web"])
PAGE_VIEW = len(_RATES)
SIGN_UP = len(_RATES) + 1
WEB: NDArray[np.bool_] = _MEDIA == "web"
OFFLINE: NDArray[np.bool_] = (_MEDIA == "event") | (_MEDIA == "phone")
"""Actions typed in by hand: uploaded, and so first known, on the Monday after, at 06:00 UTC."""

FIXED_CHANNEL = np.array(
    [{"email": 3, "event": 6, "phone": 5}.get(str(medium), -1) for medium in _MEDIA], dtype=np.int64
)
"""The channel of each action that has only one (place in `CHANNELS`); -1 for web events."""

_PAGE_VIEWS = np.array([0.4, 0.7, 1.1, 0.5])  # mean number after each web event, by state
_SECONDS = np.array([25.0, 45.0, 70.0, 20.0])  # mean on a page, by state
VISIT = 20 * 60 * 1_000_000
"""Page views come within this many microseconds of the event that they follow, evenly spread."""

_OWN_SOURCE = 0.35  # share of web events through the channel the lead was first won by
_WEB_CHANNELS = np.array(
    [  # organic, paid search, paid social, email, referral, direct, event, partner; by state
        [0.30, 0.14, 0.22, 0.18, 0.03, 0.10, 0.02, 0.01],
        [0.32, 0.12, 0.12, 0.24, 0.05, 0.12, 0.01, 0.02],
        [0.24, 0.07, 0.03, 0.24, 0.09, 0.28, 0.01, 0.04],
        [0.34, 0.14, 0.34, 0.06, 0.02, 0.08, 0.01, 0.01],
    ]
)

# Daily moves between states (rows: from), for accounts that are not in the market and for accounts that are.
_MOVES = np.array([
    [[0.0, 0.0060, 0.0003, 0.0003], [0.045, 0.0, 0.0060, 0.0005], [0.024, 0.012, 0.0, 0.0002], [0.003, 0, 0, 0]],
    [[0.0, 0.0130, 0.0020, 0.0001], [0.030, 0.0, 0.0220, 0.0002], [0.012, 0.008, 0.0, 0.0001], [0.006, 0, 0, 0]],
])  # fmt: skip

# Exits a day: won, lost, disqualified (rows) by state, and the level that all states share when signal is 0.
_EXIT_RATES = np.array(
    [
        [0.00003, 0.00028, 0.0190, 0.00001],
        [0.00120, 0.00180, 0.0060, 0.00300],
        [0.00060, 0.00040, 0.0003, 0.02000],
    ]
)
_FIT = 1.00  # effect of one unit of fit on the log hazard of being won
_EXIT_LEVEL = np.array([0.0012, 0.0020, 0.0012])

AFTER_EXIT = 0.25
"""A lead that was won, lost or disqualified still acts, at this share of its rates."""

_HOURS = np.array(
    [1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 18, 14, 17, 19, 18, 15, 11, 8, 6, 5, 4, 3, 2], dtype=float
)
_PASSED = np.concatenate([[0.0], np.cumsum(_HOURS) / _HOURS.sum()])
_ACTIVITY_WEEK = np.array([1.10, 1.20, 1.20, 1.15, 1.00, 0.65, 0.70])  # Monday first; the mean is 1
_EXIT_WEEK = np.array([1.20, 1.30, 1.30, 1.45, 1.45, 0.15, 0.15])
_ACTIVITY_YEAR, _WON_YEAR = 0.12, 0.20  # amplitudes of the yearly cycles, in logs
_YEAR = 365.25


def action_code(name: str) -> int:
    """The place of an action in `ACTIONS`."""
    return ACTIONS.index(name)


def read_clock(time: Ints) -> Floats:
    """Clock readings of instants (microseconds since 1970): never decreasing, one unit a day."""
    day, passed = np.divmod(time, DAY)
    hour, rest = np.divmod(passed, HOUR)
    return np.asarray(day + _PASSED[hour] + (_PASSED[hour + 1] - _PASSED[hour]) * (rest / HOUR))


def set_clock(clock: Floats) -> Ints:
    """Instants of clock readings, down to the whole second: the inverse of `read_clock`.

    Rounding down keeps every half-open interval between whole seconds exact: what happened before such a
    moment is still before it, and what happened at or after it is not moved in front of it.
    """
    day = np.floor(clock)
    seconds = np.interp(clock - day, _PASSED, np.arange(25) * 3600.0).astype(np.int64)
    return np.asarray(day.astype(np.int64) * DAY + np.minimum(seconds, 86_399) * 1_000_000)


@dataclass(frozen=True)
class Calendar:
    """What each day multiplies the rates by: arrays over days, the first of them ``first``."""

    first: int
    activity: Floats
    won: Floats
    other: Floats


@dataclass(frozen=True)
class World:
    """Rate tables of one world. States are the last axis; the market (no, yes) is the first where it matters.

    Attributes
    ----------
    rates : (actions, states), events per day; page views and sign-up forms have none of their own.
    channels : (sources, actions, channels, states), P(channel | source, action, state).
    page_views : (states,), mean number of page views that follow a web event.
    seconds : (actions, states), mean of the geometric number of seconds; 0 where an action has none.
    moves : (markets, states, states), P(state tomorrow | state today), per market.
    exits : (exits, states), hazards per day for a lead of average fit on an average day.
    start : int, first day; drift is counted from here.
    signal, drift : as in `simulate`.
    """

    rates: Floats
    channels: Floats
    page_views: Floats
    seconds: Floats
    moves: Floats
    exits: Floats
    start: int
    signal: float
    drift: float

    def calendar(self, first: int, last: int) -> Calendar:
        """The multipliers of the days ``first`` to ``last``, both included."""
        day = np.arange(first, last + 1)
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        angle = 2 * np.pi * day / _YEAR
        drift = np.exp(self.drift * (day - self.start) / _YEAR)
        return Calendar(
            first=first,
            activity=_ACTIVITY_WEEK[weekday] * np.exp(_ACTIVITY_YEAR * np.cos(angle - 1.0)),
            won=(_EXIT_WEEK[weekday] * np.exp(_WON_YEAR * np.cos(angle + 0.8))) ** self.signal * drift,
            other=_EXIT_WEEK[weekday] ** self.signal,
        )

    def fit_factor(self, fit: Floats) -> Floats:
        """What a profile's fit multiplies the hazard of being won by."""
        return np.asarray(np.exp(_FIT * self.signal * fit))

    def hazards(self, fit: Floats, calendar: Calendar, day: Ints) -> tuple[Floats, Floats]:
        """Hazards of being won, and of any exit, for leads of this fit on these days: (leads, states) each."""
        today = day - calendar.first
        won = self.exits[0] * (self.fit_factor(fit) * calendar.won[today])[:, None]
        return won, won + self.exits[1:].sum(axis=0) * calendar.other[today][:, None]


def move_states(belief: Floats, moves: Floats) -> Floats:
    """P(market, state), (leads, markets, states), carried over a midnight."""
    return np.stack([belief[:, market] @ moves[market] for market in range(len(moves))], axis=1)


def make_world(*, start: int, signal: float, drift: float, activity: float) -> World:
    """The rate tables of a world in which states differ by ``signal``, with ``activity`` times the events."""
    per_day = np.vstack([[rates for rates, _, _ in _RATES.values()], np.zeros((2, len(STATES)))]) * activity
    scale = np.array([seconds for _, _, seconds in _RATES.values()] + [1.0, 0.0])

    channels = np.zeros((len(CHANNELS), len(ACTIONS), len(CHANNELS), len(STATES)))
    own = np.eye(len(CHANNELS))[:, :, None]
    channels[:, WEB] = (_OWN_SOURCE * own + (1 - _OWN_SOURCE) * _WEB_CHANNELS.T)[:, None]
    fixed = np.flatnonzero(~WEB)
    channels[:, fixed, FIXED_CHANNEL[fixed]] = 1.0

    moves = _MOVES + np.eye(len(STATES)) * (1 - _MOVES.sum(axis=-1, keepdims=True))
    level = _EXIT_LEVEL[:, None]
    return World(
        rates=per_day,
        channels=channels,
        page_views=_PAGE_VIEWS,
        seconds=scale[:, None] * _SECONDS,
        moves=moves,
        exits=level * (_EXIT_RATES / level) ** signal,
        start=start,
        signal=signal,
        drift=drift,
    )
