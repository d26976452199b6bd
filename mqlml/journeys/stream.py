"""A table too large for memory is read in batches, as often as needed.

Opening a stream reads everything once: it counts the rows, finds malformed lines, and the form of each text column,
so that every batch is then parsed as if the whole table were there.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from mqlml.config import Table
from mqlml.journeys.csvfile import (
    CsvFile,
    Layout,
    Misfit,
    explain_rejected,
    find_layout,
    is_packed,
    number_rows,
    rewrite,
    scan,
    unreadable,
)
from mqlml.journeys.excel import is_excel, read_excel_file
from mqlml.journeys.parse import Form, find_form
from mqlml.journeys.sources import (
    Part,
    Source,
    blaming,
    check_query_ids,
    find_files,
    is_parquet,
    join_parts,
    name_source,
    no_database,
    opened_parquet,
    running_sql,
)

__all__ = ["Stream", "StreamColumns", "fingerprint_query", "open_stream"]

BATCH = 1 << 17
"""Rows in a batch: enough for vectorized functions, few enough for a dozen copies of each column."""

Batches = Callable[[Collection[str]], Iterator[pa.Table]]
"""Some columns of a file, batch by batch."""

Forms = dict[str, Form]


@dataclass(frozen=True)
class _File:
    """One file that can be read in batches; ``names`` are all its columns, ``schema`` those wanted."""

    shown: str
    names: tuple[str, ...]
    schema: pa.Schema
    rows: int
    batches: Batches
    misfits: tuple[Misfit, ...] = ()
    forms: Forms | None = None


@dataclass(frozen=True)
class Stream:
    """All rows of one table, in batches.

    Attributes
    ----------
    where : its name in messages, as ``data.events (events.csv)``.
    names : all column names the source has.
    forms : the common form of each wanted text column, by the source's names.
    """

    where: str
    names: tuple[str, ...]
    forms: dict[str, Form]
    schema: pa.Schema
    files: tuple[_File, ...]

    @property
    def rows_read(self) -> int:
        """All rows, malformed lines included."""
        return sum(file.rows + len(file.misfits) for file in self.files)

    def batches(self, columns: Collection[str] | None = None) -> Iterator[Source]:
        """The rows in order, each batch from one file; malformed lines come before the rows of their file.

        Parameters
        ----------
        columns : the source's names of those to read, all that are wanted if None.
        """
        schema = self.schema
        if columns is not None:
            schema = pa.schema([field for field in schema if field.name in columns])
        for file in self.files:
            source = functools.partial(Source, self.where, self.names, files=((file.shown, 0),))
            if file.misfits:
                aside = tuple((file.shown, misfit) for misfit in file.misfits)
                yield source(table=schema.empty_table(), rows=np.array([], np.int64), misfits=aside)
            start = 0
            for table in file.batches(schema.names):
                rows = number_rows(start, table.num_rows, file.misfits)
                yield source(table=table.select(schema.names).cast(schema), rows=rows, misfits=())
                start += table.num_rows


@dataclass(frozen=True)
class StreamColumns:
    """The source's names of the columns that a stream has.

    Attributes
    ----------
    wanted, words, ids : as for `mqlml.journeys.sources.read_source`.
    quantities : columns whose form matters only if they are text, such as numbers and times.
    """

    wanted: Sequence[str]
    words: Sequence[str]
    ids: Sequence[str]
    quantities: Sequence[str]


def open_stream(
    spec: Table,
    columns: StreamColumns,
    *,
    where: str,
    base: Path,
    zone: str,
    folder: Path,
    missing: Collection[str] = (),
) -> Stream:
    """Read a table once and prepare its batches.

    Parameters
    ----------
    spec, where, base, zone : as for `mqlml.journeys.sources.read_source`, with the same rows.
    columns : what is read of it.
    missing : the words for a missing value.
    folder : for copies that the batches are read from: a query's result, or a CSV file in UTF-8.

    Raises
    ------
    SourceError, ContractError
        As `read_source`.
    """
    if spec.path is None:
        if spec.url is not None:
            raise no_database(where)
        files = [_run_once(spec, where, base, zone, columns.wanted, columns.ids, folder / "query.arrow")]
        shown = f"{where} (sql)"
    else:
        with blaming(where):
            files = [
                _open_file(name, path, spec, columns, folder / f"copy{number}.csv", missing)
                for number, (name, path) in enumerate(find_files(spec, base))
            ]
        shown = name_source(spec, where, [file.shown for file in files])
    nothing = np.array([], np.int64)
    parts = [Part(file.shown, file.names, file.schema.empty_table(), nothing) for file in files]
    schema = parts[0].table.schema if len(parts) == 1 else join_parts(parts, where).schema
    with blaming(where):
        forms = _find_forms(files, schema, columns.quantities, missing)
    return Stream(shown, files[0].names, forms, schema, tuple(files))


def fingerprint_query(spec: Table, *, where: str, base: Path, zone: str) -> str:
    """SHA-256 of a query's rows: only the query knows which files they come from."""
    if spec.url is not None:
        raise no_database(where)
    assert spec.sql is not None
    digest = hashlib.sha256()
    with running_sql(spec.sql, folder=base, zone=zone, where=where) as query:
        reader = query.to_arrow_reader(BATCH)
        digest.update(reader.schema.serialize())
        for batch in reader:
            digest.update(batch.serialize())
    return digest.hexdigest()


def _find_forms(
    files: Sequence[_File], schema: pa.Schema, quantities: Collection[str], missing: Collection[str]
) -> Forms:
    """The forms of the columns over all files; nothing is read once no further row can change one."""
    forms = {field.name: Form(truth=False) for field in schema if pa.types.is_signed_integer(field.type)}
    unknown = [
        field.name
        for field in schema
        if field.name not in forms and (field.name not in quantities or _is_text(field.type))
    ]
    for file in files:
        if file.forms is not None:
            for name in unknown:
                forms[name] = forms.get(name, Form()) & file.forms.get(name, Form())
            continue
        unsettled = [name for name in unknown if name in quantities or not forms.get(name, Form()).free]
        for table in file.batches(unsettled) if unsettled else ():
            for name in unsettled:
                column = table.column(name).cast(schema.field(name).type)
                forms[name] = find_form(column, forms.get(name), missing)
            if all(name not in quantities and forms[name].free for name in unsettled):
                break
    return forms


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _open_file(
    shown: str,
    path: Path,
    spec: Table,
    columns: StreamColumns,
    copy: Path,
    missing: Collection[str],
) -> _File:
    wanted = columns.wanted
    if is_parquet(path):
        return _open_parquet(shown, path, wanted, columns.words)
    if is_excel(path):
        return _hold_excel(shown, read_excel_file(path, sheet=spec.sheet, wanted=wanted), missing)
    layout = find_layout(path, delimiter=spec.delimiter, encoding=spec.encoding)
    try:
        if layout.encoding == "utf-8-sig" and not is_packed(path):
            try:
                return _open_csv(shown, path, path, layout, wanted, missing)
            except duckdb.Error:  # for one, lines that end in two ways, as after joining exports
                pass
        rewrite(path, layout.encoding, copy)
        return _open_csv(shown, path, copy, layout, wanted, missing)
    except duckdb.Error as error:
        raise unreadable(path, error) from None


def _hold_excel(shown: str, excel: CsvFile, missing: Collection[str]) -> _File:
    """A sheet, which has a million rows at most and stays in memory."""
    forms = {name: find_form(excel.table.column(name), None, missing) for name in excel.table.column_names}

    def batches(columns: Collection[str]) -> Iterator[pa.Table]:
        table = excel.table.select([name for name in excel.table.column_names if name in columns])
        for start in range(0, table.num_rows, BATCH):
            yield table.slice(start, BATCH)

    return _File(shown, excel.names, excel.table.schema, excel.table.num_rows, batches, forms=forms)


def _open_parquet(shown: str, path: Path, wanted: Collection[str], words: Sequence[str]) -> _File:
    with opened_parquet(path, words) as file:
        names = tuple(file.schema_arrow.names)
        schema = pa.schema([field for field in file.schema_arrow if field.name in wanted])
        rows = file.metadata.num_rows

    def batches(columns: Collection[str]) -> Iterator[pa.Table]:
        with opened_parquet(path, words) as file:
            chosen = [name for name in names if name in columns]
            for batch in file.iter_batches(BATCH, columns=chosen):
                yield pa.Table.from_batches([batch])

    return _File(shown, names, schema, rows, batches)


def _open_csv(
    shown: str, path: Path, file: Path, layout: Layout, wanted: Collection[str], missing: Collection[str]
) -> _File:
    """A CSV file that is read from ``file``: itself, or its copy."""
    forms: Forms = {}
    rows = 0
    with scan(file, layout, wanted) as (query, rejected):
        names = [layout.names[int(place)] for place in query.columns]
        for batch in query.to_arrow_reader(BATCH):
            rows += batch.num_rows
            table = pa.Table.from_batches([batch]).rename_columns(names)
            forms = {name: find_form(table.column(name), forms.get(name), missing) for name in names}
        misfits = explain_rejected(path, layout, rejected())

    def batches(columns: Collection[str]) -> Iterator[pa.Table]:
        with scan(file, layout, columns) as (query, _):
            chosen = [layout.names[int(place)] for place in query.columns]
            for batch in query.to_arrow_reader(BATCH):
                yield pa.Table.from_batches([batch]).rename_columns(chosen)

    schema = pa.schema([(name, pa.string()) for name in names])
    return _File(shown, layout.names, schema, rows, batches, misfits, forms)


def _run_once(
    spec: Table,
    where: str,
    base: Path,
    zone: str,
    wanted: Collection[str],
    ids: Collection[str],
    target: Path,
) -> _File:
    """A query's rows, copied to the disk: a second run might return them in another order."""
    assert spec.sql is not None
    target = target.absolute()  # the query runs in the config's folder
    first = None
    with running_sql(spec.sql, folder=base, zone=zone, where=where) as query:
        reader = query.to_arrow_reader(BATCH)
        names = tuple(reader.schema.names)
        chosen = [name for name in names if name in wanted]
        schema = pa.schema([reader.schema.field(name) for name in chosen])
        rows = 0
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for batch in reader:
                first = pa.Table.from_batches([batch]) if first is None else first
                rows += batch.num_rows
                writer.write_batch(batch.select(chosen))
    if first is not None:
        check_query_ids(spec.sql, first, ids, folder=base, where=where)

    def batches(columns: Collection[str]) -> Iterator[pa.Table]:
        with pa.OSFile(str(target)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield pa.Table.from_batches([batch]).select([name for name in chosen if name in columns])

    return _File("", names, schema, rows, batches)
