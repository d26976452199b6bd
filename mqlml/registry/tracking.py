"""Tracking keeps bundles in an MLflow store as numbered versions, found by alias or number.

The only importer of mlflow, which takes two seconds and is therefore imported when a function first needs it.
The order of writing makes a kill harmless: files first, then the version, and its alias last, so an alias
always means a whole version.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
import tempfile
import urllib.parse
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import url2pathname

from mqlml.errors import BundleError, MqlmlError, TrackingError, VersionError
from mqlml.registry.bundle import Bundle, load_bundle, save_bundle
from mqlml.registry.store import Store, locked, may_write
from mqlml.results import to_json_safe

if TYPE_CHECKING:
    import datetime as dt

    from mlflow import MlflowClient

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Version",
    "check_store",
    "connected",
    "fetch_bundle",
    "find_experiment",
    "find_version",
    "list_versions",
    "load_version",
    "log_version",
    "register_bundle",
]

CHAMPION = "champion"
CHALLENGER = "challenger"

_BUNDLE = "bundle"
_LOGGED = ("holdout", "labels", "baselines")
"""Parts of a result whose numbers become the run's metrics."""

_BATCH = 100
_LONGEST_VALUE = 500

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


@dataclass(frozen=True)
class Version:
    """One registered version and the aliases that point to it."""

    name: str
    version: int
    run_id: str
    aliases: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


def check_store(store: Store) -> None:
    """Refuse an embedded store that cannot take a version; nothing is created yet.

    Training calls this before it starts, since a model that cannot be kept is lost.

    Raises
    ------
    TrackingError
        If the file is no store or may not be written, or no folder can be created for it.
    """
    file = store.file
    if file is None:
        return
    if file.exists():
        _check_file(file, create=True)
        return
    above = next(folder for folder in file.parents if folder.exists())
    if not above.is_dir() or not may_write(above):
        reason = "no permission to write there" if above.is_dir() else "it is no folder"
        raise TrackingError(
            f"cannot create the store {file.name!r} in {str(above)!r}: {reason}; allow it, or see tracking.uri"
        )


def log_version(
    store: Store,
    *,
    name: str,
    bundle_folder: Path,
    created: dt.datetime,
    params: Mapping[str, object],
    metrics: Mapping[str, object],
    tags: Mapping[str, str],
    texts: Mapping[str, str] | None = None,
) -> Version:
    """Log a run with a bundle and register it as the next version of a model.

    The first version becomes ``champion``, each later one ``challenger``.

    Parameters
    ----------
    store : Store
    name : str
        Of the registered model, and of the experiment its runs are in.
    bundle_folder : path
        What `save_bundle` has written.
    created : datetime in UTC
        When the run started; the time of all its metrics.
    params : mapping
        What was chosen; logged as text, long values shortened.
    metrics : mapping
        What was measured, nested or not: ``{"holdout": {"roc_auc": 0.7}}`` becomes ``holdout.roc_auc``. Only
        finite numbers are logged.
    tags : mapping
        Put on the run and on the version; ``git_commit`` also under the name that MLflow's pages show.
    texts : mapping, optional
        More files of the run, by name (``{"report.html": …}``).

    Raises
    ------
    TrackingError
        If the store refuses. Nothing is registered then.
    """
    with connected(store, create=True) as client:
        from mlflow.entities import Metric, Param

        started = int(created.timestamp() * 1000)
        shown = dict(tags)
        if "git_commit" in tags:
            shown["mlflow.source.git.commit"] = tags["git_commit"]
        experiment = find_experiment(client, store, name)
        run = client.create_run(
            experiment, start_time=started, tags=shown, run_name=f"{name} {created:%Y-%m-%d %H:%M}"
        )
        run_id: str = run.info.run_id
        try:
            numbers = [Metric(key, value, started, 0) for key, value in _leaves(metrics)]
            settings = [Param(key, _shortened(value)) for key, value in params.items()]
            for start in range(0, max(len(numbers), len(settings)), _BATCH):
                part = slice(start, start + _BATCH)
                client.log_batch(run_id, metrics=numbers[part], params=settings[part])
            client.log_artifacts(run_id, str(bundle_folder), _BUNDLE)
            for file, text in (texts or {}).items():
                client.log_text(run_id, text, file)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")
        with locked(store):
            return _register(client, name, run_id, f"{run.info.artifact_uri}/{_BUNDLE}", dict(tags))


def register_bundle(
    store: Store,
    bundle: Bundle,
    *,
    created: dt.datetime,
    params: Mapping[str, object],
    tags: Mapping[str, str],
    texts: Mapping[str, str] | None = None,
) -> Version:
    """Save a bundle and log it and its metrics under its own name; see `log_version` for the rest."""
    measured = to_json_safe(bundle.result)
    with tempfile.TemporaryDirectory(prefix="mqlml-") as folder:
        saved = Path(folder) / _BUNDLE
        save_bundle(bundle, saved)
        return log_version(
            store,
            name=bundle.name,
            bundle_folder=saved,
            created=created,
            params=params,
            metrics={name: measured[name] for name in _LOGGED},
            tags=tags,
            texts=texts,
        )


def _register(client: MlflowClient, name: str, run_id: str, source: str, tags: dict[str, str]) -> Version:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(name, source, run_id, tags=tags, await_creation_for=None)
    alias = CHALLENGER if CHAMPION in client.get_registered_model(name).aliases else CHAMPION
    client.set_registered_model_alias(name, alias, str(made.version))
    return Version(name, int(made.version), run_id, (alias,), tuple(sorted(tags.items())))


def find_version(store: Store, name: str, which: str = CHAMPION) -> Version:
    """The version with an alias (``champion``) or a number (``3``).

    Raises
    ------
    TrackingError
        If the store cannot be reached, or has no such model or version; the message names those it has.
    """
    versions = list_versions(store, name)
    for version in versions:
        if which in version.aliases or which == str(version.version):
            return version
    aliases = ", ".join(sorted({alias for version in versions for alias in version.aliases})) or "none"
    numbers = ", ".join(str(version.version) for version in versions[:10]) + (
        ", …" if len(versions) > 10 else ""
    )
    raise VersionError(
        f"the model {name!r} has no version {which!r}; its versions: {numbers or 'none'}; its aliases: {aliases}. "
        "Name one of these"
    )


def list_versions(store: Store, name: str) -> tuple[Version, ...]:
    """All versions of a model, newest first.

    Raises
    ------
    TrackingError
        If the store cannot be reached or has no such model; the message names those it has.
    """
    with connected(store) as client:
        from mlflow.exceptions import MlflowException

        try:
            model = client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            known = [found.name for found in client.search_registered_models(max_results=20)]
            has = (
                f"it has {', '.join(map(repr, known))}. Name one of these, or run"
                if known
                else "it has none. Run"
            )
            raise VersionError(f"there is no model {name!r} in {store}; {has} 'mqlml train' first") from None
        pointing: dict[int, list[str]] = {}
        for alias, number in model.aliases.items():
            pointing.setdefault(int(number), []).append(alias)
        found = client.search_model_versions(f"name='{name}'", order_by=["version_number DESC"])
        versions = [
            Version(
                name,
                int(version.version),
                version.run_id,
                tuple(sorted(pointing.get(int(version.version), ()))),
                tuple(sorted(version.tags.items())),
            )
            for version in found
        ]
        return tuple(sorted(versions, key=lambda version: -version.version))


def fetch_bundle(store: Store, version: Version, into: Path) -> Path:
    """Copy a version's bundle into a folder and return the bundle's path in it.

    Raises
    ------
    TrackingError
        If the store cannot be reached, or the version's files are gone.
    """
    with connected(store) as client:
        if store.artifacts is not None:
            # MLflow keeps absolute paths; a moved store has its files beside it.
            beside = store.artifacts / version.run_id / "artifacts" / _BUNDLE
            if beside.is_dir():
                return Path(shutil.copytree(beside, into / _BUNDLE))
        from mlflow.artifacts import download_artifacts

        source = client.get_model_version_download_uri(version.name, str(version.version))
        if source.startswith("file:") and not Path(url2pathname(urllib.parse.urlsplit(source).path)).is_dir():
            raise TrackingError(
                f"the files of {version.name} version {version.version} are missing from {source}; put them back, "
                "or train a new version"
            )
        return Path(download_artifacts(artifact_uri=source, dst_path=str(into), tracking_uri=store.uri))


def load_version(store: Store, name: str, which: str = CHAMPION) -> tuple[Bundle, Version]:
    """Fetch and check a version's bundle.

    Raises
    ------
    TrackingError
        If there is no such version, or its files cannot be fetched.
    BundleError
        If they are damaged; see `load_bundle`.
    """
    version = find_version(store, name, which)
    with tempfile.TemporaryDirectory(prefix="mqlml-") as folder:
        fetched = fetch_bundle(store, version, Path(folder))
        try:
            return load_bundle(fetched), version
        except BundleError as error:
            # The copy is gone by the time anyone reads the message.
            message = str(error).replace(repr(str(fetched)), f"of {name} version {version.version}")
            raise BundleError(message) from error


def find_experiment(client: MlflowClient, store: Store, name: str) -> str:
    """The experiment of this name whose files lie in this store, created if needed."""
    from mlflow.exceptions import MlflowException

    location = None if store.artifacts is None else store.artifacts.as_uri()
    with locked(store):
        for title in (name, f"{name} ({location})"):
            # The experiment of a moved store still writes to the old place; create another.
            found = client.get_experiment_by_name(title)
            if found is None:
                try:
                    made: str = client.create_experiment(title, artifact_location=location)
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
                return experiment
    raise TrackingError(f"cannot create an experiment for {name!r} in {store}; choose another name")


@contextlib.contextmanager
def connected(store: Store, *, create: bool = False) -> Iterator[MlflowClient]:
    """A quiet client of the store, with errors of ours."""
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    if store.file is not None:
        _check_file(store.file, create=create)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    with _quiet():  # only now: the import sets the levels of MLflow's loggers
        try:
            if store.file is not None and store.artifacts is not None:
                _start(store)
            yield MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
        except MqlmlError:
            raise
        except (MlflowException, SQLAlchemyError, OSError, ImportError, UnicodeDecodeError) as error:
            # ImportError: a database driver is missing. UnicodeDecodeError: sqlite3 describes a damaged file.
            raise TrackingError(_format_error(store, error)) from error


def _check_file(file: Path, *, create: bool) -> None:
    """Refuse at once what MLflow would try for minutes, or would create by mistake."""
    if not file.exists():
        if not create:
            raise VersionError(
                f"there is no store {str(file)!r} yet; run 'mqlml train' first, or see tracking.uri"
            )
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
    if head not in (b"", b"SQLite format 3\0"):
        raise TrackingError(f"{str(file)!r} is not an MLflow store (not a SQLite file); see tracking.uri")


def _start(store: Store) -> None:
    """Create the tables of an embedded store if missing, one process at a time and all at once."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    assert store.artifacts is not None
    assert store.file is not None
    # MLflow's default is a folder mlruns in the current directory.
    artifacts = store.artifacts.as_uri()
    with locked(store):
        if not store.file.exists() or store.file.stat().st_size == 0:
            # MLflow creates its tables in dozens of steps and cannot resume in the middle, where a full disk or
            # Ctrl-C would leave a store created in place.
            part = store.file.with_name(f".{secrets.token_hex(6)}.part")
            try:
                SqlAlchemyStore(f"sqlite:///{part.as_posix()}", artifacts).engine.dispose()
                os.replace(part, store.file)
            finally:
                for left in part.parent.glob(f"{part.name}*"):  # SQLite's journal too
                    with contextlib.suppress(OSError):
                        left.unlink()
        SqlAlchemyStore(store.uri, artifacts)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence MLflow's log lines, since what they log is raised too, and one warning."""
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    for name, level in _TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    try:
        with warnings.catch_warnings():
            # MLflow 3.17 uses a loader that SQLAlchemy 2.1 deprecates.
            warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _format_error(store: Store, error: Exception) -> str:
    if isinstance(error, ImportError):
        return (
            f"the store {store} needs the Python package {error.name!r}; install it, or correct tracking.uri"
        )
    text = " ".join(str(error).replace(store.uri, str(store)).split())
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
    return f"the MLflow store {store} refused: {text[:_LONGEST_VALUE]}; see tracking.uri"


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _leaves(values: Mapping[str, object], before: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of a nested mapping, with keys joined by dots."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        elif not isinstance(value, bool | str) and value is not None:
            number: Any = value
            try:
                number = float(number)
            except (TypeError, ValueError):
                continue
            if number == number and abs(number) != float("inf"):
                yield name, number
