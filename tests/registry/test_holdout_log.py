"""The holdout access log: what counts as the same period and as another setting, and that nothing is lost."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mqlml.errors import TrackingError
from mqlml.evaluation.holdout import Period
from mqlml.registry import (
    HoldoutAccess,
    digest_settings,
    make_holdout_access,
    make_store,
    record_holdout_access,
    same_period,
)
from mqlml.times import DAY

NOW = dt.datetime(2026, 1, 2, 8, 30, tzinfo=dt.UTC)
PERIOD = Period(start=100 * DAY, end=200 * DAY, dated=True, rows=50, sha256="a" * 64)


def access(**changed: Any) -> HoldoutAccess:
    period = replace(PERIOD, **{key: changed.pop(key) for key in list(changed) if hasattr(PERIOD, key)})
    return make_holdout_access(period, **{"model": "leads", "settings": "one", "now": NOW, **changed})


def test_each_access_is_added_and_the_earlier_ones_are_returned(tmp_path: Path) -> None:
    store = make_store("sqlite:///models/mlflow.db", folder=tmp_path)
    first, second = access(), access(settings="two")
    assert record_holdout_access(store, first) == ()
    assert record_holdout_access(store, second) == (first,)
    assert record_holdout_access(store, first) == (first, second)
    lines = (tmp_path / "models" / "mlflow.holdout_access.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["settings"] for line in lines] == ["one", "two", "one"]
    assert not (tmp_path / "models" / "mlflow.db").exists(), "no tables are made for it"
    assert first.at == "2026-01-02T08:30:00Z"
    assert first.by
    assert first.id != second.id


def test_accesses_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    store = make_store("sqlite:///models/mlflow.db", folder=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        seen = list(
            pool.map(lambda number: record_holdout_access(store, access(settings=str(number))), range(40))
        )
    assert sorted(map(len, seen)) == list(range(40))


def test_a_record_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    store = make_store("sqlite:///models/mlflow.db", folder=tmp_path)
    path = tmp_path / "models" / "mlflow.holdout_access.jsonl"
    path.parent.mkdir()
    path.write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(TrackingError, match=r"holdout_access\.jsonl' must hold one JSON object per line"):
        record_holdout_access(store, access())
    path.unlink()
    path.mkdir()
    with pytest.raises(
        TrackingError, match="cannot record the use of the held-out period in .*Is a directory"
    ):
        record_holdout_access(store, access())


@pytest.mark.parametrize(
    "torn", ['{"id": "x', '{"id": "é'.encode()[:-1], "x" * 9000], ids=["half", "half a letter", "long"]
)
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: str | bytes) -> None:
    store = make_store("sqlite:///models/mlflow.db", folder=tmp_path)
    path = tmp_path / "models" / "mlflow.holdout_access.jsonl"
    first, second = access(), access(settings="two")
    record_holdout_access(store, first)
    with path.open("ab") as file:
        file.write(torn.encode() if isinstance(torn, str) else torn)
    assert record_holdout_access(store, second) == (first,)
    assert record_holdout_access(store, first) == (first, second)
    assert path.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"sha256": "b" * 64}, True),
        ({"sha256": "b" * 64, "start": 149 * DAY, "end": 300 * DAY}, True),
        ({"sha256": "b" * 64, "start": 151 * DAY, "end": 300 * DAY}, False),
        ({"sha256": "b" * 64, "start": 0, "end": 150 * DAY}, True),
        ({"start": 0, "end": 10 * DAY}, True),
        ({"sha256": "b" * 64, "dated": False}, False),
        ({"model": "other"}, False),
    ],
    ids=["same time", "half", "less than half", "the first half", "same rows", "an order", "another model"],
)
def test_what_counts_as_the_same_period(changed: dict[str, Any], same: bool) -> None:
    earlier = access(**changed)
    assert same_period((earlier,), access()) == ((earlier,) if same else ())


SETTINGS: dict[str, Any] = {
    "name": "leads",
    "data": {
        "observed_until": "2026-01-01",
        "leads": {"path": "a.csv", "columns": {"lead_id": "id"}},
        "max_quarantined": 0.01,
    },
    "problem": {
        "horizon": "60d",
        "snapshots": {"every": "7d", "until": "2025-10-01"},
        "age_limits": ["0d", "365d"],
    },
    "tracking": {"uri": "x"},
    "windows": ["7d"],
}


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"data": {**SETTINGS["data"], "observed_until": "2026-02-01"}}, True),
        ({"data": {**SETTINGS["data"], "leads": {"path": "b.csv", "columns": {"lead_id": "id"}}}}, True),
        (
            {
                "problem": {
                    "horizon": "60d",
                    "snapshots": {"every": "7d", "until": "2025-11-01"},
                    "age_limits": ["0d", "365d"],
                }
            },
            True,
        ),
        ({"name": "x", "tracking": {"uri": "y"}}, True),
        ({"windows": ["7d", "30d"]}, False),
        (
            {
                "problem": {
                    "horizon": "90d",
                    "snapshots": {"every": "7d", "until": "2025-10-01"},
                    "age_limits": ["0d", "365d"],
                }
            },
            False,
        ),
        ({"data": {**SETTINGS["data"], "leads": {"path": "a.csv", "columns": {}}}}, False),
    ],
    ids=["a later export", "another file", "a later grid", "elsewhere", "windows", "horizon", "columns"],
)
def test_what_counts_as_other_settings(changed: dict[str, Any], same: bool) -> None:
    assert (digest_settings({**SETTINGS, **changed}) == digest_settings(SETTINGS)) is same
