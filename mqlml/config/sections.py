"""The config: all sections of ``mqlml.yml`` in one frozen object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mqlml.config.features import Condition, Features
from mqlml.config.labels import Gate, LabelRule, Labels, Rules
from mqlml.config.problem import Problem, Profile
from mqlml.config.tables import Data, Spend
from mqlml.config.values import Duration, InvalidValueError, Name, Section, Tune, Window, check_windows
from mqlml.errors import ConfigError
from mqlml.times import DAY

__all__ = ["Config", "JourneyRules", "Monitoring", "PromotionRule", "Tracking"]


class JourneyRules(Section):
    """What is done with events that machines made: ``drop`` them, ``flag`` them as an action of their own, or
    ``keep`` them as they are."""

    bots: Literal["drop", "flag", "keep"] = "drop"


class Tracking(Section):
    """Where versions are kept: any MLflow tracking URI."""

    uri: str = "sqlite:///models/mlflow.db"
    lock_timeout: float = Field(default=600, ge=0)
    """Seconds that registering waits for another process that registers in the same embedded store."""


class PromotionRule(Section):
    """When a challenger replaces the champion, and what is told of it.

    A command in ``notify`` runs after every change of the champion, with the change as JSON on its standard input.
    """

    alpha: float = Field(default=0.05, gt=0, le=0.5)
    """How probable it may be, at most, that a challenger that is not better is promoted, however often one looks."""
    min_conversions: int = Field(default=20, ge=1)
    max_changed: float | None = Field(default=None, ge=0, le=1)
    """Which share of the open leads may get another label, at most."""
    notify: str | None = Field(default=None, min_length=1)


class Monitoring(Section):
    """When `mqlml monitor` raises an alarm.

    ``tolerance``: odds of converting within this share of the predicted ones are fine. ``alarm``: the evidence that
    raises it; while all is fine, it is ever reached with a probability of at most one in this many, and that of a
    recent break takes 13 times as many weekly runs or more, on average. ``soon``: a lead that sales rejects or
    loses within this time was handed over too early.
    """

    tolerance: float = Field(default=0.15, ge=0, le=1)
    alarm: float = Field(default=20, gt=1)
    soon: Duration = Field(default=14 * DAY, gt=0)


_DEFAULT_LABELS = {
    "mql": LabelRule(policy="min_recall", value=0.6),
    "sql": LabelRule(policy="min_recall", value=0.25),
}


class Config(Section):
    """All of ``mqlml.yml``. ``folder`` is where it stands; ``written`` is what it says, ``${NAME}`` as such.

    ``slices`` names columns of the leads, or features, by whose values the model is evaluated group by group.

    Examples
    --------
    >>> config = Config(
    ...     name="leads",
    ...     data={
    ...         "observed_until": "2025-06-30",
    ...         "leads": {"path": "leads.csv"},
    ...         "outcomes": {"path": "deals.csv"},
    ...     },
    ...     labels={"mql": {"policy": "fixed", "value": 0.1}},
    ... )
    >>> config.data.observed_until.isoformat(), config.labels["mql"].value
    ('2025-06-30T00:00:00+00:00', 0.1)
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    data: Data
    journeys: JourneyRules = JourneyRules()
    problem: Problem = Problem()
    profile: Profile = Profile()
    personas: dict[Name, Annotated[dict[str, Condition], Field(min_length=1)]] = {}
    features: Features = Features()
    windows: list[Window] = [7 * DAY, 30 * DAY, 90 * DAY, "all"]
    labels: Labels = _DEFAULT_LABELS
    rules: Rules = Rules()
    gate: Gate = Gate()
    slices: list[str] | Literal["auto"] = "auto"
    tune: Tune = "none"
    monitoring: Monitoring = Monitoring()
    tracking: Tracking = Tracking()
    promotion: PromotionRule = PromotionRule()
    spend: Spend | None = None
    folder: Path = Field(default=Path("."), exclude=True)
    written: dict[str, Any] = Field(default={}, exclude=True, repr=False)

    @field_validator("windows")
    @classmethod
    def _windows(cls, value: list[Window]) -> list[Window]:
        return check_windows(value)

    @model_validator(mode="after")
    def _promotions(self) -> Config:
        for number, rule in enumerate(self.rules.promote):
            if rule.to not in self.labels:
                raise InvalidValueError(
                    f"must be one of the labels, {', '.join(self.labels)}",
                    place=("rules", "promote", number, "to"),
                    found=rule.to,
                )
        return self

    def path(self, text: str) -> Path:
        """A path of the config as one that can be opened: relative ones start at the config's folder.

        Raises
        ------
        ConfigError
            If it begins with a user this machine does not know.
        """
        try:
            return self.folder / Path(text).expanduser()
        except RuntimeError as error:
            raise ConfigError(f"the path {text!r} cannot be found: {error}; write it out") from None
