"""A result that is a folder of parts: a finished folder goes in and takes the place that was asked for."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mqlml.errors import OutputError

__all__ = ["check_folder", "replace_folder"]

_PART = re.compile(r"part-\d{4,}\.parquet")
_FIRST_COLUMNS = ["lead_id", "cutoff_time", "label"]


def check_folder(path: str | Path) -> Path:
    """The folder that a path names, links followed, once it is plain that a folder of parts can be put there.

    Raises
    ------
    OutputError
        If there is no folder around it or it is not to be written in, or the path is a file, or a folder that holds
        anything else than the parts of an earlier result.
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
            f"the folder {str(path)!r} would be replaced, and holds {other!r}, which is no part of a training table; "
            "name a new folder, or empty it"
        )
    return target


def _find_other(folder: Path) -> str | None:
    """The first item in a folder that is not a part of a training table."""
    try:
        items = sorted(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise OutputError(
            f"the folder {str(folder)!r} cannot be looked into ({error.strerror}); allow it, or name another folder"
        ) from error
    return next((item.name for item in items if not _is_part(item)), None)


def _is_part(item: Path) -> bool:
    """By name and by columns: Spark and pyarrow name the parts of any table so, an export of events too."""
    if not _PART.fullmatch(item.name) or not item.is_file():
        return False
    try:
        return bool(pq.read_schema(item).names[:3] == _FIRST_COLUMNS)
    except (pa.ArrowException, OSError):
        return False


def replace_folder(finished: Path, target: Path) -> None:
    """Put a finished folder, on the same disk, in the place of ``target``, which goes away as a whole.

    Raises
    ------
    OutputError
        If `check_folder` refuses what is there by now, or the system refuses; then ``target`` is as it was.
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
            f"{str(target)!r} cannot be written: {error.strerror or error}; see to the path and the disk"
        ) from error
