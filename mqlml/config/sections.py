"""The sections of the config: what each key is called, what it may hold, and what it is when left out."""

from __future__ import annotations

import datetime as dt
import difflib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mqlml.errors import ConfigError
from mqlml.timeutil import DAY, HOUR, format_duration, parse_duration, parse_instant

__all__ = [
    "STAGES",
    "TERMINAL_STAGES",
    "ColumnFormat",
    "Condition",
    "Config",
    "Data",
    "Features",
    "Flat",
    "Gate",
    "LabelRule",
    "Outcomes",
    "Problem",
    "Profile",
    "Rules",
    "Snapshots",
    "Stage",
    "Table",
]

Stage = Literal["mql", "sql", "opportunity", "closed_won", "closed_lost", "disqualified"]
STAGES: tuple[Stage, ...] = ("mql", "sql", "opportunity", "closed_won", "closed_lost", "disqualified")
TERMINAL_STAGES: tuple[Stage, ...] = ("closed_won", "closed_lost", "disqualified")


def _duration(value: object) -> int:
    try:
        return parse_duration(value)  # a bare number has no unit and is refused with the text's own message
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _window(value: object) -> object:
    return value if value == "all" else _duration(value)


def _instant(value: object, zone: str) -> dt.datetime | None:
    try:
        return None if value is None else parse_instant(value, zone)
    except ConfigError as error:
        raise ValueError(str(error)) from None


Duration = Annotated[
    int, BeforeValidator(_duration), PlainSerializer(format_duration, return_type=str, when_used="json")
]
"""A length of time: ``"60d"`` in the file, whole microseconds in the object."""

Window = Annotated[
    int | Literal["all"],
    BeforeValidator(_window),
    PlainSerializer(
        lambda value: value if value == "all" else format_duration(value), return_type=str, when_used="json"
    ),
]
"""A lookback window: a length of time, or ``"all"`` for everything before the cutoff."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnFormat(_Section):
    """A column whose values need a hint to be read: a ``strftime`` format, or the unit of an epoch number."""

    column: str
    format: str | None = None
    unit: Literal["d", "s", "ms", "us"] | None = None


def _spelling(value: object) -> str:
    if isinstance(value, list):
        return "<several>"
    return "<hinted>" if isinstance(value, dict | ColumnFormat) else "<name>"


Column = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[ColumnFormat, Tag("<hinted>")], Discriminator(_spelling)
]
"""A column of the source: its name, or its name with a hint how to read it."""

Order = Annotated[
    Annotated[str, Tag("<name>")]
    | Annotated[ColumnFormat, Tag("<hinted>")]
    | Annotated[list[str], Tag("<several>")],
    Discriminator(_spelling),
]
"""What stands for time in a flat table: a column, or several that sort one after another."""


class Table(_Section):
    """Where one of the four tables comes from and what its columns are called there.

    ``path`` is a CSV or Parquet file, a folder or a glob; ``sql`` is a query, sent to the database at ``url``
    or, without one, run by DuckDB in the config's folder (so it can read files next to it).
    """

    path: str | None = None
    sql: str | None = None
    url: str | None = None
    columns: dict[str, Column] = {}
    delimiter: str | None = None
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _one_source(self) -> Table:
        if (self.path is None) == (self.sql is None):
            raise ValueError("needs exactly one of 'path' and 'sql'")
        if self.url is not None and self.sql is None:
            raise ValueError("'url' goes with 'sql', not with 'path'")
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

    stage: Stage | None = None
    stages: dict[str, Stage] = {}


class Flat(_Section):
    """One row per lead with a label: snapshots already made, in an order that stands for time.

    ``families`` files columns under a family other than Profile, for the report.
    """

    path: str | None = None
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
            raise ValueError("needs exactly one of 'path' and 'sql'")
        return self


def _known_zone(name: str) -> str:
    zones = available_timezones()
    if name not in zones:
        # Not the abbreviations: the nearest to CEST is EST, on another continent.
        places = [zone for zone in sorted(zones) if "/" in zone]
        near = difflib.get_close_matches(name, places, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "name a place, as Europe/Berlin, or UTC"
        raise ValueError(f"unknown time zone {name!r}; {hint}")
    return name


class Data(_Section):
    """What the user brings: leads, events and outcomes (and history), or one flat table."""

    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    observed_until: dt.datetime | None = None
    max_quarantined: float = Field(default=0.01, ge=0, le=1)
    leads: Table | None = None
    events: Table | None = None
    outcomes: Outcomes | None = None
    history: Table | None = None
    flat: Flat | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("observed_until") is not None:
            zone = _known_zone(str(values.get("timezone", "UTC")))
            try:
                values = {**values, "observed_until": parse_instant(values["observed_until"], zone)}
            except ConfigError as error:
                raise ValueError(f"'observed_until': {error}") from None
        return values

    @model_validator(mode="after")
    def _complete(self) -> Data:
        journeys = [self.leads, self.events, self.outcomes, self.history]
        if self.flat is not None:
            if any(table is not None for table in journeys):
                raise ValueError(
                    "'flat' replaces leads, events, outcomes and history; remove one or the other"
                )
            return self
        missing = [name for name in ("leads", "outcomes") if getattr(self, name) is None]
        if missing:
            raise ValueError(
                f"needs {' and '.join(repr(name) for name in missing)} (or 'flat', for one table)"
            )
        if self.observed_until is None:
            raise ValueError(
                "needs 'observed_until': the moment up to which outcomes are complete. It is never guessed from "
                "the data; a win that is not in the export yet must not be taken for a loss"
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times that are written without an offset."""
        return ZoneInfo(self.timezone)


class Snapshots(_Section):
    """When leads are looked at: at fixed ages after creation, or on a calendar grid.

    ``from`` and ``until`` are in the config's zone, ``data.timezone``, where they name none.
    """

    ages: list[Duration] | None = None
    every: Duration | None = None
    from_: dt.datetime | None = Field(default=None, alias="from")
    until: dt.datetime | None = None

    @field_validator("from_", "until", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> dt.datetime | None:
        return _instant(value, (info.context or {}).get("zone", "UTC"))

    @model_validator(mode="after")
    def _one_policy(self) -> Snapshots:
        if (self.ages is None) == (self.every is None):
            raise ValueError("needs exactly one of 'ages' (as [0d, 7d]) and 'every' (as 7d)")
        if self.ages is not None and (not self.ages or len(set(self.ages)) < len(self.ages)):
            raise ValueError("'ages' must name at least one age, each once")
        if self.every is not None and self.every <= 0:
            raise ValueError("'every' must be longer than 0d")
        if self.every is None and (self.from_ or self.until):
            raise ValueError("'from' and 'until' go with 'every'")
        if self.from_ and self.until and self.from_ >= self.until:
            raise ValueError("'from' must be before 'until'")
        return self


class Problem(_Section):
    """What is predicted: which stage, how far ahead, looked at when, for leads of which age.

    ``holdout`` is the share of mature cutoffs, the latest ones, that no choice is made on.
    """

    outcome: Stage = "closed_won"
    horizon: Duration = Field(default=60 * DAY, gt=0)
    gap: Duration = Field(default=0, ge=0)
    snapshots: Snapshots = Snapshots.model_validate({"ages": ["0d", "7d", "30d"]})
    age_limits: tuple[Duration, Duration] = (0, 365 * DAY)
    holdout: float = Field(default=0.3, gt=0, lt=1)

    @field_validator("age_limits")
    @classmethod
    def _ordered(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError("the first of 'age_limits' must not be above the second")
        return value


class Profile(_Section):
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


class Features(_Section):
    """How much of the journeys becomes features: the most frequent words are kept, the rest become one."""

    max_actions: int = Field(default=20, ge=1, le=500)
    max_channels: int = Field(default=8, ge=1, le=500)
    session_gap: Duration = Field(default=HOUR // 2, gt=0)
    undesirable_actions: list[str] | None = None


class LabelRule(_Section):
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


class Condition(_Section):
    """What one attribute must be for a rule to hold: in a list (or a file with one value a line), or not in it."""

    in_: list[str | int | float | bool] | str | None = Field(default=None, alias="in")
    not_in: list[str | int | float | bool] | str | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        if (self.in_ is None) == (self.not_in is None):
            raise ValueError("needs exactly one of 'in' and 'not_in'")
        return self


class Disqualify(_Section):
    """A person who can never be an MQL: every condition in ``when`` must hold. Their account is not touched."""

    when: dict[str, Condition] = Field(min_length=1)
    reason: str


class Rules(_Section):
    """What overrules the model."""

    disqualify: list[Disqualify] = []


class Gate(_Section):
    """What a new version must show before it is registered."""

    min_positives: int = Field(default=50, ge=10)


class Tracking(_Section):
    """Where versions are kept: any MLflow tracking URI."""

    uri: str = "sqlite:///models/mlflow.db"


_DEFAULT_LABELS: dict[Literal["mql", "sql"], LabelRule] = {
    "mql": LabelRule(policy="min_recall", value=0.6),
    "sql": LabelRule(policy="min_recall", value=0.25),
}


class Config(_Section):
    """All of ``mqlml.yml``. ``folder`` is where it stands; ``written`` is what it says, ``${NAME}`` as such."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    data: Data
    problem: Problem = Problem()
    profile: Profile = Profile()
    features: Features = Features()
    windows: list[Window] = [7 * DAY, 30 * DAY, 90 * DAY, "all"]
    labels: dict[Literal["mql", "sql"], LabelRule] = _DEFAULT_LABELS
    rules: Rules = Rules()
    gate: Gate = Gate()
    tracking: Tracking = Tracking()
    folder: Path = Field(default=Path("."), exclude=True)
    written: dict[str, Any] = Field(default={}, exclude=True, repr=False)

    @field_validator("windows")
    @classmethod
    def _windows(cls, value: list[int | str]) -> list[int | str]:
        lengths = [length for length in value if isinstance(length, int)]
        if not value or len(set(value)) < len(value) or lengths != sorted(lengths) or 0 in lengths:
            raise ValueError("'windows' are different lengths above 0d, shortest first, 'all' last")
        if "all" in value[:-1]:
            raise ValueError("'all' must be the last of 'windows'")
        return value

    @field_validator("labels")
    @classmethod
    def _labels(cls, value: dict[str, LabelRule]) -> dict[str, LabelRule]:
        if set(value) != {"mql", "sql"}:
            raise ValueError("needs both 'mql' and 'sql'")
        return {"mql": value["mql"], "sql": value["sql"]}

    def path(self, text: str) -> Path:
        """A path of the config as one that can be opened: relative ones start at the config's folder."""
        return self.folder / Path(text).expanduser()
