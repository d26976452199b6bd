"""The ``data`` section: where each table comes from and what its columns are called there."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from mqlml.config.values import (
    Column,
    ColumnFormat,
    FilePath,
    InvalidValueError,
    Order,
    Section,
    Size,
    StageWord,
    known_zone,
    read_instant,
)

__all__ = ["Data", "Flat", "Outcomes", "Table"]


class Table(Section):
    """Where one of the four tables comes from and what its columns are called there.

    ``path`` is a CSV or Parquet file, a folder or a glob; ``sql`` is a query, sent to the database at ``url``
    or, without one, run by DuckDB in the config's folder (so it can read files next to it).
    """

    path: FilePath | None = None
    sql: str | None = None
    url: str | None = None
    columns: dict[str, Column] = {}
    delimiter: str | None = None
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _one_source(self) -> Table:
        if (self.path is None) == (self.sql is None):
            raise InvalidValueError("needs exactly one of 'path' and 'sql'")
        if self.url is not None and self.sql is None:
            raise InvalidValueError("'url' goes with 'sql', not with 'path'")
        return self

    def column(self, name: str) -> str:
        """What the source calls our column ``name``."""
        mapped = self.columns.get(name, name)
        return mapped if isinstance(mapped, str) else mapped.column

    def format(self, name: str) -> ColumnFormat | None:
        """The reading hint for our column ``name``, if the config gives one."""
        mapped = self.columns.get(name)
        return mapped if isinstance(mapped, ColumnFormat) else None


class Outcomes(Table):
    """The outcomes table: which column holds the stage, or the one stage that all its rows mean."""

    stage: StageWord | None = None
    stages: dict[str, StageWord] = {}


class Flat(Section):
    """One row per lead with a label: snapshots already made, in an order that stands for time.

    ``families`` files columns under a family other than Profile, for the report.
    """

    path: FilePath | None = None
    sql: str | None = None
    lead_id: str
    account_id: str | None = None
    label: str
    positive: str | int | float | bool | list[str | int | float | bool] = 1
    order: Order
    missing: list[str] = []
    families: dict[Literal["profile", "channel", "actions", "undesirables"], list[str]] = {}
    delimiter: str | None = None
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _one_source(self) -> Flat:
        if (self.path is None) == (self.sql is None):
            raise InvalidValueError("needs exactly one of 'path' and 'sql'")
        return self


class Data(Section):
    """What the user brings: leads, events and outcomes (and history), or one flat table.

    ``memory_limit`` is what a training table may take to build, above the interpreter and its imports; one that
    would take more is built in parts.
    """

    timezone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    observed_until: dt.datetime | None = None
    max_quarantined: float = Field(default=0.01, ge=0, le=1)
    memory_limit: Size = Field(default=1_500_000_000, validate_default=False)
    leads: Table | None = None
    events: Table | None = None
    outcomes: Outcomes | None = None
    history: Table | None = None
    flat: Flat | None = None

    @field_validator("observed_until", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> dt.datetime | None:
        return read_instant(value, info.data.get("timezone", "UTC"))

    @model_validator(mode="after")
    def _complete(self) -> Data:
        journeys = [self.leads, self.events, self.outcomes, self.history]
        if self.flat is not None:
            if any(table is not None for table in journeys):
                raise InvalidValueError(
                    "'flat' replaces leads, events, outcomes and history; remove one or the other"
                )
            return self
        missing = [name for name in ("leads", "outcomes") if getattr(self, name) is None]
        if missing:
            raise InvalidValueError(
                f"needs {' and '.join(repr(name) for name in missing)} (or 'flat', for one table)"
            )
        if self.observed_until is None:
            raise InvalidValueError(
                "needs 'observed_until': the moment up to which outcomes are complete, usually the day of the "
                "export. It is never guessed from the data; a win that is not in the export yet must not be taken "
                "for a loss"
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times that are written without an offset."""
        return ZoneInfo(self.timezone)
