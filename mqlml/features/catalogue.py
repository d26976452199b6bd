"""The catalogue: what a feature is called, which family it belongs to, and the sentence a marketer reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["FAMILIES", "Family", "Feature", "feature_name", "name_parts"]

Family = Literal["profile", "channel", "actions", "undesirables"]
FAMILIES: tuple[Family, ...] = ("profile", "channel", "actions", "undesirables")

_OTHER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Feature:
    """One column of the training table.

    Attributes
    ----------
    name : str
        ``family__what__aggregate__window``; the window is left out where it does not apply.
    family : str
    sentence : str
        What it says, in a marketer's words, without a full stop: "Visits to the pricing page in the last 7 days".
    kind : {"number", "category"}
        ``float32`` with NaN for missing, or ``str`` with missing values.
    window : str or None
        ``"7d"``, ``"all"``, or None.
    source : tuple of str
        The columns it is made from, as ``events.action`` or ``leads.country``.
    words : tuple of str
        The source's own words behind the name's parts (``"A_SUBMITTED complete"``), where they differ from it.
    """

    name: str
    family: Family
    sentence: str
    kind: Literal["number", "category"] = "number"
    window: str | None = None
    source: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def _part(word: str) -> str:
    """Lower case, every run of characters other than letters and digits one underscore, none at the ends."""
    return _OTHER.sub("_", word.lower()).strip("_") or "blank"


def name_parts(words: list[str]) -> dict[str, str]:
    """The part of a feature name for each word; words that come to the same part are told apart by a number.

    >>> name_parts(["Pricing page", "pricing-page", "demo"])
    {'Pricing page': 'pricing_page', 'pricing-page': 'pricing_page_2', 'demo': 'demo'}
    """
    parts: dict[str, str] = {}
    taken: set[str] = set()
    for word in words:
        part = base = _part(word)
        number = 1
        while part in taken:
            number += 1
            part = f"{base}_{number}"
        taken.add(part)
        parts[word] = part
    return parts


def feature_name(family: Family, what: str, aggregate: str, window: str | None = None) -> str:
    """``family__what__aggregate__window`` from parts that are already in name form."""
    return "__".join([family, what, aggregate] + ([window] if window else []))
