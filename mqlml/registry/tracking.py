"""Tracking keeps bundles in an MLflow store as numbered versions, found by alias or number.

A version is tied to its bundle by a tag with the bundle's digest: other files under its name are refused. That holds
against whoever can change the files; whoever can also write the store's database can change both.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shutil
import sqlite3
import tempfile
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import url2pathname

from mqlml.errors import BundleError, TrackingError, VersionError
from mqlml.registry.bundle import Bundle, load_bundle
from mqlml.registry.bundle_files import BUNDLE_FILES, MANIFEST, FileEntry, check_file_list
from mqlml.registry.run_items import BUNDLE_IN_MODEL
from mqlml.registry.store import Store, check_store_file, connected, may_write

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "DIGEST_TAG",
    "MODEL_TAG",
    "Version",
    "check_store",
    "fetch_bundle",
    "find_version",
    "list_versions",
    "load_version",
    "log_metrics",
]

CHAMPION = "champion"
CHALLENGER = "challenger"
DIGEST_TAG = "bundle_sha256"
"""The tag of a version that holds its bundle's digest."""
MODEL_TAG = "model_id"
"""The tag of a version that holds MLflow's name of its logged model, which MLflow itself does not keep."""

_SCHEMA = "dc11669786a5"
"""MLflow's number of the tables that `_read_versions` knows."""

_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")


@dataclass(frozen=True)
class Version:
    """One registered version and the aliases that point to it."""

    name: str
    version: int
    run_id: str
    aliases: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 that the manifest of its bundle must have; empty without such a tag."""
        return dict(self.tags).get(DIGEST_TAG, "")

    @property
    def model_id(self) -> str:
        """MLflow's name of the logged model whose files hold the bundle; empty without such a tag."""
        return dict(self.tags).get(MODEL_TAG, "")


def check_store(store: Store) -> None:
    """Refuse a store that cannot take a version, before hours of training; nothing is created that stays.

    Raises
    ------
    TrackingError
        If an embedded store is no store or may not be written, if the artifact folder cannot be written, or if a
        server or database does not answer.
    """
    file = store.file
    if file is not None and file.exists():
        check_store_file(file, create=True)
        lock = file.with_name(f"{file.name}.lock")
        if lock.exists() and not may_write(lock):
            raise TrackingError(f"the lock file {str(lock)!r} may not be written to; allow it")
    elif file is not None:
        above = next(folder for folder in file.parents if folder.exists())
        if not above.is_dir() or not may_write(above):
            reason = "no permission to write there" if above.is_dir() else "it is no folder"
            raise TrackingError(
                f"cannot create the store {file.name!r} in {str(above)!r}: {reason}; allow it, or see tracking.uri"
            )
    if store.artifacts is not None:
        _try_folder(store.artifacts)
    if file is None:
        with connected(store) as client:
            client.search_experiments(max_results=1)


def _try_folder(artifacts: Path) -> None:
    """Write a block into the folder, or into the nearest one above it that exists, and remove it again."""
    above = next(folder for folder in (artifacts, *artifacts.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=above, prefix=".mqlml-") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TrackingError(
            f"the artifact folder {str(artifacts)!r} cannot be written: {error.strerror or error}; allow it, free "
            "some space, or see tracking.uri"
        ) from error


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
    if store.file is not None and (here := _read_versions(store.file, name)):
        return here
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


def _read_versions(file: Path, name: str) -> tuple[Version, ...]:
    """The versions of a model in an embedded store, read without MLflow, whose import takes longer than the rest.

    None are found where its tables are not those known here; MLflow then reads them, or says what is wrong.
    """
    check_store_file(file, create=False)
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")  # one moment for all tables
            if database.execute("SELECT version_num FROM alembic_version").fetchall() != [(_SCHEMA,)]:
                return ()
            aliases, tags = (
                database.execute(f"{query} WHERE workspace = 'default' AND name = ?", (name,)).fetchall()
                for query in (
                    "SELECT version, alias FROM registered_model_aliases",
                    "SELECT version, key, value FROM model_version_tags",
                )
            )
            found = database.execute(
                "SELECT version, run_id FROM model_versions WHERE workspace = 'default' AND name = ? "
                "AND current_stage != 'Deleted_Internal' ORDER BY version DESC",
                (name,),
            ).fetchall()
    except sqlite3.Error:
        return ()
    return tuple(
        Version(
            name,
            number,
            run_id,
            tuple(sorted(alias for version, alias in aliases if version == number)),
            tuple(sorted((key, value) for version, key, value in tags if version == number)),
        )
        for number, run_id in found
    )


def fetch_bundle(store: Store, version: Version, into: Path) -> Path:
    """Copy a version's bundle into a folder and return the bundle's path in it.

    Only a bundle's own regular files are copied, and only from where the store keeps the version's files; links,
    other files and too many bytes are refused first.

    Raises
    ------
    TrackingError
        If the store cannot be reached, or the version's files are gone.
    BundleError
        If the files are not only those of a bundle.
    """
    target = into / "bundle"
    if (beside := _find_beside(store, version)) is not None:
        with os.scandir(beside) as found:
            entries = [
                FileEntry(
                    entry.name,
                    entry.is_file(follow_symlinks=False),
                    entry.stat(follow_symlinks=False).st_size,
                )
                for entry in found
            ]
        check_file_list(f"of {version.name} version {version.version}", entries)
        target.mkdir(parents=True)
        for name in (MANIFEST, *BUNDLE_FILES):
            shutil.copyfile(beside / name, target / name, follow_symlinks=False)
        return target
    with connected(store) as client:
        _download(client, store, version, target)
    return target


def _find_beside(store: Store, version: Version) -> Path | None:
    """The bundle's folder on this disk, wherever the store was moved to; None if a server keeps it.

    MLflow keeps absolute paths, and its database could name any; so only the model's id is taken from there.
    """
    if store.artifacts is None:
        return None
    if not _MODEL_ID.fullmatch(version.model_id):
        raise TrackingError(
            f"{version.name} version {version.version} has no logged model with a bundle ({version.model_id!r}); "
            "an earlier mqlml registered it. Train a new version"
        )
    beside = store.artifacts / "models" / version.model_id / "artifacts" / BUNDLE_IN_MODEL
    if not beside.is_dir():
        if store.file is None:
            return None  # other machines that share the database may keep their files elsewhere
        raise TrackingError(
            f"the files of {version.name} version {version.version} are missing from {str(beside)!r}; put them back, "
            "or train a new version"
        )
    if beside.resolve() != store.artifacts.resolve() / beside.relative_to(store.artifacts):
        raise BundleError(
            f"the files of {version.name} version {version.version} must be in the store; {str(beside)!r} leads out "
            "of it by a link. Put the version's own files back"
        )
    return beside


def _download(client: MlflowClient, store: Store, version: Version, target: Path) -> None:
    from mlflow.artifacts import download_artifacts, list_artifacts

    source = client.get_model_version_download_uri(version.name, str(version.version))
    if source.startswith("file:") and not Path(url2pathname(urllib.parse.urlsplit(source).path)).is_dir():
        raise TrackingError(
            f"the files of {version.name} version {version.version} are missing from {source}; put them back, or "
            "train a new version"
        )
    folder = f"{source.rstrip('/')}/{BUNDLE_IN_MODEL}"
    listed = list_artifacts(artifact_uri=folder, tracking_uri=store.uri)
    entries = [FileEntry(file.path.rpartition("/")[2], not file.is_dir, file.file_size) for file in listed]
    check_file_list(f"of {version.name} version {version.version}", entries)
    for name in (MANIFEST, *BUNDLE_FILES):
        download_artifacts(artifact_uri=f"{folder}/{name}", dst_path=str(target), tracking_uri=store.uri)


def load_version(store: Store, name: str, which: str = CHAMPION) -> tuple[Bundle, Version]:
    """Fetch and check a version's bundle.

    Raises
    ------
    TrackingError
        If there is no such version, or its files cannot be fetched.
    BundleError
        If the files are damaged (see `load_bundle`) or are not those that were registered as this version.
    """
    version = find_version(store, name, which)
    if not version.digest:
        raise BundleError(
            f"{name} version {version.version} has no tag {DIGEST_TAG!r} that ties it to its bundle; train a new "
            "version"
        )
    with tempfile.TemporaryDirectory(prefix="mqlml-") as folder:
        where = Path(folder)
        try:
            where = fetch_bundle(store, version, where)
            return load_bundle(where, name=name, digest=version.digest), version
        except BundleError as error:
            # The copy is gone by the time anyone reads the message.
            message = str(error).replace(repr(str(where)), f"of {name} version {version.version}")
            raise BundleError(message) from error


def log_metrics(
    store: Store, version: Version, metrics: Mapping[str, float], *, at: dt.datetime, step: int
) -> None:
    """Add metrics of one date to a version's run, where MLflow shows them over time.

    Raises
    ------
    TrackingError
        If the store refuses.
    """
    with connected(store) as client:
        for key, value in metrics.items():
            client.log_metric(version.run_id, key, value, timestamp=int(at.timestamp() * 1000), step=step)
