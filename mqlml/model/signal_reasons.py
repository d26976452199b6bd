"""Reasons of single leads by signal: what speaks for and against each lead, one reason a signal.

A model's contributions say what it leans on, and about a third of a lead's weak ones point the wrong way. So features
of one signal are added up, weak sums are no reasons, and something that a lead did counts only the way it counts
among like leads. A lead may be left without a reason. The points of the families are not touched by this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.features import Feature
from mqlml.model.contributions import Contributions, add_up
from mqlml.model.signal_columns import SignalKey
from mqlml.model.signal_inputs import is_total, key_of
from mqlml.model.signals import SignalReport
from mqlml.types import Floats, Ints, Mask

__all__ = [
    "LEAST_LOG_ODDS",
    "NOTHING_AGAINST",
    "NOTHING_FOR",
    "ReasonSignals",
    "SignalReasons",
    "choose_signal_reasons",
    "find_done",
    "map_features",
]

LEAST_LOG_ODDS = 0.20
"""A signal that moves the log-odds by less is no reason: about a fifth of the odds."""

NOTHING_FOR = "nothing in particular speaks for this lead"
NOTHING_AGAINST = "nothing in particular speaks against this lead"
"""Texts where no reason is left."""


@dataclass(frozen=True)
class ReasonSignals:
    """Which signal each feature tells of, and what is known of the signals.

    Attributes
    ----------
    signals : tuple of SignalKey
    group : tuple of int
        For each feature, the position of its signal; -1 for a total, which is no reason.
    is_event : tuple of bool
        For each signal, whether it is an event type.
    direction : tuple of int
        For each signal, 1 where leads who did it convert more often than like leads, -1 less often, 0 where there is
        no clear difference or it was not evaluated; of no account for an attribute.
    """

    signals: tuple[SignalKey, ...]
    group: tuple[int, ...]
    is_event: tuple[bool, ...]
    direction: tuple[int, ...]


@dataclass(frozen=True)
class SignalReasons:
    """The strongest signals of each row, the strongest first.

    Attributes
    ----------
    speaks_for, speaks_against : ndarray of int64, shape (n, number)
        Positions of signals; -1 where a row has no further reason.
    feature_for, feature_against : ndarray of int64, shape (n, number)
        The position of the signal's feature that contributes most that way; -1 likewise.
    """

    speaks_for: Ints
    speaks_against: Ints
    feature_for: Ints
    feature_against: Ints


def map_features(features: Sequence[Feature], report: SignalReport) -> ReasonSignals:
    """Which signal each feature tells of; attributes that the report found to be one are one."""
    first = {
        SignalKey(member.family, member.what): SignalKey(one.signal.family, one.signal.what)
        for one in report.signals
        for member in one.members
    }
    directions = {
        SignalKey(one.signal.family, one.signal.what): {"more": 1, "less": -1}.get(one.levels[0].direction, 0)
        for one in report.signals
        if one.kind == "event"
    }
    place: dict[SignalKey, int] = {}
    events: dict[SignalKey, bool] = {}
    group = []
    for feature in features:
        if is_total(feature):
            group.append(-1)
            continue
        own = key_of(feature)
        key = first.get(own, own)
        group.append(place.setdefault(key, len(place)))
        events[key] = events.get(key, False) or "events.action" in feature.source
    return ReasonSignals(
        tuple(place),
        tuple(group),
        tuple(events[key] for key in place),
        tuple(directions.get(key, 0) for key in place),
    )


def find_done(table: pd.DataFrame, signals: ReasonSignals) -> Mask:
    """Whether each row has done each event type, shape (n, signals): whether any of its features is above 0."""
    done = np.zeros((len(table), len(signals.signals)), dtype=np.bool_)
    for column, own in enumerate(signals.group):
        if own >= 0 and signals.is_event[own]:
            done[:, own] |= table.iloc[:, column].to_numpy(np.float64) > 0
    return done


def choose_signal_reasons(
    contributions: Contributions,
    signals: ReasonSignals,
    done: Mask,
    *,
    number: int,
    least: float = LEAST_LOG_ODDS,
) -> SignalReasons:
    """The strongest signals each way.

    Parameters
    ----------
    contributions : Contributions
        Calibrated, so that ``least`` means the same for every version.
    signals : ReasonSignals
        Of the columns of the contributions.
    done : ndarray of bool, shape (n, signals)
        Whether the lead did it, for event types.
    number : int
        Reasons each way.
    least : float
        Log-odds below which a signal is no reason.
    """
    n_signals = done.shape[1]
    group = [own if own >= 0 else n_signals for own in signals.group]
    sums = add_up(contributions, group, n_signals + 1)[:, :n_signals]
    direction = np.array(signals.direction, dtype=np.int64)
    is_event = np.array(signals.is_event, dtype=np.bool_)
    against_like_leads = done & is_event & (np.sign(sums) != direction)
    strength = np.where(against_like_leads, 0.0, sums)
    members = [np.flatnonzero(np.array(signals.group) == own) for own in range(n_signals)]
    chosen = []
    for sign in (1.0, -1.0):
        picked = _strongest(sign * strength, number, least)
        chosen.append((picked, _strongest_members(sign * contributions.added, picked, members)))
    (good, good_feature), (bad, bad_feature) = chosen
    return SignalReasons(good, bad, good_feature, bad_feature)


def _strongest(strength: Floats, number: int, least: float) -> Ints:
    """The columns of the ``number`` largest values of each row that are at least ``least``; of equals the first."""
    left = strength.copy()
    picked = np.full((len(left), number), -1, dtype=np.int64)
    rows = np.arange(len(left))
    for turn in range(min(number, left.shape[1])):
        best = left.argmax(axis=1)
        enough = left[rows, best] >= least
        picked[enough, turn] = best[enough]
        left[rows, best] = -np.inf
    return picked


def _strongest_members(added: Floats, picked: Ints, members: Sequence[npt.NDArray[np.intp]]) -> Ints:
    """The feature of each picked signal that contributes most."""
    found = np.full(picked.shape, -1, dtype=np.int64)
    for signal in np.unique(picked[picked >= 0]):
        rows, turns = np.nonzero(picked == signal)
        own = members[signal]
        found[rows, turns] = own[added[np.ix_(rows, own)].argmax(axis=1)]
    return found
