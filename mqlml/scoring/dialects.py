"""How PostgreSQL, SQLite and DuckDB differ: types, literals, locks, and the way a table of Arrow batches gets in."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.errors import DatabaseError
from mqlml.journeys.databases import connect, connect_arrow, describe_url, explaining, retrying

__all__ = ["Dialect", "DuckDBFile", "Postgres", "SQLiteFile", "Session", "literal_time", "quote"]


class Session(Protocol):
    """One transaction."""

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, if it has any."""

    def read(self, sql: str) -> pa.Table:
        """The rows of a query."""

    def ingest(self, name: str, rows: pa.RecordBatchReader) -> None:
        """Make a temporary table of these rows."""


class Dialect(Protocol):
    """One kind of database, and where it is.

    Attributes
    ----------
    shown : what to call it in messages, without a password.
    types : the types of times and of JSON, and the value of now, for the statements that make tables.
    indexed : whether a table is read by an index on its cutoff; DuckDB skips blocks by their range.
    """

    shown: str
    types: Mapping[str, str]
    indexed: bool

    def session(self) -> contextlib.AbstractContextManager[Session]:
        """A transaction, committed at the end of the block and rolled back by any error.

        Raises
        ------
        DatabaseError
            If the database cannot be reached, or refuses something in the block.
        """

    def work_folder(self, folder: Path, name: str) -> Path:
        """Where a job on a table called ``name`` keeps what it has finished; ``folder`` is that of the config."""

    def holding(self, lock: int, *, wait: bool) -> contextlib.AbstractContextManager[bool]:
        """Hold a lock by its number; yields whether it was free. Released however the process ends."""

    def take_turns(self, session: Session, lock: int) -> None:
        """Wait until no other session that called this with the same number is open."""

    def column_type(self, session: Session, table: str, column: str) -> str | None:
        """The type of a column as ``types`` names it; None where there is no such table."""

    def replace_view(self, name: str, query: str) -> tuple[str, ...]:
        """The statements that make a view, or make it again with the columns that its table has by now."""


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Postgres:
    """A PostgreSQL database by its URL."""

    types: Mapping[str, str] = MappingProxyType(
        {"time": "timestamptz", "json": "jsonb", "now": "clock_timestamp()"}
    )
    indexed = True

    def __init__(self, url: str) -> None:
        self._url, self.shown = url, describe_url(url)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """See `Dialect`."""
        with explaining(self._url), contextlib.closing(connect_arrow(self._url)) as connection:
            with contextlib.closing(connection.cursor()) as cursor:
                yield _PostgresSession(cursor)
            connection.commit()

    def work_folder(self, folder: Path, name: str) -> Path:
        """Beside the config."""
        return folder / f".mqlml-work-{name}"

    @contextlib.contextmanager
    def holding(self, lock: int, *, wait: bool) -> Iterator[bool]:
        """An advisory lock; the server lets go when this process ends."""
        connection = retrying(lambda: connect(self._url))
        try:
            with explaining(self._url):
                if wait:
                    connection.execute("SELECT pg_advisory_lock(%s)", (lock,))
                    free = True
                else:
                    free = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,)).fetchone()[0]
            yield free
        finally:
            with contextlib.suppress(Exception):  # the server may have cut the connection
                connection.close()

    def take_turns(self, session: Session, lock: int) -> None:
        """An advisory lock until the end of the transaction."""
        session.run(f"SELECT pg_advisory_xact_lock({lock}) IS NULL")

    def column_type(self, session: Session, table: str, column: str) -> str | None:
        """From the catalog, which every role may read."""
        rows = session.run(
            f"SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attname = {quote(column)} "
            f"AND attrelid = to_regclass({quote(table)})"
        )
        return str(rows[0][0]) if rows else None

    def replace_view(self, name: str, query: str) -> tuple[str, ...]:
        """In place, so that rights on it stay."""
        return (f"CREATE OR REPLACE VIEW {name} AS {query}",)


class _PostgresSession:
    """A transaction over ADBC."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql)
        return self._cursor.fetchall() if self._cursor.description else []

    def read(self, sql: str) -> pa.Table:
        self._cursor.execute(sql)
        return self._cursor.fetch_arrow_table()

    def ingest(self, name: str, rows: pa.RecordBatchReader) -> None:
        # Never into a table that exists: ADBC does not compare its types with its own.
        self._cursor.adbc_ingest(name, rows, mode="create", temporary=True)
        self._cursor.execute(f"ANALYZE {name}")


class _File:
    """A database in a file of this machine: one job at a time works on it, by the lock of its work folder."""

    indexed = True

    def __init__(self, path: Path) -> None:
        self._path, self.shown = path, str(path)

    def work_folder(self, folder: Path, name: str) -> Path:
        """Beside the database."""
        del folder
        return self._path.with_name(f".{self._path.name}.{name}.mqlml-work")

    def holding(self, lock: int, *, wait: bool) -> contextlib.AbstractContextManager[bool]:
        """Nothing to do: the work folder beside the file has its own lock."""
        del lock, wait
        return contextlib.nullcontext(True)

    def take_turns(self, session: Session, lock: int) -> None:
        """Nothing to do: a file has one writer at a time."""
        del session, lock

    def _refused(self, error: Exception, state: str | None, advice: str) -> DatabaseError:
        return DatabaseError(f"{self.shown}: {str(error).splitlines()[0]}; {advice}", sqlstate=state)


class SQLiteFile(_File):
    """A SQLite file. Times are ISO text in UTC with microseconds, so that their order is that of the text."""

    types: Mapping[str, str] = MappingProxyType(
        {"time": "text", "json": "text", "now": "(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))"}
    )

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """See `Dialect`."""
        try:
            with contextlib.closing(
                sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
            ) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield _SQLiteSession(connection)
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            state, advice = _SQLITE.get(code, ("XX000", "see to the file"))
            raise self._refused(error, state, advice) from error

    def column_type(self, session: Session, table: str, column: str) -> str | None:
        """As the table declares it."""
        name = quote(_last_part(table))
        rows = session.run(f"SELECT type FROM pragma_table_info({name}) WHERE name = {quote(column)}")
        return str(rows[0][0]) if rows else None

    def replace_view(self, name: str, query: str) -> tuple[str, ...]:
        """SQLite replaces no view."""
        return f"DROP VIEW IF EXISTS {name}", f"CREATE VIEW {name} AS {query}"


_PATIENCE = 2.0
"""Seconds to wait for another process that writes, in each of several attempts."""

_SQLITE: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: ("55P03", "wait until the other process has finished"),
    sqlite3.SQLITE_FULL: ("53100", "free some space on the disk"),
    sqlite3.SQLITE_READONLY: ("42501", "allow writing to the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("42501", "allow writing to the file and its folder"),
    sqlite3.SQLITE_NOTADB: ("XX000", "name another file"),
}
"""The SQLSTATE of a primary result code, and what helps."""


class _SQLiteSession:
    """A transaction of the standard library's driver."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def read(self, sql: str) -> pa.Table:
        cursor = self._connection.execute(sql)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        columns = zip(*rows, strict=True) if rows else [[] for _ in names]
        return pa.table(dict(zip(names, map(list, columns), strict=True)))

    def ingest(self, name: str, rows: pa.RecordBatchReader) -> None:
        names = rows.schema.names
        self._connection.execute(f"CREATE TEMP TABLE {name} ({', '.join(names)})")
        insert = f"INSERT INTO {name} VALUES ({', '.join('?' * len(names))})"
        for batch in rows:
            columns = [_plain(column).to_pylist() for column in batch.columns]
            self._connection.executemany(insert, zip(*columns, strict=True))


def _plain(column: pa.Array) -> pa.Array:
    """Times as text; everything else as it is."""
    if not pa.types.is_timestamp(column.type):
        return column
    return pc.strftime(column.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%SZ")


class DuckDBFile(_File):
    """A DuckDB file, open only while the job reads earlier scores and while it writes."""

    types: Mapping[str, str] = MappingProxyType(
        {"time": "timestamptz", "json": "json", "now": "get_current_timestamp()"}
    )
    indexed = False

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """See `Dialect`."""
        try:
            with duckdb.connect(self._path) as connection:
                connection.execute("BEGIN")
                yield _DuckDBSession(connection)
                connection.execute("COMMIT")
        except duckdb.IOException as error:  # no code tells a file that is in use from a disk that is full
            raise self._refused(error, None, "close the other process, or see to the disk") from error
        except duckdb.Error as error:
            raise self._refused(error, "XX000", "see to the file") from error

    def column_type(self, session: Session, table: str, column: str) -> str | None:
        """From the catalog, in the words of the statements."""
        parts = [part.strip('"') for part in table.split(".")]
        schema = f" AND schema_name = {quote(parts[0])}" if len(parts) == 2 else ""
        rows = session.run(
            f"SELECT data_type FROM duckdb_columns() WHERE table_name = {quote(parts[-1])} "
            f"AND column_name = {quote(column)}{schema}"
        )
        if not rows:
            return None
        kind = str(rows[0][0]).lower()
        return {"varchar": "text"}.get(kind, kind)

    def replace_view(self, name: str, query: str) -> tuple[str, ...]:
        """In place."""
        return (f"CREATE OR REPLACE VIEW {name} AS {query}",)


class _DuckDBSession:
    """A transaction of DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def read(self, sql: str) -> pa.Table:
        return self._connection.sql(sql).to_arrow_table()

    def ingest(self, name: str, rows: pa.RecordBatchReader) -> None:
        self._connection.register("mqlml_rows", rows)
        self._connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM mqlml_rows")
        self._connection.unregister("mqlml_rows")


def _last_part(table: str) -> str:
    return table.rpartition(".")[2].strip('"')


def literal_time(moment: dt.datetime) -> str:
    """A moment as an SQL literal that every dialect compares with its times."""
    return quote(moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
