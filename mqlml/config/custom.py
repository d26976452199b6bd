"""Features of the user's own that the config writes: one aggregate over some of the events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from mqlml.config.conditions import Condition
from mqlml.config.values import Name, Section, Window, check_windows

__all__ = ["Aggregate"]


class Aggregate(Section):
    """A feature of the user's own: one aggregate over some of the events, in each window.

    ``action`` and ``where`` say which events; ``column`` what is aggregated: ``value``, or for ``distinct`` a column
    of words. ``windows`` are the config's where left out.
    """

    name: Name
    family: Literal["profile", "channel", "actions", "undesirables"]
    sentence: str = Field(min_length=1)
    aggregate: Literal["count", "sum", "mean", "min", "max", "distinct", "days_since"]
    action: list[str] = []
    where: dict[str, Condition] = {}
    column: str | None = None
    windows: list[Window] | None = None

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
        return self
