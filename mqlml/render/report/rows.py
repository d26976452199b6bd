"""How the report's tables are written: as rows of plain values for CSV, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from mqlml.results import Result, to_json_safe

__all__ = [
    "Row",
    "escape_markdown",
    "flatten",
    "list_rows",
    "markdown_table",
    "name_rows",
    "to_markdown",
]

Row = dict[str, Any]
"""One row: texts and numbers by column; None for what is missing."""


def list_rows(records: Iterable[Result]) -> Iterable[Row]:
    """A row for each record."""
    return (flatten(to_json_safe(record)) for record in records)


def name_rows(column: str, records: Mapping[str, Result]) -> Iterable[Row]:
    """A row for each record, which begins with its name."""
    return ({column: name, **flatten(to_json_safe(record))} for name, record in records.items())


def flatten(values: Mapping[str, Any], before: str = "") -> Row:
    """Records inside a record become columns: ``precision_value``, ``precision_low``; lists are left out."""
    row: Row = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            row |= flatten(value, f"{before}{key}_")
        elif not isinstance(value, list):
            row[f"{before}{key}"] = value
    return row


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; its cells are escaped by the caller."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(row)} |" for row in lines]


def to_markdown(markup: Markup) -> str:
    """Text of the page, without its tags."""
    return escape_markdown(str(markup.striptags()))


def escape_markdown(text: str) -> str:
    """Text of the user's that Markdown would take for its own."""
    for mark in ("\\", "|", "<", "`", "[", "*"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
