"""Values as YAML with a comment behind the lines that deserve one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["Comments", "write_yaml"]

Comments = Mapping[tuple[str, ...], str]
"""What to say behind the line of a key; the key by its path from the top."""

_WIDTH = 36
"""Comments begin in this column, or two blanks behind a longer line."""


def write_yaml(values: Mapping[str, Any], comments: Comments) -> str:
    """Maps as blocks, a key a line; lists, and maps without a comment in lists, on one line."""
    return "".join(f"{line}\n" for line in _block(values, comments, ()))


def _block(values: Mapping[str, Any], comments: Comments, above: tuple[str, ...]) -> list[str]:
    lines = []
    for key, value in values.items():
        place = (*above, key)
        start = f"{'  ' * len(above)}{_plain(key)}:"
        if isinstance(value, Mapping) and value:
            lines.append(_commented(start, comments.get(place)))
            lines += _block(value, comments, place)
        elif isinstance(value, str) and "\n" in value:
            lines.append(_commented(f"{start} |", comments.get(place)))
            lines += [f"{'  ' * len(place)}{line}" for line in value.splitlines()]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines.append(_commented(start, comments.get(place)))
            for number, part in enumerate(value):
                deeper = _block(part, comments, (*place, str(number)))
                indent = "  " * len(place)
                lines += [f"{indent}- {deeper[0].strip()}", *deeper[1:]]
        else:
            lines.append(_commented(f"{start} {_plain(value)}", comments.get(place)))
    return lines


def _plain(value: object) -> str:
    """A value on one line, quoted where YAML would read another one."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n...\n").rstrip("\n")


def _commented(line: str, comment: str | None) -> str:
    return line if comment is None else f"{line.ljust(_WIDTH)}  # {comment}"
