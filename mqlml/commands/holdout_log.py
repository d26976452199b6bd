"""Records each use of the held-out period in the config's store and finds the earlier ones."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from mqlml.config import Config
from mqlml.errors import TrackingError, VersionError
from mqlml.evaluation.holdout import Period, PriorAccess
from mqlml.registry import (
    HoldoutAccess,
    Store,
    digest_settings,
    list_versions,
    make_holdout_access,
    record_holdout_access,
    same_period,
)

__all__ = ["Logbook", "warn_of_holdout_access"]


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
