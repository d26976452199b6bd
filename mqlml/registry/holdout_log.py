"""The holdout access log records which held-out period was used when, by whom and with which settings.

Whoever tries one setting after another and keeps the best one on the held-out period has chosen by it, and its
metrics are then optimistic. Nothing can forbid that; this append-only log makes it visible.

Beside an embedded store it is a file of JSON lines, which costs a millisecond where a store's tables cost seconds.
On a server or database each access is a run in an experiment of its own, visible to all who share the store.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mqlml.errors import TrackingError
from mqlml.evaluation.holdout import Period
from mqlml.registry.client import connected, find_experiment
from mqlml.registry.store import Store, locked
from mqlml.times import format_instant

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["HoldoutAccess", "digest_settings", "make_holdout_access", "record_holdout_access", "same_period"]

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


def make_holdout_access(period: Period, *, model: str, settings: str, now: dt.datetime) -> HoldoutAccess:
    """An access at ``now``, by the user who runs this process."""
    try:
        by = getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        by = "unknown"
    at = format_instant(now)
    key = hashlib.sha256(f"{model} {settings} {period.sha256} {at}".encode()).hexdigest()[:16]
    return HoldoutAccess(key, model, at, by, settings, **asdict(period))


def digest_settings(described: Mapping[str, object]) -> str:
    """SHA-256 of the settings that choose a model.

    Paths, the end of the data, the model's name and its store are left out: retraining on a longer export is not a
    choice between settings.

    Parameters
    ----------
    described : mapping, the config's resolved values.
    """
    kept = {key: value for key, value in described.items() if key not in ("name", "tracking")}
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
