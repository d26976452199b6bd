"""The ``features`` section: which words and lengths of the journeys become columns, and the user's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mqlml.config.conditions import Condition
from mqlml.config.custom import Aggregate
from mqlml.config.groups import Groups, Pair
from mqlml.config.values import Duration, Name, Reason, Section
from mqlml.times import DAY, HOUR

__all__ = ["Features"]


class Features(Section):
    """How much of the journeys becomes features: the most frequent words are kept, the rest become one.

    ``groups`` switches groups of features on and off. The lists of actions (``high_intent``, ``downloads``) and of
    ``lead_initiated`` words replace mqlml's own patterns; ``channel_kinds`` overrules them for single channels.
    ``force`` keeps an event type that the leakage audit refuses, by name, with a reason that goes into the version.
    ``pairs`` replaces the pairs chosen from the data. ``value_unit: seconds`` says that the events' values are time
    spent, so that time on site is their sum.

    ``undesirable_actions`` and ``undesirable_channels`` replace the patterns by which mqlml knows some;
    ``undesirable_profiles`` are profiles that speak against a lead, each a name and the conditions that must all
    hold. ``custom`` are aggregates of the user's own, ``functions`` the names of installed ones (entry points of
    the group ``mqlml.features``).
    """

    max_actions: int = Field(default=20, ge=1, le=500)
    max_channels: int = Field(default=8, ge=1, le=500)
    session_gap: Duration = Field(default=HOUR // 2, gt=0)
    undesirable_actions: list[str] | None = None
    force: dict[str, Reason] = {}
    undesirable_channels: list[str] | None = None
    undesirable_profiles: dict[Name, Annotated[dict[str, Condition], Field(min_length=1)]] = {}
    custom: list[Aggregate] = []
    functions: list[str] = []
    groups: Groups = Groups()
    high_intent: list[str] | None = None
    downloads: list[str] | None = None
    lead_initiated: list[str] | None = None
    channel_kinds: dict[str, Literal["paid", "organic"]] = {}
    initiative_period: Duration = Field(default=30 * DAY, gt=0)
    half_lives: list[Annotated[Duration, Field(gt=0)]] = Field(default=[7 * DAY], min_length=1)
    value_unit: Literal["seconds"] | None = None
    pairs: list[Pair] | None = None

    @field_validator("half_lives")
    @classmethod
    def _different(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("must be different lengths")
        return value

    @field_validator("pairs")
    @classmethod
    def _no_pair_twice(cls, value: list[Pair] | None) -> list[Pair] | None:
        named = [(pair.first, pair.then, pair.at_least) for pair in value or ()]
        if len(set(named)) < len(named):
            raise ValueError("must be different pairs")
        return value

    @field_validator("custom")
    @classmethod
    def _one_of_each(cls, value: list[Aggregate]) -> list[Aggregate]:
        names = [(feature.family, feature.name, feature.aggregate) for feature in value]
        if twice := {name for name in names if names.count(name) > 1}:
            family, name, aggregate = min(twice)
            raise ValueError(
                f"{family} has two features {name!r} with the aggregate {aggregate!r}; rename one"
            )
        return value
