"""The ``problem`` section: what is predicted, for which leads, at which moments."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mqlml.config.values import Duration, InvalidValueError, Name, OutcomeWord, Reason, Section, read_instant
from mqlml.times import DAY, format_duration

__all__ = ["MailDomains", "Problem", "Profile", "Snapshots", "TitleWords"]


class MailDomains(Section):
    """Domains to be told apart otherwise than the lists that come with mqlml do; subdomains follow."""

    free: list[str] = []
    corporate: list[str] = []
    disposable: list[str] = []


class TitleWords(Section):
    """Words or phrases of job titles, and the seniority or function that they mean."""

    what: Literal["seniority", "function"]
    value: Name
    words: list[str] = Field(min_length=1)


class Profile(Section):
    """Which lead attributes may become features.

    ``static`` names columns known at creation that never change, or ``auto``: all that the leakage audit does
    not refuse. ``force`` overrules the audit for a column, by name and with a reason that goes into the version.
    ``email``, ``job_title``, ``company_size`` and ``phone`` name the columns to be parsed, where they are not
    called that. ``mail_domains`` and ``job_titles`` (rows, or a CSV file of them) come before the lists and the
    table of mqlml; ``size_bands`` are the last numbers of employees in each band, ascending.
    """

    static: list[str] | Literal["auto"] = "auto"
    history: list[str] = []
    force: dict[str, Reason] = {}
    email: str | None = None
    job_title: str | None = None
    company_size: str | None = None
    phone: str | None = None
    mail_domains: MailDomains = MailDomains()
    job_titles: list[TitleWords] | str = []
    size_bands: list[float] = Field(default=[10, 50, 200, 500, 1000, 5000, 10000], min_length=1)

    @field_validator("size_bands")
    @classmethod
    def _ascending(cls, value: list[float]) -> list[float]:
        if value[0] <= 0 or any(low >= high for low, high in pairwise(value)):
            raise InvalidValueError("must be ascending numbers of employees above 0")
        return value

    @field_validator("static", mode="before")
    @classmethod
    def _list_or_auto(cls, value: object) -> object:
        if value != "auto" and not isinstance(value, list):
            raise InvalidValueError("must be 'auto' or a list of columns")
        return value


class Snapshots(Section):
    """When snapshots are taken: at fixed ages after creation, or on a calendar grid.

    ``from`` and ``until`` are in the config's zone, ``data.timezone``, where they name none.
    """

    ages: list[Duration] | None = None
    every: Duration | None = None
    from_: dt.datetime | None = Field(default=None, alias="from")
    until: dt.datetime | None = None

    @field_validator("from_", "until", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> dt.datetime | None:
        return read_instant(value, (info.context or {}).get("zone", "UTC"))

    @model_validator(mode="after")
    def _one_policy(self) -> Snapshots:
        if (self.ages is None) == (self.every is None):
            raise InvalidValueError("needs exactly one of 'ages' (as [0d, 7d]) and 'every' (as 7d)")
        if self.ages is not None and (not self.ages or len(set(self.ages)) < len(self.ages)):
            raise InvalidValueError("'ages' must name at least one age, each once")
        if self.every is not None and self.every <= 0:
            raise InvalidValueError("'every' must be longer than 0d")
        if self.every is None and (self.from_ or self.until):
            raise InvalidValueError("'from' and 'until' go with 'every'")
        if self.from_ and self.until and self.from_ >= self.until:
            raise InvalidValueError("'from' must be before 'until'")
        return self


_LEAST_LIMIT = 7 * DAY


def _default_limits(ages: list[int]) -> tuple[str, str]:
    """Hardly beyond the ages that are learned from: twice a single one, or a step more than the last of several."""
    ages = sorted(ages)
    limit = ages[-1] + max((later - earlier for earlier, later in pairwise(ages)), default=ages[-1])
    return "0d", format_duration(max(limit, _LEAST_LIMIT if len(ages) == 1 else 0))


class Problem(Section):
    """What is predicted: which stage, how far ahead, from which snapshots, for leads of which age.

    ``holdout`` is the share of mature cutoffs, the latest ones, that no choice is made on. ``age_limits`` are
    required with ``snapshots.every``; otherwise they end hardly beyond the ages that are learned from: at twice a
    single age, at least 7 days, or at the last of several plus the longest step between two.
    """

    outcome: OutcomeWord = "closed_won"
    horizon: Duration = Field(default=60 * DAY, gt=0)
    gap: Duration = Field(default=0, ge=0)
    snapshots: Snapshots = Snapshots.model_validate({"ages": ["0d", "7d", "30d"]})
    age_limits: tuple[Duration, Duration] = Field(default=None, validate_default=True)
    holdout: float = Field(default=0.3, gt=0, lt=1)

    @field_validator("age_limits", mode="before")
    @classmethod
    def _limited(cls, value: object, info: ValidationInfo) -> object:
        if value is not None:
            return value
        snapshots: Snapshots | None = info.data.get("snapshots")
        if snapshots is None or snapshots.ages is None:
            if snapshots is not None:
                raise InvalidValueError(
                    "is needed with 'snapshots.every': the ages of the leads that are learned from and scored",
                    remedy="write [0d, 90d], say",
                )
            return "0d", "0d"  # the snapshots are wrong, which is told already
        return _default_limits(snapshots.ages)

    @field_validator("age_limits")
    @classmethod
    def _ordered(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise InvalidValueError("the first of 'age_limits' must not be above the second")
        return value
