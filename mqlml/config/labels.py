"""The ``labels``, ``rules`` and ``gate`` sections: how probabilities become labels, and what overrules them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mqlml.config.values import Section

__all__ = ["Condition", "Disqualify", "Gate", "LabelRule", "Rules"]


class LabelRule(Section):
    """How one label's threshold is chosen; which keys are needed depends on ``policy``.

    ``fixed``, ``min_precision`` and ``min_recall`` take ``value`` (a probability or share); ``capacity`` takes
    ``per_week`` (leads); ``value`` takes ``gain`` (of a lead that converts), ``cost`` (of one follow-up) and
    ``missed_cost`` (of a conversion nobody followed up), all in one currency.
    """

    policy: Literal["fixed", "min_precision", "min_recall", "capacity", "value"]
    value: float | None = Field(default=None, ge=0, le=1)
    per_week: float | None = Field(default=None, gt=0)
    gain: float | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, gt=0)
    missed_cost: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _keys_of_policy(self) -> LabelRule:
        needed = {"capacity": {"per_week"}, "value": {"gain", "cost"}}.get(self.policy, {"value"})
        optional = {"missed_cost"} if self.policy == "value" else set()
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        given = {name for name in self.model_fields_set if getattr(self, name) != defaults[name]} - {"policy"}
        if missing := sorted(needed - given):
            raise ValueError(f"policy {self.policy!r} needs {missing[0]!r}")
        if extra := sorted(given - needed - optional):
            raise ValueError(f"policy {self.policy!r} does not read {extra[0]!r}")
        return self


class Condition(Section):
    """What one attribute must be for a rule to hold: in a list (or a file with one value a line), or not in it."""

    in_: list[str | int | float | bool] | str | None = Field(default=None, alias="in")
    not_in: list[str | int | float | bool] | str | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        if (self.in_ is None) == (self.not_in is None):
            raise ValueError("needs exactly one of 'in' and 'not_in'")
        return self


class Disqualify(Section):
    """A person who can never be an MQL: every condition in ``when`` must hold. Their account is not touched."""

    when: dict[str, Condition] = Field(min_length=1)
    reason: str


class Rules(Section):
    """What overrules the model."""

    disqualify: list[Disqualify] = []


class Gate(Section):
    """What a new version must show before it is registered."""

    min_positives: int = Field(default=50, ge=10)
