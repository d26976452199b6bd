"""The training table: rows, labels and groups belong together, and the held-out period has no say in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Config, make_config
from mqlml.errors import PopulationError
from mqlml.journeys import FlatTable, Journeys, empty_quarantine
from mqlml.times import DAY
from mqlml.training import build_table, describe_holdout
from tests.by_hand import instant, journeys


def config(**keys: Any) -> Config:
    values: dict[str, Any] = {
        "name": "x",
        "data": {"observed_until": "2024-12-31", "leads": {"path": "l"}, "outcomes": {"path": "o"}},
        "problem": {"horizon": "10d", "snapshots": {"ages": ["0d", "7d"]}},
        "windows": ["7d", "all"],
        **keys,
    }
    return make_config(values, folder=Path())


def company(n: int = 60) -> Journeys:
    """A lead a day from 1 January; every third is won after nine days; accounts of two; one act each, at once."""
    days = [pd.Timestamp("2024-01-01") + pd.Timedelta(day, "D") for day in range(n)]
    leads = [
        {"lead_id": lead, "created_at": f"{day:%m-%d}", "account_id": f"A{lead // 2}", "country": "DE"}
        for lead, day in enumerate(days)
    ]
    events = [
        {"lead_id": lead, "occurred_at": f"{day:%m-%d} 01:00", "action": "late_fad" if lead > 50 else "visit"}
        for lead, day in enumerate(days)
    ]
    outcomes = [
        {"lead_id": lead, "stage": "closed_won", "occurred_at": f"{day + pd.Timedelta(9, 'D'):%m-%d}"}
        for lead, day in enumerate(days)
        if lead % 3 == 0
    ]
    return journeys(leads, events=events, outcomes=outcomes)


def test_rows_belong_together() -> None:
    table = build_table(company(), config())
    assert table.frame().columns[:3].tolist() == ["lead_id", "cutoff_time", "label"]
    assert len(table.frame()) == len(table.label) == len(table.features) == 120
    assert (np.diff(table.time) >= 0).all()
    assert (table.label == (table.lead_id.to_numpy() % 3 == 0)).all()
    account = table.lead_id.to_numpy() // 2
    assert len(set(zip(table.group, account, strict=True))) == len(set(account)) == len(set(table.group))
    assert (table.lead == table.lead_id.to_numpy()).all()
    visits = table.features["actions__visit__count__7d"].to_numpy()
    early = (table.age == "7d").to_numpy() & (table.lead_id.to_numpy() <= 50)
    assert (visits[early] == 1).all()
    assert (visits[(table.age == "0d").to_numpy()] == 0).all()


def test_the_held_out_period_has_no_say_in_the_features() -> None:
    table = build_table(company(), config())
    assert pd.Timestamp(table.holdout.start, unit="us", tz="UTC") < instant("02-21")  # before the fad began
    assert not [name for name in table.features if "late_fad" in name]


def test_nobody_learned_from_is_judged() -> None:
    data = company()
    data.leads["account_id"] = pd.Series([f"A{lead % 40}" for lead in data.leads["lead_id"]], dtype="str")
    table = build_table(data, config())
    fold = table.holdout
    for train, test in fold.parts:
        assert not set(table.group[train]) & set(table.group[test])
    assert (table.time[fold.train] + table.label_span <= table.time[fold.test].min()).all()


def test_a_cutoff_of_a_weekly_grid_stands_for_a_week() -> None:
    week = 7 * DAY
    grid = build_table(
        company(),
        config(problem={"horizon": "10d", "snapshots": {"every": "7d"}, "age_limits": ["0d", "365d"]}),
    )
    assert grid.weeks(0, 3 * week) == 4
    assert grid.weeks(week, week) == 1
    by_age = build_table(company(), config())
    assert by_age.weeks(0, 3 * week) == 3
    assert by_age.weeks(week, week) == pytest.approx(1 / 7)


def test_a_lead_without_account_is_its_own_group() -> None:
    data = company()
    data.leads["account_id"] = data.leads["account_id"].where(data.leads["lead_id"] % 4 != 0, None)
    table = build_table(data, config())
    sizes = pd.Series(table.lead).groupby(table.group).nunique()
    assert sizes.max() == 2
    assert (
        sizes == 1
    ).sum() == 30  # of every other pair, one has no account, and the other is left alone in it


def test_a_refused_column_is_no_feature() -> None:
    data = company()
    data.leads["owner"] = np.where(data.leads["lead_id"] % 2, "ann", "bob")
    table = build_table(data, config())
    assert [leak.column for leak in table.leaks] == ["owner"]
    assert not [name for name in table.features if "owner" in name]
    forced = build_table(data, config(profile={"force": {"owner": "by region"}}))
    assert [name for name in forced.features if "owner" in name]


@pytest.mark.parametrize(
    ("won", "found"), [([], "not one converted"), (range(60), "every one converted")], ids=["none", "all"]
)
def test_one_class_says_so(won: Any, found: str) -> None:
    data = company()
    rows = [{"lead_id": lead, "stage": "closed_won", "occurred_at": "06-01"} for lead in won]
    only = journeys([], outcomes=rows).outcomes
    with pytest.raises(PopulationError, match=f"leads that converted and leads that did not; of .*{found}"):
        build_table(
            Journeys(data.leads, data.events, only, data.history, data.observed_until, data.quarantine, {}),
            config(problem={"horizon": "200d", "snapshots": {"ages": ["0d"]}}),
        )


def flat(label: list[float]) -> FlatTable:
    n = len(label)
    leads = pd.DataFrame({"lead_id": np.arange(n), "visits": np.arange(n, dtype="float64") % 7})
    order = pd.Series(np.arange(n)[::-1].copy())
    return FlatTable(leads, pd.Series(label), order, empty_quarantine(), {"flat": n})


FLAT = {"data": {"flat": {"path": "f.csv", "lead_id": "id", "label": "y", "order": "n"}}}


def test_a_flat_table_goes_by_its_order() -> None:
    table = build_table(flat([0.0, 1.0, np.nan] * 20), config(**FLAT))
    assert len(table.label) == 40  # open leads are not learned from
    assert table.lead_id.tolist() == sorted(table.lead_id, reverse=True)
    assert (table.label == (table.lead_id % 3 == 1)).all()
    assert (table.features.iloc[:, 0].to_numpy() == table.lead_id % 7).all()
    assert table.cutoff_time.isna().all()
    assert table.label_span == 0
    assert table.weeks(0, 10) is None
    assert [step.snapshots for step in table.waterfall] == [60, 60, 40]


def test_a_flat_table_ordered_by_dates_names_them_in_texts() -> None:
    dates = pd.Series(pd.date_range("2024-01-01", periods=60, tz="UTC").as_unit("us")[::-1])
    found = build_table(replace(flat([0.0, 1.0, 0.0] * 20), times=dates), config(**FLAT))
    period = describe_holdout(found)
    assert (period.start, period.until, period.n) == ("2024-02-12", "2024-02-29", 18)
    assert found.time[found.holdout.test].tolist() == list(range(42, 60))


def test_a_flat_table_without_labels_says_so() -> None:
    with pytest.raises(PopulationError, match="no row of the flat table has a label; check data.flat.label"):
        build_table(flat([np.nan] * 5), config(**FLAT))
