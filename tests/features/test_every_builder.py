"""One grid of checks over every builder: what is unknown changes nothing, order and company change nothing."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import mqlml.features
from mqlml.config import Config
from mqlml.config.groups import Groups
from mqlml.features import FAMILIES, FeaturePlan, build_features, plan_features
from mqlml.features.builder import Builder
from mqlml.features.plan import BUILDERS
from mqlml.journeys import Journeys
from mqlml.journeys.contract import empty_table
from tests.features.worlds import START, make_config_of, make_snapshots, make_world, spread_snapshots

CONFIG = make_config_of(
    windows=["1d", "7d", "30d", "all"],
    features={"max_actions": 4, "max_channels": 2, "groups": dict.fromkeys(Groups.model_fields, True)},
    profile={"history": ["plan", "seats"]},
)
CUTOFF = START + pd.Timedelta(days=35)


def discover() -> list[Builder]:
    """Every module of the package that holds a builder."""
    modules = (
        importlib.import_module(f"mqlml.features.{info.name}")
        for info in pkgutil.iter_modules(mqlml.features.__path__)
    )
    return [module.BUILDER for module in modules if hasattr(module, "BUILDER")]


def plan_of(builder: Builder, journeys: Journeys, config: Config = CONFIG) -> FeaturePlan:
    """A plan with this builder's features only."""
    plan = plan_features(journeys, config, before=None)
    others = {other.family: None for other in BUILDERS if other is not builder}
    settings = plan.settings(builder)
    return replace(plan, **others, features=builder.describe(settings))


def at(journeys: Journeys, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Every lead at one cutoff."""
    ids = journeys.leads["lead_id"]
    return make_snapshots([(lead, cutoff) for lead in ids], ids.dtype)


def shuffled(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.fixture(scope="module", params=[False, True], ids=["integer ids", "text ids"])
def world(request: pytest.FixtureRequest) -> Journeys:
    return make_world(11, text_ids=request.param)


every_builder = pytest.mark.parametrize("builder", discover(), ids=lambda builder: builder.family)


def test_every_family_has_a_builder_and_every_builder_is_used() -> None:
    assert {builder.family for builder in discover()} == set(FAMILIES)
    assert sorted(discover(), key=lambda b: b.family) == sorted(BUILDERS, key=lambda b: b.family)


def _later(table: pd.DataFrame, *times: str) -> np.ndarray:
    later = np.zeros(len(table), bool)
    for column in times:
        later |= (table[column] >= CUTOFF).to_numpy()
    return later


def _remove(journeys: Journeys) -> Journeys:
    return replace(
        journeys,
        events=journeys.events[~_later(journeys.events, "occurred_at", "recorded_at")],
        history=journeys.history[~_later(journeys.history, "valid_from", "recorded_at")],
    )


def _change(journeys: Journeys) -> Journeys:
    rng = np.random.default_rng(5)
    events = journeys.events.copy()
    rows = np.flatnonzero(_later(events, "occurred_at", "recorded_at"))
    for column in ("action", "channel", "campaign"):
        events.loc[events.index[rows], column] = rng.choice(events[column].cat.categories, len(rows))
    events.loc[events.index[rows], "value"] = 1e9
    events.loc[events.index[rows], "recorded_at"] = CUTOFF
    history = journeys.history.copy()
    history.loc[_later(history, "valid_from", "recorded_at"), "value"] = "999"
    leads = journeys.leads.copy()
    unborn = leads["created_at"] > CUTOFF
    leads.loc[unborn, ["country", "job_title", "email"]] = ["XX", "Student", "z@gmail.com"]
    leads.loc[unborn, "account_id"] = leads["account_id"].dropna().iloc[0]
    leads.loc[unborn, "size"] = -1.0
    return replace(journeys, events=events, history=history, leads=leads)


def _add(journeys: Journeys) -> Journeys:
    at_cutoff = journeys.events.assign(occurred_at=CUTOFF, recorded_at=CUTOFF)
    recorded_late = journeys.events.assign(occurred_at=START, recorded_at=CUTOFF)
    from_cutoff = journeys.history.assign(valid_from=CUTOFF)
    told_late = journeys.history.assign(recorded_at=CUTOFF)
    return replace(
        journeys,
        events=pd.concat([at_cutoff, journeys.events, recorded_late], ignore_index=True),
        history=pd.concat([from_cutoff, journeys.history, told_late], ignore_index=True),
    )


def _win(journeys: Journeys) -> Journeys:
    ids = journeys.leads["lead_id"]
    outcomes = pd.DataFrame(
        {"lead_id": ids, "stage": "closed_won", "occurred_at": START, "recorded_at": START}
    )
    return replace(journeys, outcomes=outcomes)


@every_builder
@pytest.mark.parametrize(
    "alter", [_remove, _change, _add, _win], ids=["removed", "changed", "added", "outcomes"]
)
def test_what_is_not_known_at_the_cutoff_changes_nothing(
    world: Journeys, builder: Builder, alter: Callable[[Journeys], Journeys]
) -> None:
    plan = plan_of(builder, world)
    snapshots = pd.concat(
        [at(world, CUTOFF), at(world, CUTOFF + pd.Timedelta(days=60))]
    )  # the later ones know more
    first = slice(0, len(world.leads))
    found = build_features(alter(world), snapshots, plan).iloc[first]
    assert_frame_equal(found, build_features(world, snapshots, plan).iloc[first])


@every_builder
def test_what_was_known_a_microsecond_before_the_cutoff_does_count(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    snapshots = at(world, CUTOFF)
    just = CUTOFF - pd.Timedelta(microseconds=1)
    lead = world.leads["lead_id"].iloc[[-1]]
    event = world.events.iloc[[0]].assign(
        lead_id=lead.to_numpy(), occurred_at=just, recorded_at=just, action="unsubscribe"
    )
    act = event.assign(action="page_view")
    lasting = world.history[world.history["valid_to"].isna()]
    change = lasting.iloc[[0]].assign(lead_id=lead.to_numpy(), value="31", valid_from=just, recorded_at=just)
    created = world.leads["created_at"].mask(world.leads["lead_id"] == lead.iloc[0], START)
    altered = replace(
        world,
        events=pd.concat([world.events, event, act], ignore_index=True),
        history=pd.concat([world.history, change], ignore_index=True),
        leads=world.leads.assign(created_at=created),
    )
    found = build_features(altered, snapshots, plan).iloc[-1]
    known = build_features(
        replace(altered, events=world.events, history=world.history), snapshots, plan
    ).iloc[-1]
    assert not found.equals(known)


@every_builder
def test_the_order_of_rows_changes_nothing(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    snapshots = spread_snapshots(world, 1)
    mixed = replace(
        world,
        leads=shuffled(world.leads, 1),
        events=shuffled(world.events, 2),
        history=shuffled(world.history, 3),
    )
    assert plan_of(builder, mixed) == plan
    table = build_features(world, snapshots, plan)
    assert_frame_equal(build_features(mixed, snapshots, plan), table)
    again = snapshots.sample(frac=1, random_state=4)
    assert_frame_equal(build_features(world, again, plan), table.loc[again.index])


@every_builder
def test_one_row_per_snapshot_and_equal_rows_for_equal_snapshots(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    once = spread_snapshots(world, 2)
    twice = pd.concat([once, once])
    table = build_features(world, twice, plan)
    assert list(table.index) == list(twice.index)
    assert list(table.columns) == [feature.name for feature in plan.features]
    half = len(once)
    assert_frame_equal(table.iloc[:half], table.iloc[half:])
    for feature in plan.features:
        dtype = table[feature.name].dtype
        assert dtype == (np.float32 if feature.kind == "number" else pd.StringDtype(na_value=np.nan))


@every_builder
def test_nothing_given_is_changed(world: Journeys, builder: Builder) -> None:
    snapshots = spread_snapshots(world, 3)
    before = [table.copy(deep=True) for table in (world.leads, world.events, world.history, snapshots)]
    build_features(world, snapshots, plan_of(builder, world))
    for table, copy in zip((world.leads, world.events, world.history, snapshots), before, strict=True):
        assert_frame_equal(table, copy)


@every_builder
def test_a_lead_without_events_and_an_empty_journey_have_their_row(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    snapshots = at(world, CUTOFF)
    ids = world.leads["lead_id"].dtype
    for events in (world.events.iloc[:0], empty_table("events", ids)):
        bare = replace(world, events=events, history=empty_table("history", ids))
        table = build_features(bare, snapshots, plan)
        assert len(table) == len(snapshots)
        table = table.loc[:, ~table.columns.str.startswith("undesirables__profile__")]  # comes from the leads
        counts = table.filter(
            regex="__(count|distinct|sessions|active_days|sum|faded_.*|switches|return_visits|time_on_site|active)(__|$)"
        )
        assert (counts == 0).all(axis=None)
        assert (
            table.filter(regex="days_since|usual|per_visit|__share__|__mean__|pace|touch|as_of")
            .isna()
            .all(axis=None)
        )
    none = build_features(world, snapshots.iloc[:0], plan)
    assert none.shape == (0, len(plan.features))


def _only(journeys: Journeys, ids: pd.Series) -> Journeys:
    """Journeys that never heard of any other lead."""
    tables = {name: getattr(journeys, name) for name in ("leads", "events", "history")}
    part = replace(journeys, **{name: t[t["lead_id"].isin(ids)].copy() for name, t in tables.items()})
    for column in ("action", "channel", "campaign", "content", "initiated_by"):
        part.events[column] = part.events[column].cat.remove_unused_categories()
    return part


@every_builder
def test_leads_in_partitions_equal_the_whole(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    snapshots = spread_snapshots(world, 4)
    table = build_features(world, snapshots, plan)
    group = world.leads["lead_id"].astype("str")
    if plan.group_by_account:
        group = world.leads["account_id"].fillna("lead " + group)
    parts = []
    for _, leads in world.leads["lead_id"].groupby(group):
        asked = snapshots[snapshots["lead_id"].isin(leads)]
        parts.append(build_features(_only(world, leads), asked, plan))
    assert len(parts) > 10
    assert_frame_equal(pd.concat(parts).astype(table.dtypes).loc[snapshots.index], table)


def test_only_actions_need_the_other_leads_of_an_account(world: Journeys) -> None:
    grouped = {builder.family for builder in BUILDERS if plan_of(builder, world).group_by_account}
    assert grouped == {"actions"}
    off = make_config_of(features={"groups": {"account": False}})
    assert not plan_features(world, off, before=None).group_by_account
    on = make_config_of(features={"groups": {"account": True}})
    alone = replace(world, leads=world.leads.assign(account_id=world.leads["lead_id"].astype("str")))
    assert not plan_features(alone, on, before=None).group_by_account


@every_builder
def test_a_snapshot_asked_alone_equals_the_same_among_others(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    snapshots = spread_snapshots(world, 6)
    table = build_features(world, snapshots, plan)
    for row in range(0, len(snapshots), 9):
        asked = snapshots.iloc[[row]]
        assert_frame_equal(build_features(world, asked, plan).astype(table.dtypes), table.iloc[[row]])


@every_builder
def test_small_ranges_and_batches_equal_the_whole(
    world: Journeys, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(builder, world)
    snapshots = spread_snapshots(world, 5)
    table = build_features(world, snapshots, plan)
    monkeypatch.setattr("mqlml.features.windows._WORK", 40)
    monkeypatch.setattr("mqlml.features.windows._COPIES", 30)
    monkeypatch.setattr("mqlml.features.history._PAIRS", 7)
    assert_frame_equal(build_features(world, snapshots, plan), table)


@every_builder
def test_a_stored_plan_makes_the_same_table_on_words_never_seen(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    stored = FeaturePlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert stored == plan
    words = ("action", "channel", "campaign", "content", "initiated_by")
    events = world.events.assign(**dict.fromkeys(words, "brand new"))
    news = replace(world, events=events.astype(dict.fromkeys(words, "category")))
    table = build_features(news, at(news, CUTOFF), stored)
    assert list(table.columns) == [feature.name for feature in plan.features]
    for family in ("actions", "channel"):
        if builder.family == family:
            counts = table.filter(like=f"{family}__").filter(like="__count__all").sum()
            every = [f"{family}__other", "actions__any", "actions__colleagues"]
            unknown = counts.index.isin([f"{name}__count__all" for name in every])
            assert (counts[unknown] > 0).all()
            assert (counts[~unknown] == 0).all()
