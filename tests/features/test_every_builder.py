"""One grid of checks over every builder: what is unknown changes nothing, order and company change nothing."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import mqlml.features
from mqlml.config import Config
from mqlml.config.features import Groups
from mqlml.features import FAMILIES, FeaturePlan, build_features, plan_features
from mqlml.features.checks import CHECKS, Trial, run_checks
from mqlml.features.families.builder import Builder
from mqlml.features.plan import BUILDERS, only_parts
from mqlml.journeys import Journeys
from mqlml.journeys.contract import empty_table
from tests.features.plugin import documented_module, install
from tests.features.worlds import START, make_config_of, make_snapshots, make_world, spread_snapshots

CONFIG = make_config_of(
    windows=["1d", "7d", "30d", "all"],
    features={
        "max_actions": 4,
        "max_channels": 2,
        "groups": dict.fromkeys(Groups.model_fields, True),
        "undesirable_profiles": {"far": {"country": {"not_in": ["US", "DE"]}}},
        "custom": [
            {
                "name": f"own_{aggregate}",
                "family": "actions",
                "sentence": "One of mine",
                "aggregate": aggregate,
                "action": ["page_view", "webinar"],
                "where": {"channel": {"not_in": ["ads"]}},
                **({"column": column} if column else {}),
                **({"windows": ["3d", "all"]} if aggregate != "days_since" else {}),
            }
            for aggregate, column in (
                ("count", None),
                ("sum", "value"),
                ("mean", "value"),
                ("min", "value"),
                ("max", "value"),
                ("distinct", "campaign"),
                ("days_since", None),
            )
        ],
        "functions": ["weekend_share"],
    },
    personas={"buyer": {"seniority": {"in": ["vp", "manager"]}, "size": {"min": 2}, "plan": {"in": [2, 30]}}},
    profile={"history": ["plan", "seats"]},
)
CUTOFF = START + pd.Timedelta(days=35)


def discover() -> list[Builder]:
    """Every module of the package that holds a builder."""
    modules = (
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(mqlml.features.__path__, "mqlml.features.")
    )
    return [module.BUILDER for module in modules if hasattr(module, "BUILDER")]


def plan_of(builder: Builder, journeys: Journeys, config: Config = CONFIG) -> FeaturePlan:
    """A plan with this builder's features only."""
    return only_parts(plan_features(journeys, config, before=None), [builder.part])


def at(journeys: Journeys, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Every lead at one cutoff."""
    ids = journeys.leads["lead_id"]
    return make_snapshots([(lead, cutoff) for lead in ids], ids.dtype)


def shuffled(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package with the documented feature function is installed."""
    site = install(tmp_path_factory.mktemp("plugin"), documented_module(), {"weekend_share": "WEEKEND_SHARE"})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield


@pytest.fixture(scope="module", params=[False, True], ids=["integer ids", "text ids"])
def world(request: pytest.FixtureRequest) -> Journeys:
    return make_world(11, text_ids=request.param)


every_builder = pytest.mark.parametrize("builder", discover(), ids=lambda builder: builder.part)


def test_every_family_has_a_builder_and_every_builder_is_used() -> None:
    assert {builder.part for builder in discover()} == {*FAMILIES, "custom", "functions"}
    assert sorted(discover(), key=lambda b: b.part) == sorted(BUILDERS, key=lambda b: b.part)


@every_builder
@pytest.mark.parametrize("check", CHECKS)
def test_every_builder_passes_the_grid(world: Journeys, builder: Builder, check: str) -> None:
    plan = plan_of(builder, world)

    def make(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
        return build_features(journeys, snapshots, plan)

    trial = Trial(make, plan.features, world, spread_snapshots(world, 4), plan.group_by_account)
    assert not list(run_checks(trial, [check]))


@every_builder
def test_the_order_of_rows_does_not_change_the_plan(world: Journeys, builder: Builder) -> None:
    mixed = replace(
        world,
        leads=shuffled(world.leads, 1),
        events=shuffled(world.events, 2),
        history=shuffled(world.history, 3),
    )
    assert plan_of(builder, mixed) == plan_of(builder, world)


@every_builder
def test_what_was_known_a_microsecond_before_the_cutoff_does_count(world: Journeys, builder: Builder) -> None:
    plan = plan_of(builder, world)
    snapshots = at(world, CUTOFF)
    just = CUTOFF - pd.Timedelta(microseconds=1)
    lead = world.leads["lead_id"].iloc[[-1]]
    event = world.events.iloc[[0]].assign(
        lead_id=lead.to_numpy(), occurred_at=just, recorded_at=just, action="unsubscribe", channel="email"
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


def test_only_actions_need_the_other_leads_of_an_account(world: Journeys) -> None:
    grouped = {builder.part for builder in BUILDERS if plan_of(builder, world).group_by_account}
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
    monkeypatch.setattr("mqlml.features.kernels.windows._WORK", 40)
    monkeypatch.setattr("mqlml.features.kernels.windows._COPIES", 30)
    monkeypatch.setattr("mqlml.features.parsers.attributes._PAIRS", 7)
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
        if builder.part == family:
            counts = table.filter(like=f"{family}__").filter(like="__count__all").sum()
            every = [f"{family}__other", "actions__any", "actions__colleagues"]
            unknown = counts.index.isin([f"{name}__count__all" for name in every])
            assert (counts[unknown] > 0).all()
            assert (counts[~unknown] == 0).all()
