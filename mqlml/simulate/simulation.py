"""Simulate a company from a number of leads and a seed: its tables, and the truth behind them."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mqlml.errors import ConfigError
from mqlml.journeys.contract import Journeys, empty_table
from mqlml.journeys.quarantine import empty_quarantine
from mqlml.simulate.behavior import make_behavior
from mqlml.simulate.outcome import add_afterwards, make_events, make_outcomes
from mqlml.simulate.population import make_population
from mqlml.simulate.truth import Truth
from mqlml.simulate.world import World, make_world
from mqlml.times import DAY, format_column, parse_instant, to_microseconds
from mqlml.types import Floats

_UNREADABLE = ("31/02/2024", "yesterday", "0000-00-00", "", "2024-13-01T00:00:00Z")
_STRANGER = -1


def _raw_text(table: pd.DataFrame) -> pd.DataFrame:
    """Times as ISO text in whole seconds, whole numbers without a decimal point."""
    raw = table.copy()
    for column in raw.columns:
        values = raw[column]
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            raw[column] = format_column(values, whole_seconds=True)
        elif values.dtype == "float64" and (values.dropna() % 1 == 0).all():
            raw[column] = values.astype("Int64")
    return raw


def _spoil(raw: pd.DataFrame, n_bad: int) -> pd.DataFrame:
    """The table with bad copies of its rows in between; the good rows stay as they are."""
    picked = np.linspace(0, len(raw) - 1, n_bad).astype(int)
    bad = raw.iloc[picked].reset_index(drop=True)
    number = np.arange(n_bad)
    bad.loc[number % 2 == 0, "lead_id"] = _STRANGER
    if isinstance(bad["occurred_at"].dtype, pd.DatetimeTZDtype):
        bad.loc[number % 2 == 1, "occurred_at"] = pd.NaT
    else:
        for row in range(1, n_bad, 2):
            bad.loc[row, "occurred_at"] = _UNREADABLE[row // 2 % len(_UNREADABLE)]
    place = np.concatenate([np.arange(len(raw)), picked])
    return pd.concat([raw, bad], ignore_index=True).iloc[np.argsort(place, kind="stable")]


@dataclass(frozen=True)
class Simulation:
    """A CRM's tables, in the contract's columns and types, and the truth behind them.

    Attributes
    ----------
    leads, events, outcomes : DataFrame
        As `Journeys` has them; leads by ``created_at``, the others by ``occurred_at``.
    observed_until : datetime in UTC
        The end of the simulated time; the tables hold all that the company knew then.
    truth : Truth
    """

    leads: pd.DataFrame
    events: pd.DataFrame
    outcomes: pd.DataFrame
    observed_until: dt.datetime
    truth: Truth

    def journeys(self) -> Journeys:
        """The tables as if they had been read from a perfect export."""
        return Journeys(
            leads=self.leads,
            events=self.events,
            outcomes=self.outcomes,
            history=empty_table("history"),
            observed_until=self.observed_until,
            quarantine=empty_quarantine(),
            rows_read={"leads": len(self.leads), "events": len(self.events), "outcomes": len(self.outcomes)},
        )

    def true_probability(self, snapshots: pd.DataFrame, horizon: int, gap: int = 0) -> Floats:
        """The exact P(closed_won in ``[cutoff + gap, cutoff + gap + horizon)``): see `Truth.probability`."""
        return self.truth.probability(snapshots, horizon=horizon, gap=gap)

    def write(
        self, folder: str | Path, format: Literal["csv", "parquet"] = "csv", *, bad_rows: float = 0.0
    ) -> dict[str, Path]:
        """Write each table as a user would bring it: ``<name>.csv`` or ``<name>.parquet``.

        Parameters
        ----------
        folder : made where it does not exist; files of these names are replaced.
        bad_rows : share of rows, between 0 and 1, added to events and outcomes at even distances: every second one
            of a lead that does not exist, the others with a time that cannot be read (in Parquet: none at all).

        Returns
        -------
        dict of table name to path

        Raises
        ------
        ConfigError
            If the format is unknown or the share is not one.
        """
        if format not in ("csv", "parquet"):
            raise ConfigError(f"an export's format must be 'csv' or 'parquet'; found {format!r}")
        if not 0 <= bad_rows <= 1:
            raise ConfigError(f"bad_rows must be a share between 0 and 1; found {bad_rows!r}")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for name in ("leads", "events", "outcomes"):
            table: pd.DataFrame = getattr(self, name)
            raw = _raw_text(table) if format == "csv" else table
            if name != "leads" and bad_rows and len(table):
                raw = _spoil(raw, max(round(len(table) * bad_rows), 1))
            paths[name] = folder / f"{name}.{format}"
            if format == "csv":
                raw.to_csv(paths[name], index=False, lineterminator="\n", encoding="utf-8")
            else:
                raw.to_parquet(paths[name], index=False)
        return paths


def simulate(
    n_leads: int,
    *,
    random_state: int,
    start: str | dt.date | dt.datetime = "2024-01-01",
    days: int = 540,
    drift: float = 0.0,
    signal: float = 1.0,
    activity: float = 1.0,
    leaky_columns: bool = False,
) -> Simulation:
    """Simulate the leads of a company that sells software to other companies, and their outcomes.

    Each account is, unseen, in the market for the product or not, the likelier the better its industry and size.
    Each of its leads is in one of four hidden states (cold, curious, evaluating, misfit): drawn at creation from
    profile and source, changed at midnights, sooner to evaluating in an account that is in the market. A state sets
    the rates of some twenty actions, their channels and the time spent on a page, and the hazards of being won, lost
    or disqualified; the hazard of being won also depends on the profile. Events and exits follow the hour, the
    weekday and the season. Hence a lead's profile, channels, events, silence and colleagues are all evidence of its
    future, and `Simulation.true_probability` weighs that evidence exactly.

    Parameters
    ----------
    n_leads : int, at least 1.
    random_state : int
        The same number gives the same tables, to the byte. ``drift`` and the options after it change the laws of
        the world, or what is written down, but not who the leads are.
    start : midnight in UTC at which the first lead can appear; a text is an ISO date.
    days : int, length of the simulated time; leads appear through all of it, though not evenly: see the notes.
    drift : float
        Growth per year, from ``start`` on, of the log hazard of being won and of the log odds with which a new lead
        starts out evaluating. At 1 the share won within 60 days of a lead's first week rises from 6 to 11 percent
        in 15 months, at -1 it falls from 5 to 1.
    signal : float between 0 and 1
        Scales, in logs, all differences in hazards between states, profiles and days. At 0 every open lead is won
        with the same probability at any moment, whatever it did (but for ``drift``).
    activity : float, above 0
        Multiplies the rates of all events; at 1 there are about 46 for each lead in 540 days.
    leaky_columns : bool
        Add what sales fills in after the fact (``lead_status``, ``owner``, ``last_activity_date``,
        ``closed_amount``, ``lost_reason``, the action ``onboarding_call``) for a leakage audit to find.

    Returns
    -------
    Simulation

    Raises
    ------
    ConfigError
        If an argument is outside its range.

    Notes
    -----
    Leads do not appear evenly: more in winter, 0.6 times as many in the first month and 1.6 times in the last, since
    colleagues come after an account's first lead. What comes after a moment is measured months before the end.

    Badge scans, calls and no-shows (``event_attended``, ``call_connected``, ``no_show``) are uploaded at 06:00 UTC on
    the following Monday, so ``recorded_at`` is up to a week after ``occurred_at``; the truth counts them from then
    on. Exits are recorded as they happen, other stage moves hours later. Effects of a profile are those of the
    values in the table, a missing value included.

    Examples
    --------
    >>> world = simulate(1000, random_state=7)
    >>> snapshots = world.leads[["lead_id"]].assign(cutoff_time=world.leads["created_at"])
    >>> world.true_probability(snapshots, horizon=60 * DAY).shape
    (1000,)
    """
    begin = to_microseconds(parse_instant(start, "UTC"))
    _check(
        (begin % DAY == 0, "start must be a midnight in UTC", start),
        (n_leads >= 1, "n_leads must be at least 1", n_leads),
        (random_state >= 0, "random_state must be a whole number from 0 up", random_state),
        (days >= 1, "days must be at least 1", days),
        (abs(drift) <= 10, "drift must lie between -10 and 10 a year", drift),
        (0 <= signal <= 1, "signal must lie between 0 and 1", signal),
        (0 < activity < math.inf, "activity must be above 0", activity),
    )
    world = make_world(start=begin // DAY, signal=signal, drift=drift, activity=activity)
    return _simulate(n_leads, world, random_state, days=days, leaky_columns=leaky_columns)


def _simulate(n_leads: int, world: World, seed: int, *, days: int, leaky_columns: bool) -> Simulation:
    # One stream for each part, so that an option of one part leaves the draws of the others alone.
    people, behavior, records, afterwards, contents = np.random.SeedSequence(seed).spawn(5)
    end = (world.start + days) * DAY
    population = make_population(np.random.default_rng(people), n_leads, days=days, world=world)
    event_rows, exits = make_behavior(behavior, population, days=days, world=world)
    rng = np.random.default_rng(records)
    outcomes = make_outcomes(rng, population, event_rows, exits, end=end)
    events = make_events(rng, np.random.default_rng(contents), population, event_rows)
    leads = population.leads
    if leaky_columns:
        leads, events = add_afterwards(np.random.default_rng(afterwards), leads, events, outcomes, end=end)
    return Simulation(
        leads=leads,
        events=events,
        outcomes=outcomes,
        observed_until=dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=end),
        truth=Truth(world=world, population=population, events=event_rows, exits=exits, end=end),
    )


def _check(*demands: tuple[bool, str, object]) -> None:
    for holds, must, found in demands:
        if not holds:
            raise ConfigError(f"simulate: {must}; found {found!r}")
