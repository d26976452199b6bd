"""A result that is a folder of parts: a finished folder goes in and takes the place that was asked for."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

from mqlml.errors import OutputError

__all__ = ["check_folder", "replace_folder"]

_PART = re.compile(r"part-\d+\.parquet")


def check_folder(path: str | Path) -> Path:
    """The folder that a path names, links followed, once it is plain that a folder of parts can be put there.

    Raises
    ------
    OutputError
        If there is no folder around it or it is not to be written in, or the path is a file, or a folder that holds
        anything else than the parts of an earlier result.
    """
    target = Path(os.path.realpath(path))
    if target.is_file():
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
    items = target.iterdir() if target.exists() else ()
    other = sorted(item.name for item in items if not _PART.fullmatch(item.name))
    if other:
        raise OutputError(
            f"the folder {str(path)!r} would be replaced, and holds {other[0]!r}, which is no part of a table; "
            "name a new folder, or empty it"
        )
    return target


def replace_folder(finished: Path, target: Path) -> None:
    """Put a finished folder, on the same disk, in the place of ``target``, which goes away as a whole.

    Raises
    ------
    OutputError
        If the system refuses.
    """
    before = target.with_name(f".{target.name}.{secrets.token_hex(6)}.before")
    try:
        if target.exists():
            os.rename(target, before)
        os.rename(finished, target)
        shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"{str(target)!r} cannot be written: {error.strerror or error}; see to the path and the disk"
        ) from error
