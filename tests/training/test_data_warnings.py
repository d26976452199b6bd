"""Data warnings: a sound company is told nothing, and each fault of the data as a whole is named with its remedy."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Config
from mqlml.errors import PopulationError
from mqlml.journeys import Journeys
from mqlml.simulate import simulate
from mqlml.training.table import choose_rows
from mqlml.training.warnings import find_data_warnings
from tests.features.worlds import make_config_of

CONFIG = make_config_of(problem={"horizon": "60d", "snapshots": {"ages": ["7d"]}})


@pytest.fixture(scope="module")
def world() -> Journeys:
    """2,000 leads with their conversions up to the end, and none after it."""
    made = simulate(2000, random_state=3).journeys()
    outcomes = made.outcomes[(made.outcomes["recorded_at"] <= made.observed_until).to_numpy()]
    return replace(made, outcomes=outcomes.reset_index(drop=True))


def codes(journeys: Journeys, config: Config = CONFIG) -> dict[str, str]:
    return {warning.code: warning.text for warning in find_data_warnings(journeys, config)}


def later(journeys: Journeys, days: int) -> Journeys:
    return replace(journeys, observed_until=journeys.observed_until + dt.timedelta(days=days))


def test_a_sound_company_is_told_nothing(world: Journeys) -> None:
    assert codes(world) == {}
    assert codes(later(world, 3)) == {}


def test_an_end_later_than_the_data_can_bear(world: Journeys) -> None:
    text = codes(later(world, 38))["late_observed_until"]
    assert "the last conversion is of " in text
    assert text.endswith("usually the day of the export.")


def test_an_end_long_after_anything_was_recorded(world: Journeys) -> None:
    """Leads too old to convert are missed by nobody, but the export is older than the config says."""
    old = world.leads["created_at"] < world.observed_until - pd.Timedelta(days=200)
    leads = world.leads[old.to_numpy()].reset_index(drop=True)
    mine = {
        name: table[table["lead_id"].isin(leads["lead_id"]).to_numpy()].reset_index(drop=True)
        for name, table in (("events", world.events), ("outcomes", world.outcomes))
    }
    made = later(replace(world, leads=leads, **mine), 365)
    text = codes(made)["late_observed_until"]
    assert "recorded after" in text or "the last conversion is of" in text
    assert "late_observed_until" not in codes(later(world, 5))
    none = replace(made, outcomes=made.outcomes[:0])
    assert "no lead, event or outcome was recorded after" in codes(none)["late_observed_until"]


def test_outcomes_that_come_later_than_they_are_said_to() -> None:
    """Most conversions of the last four months are not entered yet."""
    world = simulate(6000, random_state=3).journeys()
    at = world.outcomes["occurred_at"]
    late = (at > world.observed_until - pd.Timedelta(days=120)).to_numpy()
    drawn = np.random.default_rng(0).random(len(late)) < 0.9
    kept = world.outcomes[~(late & drawn)].reset_index(drop=True)
    assert "Conversion falls from " in codes(replace(world, outcomes=kept))["falling_conversion"]


def test_events_of_an_older_export(world: Journeys) -> None:
    known = world.events["recorded_at"] <= world.observed_until - pd.Timedelta(days=90)
    events = world.events[known.to_numpy()].reset_index(drop=True)
    assert "the events are an older export" in codes(replace(world, events=events))["events_end_early"]


def dated(world: Journeys, share: float) -> Journeys:
    created = world.leads["created_at"].copy()
    created.iloc[: int(share * len(created))] = created.min().floor("D")
    return replace(world, leads=world.leads.assign(created_at=created))


def test_leads_that_were_created_on_one_day(world: Journeys) -> None:
    assert "on one day, " in codes(dated(world, 0.6))["created_on_one_day"]
    with pytest.raises(
        PopulationError, match=r"all 2,000 were created on one day, .*Map data\.leads\.columns\.created_at"
    ):
        choose_rows(dated(world, 1), CONFIG)


def test_winners_without_events(world: Journeys) -> None:
    won = world.outcomes.loc[(world.outcomes["stage"] == "closed_won").to_numpy(), "lead_id"]
    events = world.events[~world.events["lead_id"].isin(won.iloc[::2]).to_numpy()].reset_index(drop=True)
    assert "winners have no event" in codes(replace(world, events=events))["winners_without_events"]


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("Associated Company", lambda n: np.arange(n) // 2, True),
        ("account_name", lambda n: np.arange(n) // 3, True),
        ("company", np.arange, False),
        ("company_size", lambda n: np.arange(n) // 2, False),
        ("account", lambda n: np.arange(n) % 5, False),
    ],
    ids=["two leads each", "three leads each", "all of their own", "a size", "a few regions"],
)
def test_a_column_that_looks_like_the_account(world: Journeys, column: str, values: Any, told: bool) -> None:
    leads = world.leads.drop(columns="account_id", errors="ignore")
    leads = leads[[name for name in leads if "company" not in str(name)]]
    named = pd.Series([f"firm {number}" for number in values(len(leads))], dtype="str")
    found = codes(replace(world, leads=leads.assign(**{column: named})))
    assert ("unmapped_account" in found) == told
    if told:
        assert f"account_id: {column}" in found["unmapped_account"]


def test_age_limits_far_beyond_the_ages_learned_from(world: Journeys) -> None:
    problem = {"horizon": "60d", "snapshots": {"ages": ["7d"]}}
    wide = make_config_of(problem={**problem, "age_limits": ["0d", "365d"]})
    assert "Leads up to 365 days old are scored" in codes(world, wide)["wide_age_limits"]
    assert codes(world, make_config_of(problem={**problem, "age_limits": ["0d", "21d"]})) == {}


def test_defaults_that_stand_in_for_the_problem(world: Journeys) -> None:
    data = {"observed_until": "2025-06-24", "leads": {"path": "leads.csv"}, "outcomes": {"path": "deals.csv"}}
    text = codes(world, Config.model_validate({"name": "leads", "data": data}))["default_problem"]
    assert "closed_won within 60 days, snapshots at the ages 0 days, 7 days and 30 days" in text
    assert "leads 0 to 53 days old are scored" in text
