"""The client: a quiet connection to a store, whose errors are ours and hold no password.

MLflow takes two seconds to import and is therefore imported when a function first needs it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mqlml.errors import MqlmlError, TrackingError
from mqlml.registry.store import Store, check_store_file, hide_secrets, locked

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

__all__ = ["connected", "find_experiment"]

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
