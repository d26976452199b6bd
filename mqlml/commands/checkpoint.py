"""A checkpoint directory keeps the finished parts of a long job, so that a killed job resumes where it stopped.

One process at a time works in it, by a lock that the system releases however the process ends. A key says what the
job is made of; a directory with another key is emptied first.
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

from mqlml.errors import MqlmlError, OutputError

__all__ = ["fingerprint_file", "fingerprint_values", "working_in"]

_KEY = "key.json"
_ENDS = 1 << 16


def fingerprint_values(values: Mapping[str, object]) -> str:
    """SHA-256 of values; what JSON cannot hold counts as its text."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def fingerprint_file(path: Path) -> str:
    """SHA-256 of a file's path, size, modification time, beginning and end; hashing all of a large file would take
    as long as the work that a checkpoint saves."""
    found = path.stat()
    digest = hashlib.sha256(f"{path.absolute()} {found.st_size} {found.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(found.st_size - _ENDS, 0))
        digest.update(file.read(_ENDS))
    return digest.hexdigest()


@contextlib.contextmanager
def working_in(
    folder: Path,
    key: str,
    *,
    wait: bool = False,
    resumable: tuple[type[MqlmlError], ...] = (MqlmlError,),
) -> Iterator[None]:
    """Lock a checkpoint directory, empty unless an earlier run left the same key.

    It is removed when the work is done, and stays where the work fails.

    Parameters
    ----------
    wait : whether to wait for another process that has locked it.
    resumable : errors of ours that leave it to the next run; after others it is removed.

    Raises
    ------
    OutputError
        If another process has locked it, or it cannot be created.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / "lock").acquire(blocking=wait)
    except Timeout:
        raise OutputError(
            f"another process is building the same result in {str(folder)!r}; wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise OutputError(
            f"cannot create the checkpoint directory {str(folder)!r} ({error.strerror or error}); name another --out"
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
        try:
            yield
        except MqlmlError as error:
            if not isinstance(error, resumable):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        # The key goes first: a half-removed directory must not count as finished work.
        (folder / _KEY).unlink()
        shutil.rmtree(folder)


def _read_key(folder: Path) -> str | None:
    try:
        key: str = json.loads((folder / _KEY).read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError):
        return None
    return key
