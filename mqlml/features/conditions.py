"""Conditions: the config's conditions on attributes go in; what they compare with, lists read, comes out.

Text is compared without regard to case and to blanks at its ends, a number by its value (``1`` in the config is
``1.0`` in the table). A missing value meets no condition, not even one to be outside a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mqlml.config import Condition
from mqlml.errors import ConfigError
from mqlml.journeys.parse import plain_word

__all__ = ["Requirement", "meets", "read_condition"]

Value = str | int | float | bool


@dataclass(frozen=True)
class Requirement:
    """A condition with its list read.

    Attributes
    ----------
    words : the list, each word as `_plain` writes it; None for a range.
    negated : whether the value must be outside the list.
    low, high : the range's ends, included; None where it has none.
    truths : the listed values that YAML read as true or false.
    exact : whether words are compared as they are, case and blanks included.
    """

    words: tuple[str, ...] | None = None
    negated: bool = False
    low: float | None = None
    high: float | None = None
    truths: tuple[bool, ...] = ()
    exact: bool = False

    def within(self, number: float) -> bool:
        """Whether a number lies in the range."""
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


def read_condition(condition: Condition, where: str, folder: Path) -> Requirement:
    """A condition with the file that it may name read.

    Raises
    ------
    ConfigError
        If the file cannot be read, or ``not_in`` is empty.
    """
    if condition.min is not None or condition.max is not None:
        return Requirement(low=condition.min, high=condition.max)
    listed, negated = (condition.in_, False) if condition.in_ is not None else (condition.not_in, True)
    assert listed is not None  # the config holds exactly one of the tests
    key = f"{where}.{'not_in' if negated else 'in'}"
    wanted: Sequence[Value] = _read_list(listed, key, folder) if isinstance(listed, str) else listed
    if negated and not wanted:
        raise ConfigError(f"{key} is empty, which every lead would meet; list what is allowed")
    truths = tuple(value for value in wanted if isinstance(value, bool))
    words = {_plain(value) for value in wanted} | {str(int(truth)) for truth in truths}
    return Requirement(tuple(sorted(words)), negated, truths=truths)


def _plain(value: object) -> str:
    """One spelling for what counts as the same value."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).casefold()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return plain_word(str(value).strip()).casefold()


def meets(found: Sequence[object], test: Requirement, where: str) -> list[bool]:
    """Whether each of some different values meets a condition.

    Raises
    ------
    ConfigError
        If the list holds a bare ``NO`` that YAML has read as false, and the values are texts.
    """
    if test.words is None:
        return [number is not None and test.within(number) for number in map(_number, found)]
    listed = frozenset(test.words)
    words = [str(value) if test.exact else _plain(value) for value in found]
    _check_booleans(test, words, where)
    return [(word in listed) != test.negated for word in words]


def _number(value: object) -> float | None:
    try:
        number = float(_plain(value))
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _check_booleans(test: Requirement, words: Sequence[str], where: str) -> None:
    """Refuse a listed true or false where an attribute holds texts."""
    if not test.truths or all(word in ("true", "false") or _number(word) is not None for word in words):
        return
    raise ConfigError(
        f"{where}.{'not_in' if test.negated else 'in'} holds {test.truths[0]!r}, but the attribute holds text, as "
        f'{words[0]!r}. YAML reads a bare NO, OFF, YES or ON as false or true; write it in quotes, as "NO"'
    )


def _read_list(name: str, key: str, folder: Path) -> list[str]:
    path = folder / Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{key} names the file {name!r}, which is not in {str(folder)!r}; a list is written as [{name}]"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{key} names the file {str(path)!r}, which cannot be read as UTF-8 text: {why}; save it as such"
        ) from None
    return [line.strip() for line in text.splitlines() if line.strip()]
