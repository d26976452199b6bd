"""The config: text in ``mqlml.yml`` goes in, one validated, frozen `Config` comes out.

Relative paths are taken from the folder of the config file. ``${NAME}`` reads an environment variable and
``${NAME:-text}`` falls back to ``text``; a value read that way is never written to a log or a version.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from mqlml.errors import ConfigError
from mqlml.timeutil import DAY, HOUR, format_duration, parse_duration, parse_instant

__all__ = [
    "STAGES",
    "TERMINAL_STAGES",
    "Config",
    "Data",
    "Features",
    "Flat",
    "Gate",
    "LabelRule",
    "Problem",
    "Profile",
    "Rules",
    "Table",
    "read_config",
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


class Table(_Section):
    """Where one of the four tables comes from and what its columns are called there.

    ``path`` is a CSV or Parquet file, a folder or a glob; ``sql`` is a query, sent to the database at ``url``
    or, without one, run by DuckDB in the config's folder (so it can read files next to it).
    """

    path: str | None = None
    sql: str | None = None
    url: str | None = None
    columns: dict[str, str | ColumnFormat] = {}
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
    order: str | ColumnFormat | list[str]
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
    if name not in available_timezones():
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        raise ValueError(f"unknown time zone {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
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
            values = {**values, "observed_until": _instant(values["observed_until"], zone)}
        return values

    @model_validator(mode="after")
    def _complete(self) -> Data:
        journeys = [self.leads, self.events, self.outcomes, self.history]
        if self.flat is not None:
            if any(table is not None for table in journeys):
                raise ValueError("'flat' replaces leads, events, outcomes and history; remove one or the other")
            return self
        missing = [name for name in ("leads", "outcomes") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"needs {' and '.join(repr(name) for name in missing)} (or 'flat', for one table)")
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
    """When leads are looked at: at fixed ages after creation, or on a calendar grid."""

    ages: list[Duration] | None = None
    every: Duration | None = None
    from_: dt.datetime | None = Field(default=None, alias="from")
    until: dt.datetime | None = None

    @field_validator("from_", "until", mode="before")
    @classmethod
    def _read(cls, value: object) -> dt.datetime | None:
        return _instant(value, "UTC")

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
        given = set(self.model_fields_set) - {"policy"}
        if missing := sorted(needed - {name for name in given if getattr(self, name) is not None}):
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


_DEFAULT_LABELS = {
    "mql": LabelRule(policy="min_recall", value=0.6),
    "sql": LabelRule(policy="min_recall", value=0.25),
}


class Config(_Section):
    """All of ``mqlml.yml``. ``folder`` is where it stands; relative paths start there."""

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


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def _expand(value: Any, where: str) -> Any:
    """Environment variables put in, in every text of the parsed YAML (so no value can change its structure)."""
    if isinstance(value, dict):
        return {key: _expand(item, f"{where}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, where) for item in value]
    if not isinstance(value, str):
        return value

    def read(match: re.Match[str]) -> str:
        text = os.environ.get(match[1], match[2])
        if text is None:
            raise ConfigError(
                f"{where} reads the environment variable {match[1]}, which is not set; set it, or write "
                f"${{{match[1]}:-default}}"
            )
        return text

    return _VARIABLE.sub(read, value)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at ``location`` knows, by walking the models' annotations."""
    section: Any = Config
    for part in location:
        if isinstance(part, int) or not isinstance(section, type) or not issubclass(section, BaseModel):
            continue
        field = section.model_fields.get(str(part))
        if field is None:
            continue
        found: list[Any] = [field.annotation]
        section = None
        while found:
            kind = found.pop(0)
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                section = kind
                break
            found.extend(getattr(kind, "__args__", ()))
        if section is None:
            return []
    if not (isinstance(section, type) and issubclass(section, BaseModel)):
        return []
    return [field.alias or name for name, field in section.model_fields.items() if not field.exclude]


def _sentence(error: Any) -> str:
    location = tuple(error["loc"])
    where = ".".join(str(part) for part in location if not str(part).startswith(("literal[", "list[", "constrained")))
    if error["type"] == "extra_forbidden":
        key = str(location[-1])
        known = _known_keys(location[:-1])
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"{where}: unknown key {key!r}; {hint}"
    if error["type"] == "missing":
        return f"{where}: this key is required"
    message = str(error["msg"]).removeprefix("Value error, ")
    found = error["input"]
    shown = "" if isinstance(found, dict | list) or message.startswith("needs") else f"; found {found!r}"
    return f"{where}: {message[:1].lower()}{message[1:]}{shown}" if where else f"{message}{shown}"


def make_config(values: Any, *, folder: Path, where: str = "config") -> Config:
    """A `Config` from parsed YAML.

    Raises
    ------
    ConfigError
        If a key is missing or unknown, or a value is not what it must be.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must hold keys and values (name:, data:, problem: …); found {values!r}")
    try:
        return Config.model_validate({**_expand(values, ""), "folder": folder})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except ValidationError as error:
        sentences = list(dict.fromkeys(_sentence(item) for item in error.errors()))
        more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        raise ConfigError(f"{where}: {sentences[0]}{more}") from None


def read_config(path: str | Path) -> Config:
    """Read and check a config file.

    Parameters
    ----------
    path : path of a YAML file, usually ``mqlml.yml``.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or does not say what it must.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no config file {str(path)!r}; name one with --config, or make an example with 'mqlml demo'"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file {str(path)!r} cannot be read as UTF-8 text: {error}") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    return make_config(values, folder=path.parent, where=str(path))
