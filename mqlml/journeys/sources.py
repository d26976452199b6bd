"""A table of the config is read as Arrow columns with row numbers.

CSV files are read by DuckDB and stay text (`mqlml.journeys.csvfile`). Parquet files keep their types and are read by
pyarrow, which keeps dictionary-encoded columns encoded (DuckDB would expand millions of texts) and distinguishes
column names that differ in case only. ``sql`` runs in a separate DuckDB inside this process.
"""

from __future__ import annotations

import contextlib
import difflib
import glob
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mqlml.config import Flat, Table
from mqlml.errors import ContractError, SourceError
from mqlml.journeys.csvfile import Misfit, check_unique, is_packed, quoted, read_csv_file
from mqlml.journeys.excel import SUFFIXES, is_excel, read_excel_file

__all__ = [
    "Part",
    "Source",
    "blaming",
    "check_query_ids",
    "estimate_rows",
    "find_files",
    "is_parquet",
    "join_parts",
    "name_source",
    "no_database",
    "opened_parquet",
    "read_source",
    "running_sql",
]

_CSV = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq", ".parq")


@dataclass(frozen=True)
class Part:
    """The rows of one file; ``file`` is its name in messages and in the quarantine."""

    file: str
    names: tuple[str, ...]
    table: pa.Table
    rows: npt.NDArray[np.int64]
    misfits: tuple[Misfit, ...] = ()


@dataclass(frozen=True)
class Source:
    """All rows of one table, in the order of the files and of the rows in them.

    Attributes
    ----------
    where : its name in messages, as ``data.leads (leads.csv)``.
    names : all column names of the source.
    table : pyarrow Table of the wanted columns.
    rows : int64 array, the row number of each row in its file (1 is the first after the header).
    files : names of the files, and the place in ``table`` where each begins.
    misfits : malformed lines, which are not in ``table``, with their file.
    """

    where: str
    names: tuple[str, ...]
    table: pa.Table
    rows: npt.NDArray[np.int64]
    files: tuple[tuple[str, int], ...]
    misfits: tuple[tuple[str, Misfit], ...]

    def column(self, name: str) -> Any:
        """One column, a pyarrow ChunkedArray."""
        return self.table.column(name)

    def file_of(self, places: npt.NDArray[np.int64]) -> list[str]:
        """The file of each of the rows at these places."""
        starts = [start for _, start in self.files]
        return [self.files[index][0] for index in np.searchsorted(starts, places, side="right") - 1]


def _no_such_file(path: Path, remedy: str) -> SourceError:
    folder = path.parent
    if not folder.is_dir():
        return SourceError(f"there is no folder {str(folder)!r}; {remedy}")
    near = difflib.get_close_matches(path.name, [other.name for other in folder.iterdir()], n=1, cutoff=0.75)
    hint = f"did you mean {near[0]!r}?" if near else remedy
    return SourceError(f"there is no file {str(path)!r}; {hint}")


def _files(path: Path, remedy: str) -> list[tuple[str, Path]]:
    """The files of a path, sorted, with the names to show; without hidden files and Spark's markers."""
    if path.is_file():
        return [(path.name, path)]
    if path.is_dir():
        found = [
            (str(file.relative_to(path)), file)
            for file in sorted(path.rglob("*"))
            if {*file.suffixes} & {*_CSV, *_PARQUET, *SUFFIXES}
            and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
            and file.is_file()
        ]
        if not found:
            raise SourceError(
                f"the folder {str(path)!r} holds no CSV, Parquet or Excel file "
                f"({', '.join(_CSV + _PARQUET + SUFFIXES)}); put the export into it, or name another"
            )
        return found
    if glob.has_magic(str(path)):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        found = [(match.name, match) for match in matches if match.is_file()]
        if not found:
            raise SourceError(f"no file matches {str(path)!r}; {remedy}")
        return found
    raise _no_such_file(path, remedy)


@contextlib.contextmanager
def opened_parquet(path: Path, words: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; its columns of words stay dictionary-encoded."""
    try:
        schema = pq.read_schema(path)
        check_unique(schema.names, path.name)
        encoded = [
            name for name in words if name in schema.names and not pa.types.is_nested(schema.field(name).type)
        ]
        with pq.ParquetFile(path, read_dictionary=encoded) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path.name} cannot be read as Parquet (damaged, or cut off while it was written?): "
            f"{str(error).splitlines()[0].rstrip('.')}; write it again"
        ) from None


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes or its name; otherwise it is CSV.

    Raises
    ------
    SourceError
        If it is empty.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise SourceError(
            f"{path.name} is empty (0 bytes); a table needs a header line and rows, so export it again"
        )
    return magic == b"PAR1" or path.suffix in _PARQUET


def _read_file(
    shown: str, path: Path, spec: Table | Flat, wanted: Collection[str] | None, words: Sequence[str]
) -> Part:
    if is_parquet(path):
        with opened_parquet(path, words) as parquet:
            names = tuple(parquet.schema_arrow.names)
            table = parquet.read([name for name in names if wanted is None or name in wanted])
        return Part(shown, names, table, np.arange(1, table.num_rows + 1))
    if is_excel(path):
        excel = read_excel_file(path, sheet=spec.sheet, wanted=wanted)
        return Part(shown, excel.names, excel.table, excel.rows)
    csv = read_csv_file(path, delimiter=spec.delimiter, encoding=spec.encoding, wanted=wanted)
    return Part(shown, csv.names, csv.table, csv.rows, csv.misfits)


@contextlib.contextmanager
def running_sql(sql: str, *, folder: Path, zone: str, where: str) -> Iterator[Any]:
    """Prepare a query. Naive text that it converts to times itself is read in the config's zone."""
    # One thread, since with several a query without "order by" gives its rows in another order each time. And in
    # the folder: DuckDB's own "file_search_path" comes after the working directory, whose files could stand in.
    settings = {"enable_progress_bar": "false", "threads": "1", "TimeZone": zone}
    with (
        contextlib.chdir(folder),
        duckdb.connect(config={"autoinstall_known_extensions": False}) as connection,
    ):
        try:
            for setting, value in settings.items():
                connection.execute(f"SET {setting} = {quoted(value)}")
            kinds = [statement.type.name for statement in connection.extract_statements(sql)]
            if not kinds or kinds[-1] not in ("SELECT", "MULTI"):
                raise SourceError(
                    f"{where}.sql must be a query that returns rows (select …); found {sql.strip()[:60]!r}"
                )
            query = connection.sql(sql)
            check_unique(query.columns, f"{where}.sql")
            yield query
        except duckdb.Error as error:
            text = " ".join(str(error).split()).partition(" LINE 1:")[0]  # the query itself follows
            raise SourceError(
                f"{where}.sql does not run in DuckDB: {text[:300]}; correct the query"
            ) from None


_NAMED_CSV = re.compile(r"""(?i)['"]([^'"]+\.(?:csv|tsv|txt)(?:\.gz)?)['"]""")
_LOST_AS_INTEGER = r"[+-]?0\d+|\+\d+"
_LOST_AS_FLOAT = rf"{_LOST_AS_INTEGER}|\d+\.\d+|\d{{16,}}"
_SAMPLE = 1_000


def check_query_ids(sql: str, rows: pa.Table, ids: Collection[str], *, folder: Path, where: str) -> None:
    """Refuse a query whose ids DuckDB took for numbers while it read a CSV file, so that they lost their zeros.

    Parameters
    ----------
    rows : the query's rows, or the first of them.
    ids : names of its columns of ids.

    Raises
    ------
    SourceError
        Naming the file, the column and what to write.
    """
    for name in ids:
        if name not in rows.column_names:
            continue
        column = rows.column(name)
        whole = pa.types.is_integer(column.type)
        if not (whole or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
            continue
        numbers = pc.unique(column.drop_null()).cast(pa.float64(), safe=False)[:_SAMPLE]
        for file in dict.fromkeys(_NAMED_CSV.findall(sql)) if len(numbers) else ():
            lost = _find_lost(file, numbers, _LOST_AS_INTEGER if whole else _LOST_AS_FLOAT, folder)
            if lost is not None:
                theirs, example = lost
                raise SourceError(
                    f"{where}.sql takes the ids in column {theirs!r} of {file} for numbers, so {example!r} would be "
                    f"written otherwise; read them as text, as from read_csv('{file}', types = "
                    f"{{'{theirs}': 'VARCHAR'}})"
                )


def _named(column: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def _find_lost(file: str, numbers: pa.Array, pattern: str, folder: Path) -> tuple[str, str] | None:
    """The column of a file that holds all these numbers, some of them written in a way that a number loses."""
    found = pa.table({"number": numbers})
    texts = f"read_csv({quoted(file)}, all_varchar = true)"
    with contextlib.chdir(folder), duckdb.connect(config={"threads": "1"}) as connection:
        connection.register("found", found)
        try:
            columns = connection.sql(f"SELECT * FROM {texts}").columns
            lost = ", ".join(
                f"min({_named(name)}) FILTER (regexp_full_match({_named(name)}, {quoted(pattern)}))"
                for name in columns
            )
            examples = connection.sql(f"SELECT {lost} FROM {texts}").fetchall()[0]
            for name, example in zip(columns, examples, strict=True):
                if example is None:
                    continue
                same = f"SELECT 1 FROM {texts} WHERE try_cast({_named(name)} AS DOUBLE) = number"
                others = connection.sql(f"SELECT count(*) FROM found WHERE NOT EXISTS ({same})").fetchall()
                if others == [(0,)]:
                    return name, str(example)
        except duckdb.Error:
            return None  # not a file, or not the query's: the query itself has run
    return None


def no_database(where: str) -> SourceError:
    """The error for a table in a database."""
    return SourceError(
        f"{where}.url: this command reads files; export the table to CSV or Parquet and name it as path, or "
        "query files with sql and no url"
    )


@contextlib.contextmanager
def blaming(where: str) -> Iterator[None]:
    """Errors about a section's files begin with its name."""
    try:
        yield
    except (SourceError, ContractError) as error:
        raise type(error)(f"{where}: {error}") from None
    except OSError as error:
        raise SourceError(
            f"{where}: {error.filename or 'a file'} cannot be read: {error.strerror or error}"
        ) from None


def find_files(spec: Table | Flat, base: Path) -> list[tuple[str, Path]]:
    """The files of a section with the names to show, in order."""
    assert spec.path is not None
    path = Path(spec.path).expanduser()
    remedy = "correct the path" if path.is_absolute() else "relative paths start at the config's folder"
    return _files(base / path, remedy)


def name_source(spec: Table | Flat, where: str, files: Sequence[str]) -> str:
    """A source's name in messages, from its section and its files."""
    return f"{where} ({files[0] if len(files) == 1 else f'{spec.path}, {len(files)} files'})"


def join_parts(parts: Sequence[Part], where: str) -> pa.Table:
    first = parts[0]
    for part in parts[1:]:
        if {*part.names} != {*first.names}:
            different = sorted({*part.names} ^ {*first.names})
            has, lacks = (part, first) if different[0] in part.names else (first, part)
            raise SourceError(
                f"the files of {where} must have the same columns; {has.file} has {different[0]!r} and {lacks.file} "
                "has not. Name the files that belong together, or join them with sql"
            )
    tables = [part.table.select(first.table.column_names) for part in parts]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        for name in first.table.column_names:
            for part, table in zip(parts, tables, strict=True):
                kind, other = first.table.schema.field(name).type, table.schema.field(name).type
                if kind != other and pa.null() not in (kind, other):
                    raise SourceError(
                        f"column {name!r} must have one type in all files of {where}; it is {kind} in {first.file} "
                        f"and {other} in {part.file}. Write the files again with one type, or convert it with sql"
                    ) from None
        raise


def read_source(
    spec: Table | Flat,
    *,
    where: str,
    base: Path,
    zone: str,
    wanted: Collection[str] | None = None,
    words: Sequence[str] = (),
    ids: Sequence[str] = (),
) -> Source:
    """Read all rows of a section of the config.

    Parameters
    ----------
    spec : the section; its ``path`` is a file, a folder or a glob.
    where : the section's name in the config, as ``data.leads``.
    base : where relative paths start.
    zone : the zone of a query's naive times.
    wanted : the source's names of the columns to read, or None for all. Missing ones are ignored.
    words : the source's names of columns with few distinct texts; in Parquet they stay encoded.
    ids : the source's names of columns of ids, which a query must not take for numbers.

    Raises
    ------
    SourceError
        If there is no such file, it cannot be read, or files that should form one table differ.
    ContractError
        If two columns share a name.
    """
    if spec.path is None:
        if isinstance(spec, Table) and spec.url is not None:
            raise no_database(where)
        assert spec.sql is not None  # the config holds exactly one of the two
        with running_sql(spec.sql, folder=base, zone=zone, where=where) as query:
            table = query.to_arrow_table()
        check_query_ids(spec.sql, table, ids, folder=base, where=where)
        names = tuple(table.column_names)
        return Source(f"{where} (sql)", names, table, np.arange(1, table.num_rows + 1), (("", 0),), ())
    with blaming(where):
        parts = [_read_file(shown, file, spec, wanted, words) for shown, file in find_files(spec, base)]
    starts = np.cumsum([0, *(part.table.num_rows for part in parts)]).tolist()
    return Source(
        where=name_source(spec, where, [part.file for part in parts]),
        names=parts[0].names,
        table=parts[0].table if len(parts) == 1 else join_parts(parts, where),
        rows=np.concatenate([part.rows for part in parts]),
        files=tuple((part.file, start) for part, start in zip(parts, starts[:-1], strict=True)),
        misfits=tuple((part.file, misfit) for part in parts for misfit in part.misfits),
    )


def estimate_rows(spec: Table, *, where: str, base: Path) -> int | None:
    """About how many rows a section has: exact for Parquet, by the length of the first lines for CSV, None for a
    query, which would have to run."""
    if spec.path is None:
        return None
    with blaming(where):
        return sum(_estimate_file(path) for _, path in find_files(spec, base))


def _estimate_file(path: Path) -> int:
    if is_parquet(path):
        with opened_parquet(path, ()) as file:
            rows: int = file.metadata.num_rows
        return rows
    with path.open("rb") as file:
        head = file.read(1 << 16)
    lines = max(head.count(b"\n"), 1)
    # Compressed text has hardly any line ends to count; a line of an export packs to some ten bytes.
    each = 10 if is_packed(path) else len(head) / lines
    return int(path.stat().st_size / each)
