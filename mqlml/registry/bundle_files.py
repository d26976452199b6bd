"""The files of a bundle: which there are, how they are hashed, and how they are read without trusting them.

The manifest lists each file's size and SHA-256. The SHA-256 of the manifest itself, the bundle's *digest*, therefore
stands for the whole bundle; a registered version keeps it as a tag.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from mqlml.errors import BundleError

__all__ = [
    "BUNDLE_FILES",
    "FORMAT",
    "MANIFEST",
    "MOST_BYTES",
    "TREES",
    "FileEntry",
    "Manifest",
    "StoredFile",
    "check_file_list",
    "hash_bytes",
    "parse_json",
    "read_files",
    "refuse",
    "to_json",
]

FORMAT = 3
"""The number of the bundle's layout."""

MANIFEST = "manifest.json"
TREES = "model.skops"
BUNDLE_FILES = (
    TREES,
    "scorer.json",
    "calibrator.json",
    "thresholds.json",
    "features.json",
    "reference.json",
    "config.json",
    "result.json",
    "fingerprint.json",
)
"""What the manifest lists."""

MOST_BYTES = 256 * 2**20
"""A bundle with more bytes in all its files together is not read."""


class StoredFile(BaseModel):
    """Size and SHA-256 of one file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    name: str
    created: str
    git_commit: str | None
    libraries: dict[str, str]
    files: dict[str, StoredFile]


@dataclass(frozen=True)
class FileEntry:
    """A file or folder as a store lists it; ``size`` in bytes is None if the store does not say."""

    name: str
    regular: bool
    size: int | None


def hash_bytes(data: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: object) -> bytes:
    """Indented JSON, with the same bytes for the same value.

    Raises
    ------
    BundleError
        If JSON cannot hold the value.
    """
    try:
        text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"cannot save a version with values that JSON cannot hold: {error}") from error
    return f"{text}\n".encode()


def parse_json(data: bytes, name: str) -> Any:
    """The value of a JSON file; NaN, infinities and duplicate keys are refused.

    Raises
    ------
    BundleError
        If the bytes are not such JSON.
    """

    def refuse_constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    def parse_finite(text: str) -> float:
        if not math.isfinite(number := float(text)):
            raise ValueError(f"{text} is no finite number")
        return number

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) != len(pairs):
            raise ValueError("a key occurs twice")
        return found

    try:
        return json.loads(
            data, parse_constant=refuse_constant, parse_float=parse_finite, object_pairs_hook=unique
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{name} is not JSON: {error}; it is damaged. Fetch or train the version again"
        ) from None


def refuse(bundle: str, what: str) -> NoReturn:
    """Raise the error for a bundle that cannot be used; ``bundle`` is how the message names it."""
    raise BundleError(f"the bundle {bundle} cannot be used: {what}. Fetch or train the version again")


def check_file_list(bundle: str, entries: list[FileEntry]) -> None:
    """Refuse a folder that holds anything but a bundle's own regular files, or too many bytes.

    Raises
    ------
    BundleError
        The message names what is missing, extra, no regular file, or too large.
    """
    names = {entry.name for entry in entries}
    if missing := [name for name in (MANIFEST, *BUNDLE_FILES) if name not in names]:
        refuse(bundle, f"{missing[0]} is missing")
    if extra := sorted(names - {MANIFEST, *BUNDLE_FILES}):
        refuse(bundle, f"it holds files that no bundle has: {', '.join(map(repr, extra[:3]))}")
    if odd := sorted(entry.name for entry in entries if not entry.regular):
        refuse(bundle, f"{', '.join(odd[:3])} is a link or folder, not a regular file")
    if sum(entry.size or 0 for entry in entries) > MOST_BYTES:
        refuse(bundle, f"its files are larger than {MOST_BYTES >> 20} MiB together")


def read_files(folder: Path, *, digest: str | None = None) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the content of each listed file, read once, after checking the hashes.

    Parameters
    ----------
    folder : Path
    digest : str, optional
        The SHA-256 that the manifest must have.

    Raises
    ------
    BundleError
        If a file is missing, extra, a link, too large, or not the one that the manifest lists; or if the manifest
        is not the one of ``digest``, has another format, or names another minor release of scikit-learn.
    """
    try:
        with os.scandir(folder) as found:
            check_file_list(
                repr(str(folder)),
                [
                    FileEntry(entry.name, entry.is_file(follow_symlinks=False), _size(entry))
                    for entry in found
                ],
            )
        content, left = {}, MOST_BYTES
        for name in (MANIFEST, *BUNDLE_FILES):
            content[name] = _read_regular(folder, name, left)
            left -= len(content[name])
    except OSError as error:
        refuse(repr(str(folder)), f"it cannot be read: {error.strerror or error}")
    data = content.pop(MANIFEST)
    _check_digest(folder, data, digest)
    manifest = _check_manifest(folder, parse_json(data, MANIFEST))
    for name, listed in manifest.files.items():
        if (listed.bytes, listed.sha256) != (len(content[name]), hash_bytes(content[name])):
            refuse(repr(str(folder)), f"{name} is not the file the manifest lists (its SHA-256 differs)")
    return manifest, content


def _size(entry: os.DirEntry[str]) -> int:
    return entry.stat(follow_symlinks=False).st_size


def _read_regular(folder: Path, name: str, limit: int) -> bytes:
    # Checked again on what was opened: a link or pipe may have taken the file's place since it was listed.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(folder / name, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            refuse(repr(str(folder)), f"{name} is not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        refuse(repr(str(folder)), f"its files are larger than {MOST_BYTES >> 20} MiB together")
    return data


def _check_digest(folder: Path, manifest: bytes, digest: str | None) -> None:
    if digest is not None and hash_bytes(manifest) != digest:
        raise BundleError(
            f"the bundle {str(folder)!r} is not the one that was registered: the SHA-256 of its manifest is "
            f"{hash_bytes(manifest)}, and the version's tag says {digest}. Put the version's own files back, or "
            "train a new version"
        )


def _check_manifest(folder: Path, values: Any) -> Manifest:
    if not isinstance(values, dict) or type(values.get("format")) is not int:
        refuse(repr(str(folder)), f"{MANIFEST} is not a manifest")
    if values["format"] > FORMAT:
        raise BundleError(
            f"the bundle {str(folder)!r} has the format {values['format']}; this mqlml reads up to {FORMAT}. "
            "Upgrade mqlml"
        )
    if values["format"] < FORMAT:
        raise BundleError(
            f"the bundle {str(folder)!r} has the format {values['format']} of an earlier mqlml, and this one reads "
            f"{FORMAT}; train a new version"
        )
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        refuse(
            repr(str(folder)), f"{MANIFEST} at {'.'.join(map(str, first['loc']))!r}: {first['msg'].lower()}"
        )
    if odd := sorted(set(manifest.files) ^ set(BUNDLE_FILES)):
        refuse(repr(str(folder)), f"{MANIFEST} lists missing or extra files: {', '.join(odd)}")
    saved, here = str(manifest.libraries.get("scikit-learn")), importlib.metadata.version("scikit-learn")
    minor = ".".join(saved.split(".")[:2])
    if minor != ".".join(here.split(".")[:2]):
        raise BundleError(
            f"the bundle {str(folder)!r} was trained with scikit-learn {saved}, and {here} is installed; install "
            f"scikit-learn {minor}, or train a new version"
        )
    return manifest
