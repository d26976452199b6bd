"""Parts of the training table: made apart, they are the rows of the whole, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mqlml.config import Config
from mqlml.features import gather_facts
from mqlml.journeys import Journeys
from mqlml.times import to_microseconds
from mqlml.training import build_table
from mqlml.training.partitions import assign_partitions, build_part, make_build_spec
from mqlml.training.snapshots import build_snapshots, find_snapshots, fix_grid
from mqlml.training.table import choose_rows, learn_plan
from tests.features.worlds import ACTIONS, START, make_config_of, make_world

AGES = {"horizon": "20d", "snapshots": {"ages": ["0d", "7d", "30d"]}}
WEEKLY = {"horizon": "20d", "snapshots": {"every": "7d"}, "age_limits": ["0d", "60d"]}


def config(**sections: Any) -> Config:
    return make_config_of(
        **{
            "problem": AGES,
            "windows": ["1d", "7d", "30d", "all"],
            "features": {"max_actions": 4, "max_channels": 2},
            "profile": {"history": ["plan", "seats"]},
            **sections,
        }
    )


def company(*, text_ids: bool, seed: int = 4) -> Journeys:
    """A small world in which every third lead is won, and leads three by three belong to an account."""
    world = make_world(seed, leads=120, events=2500, text_ids=text_ids)
    ids = world.leads["lead_id"]
    account = pd.Series([None if i % 10 == 0 else f"A{i // 3}" for i in range(len(ids))], dtype="str")
    won = np.arange(0, len(ids), 3)
    at = world.leads["created_at"].iloc[won] + pd.to_timedelta(5 + won % 40, unit="D").as_unit("us")
    outcomes = pd.DataFrame(
        {
            "lead_id": ids.iloc[won],
            "stage": pd.Categorical(["closed_won"] * len(won)),
            "occurred_at": at,
            "recorded_at": at,
        }
    ).reset_index(drop=True)
    return replace(world, leads=world.leads.assign(account_id=account), outcomes=outcomes)


def take(journeys: Journeys, leads: pd.DataFrame) -> Journeys:
    """Some leads and what belongs to them."""
    own = {
        name: table[table["lead_id"].isin(leads["lead_id"])].reset_index(drop=True)
        for name, table in (
            ("events", journeys.events),
            ("outcomes", journeys.outcomes),
            ("history", journeys.history),
        )
    }
    return replace(journeys, leads=leads.reset_index(drop=True), **own)


@pytest.mark.parametrize("problem", [AGES, WEEKLY], ids=["at ages", "on a grid"])
@pytest.mark.parametrize("text_ids", [False, True], ids=["integer ids", "text ids"])
def test_parts_are_the_rows_of_the_whole(problem: dict[str, Any], text_ids: bool) -> None:
    journeys, settings = company(text_ids=text_ids), config(problem=problem)
    whole = build_table(journeys, settings)

    bare = replace(journeys, events=journeys.events[:0])
    rows = choose_rows(bare, settings)
    part = assign_partitions(journeys.leads, 5)
    parts = [take(journeys, journeys.leads[part == number]) for number in range(5)]
    before = to_microseconds(rows.holdout_start)
    facts = reduce(add, (gather_facts(piece.events, before=before) for piece in parts))
    plan, leaks = learn_plan(bare, settings, rows, events=facts)
    assert plan == whole.plan
    assert leaks == whole.leaks

    build_spec = make_build_spec(journeys.leads, settings, plan)
    built = pd.concat([build_part(piece, build_spec) for piece in parts], ignore_index=True)
    in_order = built.sort_values(["cutoff_time", "lead_id"], ignore_index=True)
    assert_frame_equal(in_order, whole.frame(), check_exact=True)


def test_an_empty_part_has_all_columns_and_no_row() -> None:
    journeys, settings = company(text_ids=False), config()
    whole = build_table(journeys, settings)
    build_spec = make_build_spec(journeys.leads, settings, whole.plan)
    empty = build_part(take(journeys, journeys.leads[:0]), build_spec)
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == whole.frame().dtypes.to_dict()


def test_facts_of_parts_add_up_to_the_facts_of_the_whole() -> None:
    events = company(text_ids=False).events
    before = to_microseconds((START + pd.Timedelta(days=35)).to_pydatetime())
    cuts = [events[:300], events[300:300], events[300:1700].drop(columns="campaign"), events[1700:]]
    whole = gather_facts(pd.concat(cuts), before=before)
    summed = reduce(add, (gather_facts(cut, before=before) for cut in cuts))
    assert summed.rows == whole.rows
    assert 0 < summed.rows < len(events)
    assert summed.filled == whole.filled
    assert summed.counts["action"] == whole.counts["action"]
    assert summed.ever["action"] == frozenset(ACTIONS)


def test_an_account_stays_together_and_leads_are_spread() -> None:
    leads = company(text_ids=True).leads
    part = pd.Series(assign_partitions(leads, 7))
    assert part.groupby(leads["account_id"]).nunique().max() == 1
    assert part.nunique() == 7
    alone = pd.Series(assign_partitions(leads.drop(columns="account_id"), 7))
    assert alone.groupby(leads["account_id"]).nunique().max() > 1
    again = pd.Series(assign_partitions(leads[::-1], 7)[::-1])
    assert again.equals(part)


def test_the_grid_of_a_part_is_that_of_all() -> None:
    journeys, settings = company(text_ids=False), config(problem=WEEKLY)
    late = take(journeys, journeys.leads[journeys.leads["created_at"] > START + pd.Timedelta(days=20)])
    days = set(build_snapshots(journeys, settings.problem).table["cutoff_time"])
    fixed = fix_grid(settings.problem, journeys.leads)
    assert set(find_snapshots(late, fixed).table["cutoff_time"]) <= days
    assert fix_grid(fixed, late.leads) == fixed
    assert fix_grid(config().problem, journeys.leads) == config().problem
