"""The ``labels``, ``rules`` and ``gate`` sections: how probabilities become labels, and what overrules them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mqlml.config.features import Condition
from mqlml.config.values import Duration, InvalidValueError, Section

__all__ = [
    "Disqualify",
    "Exclude",
    "Gate",
    "LabelRule",
    "Labels",
    "Promote",
    "Rules",
    "Teams",
    "TimelineEvent",
]

_USUAL_LEVELS = ("iql", "mql", "sql")
_LABEL = r"[a-z][a-z0-9_]*"
_TAKEN = ("disqualified", "unqualified")


class Teams(Section):
    """Who takes which leads, and how many a week: a column of the leads, and a capacity for each of its values."""

    column: str
    per_week: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)


class LabelRule(Section):
    """How one label's threshold is chosen; which keys are needed depends on ``policy``.

    ``fixed``, ``min_precision`` and ``min_recall`` take ``value`` (a probability or share). ``capacity`` takes
    ``per_week`` (leads), or ``teams``, or both: ``per_week`` is then for the leads of no team named. ``value`` takes
    ``gain`` (of a lead that converts) and ``cost`` (of one follow-up), and may take ``too_early`` (what following up
    a lead that does not convert costs besides) and ``too_late`` (what a conversion nobody was told of costs), all in
    one currency.

    Whatever the policy: ``min_fit`` and ``min_engagement`` (0 to 100, percentiles of the version's reference leads)
    are what a lead must have besides; once reached, the label is kept for ``hold`` at least, and until the
    probability is below ``exit`` times the threshold.
    """

    policy: Literal["fixed", "min_precision", "min_recall", "capacity", "value"]
    value: float | None = Field(default=None, ge=0, le=1)
    per_week: float | None = Field(default=None, gt=0)
    teams: Teams | None = None
    gain: float | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, gt=0)
    too_early: float = Field(default=0.0, ge=0)
    too_late: float = Field(default=0.0, ge=0)
    min_fit: float | None = Field(default=None, ge=0, le=100)
    min_engagement: float | None = Field(default=None, ge=0, le=100)
    hold: Duration | None = None
    exit: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _keys_of_policy(self) -> LabelRule:
        needed = {"capacity": {"per_week"}, "value": {"gain", "cost"}}.get(self.policy, {"value"})
        optional = {"capacity": {"teams"}, "value": {"too_early", "too_late"}}.get(self.policy, set())
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        given = {name for name in self.model_fields_set if getattr(self, name) != defaults[name]} - {"policy"}
        if self.teams is not None:
            needed = needed - {"per_week"}
            optional = optional | {"per_week"}
        given -= {"min_fit", "min_engagement", "hold", "exit"}
        if missing := sorted(needed - given):
            raise InvalidValueError(f"policy {self.policy!r} needs {missing[0]!r}")
        if extra := sorted(given - needed - optional):
            raise InvalidValueError(f"policy {self.policy!r} does not read {extra[0]!r}")
        return self


def _levels(value: dict[str, LabelRule]) -> dict[str, LabelRule]:
    """Lowest first: the usual names in their order, the user's own as written."""
    if not value:
        raise InvalidValueError("needs at least one label, as mql")
    for name in value:
        if not re.fullmatch(_LABEL, name):
            hint = f"write {name.lower()}" if re.fullmatch(_LABEL, name.lower()) else None
            raise InvalidValueError(
                "a label is lower-case letters, digits and '_'", remedy=hint, place=(name,), found=name
            )
        if name in _TAKEN:
            raise InvalidValueError(
                f"{name!r} is what leads without a label are called",
                remedy="choose another name",
                place=(name,),
            )
    usual = [name for name in _USUAL_LEVELS if name in value]
    if len(usual) == len(value):
        return {name: value[name] for name in usual}
    if [name for name in value if name in _USUAL_LEVELS] != usual:
        raise InvalidValueError(f"labels are written lowest first, so {' before '.join(map(repr, usual))}")
    return value


Labels = Annotated[dict[str, LabelRule], AfterValidator(_levels)]
"""The levels a lead can reach, lowest first: any number, ``iql``, ``mql``, ``sql`` or the user's own."""


class Disqualify(Section):
    """Leads that can never get a label: every condition in ``when`` must hold. Their account is not touched."""

    when: dict[str, Condition] = Field(min_length=1)
    reason: str


class Exclude(Section):
    """Leads that are neither trained on nor scored, as test accounts, staff and people who object."""

    when: dict[str, Condition] = Field(min_length=1)
    reason: str


class TimelineEvent(Section):
    """An event of a lead whose ``action`` meets the condition, at most ``within`` ago (ever, if left out)."""

    action: Condition
    within: Duration | None = None


class Promote(Section):
    """An event that gives a lead at least the label ``to`` at once, whatever its probability."""

    when: TimelineEvent
    to: str
    reason: str


class Rules(Section):
    """What overrules the model: who is left out, who can never have a label, and who has one at once."""

    exclude: list[Exclude] = []
    disqualify: list[Disqualify] = []
    promote: list[Promote] = []


class Gate(Section):
    """What a new version must show to be registered."""

    min_positives: int = Field(default=50, ge=10)
