"""The simulator: tables that keep the contract, and a truth that is the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from mqlml.config.reading import make_config
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys import read_journeys
from mqlml.journeys.contract import NUMBERS, OPTIONAL, REQUIRED, TIMES, WORDS
from mqlml.simulate import Simulation, simulate
from mqlml.simulate.behavior import NEVER, uploaded_at
from mqlml.simulate.world import ACTIONS, OFFLINE, read_clock, set_clock
from mqlml.times import DAY, HOUR
from tests.simulate.by_enumeration import enumerate_probability, monday_known

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
TERMINAL = ["closed_won", "closed_lost", "disqualified"]
HORIZON = 60 * DAY


def at_ages(world: Simulation, ages: list[int], horizon: int = HORIZON) -> pd.DataFrame:
    """Mature snapshots of open leads at these ages (days), with the realised outcome and the truth."""
    parts = [
        world.leads.assign(cutoff_time=world.leads["created_at"] + pd.Timedelta(days=age), age=age)
        for age in ages
    ]
    table = pd.concat(parts, ignore_index=True)
    window = pd.Timedelta(horizon, unit="us")
    table = table[table["cutoff_time"] + window <= world.observed_until].reset_index(drop=True)
    table["truth"] = world.true_probability(table, horizon)
    won = world.outcomes[world.outcomes["stage"] == "closed_won"].set_index("lead_id")["occurred_at"]
    time = table["lead_id"].map(won)
    table["group"] = pd.factorize(table["account_id"].fillna(table["lead_id"].astype("str")))[0]
    table["won"] = (time >= table["cutoff_time"]) & (time < table["cutoff_time"] + window)
    return table[table["truth"].notna()].reset_index(drop=True)


def worst_bin(table: pd.DataFrame, bins: pd.Series, probability: str = "truth") -> float:
    """The largest distance, over bins, of wins from their sum of probabilities, in standard errors.

    Snapshots of an account go together, so the errors are summed by account before they are squared. Bins with
    fewer than 30 expected wins are left out, as the normal approximation does not hold there.
    """
    error = table["won"].astype(float) - table[probability]
    by_cluster = error.groupby([bins, table["group"]], observed=True).sum()
    total, spread = by_cluster.groupby(level=0).sum(), by_cluster.pow(2).groupby(level=0).sum()
    enough = table[probability].groupby(bins, observed=True).sum() >= 30
    assert enough.any()
    total, spread = total[enough], spread[enough]
    return float((total.abs() / spread.pow(0.5)).max())


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(38_000, random_state=11)


@pytest.fixture(scope="module")
def table(world: Simulation) -> pd.DataFrame:
    return at_ages(world, [0, 7, 30, 90])


@pytest.fixture(scope="module")
def small() -> Simulation:
    return simulate(800, random_state=2, leaky_columns=True)


def test_tables_keep_the_contract(small: Simulation) -> None:
    journeys = small.journeys()
    for name in ("leads", "events", "outcomes", "history"):
        table = getattr(journeys, name)
        assert set(REQUIRED[name]) <= set(table.columns), name
        assert name == "leads" or set(table.columns) <= {*REQUIRED[name], *OPTIONAL[name]}, name
        assert name == "leads" or "recorded_at" in table.columns, name
        for column, dtype in table.dtypes.items():
            if column == "lead_id":
                assert dtype == "int64", (name, column)
            elif column in TIMES:
                assert dtype == "datetime64[us, UTC]", (name, column)
            elif column in WORDS:
                assert isinstance(dtype, pd.CategoricalDtype), (name, column)
                assert dtype.categories.dtype == "str", (name, column)
            elif column in NUMBERS and name != "history":
                assert dtype == "float64", (name, column)
            else:
                assert dtype in ("float64", "str"), (name, column)
    required = [
        journeys.leads[["lead_id", "created_at"]],
        journeys.outcomes[["lead_id", "stage", "occurred_at"]],
    ]
    required.append(journeys.events[["lead_id", "occurred_at", "recorded_at", "action", "channel"]])
    assert not any(table.isna().any(axis=None) for table in required)
    assert journeys.quarantine.empty
    assert journeys.rows_read == {
        "leads": 800,
        "events": len(small.events),
        "outcomes": len(small.outcomes),
    }


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for folder, seed in (("one", 4), ("two", 4), ("other", 5)):
        for format in ("csv", "parquet"):
            simulate(300, random_state=seed).write(tmp_path / folder, format)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [
        f"{table}.{format}" for table in ("events", "leads", "outcomes") for format in ("csv", "parquet")
    ]
    for name in names:
        first = (tmp_path / "one" / name).read_bytes()
        assert first == (tmp_path / "two" / name).read_bytes(), name
        assert first != (tmp_path / "other" / name).read_bytes(), name


@pytest.mark.parametrize(
    "options", [{"drift": 1.0}, {"signal": 0.0}, {"activity": 0.3}, {"leaky_columns": True}]
)
def test_an_option_leaves_the_people_alone(options: dict[str, float]) -> None:
    plain = simulate(200, random_state=9).leads
    changed = simulate(200, random_state=9, **options).leads  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(changed[plain.columns], plain)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_an_export_is_read_back_as_it_was(small: Simulation, tmp_path: Path, format: str) -> None:
    paths = small.write(tmp_path, format)  # type: ignore[arg-type]
    read = read_journeys(_config(paths, tmp_path, small))
    for name in ("leads", "events", "outcomes"):
        ours, theirs = getattr(small, name), getattr(read, name)
        assert set(theirs.columns) == set(ours.columns)
        theirs = theirs[ours.columns].sort_values(
            ["lead_id", *_times(ours)], kind="stable", ignore_index=True
        )
        ours = ours.sort_values(["lead_id", *_times(ours)], kind="stable", ignore_index=True)
        for column in ours.columns:
            as_text = isinstance(ours[column].dtype, pd.CategoricalDtype)
            left, right = (
                (table[column].astype("str") if as_text else table[column]) for table in (ours, theirs)
            )
            pd.testing.assert_series_equal(left, right, check_names=False)
    assert read.quarantine.empty


def _times(table: pd.DataFrame) -> list[str]:
    return [column for column in table.columns if column in TIMES]


def _config(paths: dict[str, Path], folder: Path, world: Simulation, **data: object) -> object:
    tables = {name: {"path": path.name} for name, path in paths.items()}
    until = world.observed_until.isoformat()
    return make_config({"name": "sim", "data": {**tables, "observed_until": until, **data}}, folder=folder)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_bad_rows_are_added_and_all_found(small: Simulation, tmp_path: Path, format: str) -> None:
    paths = small.write(tmp_path, format, bad_rows=0.02)  # type: ignore[arg-type]
    read = read_journeys(_config(paths, tmp_path, small, max_quarantined=0.05))  # type: ignore[arg-type]
    for name in ("events", "outcomes"):
        n_bad = round(len(getattr(small, name)) * 0.02)
        assert read.rows_read[name] == len(getattr(small, name)) + n_bad
        assert (read.quarantine["table"] == name).sum() == n_bad
        assert len(getattr(read, name)) == len(getattr(small, name))


def test_the_committed_sample_is_what_its_command_makes(tmp_path: Path) -> None:
    simulate(2_200, random_state=5, days=420, activity=0.1).write(tmp_path)
    for name in ("leads", "events", "outcomes"):
        assert (tmp_path / f"{name}.csv").read_bytes() == (SAMPLE / f"{name}.csv").read_bytes(), name


def test_acts_that_have_a_content_name_a_piece_of_their_kind(world: Simulation) -> None:
    events = world.events
    named = events[events["content"].notna()]
    piece = named["content"].astype("str").str.rpartition("-")[0]
    assert (piece == named["action"].astype("str")).all()
    kinds = {"blog_view", "case_study_view", "content_download", "buying_guide_download", "webinar_attended"}
    assert set(named["action"].unique()) == kinds
    assert events.loc[events["action"].isin(kinds), "content"].notna().all()


def test_leads_of_an_account_share_company_and_domain(world: Simulation) -> None:
    known = world.leads.dropna(subset=["account_id"])
    domain = known["email"].str.split("@").str[1]
    company = known.assign(domain=domain.where(domain.str.endswith(".example")))
    groups = company.groupby("account_id")
    assert (groups.size() > 1).mean() > 0.3
    kinds = groups[["country", "industry", "company_size", "employees", "domain"]].nunique()
    assert kinds.max(axis=None) == 1
    assert company.groupby("domain")["account_id"].nunique().max() == 1
    assert domain.isin(["gmail.com", "outlook.com", "yahoo.com", "hotmail.com"]).mean() > 0.1
    assert world.leads["account_id"].isna().any()


def test_ids_and_creation_are_in_order(world: Simulation) -> None:
    assert world.leads["lead_id"].is_unique
    assert world.leads["created_at"].is_monotonic_increasing
    assert world.leads["created_at"].max() > world.observed_until - pd.Timedelta(days=5)
    assert world.events["occurred_at"].is_monotonic_increasing


def test_some_fields_are_missing_and_some_never(world: Simulation) -> None:
    missing = world.leads.isna().mean()
    for column in ("industry", "company_size", "employees", "annual_revenue", "job_title"):
        assert 0.05 < missing[column] < 0.6, column
    assert missing[["lead_source", "country", "email", "landing_page"]].max() == 0


def test_offline_acts_are_recorded_on_the_monday_after(world: Simulation) -> None:
    events = world.events
    late = events["recorded_at"] > events["occurred_at"]
    assert set(events.loc[late, "action"].unique()) == {"event_attended", "call_connected", "no_show"}
    assert (events["recorded_at"] >= events["occurred_at"]).all()
    assert (events["recorded_at"] < world.observed_until).all()
    recorded = events.loc[late, "recorded_at"]
    assert (recorded.dt.day_of_week == 0).all()
    assert (recorded.dt.hour == 6).all()
    wait = recorded - events.loc[late, "occurred_at"]
    assert wait.min() > pd.Timedelta(hours=6)
    assert wait.max() <= pd.Timedelta(days=7, hours=6)
    assert late[events["action"].isin(["event_attended", "call_connected", "no_show"])].all()


def test_outcomes_tell_a_possible_story(world: Simulation) -> None:
    outcomes = world.outcomes.assign(stage=world.outcomes["stage"].astype("str"))
    ends = outcomes[outcomes["stage"].isin(TERMINAL)]
    assert ends["lead_id"].is_unique
    assert (ends["recorded_at"] == ends["occurred_at"]).all()
    assert 0.3 < 1 - len(ends) / len(world.leads) < 0.7, "many leads stay open"
    assert (outcomes.loc[outcomes["stage"] == "closed_won", "amount"] > 0).all()
    assert outcomes.loc[outcomes["stage"] != "closed_won", "amount"].isna().all()
    assert outcomes.loc[outcomes["stage"].isin(TERMINAL[1:]), "reason"].notna().all()
    assert (outcomes["recorded_at"] >= outcomes["occurred_at"]).all()
    assert (outcomes["recorded_at"] < world.observed_until).all()
    created = outcomes["lead_id"].map(world.leads.set_index("lead_id")["created_at"])
    assert (outcomes["occurred_at"] >= created).all()
    order = {stage: place for place, stage in enumerate(["mql", "sql", "opportunity"])} | dict.fromkeys(
        TERMINAL, 3
    )
    story = outcomes.assign(place=outcomes["stage"].map(order)).sort_values(["lead_id", "place"])
    wait = story.groupby("lead_id")["occurred_at"].diff().dropna()
    assert (wait >= pd.Timedelta(0)).all()
    moves = outcomes[outcomes["stage"].isin(["mql", "sql", "opportunity"])]
    assert (moves["recorded_at"] > moves["occurred_at"]).mean() > 0.9


def test_behaviour_follows_the_hour_the_week_and_the_year(world: Simulation) -> None:
    time = world.events["occurred_at"].dt
    by_hour = time.hour.value_counts()
    assert by_hour[10] > 8 * by_hour[3]
    by_weekday = time.day_of_week.value_counts()
    assert by_weekday[1] > 1.5 * by_weekday[5]
    wins = world.outcomes.loc[
        world.outcomes["stage"] == "closed_won", "occurred_at"
    ].dt.day_of_week.value_counts()
    assert wins[3] > 4 * wins[6]


def test_there_are_many_actions_and_channels(world: Simulation) -> None:
    used = world.events["action"].value_counts()
    assert (used > 0).sum() == len(ACTIONS) == 23
    assert world.events["channel"].nunique() == 8
    assert 35 < len(world.events) / len(world.leads) < 60


def test_page_views_come_in_visits(small: Simulation) -> None:
    events = small.events.sort_values(["lead_id", "occurred_at"], kind="stable")
    gap = events.groupby("lead_id")["occurred_at"].diff()
    is_page = events["action"] == "page_view"
    assert (gap[is_page] < pd.Timedelta(minutes=20)).all()
    assert (gap[events["action"] == "email_sent"] > pd.Timedelta(hours=1)).mean() > 0.8


def test_acts_and_people_grow_alike() -> None:
    sizes = [len(simulate(n, random_state=3).events) for n in (4_000, 8_000)]
    assert 1.85 < sizes[1] / sizes[0] < 2.15


def test_leaks_are_added_and_nothing_else(small: Simulation) -> None:
    plain = simulate(800, random_state=2)
    pd.testing.assert_frame_equal(small.outcomes, plain.outcomes)
    added = set(small.leads.columns) - set(plain.leads.columns)
    assert added == {"lead_status", "owner", "last_activity_date", "closed_amount", "lost_reason"}
    won = small.outcomes.loc[small.outcomes["stage"] == "closed_won", "lead_id"]
    is_won = small.leads["lead_id"].isin(won)
    assert (small.leads["closed_amount"].notna() == is_won).all()
    assert ((small.leads["lead_status"] == "closed_won") == is_won).all()
    calls = small.events[small.events["action"] == "onboarding_call"]
    assert len(calls) > 0.9 * len(won)
    assert calls["lead_id"].isin(won).all()
    assert len(small.events) == len(plain.events) + len(calls)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_leads": 0}, "n_leads must be at least 1; found 0"),
        ({"random_state": -1}, "random_state must be"),
        ({"start": "2024-01-01T08:00:00Z"}, "start must be a midnight in UTC"),
        ({"days": 0}, "days must be at least 1"),
        ({"drift": 11.0}, "drift must lie between"),
        ({"signal": 1.1}, "signal must lie between"),
        ({"activity": 0.0}, "activity must be above 0"),
        ({"activity": float("nan")}, "activity must be above 0"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(**{"n_leads": 10, "random_state": 0, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("n_leads", [1, 2, 7])
@pytest.mark.parametrize("days", [1, 3, 40])
def test_the_smallest_worlds_work(n_leads: int, days: int, tmp_path: Path) -> None:
    tiny = simulate(n_leads, random_state=n_leads, days=days, leaky_columns=True)
    assert len(tiny.leads) == n_leads
    tiny.write(tmp_path, bad_rows=0.5)
    snapshots = tiny.leads[["lead_id"]].assign(cutoff_time=tiny.leads["created_at"])
    assert tiny.true_probability(snapshots, HORIZON).shape == (n_leads,)


@given(st.integers(19_000, 22_000), st.integers(0, 86_399))
def test_the_clock_can_be_read_and_set(day: int, second: int) -> None:
    time = np.array([day * DAY + second * 1_000_000])
    assert abs(int(set_clock(read_clock(time) + 1e-9)[0]) - int(time[0])) <= 1_000_000
    assert np.floor(read_clock(time))[0] == day


def test_the_clock_never_goes_back() -> None:
    reading = read_clock(19_800 * DAY + np.arange(0, 2 * DAY, 7_000_000))
    assert (np.diff(reading) > 0).all()
    assert reading[0] == 19_800


def test_truth_equals_the_sum_over_everything_hidden() -> None:
    world = simulate(2_500, random_state=5, days=9, start="2024-05-28", activity=6.0, drift=0.5)
    truth = world.truth
    created, account, exits = truth.population.created, truth.population.account, truth.exits
    rng = np.random.default_rng(0)
    cutoff = np.minimum(created + rng.integers(0, 5 * 86_400, len(created)) * 1_000_000, truth.end)
    monday = 19_877 * DAY + 3 * HOUR  # 2024-06-03, before the upload at 06:00
    at_monday = (created % 3 == 0) & (created < monday) & (created > monday - 5 * DAY)
    cutoff[at_monday] = monday
    seen = np.arange(len(created))
    is_open = exits.time >= cutoff
    gone = np.array([((account == account[i]) & (exits.time < cutoff[i])).any() for i in seen])
    offline = truth.events.take(np.flatnonzero(OFFLINE[truth.events.action]))
    past = offline.time < cutoff[offline.lead]
    uploaded = past & (uploaded_at(offline.time) < cutoff[offline.lead])
    known = np.bincount(offline.lead, uploaded, len(created)) > 0
    unknown = np.bincount(offline.lead, past & ~uploaded, len(created)) > 0
    many = np.bincount(account)[account] > 2
    kinds = (gone, known, unknown, many, at_monday & unknown)
    chosen = np.concatenate([np.flatnonzero(is_open & kind)[:6] for kind in kinds])
    assert len(chosen) == 30, "the table must hold every kind of history"

    snapshots = pd.DataFrame(
        {
            "lead_id": world.leads["lead_id"].to_numpy()[chosen],
            "cutoff_time": pd.to_datetime(cutoff[chosen], unit="us", utc=True).as_unit("us"),
        }
    )
    for horizon, gap in ((DAY, 0), (20 * HOUR, 10 * HOUR)):
        fast = world.true_probability(snapshots, horizon, gap)
        slow = [
            enumerate_probability(truth, int(lead), int(cutoff[lead]), horizon=horizon, gap=gap)
            for lead in chosen
        ]
        np.testing.assert_allclose(fast, slow, rtol=1e-8)


BINS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "probability": lambda table: pd.qcut(table["truth"], 25),
    "age": lambda table: table["age"],
    "month": lambda table: table["cutoff_time"].dt.strftime("%Y-%m"),
    "weekday": lambda table: table["cutoff_time"].dt.day_of_week,
    "source": lambda table: table["lead_source"],
    "industry": lambda table: table["industry"].fillna("none"),
    "size": lambda table: table["company_size"].fillna("none"),
    "title": lambda table: table["job_title"].fillna("none").str.split().str[0],
    "recent acts": lambda table: pd.cut(table["recent"], [-1, 0, 1, 2, 4, 8, 16, 1000]),
    "recent calls, known": lambda table: table["calls"].clip(upper=2),
    "colleague was won": lambda table: table["colleague_won"],
}


@pytest.fixture(scope="module")
def described(world: Simulation, table: pd.DataFrame) -> pd.DataFrame:
    """The snapshots with a few things that were known at the cutoff, counted plainly."""
    events = world.events
    wanted = events[
        events["action"].isin(["pricing_page_visit", "demo_request", "return_visit", "call_connected"])
    ]
    both = table[["lead_id", "cutoff_time"]].reset_index().merge(wanted, on="lead_id")
    known = (both["occurred_at"] < both["cutoff_time"]) & (both["recorded_at"] < both["cutoff_time"])
    late = both["occurred_at"] >= both["cutoff_time"] - pd.Timedelta(days=14)
    both = both[known & late]
    is_call = both["action"] == "call_connected"
    counts = [
        both.loc[rows, "index"].value_counts().reindex(table.index, fill_value=0)
        for rows in (~is_call, is_call)
    ]

    won = world.outcomes[world.outcomes["stage"] == "closed_won"][["lead_id", "occurred_at"]]
    won = won.merge(world.leads[["lead_id", "account_id"]].dropna())[["account_id", "occurred_at"]]
    first_win = won.groupby("account_id")["occurred_at"].min()
    return table.assign(
        recent=counts[0],
        calls=counts[1],
        colleague_won=table["account_id"].map(first_win) < table["cutoff_time"],
    )


@pytest.mark.parametrize("by", BINS)
def test_truth_is_calibrated(described: pd.DataFrame, by: str) -> None:
    assert len(described) >= 100_000
    bins = BINS[by](described)
    assert bins.nunique() >= 2
    assert worst_bin(described, bins) < 3.6


def test_the_calibration_check_can_fail(described: pd.DataFrame) -> None:
    """The truth at creation, kept for later, is no longer calibrated."""
    at_creation = described[described["age"] == 0].set_index("lead_id")["truth"]
    stale = described.assign(stale=described["lead_id"].map(at_creation)).dropna(subset=["stale"])
    later = stale[stale["age"] == 30]
    assert worst_bin(later, BINS["recent acts"](later), "stale") > 10


def test_no_rival_has_a_lower_log_loss(world: Simulation, described: pd.DataFrame) -> None:
    week = described[described["age"] == 7].reset_index(drop=True)
    best = log_loss(week["won"], week["truth"])
    creation = described[described["age"] == 0].set_index("lead_id")["truth"]
    alone = replace(
        world.truth,
        population=replace(
            world.truth.population,
            account=np.arange(len(world.leads)),
            in_market=world.truth.population.in_market[world.truth.population.account],
        ),
    )
    rivals = {
        "base rate": pd.Series(week["won"].mean(), index=week.index),
        "profile only": week["lead_id"].map(creation),
        "acts counted": week.groupby(BINS["recent acts"](week), observed=True)["won"].transform("mean"),
        "without colleagues": pd.Series(alone.probability(week, horizon=HORIZON), index=week.index),
        "sharpened": week["truth"] ** 1.1,
    }
    for name, rival in rivals.items():
        assert log_loss(week["won"], rival) > best + 1e-5, name


def test_the_task_is_as_hard_as_a_real_one(table: pd.DataFrame) -> None:
    week = table[table["age"] == 7]
    assert 0.05 < week["won"].mean() < 0.08
    assert 0.79 < roc_auc_score(week["won"], week["truth"]) < 0.85


def test_truth_does_not_see_the_future(world: Simulation) -> None:
    truth = world.truth
    cutoff = int(truth.end - 200 * DAY + 13 * HOUR)
    leads = world.leads[world.leads["created_at"] < pd.Timestamp(cutoff, unit="us", tz="UTC")].iloc[-3_000:]
    snapshots = leads[["lead_id"]].assign(cutoff_time=pd.Timestamp(cutoff, unit="us", tz="UTC").as_unit("us"))
    known = truth.events.time < cutoff
    known &= ~OFFLINE[truth.events.action] | (uploaded_at(truth.events.time) < cutoff)
    assert monday_known(cutoff) < cutoff
    blind = replace(
        truth,
        events=truth.events.take(np.flatnonzero(known)),
        exits=replace(truth.exits, time=np.where(truth.exits.time < cutoff, truth.exits.time, NEVER)),
    )
    expected = truth.probability(snapshots, horizon=HORIZON)
    np.testing.assert_array_equal(blind.probability(snapshots, horizon=HORIZON), expected)
    assert np.isnan(expected).any()
    assert np.isfinite(expected).any()


def test_one_snapshot_at_a_time_is_the_same(table: pd.DataFrame, world: Simulation) -> None:
    some = table.sample(25, random_state=1)
    alone = [world.true_probability(some.iloc[[i]], HORIZON)[0] for i in range(len(some))]
    np.testing.assert_allclose(alone, some["truth"], rtol=1e-10)


def test_a_window_is_the_sum_of_its_parts(small: Simulation) -> None:
    snapshots = small.leads[["lead_id"]].assign(cutoff_time=small.leads["created_at"])
    whole = small.true_probability(snapshots, 50 * DAY + 5 * HOUR)
    parts = small.true_probability(snapshots, 7 * HOUR) + small.true_probability(
        snapshots, 50 * DAY - 2 * HOUR, gap=7 * HOUR
    )
    np.testing.assert_allclose(whole, parts, rtol=1e-12)


def test_a_closed_lead_has_no_probability(small: Simulation) -> None:
    ends = small.outcomes[small.outcomes["stage"].isin(TERMINAL)]
    at = ends[["lead_id"]].assign(cutoff_time=ends["occurred_at"])
    assert np.isfinite(small.true_probability(at, DAY)).all(), "still open just before"
    after = at.assign(cutoff_time=at["cutoff_time"] + pd.Timedelta(seconds=1))
    assert np.isnan(small.true_probability(after, DAY)).all()


@pytest.mark.parametrize(
    ("lead_id", "cutoff", "horizon", "message"),
    [
        (1, "2025-01-01", DAY, "must be one of the simulated leads; found '1'"),
        (100_500, "2023-01-01", DAY, "between its lead's creation and the end"),
        (100_500, "2030-01-01", DAY, "between its lead's creation and the end"),
        (100_500, "2025-01-01", 0, "horizon must be above 0"),
    ],
    ids=["unknown", "unborn", "after the end", "no horizon"],
)
def test_a_snapshot_outside_the_world_is_refused(
    small: Simulation, lead_id: int, cutoff: str, horizon: int, message: str
) -> None:
    snapshots = pd.DataFrame(
        {"lead_id": [lead_id], "cutoff_time": pd.to_datetime([cutoff], utc=True).as_unit("us")}
    )
    with pytest.raises(ContractError, match=message):
        small.true_probability(snapshots, horizon)


def test_drift_raises_the_base_rate() -> None:
    table = at_ages(simulate(7_000, random_state=6, drift=1.0), [7])
    quarter = table["cutoff_time"].dt.strftime("%Yq") + table["cutoff_time"].dt.quarter.astype("str")
    rate = table.groupby(quarter)["won"].mean()
    assert rate.iloc[-2:].mean() > 1.4 * rate.iloc[:2].mean()
    assert worst_bin(table, quarter) < 3.5
    still = at_ages(simulate(7_000, random_state=6), [7])
    assert still.loc[still["cutoff_time"] >= "2025-01-01", "won"].mean() < 1.2 * still["won"].mean()


def test_without_signal_nothing_tells() -> None:
    table = at_ages(simulate(6_000, random_state=8, signal=0.0), [7])
    assert np.ptp(table["truth"]) < 1e-12
    assert worst_bin(table, pd.Series(0, index=table.index)) < 3.5
    assert 0.03 < table["won"].mean() < 0.09
    full = at_ages(simulate(6_000, random_state=8), [7])
    best_guess = full.set_index("lead_id")["truth"]
    guess = table["lead_id"].map(best_guess)
    known = guess.notna()
    assert abs(roc_auc_score(table.loc[known, "won"], guess[known]) - 0.5) < 0.03


def test_less_signal_is_harder() -> None:
    auc = {}
    for signal in (0.3, 0.6, 1.0):
        table = at_ages(simulate(4_000, random_state=10, signal=signal), [7])
        auc[signal] = roc_auc_score(table["won"], table["truth"])
    assert 0.52 < auc[0.3] < auc[0.6] < auc[1.0]
