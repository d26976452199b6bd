"""Where the time in which leads arrive ends, and what an ordered volume brings when nobody came after it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mqlml import train
from mqlml.commands.count_nights import find_end
from mqlml.config import Config
from mqlml.features import build_features
from mqlml.journeys import read_journeys
from mqlml.times import DAY
from mqlml.training import open_leads


@pytest.mark.parametrize(
    ("days", "end", "found"),
    [
        (list(range(100)), 100, 100),
        (list(range(100)), 106, 106),
        (list(range(100)), 160, 100),
        ([*range(0, 100, 10)], 105, 105),
        ([*range(0, 100, 10)], 125, 91),
        ([*range(40), *range(60, 100)], 135, 135),
        ([5], 6, 6),
        ([5], 60, 6),
    ],
    ids=[
        "to the end",
        "a week at most",
        "quiet",
        "few leads",
        "few, and quiet",
        "a pause before",
        "one",
        "one long ago",
    ],
)
def test_a_quiet_end_is_not_time_in_which_leads_arrive(days: list[int], end: int, found: int) -> None:
    time = np.array(days, dtype=np.int64) * DAY
    np.random.default_rng(0).shuffle(time)
    assert find_end(time, end * DAY) == found * DAY


UNTIL = pd.Timestamp("2026-03-01")


def _make_company() -> dict[str, pd.DataFrame]:
    """Leads of a year, then two months without any, then leads of 16 weeks; a demo and many seats raise the odds."""
    rng = np.random.default_rng(12)
    n = 4000
    days = np.where(np.arange(n) < 3000, rng.random(n) * 360, 424 + rng.random(n) * 112)
    created = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.round(days * 86_400), unit="s")
    demo, seats = rng.random(n) < 0.3, rng.integers(1, 100, n)
    sold = rng.random(n) < 0.2 * np.where(demo, 2.0, 0.5) * (0.5 + seats / 100)
    lost = ~sold & (rng.random(n) < 0.3)
    leads = pd.DataFrame({"lead_id": np.arange(n), "created_at": created, "seats": seats})
    views = leads.sample(2 * n, replace=True, random_state=1)
    viewed = views[["lead_id"]].assign(action="page_view")
    viewed["occurred_at"] = views["created_at"] + pd.to_timedelta(rng.random(2 * n) * 150, unit="h")
    hours = pd.to_timedelta(20 + rng.random(n) * 60, unit="h")
    demos = leads[["lead_id"]].assign(action="demo", occurred_at=created + hours)
    deals = leads[["lead_id"]].assign(stage=np.where(sold, "closed_won", "closed_lost"))
    deals["occurred_at"] = created + pd.to_timedelta(8 + rng.random(n) * 40, unit="D")
    return {"leads": leads, "events": pd.concat([viewed, demos[demo]]), "outcomes": deals[sold | lost]}


def _write(tables: dict[str, pd.DataFrame], folder: Path) -> Config:
    folder.mkdir()
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    paths = {name: {"path": str(folder / f"{name}.csv")} for name in tables}
    return Config(
        name="quiet",
        data={"observed_until": str(UNTIL.date())} | paths,
        problem={"horizon": "60d", "snapshots": {"ages": ["0d", "3d", "7d"]}, "age_limits": ["0d", "14d"]},
        labels={"mql": {"policy": "min_recall", "value": 0.6}, "sql": {"policy": "capacity", "per_week": 6}},
    )


def test_a_nightly_job_finds_as_many_new_leads_a_week_as_ordered(tmp_path: Path) -> None:
    everything = _make_company()
    known = everything["leads"]["lead_id"][everything["leads"]["created_at"] < UNTIL]
    past = {name: table[table["lead_id"].isin(known)] for name, table in everything.items()}
    config = _write(past, tmp_path / "past")
    bundle = train(config, now=dt.datetime(2026, 3, 2, tzinfo=dt.UTC)).bundle
    journeys = read_journeys(_write(everything, tmp_path / "all"))
    start, weeks = dt.datetime(2026, 3, 1, tzinfo=dt.UTC), 16
    nights = [
        open_leads(journeys, start + dt.timedelta(days=day), config.problem) for day in range(7 * weeks)
    ]
    seen = pd.concat(nights, ignore_index=True)
    features = build_features(journeys, seen, bundle.plan)
    probability = bundle.calibrator.predict_proba(bundle.scorer.decision_function(features))[:, 1]
    new = seen["lead_id"][bundle.policy.assign_labels(probability) == "sql"].nunique()
    assert 0.75 * 6 * weeks <= new <= 1.3 * 6 * weeks
