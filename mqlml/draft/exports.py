"""Files that no config describes yet: how each is written, and its columns as they stand."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mqlml.config import Table
from mqlml.draft.columns import Column, make_column
from mqlml.errors import SourceError
from mqlml.journeys.csvfile import guess_layout
from mqlml.journeys.excel import find_sheets, is_excel
from mqlml.journeys.sources import is_parquet, read_source

__all__ = ["Export", "open_exports"]

_PREFIX = " - "
"""What some exports put between the table and the column, in each column's name."""

_PLAIN = ("utf-8-sig", "utf-16", "utf-32")
"""Encodings that are found again without the config naming them."""


@dataclass(frozen=True)
class Export:
    """One file, or one sheet of a workbook.

    Attributes
    ----------
    spec : Table
        Its path, from the config's folder, and whatever else says how it is written.
    columns : tuple of Column
    rows : int
    """

    spec: Table
    columns: tuple[Column, ...]
    rows: int

    @property
    def path(self) -> str:
        """From the config's folder."""
        return str(self.spec.path)

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.path}\n{self.spec.sheet or ''}"

    @property
    def name(self) -> str:
        """The file's name, and the sheet's, for a person."""
        file = Path(self.path).name
        return file if self.spec.sheet is None else f"{file}, sheet {self.spec.sheet}"

    @property
    def stem(self) -> str:
        """What the file or the sheet is called, in lower case and without anything between words."""
        return re.sub(r"[\W_]+", "", self.spec.sheet or Path(self.path).name.partition(".")[0]).lower()

    @property
    def is_csv(self) -> bool:
        """Whether DuckDB reads it as CSV in UTF-8 without being told how."""
        return self.spec.sheet is None and self.spec.encoding == "utf-8" and Path(self.path).suffix == ".csv"

    def column(self, name: str) -> Column:
        """A column by its name."""
        return next(column for column in self.columns if column.name == name)


def open_exports(paths: Sequence[Path], folder: Path) -> list[Export]:
    """Read all files; a workbook gives one export for each sheet with rows.

    Raises
    ------
    SourceError
        If one is not there, is a folder, is named twice, or cannot be read.
    ContractError
        If two columns share a name.
    """
    twice = [path for place, path in enumerate(paths) if path in paths[:place]]
    if twice:
        raise SourceError(f"each file is named once, and {str(twice[0])!r} is named twice; leave one out")
    exports = [_read(spec, folder) for path in paths for spec in _describe(path, folder)]
    empty = [export for export in exports if export.rows == 0]
    if empty:
        raise SourceError(f"{empty[0].name} has a header and no rows; export it again, or leave it out")
    return exports


def _describe(path: Path, folder: Path) -> list[Table]:
    if path.is_dir():
        raise SourceError(f"{str(path)!r} is a folder; name the files in it, a table each")
    if not path.is_file():
        raise SourceError(f"there is no file {str(path)!r}; correct the path")
    try:
        shown = os.path.relpath(path, folder)
    except ValueError:  # on another drive
        shown = str(path.resolve())
    if is_parquet(path):
        return [Table(path=shown)]
    if is_excel(path):
        sheets = find_sheets(path)
        return [Table(path=shown, sheet=sheet if len(sheets) > 1 else None) for sheet in sheets]
    layout = guess_layout(path)
    usual = "\t" if ".tsv" in path.suffixes else ","
    return [
        Table(
            path=shown,
            delimiter=None if layout.delimiter == usual else layout.delimiter,
            encoding="utf-8" if layout.encoding in _PLAIN else layout.encoding,
        )
    ]


def _read(spec: Table, folder: Path) -> Export:
    source = read_source(spec, where=str(spec.path), base=folder, zone="UTC")
    names = source.table.column_names
    first = names[0].partition(_PREFIX)[0] + _PREFIX
    shared = len(first) if len(names) > 1 and all(name.startswith(first) for name in names) else 0
    columns = tuple(make_column(name, source.column(name), short=name[shared:]) for name in names)
    return Export(spec, columns, source.table.num_rows)
