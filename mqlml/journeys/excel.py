"""Read one sheet of an Excel workbook as text columns, as if it had been saved as CSV with ISO dates."""

from __future__ import annotations

import contextlib
import datetime as dt
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mqlml.errors import SourceError
from mqlml.journeys.csvfile import CsvFile, check_unique

__all__ = ["SUFFIXES", "find_sheets", "is_excel", "read_excel_file"]

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"


def is_excel(path: Path) -> bool:
    """Whether a file is a workbook, by its content or else by its name."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == _OLD_WORKBOOK:
        return True
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return bool({"xl/workbook.xml", "xl/workbook.bin", "content.xml"} & {*archive.namelist()})
    return path.suffix.lower() in SUFFIXES


def read_excel_file(path: Path, *, sheet: str | None, wanted: Collection[str] | None) -> CsvFile:
    """Read one sheet.

    Numbers come as text without a needless ``.0``, dates and times in ISO form, truths as ``true`` and ``false``.

    Parameters
    ----------
    path : an existing file.
    sheet : its name; the only one with rows if None.
    wanted : names of the columns to read, or None for all.

    Raises
    ------
    SourceError
        If the ``excel`` extra is not installed, the workbook cannot be read, or which sheet is meant is not clear.
    ContractError
        If two columns share a name.
    """
    with _opened(path) as workbook:
        rows = _choose_sheet(path, workbook, sheet)
    start = next((n for n, row in enumerate(rows) if sum(cell != "" for cell in row) > 1), 0)
    names = tuple(_text(cell) or f"column_{number}" for number, cell in enumerate(rows[start], start=1))
    check_unique(names, path.name)
    body = [row for row in rows[start + 1 :] if any(cell != "" for cell in row)]
    columns = {
        name: pa.array([_text(row[place]) for row in body], pa.string())
        for place, name in enumerate(names)
        if wanted is None or name in wanted
    }
    numbers = [n for n, row in enumerate(rows[start + 1 :], start=1) if any(cell != "" for cell in row)]
    if not columns:
        columns = {names[0]: pa.array([None] * len(body), pa.string())}
    return CsvFile(names, pa.table(columns), np.array(numbers, dtype=np.int64), ())


def find_sheets(path: Path) -> list[str]:
    """The names of the sheets that hold rows; errors as for `read_excel_file`."""
    with _opened(path) as workbook:
        return [name for name in workbook.sheet_names if workbook.get_sheet_by_name(name).to_python()]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import python_calamine
    except ModuleNotFoundError:
        raise SourceError(
            f"{path.name} is an Excel workbook, which needs the extra: pip install 'mqlml[excel]'; or save it as CSV"
        ) from None
    try:
        with python_calamine.CalamineWorkbook.from_path(str(path)) as workbook:
            yield workbook
    except (python_calamine.CalamineError, OSError) as error:
        raise SourceError(
            f"{path.name} cannot be read as an Excel workbook ({error}); save it again, without a password, or as CSV"
        ) from None


def _choose_sheet(path: Path, workbook: Any, sheet: str | None) -> Sequence[Sequence[Any]]:
    names: list[str] = workbook.sheet_names
    if sheet is not None and sheet not in names:
        raise SourceError(f"{path.name} has no sheet {sheet!r}; it has {', '.join(map(repr, names))}")
    found = {name: workbook.get_sheet_by_name(name).to_python() for name in ([sheet] if sheet else names)}
    filled: dict[str, Sequence[Sequence[Any]]] = {name: rows for name, rows in found.items() if rows}
    if not filled:
        raise SourceError(f"{path.name} is empty; a table needs a header line and rows, so export it again")
    if len(filled) > 1:
        raise SourceError(
            f"{path.name} has several sheets with rows, {', '.join(map(repr, filled))}; name one, as sheet: "
            f"{next(iter(filled))}, next to its path"
        )
    return next(iter(filled.values()))


def _text(cell: Any) -> str | None:
    if cell == "" or cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ", timespec="microseconds" if cell.microsecond else "seconds")
    return str(cell)
