"""Files are written whole, or the earlier file stays as it was.

A file is written beside its target under another name, synced to the disk, and then renamed, which the operating
system does in one step. A reader sees the old file or the new one, never a part.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import itertools
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mqlml.errors import OutputError
from mqlml.times import format_column

__all__ = [
    "FIRST_REACHED",
    "TABLE_SUFFIXES",
    "CsvStyle",
    "as_written",
    "check_folder",
    "check_target",
    "make_folder",
    "replace_file",
    "replace_folder",
    "to_arrow",
    "write_batches",
    "write_table",
    "write_text",
]

_PART = re.compile(r"part-\d{4,}\.parquet")
_FIRST_COLUMNS = ["lead_id", "cutoff_time", "label"]


def check_folder(path: str | Path) -> Path:
    """Check that a folder of parts can be written at a path; the folder, with links resolved.

    Raises
    ------
    OutputError
        If its parent folder is missing or write-protected, or the path is a file, or a folder that holds anything
        but the parts of an earlier result.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise OutputError(f"{str(path)!r} is a file; name a folder, or a file that ends in .parquet or .csv")
    if not target.parent.is_dir():
        raise OutputError(
            f"{str(path)!r} cannot be written: there is no folder {str(target.parent)!r}; make it first"
        )
    if not os.access(target.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise OutputError(
            f"{str(path)!r} cannot be written: no permission to write in {str(target.parent)!r}; allow it, or name "
            "another folder"
        )
    if other := _find_other(target):
        raise OutputError(
            f"the folder {str(path)!r} would be replaced, and holds {other!r}, which is not part of a training "
            "table; name a new folder, or empty it"
        )
    return target


def _find_other(folder: Path) -> str | None:
    """The first item in a folder that is not a part of a training table."""
    try:
        items = sorted(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise OutputError(
            f"the folder {str(folder)!r} cannot be listed ({error.strerror}); allow it, or name another folder"
        ) from error
    return next((item.name for item in items if not _is_part(item)), None)


def _is_part(item: Path) -> bool:
    """By name and by columns: Spark and pyarrow name the parts of every table so, an export of events too."""
    if not _PART.fullmatch(item.name) or not item.is_file():
        return False
    try:
        return bool(pq.read_schema(item).names[:3] == _FIRST_COLUMNS)
    except (pa.ArrowException, OSError):
        return False


def replace_folder(finished: Path, target: Path) -> None:
    """Move a finished folder, on the same disk, to ``target``, which is replaced as a whole.

    Raises
    ------
    OutputError
        If `check_folder` refuses what is there now, or the system refuses; ``target`` is then unchanged.
    """
    check_folder(target)
    before = target.with_name(f".{target.name}.{secrets.token_hex(6)}.before")
    try:
        if target.exists():
            os.rename(target, before)
        try:
            os.rename(finished, target)
        except OSError:
            if before.exists():
                os.rename(before, target)
            raise
        shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"{str(target)!r} cannot be written: {error.strerror or error}; check the path and the disk"
        ) from error


TABLE_SUFFIXES = (".parquet", ".csv")
"""The kinds of file that `write_table` writes."""

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_table(
    frame: pd.DataFrame,
    path: str | Path,
    *,
    rows_in_group: int | None = None,
    style: CsvStyle | None = None,
) -> None:
    """Write a table as Parquet or CSV, by the path's suffix, without its index.

    The same table gives the same bytes. In a CSV, times are ISO 8601 in UTC (``2018-11-14T08:30:00Z``, with
    microseconds only if some time of the column has them), a missing value is an empty field, and whole
    numbers have no decimal point.

    Parameters
    ----------
    frame : DataFrame
        Time columns must carry a time zone.
    path : path ending in ``.parquet`` or ``.csv``
    rows_in_group : rows in a row group of Parquet; pyarrow's default if None.
    style : how a CSV is written for people; as data if None.

    Raises
    ------
    OutputError
        If the suffix is another, the folder does not exist, or the file cannot be written. An earlier file at
        ``path`` is left whole.
    """
    target = check_target(path, suffixes=TABLE_SUFFIXES)
    if target.suffix.lower() == ".parquet":
        _replace(target, lambda file: _write_parquet(frame, file, rows_in_group))
    else:
        shown = frame if style is None else _for_people(frame, style)
        _replace(target, lambda file: _write_csv(shown, file))


@dataclass(frozen=True)
class CsvStyle:
    """How a CSV is written for people, who open it in a spreadsheet.

    Text that a spreadsheet would run as a formula begins with an apostrophe, fractions have four digits, and times
    are those of ``zone``.
    """

    zone: str


FIRST_REACHED = "first_reached"
"""The column of scores that holds times as JSON."""

_FORMULA = re.compile(r"\s*[=+\-@\t\r]")
"""Text that a spreadsheet may run, also behind blanks."""


def write_batches(
    batches: Iterator[pa.Table], path: str | Path, *, whole_seconds: bool, style: CsvStyle | None = None
) -> None:
    """Write a table that arrives as batches of Arrow tables; otherwise as `write_table`.

    Parameters
    ----------
    batches : at least one, all of one schema.
    whole_seconds : whether all times of all batches are.
    style : how a CSV is written for people; as data if None.

    Raises
    ------
    OutputError
        As `write_table`.
    """
    target = check_target(path, suffixes=TABLE_SUFFIXES)

    def write(file: BinaryIO) -> None:
        first = next(batches)
        every = itertools.chain([first], batches)
        if target.suffix.lower() != ".parquet":
            for number, batch in enumerate(every):
                frame = batch.to_pandas()
                frame = frame if style is None else _for_people(frame, style)
                _write_csv(frame, file, header=number == 0, whole_seconds=whole_seconds)
            return
        with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
            for batch in every:
                writer.write_table(batch)

    _replace(target, write)


def replace_file(finished: Path, target: Path) -> None:
    """Move a finished file, on the same disk, to ``target`` in one step.

    Raises
    ------
    OutputError
        If the system refuses.
    """
    try:
        _copy_mode(target, finished)
        os.replace(finished, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise OutputError(_format_error(target, error)) from error


def write_text(text: str, path: str | Path) -> None:
    """Write text (JSON, HTML) in UTF-8; an earlier file stays whole if that fails.

    Raises
    ------
    OutputError
        If the folder does not exist or the file cannot be written.
    """
    data = text.encode("utf-8")
    _replace(check_target(path), lambda file: file.write(data))


def make_folder(path: str | Path, *, option: str) -> Path:
    """A folder to write into, which is made if it does not exist.

    Raises
    ------
    OutputError
        If it is a file, or cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{option} must name a folder to write into; {str(path)!r} cannot be made one: "
            f"{(error.strerror or 'it is a file').lower()}. Name another folder"
        ) from error
    return folder


def check_target(path: str | Path, *, suffixes: tuple[str, ...] | None = None) -> Path:
    """Check that a file can be written at a path; the file, with links resolved.

    Long jobs call this first, so that a mistyped folder costs a second and not an hour.

    Raises
    ------
    OutputError
        If the suffix is not one of ``suffixes``, the folder is missing or write-protected, or the path is a folder
        or is write-protected.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"{str(path)!r} is a folder; name a file in it")
    if suffixes is not None and path.suffix.lower() not in suffixes:
        raise OutputError(
            f"a table is written as {' or '.join(suffixes)}; found {str(path)!r}. Change its ending"
        )
    if not target.parent.is_dir():
        raise OutputError(
            f"{str(path)!r} cannot be written: there is no folder {str(target.parent)!r}; make it first"
        )
    effective = os.access in os.supports_effective_ids
    if not os.access(target.parent, os.W_OK, effective_ids=effective):
        raise OutputError(
            f"{str(path)!r} cannot be written: no permission to write in {str(target.parent)!r}; allow it, or name "
            "another folder"
        )
    if target.exists() and not os.access(target, os.W_OK, effective_ids=effective):
        raise OutputError(f"{str(path)!r} is write-protected; allow writing to it, or name another file")
    return target


def _replace(target: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a new file, which replaces the target only if all went well."""
    try:
        with _beside(target) as (file, name):
            write(file)
            file.flush()
            os.fsync(file.fileno())
            file.close()  # Windows does not rename an open file
            os.replace(name, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise OutputError(_format_error(target, error)) from error


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in the target's folder (so on its disk); removed afterwards unless renamed."""
    # Not tempfile.mkstemp: its files can be read by their owner only; this one has any new file's rights.
    name = target.parent / f".{secrets.token_hex(6)}.part"
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    file = os.fdopen(descriptor, "wb")
    try:
        _copy_mode(target, name)
        yield file, name
    finally:
        with contextlib.suppress(OSError):  # on a full disk, closing tries once more to write the rest
            file.close()
        with contextlib.suppress(OSError):
            name.unlink(missing_ok=True)


def _copy_mode(target: Path, name: Path) -> None:
    if target.exists():
        with contextlib.suppress(OSError):  # the owner may differ; then the default mode is used
            os.chmod(name, target.stat().st_mode & 0o777)


def _sync_folder(folder: Path) -> None:
    """Sync the rename itself, where the system can open a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _format_error(target: Path, error: OSError) -> str:
    if error.errno in _NO_SPACE:
        cause, remedy = "no space is left for it", "free some space, or write to another disk"
    elif error.errno in _NO_PERMISSION:
        cause, remedy = (
            f"no permission to write in {str(target.parent)!r}",
            "allow it, or name another folder",
        )
    else:
        cause, remedy = "the system refused", "check the path and the disk"
    kept = "; the earlier file is unchanged" if target.exists() else ""
    return (
        f"{str(target)!r} cannot be written: {cause} ({error.strerror or error}){kept}. To mend it, {remedy}"
    )


def _write_parquet(frame: pd.DataFrame, file: BinaryIO, rows_in_group: int | None) -> None:
    pq.write_table(to_arrow(frame), file, compression="zstd", row_group_size=rows_in_group)


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """A table as Arrow holds it, times in UTC."""
    # pyarrow 25 reads columns of times with a zone in a way that pandas 3.1 warns of; so they are passed without it.
    unzoned = frame.copy(deep=False)
    zoned = [name for name, column in frame.items() if isinstance(column.dtype, pd.DatetimeTZDtype)]
    for name in zoned:
        unzoned[name] = frame[name].dt.tz_convert(None)
    table = pa.Table.from_pandas(unzoned, preserve_index=False, nthreads=1)
    for name in zoned:
        place = table.schema.get_field_index(str(name))
        instants = table.column(place).cast(pa.timestamp(table.schema.field(place).type.unit, tz="UTC"))
        table = table.set_column(place, str(name), instants)
    return table


def _for_people(frame: pd.DataFrame, style: CsvStyle) -> pd.DataFrame:
    shown = frame.copy(deep=False)
    for name, column in frame.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            local = column.dt.tz_convert(style.zone).astype("str")
            shown[name] = local.where(column.notna())
        elif pd.api.types.is_float_dtype(column.dtype):
            shown[name] = column.round(4)
        elif name == FIRST_REACHED:
            shown[name] = _localize(column, style.zone)
        elif isinstance(column.dtype, pd.StringDtype):
            runs = column.str.match(_FORMULA).fillna(False).astype(bool)
            if runs.any():
                shown[name] = column.where(~runs, "'" + column)
    return shown


def as_written(ids: pd.Series) -> pd.Series:
    """Ids without the apostrophe that a CSV for people has before what a spreadsheet would run."""
    marked = ids.str.match(rf"'{_FORMULA.pattern}").fillna(False).astype(bool)
    return ids.where(~marked, ids.str[1:])


def _localize(column: pd.Series, zone: str) -> pd.Series:
    """JSON that gives times by name, with times of a zone."""
    code, texts = pd.factorize(column)
    local = [
        json.dumps(
            {
                name: dt.datetime.fromisoformat(time).astimezone(ZoneInfo(zone)).isoformat()
                for name, time in json.loads(text).items()
            },
            ensure_ascii=False,
        )
        for text in texts
    ]
    return pd.Series(np.array([*local, None], dtype=object)[code], index=column.index, dtype="str")


def _write_csv(
    frame: pd.DataFrame, file: BinaryIO, *, header: bool = True, whole_seconds: bool | None = None
) -> None:
    formatted = frame.copy(deep=False)
    for name, column in frame.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            formatted[name] = format_column(column, whole_seconds=whole_seconds)
    formatted.to_csv(file, index=False, header=header, lineterminator="\n", encoding="utf-8")
