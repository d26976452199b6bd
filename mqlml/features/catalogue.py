"""The catalogue: what each feature is, from which its name, its sentence and the text of its values are made."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mqlml.config import NumberUnit
from mqlml.features.vocabulary import MISSING
from mqlml.features.wording import Compared, Counted, Flag, Last, Part, Share, Since, Text, Times, lower_first
from mqlml.times import DAY, HOUR, format_duration
from mqlml.types import Floats

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


_LONGEST_SHOWN = 60
_TIMES = {1: "once", 2: "twice"}


@dataclass(frozen=True)
class ValueText:
    """One value as text; ``label`` and ``value`` where the text is "label: value"."""

    text: str
    label: str | None = None
    value: str | None = None


def round_values(feature: Feature, values: npt.ArrayLike) -> Floats:
    """Numbers as texts show them: whole days that have passed, whole percent of a share, else three digits.

    Values that are rounded to the same have the same text, and there are far fewer of them.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if feature.unit in ("days", "age"):
        return np.floor(numbers)
    if feature.unit == "share":
        return np.round(numbers, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.floor(np.log10(np.abs(numbers)))
    unit = 10.0 ** np.where(np.isfinite(size), np.minimum(size - 2, 0), 0)
    rounded: Floats = np.round(numbers / unit) * unit
    return rounded


def format_value(feature: Feature, value: float | str | None, *, speaks_for: bool) -> str:
    """One lead's value as text.

    Parameters
    ----------
    feature : Feature
    value : float (NaN for missing), or for a category str or None
    speaks_for : bool
        Whether it raises the lead's probability: the last demo was then "41 days ago", else "no demo for 41 days".

    Examples
    --------
    >>> visits = Feature("actions", "visit", "count", Counted("page visit", "page visits"), window_text=" so far")
    >>> format_value(visits, 3.0, speaks_for=True), format_value(visits, 0.0, speaks_for=False)
    ('3 page visits so far', 'no page visits so far')
    """
    return describe_value(feature, value, speaks_for=speaks_for).text


def describe_value(feature: Feature, value: float | str | None, *, speaks_for: bool) -> ValueText:
    """As `format_value`, with the value apart where it follows a label."""
    text = feature.text
    label = lower_first(text.label) + ("" if text.aside else feature.window_text)
    if feature.kind == "category":
        return _category(feature, label, value)
    number = float("nan") if value is None else float(value)
    number = float(round_values(feature, number))
    if isinstance(text, Last):
        return ValueText(_last(text, number, speaks_for))
    if isinstance(text, Since):
        return (
            ValueText(f"{text.what} {_ago(number)}") if number == number else _labelled(text.what, "not yet")
        )
    if isinstance(text, Flag):
        return _flag(label, number)
    if np.isnan(number):
        return _nothing(feature, label)
    if isinstance(text, Share):
        whole = f"{text.of}{text.aside}{feature.window_text}"
        return ValueText(f"{_measure(number, 'share')} of {whole}" if number else f"no {whole}")
    if isinstance(text, Part):
        return ValueText(f"{_measure(number, 'share')} of {text.whole} {text.holds}")
    if isinstance(text, Compared):
        return ValueText(_compared(text, number))
    if isinstance(text, Times | Counted) and number >= 0 and number.is_integer():
        return _count(text, int(number), feature.window_text)
    return _labelled(label, _measure(number, feature.unit))


def _labelled(label: str, value: str) -> ValueText:
    return ValueText(f"{label}: {value}", label, value)


def _nothing(feature: Feature, label: str) -> ValueText:
    if feature.missing == "not_given":
        return ValueText(f"{label} not given")
    return _labelled(label, "not known" if feature.missing == "not_known" else "none yet")


def _category(feature: Feature, label: str, value: object) -> ValueText:
    if not isinstance(value, str) or value in ("", MISSING):
        return _nothing(feature, label)
    shown = " ".join(value.replace("_", " ").split())
    return ValueText(
        f"{label} is {shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 1] + '…'}"
    )


def _flag(fact: str, number: float) -> ValueText:
    if np.isnan(number):
        return _labelled(fact, "not known")
    return ValueText(fact) if number else _labelled(fact, "no")


def _last(text: Last, number: float, speaks_for: bool) -> str:
    if np.isnan(number):
        return f"no {text.what} so far"
    if number >= 1 and not speaks_for:
        return f"no {text.what} for {_some(number, 'day')}"
    return f"last {text.what} {_ago(number)}"


def _compared(text: Compared, number: float) -> str:
    much = "as many" if number == 0 else "more" if number > 0 else "fewer"
    return f"{much} {text.what} {text.lately} {'as' if number == 0 else 'than'} {text.before}"


def _count(text: Times | Counted, number: int, window: str) -> ValueText:
    if isinstance(text, Times):
        if number == 0:
            return _labelled(text.what, f"not once{window}")
        return ValueText(f"{text.what} {_TIMES.get(number, f'{number:,} times')}{window}")
    if number == 0:
        return ValueText(f"no {text.many}{window}")
    kind = "different " if text.different else ""
    return ValueText(f"{number:,} {kind}{text.one if number == 1 else text.many}{window}")


def _measure(number: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "share":
        return f"{100 * number:.0f}%"
    if unit in ("days", "age"):
        return _some(number, "day")
    if unit == "hours":
        return _some(number, "hour")
    if unit == "flag" and number in (0, 1):
        return "yes" if number else "no"
    return _number(number)


def _some(number: float, unit: str) -> str:
    return f"{_number(number)} {unit}" + ("" if number == 1 else "s")


def _ago(number: float) -> str:
    return "less than a day ago" if number < 1 else f"{_some(number, 'day')} ago"


def _number(number: float) -> str:
    if abs(number) >= 1000 or number.is_integer():
        return f"{number:,.0f}".replace("-", "−")
    return f"{number:.3g}".replace("-", "−")
