"""The pace of new leads and customers, learned from history, and draws of what it may bring until a date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mqlml.errors import PopulationError
from mqlml.insight.funnel.stages import LeadStages
from mqlml.times import DAY, NEVER
from mqlml.types import Floats, Ints, Micros

__all__ = ["BLOCK", "Draws", "Pace", "draw_future", "learn_pace"]

BLOCK = 28 * DAY
"""Levels of pace are compared from one block of four weeks to the next, counted back from the end of the data."""

_LEAST_BLOCKS = 3
_EDGES = np.array([0, 1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 56, 84, 112, 168, 224, 336, 504, 728, 1092])
"""Days at which bands of age begin; within a band, leads end at a constant rate."""
_ENDS_IN_LAST = 10
_DISCOUNT, _GROWTH = (
    part.ravel()
    for part in np.meshgrid(
        [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.99, 1.0],
        [-0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06],
    )
)
"""The ways in which a level may wander. The discount is how much of what is known about it still holds one block
later, 1 for a level that never changes; the growth is the change of its logarithm from block to block."""
_GROWTH_SPREAD = 0.025
"""Standard deviation of growth that is expected before any history is known: 2.5% in four weeks."""
_DAMPING = 0.9
"""How much of the growth goes on from each block to the next: nothing grows at the same rate for years."""
_PRIOR = 0.5
_ARRIVALS = 60
"""New leads come in at so many moments, evenly, until the date."""
_OPEN_GROUPS = 80


@dataclass(frozen=True)
class _Level:
    """A rate that wanders: after the last block it is gamma distributed, for each discount and growth; their weights.

    A. Harvey, C. Fernandes, "Time series models for count or qualitative observations", JBES 7, 1989: what is known
    about the rate of counts loses value from block to block, and how fast is learned from how well it predicts. So is
    the growth, which is damped in forecasts (E. Gardner, E. McKenzie, "Forecasting trends in time series", Management
    Science 31, 1985).
    """

    shape: Floats
    scale: Floats
    weight: Floats

    @property
    def mean(self) -> float:
        return float(self.weight @ (self.shape * self.scale))

    def draw(self, n: int, blocks: int, rng: np.random.Generator) -> Floats:
        """The rate in each of the blocks to come; shape (n, blocks)."""
        picked = rng.choice(len(_DISCOUNT), n, p=self.weight)
        kept, shape, growth = _DISCOUNT[picked], self.shape[picked], _GROWTH[picked]
        rate, found = rng.gamma(shape, self.scale[picked]), np.empty((n, blocks))
        wanders = kept < 1
        for block in range(blocks):
            change = np.ones(n)
            alpha, beta = (kept * shape)[wanders], ((1 - kept) * shape)[wanders]
            change[wanders] = rng.beta(alpha, beta) / kept[wanders]
            rate, shape, growth = rate * change * np.exp(growth), shape * kept, growth * _DAMPING
            found[:, block] = rate
        return found


@dataclass(frozen=True)
class _Hazard:
    """How leads of each band of age end: counts and days at risk, shape (n_bands,)."""

    events: Floats
    days: Floats

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Rates a day; shape (n, n_bands)."""
        mean = max(float(self.events.sum()), _PRIOR) / max(float(self.days.sum()), 1e-9)
        return np.asarray(
            rng.gamma(self.events + _PRIOR, 1 / (self.days + _PRIOR / mean), (n, len(self.days)))
        )


@dataclass(frozen=True)
class Pace:
    """What was learned from the leads up to the end of the data.

    Attributes
    ----------
    begins : days at which bands of age begin, ascending from 0.
    won, ended : how leads become customers, and how they end otherwise, by band of age.
    level : what the rate of becoming a customer is multiplied by; 1 on average over the history.
    arrivals : new leads a block.
    mql : how leads become MQLs, and end without, by band of age; None where the data has no such stage.
    open_age, open_count : ages in days of the open leads, in groups of like age, and how many there are of each.
    """

    begins: Floats
    won: _Hazard
    ended: _Hazard
    level: _Level
    arrivals: _Level
    mql: tuple[_Hazard, _Hazard] | None
    open_age: Floats
    open_count: Ints


@dataclass(frozen=True)
class Draws:
    """Possible futures until a date: arrays of shape (n_draws,).

    Attributes
    ----------
    from_open, from_new : customers from today's open leads, and from new ones at today's pace.
    new_leads : new leads at today's pace.
    chance : probability that a lead which comes in at an even pace becomes a customer by the date.
    chance_mql : that it becomes an MQL; None without the stage.
    days : how long it is until the date.
    """

    from_open: Ints
    from_new: Ints
    new_leads: Ints
    chance: Floats
    chance_mql: Floats | None
    days: float


def learn_pace(leads: LeadStages) -> Pace:
    """Learn rates by age and levels by block.

    Raises
    ------
    PopulationError
        If the leads were created within fewer than three blocks of four weeks.
    """
    history = int(leads.until - leads.created.min())
    blocks = history // BLOCK
    if blocks < _LEAST_BLOCKS:
        raise PopulationError(
            f"a plan needs leads created over at least {_LEAST_BLOCKS * BLOCK // DAY} days, to know how much the "
            f"pace changes; found {history / DAY:.0f} days. Bring a longer history"
        )
    edges = leads.until - BLOCK * np.arange(blocks, -1, -1)
    customer = leads.reached[leads.customer]
    closed = np.where(customer < NEVER, NEVER, leads.closed)
    grid = _Grid(_bands(leads.created, np.minimum(customer, closed)), edges)
    days = grid.days_at_risk(leads.created, np.minimum(np.minimum(customer, closed), leads.until))
    won = grid.count(leads.created, customer)
    hazard = won.sum(axis=1) / np.maximum(days.sum(axis=1), 1e-9)
    new = np.histogram(leads.created, edges)[0].astype(np.float64)
    mql = None
    if "mql" in leads.reached and leads.customer != "mql":
        event = leads.reached["mql"]
        ended = np.where(event < NEVER, NEVER, np.minimum(customer, closed))
        at_risk = grid.days_at_risk(leads.created, np.minimum(np.minimum(event, ended), leads.until)).sum(
            axis=1
        )
        mql = (
            _Hazard(grid.count(leads.created, event).sum(axis=1), at_risk),
            _Hazard(grid.count(leads.created, ended).sum(axis=1), at_risk),
        )
    ages = np.sort((leads.until - leads.created)[(customer == NEVER) & (closed == NEVER)]) / DAY
    groups = [group for group in np.array_split(ages, _OPEN_GROUPS) if len(group)]
    return Pace(
        begins=grid.begins,
        won=_Hazard(won.sum(axis=1), days.sum(axis=1)),
        ended=_Hazard(grid.count(leads.created, closed).sum(axis=1), days.sum(axis=1)),
        level=_learn_level(won.sum(axis=0), hazard @ days),
        arrivals=_learn_level(new, np.ones(blocks)),
        mql=mql,
        open_age=np.array([group.mean() for group in groups]),
        open_count=np.array([len(group) for group in groups], dtype=np.int64),
    )


def _bands(created: Micros, ended: Micros) -> Floats:
    """Where bands of age begin: the last one holds enough ends to know its rate."""
    ages = (ended - created)[ended < NEVER] / DAY
    at_least = np.array([int((ages >= begin).sum()) for begin in _EDGES])
    begins: Floats = _EDGES[(at_least >= _ENDS_IN_LAST) | (_EDGES == 0)].astype(np.float64)
    return begins


@dataclass(frozen=True)
class _Grid:
    """Bands of age by blocks of time: arrays of shape (n_bands, n_blocks)."""

    begins: Floats
    edges: Micros

    def days_at_risk(self, created: Micros, end: Micros) -> Floats:
        """Days that leads spent in each band and block before their end."""
        found = []
        stops = [*(self.begins[1:] * DAY).astype(np.int64).tolist(), None]
        for begin, stop in zip((self.begins * DAY).astype(np.int64).tolist(), stops, strict=True):
            start = created + begin
            left = end if stop is None else np.minimum(end, created + stop)
            inside = left > start
            entered, gone = (self._time_before(times[inside]) for times in (start, left))
            found.append(np.diff(entered - gone))
        return np.array(found)

    def _time_before(self, times: Micros) -> Floats:
        """Days from each of the times to each edge after it, added up."""
        times = np.sort(times)
        count = np.searchsorted(times, self.edges)
        passed = np.concatenate([[0.0], np.cumsum((times - self.edges[0]) / DAY)])
        return np.asarray(count * ((self.edges - self.edges[0]) / DAY) - passed[count])

    def count(self, created: Micros, event: Micros) -> Floats:
        """Events in each band and block."""
        rows = (event < NEVER) & (event >= self.edges[0])
        band = np.searchsorted(self.begins, (event - created)[rows] / DAY, side="right") - 1
        block = np.minimum(np.searchsorted(self.edges, event[rows], side="right") - 1, len(self.edges) - 2)
        shape = len(self.begins), len(self.edges) - 1
        return (
            np.bincount(band * shape[1] + block, minlength=shape[0] * shape[1])
            .reshape(shape)
            .astype(np.float64)
        )


def _learn_level(counts: Floats, expected: Floats) -> _Level:
    """Filter the counts of each block, once for each way to wander; a way weighs what it predicted them with."""
    first = max(float(counts.sum()), _PRIOR) / max(float(expected.sum()), 1e-9)
    shape = np.full(len(_DISCOUNT), _PRIOR)
    rate = shape / first
    fit = -0.5 * (_GROWTH / _GROWTH_SPREAD) ** 2
    for count, exposure in zip(counts.tolist(), expected.tolist(), strict=True):
        shape, rate = _DISCOUNT * shape, _DISCOUNT * rate * np.exp(-_GROWTH)
        fit += (
            special.gammaln(shape + count)
            - special.gammaln(shape)
            + shape * np.log(rate / (rate + exposure))
            + special.xlogy(count, exposure / (rate + exposure))
        )
        shape, rate = shape + count, rate + exposure
    weight = np.exp(fit - fit.max())
    return _Level(shape, 1 / rate, weight / weight.sum())


def draw_future(pace: Pace, days: float, *, n_draws: int = 2000, random_state: int = 0) -> Draws:
    """Draw what may happen within so many days after the end of the data.

    Parameters
    ----------
    pace : Pace
    days : float, above 0
    n_draws : int
    random_state : int

    Notes
    -----
    Each draw takes rates by age from what was counted (gamma), a path of the level and of arrivals, then follows
    today's open leads and evenly arriving new ones in steps of at most a day: the later a lead comes in, the less
    time it has.
    """
    rng = np.random.default_rng(random_state)
    blocks = int(np.ceil(days * DAY / BLOCK))
    won, ended = pace.won.draw(n_draws, rng), pace.ended.draw(n_draws, rng)
    # The level says how often leads become customers; rates by age only say when.
    won *= (pace.won.events.sum() / np.maximum(won @ pace.won.days, 1e-9))[:, None]
    level, arrivals = pace.level.draw(n_draws, blocks, rng), pace.arrivals.draw(n_draws, blocks, rng)
    start = (np.arange(_ARRIVALS) + 0.5) * days / _ARRIVALS
    none = np.zeros(len(pace.open_age))
    chance = _chances(pace.begins, won, ended, level, none, pace.open_age, days)
    from_open = rng.binomial(pace.open_count, chance).sum(axis=1)
    chance = _chances(pace.begins, won, ended, level, start, np.zeros(_ARRIVALS), days)
    span = days / _ARRIVALS * DAY / BLOCK
    new = rng.poisson(arrivals[:, (start * DAY // BLOCK).astype(np.int64)] * span)
    chance_mql = None
    if pace.mql is not None:
        reach, leave = (hazard.draw(n_draws, rng) for hazard in pace.mql)
        chance_mql = _chances(
            pace.begins, reach, leave, np.ones_like(level), start, np.zeros(_ARRIVALS), days
        ).mean(axis=1)
    return Draws(
        from_open=from_open,
        from_new=rng.binomial(new, chance).sum(axis=1),
        new_leads=new.sum(axis=1),
        chance=chance.mean(axis=1),
        chance_mql=chance_mql,
        days=days,
    )


def _chances(
    begins: Floats, won: Floats, ended: Floats, level: Floats, start: Floats, age: Floats, days: float
) -> Floats:
    """P(event until the end) of groups that start some days from now at some age; shape (n_draws, n_groups)."""
    steps = int(np.ceil(days))
    length = days / steps
    open_, found = np.ones((len(won), len(start))), np.zeros((len(won), len(start)))
    for step in range(steps):
        middle = (step + 0.5) * length
        lived = np.clip(
            step * length + length - start, 0, length
        )  # days that the group is there in this step
        band = np.searchsorted(begins, np.maximum(age + middle - start, 0), side="right") - 1
        block = min(int(middle * DAY // BLOCK), level.shape[1] - 1)
        hazard = won[:, band] * level[:, block, None]
        both = hazard + ended[:, band]
        gone = open_ * -np.expm1(-both * lived)
        found += gone * hazard / both
        open_ -= gone
    return found
