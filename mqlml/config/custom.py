"""Features of the user's own that the config writes: one aggregate over some of the events."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from mqlml.config.conditions import Condition
from mqlml.config.values import Name, Section, Window, check_windows

__all__ = ["NUMBER_UNITS", "Aggregate", "NumberUnit"]

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
            raise ValueError(f"aggregate {self.aggregate!r} needs 'column'")
        if not reads and self.column is not None:
            raise ValueError(f"aggregate {self.aggregate!r} does not read 'column'")
        if self.aggregate == "days_since" and self.windows is not None:
            raise ValueError("aggregate 'days_since' does not read 'windows'")
        fitting = _FITTING.get(self.aggregate, NUMBER_UNITS)
        if self.unit is not None and self.unit not in fitting:
            raise ValueError(
                f"the unit of aggregate {self.aggregate!r} must be {' or '.join(fitting)}; found {self.unit!r}"
            )
        return self
