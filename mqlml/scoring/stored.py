"""Read back what the batch job stored over time: score files, a folder of them, or its tables in a database."""

from __future__ import annotations

import datetime as dt
import glob
import json
from pathlib import Path

import pandas as pd

from mqlml.errors import SourceError
from mqlml.journeys.databases import is_postgres
from mqlml.scoring.database import DatabaseTarget
from mqlml.scoring.dialects import Postgres
from mqlml.scoring.sinks import TABLE_SUFFIXES, as_written

__all__ = ["STORED_COLUMNS", "read_json", "read_stored_scores"]

STORED_COLUMNS = ("lead_id", "cutoff_time", "probability", "label")
"""What every stored score must have."""

_VERSION = ("model_name", "model_version")


def read_stored_scores(
    where: str, *, until: dt.datetime, model: str, version: int, table: str | None = None
) -> pd.DataFrame:
    """All scores of one version up to a moment, of all runs that are kept.

    Parameters
    ----------
    where : a file, a folder of files, a pattern with ``*``, or the URL of a PostgreSQL database.
    until : scores of later cutoffs are left out.
    model, version : scores of other models and versions are left out; files without these columns are all taken.
    table : the table of scores in a database; ``lead_scores`` if None.

    Returns
    -------
    DataFrame
        `STORED_COLUMNS`, ``lead_id`` as text, each lead and cutoff once.

    Raises
    ------
    SourceError
        If nothing is there, a file holds no scores, or none are of this version up to then.
    DatabaseError
        If the database cannot be read.
    """
    if is_postgres(where):
        target = DatabaseTarget(Postgres(where), table or "lead_scores")
        stored = target.all_scores(until, model)
        found, shown = stored.assign(model_version=stored["model_version"].astype("Int64")), target.shown
    else:
        found, shown = pd.concat([_read_file(path) for path in _find_files(where)], ignore_index=True), where
    found = found[found["cutoff_time"] <= pd.Timestamp(until)]
    own = found[
        (found["model_name"] == model).fillna(True) & (found["model_version"] == version).fillna(True)
    ]
    if own.empty:
        others = found.dropna(subset=list(_VERSION)).drop_duplicates(list(_VERSION))
        names = [f"{row.model_name} version {row.model_version}" for row in others.itertuples()]
        has = f"it has scores of {', '.join(names[:5])}" if names else "it has none up to then"
        raise SourceError(
            f"--scores must hold scores of {model} version {version} up to {until:%Y-%m-%d %H:%M}; {shown!r} holds "
            f"none: {has}. Name other scores, a later --as-of, or another --model"
        )
    return own[list(STORED_COLUMNS)].drop_duplicates(["lead_id", "cutoff_time"], ignore_index=True)


def read_json(path: Path, *, option: str, again: str) -> object:
    """What a command printed with ``--json``.

    Parameters
    ----------
    option : which names the file, for the error.
    again : how to write the file, for the error.

    Raises
    ------
    SourceError
        If the file cannot be read, is no JSON, or holds an error.
    """
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        cause = (error.strerror or "").lower() if isinstance(error, OSError) else "it is no JSON"
        raise SourceError(
            f"{option} must be what mqlml printed with --json; {str(path)!r}: {cause}. Write it: {again}"
        ) from None
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        raise SourceError(
            f"{option} must be what mqlml printed with --json; {str(path)!r} holds the error that it printed: "
            f"{found['error'].get('message')}. Then write it again: {again}"
        )
    return found


def _find_files(where: str) -> list[Path]:
    path = Path(where)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLE_SUFFIXES)
    elif "*" in where:
        found = [Path(name) for name in sorted(glob.glob(where))]
    else:
        found = [path]
    if not found:
        raise SourceError(
            f"--scores must name score files ({' or '.join(TABLE_SUFFIXES)}); {where!r} holds none. Correct the path"
        )
    return found


def _read_file(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_csv(path, dtype="str")
        for name in _VERSION:
            if name not in frame:
                frame[name] = None
        found = frame[[*STORED_COLUMNS, *_VERSION]].copy()
        found["lead_id"] = as_written(found["lead_id"].astype("str"))
        found["cutoff_time"] = pd.to_datetime(found["cutoff_time"], utc=True, format="ISO8601").dt.as_unit(
            "us"
        )
        found["probability"] = pd.to_numeric(found["probability"])
        found["label"] = found["label"].astype("str")
        found["model_name"] = found["model_name"].astype("str")
        found["model_version"] = pd.to_numeric(found["model_version"]).astype("Int64")
    except (OSError, KeyError, ValueError) as error:
        cause = f"no column {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise SourceError(
            f"--scores must be scores that mqlml wrote, with {', '.join(STORED_COLUMNS)}; {str(path)!r} cannot be "
            f"read as such: {cause}"
        ) from None
    return found
