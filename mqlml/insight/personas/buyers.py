"""Personas: the few kinds of buyers among won leads, kept only if they are stable, and how often each kind buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from mqlml.config import Config
from mqlml.errors import PopulationError
from mqlml.evaluation import Estimate
from mqlml.evaluation.bootstrap import cluster_inflation
from mqlml.evaluation.curves import wilson_interval
from mqlml.features import FeaturePlan
from mqlml.insight.personas.profiles import ProfileColumn, read_profiles, read_source
from mqlml.insight.personas.rules import (
    PersonaCondition,
    PersonaTrait,
    find_rule,
    find_traits,
    make_key,
    name_persona,
)
from mqlml.insight.personas.segments import find_segments
from mqlml.journeys import FlatTable, Journeys
from mqlml.results import Number, Result
from mqlml.times import NEVER, column_to_microseconds, describe_duration, format_instant, to_microseconds
from mqlml.training.snapshots import conversion_times, creation_times, group_leads, rank_ids
from mqlml.types import Codes, Ints, Mask, Micros, Rows

__all__ = [
    "Persona",
    "PersonaChannel",
    "Personas",
    "Profiles",
    "find_personas",
    "personas_as_written",
    "read_leads",
]

LEAST_WON = 50
"""Fewer won leads, one an account, show no segments."""

_LEAST_COLUMNS = 2
_Z = float(norm.isf(0.05))
_CHANNELS = 3


@dataclass(frozen=True)
class Profiles:
    """Leads old enough for their outcome to be known, in the order of their ids.

    Attributes
    ----------
    columns : their profiles.
    won : bool array of shape (n_leads,).
    when : int64 array of shape (n_leads,), a number that grows with the time of the sale.
    account : array of shape (n_leads,), leads of one account share a number.
    channel : int32 array of shape (n_leads,), codes into ``channels`` of where each came from; -1 for unknown.
    channels : names of these.
    """

    columns: tuple[ProfileColumn, ...]
    won: Mask
    when: Ints
    account: Rows
    channel: Codes
    channels: tuple[str, ...]


@dataclass(frozen=True)
class PersonaChannel(Result):
    """Where leads of a persona came from."""

    channel: str
    """The channel of their first touch, or their source."""
    share: Number
    """The share of the persona's won leads with a known channel that came from there."""
    share_of_won: Number
    """The same among all won leads."""


@dataclass(frozen=True)
class Persona(Result):
    """One kind of buyer."""

    key: str
    """A short name that the config's ``personas:`` takes."""
    name: str
    """What sets it apart, in words."""
    won: int
    """Won leads that belong to it."""
    share_of_won: Number
    """Their share of all won leads whose profile is known."""
    leads: int
    """All leads that look alike, won or not."""
    conversion: Estimate
    """The share of these that was won; the 90% interval counts leads of one account as their likeness deserves."""
    jaccard: Number
    """How well resampled won leads give the segment back, from 0 to 1; at least 0.75."""
    traits: tuple[PersonaTrait, ...]
    """What is more frequent in it than among all leads, most telling first."""
    channels: tuple[PersonaChannel, ...]
    """Where its won leads came from, the commonest three."""
    conditions: dict[str, PersonaCondition]
    """Conditions for the config: attribute to what it must be, all to be met."""
    met_inside: Number
    """The share of the persona's won leads that meets the conditions."""
    met_outside: Number
    """The share of all other won leads that meets them."""


@dataclass(frozen=True)
class Personas(Result):
    """The kinds of buyers among won leads."""

    finding: Literal["found", "unstable", "not_beyond_chance"]
    """Whether there are stable segments; if not, whether resampled leads give other ones, or whether columns without
    segments show as much."""
    leads: int
    """Leads old enough for their outcome to be known."""
    won: int
    """Won leads among them."""
    undescribed: int
    """Won leads of which less than half of the attributes is known; they belong to no persona."""
    accounts: int
    """Accounts with a won lead that is described; the first won lead of each is what segments are looked for in."""
    conversion: Estimate
    """The share of all leads that was won, with its 90% interval."""
    attributes: tuple[str, ...]
    """The attributes that were compared."""
    personas: tuple[Persona, ...]
    """Stable segments, the largest first; empty if there are none."""


def find_personas(profiles: Profiles, *, random_state: int = 0) -> Personas:
    """Find stable segments of won leads, name them, and count how often leads that look alike are won.

    Parameters
    ----------
    profiles : Profiles
    random_state : int

    Raises
    ------
    PopulationError
        If there are fewer than two attributes, or too few won leads.
    """
    columns = tuple(one for one in profiles.columns if one.column.known[profiles.won].any())
    profiles = replace(profiles, columns=columns)
    if len(columns) < _LEAST_COLUMNS:
        raise PopulationError(
            f"personas need at least {_LEAST_COLUMNS} attributes of the leads that may be features; found "
            f"{len(columns)}. Map attributes such as job title, industry or company size"
        )
    known = np.sum([one.column.known for one in columns], axis=0)
    described = np.asarray(2 * known >= len(columns))
    buyers = _first_of_each_account(profiles, profiles.won & described)
    if len(buyers) < LEAST_WON:
        raise PopulationError(
            f"personas need at least {LEAST_WON} accounts with a won lead whose profile is known; found "
            f"{len(buyers):,}. Come back when there are more"
        )
    segments = find_segments([one.column.take(buyers) for one in columns], random_state=random_state)
    segment = segments.assign([one.column for one in columns])
    segment[~described] = -1
    personas: list[Persona] = []
    for place, center in enumerate(segments.stable):
        taken = [persona.key for persona in personas]
        jaccard = float(segments.jaccard[center])
        personas.append(_describe(profiles, segment == place, described, jaccard=jaccard, taken=taken))
    return Personas(
        finding="found" if personas else "unstable" if segments.beyond_chance else "not_beyond_chance",
        leads=len(profiles.won),
        won=int(profiles.won.sum()),
        undescribed=int((profiles.won & ~described).sum()),
        accounts=len(buyers),
        conversion=_conversion(profiles, np.ones(len(profiles.won), dtype=np.bool_)),
        attributes=tuple(one.name for one in columns),
        personas=tuple(sorted(personas, key=lambda persona: -persona.won)),
    )


def _first_of_each_account(profiles: Profiles, which: Mask) -> Rows:
    """The earliest won of these leads in each account: leads that share a company would count it several times."""
    rows = np.flatnonzero(which)
    order = rows[np.argsort(profiles.when[rows], kind="stable")]
    _, first = np.unique(profiles.account[order], return_index=True)
    return np.sort(order[first])


def _describe(
    profiles: Profiles, segment: Mask, described: Mask, *, jaccard: float, taken: Sequence[str]
) -> Persona:
    """What sets the won leads of a segment apart, and how often all leads of the segment are won."""
    members, won = segment & profiles.won, profiles.won
    traits = find_traits(profiles.columns, members)
    rule = find_rule(profiles.columns, members, won)
    others = won & ~members
    return Persona(
        key=make_key(traits, taken),
        name=name_persona(traits),
        won=int(members.sum()),
        share_of_won=float(members.sum() / (won & described).sum()),
        leads=int(segment.sum()),
        conversion=_conversion(profiles, segment),
        jaccard=jaccard,
        traits=traits,
        channels=_channels(profiles, members),
        conditions=rule.conditions,
        met_inside=float(rule.holds[members].mean()),
        met_outside=float(rule.holds[others].mean()) if others.any() else float("nan"),
    )


def _conversion(profiles: Profiles, which: Mask) -> Estimate:
    """The share that was won, for as many independent leads as their accounts make them worth."""
    won = profiles.won[which].astype(np.float64)
    share = float(won.mean())
    inflation = 1.0
    if 0 < share < 1:
        _, members = np.unique(profiles.account[which], return_inverse=True)
        inflation = cluster_inflation(won - share, np.full(len(won), share), members)
    low, high = wilson_interval(won.sum() / inflation, len(won) / inflation, z=_Z)
    return Estimate(share, float(low), float(high))


def _channels(profiles: Profiles, members: Mask) -> tuple[PersonaChannel, ...]:
    known = profiles.channel >= 0
    inside, everywhere = (
        np.bincount(profiles.channel[known & rows], minlength=len(profiles.channels))
        for rows in (members, profiles.won)
    )
    order = [c for c in np.argsort(-inside, kind="stable")[:_CHANNELS].tolist() if inside[c]]
    return tuple(
        PersonaChannel(
            profiles.channels[c], float(inside[c] / inside.sum()), float(everywhere[c] / everywhere.sum())
        )
        for c in order
    )


def personas_as_written(found: Personas) -> dict[str, dict[str, dict[str, Any]]]:
    """The section ``personas`` of a config that describes what was found."""
    return {
        persona.key: {name: condition.as_written() for name, condition in persona.conditions.items()}
        for persona in found.personas
        if persona.conditions
    }


def read_leads(data: Journeys | FlatTable, config: Config, plan: FeaturePlan) -> Profiles:
    """The leads whose outcome is known, and their profiles.

    Of journeys these are the leads created at least gap and horizon before the end of the data, without those merged
    into another; a lead is won if it was within that time after its creation, the same for all. Of a flat table they
    are the rows with a label.

    Raises
    ------
    PopulationError
        If no lead is old enough.
    """
    columns, source = read_profiles(data, plan), read_source(data, plan)
    if isinstance(data, FlatTable):
        counted, won = data.label.notna().to_numpy(), data.label.to_numpy() == 1
        when = data.order.to_numpy(np.int64)
    else:
        counted, won, when = _journey_outcomes(data, config)
        source = _first_touches(data, when) or source
    rows = np.argsort(rank_ids(data.leads["lead_id"]), kind="stable")
    rows = rows[counted[rows]]
    codes, channels = source or (np.full(len(data.leads), -1, dtype=np.int32), ())
    return Profiles(
        columns=tuple(ProfileColumn(one.name, one.column.take(rows), one.words) for one in columns),
        won=won[rows],
        when=when[rows],
        account=group_leads(data.leads)[rows],
        channel=codes[rows],
        channels=channels,
    )


def _journey_outcomes(journeys: Journeys, config: Config) -> tuple[Mask, Mask, Micros]:
    """Which leads count, which of them were won, and when."""
    span = config.problem.gap + config.problem.horizon
    created, sold = creation_times(journeys.leads), conversion_times(journeys, config.problem)
    counted = created <= to_microseconds(journeys.observed_until) - span
    counted[journeys.merged.old] = False
    if not counted.any():
        raise PopulationError(
            f"personas need leads created at least {describe_duration(span)} before the end of the data, "
            f"{format_instant(journeys.observed_until)}; found none among {len(counted):,}"
        )
    return counted, counted & (sold < np.where(counted, created, 0) + span), sold


def _first_touches(journeys: Journeys, sold: Micros) -> tuple[Codes, tuple[str, ...]] | None:
    """The channel of each lead's first event with one, before its sale; None where events have no channel."""
    events = journeys.events
    if "channel" not in events or not events["channel"].notna().any():
        return None
    channel = events["channel"].astype("str")
    names = np.array(sorted(channel.dropna().unique()), dtype=object)
    code = channel.map({name: at for at, name in enumerate(names)}).fillna(-1).to_numpy(np.int32)
    lead = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(events["lead_id"]))
    when = column_to_microseconds(events["occurred_at"], missing=NEVER)
    touch = np.flatnonzero((lead >= 0) & (code >= 0) & (when < sold[lead]))
    order = touch[np.lexsort((code[touch], when[touch], lead[touch]))]
    leads, first = np.unique(lead[order], return_index=True)
    found = np.full(len(journeys.leads), -1, dtype=np.int32)
    found[leads] = code[order[first]]
    return found, tuple(map(str, names))
