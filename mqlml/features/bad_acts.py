"""Which acts speak against a lead: a word of the events table goes in, yes or no comes out."""

from __future__ import annotations

import re

__all__ = ["is_undesirable"]

_PATTERNS = (
    r"unsubscri\w*|opt(ed)? out|optout|abmeld\w*|desinscri\w*",  # wants no more mail
    r"(hard |soft )?bounc\w*|undeliver\w*|invalid (e )?mail",  # cannot be reached
    r"complain\w*|spam\w*|abuse\w*|mark(ed)? as junk",  # objects to being written to
    r"careers?|jobs|vacanc\w*|hiring|karriere|job (page|board|application|offer|posting)\w*",  # wants a job
    r"no shows?|noshow\w*|miss(ed)? (the )?(meeting|call|demo|webinar|appointment)",  # did not turn up
    r"(do )?not (contact|call|e ?mail)|dnc|block(ed)? sender",
    r"not interested|reject\w* (call|meeting|demo)|declin\w* (call|meeting|demo)",
)
"""Each pattern matches whole words of an action, in lower case, with every run of other characters a space."""

_MATCH = re.compile(r"\b(" + "|".join(_PATTERNS) + r")\b")
_OTHER = re.compile(r"[\W_]+")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def is_undesirable(action: str, listed: tuple[str, ...] | None) -> bool:
    """Whether an action counts as undesirable: one of ``listed``, or without a list, one the patterns know.

    >>> is_undesirable("Careers_Page_Visit", None), is_undesirable("emailUnsubscribed", None)
    (True, True)
    >>> is_undesirable("demo_request", None), is_undesirable("demo_request", ("demo_request",))
    (False, True)
    """
    if listed is not None:
        return action in listed
    return _MATCH.search(_OTHER.sub(" ", _HUMPS.sub(" ", action)).lower()) is not None
