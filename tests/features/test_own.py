"""Features of the user's own: aggregates against a plain loop, functions from a package, and the checks on both."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import BundleError, ConfigError, ContractError, FeatureError
from mqlml.features import FeaturePlan, build_features, check_own, plan_features
from mqlml.features.catalogue import Feature, format_value
from mqlml.features.checks import CHECKS, Trial, run_checks
from mqlml.features.plan import only_parts
from mqlml.features.wording import Named
from mqlml.journeys import Journeys
from tests.features.plugin import documented_module, install
from tests.features.worlds import make_config_of, make_world, spread_snapshots

DAY = pd.Timedelta(days=1)
AGGREGATES = (
    ("count", None),
    ("sum", "value"),
    ("mean", "value"),
    ("min", "value"),
    ("max", "value"),
    ("distinct", "campaign"),
    ("days_since", None),
)


def custom(**keys: Any) -> dict[str, Any]:
    return {"name": "mine", "family": "actions", "sentence": "Mine", "aggregate": "count", **keys}


def plan_of(world: Journeys, *aggregates: dict[str, Any], **features: Any) -> FeaturePlan:
    config = make_config_of(windows=["7d", "all"], features={"custom": list(aggregates), **features})
    return only_parts(plan_features(world, config, before=None), ("custom", "functions"))


def by_loop(
    events: list[dict[str, Any]], lead: Any, cutoff: pd.Timestamp, aggregate: str, window: pd.Timedelta | None
) -> float:
    """Events "webinar" and "page_view" with a value of at most 1, not through ads: one row after another."""
    rows = []
    for row in events:
        known = row["occurred_at"] < cutoff and row["recorded_at"] < cutoff and row["lead_id"] == lead
        inside = window is None or row["occurred_at"] >= cutoff - window
        wanted = row["action"] in ("webinar", "page_view") and isinstance(row["channel"], str)
        if known and inside and wanted and row["channel"] != "ads" and row["value"] <= 1:
            rows.append(row)
    values = [row["value"] for row in rows]
    if aggregate == "count":
        return len(rows)
    if aggregate == "distinct":
        return len({row["campaign"] for row in rows if isinstance(row["campaign"], str)})
    if aggregate == "sum":
        return math.fsum(values)
    if not rows:
        return math.nan
    if aggregate == "days_since":
        return min((cutoff - row["occurred_at"]) / DAY for row in rows)
    return {"mean": math.fsum(values) / len(values), "min": min(values), "max": max(values)}[aggregate]


@pytest.mark.parametrize(("aggregate", "column"), AGGREGATES, ids=[name for name, _ in AGGREGATES])
def test_an_aggregate_is_what_a_plain_loop_says(aggregate: str, column: str | None) -> None:
    world = make_world(3, leads=5, events=700)
    windows = {} if aggregate == "days_since" else {"windows": ["2d", "20d", "all"]}
    plan = plan_of(
        world,
        custom(
            aggregate=aggregate,
            action=["webinar", "page_view"],
            where={"channel": {"not_in": ["ADS"]}, "value": {"max": 1}},
            **({"column": column} if column else {}),
            **windows,
        ),
    )
    snapshots = spread_snapshots(world, 8, 60)
    table = build_features(world, snapshots, plan)
    events = world.events.to_dict("records")
    lengths = {"2d": 2 * DAY, "20d": 20 * DAY, "all": None, None: None}
    assert [feature.window for feature in plan.features] == list(windows.get("windows", [None]))
    for feature in plan.features:
        want = [
            by_loop(events, lead, cutoff, aggregate, lengths[feature.window])
            for lead, cutoff in snapshots.itertuples(index=False)
        ]
        np.testing.assert_allclose(table[feature.name], want, rtol=2e-6, atol=1e-6)
        assert len({value for value in want if not math.isnan(value)}) > 2


def test_the_catalogue_says_what_an_aggregate_is() -> None:
    plan = plan_of(make_world(3), custom(aggregate="sum", column="value", where={"channel": {"in": ["ads"]}}))
    first = plan.features[0]
    assert (first.name, first.family, first.sentence, first.window) == (
        "actions__mine__sum__7d",
        "actions",
        "Mine in the last 7 days",
        "7d",
    )
    assert first.source == ("events.value", "events.channel", "events.occurred_at")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"action": ["webinars"]},
            r"features\.custom\.mine\.action names 'webinars', .*did you mean 'webinar'\?",
        ),
        ({"where": {"chanel": {"in": ["ads"]}}}, r"mine\.where names 'chanel', .*did you mean 'channel'\?"),
        (
            {"aggregate": "sum", "column": "campaign"},
            r"mine\.column names 'campaign', which is no such column",
        ),
        ({"aggregate": "sum"}, r"aggregate 'sum' needs 'column'"),
        ({"column": "value"}, r"aggregate 'count' does not read 'column'"),
        ({"aggregate": "days_since", "windows": ["7d"]}, r"does not read 'windows'"),
        ({"windows": ["30d", "7d"]}, r"shortest first"),
        ({"name": "Mine!"}, r"custom\.0\.name"),
        ({"family": "acts"}, r"custom\.0\.family: must be 'profile', 'channel', 'actions' or 'undesirables'"),
        ({"aggregate": "median"}, r"custom\.0\.aggregate: must be 'count'"),
        ({"unit": "hours"}, r"the unit of aggregate 'count' must be count or number; found 'hours'"),
        (
            {"aggregate": "days_since", "unit": "share"},
            r"the unit of aggregate 'days_since' must be days or age or number; found 'share'",
        ),
        ({"unit": "euros"}, r"custom\.0\.unit: must be 'count'"),
    ],
    ids=[
        "action",
        "where",
        "text summed",
        "no column",
        "column",
        "windows",
        "order",
        "name",
        "family",
        "aggregate",
        "unit of a count",
        "unit of days",
        "unknown unit",
    ],
)
def test_an_aggregate_that_cannot_be_made_is_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        plan_of(make_world(3), custom(**keys))


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"two features are called 'actions__any__count__7d'; give your own"
    ):
        plan_of(make_world(3), custom(name="any"))
    with pytest.raises(ConfigError, match=r"actions has two features 'mine' with the aggregate 'count'"):
        plan_of(make_world(3), custom(), custom())


@pytest.mark.parametrize(
    ("keys", "unit", "value", "text"),
    [
        ({}, "count", 3.0, "share of voice in the last 7 days: 3"),
        (
            {"aggregate": "distinct", "column": "campaign"},
            "count",
            2.0,
            "share of voice in the last 7 days: 2",
        ),
        ({"aggregate": "days_since"}, "days", 2.6, "share of voice: 2 days"),
        ({"aggregate": "days_since", "unit": "number"}, "number", 2.6, "share of voice: 2.6"),
        ({"aggregate": "mean", "column": "value"}, "number", 37.0, "share of voice in the last 7 days: 37"),
        (
            {"aggregate": "mean", "column": "value", "unit": "share"},
            *("share", 0.37, "share of voice in the last 7 days: 37%"),
        ),
        (
            {"aggregate": "sum", "column": "value", "unit": "hours"},
            *("hours", 1.5, "share of voice in the last 7 days: 1.5 hours"),
        ),
    ],
    ids=["count", "distinct", "days since", "a plain number of days", "mean", "share", "hours"],
)
def test_an_aggregate_is_written_by_its_unit(
    keys: dict[str, Any], unit: str, value: float, text: str
) -> None:
    """Its sentence decides nothing, whatever it begins with."""
    plan = plan_of(make_world(3), custom(sentence="Share of voice", **keys))
    stored = FeaturePlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    feature = stored.features[0]
    assert feature.unit == unit
    assert format_value(feature, value, speaks_for=True) == text


BAD = """
import itertools

import numpy as np

from mqlml.features import FeatureFunction

calls = itertools.count()


def make(name, function):
    return FeatureFunction(family="actions", name=name, sentence="Broken", function=function)


COUNTER = make("counter", lambda known: np.full(len(known.snapshots), next(calls)))
RANK = make("rank", lambda known: known.snapshots["cutoff_time"].rank())
SHORT = make("short", lambda known: np.zeros(1))
RAISES = make("raises", lambda known: known.events["seconds"])
EMPTY = make("empty", lambda known: 1 / max(len(known.events), 0) * np.ones(len(known.snapshots)))
NO_FEATURE = 3
NO_UNIT = FeatureFunction("actions", "no_unit", "Broken", lambda known: None, unit="furlongs")
"""
ENTRIES = {
    "counter": "COUNTER",
    "rank": "RANK",
    "short": "SHORT",
    "raises": "RAISES",
    "empty": "EMPTY",
    "no_feature": "NO_FEATURE",
    "no_unit": "NO_UNIT",
    "gone": "NOWHERE",
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where pip put the documented package, another version of it, and one that is wrong in every way."""
    folder = tmp_path_factory.mktemp("packages")
    good = {"weekend_share": "WEEKEND_SHARE"}
    return {
        "1.0": install(folder / "1.0", documented_module(), good),
        "1.1": install(folder / "1.1", documented_module(), good, version="1.1"),
        "bad": install(folder / "bad", BAD, ENTRIES, name="bad_features"),
    }


def checked(world: Journeys, name: str) -> FeaturePlan:
    plan = plan_of(world, functions=[name])
    check_own(world, spread_snapshots(world, 2, 40).reset_index(drop=True), plan)
    return plan


def test_the_documented_function_is_what_a_plain_loop_says(
    sites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(sites["1.0"])
    world = make_world(5, leads=12, events=300)
    plan = checked(world, "weekend_share")
    events = world.events.to_dict("records")
    snapshots = spread_snapshots(world, 3, 50)
    found = build_features(world, snapshots, plan)["actions__weekend_share__function"]
    for row, (lead, cutoff) in enumerate(snapshots.itertuples(index=False)):
        days = [
            event["occurred_at"].weekday() >= 5
            for event in events
            if event["lead_id"] == lead and event["occurred_at"] < cutoff and event["recorded_at"] < cutoff
        ]
        want = sum(days) / len(days) if days else math.nan
        assert found.iloc[row] == pytest.approx(want, nan_ok=True)
    assert found.between(0.01, 0.99).any()
    assert plan.features[0].words == ("our-features 1.0",)
    assert format_value(plan.features[0], 0.25, speaks_for=True) == "share of events at weekends: 25%"


def test_a_version_needs_the_package_it_was_trained_with(
    sites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(5, leads=12, events=300)
    with monkeypatch.context() as trained:
        trained.syspath_prepend(sites["1.0"])
        stored = json.loads(json.dumps(plan_of(world, functions=["weekend_share"]).to_dict()))
    snapshots = spread_snapshots(world, 3, 5)
    plan = FeaturePlan.from_dict(stored)  # read without it, as a report does
    with pytest.raises(
        BundleError,
        match=r"function 'weekend_share' of our-features 1\.0, which is not installed; install our-features==1\.0",
    ):
        build_features(world, snapshots, plan)
    monkeypatch.syspath_prepend(sites["1.1"])
    with pytest.raises(BundleError, match=r"which is our-features 1\.1 here; install our-features==1\.0"):
        build_features(world, snapshots, plan)


def test_installed_functions_are_not_used_unless_they_are_named(
    sites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(sites["1.0"])
    world = make_world(5, leads=12, events=300)
    plan = plan_features(world, make_config_of(), before=None)
    assert not any("weekend_share" in feature.name for feature in plan.features)
    assert dict(plan.left_out)["function weekend_share"] == (
        "is installed (our-features 1.0); features.functions does not name it"
    )
    with pytest.raises(ConfigError, match=r"names 'weekend_shares', .*did you mean 'weekend_share'\?"):
        plan_of(world, functions=["weekend_shares"])


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        (
            "counter",
            FeatureError,
            r"'actions__counter__function' is refused: it fails the check that the same a second",
        ),
        ("rank", FeatureError, r"'actions__rank__function' is refused: .*for example at lead \d+"),
        ("short", FeatureError, r"'short' must give one number per snapshot, shape \(\d+,\); found \(1,\)"),
        ("raises", FeatureError, r"'raises' of bad-features 1\.0 raised KeyError: 'seconds'"),
        ("empty", FeatureError, r"ZeroDivisionError|is refused"),
        (
            "no_feature",
            ConfigError,
            r"'no_feature' of 'mqlml\.features' must name a FeatureFunction .*found 3",
        ),
        ("no_unit", ConfigError, r"the unit of the feature function 'no_unit' must be one of .*'furlongs'"),
        ("gone", ConfigError, r"'gone' \(bad_features:NOWHERE\) cannot be loaded: AttributeError"),
    ],
)
def test_a_function_that_fails_a_check_is_refused(
    name: str, error: type[Exception], says: str, sites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(sites["bad"])
    with pytest.raises(error, match=says):
        checked(make_world(5, leads=20, events=300), name)


def counts(journeys: Journeys, snapshots: pd.DataFrame, known: bool = True) -> pd.Series:
    """How many events each snapshot's lead did, by a plain count; of all time if not ``known``."""
    events = journeys.events
    found = []
    for lead, cutoff in snapshots.itertuples(index=False):
        mine = events["lead_id"] == lead
        if known:
            mine = mine & (events["occurred_at"] < cutoff) & (events["recorded_at"] < cutoff)
        found.append(mine.sum())
    return pd.Series(found, index=snapshots.index, dtype="float32")


def honest(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return counts(journeys, snapshots).to_frame("actions__own__count")


def peeks(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return counts(journeys, snapshots, known=False).to_frame("actions__own__count")


def won(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return honest(journeys, snapshots) + np.float32(len(journeys.outcomes))


def sorts(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return honest(journeys, snapshots).sort_index()


def too_wide(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return honest(journeys, snapshots).astype("float64")


def first_row(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return honest(journeys, snapshots) + np.float32(
        len(journeys.events["action"].astype("str").iloc[:1].sum())
    )


def of_the_batch(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return honest(journeys, snapshots) + np.float32(len(journeys.leads))


def writes(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    made = honest(journeys, snapshots)
    journeys.leads["size"] = 0.0
    return made


def drops_empty(journeys: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
    return honest(journeys, snapshots) if len(journeys.events) else honest(journeys, snapshots.iloc[:0])


@pytest.mark.parametrize(
    ("make", "failed"),
    [
        (honest, set()),
        (peeks, {"cutoff"}),
        (won, {"cutoff"}),
        (sorts, {"shape", "order"}),
        (too_wide, {"shape"}),
        (first_row, {"order", "single", "partitions"}),
        (of_the_batch, {"single", "partitions"}),
        (writes, {"untouched"}),
        (drops_empty, {"empty"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_check_catches_what_it_is_for(make: Any, failed: set[str]) -> None:
    world = make_world(7, leads=15, events=120)
    feature = Feature("actions", "own", "count", Named("Events"), "count")
    snapshots = spread_snapshots(world, 1, 25).reset_index(drop=True)
    caught = {name for name in CHECKS if list(run_checks(Trial(make, (feature,), world, snapshots), [name]))}
    assert failed <= caught
    assert caught <= failed | {"order", "shape"} if failed else not caught


def test_what_raises_is_told_with_the_check() -> None:
    world = make_world(5, leads=12, events=300)
    plan = plan_of(world, custom(aggregate="sum", column="value"))
    broken = world.events.assign(value=1e18)
    with pytest.raises(
        FeatureError, match=r"a feature of your own failed the check 'shape': the values of one lead"
    ):
        check_own(
            Journeys(**{**vars(world), "events": broken}),
            spread_snapshots(world, 2, 20).reset_index(drop=True),
            plan,
        )
    with pytest.raises(ContractError, match="the values of one lead"):
        build_features(Journeys(**{**vars(world), "events": broken}), spread_snapshots(world, 2, 20), plan)
