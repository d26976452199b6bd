"""The holdout access log records which held-out period was used when, by whom and with which settings."""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mqlml.config import Config
from mqlml.errors import TrackingError, VersionError
from mqlml.evaluation.holdout import Period, PriorAccess
from mqlml.registry.store import Store, connected, find_experiment, locked
from mqlml.registry.tracking import list_versions
from mqlml.times import format_instant

if TYPE_CHECKING:
    import datetime as dt

__all__ = [
    "HoldoutAccess",
    "Logbook",
    "digest_settings",
    "find_user",
    "make_holdout_access",
    "record_holdout_access",
    "same_period",
    "warn_of_holdout_access",
]


_TAG = "mqlml.holdout_access"
_PAGE = 500
_ALIKE = 0.5
"""An earlier period that covers at least this share of a later one counts as the same."""


@dataclass(frozen=True)
class HoldoutAccess:
    """One use of one held-out period.

    Attributes
    ----------
    id : str, also a tag of the version that was registered after it, if any.
    model : str
    at : str, ISO time.
    by : str, the system user who ran it.
    settings : str, a digest: see `digest_settings`.
    start, end, dated, rows, sha256 : as in `Period`.
    """

    id: str
    model: str
    at: str
    by: str
    settings: str
    start: int
    end: int
    dated: bool
    rows: int
    sha256: str


def find_user() -> str:
    """The system user who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return "unknown"


def make_holdout_access(period: Period, *, model: str, settings: str, now: dt.datetime) -> HoldoutAccess:
    """An access at ``now``, by the user who runs this process."""
    by, at = find_user(), format_instant(now)
    key = hashlib.sha256(f"{model} {settings} {period.sha256} {at}".encode()).hexdigest()[:16]
    return HoldoutAccess(key, model, at, by, settings, **asdict(period))


def digest_settings(described: Mapping[str, object]) -> str:
    """SHA-256 of the settings that choose a model.

    Paths, the end of the data, the model's name, its store and the promotion rule are left out: retraining on a
    longer export is not a choice between settings.

    Parameters
    ----------
    described : mapping, the config's resolved values.
    """
    kept = {key: value for key, value in described.items() if key not in ("name", "tracking", "promotion")}
    kept["data"] = _without(kept["data"], {"observed_until", "path", "url"})
    kept["problem"] = _without(kept["problem"], {"until"})
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def _without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(item, keys) for key, item in value.items() if key not in keys}
    return value


def same_period(earlier: Sequence[HoldoutAccess], access: HoldoutAccess) -> tuple[HoldoutAccess, ...]:
    """The earlier accesses to the same rows, or to at least half of the same time."""
    return tuple(
        found
        for found in earlier
        if found.model == access.model
        and (found.sha256 == access.sha256 or (found.dated == access.dated and _covers(found, access)))
    )


def _covers(earlier: HoldoutAccess, access: HoldoutAccess) -> bool:
    common = min(earlier.end, access.end) - max(earlier.start, access.start)
    return common >= 0 and common >= _ALIKE * (access.end - access.start)


def record_holdout_access(store: Store, access: HoldoutAccess) -> tuple[HoldoutAccess, ...]:
    """Add an access to the log and return all earlier ones.

    Raises
    ------
    TrackingError
        If the log cannot be read or written.
    """
    return _record_in_file(store, access) if store.file is not None else _record_in_runs(store, access)


def _record_in_file(store: Store, access: HoldoutAccess) -> tuple[HoldoutAccess, ...]:
    assert store.file is not None
    path = store.file.with_suffix(".holdout_access.jsonl")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(store), path.open("a+b") as file:
            file.seek(0)
            content = file.read()
            # A last line without its end was cut off by a full disk or a kill: its access was never confirmed.
            whole = content[: content.rfind(b"\n") + 1]
            earlier = _read(whole.splitlines(), path)
            try:
                file.truncate(len(whole))
                file.write(f"{json.dumps(asdict(access))}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(len(whole))
                raise
    except OSError as error:
        raise TrackingError(
            f"cannot record the use of the held-out period in {str(path)!r}: {error.strerror}"
        ) from error
    return earlier


def _record_in_runs(store: Store, access: HoldoutAccess) -> tuple[HoldoutAccess, ...]:
    with connected(store, create=True) as client:
        experiment = find_experiment(client, store, f"{access.model} held-out access")
        texts: list[str] = []
        token = None
        while True:
            page = client.search_runs([experiment], max_results=_PAGE, page_token=token)
            texts += [run.data.tags[_TAG] for run in page if _TAG in run.data.tags]
            if not (token := page.token):
                break
        run = client.create_run(
            experiment, run_name=access.at, tags={_TAG: json.dumps(asdict(access)), "by": access.by}
        )
        client.set_terminated(run.info.run_id)
    return _read(texts, store)


def _read(lines: Sequence[str | bytes], where: Path | Store) -> tuple[HoldoutAccess, ...]:
    try:
        return tuple(HoldoutAccess(**json.loads(line)) for line in lines if line.strip())
    except (ValueError, TypeError) as error:
        raise TrackingError(
            f"the holdout access log {str(where)!r} must hold one JSON object per line, as mqlml writes them; found "
            f"something else ({error}). Restore its backup, or move it away"
        ) from error


class Logbook:
    """Records each use of a held-out period; pass it to `train` as ``record``.

    Parameters
    ----------
    config : Config
    store : Store
    now : datetime in UTC
    needed : bool
        Whether training stops if the store cannot record it. If nothing will be registered, a note is enough.

    Attributes
    ----------
    id : str or None, of the last access; a tag of the version registered after it.
    """

    id: str | None = None

    def __init__(self, config: Config, store: Store, *, now: dt.datetime, needed: bool) -> None:
        self._config, self._store, self._now, self._needed = config, store, now, needed

    def __call__(self, period: Period) -> PriorAccess:
        # Resolved: another value of an environment variable is another setting.
        resolved = self._config.model_dump(mode="json", by_alias=True, exclude_none=True)
        settings = digest_settings(resolved)
        access = make_holdout_access(period, model=self._config.name, settings=settings, now=self._now)
        try:
            earlier = same_period(record_holdout_access(self._store, access), access)
            self.id = access.id
            others = [found for found in earlier if found.settings != access.settings]
            prior_access = PriorAccess(settings=len({found.settings for found in others}))
            if others:
                since = min(found.at for found in others)
                prior_access = replace(prior_access, versions=self._versions(others), since=since)
        except TrackingError as error:
            if self._needed:
                raise
            return PriorAccess(note=str(error))
        return prior_access

    def _versions(self, accesses: list[HoldoutAccess]) -> tuple[int, ...]:
        ids = {access.id for access in accesses}
        try:
            versions = list_versions(self._store, self._config.name)
        except VersionError:  # none was registered yet
            return ()
        return tuple(
            sorted(found.version for found in versions if dict(found.tags).get("holdout_access", "") in ids)
        )


def warn_of_holdout_access(prior_access: PriorAccess) -> tuple[str, ...]:
    """Warnings for the gate."""
    if prior_access.note is not None:
        return (f"This use of the held-out period is not on record: {prior_access.note}.",)
    if not prior_access.settings:
        return ()
    named = ", ".join(map(str, prior_access.versions))
    who = f" (version{'s' if len(prior_access.versions) > 1 else ''} {named})" if named else ""
    times = "1 other setting" if prior_access.settings == 1 else f"{prior_access.settings} other settings"
    since = f" since {prior_access.since[:10]}" if prior_access.since else ""
    return (
        f"The held-out period was used before, with {times}{who}{since}: if these settings were chosen by "
        "its results, its metrics are optimistic.",
    )
