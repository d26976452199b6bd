"""What was changed or found while journeys were read: typed records that the commands show to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mqlml.results import Result

__all__ = ["Notice", "NoticeKind"]

NoticeKind = Literal[
    "spellings",
    "machine_events",
    "machine_events_flagged",
    "merged",
    "excluded",
    "ignored_stages",
]
"""What happened: ``spellings`` of one word were joined, ``machine_events`` were left out or
``machine_events_flagged``, leads were ``merged`` or ``excluded`` by a rule, rows of
``ignored_stages`` were no outcomes."""


@dataclass(frozen=True)
class Notice(Result):
    """One thing that was changed or found in a table while it was read."""

    kind: NoticeKind
    """What happened."""
    table: str
    """``leads``, ``events``, ``outcomes`` or ``flat``."""
    column: str
    """The column it is about, by our name or the source's; empty where it is about rows."""
    rows: int
    """Rows that it concerns."""
    leads: int
    """Leads that they belong to."""
    examples: tuple[str, ...] = ()
    """A few of the words concerned, or the reason that the config gives."""
