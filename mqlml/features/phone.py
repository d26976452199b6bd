"""Phone numbers: a number as people write it goes in; whether it can be one at all comes out."""

from __future__ import annotations

import re

__all__ = ["is_phone"]

_EXTENSION = re.compile(r"(ext|extension|x|durchwahl|dw|poste)\.?\s*\d{1,6}$", re.IGNORECASE)
_SHORTEST, _LONGEST = 7, 15
"""Digits: the longest by ITU-T E.164, country code included; the shortest in common use without an area code."""

_RUNS = ("01234567890123456789", "98765432109876543210")


def is_phone(text: str) -> bool:
    """Whether a text can be a phone number: enough digits, nothing else, and not one that nobody was given.

    >>> [is_phone(text) for text in ("+49 (0)30 901820", "555-0100 x12", "1111111111", "1234567890", "none")]
    [True, True, False, False, False]
    """
    number = _EXTENSION.sub("", text.strip())
    if re.search(r"[^\d\s()+./\-\u2010-\u2015]", number):
        return False
    digits = re.sub(r"\D", "", number)
    return (
        _SHORTEST <= len(digits) <= _LONGEST
        and len(set(digits)) > 1
        and not any(digits in run for run in _RUNS)
    )
