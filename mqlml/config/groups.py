"""The switches of the features: which groups are made, and which ordered pairs of acts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from mqlml.config.values import Section

__all__ = ["Groups", "Pair"]


class Groups(Section):
    """Which groups of features are made, each switched by its name as ``{pairs: on, usual: off}``.

    ``all`` switches on every one. Those on by default were no burden on small data when measured.

    Profile: ``parsed`` (kind of mail address, seniority, function, size band), ``completeness``, ``age``. The
    attributes themselves are chosen by ``profile.static`` and ``profile.history``, personas by ``personas``.

    Undesirables: ``unwelcome`` (acts and channels), ``silence``, ``flags`` (undesirable profiles).

    Channel: ``touches`` (first, last, how many different), ``channels`` (count and share of each), ``switches``,
    ``paid`` (paid or organic), ``breadth`` (campaigns and channels within a set period).

    Actions: ``counts`` (count and days since of each), ``action_days`` (distinct days of each), ``action_values``
    (sum and mean of each), ``totals`` (all acts together), ``usual`` (values against what is usual for such acts),
    ``decay`` (acts that fade with a half-life), ``visits`` (returns, time on site, acts a visit), ``rhythm`` (longest
    silence, regular hours and weekdays), ``intent`` (high-intent acts), ``proactive`` (acts the lead began),
    ``content`` (different contents, downloads), ``pairs`` (one act before another), ``account`` (what the account's
    other leads did; ``auto`` from some thousand accounts with several leads on).
    """

    parsed: bool = True
    completeness: bool = True
    age: bool = True
    unwelcome: bool = True
    silence: bool = True
    flags: bool = True
    touches: bool = True
    channels: bool = True
    switches: bool = True
    paid: bool = False
    breadth: bool = True
    counts: bool = True
    action_days: bool = False
    action_values: bool = False
    totals: bool = True
    usual: bool = True
    decay: bool = False
    visits: bool = False
    rhythm: bool = False
    intent: bool = False
    proactive: bool = False
    content: bool = False
    pairs: bool = False
    account: Literal["auto", True, False] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _all(cls, value: Any) -> Any:
        return dict.fromkeys(cls.model_fields, True) if value == "all" else value


class Pair(Section):
    """An ordered pair of acts: at least ``at_least`` acts of ``first`` came before an act of ``then``."""

    first: str
    then: str
    at_least: int = Field(default=1, ge=1, le=10_000)
