"""Read one CSV file as text columns, and collect the lines that do not fit its header.

Every value stays text, so that an id never passes through a float. DuckDB's own detection is off: the delimiter
and the names come from the config and the header, or the same file could be read in two ways on two days.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import difflib
import functools
import gzip
import io
import os
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mqlml.errors import ContractError, SourceError

__all__ = [
    "CsvFile",
    "Layout",
    "Misfit",
    "check_unique",
    "explain_rejected",
    "find_layout",
    "guess_layout",
    "is_packed",
    "number_rows",
    "quoted",
    "read_csv_file",
    "rewrite",
    "scan",
    "unreadable",
]

_GZIP = b"\x1f\x8b"
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark its own begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZIP = b"PK\x03\x04"
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_TAB, _WRITTEN_TAB = "\t", "\\t"
_REASONS = {
    "MISSING COLUMNS": "line has fewer fields than the header",
    "TOO MANY COLUMNS": "line has more fields than the header",
    "UNQUOTED VALUE": "line has broken quotes",
    "LINE SIZE OVER MAXIMUM": "line is longer than 2 million bytes",
}


@dataclass(frozen=True)
class Misfit:
    """A line that cannot be cut into the header's fields: its row number (1 is the first after the header)."""

    row: int
    text: str
    reason: str


@dataclass(frozen=True)
class CsvFile:
    """What one file holds.

    Attributes
    ----------
    names : all column names, in the file's order.
    table : pyarrow Table of text columns, those asked for.
    rows : int64 array, the row number of each row of ``table``; misfits leave gaps.
    misfits : the lines left out of ``table``, in the file's order.
    """

    names: tuple[str, ...]
    table: pa.Table
    rows: npt.NDArray[np.int64]
    misfits: tuple[Misfit, ...]


@dataclass(frozen=True)
class Layout:
    """How a CSV file is written: its column names, the empty lines above them, delimiter and encoding."""

    names: tuple[str, ...]
    skipped: int
    delimiter: str
    encoding: str


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """A file unpacked: plain, gzipped, or the one file in a zip archive.

    Raises
    ------
    SourceError
        If it cannot be unpacked to its end, or the archive holds several files.
    """
    with path.open("rb") as file:
        head = file.read(4)
    try:
        if head.startswith(_GZIP):
            with gzip.open(path) as unpacked:
                yield cast(IO[bytes], unpacked)
        elif head == _ZIP:
            with zipfile.ZipFile(path) as archive, archive.open(_only_member(path, archive)) as unpacked:
                yield unpacked
        else:
            with path.open("rb") as plain:
                yield plain
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(
            f"{path.name} cannot be unpacked to its end (a download that broke off?): {error}; fetch it again"
        ) from None
    except (
        RuntimeError,
        NotImplementedError,
    ) as error:  # a password, or a method of packing that Python lacks
        raise SourceError(f"{path.name} cannot be unpacked: {error}; unpack it, and name the file") from None


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    members = [
        info.filename
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        listed = ", ".join(map(repr, members[:5]))
        raise SourceError(
            f"{path.name} must hold one file and holds {len(members)} ({listed}); unpack it, and name one of them"
        )
    return members[0]


def is_packed(path: Path) -> bool:
    """Whether a file is gzipped or zipped, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(4)
    return head.startswith(_GZIP) or head == _ZIP


def _encoding(path: Path, named: str) -> str:
    """The encoding to read with: a byte order mark overrules the config's default."""
    with _open(path) as file:
        head = file.read(4)
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    try:
        name = codecs.lookup(named).name
    except LookupError:
        near = difflib.get_close_matches(
            named, ["utf-8", "utf-16", "latin-1", "cp1252", "cp1250", "mac-roman"], n=1
        )
        hint = f"did you mean {near[0]!r}?" if near else "common ones are utf-8, utf-16, latin-1 and cp1252"
        raise SourceError(f"{path.name}: unknown 'encoding' {named!r}; {hint}") from None
    return "utf-8-sig" if name in ("utf-8", "utf-8-sig") else name


def _not_text(path: Path, encoding: str) -> SourceError:
    shown = "utf-8" if encoding == "utf-8-sig" else encoding
    return SourceError(
        f"{path.name} is not {shown} text; name its encoding, as encoding: latin-1 (or cp1252, utf-16), "
        "next to its path"
    )


def _header(path: Path, encoding: str, delimiter: str) -> tuple[tuple[str, ...], int]:
    """The column names, and the number of empty lines above them."""
    skipped = 0
    with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        try:
            for fields in csv.reader(text, delimiter=delimiter):
                if fields:
                    break
                skipped += 1
            else:
                raise SourceError(
                    f"{path.name} is empty; a table needs a header line and rows, so export it again"
                )
        except UnicodeDecodeError:
            raise _not_text(path, encoding) from None
        except csv.Error as error:
            raise SourceError(f"the header line of {path.name} cannot be read as CSV: {error}") from None
    if any("\x00" in field for field in fields):
        raise _not_text(path, encoding)
    names = tuple(field.strip() or f"column_{number}" for number, field in enumerate(fields, start=1))
    if len(names) == 1:
        for other, word in _DELIMITERS.items():
            if other != delimiter and other in names[0]:
                raise SourceError(
                    f"{path.name} has one column only, cut at {_DELIMITERS.get(delimiter, repr(delimiter))}, and its "
                    f'header holds {word}; write delimiter: "{other.replace(_TAB, _WRITTEN_TAB)}" next to its path'
                )
    return names, skipped


def check_unique(names: Collection[str], where: str) -> None:
    """Refuse a table in which two columns share a name, since which of them is meant cannot be known."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ContractError(
            f"{where} has more than one column called {twice[0]!r}; column names must differ, so rename one of them"
        )


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@functools.cache
def _database(_process: int) -> Any:
    """A database without tables, one per process: opening one takes longer than reading a small file."""
    return duckdb.connect(config={"autoinstall_known_extensions": False})


@contextlib.contextmanager
def scan(
    path: Path, layout: Layout, wanted: Collection[str] | None
) -> Iterator[tuple[Any, Callable[[], list[tuple[int, str, str]]]]]:
    """A query for the wanted columns, and what gives ``(line, error, text)`` of each line that it left out, once
    it was read; line 1 is the file's first."""
    # A caller that misses all its columns reports it; the rows are counted all the same.
    places = [place for place, name in enumerate(layout.names) if wanted is None or name in wanted] or [0]
    # DuckDB takes a path for a glob pattern, and folds the case of names: hence the brackets and the numbers.
    pattern = "".join(f"[{letter}]" if letter in "[*?" else letter for letter in str(path))
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(layout.names)))
    chosen = ", ".join(f'c{place} AS "{place}"' for place in places)
    with _database(os.getpid()).cursor() as connection:
        connection.execute("SET enable_progress_bar = false")
        query = connection.sql(
            f"SELECT {chosen} FROM read_csv({quoted(pattern)}, auto_detect = false, header = true, "
            f"skip = {layout.skipped}, columns = {{{columns}}}, delim = {quoted(layout.delimiter)}, quote = '\"', "
            f"escape = '\"', compression = 'none', store_rejects = true)"
        )

        def rejected() -> list[tuple[int, str, str]]:
            return connection.sql(  # type: ignore[no-any-return]
                "SELECT line, min(error_type::VARCHAR), min(csv_line) FROM reject_errors "
                "GROUP BY line ORDER BY line"
            ).fetchall()

        yield query, rejected


def rewrite(path: Path, encoding: str, target: Path) -> None:
    """A copy in UTF-8 whose lines all end alike."""
    with (
        _open(path) as raw,
        io.TextIOWrapper(raw, encoding=encoding) as text,
        target.open("w", encoding="utf-8", newline="\n") as copy,
    ):
        try:
            while block := text.read(1 << 20):
                copy.write(block.removeprefix("\ufeff") if copy.tell() == 0 else block)
        except UnicodeError:
            raise _not_text(path, encoding) from None


def _blank_lines(path: Path, encoding: str, delimiter: str, *, until: int) -> npt.NDArray[np.int64]:
    """The numbers of the empty lines among the first ``until``; the reader's line counts contain them."""
    with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="") as text:
        blank = []
        try:
            for number, fields in enumerate(csv.reader(text, delimiter=delimiter), start=1):
                if number > until:
                    break
                if not fields:
                    blank.append(number)
        except csv.Error:
            # A field above 128 KiB. Rows after it keep the reader's count, off by the empty lines after it at most.
            pass
    return np.array(blank, dtype=np.int64)


def find_layout(path: Path, *, delimiter: str | None, encoding: str) -> Layout:
    """How a file is written; parameters and errors as for `read_csv_file`."""
    if delimiter is None:
        delimiter = _TAB if ".tsv" in path.suffixes else ","
    delimiter = delimiter.replace(_WRITTEN_TAB, _TAB)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise SourceError(
            f"{path.name}: 'delimiter' must be one character, as ';' or '\\t'; found {delimiter!r}"
        )
    encoding = _encoding(path, encoding)
    names, skipped = _header(path, encoding, delimiter)
    check_unique(names, path.name)
    return Layout(names, skipped, delimiter, encoding)


def guess_layout(path: Path) -> Layout:
    """How a file that no config describes is written: in UTF-8 if it can be, else in the encoding that Windows has in
    Western Europe, and cut at the character that gives its header the most columns.

    Raises
    ------
    SourceError
        If it is empty or no text.
    ContractError
        If two columns share a name.
    """
    encoding = next(
        (named for named in (_encoding(path, "utf-8"), "cp1252", "latin-1") if _is_text(path, named)), "utf-8"
    )
    headers = []
    for delimiter in _DELIMITERS:
        with contextlib.suppress(SourceError):
            headers.append((*_header(path, encoding, delimiter), delimiter))
    if not headers:
        return find_layout(path, delimiter=None, encoding=encoding)  # which says what is wrong
    names, skipped, delimiter = max(headers, key=lambda header: len(header[0]))
    check_unique(names, path.name)
    return Layout(names, skipped, delimiter, encoding)


def _is_text(path: Path, encoding: str) -> bool:
    with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding) as text:
        try:
            while text.read(1 << 20):
                pass
        except UnicodeError:
            return False
    return True


def unreadable(path: Path, error: Exception) -> SourceError:
    """The error for a file that DuckDB cannot read."""
    return SourceError(f"{path.name} cannot be read as CSV: {str(error).strip().splitlines()[0]}")


def explain_rejected(
    path: Path, layout: Layout, rejected: Sequence[tuple[int, str, str]]
) -> tuple[Misfit, ...]:
    """The lines that were left out, as rows with a reason.

    Raises
    ------
    SourceError
        If a line is not text in the file's encoding, or a quote never closes.
    """
    if not rejected:
        return ()
    blank = _blank_lines(path, layout.encoding, layout.delimiter, until=rejected[-1][0])
    misfits = []
    for line, kind, text in rejected:
        row = line - 1 - int(np.searchsorted(blank, line))
        if kind == "INVALID ENCODING":
            raise SourceError(
                f"row {row} of {path.name} is not UTF-8 text; name the file's encoding, as encoding: latin-1 "
                "(or cp1252, utf-16), next to its path"
            )
        text = text.strip("\r\n")
        if kind == "UNQUOTED VALUE" and "\n" in text:
            # One open quote takes in all lines up to the next quote: as one bad row it would hide them.
            raise SourceError(
                f"a quote opened in row {row} of {path.name} is not closed properly, and the lines after it run "
                f"together ({text.splitlines()[0][:60]!r} …); close the quote, or double it where it is meant as text"
            )
        misfits.append(Misfit(row, text, _REASONS.get(kind, f"line cannot be read ({kind.lower()})")))
    return tuple(misfits)


def number_rows(first: int, count: int, misfits: Sequence[Misfit]) -> npt.NDArray[np.int64]:
    """Row numbers in the file of some rows that fit, the first of which is the ``first`` such (from 0)."""
    places = np.arange(first, first + count)
    before = np.array([misfit.row for misfit in misfits], dtype=np.int64) - 1 - np.arange(len(misfits))
    return places + 1 + np.searchsorted(before, places, side="right")


def read_csv_file(
    path: Path, *, delimiter: str | None, encoding: str, wanted: Collection[str] | None
) -> CsvFile:
    """Read one CSV file, plain or gzipped.

    Parameters
    ----------
    path : an existing file.
    delimiter : one character; a comma if None (a tab for ``.tsv``).
    encoding : a name Python knows. A byte order mark in the file overrules it.
    wanted : names of the columns to read (those the file has not are ignored), or None for all.

    Raises
    ------
    SourceError
        If the file is empty, not text in that encoding, cut at another delimiter, or its quotes never close.
    ContractError
        If two columns share a name.
    """
    layout = find_layout(path, delimiter=delimiter, encoding=encoding)

    def read(file: Path) -> tuple[Any, list[tuple[int, str, str]]]:
        with scan(file, layout, wanted) as (query, rejected):
            return query.to_arrow_table(), rejected()

    def read_copy() -> tuple[Any, list[tuple[int, str, str]]]:
        with tempfile.TemporaryDirectory(prefix="mqlml-") as folder:
            copy = Path(folder) / "copy.csv"
            rewrite(path, layout.encoding, copy)
            return read(copy)

    try:
        if layout.encoding == "utf-8-sig" and not is_packed(path):
            try:
                table, rejected = read(path)
            except duckdb.Error:  # for one, lines that end in two ways, as after joining exports
                table, rejected = read_copy()
        else:
            table, rejected = read_copy()
    except duckdb.Error as error:
        raise unreadable(path, error) from None
    misfits = explain_rejected(path, layout, rejected)
    table = table.rename_columns([layout.names[int(place)] for place in table.column_names])
    return CsvFile(layout.names, table, number_rows(0, table.num_rows, misfits), misfits)
