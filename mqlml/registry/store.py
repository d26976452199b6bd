"""The store: where a config's tracking URI keeps versions, the lock on it, and a client that shows no password."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import sqlite3
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mqlml.errors import ConfigError, MqlmlError, TrackingError, VersionError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

__all__ = [
    "Store",
    "check_store_file",
    "connected",
    "find_experiment",
    "hide_secrets",
    "locked",
    "make_store",
    "may_write",
]


# No telemetry, progress bars or adverts. An unreachable server fails after about ten seconds if it refuses and two
# minutes if it is silent (MLflow's defaults: four and sixteen minutes).
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
_TALKATIVE = {
    "mlflow": logging.CRITICAL,
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,
}
_KIND_TAG = ("mlflow.experimentKind", "custom_model_development")
"""Opens an experiment's runs under "Model training" in MLflow's pages, not under "Evaluation runs" of GenAI."""
_LONGEST_TEXT = 500


@contextlib.contextmanager
def connected(
    store: Store, *, create: bool = False, say: Callable[[str], None] = lambda _: None
) -> Iterator[MlflowClient]:
    """A quiet client of the store, with errors of ours; nothing is created unless ``create``.

    Raises
    ------
    TrackingError
        If there is no store, or the store refuses.
    """
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    if store.file is not None:
        check_store_file(store.file, create=create)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    with _quiet():  # only now: the import sets the levels of MLflow's loggers
        try:
            if store.file is not None and store.artifacts is not None:
                _start(store.file, store.artifacts, store, create=create, say=say)
            yield MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
        except MqlmlError:
            raise
        except (MlflowException, SQLAlchemyError, OSError, ImportError, UnicodeDecodeError) as error:
            # ImportError: a database driver is missing. UnicodeDecodeError: sqlite3 describes a damaged file.
            # The cause is left out, since it may show the password.
            raise TrackingError(_format_error(store, error)) from None


def _start(file: Path, artifacts: Path, store: Store, *, create: bool, say: Callable[[str], None]) -> None:
    """Create the tables of an embedded store if missing, one process at a time and all at once."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # Named here, because MLflow's default is a folder mlruns in the current directory.
    root = artifacts.as_uri()
    if create:
        with locked(store, say=say):
            _remove_leftovers(file)
            if not file.exists() or file.stat().st_size == 0:
                # MLflow creates its tables in dozens of steps and cannot resume in the middle, where a full disk or
                # Ctrl-C would leave a store created in place.
                part = file.with_name(f".{file.name}.{secrets.token_hex(6)}.part")
                try:
                    SqlAlchemyStore(f"sqlite:///{part.as_posix()}", root).engine.dispose()
                    os.replace(part, file)
                finally:
                    _remove_leftovers(file)
    SqlAlchemyStore(store.uri, root)


def _remove_leftovers(file: Path) -> None:
    """Remove what a killed process left of a store that it was creating; whoever holds the lock may."""
    for left in file.parent.glob(f".{file.name}.*.part*"):  # SQLite's journal too
        with contextlib.suppress(OSError):
            left.unlink()


def find_experiment(client: MlflowClient, store: Store, name: str) -> str:
    """The experiment of this name whose files are in this store, created if needed."""
    from mlflow.exceptions import MlflowException

    location = None if store.artifacts is None else store.artifacts.as_uri()
    with locked(store):
        for title in (name, f"{name} ({location})"):
            # The experiment of a moved store still writes to the old place; create another.
            found = client.get_experiment_by_name(title)
            if found is None:
                try:
                    made: str = client.create_experiment(
                        title, artifact_location=location, tags=dict([_KIND_TAG])
                    )
                    return made
                except MlflowException:
                    found = client.get_experiment_by_name(title)  # another process was faster
            if found is not None and found.lifecycle_stage == "deleted":
                raise TrackingError(
                    f"the experiment {title!r} in {store} was deleted; restore it with 'mlflow experiments restore "
                    f"--experiment-id {found.experiment_id}', or choose another name"
                )
            if found is not None and (store.file is None or found.artifact_location == location):
                experiment: str = found.experiment_id
                if found.tags.get(_KIND_TAG[0]) is None:
                    client.set_experiment_tag(experiment, *_KIND_TAG)
                return experiment
    raise TrackingError(f"cannot create an experiment for {name!r} in {store}; choose another name")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence MLflow's log lines, since what they log is raised too, and its warnings."""
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    for name, level in _TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    try:
        with warnings.catch_warnings():
            # About MLflow's own use of pandas, SQLAlchemy and type hints, which nobody who reads them can change.
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _format_error(store: Store, error: Exception) -> str:
    if isinstance(error, ImportError):
        return (
            f"the store {store} needs the Python package {error.name!r}; install it, or correct tracking.uri"
        )
    text = " ".join(hide_secrets(store, str(error)).split())
    text = text.partition(" [SQL:")[0].partition(" (Background on")[0]  # SQLAlchemy's, of no use to a reader
    if store.file is None and ("API request" in text or "Max retries" in text):
        reason = re.search(
            r"(Connection refused|timed out|Name or service not known|Failed to resolve)", text
        )
        because = f" ({reason[1]})" if reason else ""
        return f"the MLflow server {store} does not answer{because}; start it, or correct tracking.uri"
    if "disk I/O error" in text or "database or disk is full" in text:
        return (
            f"the MLflow store {store} cannot be written: the disk is full or failing; free some space on it"
        )
    if "out-of-date database schema" in text:
        return f"the store {store} was made by another MLflow; back it up and run 'mlflow db upgrade {store}'"
    return f"the MLflow store {store} refused: {text[:_LONGEST_TEXT]}; see tracking.uri"


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
    try:
        try:
            return _list_tables(file, mode="ro")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            # A writer was killed within a transaction. The next reader takes it back, which needs the right to write.
            return _list_tables(file, mode="rw")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise TrackingError(
            f"the MLflow store {str(file)!r} cannot be read: {error}; see tracking.uri"
        ) from error


def _list_tables(file: Path, *, mode: str) -> set[str]:
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode={mode}", uri=True)) as database:
        return {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}


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
