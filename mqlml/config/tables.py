"""The ``data`` section: where each table comes from and what its columns are called there."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mqlml.config.values import (
    Column,
    ColumnFormat,
    Constant,
    DecimalMark,
    FilePath,
    InvalidValueError,
    Order,
    Section,
    Size,
    Stage,
    StageWord,
    TimeUnit,
    check_stage,
    known_zone,
    read_instant,
)

__all__ = ["MISSING_WORDS", "Data", "Flat", "Leads", "Merges", "Outcomes", "Spend", "Table"]


class Table(Section):
    """Where one of the four tables comes from and what its columns are called there.

    ``path`` is a CSV, Parquet or Excel file, a folder or a glob; ``sql`` is a query, sent to the database at ``url``
    or, without one, run by DuckDB in the config's folder (so it can read files next to it). ``decimal`` is the mark
    before the fraction of its numbers, where they do not show it; ``sheet`` names the sheet of an Excel file.
    """

    path: FilePath | None = None
    sql: str | None = None
    url: str | None = None
    columns: dict[str, Column] = {}
    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: DecimalMark | None = None
    sheet: str | None = None

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
        return (
            mapped.column if isinstance(mapped, ColumnFormat) else mapped if isinstance(mapped, str) else name
        )

    def constant(self, name: str) -> str | None:
        """The value that our column ``name`` has in all rows, if the config gives one."""
        mapped = self.columns.get(name)
        return mapped.constant if isinstance(mapped, Constant) else None

    def format(self, name: str) -> ColumnFormat | None:
        """The reading hint for our column ``name``, if the config gives one."""
        mapped = self.columns.get(name)
        return mapped if isinstance(mapped, ColumnFormat) else None


class Leads(Table):
    """The leads table. ``duplicates`` says what is done with leads that share an email address or phone with an older
    one: ``report`` how many there are, or ``merge`` each into the older."""

    duplicates: Literal["report", "merge"] = "report"


class StageDate(Section):
    """A column of dates on which leads reached a stage, with a hint how to read them."""

    stage: StageWord
    format: str | None = None
    unit: TimeUnit | None = None


StageDates = dict[
    str,
    Annotated[
        Annotated[StageWord, Tag("<name>")] | Annotated[StageDate, Tag("<hinted>")],
        Discriminator(lambda value: "<hinted>" if isinstance(value, dict | StageDate) else "<name>"),
    ],
]


def _stage_or_ignore(value: object) -> object:
    return value if value == "ignore" else check_stage(value)


class Outcomes(Table):
    """The outcomes table: which column holds the stage, the one stage that all its rows mean, or one column a stage.

    ``stages`` translates the source's words; rows of those that mean ``ignore`` are no outcomes. ``stage_dates``
    names columns of dates, each with the stage that was reached on them; an empty one means not reached.
    """

    stage: StageWord | None = None
    stages: dict[str, Annotated[Stage | Literal["ignore"], BeforeValidator(_stage_or_ignore)]] = {}
    stage_dates: StageDates = {}

    @model_validator(mode="after")
    def _one_way(self) -> Outcomes:
        if self.stage is not None and ("stage" in self.columns or self.stages):
            raise InvalidValueError(
                "has a constant 'stage' and also says how to read a column of stages",
                remedy="remove one of the two",
            )
        taken = [name for name in ("stage", "occurred_at") if name in self.columns]
        if self.stage_dates and (self.stage is not None or self.stages or taken):
            raise InvalidValueError(
                "'stage_dates' says both the stage and its date",
                remedy="remove 'stage', 'stages' and their columns",
            )
        return self

    def stage_date(self, column: str) -> StageDate:
        """The stage whose dates a column of ``stage_dates`` holds, and how they are written."""
        written = self.stage_dates[column]
        return written if isinstance(written, StageDate) else StageDate(stage=written)


class Merges(Table):
    """Leads that turned out to be one: ``from`` went into ``into``, ``at`` some moment."""


class Spend(Table):
    """What each source costs: one row a source and day, or week or month, with its ``cost``."""

    @model_validator(mode="after")
    def _no_database(self) -> Spend:
        if self.url is not None:
            raise InvalidValueError(
                "'spend' is read from files only",
                remedy="write it to a file, and name that as path, or in sql without 'url'",
            )
        return self


class Flat(Section):
    """One row per lead with a label: snapshots already made, in an order that stands for time.

    ``number_rows`` takes the number of a row for its id and its place in time, where no column is named for them.
    ``families`` files columns under a family other than Profile, for the report.
    """

    path: FilePath | None = None
    sql: str | None = None
    lead_id: str | None = None
    account_id: str | None = None
    label: str
    positive: str | int | float | bool | list[str | int | float | bool] = 1
    order: Order | None = None
    number_rows: bool = False
    missing: list[str] = []
    families: dict[Literal["profile", "channel", "actions", "undesirables"], list[str]] = {}
    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: DecimalMark | None = None
    sheet: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Flat:
        if (self.path is None) == (self.sql is None):
            raise InvalidValueError("needs exactly one of 'path' and 'sql'")
        lacking = [name for name in ("lead_id", "order") if getattr(self, name) is None]
        if lacking and not self.number_rows:
            raise InvalidValueError(
                f"needs {' and '.join(repr(name) for name in lacking)}: the column of ids, and the column that sorts "
                "leads in time",
                remedy="name them, or write number_rows: true if the rows stand in the order in which leads came in",
            )
        return self


Events = Annotated[
    Annotated[Table, Tag("<one>")] | Annotated[list[Table], Tag("<several>"), Field(min_length=1)],
    Discriminator(lambda value: "<several>" if isinstance(value, list) else "<one>"),
]
"""The events table, or several that are read one after another."""

MISSING_WORDS = ("N/A", "#N/A", "null", "(null)", "(not set)", "<NA>", "-", "--", "Select")
"""What sources write where they have no value; compared without regard to case."""


class Data(Section):
    """What the user brings: leads, events and outcomes (and history), or one flat table.

    ``missing`` lists what stands for a missing value in any column but ids, in place of the usual words.

    ``memory_limit`` is what a training table may take to build, above the interpreter and its imports; one that
    would take more is built in parts.

    ``data_as_of`` rebuilds what was known at that moment: rows that were recorded later, and leads that came in
    later, are left out.
    """

    timezone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    observed_until: dt.datetime | None = None
    data_as_of: dt.datetime | None = None
    max_quarantined: float = Field(default=0.01, ge=0, le=1)
    memory_limit: Size = Field(default=1_500_000_000, validate_default=False)
    missing: list[str] = list(MISSING_WORDS)
    leads: Leads | None = None
    events: Events | None = None
    outcomes: Outcomes | None = None
    history: Table | None = None
    merges: Merges | None = None
    flat: Flat | None = None

    @field_validator("observed_until", "data_as_of", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> dt.datetime | None:
        return read_instant(value, info.data.get("timezone", "UTC"))

    @model_validator(mode="after")
    def _complete(self) -> Data:
        journeys = [self.leads, self.events, self.outcomes, self.history, self.merges]
        if self.flat is not None:
            if any(table is not None for table in journeys):
                raise InvalidValueError(
                    "'flat' replaces leads, events, outcomes and history; remove one or the other"
                )
            if self.data_as_of is not None:
                raise InvalidValueError(
                    "'data_as_of' needs times of recording, and a flat table has none; remove it"
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
        if self.data_as_of is not None and self.observed_until > self.data_as_of:
            raise InvalidValueError(
                "'observed_until' must not come after 'data_as_of': outcomes cannot have been complete up to a "
                f"moment that was still to come; set it to {self.data_as_of.isoformat()} or earlier"
            )
        return self

    @property
    def event_tables(self) -> tuple[tuple[str, Table], ...]:
        """The tables of events, each with its place in the config."""
        if isinstance(self.events, list):
            return tuple((f"data.events[{number}]", table) for number, table in enumerate(self.events))
        return () if self.events is None else (("data.events", self.events),)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times that are written without an offset."""
        return ZoneInfo(self.timezone)
