"""Say what is wrong in a config: place, line, rule, value found and the spelling to use, all problems at once."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mqlml.config.values import InvalidValueError
from mqlml.config.yamlfile import Lines
from mqlml.errors import ConfigError

__all__ = ["ConfigProblem", "find_problems", "make_error"]

Place = tuple[int | str, ...]

_RULES = {
    "missing": "this key is required; add it",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be letters, digits, '.', '_' and '-', beginning with a letter or digit",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "list_type": "must be a list, as [one, two]",
    "too_short": "must not be empty; fill it, or take it away",
    "invalid_key": "must be a key written as text",
}
"""What must hold, by pydantic's kinds of error whose own text speaks of Python rather than of a file."""

_WITHOUT_VALUE = ("missing", "too_short", "extra_forbidden")
_PERCENT = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*%\s*")
_LONGEST = 80
_SHOWN = 20


@dataclass(frozen=True)
class ConfigProblem:
    """One thing that is wrong.

    Attributes
    ----------
    place : the keys that lead to it.
    rule : what must hold.
    found : the value, as Python shows it; None where it would say nothing.
    remedy : what to write, if that is known.
    """

    place: Place
    rule: str
    found: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        where = ".".join(map(str, self.place))
        parts = [
            f"{where}: {self.rule}" if where else self.rule,
            *([] if self.found is None else [f"found {self.found}"]),
            *([] if self.remedy is None else [self.remedy]),
        ]
        return "; ".join(parts)

    def line(self, lines: Lines) -> int | None:
        """The line of the innermost key that the file has."""
        for length in range(len(self.place), 0, -1):
            if self.place[:length] in lines:
                return lines[self.place[:length]]
        return None


def find_problems(error: ValidationError, config: type[BaseModel]) -> list[ConfigProblem]:
    """What pydantic found wrong, in the words of the config."""
    read = [_read_error(item, config) for item in error.errors() if item["loc"][:1] != ("written",)]
    return list(dict.fromkeys(read))


def make_error(where: str, problems: Sequence[ConfigProblem], lines: Lines) -> ConfigError:
    """One error for all problems of a file, in the order of its lines."""
    placed = sorted(((problem.line(lines), problem) for problem in problems), key=lambda item: item[0] or 0)
    if len(placed) == 1:
        line, problem = placed[0]
        return ConfigError(f"{where}{'' if line is None else f', line {line}'}: {problem}")
    shown = [f"{'' if line is None else f'line {line}: '}{problem}" for line, problem in placed[:_SHOWN]]
    if len(placed) > _SHOWN:
        shown.append(f"and {len(placed) - _SHOWN} more")
    return ConfigError("\n  ".join([f"{where}: {len(placed)} settings must be corrected", *shown]))


def _read_error(error: Any, config: type[BaseModel]) -> ConfigProblem:
    kind, found = error["type"], error["input"]
    # Tags of unions stand in pydantic's places between the keys of the file.
    place = tuple(part for part in error["loc"] if not str(part).startswith(("<", "[")))
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, InvalidValueError):
        if cause.place:
            found = {} if cause.found is None else cause.found
        return ConfigProblem((*place, *cause.place), cause.rule, _shown(found), cause.remedy)
    if kind == "extra_forbidden":
        known = _known_keys(_kinds_at(place[:-1], config))
        key = str(place[-1])
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        remedy = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return ConfigProblem(place, f"unknown key {key!r}", None, remedy)
    if kind == "missing" and isinstance(place[-1], int):
        return ConfigProblem(place[:-1], f"must hold {place[-1] + 1} values")
    rule = _RULES.get(kind) or str(error["msg"]).replace("Input should be", "must be")
    shown = None if kind in _WITHOUT_VALUE else _shown(found)
    return ConfigProblem(place, f"{rule[:1].lower()}{rule[1:]}", shown, _remedy(error, place, config))


def _shown(found: object) -> str | None:
    text = repr(str(found) if isinstance(found, dt.date) else found)
    # A URI may hold a password.
    hidden = isinstance(found, dict | BaseModel) or len(text) > _LONGEST or "://" in text
    return None if hidden else text


def _remedy(error: Any, place: Place, config: type[BaseModel]) -> str | None:
    kind, found = error["type"], error["input"]
    if kind == "string_type" and isinstance(found, int | float):
        return f'write "{found}"'
    if kind in ("float_parsing", "int_parsing") and (match := _PERCENT.fullmatch(str(found))):
        return f"write {float(match[1].replace(',', '.')) / 100:g}"
    limit = error.get("ctx", {}).get("le", error.get("ctx", {}).get("lt"))
    if kind in ("less_than", "less_than_equal") and limit == 1 and isinstance(found, int | float):
        return f"write {found / 100:g} for {found:g}%" if found <= 100 else None
    if kind == "literal_error":
        values = [value for kind in _kinds_at(place, config) for value in _literals(kind)]
        words = {value.casefold(): value for value in values if isinstance(value, str)}
        near = difflib.get_close_matches(str(found).casefold(), words, n=1)
        return f"write {words[near[0]]}" if near else None
    return None


def _kinds_at(place: Place, config: type[BaseModel]) -> list[Any]:
    """The types that a value at a place can have, by the annotations of the models."""
    kinds: list[Any] = [config]
    for part in place:
        inner = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                inner += [
                    field.annotation
                    for name, field in kind.model_fields.items()
                    if part in (name, field.alias)
                ]
            elif get_origin(kind) in (dict, list, tuple):
                inner += get_args(kind)[-1:]
        kinds = [kind for outer in inner for kind in _unwrapped(outer)]
    return kinds


def _unwrapped(kind: Any) -> list[Any]:
    """The members of a union, of whatever depth, and what is annotated."""
    if get_origin(kind) in (dict, list, tuple, Literal) or not get_args(kind):
        return [kind]
    return [inner for outer in get_args(kind) for inner in _unwrapped(outer)]


def _literals(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _known_keys(kinds: Sequence[Any]) -> list[str]:
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = kind.model_fields.items()
            return [field.alias or name for name, field in fields if not field.exclude]
    return []
