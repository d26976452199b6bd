"""The history of champions: who made which version the champion, when and why, as a chain of entries.

Each entry holds the SHA-256 of the one before, and the registered model a tag with that of the last one, so a
changed, removed or reordered entry is found. An embedded store has a file with one line an entry, written under its
lock. A server has no lock; there each entry is an experiment, since a server creates only one of a name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mqlml.errors import BundleError, PromotionConflict, TrackingError, VersionError
from mqlml.evaluation.promotion import Evidence
from mqlml.registry.store import Store, connected, locked
from mqlml.registry.tracking import CHALLENGER, CHAMPION, Version, find_version, list_versions
from mqlml.results import Result, from_json_safe, to_json_safe

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "Action",
    "ChampionChange",
    "History",
    "change_champion",
    "find_rollback",
    "make_champion",
    "read_history",
]

Action = Literal["first", "promoted", "forced", "rolled_back"]
_ENTRY_TAG = "mqlml.champion_change"
_HEAD_TAG = "champion_history"


@dataclass(frozen=True)
class ChampionChange(Result):
    """One change of the champion."""

    number: int
    """Its place in the history, from 1."""
    model: str
    """The name of the registered model."""
    at: str
    """ISO time."""
    by: str
    """The system user who did it."""
    action: Action
    """``first`` accepted version, ``promoted`` by the rule, ``forced`` against it, or ``rolled_back``."""
    version: int
    """The champion from then on."""
    previous: int | None
    """The champion before."""
    reason: str
    """Why, as a sentence for people."""
    evidence: Evidence | None
    """What the promotion rule read."""
    bundle_sha256: str
    """Of the version's bundle."""
    before: str = ""
    """The ``sha256`` of the entry before; empty for the first."""
    sha256: str = ""
    """Of this entry without this field."""

    def sealed(self) -> ChampionChange:
        """With its hash."""
        return replace(self, sha256=self._digest())

    def _digest(self) -> str:
        values = {name: value for name, value in to_json_safe(self).items() if name != "sha256"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    @property
    def is_whole(self) -> bool:
        """Whether its hash is that of its values."""
        return self.sha256 == self._digest()


@dataclass(frozen=True)
class History:
    """The changes of one model, oldest first, and the version that the alias means now."""

    changes: tuple[ChampionChange, ...]
    champion: Version | None

    @property
    def length(self) -> int:
        """How many changes there are; a change is made on top of so many."""
        return len(self.changes)

    @property
    def made(self) -> tuple[ChampionChange, ...]:
        """The changes that moved the alias: one that was interrupted left it where it was."""
        champion = None if self.champion is None else self.champion.version
        after = [*(change.previous for change in self.changes[1:]), champion]
        return tuple(
            change
            for change, then in zip(self.changes, after, strict=False)
            if change.previous is None or change.version == then or change.previous != then
        )

    @property
    def moved_by_hand(self) -> int | None:
        """The champion that is not that of the last change: it was set outside, or that change was interrupted."""
        if not self.changes or self.champion is None or self.changes[-1].version == self.champion.version:
            return None
        return self.champion.version


def read_history(store: Store, model: str) -> History:
    """All changes of a model's champion.

    Raises
    ------
    TrackingError
        If the store cannot be reached, or an entry of the history was changed, removed or added by hand.
    """
    versions = list_versions(store, model)
    champion = next((version for version in versions if CHAMPION in version.aliases), None)
    with connected(store) as client:
        return History(_read(client, store, model), champion)


def change_champion(
    store: Store,
    change: ChampionChange,
    *,
    seen: int,
    say: Callable[[str], None] = lambda _: None,
) -> ChampionChange:
    """Make a version the champion and record it.

    Parameters
    ----------
    change : ChampionChange
        Without number, hashes and the champion before, which are filled in.
    seen : int
        The length of the history on which the decision rests; another change since then wins.

    Raises
    ------
    PromotionConflict
        If the champion was changed since.
    TrackingError
        If the store refuses.
    """
    find_version(store, change.model, str(change.version))
    with connected(store) as client, locked(store, say=say):
        aliases = client.get_registered_model(change.model).aliases
        before = aliases.get(CHAMPION)
        found = make_champion(
            client, store, replace(change, previous=None if before is None else int(before)), seen=seen
        )
        if str(aliases.get(CHALLENGER)) == str(change.version):
            client.delete_registered_model_alias(change.model, CHALLENGER)
        return found


def make_champion(
    client: MlflowClient, store: Store, change: ChampionChange, *, seen: int | None = None
) -> ChampionChange:
    """Add an entry to the history and move the alias; the caller holds the store's lock.

    If the alias cannot be moved, as on a full disk, an embedded store has the history of before.

    Raises
    ------
    PromotionConflict
        If the history is longer than ``seen``.
    """
    earlier = _read(client, store, change.model)
    if seen is not None and len(earlier) != seen:
        raise _conflict(change, earlier)
    linked = replace(change, number=len(earlier) + 1, before=earlier[-1].sha256 if earlier else "").sealed()
    file = None if store.file is None else _file_of(store, change.model)
    if file is None:
        _create_entry(client, store, linked)
    else:
        length = _write_line(file, linked)
    try:
        client.set_registered_model_alias(change.model, CHAMPION, str(change.version))
    except Exception:
        if file is not None:
            os.truncate(file, length)
        raise
    client.set_registered_model_tag(change.model, _HEAD_TAG, linked.sha256)
    return linked


def _conflict(change: ChampionChange, earlier: Sequence[ChampionChange]) -> PromotionConflict:
    last = earlier[-1] if earlier else None
    what = "" if last is None else f": version {last.version} since {last.at}, by {last.by}"
    return PromotionConflict(
        f"the champion of {change.model!r} was changed by someone else in the meantime{what}. Nothing was changed "
        "here; see 'mqlml history', compare again, and try again"
    )


def _file_of(store: Store, model: str) -> Path:
    assert store.file is not None
    return store.file.with_name(f"{store.file.stem}.champions.{model}.jsonl")


def _write_line(path: Path, entry: ChampionChange) -> int:
    """Add a line to the file; how long it was before, in bytes."""
    try:
        with path.open("a+b") as file:
            file.seek(0)
            content = file.read()
            # A last line without its end was cut off by a full disk or a kill: that change was never made.
            whole = content.rfind(b"\n") + 1
            try:
                file.truncate(whole)
                file.write(f"{json.dumps(to_json_safe(entry))}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(whole)
                raise
            return whole
    except OSError as error:
        raise TrackingError(
            f"the history of champions {str(path)!r} cannot be written: {error.strerror}; nothing was changed. Allow "
            "it, or free some space"
        ) from error


def _title(model: str, number: int) -> str:
    return f"{model} champion {number:04d}"


def _create_entry(client: MlflowClient, store: Store, entry: ChampionChange) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_experiment(
            _title(entry.model, entry.number),
            artifact_location=None if store.artifacts is None else store.artifacts.as_uri(),
            tags={_ENTRY_TAG: json.dumps(to_json_safe(entry))},
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        raise _conflict(entry, _read(client, store, entry.model)) from None


def _read(client: MlflowClient, store: Store, model: str) -> tuple[ChampionChange, ...]:
    texts = _lines(store, model) if store.file is not None else _tags(client, model)
    changes = [_parse(text, store, model) for text in texts]
    head = client.get_registered_model(model).tags.get(_HEAD_TAG)
    _check_chain(changes, head, store, model)
    return tuple(changes)


def _lines(store: Store, model: str) -> list[str]:
    path = _file_of(store, model)
    try:
        content = path.read_bytes() if path.exists() else b""
        return content[: content.rfind(b"\n") + 1].decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrackingError(
            f"the history of champions {str(path)!r} cannot be read: {error}. Restore its backup"
        ) from error


def _tags(client: MlflowClient, model: str) -> list[str]:
    found: list[str] = []
    while (entry := client.get_experiment_by_name(_title(model, len(found) + 1))) is not None:
        found.append(entry.tags.get(_ENTRY_TAG, ""))
    return found


def _parse(text: str, store: Store, model: str) -> ChampionChange:
    try:
        return from_json_safe(
            ChampionChange, json.loads(text), where="an entry", remedy="use the mqlml that wrote it"
        )
    except ValueError as error:
        raise _damaged(store, model, f"an entry cannot be read ({error})") from None
    except BundleError as error:
        raise _damaged(store, model, str(error)) from None


def _check_chain(changes: Sequence[ChampionChange], head: str | None, store: Store, model: str) -> None:
    before = ""
    for number, change in enumerate(changes, start=1):
        if (change.number, change.model, change.before) != (number, model, before) or not change.is_whole:
            raise _damaged(store, model, f"entry {number} is not the one that was written")
        before = change.sha256
    # The tag follows entry and alias, so a kill before it leaves the tag at an earlier entry.
    if head is not None and head not in {change.sha256 for change in changes}:
        raise _damaged(store, model, f"{len(changes)} entries are left, and the last one is missing")


def _damaged(store: Store, model: str, what: str) -> TrackingError:
    return TrackingError(
        f"the history of champions of {model!r} in {store} must be the one that mqlml wrote; {what}. Restore its "
        "backup; 'mqlml score' does not read it and goes on"
    )


def find_rollback(history: History, model: str) -> int:
    """The version that was the champion before the present one.

    A rollback takes back one promotion; another one takes back the promotion before that. A champion that was set
    outside of mqlml is taken back to the last one of the history.

    Raises
    ------
    VersionError
        If there is none.
    """
    champions: list[int] = []
    for change in history.made:
        if change.action == "rolled_back":
            while champions and champions[-1] != change.version:
                champions.pop()
            continue
        if not champions and change.previous is not None:
            champions.append(change.previous)
        if champions[-1:] != [change.version]:  # a change that was repeated has two entries
            champions.append(change.version)
    if history.champion is None or champions[-1:] == [history.champion.version]:
        champions = champions[:-1]
    if not champions:
        raise VersionError(
            f"the champion of {model!r} has no earlier one in the history to go back to; see 'mqlml history', or "
            "name a version: mqlml promote VERSION --force --reason WHY"
        )
    return champions[-1]
