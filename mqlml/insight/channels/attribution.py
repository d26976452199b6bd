"""Attribution: how the sales of past journeys divide among the channels on the way to them, by seven methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from mqlml.config import Problem
from mqlml.errors import PopulationError
from mqlml.evaluation import Estimate
from mqlml.journeys import Journeys
from mqlml.results import Number, Result
from mqlml.times import (
    DAY,
    NEVER,
    column_to_microseconds,
    describe_duration,
    format_instant,
    to_microseconds,
)
from mqlml.training.snapshots import conversion_times, creation_times
from mqlml.types import Codes, Floats, Micros

__all__ = [
    "METHODS",
    "Attribution",
    "ChannelCredit",
    "Method",
    "Touches",
    "attribute_sales",
    "sale_amounts",
    "touches_from_journeys",
    "touches_from_paths",
]

Method = Literal["first", "last", "linear", "time_decay", "position", "markov", "shapley"]
METHODS: tuple[Method, ...] = get_args(Method)

_ENDS = 0.4
"""What the first and the last touch get each by position; the touches between share the rest."""


@dataclass(frozen=True)
class Touches:
    """Journeys as their touches, journey by journey and in the order of time.

    Attributes
    ----------
    channels : names of the channels.
    channel : int32 array of shape (n_touches,), codes into ``channels``.
    start : int64 array of shape (n_journeys + 1,), where the touches of each journey begin; every journey has one.
    days : float64 array of shape (n_touches,), days from each touch to the sale; None where times are unknown.
    won, lost : float64 arrays of shape (n_journeys,), how many journeys like it ended in a sale, or not.
    amount : float64 array of shape (n_journeys,), what the won ones brought in; None where that is unknown.
    untouched : sales of journeys without any touch, which no channel can get.
    """

    channels: tuple[str, ...]
    channel: Codes
    start: npt.NDArray[np.int64]
    days: Floats | None
    won: Floats
    lost: Floats
    amount: Floats | None = None
    untouched: float = 0.0


@dataclass(frozen=True)
class ChannelCredit(Result):
    """What one channel gets."""

    channel: str
    """Its name."""
    journeys: Number
    """Journeys that it touched."""
    won: Number
    """Those of them that ended in a sale."""
    credit: dict[Method, Estimate]
    """Sales by each method, with the 90% interval over resampled journeys. All channels together get all sales."""
    amount: dict[Method, Number]
    """Revenue by each method; empty where amounts are unknown."""
    removal_effect: Number
    """Share of all sales that a Markov chain loses without the channel, between 0 and 1."""
    by_place: tuple[Number, ...]
    """Ordered Shapley values: the channel's sales as first, second … touch; the last one holds all later places."""


@dataclass(frozen=True)
class Attribution(Result):
    """The sales of past journeys, divided among channels."""

    journeys: Number
    """Journeys with a touch: leads old enough for their outcome to be known."""
    sales: Number
    """Sales among them, which the channels share."""
    untouched: Number
    """Further sales of leads without a touch before the sale; no channel gets them."""
    half_life_days: Number
    """Time decay: a touch so many days earlier counts half; null where times are unknown."""
    channels: tuple[ChannelCredit, ...]
    """Channels, most sales by the Markov chain first."""


def attribute_sales(
    touches: Touches,
    *,
    half_life: int = 7 * DAY,
    places: int = 5,
    n_bootstrap: int = 200,
    random_state: int = 0,
) -> Attribution:
    """Divide sales among channels by seven methods.

    First, last, linear, time decay and position-based (40% first, 40% last, 20% between) divide each sale among the
    touches before it. The Markov chain takes the share of sales that are lost when a channel is taken out (first
    order, removal effects exact by linear algebra; E. Anderl et al., "Mapping the customer journey", IJRM 33, 2016).
    The Shapley value divides each sale equally among the distinct channels before it, and the ordered one divides a
    channel's part among the places at which it stands (K. Zhao et al., "Shapley value methods for attribution
    modeling in online advertising", arXiv 1804.05327).

    Parameters
    ----------
    touches : Touches
    half_life : int, microseconds, above 0
    places : int
        Places that ordered Shapley values tell apart.
    n_bootstrap : int
        Resampled sets of journeys behind the intervals (Poisson bootstrap).
    random_state : int

    Raises
    ------
    PopulationError
        If no journey with a touch ended in a sale.

    Examples
    --------
    >>> paths = touches_from_paths([("G",), ("M",), ("G", "M"), ("G",)], won=[2, 1, 1, 0], lost=[0, 0, 0, 1])
    >>> for one in attribute_sales(paths).channels:
    ...     print(one.channel, round(one.credit["markov"].value, 6), round(one.credit["shapley"].value, 6))
    G 2.4 2.5
    M 1.6 1.5
    """
    if not touches.won.sum() > 0:
        raise PopulationError(
            "attribution needs at least one journey with a touch that ended in a sale; found none among "
            f"{len(touches.won):,} journeys. Map the events' channel, and outcomes of the stage that counts as a sale"
        )
    paths = _join_same_paths(touches, half_life)
    rng = np.random.default_rng(random_state)
    credit, removal = _divide(paths, paths.won, paths.lost, paths.won)
    drawn = np.stack([_draw(paths, rng) for _ in range(n_bootstrap)])  # (n_bootstrap, n_methods, n_channels)
    low, high = np.nanquantile(drawn, (0.05, 0.95), axis=0)
    amount = None if paths.amount is None else _divide(paths, paths.won, paths.lost, paths.amount)[0]
    by_place = _divide_by_place(paths, places)
    journeys, won = paths.seen.T @ (paths.won + paths.lost), paths.seen.T @ paths.won
    order = np.argsort(-credit[paths.methods.index("markov")], kind="stable")
    return Attribution(
        journeys=float((paths.won + paths.lost).sum()),
        sales=float(paths.won.sum()),
        untouched=touches.untouched,
        half_life_days=half_life / DAY if touches.days is not None else float("nan"),
        channels=tuple(
            ChannelCredit(
                channel=touches.channels[c],
                journeys=float(journeys[c]),
                won=float(won[c]),
                credit={
                    method: Estimate(float(credit[m, c]), float(low[m, c]), float(high[m, c]))
                    for m, method in enumerate(paths.methods)
                },
                amount={}
                if amount is None
                else {method: float(amount[m, c]) for m, method in enumerate(paths.methods)},
                removal_effect=float(removal[c]),
                by_place=tuple(by_place[c].tolist()),
            )
            for c in order.tolist()
            if journeys[c] > 0
        ),
    )


@dataclass(frozen=True)
class _Paths:
    """Different paths, how often each was won and lost, and how one sale on it divides among channels."""

    won: Floats
    lost: Floats
    amount: Floats | None
    seen: sparse.csr_array
    """1 where a path has a channel; shape (n_paths, n_channels), as of all that follow."""
    shares: dict[Method, sparse.csr_array]
    """How each method but the Markov chain divides a sale."""
    steps: sparse.csr_array
    """How often a path goes from one state to another; shape (n_paths, (n_channels + 1)²), state 0 the start."""
    places: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]
    """Of each touch of a path: its path, its place and channel as one number, its ordered Shapley share."""

    @property
    def methods(self) -> tuple[Method, ...]:
        return tuple(method for method in METHODS if method == "markov" or method in self.shares)


def _join_same_paths(touches: Touches, half_life: int) -> _Paths:
    """Journeys of the same channels in the same order become one path; decay shares are the mean of its sales."""
    n_channels, channel, start = len(touches.channels), touches.channel.astype(np.int64), touches.start
    length = np.diff(start)
    place = np.arange(len(channel)) - np.repeat(start[:-1], length)
    # Two sums of random numbers, one a channel and place, tell paths apart; a clash is as good as impossible.
    mixed = _mix(channel * (int(length.max()) + 1) + place)
    keys = np.stack([np.add.reduceat(_mix(mixed + np.uint64(salt)), start[:-1]) for salt in (0, 1)], axis=1)
    _, first, path = np.unique(keys.view("u8,u8").ravel(), return_index=True, return_inverse=True)
    n = len(first)

    def count(values: Floats) -> Floats:
        return np.bincount(path, weights=values, minlength=n).astype(np.float64)

    won = count(touches.won)
    kept = np.zeros(len(length), dtype=np.bool_)
    kept[first] = True
    inside = np.repeat(kept, length)
    row = np.repeat(path, length)
    rows, codes, at = row[inside], channel[inside], place[inside]
    size = np.repeat(length, length)[inside].astype(np.float64)

    def matrix(
        values: Floats, columns: npt.NDArray[np.int64] = codes, width: int = n_channels
    ) -> sparse.csr_array:
        return sparse.csr_array((values, (rows, columns)), shape=(n, width))

    seen = matrix(np.ones(len(rows)))
    times = np.asarray(seen[rows, codes]).ravel()  # how often the path has the channel
    seen.data[:] = 1.0
    distinct = np.asarray(seen.sum(axis=1)).ravel()[rows]
    ends = (at == 0).astype(np.float64), (at == size - 1).astype(np.float64)
    between = np.where(size > 2, (1 - 2 * _ENDS) / np.maximum(size - 2, 1), 0.0)
    edges = np.where(size == 1, 1.0, np.where(size == 2, 0.5, _ENDS))
    shares: dict[Method, sparse.csr_array] = {
        "first": matrix(ends[0]),
        "last": matrix(ends[1]),
        "linear": matrix(1 / size),
        "position": matrix(np.where(ends[0] + ends[1] > 0, edges, between)),
        "shapley": matrix(1 / (distinct * times)),
    }
    if touches.days is not None:
        weight = np.exp2(-touches.days / (half_life / DAY))
        weight *= np.repeat(touches.won / np.maximum(np.add.reduceat(weight, start[:-1]), 1e-300), length)
        decay = sparse.csr_array((weight, (row, channel)), shape=(n, n_channels))
        shares["time_decay"] = sparse.csr_array(sparse.diags_array(1 / np.maximum(won, 1e-300)) @ decay)
    before = np.where(at == 0, 0, np.roll(codes, 1) + 1)
    return _Paths(
        won=won,
        lost=count(touches.lost),
        amount=None if touches.amount is None else count(touches.amount),
        seen=seen,
        shares=shares,
        steps=matrix(np.ones(len(rows)), before * (n_channels + 1) + codes + 1, (n_channels + 1) ** 2),
        places=(rows, at * n_channels + codes, 1 / (distinct * times)),
    )


def _mix(values: npt.NDArray[np.int64] | npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of splitmix64: random-looking 64-bit numbers, one for each value."""
    mixed = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _divide(paths: _Paths, won: Floats, lost: Floats, divided: Floats) -> tuple[Floats, Floats]:
    """What each channel gets of ``divided``, sales or their amounts; then removal effects."""
    removal = _removal_effects(paths, won, lost)
    total = removal.sum()
    markov = removal * (divided.sum() / total) if total > 0 else np.full(len(removal), np.nan)
    rows = [markov if method == "markov" else paths.shares[method].T @ divided for method in paths.methods]
    return np.stack(rows), removal


def _draw(paths: _Paths, rng: np.random.Generator) -> Floats:
    """What each channel gets of the sales of resampled journeys."""
    won, lost = (rng.poisson(number).astype(np.float64) for number in (paths.won, paths.lost))
    return _divide(paths, won, lost, won)[0]


def _removal_effects(paths: _Paths, won: Floats, lost: Floats) -> Floats:
    """The share of sales that is lost without each channel.

    With N = (1 - Q)⁻¹ of the channels' transitions Q, x the probability of a sale from each channel and v that of
    ever coming to it from the start, v_c x_c of the sales pass through channel c: all of them are lost without it.
    """
    n = paths.seen.shape[1] + 1
    steps = (paths.steps.T @ (won + lost)).reshape(n, n)
    sales = paths.shares["last"].T @ won
    leaving = steps[1:].sum(axis=1) + paths.shares["last"].T @ (won + lost)
    leaving = np.where(leaving > 0, leaving, 1.0)
    visits = np.linalg.inv(np.eye(n - 1) - steps[1:, 1:] / leaving[:, None])
    sale = visits @ (sales / leaving)
    starts = steps[0, 1:] / max(steps[0].sum(), 1e-300)
    reached = (starts @ visits) / np.diag(visits)
    chance = float(starts @ sale)
    return reached * sale / chance if chance > 0 else np.zeros(n - 1)


def _divide_by_place(paths: _Paths, places: int) -> Floats:
    """Ordered Shapley values; shape (n_channels, places)."""
    rows, place_and_channel, share = paths.places
    n = paths.seen.shape[1]
    column = np.minimum(place_and_channel, (places - 1) * n + place_and_channel % n)
    divided = np.bincount(column, weights=share * paths.won[rows], minlength=n * places)
    return divided.astype(np.float64).reshape(places, n).T


def touches_from_paths(
    paths: list[tuple[str, ...]],
    *,
    won: npt.ArrayLike,
    lost: npt.ArrayLike,
    amount: npt.ArrayLike | None = None,
) -> Touches:
    """A table of paths, as attribution tools exchange them, without times.

    Parameters
    ----------
    paths : the channels of each path in order, at least one.
    won, lost : array-likes of shape (n_paths,), how many journeys took the path and ended in a sale, or not.
    amount : array-like of shape (n_paths,), optional, revenue of the won ones in total.
    """
    names = pd.Index(sorted({channel for path in paths for channel in path}))
    length = np.array([len(path) for path in paths])
    return Touches(
        channels=tuple(names),
        channel=names.get_indexer(pd.Index([channel for path in paths for channel in path])).astype(np.int32),
        start=np.concatenate([[0], np.cumsum(length)]),
        days=None,
        won=np.asarray(won, dtype=np.float64),
        lost=np.asarray(lost, dtype=np.float64),
        amount=None if amount is None else np.asarray(amount, dtype=np.float64),
    )


def touches_from_journeys(journeys: Journeys, problem: Problem) -> Touches:
    """The touches of leads created at least one horizon before the end of the data, so that few sales are to come.

    A touch is an event with a channel; of a lead that was won, one before the sale. Leads that were merged into
    another count once.

    Parameters
    ----------
    journeys : Journeys
    problem : Problem
        Its ``outcome`` is the sale, its ``horizon`` the age from which leads count.

    Raises
    ------
    PopulationError
        If the events have no channel, or no lead is old enough.
    """
    events, leads, until = journeys.events, journeys.leads, to_microseconds(journeys.observed_until)
    if "channel" not in events or not events["channel"].notna().any():
        raise PopulationError(
            "attribution needs the channel of events; found none. Map it under data.events.columns: channel"
        )
    counted = creation_times(leads) <= until - problem.horizon
    counted[journeys.merged.old] = False
    if not counted.any():
        raise PopulationError(
            f"attribution needs leads created at least {describe_duration(problem.horizon)} before the end of the "
            f"data, {format_instant(journeys.observed_until)}; found none among {len(leads):,}"
        )
    sold = conversion_times(journeys, problem)
    won = sold <= until
    ids = pd.Index(leads["lead_id"])
    lead = ids.get_indexer(pd.Index(events["lead_id"]))
    when = column_to_microseconds(events["occurred_at"], missing=NEVER)
    channel = events["channel"].astype("category")
    code = channel.cat.codes.to_numpy().astype(np.int32)
    touch = (lead >= 0) & (code >= 0) & (when <= until) & counted[lead] & (when < sold[lead])
    lead, when, code = lead[touch], when[touch], code[touch]
    order = np.lexsort((code, when, lead))
    lead, when, code = lead[order], when[order], code[order]
    touched, start = np.unique(lead, return_index=True)
    return Touches(
        channels=tuple(map(str, channel.cat.categories)),
        channel=code,
        start=np.append(start, len(lead)).astype(np.int64),
        days=(np.where(won, sold, until)[lead] - when) / DAY,
        won=won[touched].astype(np.float64),
        lost=(~won[touched]).astype(np.float64),
        amount=np.nan_to_num(sale_amounts(journeys, problem, sold))[touched]
        if "amount" in journeys.outcomes
        else None,
        untouched=float((won & counted).sum() - won[touched].sum()),
    )


def sale_amounts(journeys: Journeys, problem: Problem, sold: Micros) -> Floats:
    """The amount of each lead's first sale, which was at ``sold``, in the order of the leads; NaN where unknown."""
    wins = journeys.outcomes[journeys.outcomes["stage"] == problem.outcome]
    lead = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(wins["lead_id"]))
    own = (lead >= 0) & (column_to_microseconds(wins["occurred_at"], missing=NEVER) == sold[lead])
    amount = np.full(len(sold), np.nan)
    np.fmax.at(amount, lead[own], wins["amount"].to_numpy(np.float64)[own])
    return amount
