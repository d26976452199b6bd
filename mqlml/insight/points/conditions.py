"""Conditions that a CRM can check, one by one, made from the features of a training table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.features import Feature
from mqlml.features.catalogue import Signal, format_value
from mqlml.features.vocabulary import MISSING, OTHER
from mqlml.features.wording import Counted, Last, Named, Since, Times, upper_first
from mqlml.types import Floats, Mask

__all__ = ["Condition", "ConditionTable", "find_conditions", "hold"]

_COUNTS = (1, 2, 3, 5, 10, 20, 50)
_DAYS = (3, 7, 14, 30, 60, 90, 180)
_SHARES = (0.25, 0.5, 0.75, 0.9)

_TOTALS = (Signal("undesirables", "profile"), Signal("undesirables", "any"))
"""Sums of several conditions that a CRM has one by one."""

LEAST_SHARE = 0.01
LEAST_ROWS = 20
"""A condition is kept if as many rows meet it, and as many do not."""


@dataclass(frozen=True)
class Condition:
    """One question with the answer yes or no about what is known of a lead.

    Attributes
    ----------
    feature : str
        The column that it reads.
    signal : Signal
        What it is about.
    text : str
        As an administrator of a CRM enters it: "At least 1 demo request in the last 30 days".
    at_least : float
        The number from which it is met; NaN where it asks for a level.
    level : str or None
        The level of a category; the missing one is ``vocabulary.MISSING``.
    """

    feature: str
    signal: Signal
    text: str
    at_least: float = float("nan")
    level: str | None = None


@dataclass(frozen=True)
class ConditionTable:
    """Conditions with the rows that meet them, a column each."""

    conditions: tuple[Condition, ...]
    held: Mask


def find_conditions(features: Sequence[Feature], table: pd.DataFrame) -> ConditionTable:
    """Every condition that enough rows meet and enough do not, each set of rows once.

    Parameters
    ----------
    features : the catalogue of the table's columns.
    table : DataFrame of shape (n, features)
    """
    least = max(LEAST_ROWS, LEAST_SHARE * len(table))
    kept = [feature for feature in features if feature.signal not in _TOTALS]
    found: list[Condition] = []
    columns: list[Mask] = []
    seen: set[bytes] = set()
    for feature in kept:
        for condition in _ask(feature, table[feature.name]):
            met = hold(condition, table)
            number = int(met.sum())
            key = np.packbits(met).tobytes()
            if min(number, len(met) - number) >= least and key not in seen:
                seen.add(key)
                found.append(condition)
                columns.append(met)
    held = np.column_stack(columns) if columns else np.empty((len(table), 0), dtype=np.bool_)
    return ConditionTable(tuple(found), held)


def hold(condition: Condition, table: pd.DataFrame) -> Mask:
    """Which rows meet the condition; a missing number meets none."""
    column = table[condition.feature]
    if condition.level is None:
        return np.asarray(_numbers(column) >= condition.at_least, dtype=np.bool_)
    if condition.level == MISSING:
        return np.asarray(column.isna() | (column == MISSING), dtype=np.bool_)
    return np.asarray((column == condition.level).fillna(False), dtype=np.bool_)


def _numbers(column: pd.Series) -> Floats:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _ask(feature: Feature, column: pd.Series) -> Iterator[Condition]:
    """What can be asked of a feature; nothing of shares, ratios and means, which no CRM keeps."""
    if feature.kind == "category":
        for level in sorted(set(column.dropna()) - {OTHER, MISSING}):
            yield _level(feature, str(level))
        yield _level(feature, MISSING)
    elif feature.unit == "flag":
        yield _number(feature, 1, upper_first(feature.text.label))
    elif isinstance(feature.text, Counted | Times) and feature.unit == "count":
        for count in _COUNTS:
            yield _number(feature, count, _at_least(feature, count))
    elif isinstance(feature.text, Since) and feature.unit == "age":
        for days in _DAYS:
            yield _number(feature, days, f"{upper_first(feature.text.what)} {days} days ago or earlier")
    elif isinstance(feature.text, Last) and feature.signal.what == "silence":
        for days in _DAYS:
            text = upper_first(format_value(feature, days, speaks_for=False))
            yield _number(feature, days, f"{text} or more")
    elif isinstance(feature.text, Named) and feature.window is None and feature.unit in ("number", "amount"):
        name, numbers = upper_first(feature.text.label), _numbers(column)
        for number in _round_quantiles(numbers):
            everyone = number <= np.nanmin(numbers)  # all but those where it is missing
            yield _number(
                feature, number, f"{name} given" if everyone else f"{name}: {_shown(number)} or more"
            )


def _level(feature: Feature, level: str) -> Condition:
    text = format_value(feature, level, speaks_for=True)
    return Condition(feature.name, feature.signal, upper_first(text), level=level)


def _number(feature: Feature, number: float, text: str) -> Condition:
    return Condition(feature.name, feature.signal, text, at_least=float(number))


def _at_least(feature: Feature, number: int) -> str:
    if isinstance(feature.text, Times):
        times = "once" if number == 1 else "twice" if number == 2 else f"{number} times"
        return f"{upper_first(feature.text.what)} at least {times}{feature.window_text}"
    return f"At least {format_value(feature, number, speaks_for=True)}"


def _shown(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:g}"


def _round_quantiles(numbers: npt.NDArray[np.float64]) -> list[float]:
    """A few numbers that cut the known ones into parts, rounded to two digits, lowest first."""
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return []
    return sorted({float(f"{value:.2g}") for value in np.quantile(known, _SHARES)})
