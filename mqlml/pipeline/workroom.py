"""A work folder: what a long job has finished lies there, so that a job that was killed goes on where it stopped.

The folder belongs to one process at a time, by a lock that goes with the process however it ends, and to one task: a
key says what the task is made of, and a folder with another key is emptied first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from mqlml.errors import OutputError

__all__ = ["fingerprint_file", "fingerprint_values", "working_in"]

_KEY = "key.json"
_ENDS = 1 << 16


def fingerprint_values(values: Mapping[str, object]) -> str:
    """SHA-256 of plain values; whatever JSON cannot hold counts as its text."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def fingerprint_file(path: Path) -> str:
    """SHA-256 of a file's name, size, time of change, beginning and end: what a change leaves as it was is rare,
    and reading all of a large file would take as long as the work that is to be spared."""
    found = path.stat()
    digest = hashlib.sha256(f"{path.absolute()} {found.st_size} {found.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(found.st_size - _ENDS, 0))
        digest.update(file.read(_ENDS))
    return digest.hexdigest()


@contextlib.contextmanager
def working_in(folder: Path, key: str) -> Iterator[None]:
    """Hold a work folder, as it was left by a task of the same key or else empty.

    It is taken away once the work is done, and stays where the work ends with an error or not at all.

    Raises
    ------
    OutputError
        If another process works in it, or it cannot be made.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / "lock").acquire(blocking=False)
    except Timeout:
        raise OutputError(
            f"another process is making the same table in {str(folder)!r}; wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise OutputError(
            f"no work folder can be made at {str(folder)!r} ({error.strerror or error}); name another --out"
        ) from error
    with lock:
        if _read_key(folder) != key:
            for item in folder.iterdir():
                if item.is_dir():
                    shutil.rmtree(item)
                elif item.name != "lock":
                    item.unlink()
            unfinished = folder / f"{_KEY}.part"
            unfinished.write_text(json.dumps({"key": key}), encoding="utf-8")
            os.replace(unfinished, folder / _KEY)
        yield
        # The key goes first: were this stopped halfway, what is left must not be taken for finished work.
        (folder / _KEY).unlink()
        shutil.rmtree(folder)


def _read_key(folder: Path) -> str | None:
    try:
        key: str = json.loads((folder / _KEY).read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError):
        return None
    return key
