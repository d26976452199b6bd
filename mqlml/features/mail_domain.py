"""Mail domains: an address or a domain goes in; whether it is a free mailbox or a company's own comes out."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

__all__ = ["MailKind", "mail_kind"]

MailKind = Literal["free", "corporate", "missing"]

_DOMAIN = re.compile(r"(?:[^@\s]+@)?((?:[\w-]+\.)+[^\W\d_]{2,})\.?")


@cache
def _free_domains() -> frozenset[str]:
    return frozenset(files("mqlml.features").joinpath("free_mail.txt").read_text(encoding="utf-8").split())


def mail_kind(text: str | None) -> MailKind:
    """``free`` for a well-known public mailbox, ``corporate`` for any other domain, ``missing`` for neither.

    The list of free providers is ``free_mail.txt`` beside this module; subdomains count as their provider.

    >>> mail_kind("ann@GMail.com"), mail_kind("acme.example"), mail_kind("n/a")
    ('free', 'corporate', 'missing')
    """
    match = _DOMAIN.fullmatch((text or "").strip().strip("<>"))
    if match is None:
        return "missing"
    parts = match[1].lower().split(".")
    # "mail.yahoo.com" is yahoo.com's; a bare top-level domain is nobody's
    ends = (".".join(parts[i:]) for i in range(len(parts) - 1))
    return "free" if any(end in _free_domains() for end in ends) else "corporate"
