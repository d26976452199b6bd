"""Format one lead's value of a feature as text that a marketer understands.

The catalogue's sentence names the quantity ("Pricing page visits in the last 7 days"); here the value is put into it
("3 pricing page visits in the last 7 days"), by the feature's unit and the parts of its text. A user's own feature
has only its sentence, which the value follows: "share of voice: 37".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mqlml.features.catalogue import Feature
from mqlml.features.vocabulary import MISSING
from mqlml.features.wording import Compared, Counted, Flag, Last, Part, Share, Since, Times, lower_first
from mqlml.types import Floats

_LONGEST = 60
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
    return ValueText(f"{label} is {shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + '…'}")


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
