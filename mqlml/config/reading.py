"""Read ``mqlml.yml``, and say all that is wrong in it with line, value and the spelling to use."""

from __future__ import annotations

import datetime as dt
import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ValidationError

from mqlml.config.sections import Config
from mqlml.config.values import InvalidValueError
from mqlml.errors import ConfigError, UsageError

__all__ = [
    "ConfigProblem",
    "Lines",
    "describe_config",
    "expand_text",
    "find_problems",
    "make_config",
    "make_error",
    "parse_yaml",
    "read_config",
]


Lines = dict[tuple[int | str, ...], int]
"""The line, from 1, of each value by its place: keys of mappings and positions in lists."""

_DEPTH = 50
_VALUES = 100_000
"""Values in a config, aliases written out: far above any real one, and read in a moment."""


def parse_yaml(text: str, where: str) -> tuple[Any, Lines]:
    """The values of a YAML text, and their lines.

    A date that does not exist, and a number too large to be one, stay text: the section that reads them refuses
    them by name.

    Raises
    ------
    ConfigError
        If the text is no YAML, names a key twice, nests or repeats itself without bound.
    """
    try:
        _check_depth(text, where)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        _count(node, where, {}, set())
        lines: Lines = {}
        _find_lines(node, (), lines)
        return loader.construct_document(node), lines
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML{_describe(error)}") from None


class _RepeatedKey(yaml.constructor.ConstructorError):
    """A key that stands twice in one mapping: one of the two values would be lost unseen."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, whose keys are text and stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                problem = f"the key {key.value!r} stands there a second time; remove one of the two"
                raise _RepeatedKey(None, None, problem, key.start_mark)
            seen.add(key.value)
            # A key is text: a bare Yes, 1 or 2025 is a word of the user's data, not a truth, number or date.
            key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError):  # 2025-06-31, or a number of five thousand digits
            return node.value


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            line = event.start_mark.line + 1 if event.start_mark is not None else 1
            raise ConfigError(
                f"{where}, line {line}: must not nest deeper than {_DEPTH} levels; remove brackets or indentation"
            )


def _count(node: yaml.Node, where: str, known: dict[int, int], above: set[int]) -> int:
    """How many values a node stands for with its aliases written out."""
    if id(node) in above:
        raise ConfigError(
            f"{where}, line {node.start_mark.line + 1}: the anchor holds an alias of itself; write its value out"
        )
    if id(node) not in known:
        above.add(id(node))
        known[id(node)] = 1 + sum(_count(child, where, known, above) for child in _children(node))
        above.remove(id(node))
        if known[id(node)] > _VALUES:
            raise ConfigError(
                f"{where}, line {node.start_mark.line + 1}: the aliases stand for more than {_VALUES:,} values; "
                "write out what is meant"
            )
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _find_lines(node: yaml.Node, place: tuple[int | str, ...], lines: Lines) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                lines[(*place, key.value)] = key.start_mark.line + 1
                _find_lines(value, (*place, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*place, number)] = value.start_mark.line + 1
            _find_lines(value, (*place, number), lines)


def _describe(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": {' '.join(str(error).split())}"
    mark = error.problem_mark
    where = f" in line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, _RepeatedKey):
        return where
    return f"{where}; see to brackets, quotes and blanks (no tabs) around there"


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


_LONGEST = 80
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def _expand(value: Any, place: tuple[int | str, ...], problems: list[ConfigProblem]) -> Any:
    """Environment variables put in, in every text of the parsed YAML (so no value can change its structure)."""
    if isinstance(value, dict):
        return {key: _expand(item, (*place, key), problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*place, number), problems) for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def read(match: re.Match[str]) -> str:
        text = os.environ.get(match[1], match[2])
        if text is None:
            rule = f"reads the environment variable {match[1]}, which is not set"
            remedy = f"set it, or write ${{{match[1]}:-default}}"
            problems.append(ConfigProblem(place, rule, remedy=remedy))
            return match[0]
        return text

    return _VARIABLE.sub(read, value)


def expand_text(text: str, where: str) -> str:
    """A text of the command line with its ``${NAME}`` read from the environment.

    Raises
    ------
    UsageError
        If a variable is not set.
    """
    problems: list[ConfigProblem] = []
    found: str = _expand(text, (where,), problems)
    if problems:
        raise UsageError(f"{where} {problems[0].rule}; {problems[0].remedy}")
    return found


def make_config(values: Any, *, folder: Path, where: str = "config", lines: Lines | None = None) -> Config:
    """A `Config` from parsed YAML.

    Parameters
    ----------
    values : what the file holds.
    folder : where relative paths start.
    where : what to call the file in errors.
    lines : the lines of its values, from `mqlml.config.reading.parse_yaml`.

    Raises
    ------
    ConfigError
        If a key is missing or unknown, or a value is not what it must be.
    """
    if not isinstance(values, dict):
        found = "nothing" if values is None else repr(values)
        raise ConfigError(
            f"{where} must hold keys and values (name:, data:, problem: …); found {found[:_LONGEST]}. "
            "See what 'mqlml demo' writes"
        )
    problems: list[ConfigProblem] = []
    expanded = _expand(values, (), problems)
    try:
        config = Config.model_validate(
            {**expanded, "folder": folder, "written": values},
            context={"zone": _zone_of(expanded.get("data"))},
        )
    except ValidationError as error:
        problems += find_problems(error, Config)
    if problems:
        raise make_error(where, problems, lines or {})
    return config


def read_config(path: str | Path) -> Config:
    """Read and check a config file.

    Parameters
    ----------
    path : path of a YAML file, usually ``mqlml.yml``.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or does not say what it must.

    Examples
    --------
    >>> import tempfile
    >>> text = "{name: leads, data: {flat: {path: leads.csv, lead_id: id, label: won, positive: 1, order: id}}}"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = (Path(folder) / "mqlml.yml").write_text(text)
    ...     config = read_config(Path(folder) / "mqlml.yml")
    >>> config.name, config.data.flat.path
    ('leads', 'leads.csv')
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no config file {str(path)!r}; name one with --config, or write one with 'mqlml init FILES'"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"the config file {str(path)!r} cannot be read as UTF-8 text; save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"the config file {str(path)!r} cannot be read: {error.strerror}; name another with --config"
        ) from None
    values, lines = parse_yaml(text, str(path))
    return make_config(values, folder=path.parent, where=str(path), lines=lines)


def _zone_of(data: Any) -> str:
    """The zone that times without one are meant in; UTC where ``data.timezone`` is left out, or no zone at all."""
    zone = data.get("timezone") if isinstance(data, dict) else None
    try:
        return ZoneInfo(zone).key if isinstance(zone, str) else "UTC"
    except (KeyError, OSError, ValueError):
        return "UTC"  # the check of data.timezone says what is wrong


def describe_config(config: Config) -> dict[str, Any]:
    """The config with its defaults, as a version keeps it.

    What came from the environment is kept as ``${NAME}``, so that neither a password nor a path of one machine gets
    into a version. Only ``problem``, which scoring reads and which holds durations and stages, is kept resolved.
    """
    described: dict[str, Any] = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    written = {name: value for name, value in config.written.items() if name != "problem"}
    kept: dict[str, Any] = _put_back(described, written)
    return kept


def _put_back(value: Any, written: Any) -> Any:
    if isinstance(written, dict) and isinstance(value, dict):
        return {key: _put_back(item, written.get(key)) for key, item in value.items()}
    if isinstance(written, list) and isinstance(value, list) and len(written) == len(value):
        return [_put_back(item, text) for item, text in zip(value, written, strict=True)]
    return written if isinstance(written, str) and _VARIABLE.search(written) else value
