"""Tables in databases are copied once to Parquet files, from one consistent snapshot, over retried connections."""

from __future__ import annotations

import contextlib
import re
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mqlml.config import Config, Table
from mqlml.errors import ConfigError, DatabaseError

__all__ = [
    "AROUND_EVENTS",
    "SCHEMES",
    "TABLES",
    "TRANSIENT",
    "DatabaseCopies",
    "DatabaseFile",
    "connect",
    "connect_arrow",
    "copied_tables",
    "database_file",
    "describe_url",
    "explaining",
    "has_databases",
    "is_postgres",
    "open_copies",
    "retrying",
]


SCHEMES = ("postgresql://", "postgres://")

TRANSIENT = ("08", "40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300")
"""SQLSTATEs (or their class) that a later attempt may not meet again: a cut connection, a serialization failure, a
deadlock, a lock that is held, a server that stops or starts, too many connections."""

_REMEDIES = {
    "28": "check user and password",
    "3D": "create the database, or correct its name in the URL",
    "42501": "grant the rights that docs/databases.md lists",
    "53100": "free some space on the server",
    "57014": "allow a longer statement_timeout",
}

Item = TypeVar("Item")


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return url.startswith(SCHEMES)


@dataclass(frozen=True)
class DatabaseFile:
    """A database in a file of this machine."""

    kind: Literal["sqlite", "duckdb"]
    path: Path


def database_file(url: str, folder: Path) -> DatabaseFile | None:
    """The file that a URL names, as ``sqlite:///file.db``, from ``folder`` on; None where it names none."""
    scheme, separator, place = url.partition(":///")
    if not separator:
        return None
    path = folder / Path(place).expanduser()
    if scheme == "sqlite":
        return DatabaseFile("sqlite", path)
    return DatabaseFile("duckdb", path) if scheme == "duckdb" else None


def describe_url(url: str) -> str:
    """The database of a URL, without its password or options.

    >>> describe_url("postgresql://ann:secret@db.example:5433/crm?sslmode=require")
    'postgresql://ann@db.example:5433/crm'
    """
    scheme, _, rest = url.partition("://")
    rest = rest.partition("?")[0]
    user, at, place = rest.rpartition("@")
    name = user.partition(":")[0]
    return f"{scheme}://{name}{at}{place}"


def _check_url(url: str) -> None:
    """Refuse a password with characters that end it early: libpq would take its rest for a host and show it."""
    rest = url.partition("://")[2].partition("?")[0]
    if rest.count("@") > 1 or "/" in rest.rpartition("@")[0]:
        raise ConfigError(
            f"the URL of {describe_url(url).partition('@')[0]!r}… cannot be read: '@' and '/' in a password are "
            "written %40 and %2F"
        )


def _load() -> tuple[Any, Any]:
    """The two drivers, which are installed with the extra ``postgres``."""
    try:
        import adbc_driver_postgresql.dbapi
        import psycopg
    except ImportError as error:
        raise ConfigError(
            f"PostgreSQL needs the extra 'postgres' ({error}); install it with pip install 'mqlml[postgres]'"
        ) from None
    return psycopg, adbc_driver_postgresql.dbapi


def connect(url: str) -> Any:
    """A psycopg connection in autocommit mode, for statements and locks."""
    _check_url(url)
    psycopg, _ = _load()
    with explaining(url):
        return psycopg.connect(url, autocommit=True, application_name="mqlml")


def connect_arrow(url: str, *, autocommit: bool = False) -> Any:
    """An ADBC connection, for tables as Arrow batches."""
    _check_url(url)
    _, adbc = _load()
    with explaining(url):
        return adbc.connect(url, autocommit=autocommit)


@contextlib.contextmanager
def explaining(url: str) -> Iterator[None]:
    """Turn the drivers' errors into `DatabaseError`."""
    psycopg, adbc = _load()
    try:
        yield
    except (psycopg.Error, adbc.Error) as error:
        raise _explain(error, url) from error


def _explain(error: Exception, url: str) -> DatabaseError:
    """A driver's error as ours: what the server said, where, and what helps; never a password."""
    state: str | None = getattr(error, "sqlstate", None)
    details = dict(
        getattr(error, "details", None) or ()
    )  # of ADBC, whose message begins with the whole statement
    primary: bytes | None = details.get(b"PG_DIAG_MESSAGE_PRIMARY")
    said = str(error) if primary is None else primary.decode(errors="replace")
    text = re.split(r"\n|Query was:| SQLSTATE:", said.strip())[0].strip()
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if password:
        text = text.replace(password, "***")
    remedy = next((advice for start, advice in _REMEDIES.items() if (state or "").startswith(start)), None)
    if remedy is None and (state is None or state.startswith(("08", "57"))):
        remedy = "see that the server runs and can be reached"
    shown = f" ({state})" if state else ""
    return DatabaseError(
        f"{describe_url(url)}: {text}{shown}" + (f"; {remedy}" if remedy else ""), sqlstate=state
    )


def retrying(
    action: Callable[[], Item],
    *,
    attempts: int = 7,
    first_wait: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
) -> Item:
    """Do something with a database, again where its error is transient.

    The wait doubles each time, up to 30 s, and is drawn between its half and its whole, so that jobs that failed
    together do not return together.

    Raises
    ------
    DatabaseError
        The last one, or at once one that another attempt would meet again.
    """
    draw = secrets.SystemRandom()
    for attempt in range(attempts):
        try:
            return action()
        except DatabaseError as error:
            transient = error.sqlstate is None or error.sqlstate.startswith(TRANSIENT)
            if not transient or attempt == attempts - 1:
                raise
        sleep(min(first_wait * 2**attempt, 30.0) * draw.uniform(0.5, 1.0))
    raise AssertionError("unreachable: the last attempt returns or raises")


AROUND_EVENTS = ("leads", "outcomes", "history", "merges")
"""The tables that tell whose events are needed."""
TABLES = (*AROUND_EVENTS, "events")
_DONE = "done"
_UNNEEDED = "mqlml_unneeded"
_ROWS = 1 << 16

_PLAIN = ("bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bpchar")
_TIMES = ("timestamptz", "timestamp", "date")
_LONGEST_INTEGER = 18
"""Digits that a bigint always holds."""


def _tables_of(config: Config, name: str) -> tuple[Table, ...]:
    """The tables behind a name of ``data``: several for events in several tables, none for one left out."""
    spec = getattr(config.data, name)
    return (spec,) if isinstance(spec, Table) else tuple(spec or ())


def has_databases(config: Config) -> bool:
    """Whether some table of a config lies in a database."""
    return any(table.url is not None for name in TABLES for table in _tables_of(config, name))


class _Snapshot(Protocol):
    """One transaction that sees a database as it was when it began."""

    def read(self, sql: str, lead_column: str | None, unneeded: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a query; without those of the unneeded leads if there is a column to tell them by."""


@contextlib.contextmanager
def open_copies(config: Config, folder: Path) -> Iterator[DatabaseCopies]:
    """Begin to copy the tables of a config into a folder; all tables of one URL come from one transaction."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        yield DatabaseCopies(config, folder, stack)


@contextlib.contextmanager
def copied_tables(config: Config, names: Sequence[str] = TABLES) -> Iterator[Config]:
    """A config whose tables in databases, or some of them, are copied for as long as the context lasts."""
    if not has_databases(config):
        yield config
        return
    with tempfile.TemporaryDirectory(prefix="mqlml-") as folder, open_copies(config, Path(folder)) as copies:
        yield copies.copy(names)


class DatabaseCopies:
    """Copies of a config's tables; `open_copies` makes it."""

    def __init__(self, config: Config, folder: Path, stack: ExitStack) -> None:
        self._config, self._folder, self._stack = config, folder, stack
        self._snapshots: dict[str, _Snapshot] = {}
        self._done = (folder / _DONE).exists()

    def copy(self, names: Sequence[str], *, unneeded: Sequence[str] | None = None) -> Config:
        """Copy some tables; the config that reads the copies in their place.

        Parameters
        ----------
        unneeded : ids of leads, as text, whose rows are not copied, as far as the database lets us send it the ids.
            An id that is written in another way, or is unknown, is copied, so that reading decides about it.

        Raises
        ------
        DatabaseError
            If a database cannot be reached or refuses.
        """
        for name in names:
            tables = _tables_of(self._config, name)
            copied = [self._copy(spec, name, number, unneeded) for number, spec in enumerate(tables)]
            if copied:
                update = {name: copied if isinstance(getattr(self._config.data, name), list) else copied[0]}
                data = self._config.data.model_copy(update=update)
                self._config = self._config.model_copy(update={"data": data})
        return self._config

    def _copy(self, spec: Table, name: str, number: int, unneeded: Sequence[str] | None) -> Table:
        """The table as one that reads the copy, where it lies in a database."""
        if spec.url is None:
            return spec
        file = self._folder / f"{name}-{number}.parquet"
        if not self._done:
            self._write(spec.url, spec, name, file, unneeded)
        return spec.model_copy(update={"sql": None, "url": None, "path": str(file.absolute())})

    def finish(self) -> None:
        """Note that all tables are copied, so that a job that resumes reads the same snapshot."""
        (self._folder / _DONE).touch()

    def _write(self, url: str, spec: Table, name: str, file: Path, unneeded: Sequence[str] | None) -> None:
        assert spec.sql is not None  # the config holds it wherever it holds a URL
        if url not in self._snapshots:
            self._snapshots[url] = retrying(lambda: _begin(url, self._config, self._stack))
        sql = spec.sql.strip().rstrip(";")
        lead_column = spec.column("lead_id") if unneeded else None
        batches = self._snapshots[url].read(sql, lead_column, unneeded or ())
        first = next(batches, None)
        if first is None:
            raise DatabaseError(f"data.{name}: {describe_url(url)} returned no rows; correct the query")
        with pq.ParquetWriter(file, first.schema, compression="lz4") as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)


def _begin(url: str, config: Config, stack: ExitStack) -> _Snapshot:
    if is_postgres(url):
        return _Postgres(url, stack)
    found = database_file(url, config.folder)
    if found is not None:
        if not found.path.is_file():
            raise ConfigError(f"there is no database {str(found.path)!r}; correct the url")
        return _Sqlite(found.path, stack) if found.kind == "sqlite" else _DuckDB(found.path, stack)
    raise ConfigError(
        f"a url must begin with postgresql://, sqlite:/// or duckdb:///; found {describe_url(url)!r}"
    )


class _Postgres:
    """One ``REPEATABLE READ`` transaction over ADBC; a second connection only asks for the types of columns."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._types = stack.enter_context(contextlib.closing(connect(url)))
        self._connection = stack.enter_context(contextlib.closing(connect_arrow(url, autocommit=True)))
        self._filled = False
        with explaining(url), contextlib.closing(self._connection.cursor()) as cursor:
            cursor.execute("SELECT has_database_privilege(current_database(), 'TEMP')")
            self._may_filter = bool(cursor.fetchone()[0])
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            if self._may_filter:
                cursor.execute(f"CREATE TEMP TABLE {_UNNEEDED} (lead_id text)")
            cursor.execute("SET TRANSACTION READ ONLY")

    def read(self, sql: str, lead_column: str | None, unneeded: Sequence[str]) -> Iterator[pa.RecordBatch]:
        chosen = f"SELECT {self._columns(sql)} FROM ({sql}) AS q"
        with explaining(self._url), contextlib.closing(self._connection.cursor()) as cursor:
            if lead_column is not None and self._may_filter:
                if not self._filled:
                    ids = pa.table({"lead_id": pa.array(unneeded, pa.string())})
                    cursor.adbc_ingest(_UNNEEDED, ids, mode="append", temporary=True)
                    cursor.execute(f"ANALYZE {_UNNEEDED}")
                    self._filled = True
                chosen += _unless_listed(lead_column)
            cursor.execute(chosen)
            reader = cursor.fetch_record_batch()
            schema = pa.schema([pa.field(field.name, field.type) for field in reader.schema])
            for batch in reader:
                yield batch.cast(schema)

    def _columns(self, sql: str) -> str:
        """The columns of a query, each as a type that Arrow holds exactly."""
        with explaining(self._url):
            cursor = self._types.execute(f"SELECT * FROM ({sql}) AS q LIMIT 0")
            types = self._types.adapters.types
            return ", ".join(
                f"{_cast(column, types.get(column.type_code))} AS {_quote(column.name)}"
                for column in cursor.description
            )


def _unless_listed(lead_column: str) -> str:
    """The condition that leaves out the rows of the unneeded leads."""
    return (
        f" WHERE NOT EXISTS (SELECT 1 FROM {_UNNEEDED} AS u WHERE u.lead_id = "
        f"CAST(q.{_quote(lead_column)} AS text))"
    )


def _cast(column: Any, kind: Any) -> str:
    name = f"q.{_quote(column.name)}"
    known = kind.name if kind is not None else ""
    if known in _PLAIN:
        return name
    if known in _TIMES:
        return f"CASE WHEN isfinite({name}) THEN {name} END"  # Arrow has no infinity of times
    if known == "numeric":
        whole = column.scale == 0 and column.precision is not None and column.precision <= _LONGEST_INTEGER
        return f"{name}::{'bigint' if whole else 'double precision'}"
    if known == "money":
        return f"{name}::numeric::double precision"
    return f"{name}::text"


class _Sqlite:
    """One transaction on a SQLite file; times and everything else but numbers are text there."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._where = str(path)
        self._connection = stack.enter_context(
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None))
        )
        self._connection.execute("BEGIN")
        self._filled = False

    def read(self, sql: str, lead_column: str | None, unneeded: Sequence[str]) -> Iterator[pa.RecordBatch]:
        try:
            if lead_column is not None:
                if not self._filled:
                    self._connection.execute(f"CREATE TEMP TABLE {_UNNEEDED} (lead_id text PRIMARY KEY)")
                    self._connection.executemany(
                        f"INSERT OR IGNORE INTO {_UNNEEDED} VALUES (?)", ((lead,) for lead in unneeded)
                    )
                    self._filled = True
                sql = f"SELECT * FROM ({sql}) AS q{_unless_listed(lead_column)}"
            cursor = self._connection.execute(sql)
            names = [column[0] for column in cursor.description]
            kinds = self._kinds(sql, names)
            while rows := cursor.fetchmany(_ROWS):
                columns = [
                    pa.array(_convert(values, kind), kind)
                    for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, names=names)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise DatabaseError(f"{self._where}: {error}; correct the query, or see to the file") from None

    def _kinds(self, sql: str, names: Sequence[str]) -> list[pa.DataType]:
        """The type of each column, from all its values: SQLite has none of its own."""
        asked = ", ".join(
            f"max(typeof({_quote(name)}) = 'text' OR typeof({_quote(name)}) = 'blob'), "
            f"max(typeof({_quote(name)}) = 'real')"
            for name in names
        )
        found = self._connection.execute(f"SELECT {asked} FROM ({sql})").fetchone()
        return [
            pa.string() if found[2 * at] else pa.float64() if found[2 * at + 1] else pa.int64()
            for at in range(len(names))
        ]


def _convert(values: Sequence[Any], kind: pa.DataType) -> list[Any]:
    if kind == pa.string():
        return [None if value is None else str(value) for value in values]
    return list(values)


class _DuckDB:
    """One transaction on a DuckDB file, opened to be read only."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._where = str(path)
        try:
            self._connection = stack.enter_context(duckdb.connect(path, read_only=True))
            self._connection.execute("BEGIN")
        except duckdb.Error as error:
            raise DatabaseError(f"{path}: {str(error).splitlines()[0]}; close the other process") from None

    def read(self, sql: str, lead_column: str | None, unneeded: Sequence[str]) -> Iterator[pa.RecordBatch]:
        try:
            if lead_column is not None:
                ids = pa.table({"lead_id": pa.array(unneeded, pa.string())})
                self._connection.register(_UNNEEDED, ids)
                sql = f"SELECT * FROM ({sql}) AS q{_unless_listed(lead_column)}"
            yield from self._connection.sql(sql).to_arrow_reader(_ROWS)
        except duckdb.Error as error:
            raise DatabaseError(f"{self._where}: {str(error).splitlines()[0]}; correct the query") from None


def _quote(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
