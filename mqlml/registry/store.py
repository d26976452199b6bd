"""The store: where a config's tracking URI keeps versions, and the lock on it.

A store is a SQLite file with its versions' files beside it (the default), or a server, or a server's database.
"""

from __future__ import annotations

import contextlib
import os
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mqlml.errors import ConfigError

__all__ = ["Store", "locked", "make_store", "may_write"]

_DATABASES = ("postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class Store:
    """Where versions are kept.

    Attributes
    ----------
    uri : str
        MLflow tracking URI; of a file, its absolute path.
    artifacts : Path or None
        The folder of the versions' files; None where a server decides.
    """

    uri: str
    artifacts: Path | None

    @property
    def file(self) -> Path | None:
        """The database file of an embedded store."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    def __str__(self) -> str:
        """The URI without any password in it."""
        return re.sub(r"//[^/@]*@", "//***@", self.uri)


def make_store(uri: str, *, folder: Path) -> Store:
    """The store of a tracking URI.

    Parameters
    ----------
    uri : str
        ``sqlite:///models/mlflow.db`` (relative to ``folder``; its files lie beside it, in ``models/artifacts``),
        ``http://`` or ``https://`` of a server, or the URL of its database.
    folder : path
        The config's folder.

    Raises
    ------
    ConfigError
        If the URI is of another kind, or its path has a percent or question mark.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        path = Path(os.path.abspath(folder / Path(rest[1:]).expanduser()))
        if odd := {"%", "?"} & set(path.as_posix()):
            # SQLAlchemy decodes the one and cuts at the other, and MLflow does not: they would use two folders.
            raise ConfigError(
                f"the path of a tracking store must not hold {' or '.join(sorted(odd))}; found {str(path)!r}. Put "
                "the store elsewhere with tracking.uri"
            )
        return Store(uri=f"sqlite:///{path.as_posix()}", artifacts=path.parent / "artifacts")
    if scheme in ("http", "https") and urllib.parse.urlsplit(uri).hostname:
        return Store(uri=uri.rstrip("/"), artifacts=None)
    if scheme.split("+")[0] in _DATABASES:
        return Store(uri=uri, artifacts=Path(os.path.abspath(folder)) / "models" / "artifacts")
    raise ConfigError(
        "tracking.uri must be a file (sqlite:///models/mlflow.db), a server (http://host:5000) or its database "
        f"(postgresql://…); found {str(Store(uri, None))!r}"
    )


def may_write(path: Path) -> bool:
    """Whether this process may write to a file, or create one in a folder."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


@contextlib.contextmanager
def locked(store: Store) -> Iterator[None]:
    """Lock the embedded store for this process; a server does so by itself.

    It is a system lock on a file beside the store, released however the process ends. A read-only store has its
    tables already and needs no lock.
    """
    if store.file is None or not may_write(store.file.parent):
        yield
        return
    with FileLock(store.file.with_name(store.file.name + ".lock")):
        yield
