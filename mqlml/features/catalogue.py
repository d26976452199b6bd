"""The catalogue: what each feature is, as parts that its name and the sentence for marketers are made from."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from mqlml.config import NumberUnit
from mqlml.features.wording import Text
from mqlml.times import DAY, HOUR, format_duration

Window = int | Literal["all"]
"""A lookback window: microseconds, or everything before the cutoff."""

Family = Literal["profile", "channel", "actions", "undesirables"]
FAMILIES: tuple[Family, ...] = ("profile", "channel", "actions", "undesirables")

Unit = NumberUnit | Literal["category"]
"""What a value is measured in; a category is text, everything else a number."""

Asks = Literal["presence", "amount"]
"""Whether a feature says that something is there at all, or how much, how long, which."""

Missing = Literal["none_yet", "not_given", "not_known"]
"""What a missing value means: nothing has happened so far, nobody filled it in, or nothing is known."""

_OTHER = re.compile(r"[\W_]+")


class Signal(NamedTuple):
    """One thing that is counted or known, with all its windows and aggregates together."""

    family: Family
    what: str


_ITS_OWN = Signal("profile", "")


@dataclass(frozen=True)
class Feature:
    """One column of the training table.

    Attributes
    ----------
    family : str
    what : str
        What is counted or known, in name form: ``demo_request``.
    aggregate : str
        What of it: ``count``, ``days_since``, ``value``.
    text : Text
        The parts of its sentences.
    unit : str
    asks : {"presence", "amount"}
        ``presence`` where any value above 0 means that something of its own was done or holds.
    window : str or None
        ``"7d"``, ``"all"``, or None where it does not apply.
    window_text : str
        The window as text that follows the sentence.
    missing : {"none_yet", "not_given", "not_known"}
    source : tuple of str
        The columns it is made from, as ``events.action`` or ``leads.country``.
    words : tuple of str
        The source's own words behind the name's parts (``"A_SUBMITTED complete"``), where they differ from it.
    signal : Signal
        The thing that it is about; left out, its own family and ``what``.
    """

    family: Family
    what: str
    aggregate: str
    text: Text
    unit: Unit = "number"
    asks: Asks = "amount"
    window: str | None = None
    window_text: str = ""
    missing: Missing = "none_yet"
    source: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    signal: Signal = _ITS_OWN

    def __post_init__(self) -> None:
        if self.signal == _ITS_OWN:
            object.__setattr__(self, "signal", Signal(self.family, self.what))

    @property
    def name(self) -> str:
        """``family__what__aggregate__window``; the window is left out where it does not apply."""
        return feature_name(self.family, self.what, self.aggregate, self.window)

    @property
    def sentence(self) -> str:
        """What it says to a marketer, without a full stop: "Page visits in the last 7 days"."""
        return self.text.heading + self.window_text

    @property
    def kind(self) -> Literal["number", "category"]:
        """``float32`` with NaN for missing, or ``str`` with missing values."""
        return "category" if self.unit == "category" else "number"


def name_part(word: str) -> str:
    """Lower case, every run of characters other than letters and digits one underscore, none at the ends."""
    return _OTHER.sub("_", word.lower()).strip("_") or "blank"


def name_parts(words: Sequence[str], *, reserved: Collection[str] = ()) -> dict[str, str]:
    """The part of a feature name for each word; a number sets apart words with the same part.

    ``reserved`` parts are mqlml's own (``any``, ``other``); a word with one of them gets a number too.

    >>> name_parts(["Pricing page", "pricing-page", "Any"], reserved=["any"])
    {'Pricing page': 'pricing_page', 'pricing-page': 'pricing_page_2', 'Any': 'any_2'}
    """
    parts: dict[str, str] = {}
    taken: set[str] = set(reserved)
    for word in words:
        part = base = name_part(word)
        number = 1
        while part in taken:
            number += 1
            part = f"{base}_{number}"
        taken.add(part)
        parts[word] = part
    return parts


def feature_name(family: Family, what: str, aggregate: str, window: str | None = None) -> str:
    """``family__what__aggregate__window`` from parts that are already in name form."""
    return "__".join([family, what, aggregate] + ([name_part(window)] if window else []))


def window_part(window: Window) -> str:
    """A window as the catalogue writes it: ``"7d"``, ``"12h"`` or ``"all"``."""
    return window if isinstance(window, str) else format_duration(window)


def over_windows(feature: Feature, windows: Sequence[Window]) -> tuple[Feature, ...]:
    """The feature in each window."""
    return tuple(
        replace(feature, window=window_part(window), window_text=f" {format_window(window)}")
        for window in windows
    )


def _size_and_unit(length: int) -> tuple[float, str]:
    return (length / DAY, "day") if length % DAY == 0 else (length / HOUR, "hour")


def format_length(length: int) -> str:
    """A length of time as text: ``"7 days"``, ``"an hour"``."""
    size, unit = _size_and_unit(length)
    return {"day": "a day", "hour": "an hour"}[unit] if size == 1 else f"{size:g} {unit}s"


def format_window(window: Window) -> str:
    """A window as text.

    >>> format_window(7 * DAY), format_window("all")
    ('in the last 7 days', 'so far')
    """
    if isinstance(window, str):
        return "so far"
    size, unit = _size_and_unit(window)
    return f"in the last {unit}" if size == 1 else f"in the last {size:g} {unit}s"
