"""Openings: which held-out period was opened when, by whom and with which settings, kept beside the versions.

Whoever tries one setting after another and keeps the one that does best on the held-out period has chosen by it, and
its metrics are then optimistic. Nothing can forbid that; this record, which is only ever added to, makes it visible.

Beside an embedded store it is a file of JSON lines, which costs a millisecond where a store's tables cost seconds.
On a server or database it is a run for each opening, in an experiment of its own, for all who share the store to see.
"""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mqlml.errors import TrackingError
from mqlml.evaluation.holdout import Period
from mqlml.registry.store import Store, locked
from mqlml.registry.tracking import connected, find_experiment
from mqlml.times import format_instant

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["HoldoutAccess", "digest_settings", "make_holdout_access", "record_holdout_access", "same_period"]

_TAG = "mqlml.opening"
_PAGE = 500
_ALIKE = 0.5
"""From this share of a period on that an earlier one covers, both count as the same."""


@dataclass(frozen=True)
class HoldoutAccess:
    """One opening of one period.

    Attributes
    ----------
    id : str, also a tag of the version that came of it, if one did.
    model : str
    at : str, ISO time.
    by : str, the system's name of whoever ran it.
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
    """An opening that happens now, by whoever runs this process."""
    try:
        by = getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        by = "unknown"
    at = format_instant(now)
    key = hashlib.sha256(f"{model} {settings} {period.sha256} {at}".encode()).hexdigest()[:16]
    return HoldoutAccess(key, model, at, by, settings, **asdict(period))


def digest_settings(described: Mapping[str, object]) -> str:
    """SHA-256 of the settings that a model is chosen by.

    Where the data lies and ends is left out, as are the model's name and store: training again on a longer export is
    no choice between settings.

    Parameters
    ----------
    described : mapping, what `describe_config` gives.
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
    """Those of the earlier openings that showed what this one shows: the same rows, or half of its time or more."""
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
    """Add an opening to the record, and give back all that were in it.

    Raises
    ------
    TrackingError
        If the record cannot be read or written.
    """
    return _record_in_file(store, access) if store.file is not None else _record_in_runs(store, access)


def _record_in_file(store: Store, access: HoldoutAccess) -> tuple[HoldoutAccess, ...]:
    assert store.file is not None
    path = store.file.with_suffix(".openings.jsonl")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(store), path.open("a+", encoding="utf-8") as file:
            file.seek(0)
            earlier = _read(file.read().splitlines(), path)
            file.write(json.dumps(asdict(access)) + "\n")
    except OSError as error:
        raise TrackingError(
            f"that the held-out period was opened cannot be recorded in {str(path)!r}: {error.strerror}"
        ) from error
    return earlier


def _record_in_runs(store: Store, access: HoldoutAccess) -> tuple[HoldoutAccess, ...]:
    with connected(store, create=True) as client:
        experiment = find_experiment(client, store, f"{access.model} held-out openings")
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


def _read(lines: Sequence[str], where: Path | Store) -> tuple[HoldoutAccess, ...]:
    try:
        return tuple(HoldoutAccess(**json.loads(line)) for line in lines if line.strip())
    except (ValueError, TypeError) as error:
        raise TrackingError(
            f"the record of held-out periods in {str(where)!r} must hold one JSON object a line, as mqlml writes "
            f"them; found something else ({error}). Put its backup back, or move it away"
        ) from error
