"""The proof must hold for honest features of any journeys, and must fail for one that reads the future."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mqlml.features.plan
from mqlml.errors import LeakageError
from mqlml.features import FeaturePlan, plan_features
from mqlml.features.families import profile
from mqlml.features.families.builder import Builder, Source
from mqlml.features.plan import only_parts
from mqlml.journeys import Journeys
from mqlml.simulate import simulate
from mqlml.times import column_to_microseconds
from mqlml.training import (
    PerturbationTest,
    perturbation_findings,
    require_leak_test,
    run_leak_test,
    sample_snapshots,
    take_leads,
)
from mqlml.training.leakage.perturbation import SNAPSHOTS, perturb
from tests.features.plugin import install
from tests.features.worlds import make_config_of, make_world, spread_snapshots, with_first_piece

CONFIG = make_config_of(windows=["7d", "30d", "all"], profile={"history": ["plan", "seats"]})


def with_accounts(journeys: Journeys) -> Journeys:
    """Two leads to an account, but for every fifth, who has none."""
    number = np.arange(len(journeys.leads))
    account = pd.Series([None if i % 5 == 4 else f"A{i // 2}" for i in number], dtype="str")
    return replace(journeys, leads=journeys.leads.assign(account_id=account))


def without_accounts(journeys: Journeys) -> Journeys:
    return replace(journeys, leads=journeys.leads.drop(columns="account_id", errors="ignore"))


def proven(journeys: Journeys, snapshots: pd.DataFrame, plan: FeaturePlan) -> PerturbationTest:
    sample = sample_snapshots(journeys.leads, snapshots)
    return run_leak_test(take_leads(journeys, sample), sample, plan)


@pytest.mark.parametrize("text_ids", [False, True], ids=["integer ids", "text ids"])
@pytest.mark.parametrize("accounts", [False, True], ids=["no accounts", "accounts"])
def test_honest_features_stand_still(text_ids: bool, accounts: bool) -> None:
    world = make_world(3, leads=80, events=2000, text_ids=text_ids)
    world = with_accounts(world) if accounts else without_accounts(world)
    leak_test = proven(world, spread_snapshots(world, 4, 400), plan_features(world, CONFIG, before=None))
    assert leak_test.moved == ()
    assert leak_test.features > 100
    assert leak_test.snapshots >= 35
    assert min(leak_test.changed, leak_test.removed, leak_test.added) > 200
    require_leak_test(leak_test)


def test_the_proof_is_the_same_however_the_rows_came() -> None:
    world = with_accounts(make_world(3, leads=80, events=2000))
    sample = sample_snapshots(world.leads, spread_snapshots(world, 4, 400))
    plan = plan_features(world, CONFIG, before=None)
    mixed = replace(
        world,
        **{
            name: getattr(world, name).sample(frac=1, random_state=1)
            for name in ("leads", "events", "history", "outcomes")
        },
    )
    assert run_leak_test(take_leads(mixed, sample), sample, plan) == run_leak_test(
        take_leads(world, sample), sample, plan
    )


def test_a_simulated_company_is_proven_on_a_few_hundred_snapshots() -> None:
    world = simulate(1500, random_state=4, days=200, leaky_columns=True)
    journeys = world.journeys()
    snapshots = world.leads[["lead_id"]].assign(cutoff_time=world.leads["created_at"] + pd.Timedelta(days=7))
    leak_test = proven(journeys, snapshots, plan_features(journeys, make_config_of(), before=None))
    assert (leak_test.snapshots, leak_test.moved) == (SNAPSHOTS, ())
    assert leak_test.changed + leak_test.removed + leak_test.added > 5000


def test_without_events_and_history_there_is_still_a_proof() -> None:
    world = simulate(200, random_state=4, days=100)
    journeys = replace(world.journeys(), events=world.events.iloc[:0])
    snapshots = world.leads[["lead_id"]].assign(cutoff_time=world.leads["created_at"])
    leak_test = proven(journeys, snapshots, plan_features(journeys, make_config_of(), before=None))
    assert leak_test.moved == ()
    assert leak_test.features > 0


Read = Callable[[Source], np.ndarray]


def latest_value(source: Source) -> np.ndarray:
    """The leak: the newest entry of the history, whatever the cutoff."""
    newest = source.history.sort_values("valid_from").drop_duplicates("lead_id", keep="last")
    lookup = pd.Series(newest["value"].astype("float64").to_numpy(), index=newest["lead_id"])
    return lookup.reindex(source.keys.ids[source.keys.lead]).to_numpy()


def one_microsecond_late(source: Source) -> np.ndarray:
    """The leak: an entry that became known at the very cutoff counts, too."""
    known = np.maximum(
        column_to_microseconds(source.history["valid_from"]),
        column_to_microseconds(source.history["recorded_at"]),
    )
    lead = source.keys.ids.get_indexer(pd.Index(source.history["lead_id"]))
    asked = zip(source.keys.lead, source.keys.cutoff, strict=True)
    return np.array([((lead == who) & (known <= cutoff)).sum() for who, cutoff in asked])


def the_others_future(source: Source) -> np.ndarray:
    """The leak: how many entries there are of anybody."""
    return np.full(len(source.keys.lead), len(source.history))


@pytest.mark.parametrize("leak", [latest_value, one_microsecond_late, the_others_future])
def test_a_feature_that_reads_the_future_is_caught(leak: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(3, leads=80, events=2000)
    plan = plan_features(world, CONFIG, before=None)
    leaking = with_first_piece(
        profile.BUILDER, lambda source, columns: columns.fill(slice(None), leak(source))
    )
    builders = tuple(leaking if builder is profile.BUILDER else builder for builder in builders_of())
    monkeypatch.setattr(mqlml.features.plan, "BUILDERS", builders)
    leak_test = proven(world, spread_snapshots(world, 4, 400), plan)
    name = plan.features[0].name
    assert [moved.feature for moved in leak_test.moved] == [name]
    (finding,) = perturbation_findings(leak_test)
    assert (finding.column, finding.kind, finding.action, finding.severity) == (
        name,
        "feature",
        "refused",
        "certain",
    )
    assert finding.evidence[0].figures["moved"] == leak_test.moved[0].snapshots > 0
    with pytest.raises(
        LeakageError, match=rf"the feature '{name}' must not depend on what comes at or after"
    ):
        require_leak_test(leak_test)


def builders_of() -> tuple[Builder, ...]:
    return mqlml.features.plan.BUILDERS


def test_no_two_snapshots_of_one_account() -> None:
    world = with_accounts(make_world(5, leads=80, events=100))
    sample = sample_snapshots(world.leads, spread_snapshots(world, 4, 400))
    account = sample.merge(world.leads, on="lead_id")["account_id"].dropna()
    assert sample["lead_id"].is_unique
    assert account.is_unique
    part = take_leads(world, sample)
    assert set(part.leads["account_id"].dropna()) == set(account)
    assert len(part.leads) > len(sample)


@pytest.mark.parametrize("seed", range(5))
def test_what_was_known_stays_row_by_row(seed: int) -> None:
    world = with_accounts(make_world(seed, leads=30, events=600))
    moments = np.sort(world.events["occurred_at"].to_numpy("datetime64[us]").view(np.int64))
    account = pd.factorize(world.leads["account_id"].fillna(world.leads["lead_id"].astype("str")))[0]
    cutoff = np.random.default_rng(seed).choice(moments, account.max() + 1)[account]
    keep = np.zeros(len(cutoff), bool)
    other = perturb(world, cutoff, np.random.default_rng(seed), keep=keep).journeys
    of_lead = pd.Series(cutoff, index=world.leads["lead_id"])
    for name, time in (("events", "occurred_at"), ("history", "valid_from")):
        before, after = getattr(world, name), getattr(other, name)
        assert not before.equals(after)
        known = [
            table[
                np.maximum(column_to_microseconds(table[time]), column_to_microseconds(table["recorded_at"]))
                < of_lead.reindex(table["lead_id"]).fillna(0).to_numpy()
            ]
            .drop(columns="valid_to", errors="ignore")
            .astype("str")
            for table in (before, after)
        ]
        columns = list(known[0].columns)
        first, second = (table[columns].sort_values(columns).reset_index(drop=True) for table in known)
        pd.testing.assert_frame_equal(first, second)
        assert len(first) > 10


PLUGIN = '''
import sys
import numpy as np
from mqlml.features.families.functions import FeatureFunction

def honest_days(known):
    events = known.events
    days = events["occurred_at"].dt.floor("D").groupby(events["snapshot"]).nunique()
    return days.reindex(np.arange(len(known.snapshots)), fill_value=0).to_numpy()

def all_rows(known):
    """The leak: it climbs out of what it is given, to the whole table of events."""
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get("events"), "table"):
        frame = frame.f_back
    rows = frame.f_locals["events"].table.groupby("lead_id").size()
    return known.snapshots["lead_id"].map(rows).fillna(0).to_numpy()

honest = FeatureFunction("actions", "honest_days", "Days with an act", honest_days)
leaking = FeatureFunction("actions", "all_rows", "All rows, of the future too", all_rows)
'''


def test_features_of_the_users_own_are_held_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"honest": "honest", "leaking": "leaking"}
    monkeypatch.syspath_prepend(install(tmp_path, PLUGIN, entries, name="proof_features"))
    own = {"name": "webinars", "family": "actions", "sentence": "Webinars", "aggregate": "count"}
    config = make_config_of(
        features={"functions": ["honest", "leaking"], "custom": [{**own, "action": ["webinar"]}]}
    )
    world = without_accounts(make_world(3, leads=40, events=800))
    plan = only_parts(plan_features(world, config, before=None), ("custom", "functions"))
    leak_test = proven(world, spread_snapshots(world, 4, 200), plan)
    assert leak_test.features >= 3
    assert [moved.feature for moved in leak_test.moved] == ["actions__all_rows__function"]
