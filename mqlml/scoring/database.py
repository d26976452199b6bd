"""Scores are upserted into PostgreSQL tables that the job creates and migrates itself, whole or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from mqlml.errors import ConfigError, DatabaseError
from mqlml.journeys.databases import connect, connect_arrow, describe_url, explaining, retrying
from mqlml.scoring.batch import SCORE_COLUMNS
from mqlml.scoring.batches import Batch, read_batches
from mqlml.scoring.labels import NO_SCORES
from mqlml.scoring.sinks import to_arrow

__all__ = ["MIGRATIONS", "PostgresTarget"]

_KEY = ("lead_id", "cutoff_time", "model_name", "model_version")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,50}")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE {scores} (
  lead_id {id} NOT NULL, cutoff_time timestamptz NOT NULL, probability double precision NOT NULL,
  raw_score double precision NOT NULL, score double precision NOT NULL, label text NOT NULL, label_reason text,
  reason_1 text, reason_2 text, reason_3 text, against_1 text, against_2 text, against_3 text,
  profile_points double precision, channel_points double precision, actions_points double precision,
  undesirables_points double precision, base_points double precision, model_name text NOT NULL,
  model_version bigint NOT NULL, run_id text, scored_at timestamptz NOT NULL, label_since timestamptz,
  previous_label text, previous_probability double precision, changed_at timestamptz,
  PRIMARY KEY (lead_id, cutoff_time, model_name, model_version))""",
        "CREATE INDEX ON {scores} (cutoff_time)",
        """CREATE TABLE {skipped} (
  lead_id {id} NOT NULL, cutoff_time timestamptz NOT NULL, reason text NOT NULL,
  PRIMARY KEY (lead_id, cutoff_time))""",
        """CREATE TABLE {runs} (
  job_id text PRIMARY KEY, started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  cutoff_time timestamptz NOT NULL, model_name text NOT NULL, model_version bigint NOT NULL,
  rows_read bigint NOT NULL, quarantined bigint NOT NULL, scored bigint NOT NULL, skipped bigint NOT NULL,
  labels jsonb NOT NULL, changed_labels bigint NOT NULL, newest_fact timestamptz, mqlml_version text NOT NULL)""",
        """CREATE VIEW {current} AS SELECT DISTINCT ON (lead_id) * FROM {scores}
  ORDER BY lead_id, cutoff_time DESC, scored_at DESC""",
    ),
)
"""The statements that lead from each version of the tables to the next; the first makes them."""


@dataclass(frozen=True)
class _Names:
    """The tables of one target, quoted for SQL."""

    scores: str
    skipped: str
    runs: str
    current: str
    schema: str


def _names(table: str) -> _Names:
    parts = table.split(".")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
        raise ConfigError(f"--table must be NAME or SCHEMA.NAME, of letters, digits and '_'; found {table!r}")
    prefix = f'"{parts[0]}".' if len(parts) == 2 else ""
    name = parts[-1]
    own = name == "lead_scores"
    return _Names(
        scores=f'{prefix}"{name}"',
        skipped=f'{prefix}"{name}_skipped"',
        runs=f'{prefix}"{"score_runs" if own else name + "_runs"}"',
        current=f'{prefix}"{"current_scores" if own else name + "_current"}"',
        schema=f'{prefix}"mqlml_schema"',
    )


class PostgresTarget:
    """Tables of scores in a PostgreSQL database.

    Parameters
    ----------
    url : with everything that is needed to connect.
    table : the table of scores, ``NAME`` or ``SCHEMA.NAME``; the others are named after it.
    """

    def __init__(self, url: str, table: str = "lead_scores") -> None:
        self._url, self._names, self.table = url, _names(table), table
        self.shown = f"{describe_url(url)} {table}"
        digest = hashlib.sha256(f"mqlml {table}".encode()).digest()
        self._lock = int.from_bytes(digest[:8], "big", signed=True)

    @contextlib.contextmanager
    def holding(self, *, wait: bool) -> Iterator[None]:
        """Keep every other job off these tables; the server lets go when this process ends, however it ends.

        Raises
        ------
        DatabaseError
            If another job works on them and ``wait`` is false, or the server cannot be reached.
        """
        connection = retrying(lambda: connect(self._url))
        try:
            if wait:
                self._run(connection, "SELECT pg_advisory_lock(%s)", self._lock)
            elif not self._run(connection, "SELECT pg_try_advisory_lock(%s)", self._lock)[0][0]:
                raise DatabaseError(
                    f"{self.shown}: another job is writing these scores; wait for it with --wait, or run it later",
                    sqlstate="55006",
                )
            yield
        finally:
            with contextlib.suppress(Exception):  # the server may have cut the connection
                connection.close()

    def _run(self, connection: Any, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with explaining(self._url):
            cursor = connection.execute(statement, values or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            return rows

    def prepare(self, *, integer_ids: bool) -> None:
        """Create the tables, or bring those of an earlier release up to date.

        Raises
        ------
        DatabaseError
            If a right is missing, the tables are of a newer release, or hold ids of another type.
        """
        retrying(lambda: self._prepare("bigint" if integer_ids else "text"))

    def _prepare(self, kind: str) -> None:
        names = self._names
        with contextlib.closing(connect(self._url)) as connection:
            found = self._schema_version(connection)
            if found < len(MIGRATIONS):
                # Before the transaction, which then sees what a job that was first has made; released at the end.
                self._run(connection, "SELECT pg_advisory_lock(%s)", self._lock ^ 1)
                with connection.transaction():
                    self._migrate(connection, self._schema_version(connection), kind)
            elif found > len(MIGRATIONS):
                raise DatabaseError(
                    f"{self.shown}: the tables were made by a newer mqlml (schema {found}, this one knows "
                    f"{len(MIGRATIONS)}); install that release"
                )
            sql = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attname = 'lead_id' AND attrelid = "
            held = self._run(connection, sql + "to_regclass(%s)", names.scores)[0][0]
            if held != kind:
                raise DatabaseError(
                    f"{self.shown}: lead_id is {held} there and {kind} in the data; name another --table"
                )

    def _schema_version(self, connection: Any) -> int:
        if self._run(connection, "SELECT to_regclass(%s)", self._names.schema)[0][0] is None:
            return 0
        rows = self._run(
            connection, f"SELECT version FROM {self._names.schema} WHERE table_name = %s", self.table
        )
        return int(rows[0][0]) if rows else 0

    def _migrate(self, connection: Any, found: int, kind: str) -> None:
        names = self._names
        if self._run(connection, "SELECT to_regclass(%s)", names.schema)[0][0] is None:
            self._run(
                connection,
                f"CREATE TABLE {names.schema} (table_name text PRIMARY KEY, version integer NOT NULL)",
            )
        for statements in MIGRATIONS[found:]:
            for statement in statements:
                self._run(
                    connection,
                    statement.format(
                        scores=names.scores,
                        skipped=names.skipped,
                        runs=names.runs,
                        current=names.current,
                        id=kind,
                    ),
                )
        self._run(
            connection,
            f"INSERT INTO {names.schema} VALUES (%s, %s) ON CONFLICT (table_name) "
            "DO UPDATE SET version = excluded.version",
            self.table,
            len(MIGRATIONS),
        )

    def last_scores(self, as_of: dt.datetime, model_name: str) -> pd.DataFrame:
        """Each lead's last scores before a moment by any version of a model, as `read_scores` gives them."""

        def read() -> pd.DataFrame:
            moment = as_of.astimezone(dt.UTC).isoformat()
            sql = (
                "SELECT DISTINCT ON (lead_id) lead_id::text AS lead_id, cutoff_time, label, label_since, "
                f"probability, changed_at FROM {self._names.scores} WHERE cutoff_time < '{moment}'::timestamptz "
                f"AND model_name = {_quote(model_name)} ORDER BY lead_id, cutoff_time DESC, scored_at DESC"
            )
            table = self._query(sql)
            for place, field in enumerate(table.schema):
                if pa.types.is_timestamp(field.type):  # pandas reads zoned columns of pyarrow with a warning
                    table = table.set_column(place, field.name, table.column(place).cast(pa.timestamp("us")))
            frame = table.to_pandas()
            for name in ("cutoff_time", "label_since", "changed_at"):
                frame[name] = frame[name].dt.tz_localize("UTC").dt.as_unit("us")
            found: pd.DataFrame = frame.astype({"lead_id": "str", "label": "str"})[list(NO_SCORES.columns)]
            return found

        return retrying(read)

    def all_scores(self, until: dt.datetime, model_name: str) -> pa.Table:
        """Lead, cutoff, probability, label and version of all scores of a model up to a moment."""
        moment = until.astimezone(dt.UTC).isoformat()
        sql = (
            "SELECT lead_id::text AS lead_id, cutoff_time, probability, label, model_name, model_version "
            f"FROM {self._names.scores} WHERE cutoff_time <= '{moment}'::timestamptz "
            f"AND model_name = {_quote(model_name)} ORDER BY cutoff_time, lead_id"
        )
        return retrying(lambda: self._query(sql))

    def _query(self, sql: str) -> pa.Table:
        with (
            explaining(self._url),
            contextlib.closing(connect_arrow(self._url)) as connection,
            contextlib.closing(connection.cursor()) as cursor,
        ):
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def publish(self, batch: Batch) -> None:
        """Write a run in one transaction: its scores, the leads it skipped, its record.

        Rows of the same lead, cutoff, model and version are replaced, so that a run that is repeated, or was killed
        after it wrote, leaves the same rows.

        Raises
        ------
        DatabaseError
            If the database refuses; it then holds what it held.
        """
        retrying(lambda: self._publish(batch))

    def _publish(self, batch: Batch) -> None:
        with (
            explaining(self._url),
            contextlib.closing(connect_arrow(self._url)) as connection,
        ):
            with contextlib.closing(connection.cursor()) as cursor:
                self._replace(cursor, batch)
            connection.commit()

    def _replace(self, cursor: Any, batch: Batch) -> None:
        record, names = batch.record, self._names
        cutoff = f"'{record.cutoff_time.astimezone(dt.UTC).isoformat()}'::timestamptz"
        # Into temporary tables first: ADBC does not compare the types of an existing table with its own.
        cursor.adbc_ingest("mqlml_new", read_batches(batch.files), mode="create", temporary=True)
        cursor.execute(_upsert("mqlml_new", names.scores, SCORE_COLUMNS, _KEY))
        if batch.whole:
            cursor.execute(
                f"DELETE FROM {names.scores} s WHERE s.cutoff_time = {cutoff} "
                f"AND s.model_name = {_quote(record.model_name)} AND s.model_version = {record.model_version} "
                "AND NOT EXISTS (SELECT FROM mqlml_new n WHERE n.lead_id = s.lead_id)"
            )
            cursor.execute(f"DELETE FROM {names.skipped} WHERE cutoff_time = {cutoff}")
            if len(batch.skipped):
                self._insert_skipped(cursor, batch.skipped)
        run = _run_row(batch)
        cursor.adbc_ingest("mqlml_run", run, mode="create", temporary=True)
        columns = ", ".join(run.schema.names)
        values = ", ".join("labels::jsonb" if name == "labels" else name for name in run.schema.names)
        cursor.execute(f"INSERT INTO {names.runs} ({columns}) SELECT {values} FROM mqlml_run")

    def _insert_skipped(self, cursor: Any, skipped: pd.DataFrame) -> None:
        rows = to_arrow(skipped).replace_schema_metadata(None)
        cursor.adbc_ingest("mqlml_skipped", rows, mode="create", temporary=True)
        columns = ("lead_id", "cutoff_time", "reason")
        cursor.execute(_upsert("mqlml_skipped", self._names.skipped, columns, columns[:2]))


def _quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _upsert(source: str, target: str, columns: Sequence[str], key: Sequence[str]) -> str:
    listed = ", ".join(columns)
    updated = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return (
        f"INSERT INTO {target} ({listed}) SELECT {listed} FROM {source} "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updated}"
    )


def _run_row(batch: Batch) -> pa.Table:
    record = batch.record
    moment = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "job_id": [record.job_id],
            "started_at": pa.array([record.started_at], moment),
            "cutoff_time": pa.array([record.cutoff_time], moment),
            "model_name": [record.model_name],
            "model_version": [record.model_version],
            "rows_read": [record.rows_read],
            "quarantined": [record.quarantined],
            "scored": [record.scored],
            "skipped": [record.skipped],
            "labels": [json.dumps(record.labels, ensure_ascii=False)],
            "changed_labels": [record.changed_labels],
            "newest_fact": pa.array([record.newest_fact], moment),
            "mqlml_version": [record.mqlml_version],
        }
    )
