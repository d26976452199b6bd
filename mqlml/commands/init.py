"""``init``: write the first config from a user's files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from mqlml.draft import draft_config
from mqlml.draft.tables import Found
from mqlml.errors import OutputError
from mqlml.progress import Progress
from mqlml.render.draft_results import DraftedTable, InitResult
from mqlml.scoring import write_text

__all__ = ["write_first_config"]

_NAME = "lead-conversion"


def write_first_config(
    files: Sequence[str | Path], out: str | Path, *, now: dt.datetime, progress: Progress
) -> InitResult:
    """Draft a config from files and write it, with comments.

    Parameters
    ----------
    files : one or more, a table each.
    out : the config to write; there must be none yet.

    Raises
    ------
    OutputError
        If the config exists, or cannot be written.
    SourceError
        If a file cannot be read, no file can hold the leads, or none says who was won.
    ContractError
        If two columns of a file share a name.
    """
    out = Path(out)
    if out.exists():
        raise OutputError(
            f"{str(out)!r} exists, and what you wrote there is not replaced; name another file with --out, or remove "
            "it"
        )
    with progress.step("read the files"):
        draft = draft_config([Path(file) for file in files], folder=out.parent, name=_NAME, now=now)
    write_text(draft.text, out)
    suggestion = draft.suggestion
    return InitResult(
        config=str(out),
        tables=tuple(_describe(found) for found in (draft.tables.leads, *draft.tables.others)),
        leads=None if suggestion is None else suggestion.leads,
        wins=None if suggestion is None else suggestion.wins,
        to_check=draft.to_check,
    )


def _describe(found: Found) -> DraftedTable:
    key = found.columns.get("lead_id")
    return DraftedTable(
        table=found.table,
        file=found.export.name,
        rows=found.export.rows,
        lead_id=found.link.column if found.link is not None else None if key is None else key.name,
    )
