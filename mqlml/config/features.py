"""The ``features`` section: which actions, channels and windows become features, and the user's own features."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from mqlml.config.values import Duration, InvalidValueError, Name, Reason, Section, Window, check_windows
from mqlml.times import DAY, HOUR

__all__ = ["NUMBER_UNITS", "Aggregate", "Condition", "Features", "Groups", "NumberUnit", "Pair"]


class Condition(Section):
    """What one attribute must be: in a list (or a file with one value a line), not in it, or within a range.

    ``min`` and ``max`` belong to the range.
    """

    in_: list[str | int | float | bool] | str | None = Field(default=None, alias="in")
    not_in: list[str | int | float | bool] | str | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        ranged = self.min is not None or self.max is not None
        if (self.in_ is not None) + (self.not_in is not None) + ranged != 1:
            raise InvalidValueError("needs exactly one of 'in', 'not_in' and a range ('min', 'max' or both)")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise InvalidValueError("'min' must not be above 'max'")
        return self


NumberUnit = Literal["count", "days", "hours", "share", "amount", "flag", "ratio", "age", "number"]
"""What a number is measured in; an amount is of money or of anything else, an age is in days."""

NUMBER_UNITS: tuple[NumberUnit, ...] = get_args(NumberUnit)

_FITTING: dict[str, tuple[NumberUnit, ...]] = {
    "count": ("count", "number"),
    "distinct": ("count", "number"),
    "days_since": ("days", "age", "number"),
}
"""The units of what an aggregate gives whatever it is over, its own first; others have that of their column."""


class Aggregate(Section):
    """A feature of the user's own: one aggregate over some of the events, in each window.

    ``action`` and ``where`` say which events; ``column`` what is aggregated: ``value``, or for ``distinct`` a column
    of words. ``windows`` are the config's where left out. ``unit`` is what its values are measured in: left out, a
    count, days, or a plain number.
    """

    name: Name
    family: Literal["profile", "channel", "actions", "undesirables"]
    sentence: str = Field(min_length=1)
    aggregate: Literal["count", "sum", "mean", "min", "max", "distinct", "days_since"]
    action: list[str] = []
    where: dict[str, Condition] = {}
    column: str | None = None
    windows: list[Window] | None = None
    unit: NumberUnit | None = None

    @property
    def measured_in(self) -> NumberUnit:
        """The unit, also where it is left out."""
        return self.unit or _FITTING.get(self.aggregate, ("number",))[0]

    @field_validator("windows")
    @classmethod
    def _windows(cls, value: list[Window] | None) -> list[Window] | None:
        return None if value is None else check_windows(value)

    @model_validator(mode="after")
    def _keys_of_aggregate(self) -> Aggregate:
        reads = self.aggregate in ("sum", "mean", "min", "max", "distinct")
        if reads and self.column is None:
            raise InvalidValueError(f"aggregate {self.aggregate!r} needs 'column'")
        if not reads and self.column is not None:
            raise InvalidValueError(f"aggregate {self.aggregate!r} does not read 'column'")
        if self.aggregate == "days_since" and self.windows is not None:
            raise InvalidValueError("aggregate 'days_since' does not read 'windows'")
        fitting = _FITTING.get(self.aggregate, NUMBER_UNITS)
        if self.unit is not None and self.unit not in fitting:
            raise InvalidValueError(
                f"the unit of aggregate {self.aggregate!r} must be {' or '.join(fitting)}",
                place=("unit",),
                found=self.unit,
            )
        return self


class Groups(Section):
    """Which groups of features are made, each switched by its name as ``{pairs: on, usual: off}``.

    ``all`` switches on every one. Those on by default were no burden on small data when measured.

    Profile: ``parsed`` (kind of email address, seniority, function, size band), ``completeness``, ``age``. The
    attributes themselves are chosen by ``profile.static`` and ``profile.history``, personas by ``personas``.

    Undesirables: ``unwelcome`` (negative signals among actions and channels), ``silence``, ``flags`` (undesirable
    profiles).

    Channel: ``touches`` (first, last, how many different), ``channels`` (count and share of each), ``switches``,
    ``paid`` (paid or organic), ``breadth`` (campaigns and channels within a set period).

    Actions: ``counts`` (count and days since of each), ``action_days`` (distinct days of each), ``action_values``
    (sum and mean of each), ``totals`` (all events together), ``usual`` (values against what is usual for such
    events), ``decay`` (events that fade with a half-life), ``visits`` (returns, time on site, events a visit),
    ``rhythm`` (longest silence, regular hours and weekdays), ``intent`` (high-intent events), ``proactive``
    (events the lead began), ``content`` (different contents, downloads), ``pairs`` (one event before
    another), ``account`` (what the account's other leads did; ``auto``
    from some thousand accounts with several leads on).
    """

    parsed: bool = True
    completeness: bool = True
    age: bool = True
    unwelcome: bool = True
    silence: bool = True
    flags: bool = True
    touches: bool = True
    channels: bool = True
    switches: bool = True
    paid: bool = False
    breadth: bool = True
    counts: bool = True
    action_days: bool = False
    action_values: bool = False
    totals: bool = True
    usual: bool = True
    decay: bool = False
    visits: bool = False
    rhythm: bool = False
    intent: bool = False
    proactive: bool = False
    content: bool = False
    pairs: bool = False
    account: Literal["auto", True, False] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _all(cls, value: Any) -> Any:
        return dict.fromkeys(cls.model_fields, True) if value == "all" else value


class Pair(Section):
    """An ordered pair of actions: at least ``at_least`` events of ``first`` before an event of ``then``."""

    first: str
    then: str
    at_least: int = Field(default=1, ge=1, le=10_000)


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
            raise InvalidValueError("must be different lengths")
        return value

    @field_validator("pairs")
    @classmethod
    def _no_pair_twice(cls, value: list[Pair] | None) -> list[Pair] | None:
        named = [(pair.first, pair.then, pair.at_least) for pair in value or ()]
        if len(set(named)) < len(named):
            raise InvalidValueError("must be different pairs")
        return value

    @field_validator("custom")
    @classmethod
    def _one_of_each(cls, value: list[Aggregate]) -> list[Aggregate]:
        names = [(feature.family, feature.name, feature.aggregate) for feature in value]
        if twice := {name for name in names if names.count(name) > 1}:
            family, name, aggregate = min(twice)
            raise InvalidValueError(
                f"{family} has two features {name!r} with the aggregate {aggregate!r}", remedy="rename one"
            )
        return value
