"""Load what scoring and explaining need: a version, the data and the prediction date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.config import Config, parse_size
from mqlml.errors import ConfigError, UsageError
from mqlml.journeys import FlatTable, Journeys, read_flat
from mqlml.progress import Progress
from mqlml.registry import CHAMPION, Bundle, Store, Version, load_version, make_store
from mqlml.times import format_instant, parse_instant
from mqlml.training import exclude_leads

__all__ = [
    "LoadedVersion",
    "find_cutoff",
    "find_store",
    "load_model",
    "load_version_and_data",
    "read_moment",
    "with_memory_limit",
]


@dataclass(frozen=True)
class LoadedVersion:
    """A version, the data of the leads to score, and the prediction date."""

    bundle: Bundle
    version: Version
    data: Journeys | FlatTable
    moment: dt.datetime


def load_version_and_data(
    config: Config,
    *,
    command: str,
    as_of: str | None,
    model: str | None,
    leads: str | Path | None,
    now: dt.datetime,
    progress: Progress,
) -> LoadedVersion:
    """Fetch a version and read the data of the leads to score.

    Parameters
    ----------
    command : the name of the command in errors.
    as_of : ISO date or time, in the config's zone where it names none; a flat table needs none: then ``now``.
    model : as for `load_model`.
    leads : for a flat table, a file of new rows to read in place of the config's; of journeys, all are read.

    Raises
    ------
    UsageError
        If the moment is missing or cannot be read.
    """
    moment = find_cutoff(config, as_of, command=command, now=now)
    with progress.step("load"):
        bundle, version = load_model(config, model)
    data: Journeys | FlatTable
    if config.data.flat is not None and leads is not None:
        with progress.step("read"):
            data = exclude_leads(read_flat(config, leads), config)
    else:
        data = read_data(config, progress, now=now)
    return LoadedVersion(bundle, version, data, moment)


def find_store(config: Config) -> Store:
    """Where the config keeps its versions."""
    return make_store(config.tracking.uri, folder=config.folder, lock_timeout=config.tracking.lock_timeout)


def load_model(config: Config, model: str | None) -> tuple[Bundle, Version]:
    """The version that ``NAME@ALIAS``, ``NAME@3`` or nothing (the champion) means."""
    name, _, which = (model or config.name).partition("@")
    return load_version(find_store(config), name or config.name, which or CHAMPION)


def find_cutoff(config: Config, as_of: str | None, *, command: str, now: dt.datetime) -> dt.datetime:
    """The moment of ``--as-of``; a flat table needs none: then ``now``.

    Raises
    ------
    UsageError
        If it is missing or cannot be read.
    """
    if as_of is None:
        if config.data.flat is None:
            raise UsageError(f"{command} needs a prediction date: add --as-of, as in --as-of 2018-06-01")
        return now
    moment = read_moment(as_of, config.data.timezone, option="--as-of")
    known = config.data.data_as_of
    if known is not None and moment > known:
        raise UsageError(
            f"--as-of must not come after data.data_as_of, since nothing later is read; found {as_of!r} and "
            f"{format_instant(known)}. Name an earlier moment, or remove data_as_of"
        )
    return moment


def read_moment(text: str, zone: str, *, option: str) -> dt.datetime:
    """The moment that an option names, in the config's zone where it names none."""
    try:
        return parse_instant(text, zone)
    except ConfigError as error:
        raise UsageError(f"{option}: {error}") from None


def with_memory_limit(config: Config, text: str) -> Config:
    """The config with the size of ``--memory-limit`` in place of ``data.memory_limit``.

    Raises
    ------
    UsageError
        If the text is no size.
    """
    try:
        limit = parse_size(text)
    except ValueError as error:
        raise UsageError(f"--memory-limit: {error}; found {text!r}") from None
    return config.model_copy(update={"data": config.data.model_copy(update={"memory_limit": limit})})
