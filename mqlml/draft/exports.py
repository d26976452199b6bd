"""Files that no config describes yet: how each is written, and its columns as they stand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mqlml.config import Table
from mqlml.draft.columns import Column, look_at
from mqlml.errors import SourceError
from mqlml.journeys.csvfile import guess_layout
from mqlml.journeys.excel import find_sheets, is_excel
from mqlml.journeys.sources import is_parquet, read_source

__all__ = ["Export", "open_exports"]

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
    def name(self) -> str:
        """The file's name, and the sheet's, for a person."""
        file = Path(self.path).name
        return file if self.spec.sheet is None else f"{file}, sheet {self.spec.sheet}"

    @property
    def stem(self) -> str:
        """What the file or the sheet is called, in lower case."""
        return (self.spec.sheet or Path(self.path).name.partition(".")[0]).lower()

    @property
    def is_csv(self) -> bool:
        """Whether DuckDB reads it as CSV in UTF-8 without being told how."""
        return (
            self.spec.sheet is None and self.spec.encoding == "utf-8" and Path(self.path).suffix == ".csv"
        )

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
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no file"
        raise SourceError(f"{str(path)!r} must be a file with one table, and is {found}; correct the path")
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
    columns = tuple(look_at(name, source.column(name)) for name in source.table.column_names)
    return Export(spec, columns, source.table.num_rows)
