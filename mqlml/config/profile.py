"""The ``profile`` section: which attributes become features, and what they are parsed by."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator

from mqlml.config.values import Name, Reason, Section

__all__ = ["MailDomains", "Profile", "TitleWords"]


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
            raise ValueError("must be ascending numbers of employees above 0")
        return value

    @field_validator("static", mode="before")
    @classmethod
    def _list_or_auto(cls, value: object) -> object:
        if value != "auto" and not isinstance(value, list):
            raise ValueError("must be 'auto' or a list of columns")
        return value
