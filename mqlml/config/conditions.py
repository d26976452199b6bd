"""Conditions: what one attribute must be, as rules, personas and undesirable profiles write it."""

from __future__ import annotations

from pydantic import Field, model_validator

from mqlml.config.values import Section

__all__ = ["Condition"]


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
            raise ValueError("needs exactly one of 'in', 'not_in' and a range ('min', 'max' or both)")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("'min' must not be above 'max'")
        return self
