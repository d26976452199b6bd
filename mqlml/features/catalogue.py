"""The catalogue: what a feature is called, which family it belongs to, and the sentence a marketer reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from mqlml.times import DAY, HOUR, format_duration

__all__ = [
    "FAMILIES",
    "Family",
    "Feature",
    "Window",
    "feature_name",
    "name_parts",
    "over_windows",
    "say_acts",
    "say_length",
    "say_window",
    "say_word",
    "window_part",
]

Window = int | Literal["all"]
"""A lookback window: microseconds, or everything before the cutoff."""

Family = Literal["profile", "channel", "actions", "undesirables"]
FAMILIES: tuple[Family, ...] = ("profile", "channel", "actions", "undesirables")

_OTHER = re.compile(r"[\W_]+")
_PLAIN_NOUN = re.compile(r"[a-z ]*[a-z](?<!ed)(?<!ing)(?<!s)(?<!sent)")


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


def name_parts(words: Sequence[str], *, reserved: Collection[str] = ()) -> dict[str, str]:
    """The part of a feature name for each word; words that come to the same part are told apart by a number.

    ``reserved`` parts are mqlml's own (``any``, ``other``); a word that comes to one of them gets a number too.

    >>> name_parts(["Pricing page", "pricing-page", "Any"], reserved=["any"])
    {'Pricing page': 'pricing_page', 'pricing-page': 'pricing_page_2', 'Any': 'any_2'}
    """
    parts: dict[str, str] = {}
    taken: set[str] = set(reserved)
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
    return "__".join([family, what, aggregate] + ([_part(window)] if window else []))


def window_part(window: Window) -> str:
    """A window as the catalogue writes it: ``"7d"``, ``"12h"`` or ``"all"``."""
    return window if isinstance(window, str) else format_duration(window)


def over_windows(
    family: Family,
    windows: Sequence[Window],
    what: str,
    aggregate: str,
    said: str,
    *,
    source: tuple[str, ...],
    words: tuple[str, ...] = (),
) -> list[Feature]:
    """One number feature for each window; ``said`` is followed by the window in words."""
    return [
        Feature(
            name=feature_name(family, what, aggregate, window_part(window)),
            family=family,
            sentence=f"{said} {say_window(window)}",
            window=window_part(window),
            source=source,
            words=words,
        )
        for window in windows
    ]


def _size_and_unit(length: int) -> tuple[float, str]:
    return (length / DAY, "day") if length % DAY == 0 else (length / HOUR, "hour")


def say_length(length: int) -> str:
    """A length of time in words: ``"7 days"``, ``"an hour"``."""
    size, unit = _size_and_unit(length)
    return {"day": "a day", "hour": "an hour"}[unit] if size == 1 else f"{size:g} {unit}s"


def say_window(window: Window) -> str:
    """A window in words.

    >>> say_window(7 * DAY), say_window("all")
    ('in the last 7 days', 'so far')
    """
    if isinstance(window, str):
        return "so far"
    size, unit = _size_and_unit(window)
    return f"in the last {unit}" if size == 1 else f"in the last {size:g} {unit}s"


def say_word(word: str) -> str:
    """One of the source's words as people write it: ``demo_request`` is ``demo request``."""
    return " ".join(_OTHER.sub(" ", word).split()) or "blank"


def say_acts(word: str) -> str:
    """The start of a sentence that counts acts: in the plural where the word is plainly a noun, else quoted.

    >>> say_acts("demo_request"), say_acts("reply"), say_acts("webinar_attended")
    ('Demo requests', 'Replies', 'Times “webinar attended”')
    """
    said = say_word(word)
    if not _PLAIN_NOUN.fullmatch(said[:1].lower() + said[1:]):
        return f"Times “{said}”"
    if said.endswith("y") and said[-2:-1] not in "aeiou":
        said = f"{said[:-1]}ies"
    elif said.endswith(("ch", "sh", "x", "z")):
        said = f"{said}es"
    else:
        said = f"{said}s"
    return said[:1].upper() + said[1:]
