"""The sections that shape features: which attributes, words and lengths become columns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mqlml.config.values import Duration, Section
from mqlml.timeutil import HOUR

__all__ = ["Features", "Profile"]


class Profile(Section):
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


class Features(Section):
    """How much of the journeys becomes features: the most frequent words are kept, the rest become one."""

    max_actions: int = Field(default=20, ge=1, le=500)
    max_channels: int = Field(default=8, ge=1, le=500)
    session_gap: Duration = Field(default=HOUR // 2, gt=0)
    undesirable_actions: list[str] | None = None
