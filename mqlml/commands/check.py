"""``check`` builds the training table and reports on it before any model is trained."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.config import Config, read_config
from mqlml.errors import ConfigError
from mqlml.features import match_exclusions
from mqlml.journeys import FlatTable, Journeys, read_flat
from mqlml.journeys.databases import copied_tables
from mqlml.journeys.leadids import LeadIds
from mqlml.journeys.quarantine import count_rows, group_quarantine
from mqlml.journeys.read import read_around_events, read_events
from mqlml.policy import match_rules
from mqlml.progress import Progress
from mqlml.render.results import BaseRatePeriod, CheckResult, CheckWarnings, DataNeed
from mqlml.times import format_instant
from mqlml.training import (
    TrainingTable,
    build_table,
    describe_holdout,
    describe_population,
    exclude_leads,
    list_left_out,
)
from mqlml.training.warnings import find_config_warnings, find_data_warnings

__all__ = [
    "check_data",
    "check_rules",
    "make_table",
    "read_data",
    "read_leads",
    "require_past",
]


def require_past(config: Config, now: dt.datetime) -> None:
    """Refuse an ``observed_until`` in the future: leads that may still convert would count as not converted.

    Raises
    ------
    ConfigError
    """
    until = config.data.observed_until
    # A day of tolerance: an export complete up to the end of today is dated tomorrow.
    if until is not None and until > now + dt.timedelta(days=1):
        raise ConfigError(
            f"data.observed_until must lie in the past; found {format_instant(until)}, and it is "
            f"{format_instant(now)}. Set it to the time of the export, up to which outcomes are complete"
        )


def read_data(config: Config, progress: Progress, *, now: dt.datetime) -> Journeys | FlatTable:
    """The tables that the config names.

    Raises
    ------
    ConfigError
        As `require_past`.
    """
    require_past(config, now)
    with progress.step("read"):
        if config.data.flat is not None:
            return exclude_leads(read_flat(config), config)
        with copied_tables(config) as copied:
            return read_events(copied, *read_leads(copied))


def read_leads(config: Config) -> tuple[Journeys, LeadIds]:
    """All tables but the events, without the leads that ``rules.exclude`` or ``data.data_as_of`` leaves out.

    Raises
    ------
    ContractError, ConfigError
        As reading, and as `match_exclusions`.
    """
    return read_around_events(config, match_exclusions)


def check_rules(leads: pd.DataFrame, config: Config) -> None:
    """Apply the rules as scoring will, so that a wrong one fails before a model is trained.

    Raises
    ------
    ContractError, ConfigError
        As `match_rules`.
    """
    match_rules(leads, config.rules, folder=config.folder, email=config.profile.email)


def make_table(data: Journeys | FlatTable, config: Config, progress: Progress) -> TrainingTable:
    """The training table that the config describes."""
    check_rules(data.leads, config)
    with progress.step("features"):
        return build_table(data, config)


def _over_time(table: TrainingTable, zone: str) -> tuple[BaseRatePeriod, ...]:
    """The base rate month by month, or tenth by tenth of a flat table's order."""
    if not table.dated:
        tenth = np.minimum(np.arange(len(table.label)) * 10 // len(table.label), 9) + 1
        period = pd.Series([f"tenth {number} of the order" for number in tenth])
    else:
        period = table.cutoff_time.dt.tz_convert(zone).dt.strftime("%Y-%m")
    rates = pd.Series(table.label).groupby(period.to_numpy(), sort=False).agg(["count", "sum"])
    return tuple(
        BaseRatePeriod(str(name), int(n), int(wins), float(wins / n))
        for name, n, wins in zip(rates.index, rates["count"], rates["sum"], strict=True)
    )


def _enough(table: TrainingTable, needed: int) -> DataNeed:
    learn = int(table.label[table.holdout.train].sum())
    evaluate = int(table.label[table.holdout.test].sum())
    return DataNeed(learn, evaluate, needed, learn >= needed, table.holdout.purged)


def check_data(config_path: str | Path, *, now: dt.datetime, progress: Progress) -> CheckResult:
    """Read everything the config names and report what a model could learn from."""
    config = read_config(config_path)
    data = read_data(config, progress, now=now)
    table = make_table(data, config, progress)
    until = config.data.observed_until
    return CheckResult(
        tables=count_rows(data.rows_read, data.quarantine),
        quarantine=group_quarantine(data.quarantine),
        population=describe_population(table),
        observed_until=format_instant(until) if until else None,
        timezone=config.data.timezone,
        holdout=describe_holdout(table),
        base_rate=_over_time(table, config.data.timezone),
        leaks=table.leaks,
        questions=table.questions,
        leak_test=table.leak_test,
        notices=data.notices,
        warnings=CheckWarnings(
            data=find_data_warnings(data, config) if isinstance(data, Journeys) else (),
            config=tuple(find_config_warnings(data, table.plan, config)),
        ),
        features=len(table.plan.features),
        left_out=list_left_out(table),
        enough=_enough(table, config.gate.min_positives),
    )
