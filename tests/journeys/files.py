"""Small sources on disk: texts by file name become a folder, and keys become the config that reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mqlml.config import Config, make_config
from mqlml.journeys import Journeys, read_journeys

LEADS = "lead_id,created_at,country\n1,2024-01-01,US\n2,2024-01-02,DE\n3,2024-01-03,US\n"
EVENTS = "lead_id,occurred_at,action\n1,2024-01-05 10:00,visit\n2,2024-01-06 11:00,demo\n"
OUTCOMES = "lead_id,occurred_at,stage\n1,2024-02-01,closed_won\n"


def write(folder: Path, files: dict[str, str | bytes | pa.Table]) -> Path:
    """Write files by name: text as UTF-8, bytes as they are, Arrow tables as Parquet."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8", newline="")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)
    return folder


def config(folder: Path, **data: Any) -> Config:
    """A config over the usual three files of ``folder``; keys of ``data:`` overrule, None takes one away."""
    usual: dict[str, Any] = {
        "observed_until": "2024-12-31",
        "max_quarantined": 1.0,
        "leads": {"path": "leads.csv"},
        "events": {"path": "events.csv"},
        "outcomes": {"path": "outcomes.csv"},
    }
    keys = {name: value for name, value in (usual | data).items() if value is not None}
    return make_config({"name": "test", "data": keys}, folder=folder)


def read(folder: Path, files: dict[str, str | bytes | pa.Table] | None = None, **data: Any) -> Journeys:
    """Journeys from the usual three files, of which ``files`` replaces some."""
    usual: dict[str, str | bytes | pa.Table] = {
        "leads.csv": LEADS,
        "events.csv": EVENTS,
        "outcomes.csv": OUTCOMES,
    }
    write(folder, usual | (files or {}))
    return read_journeys(config(folder, **data))


def findings(quarantine: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The quarantine as tuples of table, row, column, value (None where missing) and reason."""
    columns = ["table", "row", "column", "value", "reason"]
    return [
        tuple(None if isinstance(item, float) else item for item in row)
        for row in quarantine[columns].itertuples(index=False, name=None)
    ]
