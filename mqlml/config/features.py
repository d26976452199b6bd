"""The sections that shape features: which attributes, words and lengths become columns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mqlml.config.groups import Groups, Pair
from mqlml.config.values import Duration, Section
from mqlml.timeutil import DAY, HOUR

__all__ = ["Features", "Profile"]


class Profile(Section):
    """Which lead attributes may become features.

    ``static`` names columns known at creation that never change, or ``auto``: all that the leakage audit does
    not refuse. ``force`` overrules the audit for a column, by name and with a reason that goes into the version.
    ``email`` and ``job_title`` name the columns to be parsed, where they are not called that.
    """

    static: list[str] | Literal["auto"] = "auto"
    history: list[str] = []
    force: dict[str, str] = {}
    email: str | None = None
    job_title: str | None = None

    @field_validator("static", mode="before")
    @classmethod
    def _list_or_auto(cls, value: object) -> object:
        if value != "auto" and not isinstance(value, list):
            raise ValueError("must be 'auto' or a list of columns")
        return value


class Features(Section):
    """How much of the journeys becomes features: the most frequent words are kept, the rest become one.

    ``groups`` switches groups of features on and off. The lists of actions (``high_intent``, ``downloads``) and of
    ``lead_initiated`` words replace mqlml's own patterns; ``channel_kinds`` overrules them for single channels.
    ``force`` keeps an event type that the leakage audit refuses, by name, with a reason that goes into the version.
    ``pairs`` replaces the pairs chosen from the data. ``value_unit: seconds`` says that the events' values are time
    spent, so that time on site is their sum.
    """

    max_actions: int = Field(default=20, ge=1, le=500)
    max_channels: int = Field(default=8, ge=1, le=500)
    session_gap: Duration = Field(default=HOUR // 2, gt=0)
    undesirable_actions: list[str] | None = None
    force: dict[str, str] = {}
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
