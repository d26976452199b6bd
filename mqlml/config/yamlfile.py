"""Parse ``mqlml.yml`` into plain values, and remember the line on which each of them stands."""

from __future__ import annotations

from typing import Any

import yaml

from mqlml.errors import ConfigError

__all__ = ["Lines", "parse_yaml"]

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
