"""The store: where a config's tracking URI keeps versions, and the lock on it.

A store is a SQLite file with its versions' files beside it (the default), or a server, or a server's database.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from mqlml.errors import ConfigError, TrackingError, VersionError

__all__ = ["Store", "check_store_file", "hide_secrets", "locked", "make_store", "may_write"]

_DATABASES = ("postgresql", "mysql", "mssql")
_SECRETS_FROM_ENVIRONMENT = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_TABLES = frozenset({"alembic_version", "experiments", "runs", "registered_models", "model_versions"})
"""Some of the tables that every MLflow store has."""
_WAIT = 2.0


@dataclass(frozen=True)
class Store:
    """Where versions are kept.

    Attributes
    ----------
    uri : str
        MLflow tracking URI; of a file, its absolute path. Never shown: it may hold a password.
    artifacts : Path or None
        The folder of the versions' files; None where a server decides.
    lock_timeout : float
        Seconds to wait for another process that registers in an embedded store.
    """

    uri: str = field(repr=False)
    artifacts: Path | None
    lock_timeout: float = 600.0

    @property
    def file(self) -> Path | None:
        """The database file of an embedded store."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    def __str__(self) -> str:
        """The URI without user, password, query and fragment."""
        return _masked(self.uri)


def _masked(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme == "sqlite":
        return uri
    # Up to the last @, since a password that was not percent-encoded may hold @, /, ? or #.
    _, at, place = rest.rpartition("@")
    place, mark, _ = place.partition("?")
    place, fragment, _ = place.partition("#")
    return f"{scheme}://{'***@' if at else ''}{place}{'?***' if mark else ''}{'#***' if fragment else ''}"


def hide_secrets(store: Store, text: str) -> str:
    """A text in which the store's user, password, tokens and query values are ``***``, however they are encoded."""
    text = text.replace(store.uri, str(store))
    rest = store.uri.partition("://")[2]
    userinfo, at, _ = rest.rpartition("@")
    parts = [userinfo, *userinfo.split(":", 1)] if at else []
    parts += [pair.partition("=")[2] for pair in re.split(r"[&;]", rest.partition("?")[2])]
    parts += [os.environ.get(name, "") for name in _SECRETS_FROM_ENVIRONMENT]
    secrets = {
        form for part in parts for form in (part, urllib.parse.unquote(part), urllib.parse.quote(part))
    }
    # The longest first, or what a shorter one leaves of it would be shown.
    for secret in sorted((secret for secret in secrets if len(secret) > 2), key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(r"://[^\s/@]*@", "://***@", text)


def make_store(uri: str, *, folder: Path, lock_timeout: float = 600.0) -> Store:
    """The store of a tracking URI.

    Parameters
    ----------
    uri : str
        ``sqlite:///models/mlflow.db`` (relative to ``folder``; its files are beside it, in ``models/artifacts``),
        ``http://`` or ``https://`` of a server, or the URL of its database.
    folder : path
        The config's folder.
    lock_timeout : seconds

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
        return Store(f"sqlite:///{path.as_posix()}", path.parent / "artifacts", lock_timeout)
    if scheme in ("http", "https") and _host(uri):
        return Store(uri.rstrip("/"), None, lock_timeout)
    if scheme.split("+")[0] in _DATABASES:
        return Store(uri, Path(os.path.abspath(folder)) / "models" / "artifacts", lock_timeout)
    raise ConfigError(
        "tracking.uri must be a file (sqlite:///models/mlflow.db), a server (http://host:5000) or its database "
        f"(postgresql://…); found {_masked(uri)!r}"
    )


def _host(uri: str) -> str | None:
    try:
        return urllib.parse.urlsplit(uri).hostname
    except ValueError:  # as of a bracket that is not closed
        return None


def may_write(path: Path) -> bool:
    """Whether this process may write to a file, or create one in a folder."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def check_store_file(file: Path, *, create: bool) -> None:
    """Refuse at once what MLflow would try for minutes, or would turn into a store by mistake.

    Nothing is created or changed here but, with ``create``, the folder.

    Raises
    ------
    VersionError
        If there is no store and none is to be created.
    TrackingError
        If the file is no MLflow store, or may not be read or, with ``create``, written.
    """
    none_yet = f"there is no store {str(file)!r} yet; run 'mqlml train' first, or see tracking.uri"
    if not file.exists():
        if not create:
            raise VersionError(none_yet)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackingError(f"cannot create the folder {str(file.parent)!r}: {error.strerror}") from error
        if not may_write(file.parent):
            raise TrackingError(
                f"cannot create a store in {str(file.parent)!r}: no permission to write there"
            )
        return
    if file.is_dir():
        raise TrackingError(
            f"the store {str(file)!r} is a folder; tracking.uri names the database file in it"
        )
    if create and not may_write(file):
        raise TrackingError(f"the store {str(file)!r} may not be written to; allow it, or see tracking.uri")
    try:
        with file.open("rb") as opened:
            head = opened.read(16)
    except OSError as error:
        raise TrackingError(f"the store {str(file)!r} cannot be read: {error.strerror}") from error
    if head == b"":
        if create:
            return
        raise VersionError(none_yet)
    if head != b"SQLite format 3\0":
        raise TrackingError(f"{str(file)!r} is not an MLflow store (not a SQLite file); see tracking.uri")
    if missing := sorted(_TABLES - _tables(file)):
        raise TrackingError(
            f"{str(file)!r} is a SQLite file, but not an MLflow store: it has no table {missing[0]!r}. Name "
            "another file in tracking.uri"
        )


def _tables(file: Path) -> set[str]:
    uri = f"{file.as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            return {
                name for (name,) in database.execute("select name from sqlite_master where type = 'table'")
            }
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise TrackingError(
            f"the MLflow store {str(file)!r} cannot be read: {error}; see tracking.uri"
        ) from error


@contextlib.contextmanager
def locked(store: Store, *, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Lock the embedded store for this process while it writes; a server does so by itself.

    It is a system lock on a file beside the store, released however the process ends. ``say`` is told, once, that
    another process is being waited for.

    Raises
    ------
    TrackingError
        If the lock file cannot be written, or another process holds the lock for longer than ``lock_timeout``.
    """
    if store.file is None:
        yield
        return
    path = store.file.with_name(f"{store.file.name}.lock")
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=min(_WAIT, store.lock_timeout))
        except Timeout:
            say(f"waiting up to {store.lock_timeout:g} s for another mqlml that writes to {store}")
            lock.acquire(timeout=max(0.0, store.lock_timeout - _WAIT))
    except Timeout:
        raise TrackingError(
            f"another mqlml has been writing to {store} for {store.lock_timeout:g} s; wait for it, end it, or raise "
            "tracking.lock_timeout"
        ) from None
    except OSError as error:
        raise TrackingError(
            f"the lock file {str(path)!r} cannot be written: {error.strerror or error}; allow it, or see tracking.uri"
        ) from error
    try:
        yield
    finally:
        lock.release()
