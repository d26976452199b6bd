"""Every default feature against a plain loop, on journeys full of edges, ties and late rows."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mqlml.config import Config
from mqlml.config.features import Groups
from mqlml.features import build_features, plan_features
from mqlml.journeys import Journeys
from tests.features.oracle import FLAGS, Oracle
from tests.features.worlds import START, make_config_of, make_world, spread_snapshots, worlds

ALL_GROUPS = dict.fromkeys(Groups.model_fields, True)
CONFIG = make_config_of(
    windows=["1d", "7d", "30d", "all"],
    features={"max_actions": 4, "max_channels": 2, "groups": ALL_GROUPS},
    profile={"history": ["plan", "seats"]},
)
NO_ALL = make_config_of(
    windows=["7d", "14d"], features={"max_actions": 1, "session_gap": "0.5h", "groups": ALL_GROUPS}
)
EXACT = (
    *("count", "distinct", "active_days", "sessions", "switches", "return_visits", "created", "active"),
    *("high_intent", "most_in"),
)
"""Aggregates that are whole numbers, and must be equal. All others are right to float32."""


def named_config(journeys: Journeys) -> Config:
    """A config with words of its own, of those that the journeys have, and a zone whose hours begin at quarters."""
    actions, channels, begun = (
        list(journeys.events[column].cat.categories) for column in ("action", "channel", "initiated_by")
    )
    pairs = [
        {"first": first, "then": then, "at_least": at_least}
        for first, then, at_least in (*zip(actions, actions[::-1], (1, 2, 3), strict=False),)
    ]
    data = {
        "timezone": "Asia/Kathmandu",
        "observed_until": "2025-01-01",
        "leads": {"path": "leads.csv"},
        "outcomes": {"path": "outcomes.csv", "stage": "closed_won"},
    }
    return make_config_of(
        data=data,
        windows=["3d", "all"],
        features={
            "max_actions": 3,
            "groups": ALL_GROUPS,
            "high_intent": actions[:2],
            "downloads": actions[1:2],
            "lead_initiated": begun[:1],
            "channel_kinds": dict(zip(channels, ("paid", "organic") * 3, strict=False)),
            "initiative_period": "60h",
            "half_lives": ["36h", "14d"],
            "value_unit": "seconds",
            "pairs": pairs,
        },
    )


def compare(table: pd.DataFrame, row: int, expected: dict[str, Any]) -> None:
    """One row of the built table against the oracle's, name by name."""
    for name, want in expected.items():
        if name not in table:
            continue
        found = table[name].iloc[row]
        if want is None or (isinstance(want, float) and math.isnan(want)):
            assert pd.isna(found), (name, row, found, want)
        elif isinstance(want, str) or name.split("__")[2].startswith(EXACT):
            assert found == want, (name, row)
        else:
            assert found == pytest.approx(want, rel=2e-6, abs=2e-6), (name, row)


def check(
    journeys: Journeys, snapshots: pd.DataFrame, config: Config, before: dt.datetime | None
) -> pd.DataFrame:
    plan = plan_features(journeys, config, before=before)
    table = build_features(journeys, snapshots, plan)
    oracle = Oracle(journeys, config, before)
    of_leads = ("profile__", "undesirables__profile__")
    named = {name for name in table if not (name.startswith(of_leads) or name.endswith("__flag"))}
    for row, (lead, cutoff) in enumerate(snapshots.itertuples(index=False)):
        expected = oracle.features(lead, cutoff.to_pydatetime())
        assert set(expected) == named
        compare(table, row, expected)
        profile = oracle.profile(lead, cutoff.to_pydatetime())
        profile |= oracle.traits(
            {name: profile[name] for name in FLAGS if name in table}, lead, cutoff.to_pydatetime()
        )
        compare(table, row, profile)
    profile = set(
        oracle.profile(snapshots["lead_id"].iloc[0], START.to_pydatetime() + dt.timedelta(days=999))
    )
    assert {name for name in table if name not in named} <= profile
    return table


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), day=st.sampled_from([None, 5, 20]), config=st.sampled_from([CONFIG, NO_ALL, None]))
def test_every_feature_is_what_a_plain_loop_says(
    world: tuple[Journeys, pd.DataFrame], day: int | None, config: Config | None
) -> None:
    journeys, snapshots = world
    if config is None:
        config = named_config(journeys)
    if config is CONFIG and set(journeys.history["field"].astype("str")) != {"plan", "seats"}:
        config = NO_ALL
    event("with events" if len(journeys.events) else "without events")
    check(
        journeys, snapshots, config, None if day is None else (START + pd.Timedelta(days=day)).to_pydatetime()
    )


@pytest.mark.parametrize("config", [CONFIG, None], ids=["words by default", "words of its own"])
@pytest.mark.parametrize("text_ids", [False, True], ids=["integer ids", "text ids"])
def test_a_larger_world_is_what_a_plain_loop_says(text_ids: bool, config: Config | None) -> None:
    journeys = make_world(3, text_ids=text_ids)
    table = check(journeys, spread_snapshots(journeys, 4), config or named_config(journeys), None)
    if config is not None:
        for group in ("__count__", "colleagues__count", "faded", "return_visits", "high_intent"):
            assert (table.filter(like=group).sum() > 0).mean() > 0.9, "the world should exercise nearly all"
