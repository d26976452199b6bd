"""Scores are upserted into tables of a database that the job creates and migrates itself, whole or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mqlml.errors import ConfigError, DatabaseError
from mqlml.journeys.databases import retrying
from mqlml.scoring.batch import SCORE_COLUMNS
from mqlml.scoring.batches import Batch, read_batches
from mqlml.scoring.dialects import Dialect, Session, literal_time, quote
from mqlml.scoring.earlier import NO_SCORES, TREND_AGES
from mqlml.scoring.sinks import to_arrow
from mqlml.times import TIME_DTYPE

__all__ = ["MIGRATIONS", "DatabaseTarget"]

_KEY = ("lead_id", "cutoff_time", "model_name", "model_version")
_JSON = ("first_reached", "labels")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,50}")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE {scores} (
  lead_id {id} NOT NULL, cutoff_time {time} NOT NULL, probability double precision NOT NULL,
  raw_score double precision NOT NULL, score double precision NOT NULL, label text NOT NULL, label_reason text,
  reason_1 text, reason_2 text, reason_3 text, against_1 text, against_2 text, against_3 text,
  profile_points double precision, channel_points double precision, actions_points double precision,
  undesirables_points double precision, base_points double precision, model_name text NOT NULL,
  model_version bigint NOT NULL, run_id text, scored_at {time} NOT NULL, label_since {time},
  previous_label text, previous_probability double precision, changed_at {time},
  PRIMARY KEY (lead_id, cutoff_time, model_name, model_version))""",
        """CREATE TABLE {skipped} (
  lead_id {id} NOT NULL, cutoff_time {time} NOT NULL, reason text NOT NULL,
  PRIMARY KEY (lead_id, cutoff_time))""",
        """CREATE TABLE {runs} (
  job_id text PRIMARY KEY, started_at {time} NOT NULL, finished_at {time} NOT NULL DEFAULT {now},
  cutoff_time {time} NOT NULL, model_name text NOT NULL, model_version bigint NOT NULL,
  rows_read bigint NOT NULL, quarantined bigint NOT NULL, scored bigint NOT NULL, skipped bigint NOT NULL,
  labels {json} NOT NULL, changed_labels bigint NOT NULL, newest_fact {time}, mqlml_version text NOT NULL)""",
    ),
    (
        "ALTER TABLE {scores} ADD COLUMN trend text",
        "ALTER TABLE {scores} ADD COLUMN first_reached {json}",
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
    index: str


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
        index=f'"{name}_cutoff_time_idx"',
    )


class DatabaseTarget:
    """Tables of scores in a database.

    Parameters
    ----------
    dialect : the kind of database, and where it is.
    table : the table of scores, ``NAME`` or ``SCHEMA.NAME``; the others are named after it.
    """

    def __init__(self, dialect: Dialect, table: str = "lead_scores") -> None:
        self._dialect, self._names, self.table = dialect, _names(table), table
        self.shown = self.state = f"{dialect.shown} {table}"
        digest = hashlib.sha256(f"mqlml {table}".encode()).digest()
        self._lock = int.from_bytes(digest[:8], "big", signed=True)

    def work_folder(self, folder: Path) -> Path:
        """Where a job on these tables keeps what it has finished."""
        return self._dialect.work_folder(folder, hashlib.sha256(self.shown.encode()).hexdigest()[:12])

    @contextlib.contextmanager
    def holding(self, *, wait: bool) -> Iterator[None]:
        """Keep every other job off these tables, until this process ends, however it ends.

        Raises
        ------
        DatabaseError
            If another job works on them and ``wait`` is false, or the server cannot be reached.
        """
        with self._dialect.holding(self._lock, wait=wait) as free:
            if not free:
                raise DatabaseError(
                    f"{self.shown}: another job is writing these scores; wait for it with --wait, or run it later",
                    sqlstate="55006",
                )
            yield

    def prepare(self, *, integer_ids: bool) -> None:
        """Create the tables, or bring those of an earlier release up to date.

        Raises
        ------
        DatabaseError
            If a right is missing, the tables are of a newer release, or hold ids of another type.
        """
        retrying(lambda: self._prepare("bigint" if integer_ids else "text"))

    def _prepare(self, kind: str) -> None:
        with self._dialect.session() as session:
            found = self._schema_version(session)
            if found < len(MIGRATIONS):
                # Another job may make the tables at the same time; what it has made is seen once it is done.
                self._dialect.take_turns(session, self._lock ^ 1)
                self._migrate(session, self._schema_version(session), kind)
            elif found > len(MIGRATIONS):
                raise DatabaseError(
                    f"{self.shown}: the tables were made by a newer mqlml (schema {found}, this one knows "
                    f"{len(MIGRATIONS)}); install that release",
                    sqlstate="42P16",
                )
            held = self._dialect.column_type(session, self._names.scores, "lead_id")
            if held != kind:
                raise DatabaseError(
                    f"{self.shown}: lead_id is {held} there and {kind} in the data; name another --table",
                    sqlstate="42P16",
                )

    def _schema_version(self, session: Session) -> int:
        if self._dialect.column_type(session, self._names.schema, "version") is None:
            return 0
        rows = session.run(f"SELECT version FROM {self._names.schema} WHERE table_name = {quote(self.table)}")
        return int(rows[0][0]) if rows else 0

    def _migrate(self, session: Session, found: int, kind: str) -> None:
        names, dialect = self._names, self._dialect
        if dialect.column_type(session, names.schema, "version") is None:
            session.run(
                f"CREATE TABLE {names.schema} (table_name text PRIMARY KEY, version integer NOT NULL)"
            )
        words = {"scores": names.scores, "skipped": names.skipped, "runs": names.runs, "id": kind}
        for statements in MIGRATIONS[found:]:
            for statement in statements:
                session.run(statement.format(**words, **dialect.types))
        if found == 0 and dialect.indexed:
            session.run(f"CREATE INDEX {names.index} ON {names.scores} (cutoff_time)")
        listed = ", ".join(SCORE_COLUMNS)
        latest = "row_number() OVER (PARTITION BY lead_id ORDER BY cutoff_time DESC, scored_at DESC)"
        query = f"SELECT {listed} FROM (SELECT *, {latest} AS place FROM {names.scores}) AS s WHERE place = 1"
        for statement in dialect.replace_view(names.current, query):
            session.run(statement)
        session.run(
            f"INSERT INTO {names.schema} VALUES ({quote(self.table)}, {len(MIGRATIONS)}) "
            "ON CONFLICT (table_name) DO UPDATE SET version = excluded.version"
        )

    def last_scores(self, as_of: dt.datetime, model_name: str, lead_id: pd.Series) -> pd.DataFrame:
        """What `last_labels` needs of some leads' scores before a moment, by any version of a model."""
        return retrying(lambda: self._last_scores(as_of, model_name, lead_id))

    def _last_scores(self, as_of: dt.datetime, model_name: str, lead_id: pd.Series) -> pd.DataFrame:
        youngest, oldest = (as_of - dt.timedelta(microseconds=age) for age in TREND_AGES)
        spans = (
            f"cutoff_time < {literal_time(as_of)}",
            f"cutoff_time <= {literal_time(youngest)} AND cutoff_time >= {literal_time(oldest)}",
        )
        columns = [*NO_SCORES.columns, "scored_at"]
        with self._dialect.session() as session:
            asked = to_arrow(pd.DataFrame({"lead_id": lead_id})).replace_schema_metadata(None)
            session.ingest("mqlml_asked", asked.to_reader())
            found = pd.concat(
                [_to_pandas(session.read(self._last(span, model_name, columns))) for span in spans]
            )
        ordered = found.sort_values(["cutoff_time", "scored_at"], kind="stable")[list(NO_SCORES.columns)]
        # Where nothing changed within a week, both spans find the same row.
        return ordered.drop_duplicates(["lead_id", "cutoff_time"], keep="last", ignore_index=True)

    def all_scores(self, until: dt.datetime, model_name: str) -> pd.DataFrame:
        """Lead, cutoff, probability, label and version of all scores of a model up to a moment."""
        sql = (
            "SELECT CAST(lead_id AS text) AS lead_id, cutoff_time, probability, label, model_name, model_version "
            f"FROM {self._names.scores} WHERE cutoff_time <= {literal_time(until)} "
            f"AND model_name = {quote(model_name)} ORDER BY cutoff_time, lead_id"
        )

        def read() -> pd.DataFrame:
            with self._dialect.session() as session:
                return _to_pandas(session.read(sql))

        return retrying(read)

    def _last(self, span: str, model_name: str, columns: Sequence[str]) -> str:
        """The query for each asked lead's last scores in a span, by the key: its cost does not grow with history."""
        scores, name = self._names.scores, quote(model_name)
        listed = ", ".join(
            f"CAST(s.{column} AS text) AS {column}" if column in ("lead_id", *_JSON) else f"s.{column}"
            for column in columns
        )
        return (
            "WITH last AS MATERIALIZED (SELECT a.lead_id, (SELECT max(m.cutoff_time) FROM "
            f"{scores} AS m WHERE m.lead_id = a.lead_id AND model_name = {name} AND {span}) AS cutoff_time "
            "FROM mqlml_asked AS a) "
            f"SELECT {listed} FROM last JOIN {scores} AS s ON s.lead_id = last.lead_id "
            f"AND s.cutoff_time = last.cutoff_time WHERE s.model_name = {name}"
        )

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
        record, names = batch.record, self._names
        cutoff = literal_time(record.cutoff_time)
        with self._dialect.session() as session:
            # Into temporary tables first: the database converts their types, or refuses.
            session.ingest("mqlml_new", read_batches(batch.files, SCORE_COLUMNS))
            session.run(self._upsert("mqlml_new", names.scores, SCORE_COLUMNS, _KEY))
            if batch.whole:
                session.run(
                    f"DELETE FROM {names.scores} WHERE cutoff_time = {cutoff} "
                    f"AND model_name = {quote(record.model_name)} AND model_version = {record.model_version} "
                    f"AND NOT EXISTS (SELECT 1 FROM mqlml_new AS n WHERE n.lead_id = {names.scores}.lead_id)"
                )
                session.run(f"DELETE FROM {names.skipped} WHERE cutoff_time = {cutoff}")
                if len(batch.skipped):
                    skipped = to_arrow(batch.skipped).replace_schema_metadata(None)
                    session.ingest("mqlml_skipped", skipped.to_reader())
                    columns = ("lead_id", "cutoff_time", "reason")
                    session.run(self._upsert("mqlml_skipped", names.skipped, columns, columns[:2]))
            run = _run_row(batch)
            session.ingest("mqlml_run", run.to_reader())
            listed = ", ".join(run.schema.names)
            session.run(
                f"INSERT INTO {names.runs} ({listed}) SELECT {self._cast(run.schema.names)} FROM mqlml_run"
            )

    def _cast(self, columns: Sequence[str]) -> str:
        kind = self._dialect.types["json"]
        return ", ".join(f"CAST({name} AS {kind})" if name in _JSON else name for name in columns)

    def _upsert(self, source: str, target: str, columns: Sequence[str], key: Sequence[str]) -> str:
        updated = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
        # In the order of the key, which is then written from one end to the other.
        return (
            f"INSERT INTO {target} ({', '.join(columns)}) SELECT {self._cast(columns)} FROM {source} "
            f"ORDER BY {', '.join(key)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updated}"
        )


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Rows of the scores with times in UTC, whether they are instants or text."""
    frame = pd.DataFrame(index=range(table.num_rows))
    for name in table.schema.names:
        column = table.column(name)
        if name in ("cutoff_time", "label_since", "changed_at", "scored_at"):
            if pa.types.is_timestamp(column.type):  # pandas reads zoned columns of pyarrow with a warning
                column = column.cast(pa.timestamp("us"))
            times = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601")
            frame[name] = times.astype(TIME_DTYPE)
        else:
            frame[name] = column.to_pandas().astype("float64" if name == "probability" else "str")
    return frame


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
