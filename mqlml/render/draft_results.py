"""What ``init`` returns: which files became which tables, and what is left to settle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mqlml.results import Result

__all__ = ["DraftedTable", "InitResult"]


@dataclass(frozen=True)
class DraftedTable(Result):
    """A file, and the table that it was taken for."""

    table: Literal["leads", "events", "outcomes", "history", "spend", "flat"]
    """The table of the config."""
    file: str
    """The file, and its sheet."""
    rows: int
    """Rows of the file."""
    lead_id: str | None
    """The column that says which lead a row belongs to."""


@dataclass(frozen=True)
class InitResult(Result):
    """A first config, drafted from files."""

    config: str
    """The file that was written."""
    tables: tuple[DraftedTable, ...]
    """What each file was taken for."""
    leads: int | None
    """Leads in the files; none for a flat table, or where they cannot be read yet."""
    wins: int | None
    """Outcomes that are wins."""
    to_check: tuple[str, ...]
    """What the files do not tell and the user must settle, a sentence each."""
