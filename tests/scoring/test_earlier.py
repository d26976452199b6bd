"""What earlier scores tell of a lead: the score a trend compares with, and when it first had each label."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import ContractError, SourceError
from mqlml.scoring.earlier import first_reached, last_labels, read_scores, trends
from mqlml.scoring.sinks import as_written
from mqlml.times import to_microseconds

NOW = dt.datetime(2025, 3, 8, tzinfo=dt.UTC)
LEVELS = ["mql", "sql"]


def scores(*rows: tuple[str, float, str, float]) -> pd.DataFrame:
    """Earlier scores: lead, days before now, label, probability."""
    days = [days for _, days, _, _ in rows]
    at = pd.Series(pd.Timestamp(NOW) - pd.to_timedelta(np.array(days, float), "D")).dt.as_unit("us")
    return pd.DataFrame(
        {
            "lead_id": [row[0] for row in rows],
            "cutoff_time": at,
            "label": [row[2] for row in rows],
            "label_since": at,
            "probability": [row[3] for row in rows],
            "changed_at": at,
            "first_reached": pd.Series([None] * len(rows), dtype="str"),
        }
    )


@pytest.mark.parametrize(
    ("rows", "compared"),
    [
        ([], np.nan),
        ([("1", 1, "mql", 0.1)], np.nan),
        ([("1", 1, "mql", 0.1), ("1", 7, "mql", 0.2), ("1", 8, "mql", 0.3)], 0.2),
        ([("1", 6.99, "mql", 0.1), ("1", 35, "mql", 0.4)], 0.4),
        ([("1", 35.01, "mql", 0.4)], np.nan),
        ([("2", 8, "mql", 0.4)], np.nan),
    ],
    ids=["never scored", "a night ago", "a week ago", "35 days ago", "too long ago", "another lead"],
)
def test_a_trend_compares_with_the_last_score_that_is_a_week_old(
    rows: list[tuple[str, float, str, float]], compared: float
) -> None:
    found = last_labels(scores(*rows), pd.Series([1]), NOW)
    assert found["compared"].to_numpy() == pytest.approx([compared], nan_ok=True)


def test_a_quarter_of_the_odds_makes_a_trend() -> None:
    # Odds of 0.2 are 0.25; a quarter more are 0.3125, a probability of 0.2381; as much less are 0.2, of 0.1667.
    probability = np.array([0.2382, 0.2380, 0.2, 0.1668, 0.1666, 0.9])
    compared = np.array([0.2, 0.2, 0.2, 0.2, 0.2, np.nan])
    assert trends(probability, compared).tolist() == [
        "improving", "steady", "steady", "steady", "declining", "not enough information",
    ]  # fmt: skip


def test_each_label_is_reached_once_and_the_lower_ones_with_it() -> None:
    since = to_microseconds(dt.datetime(2025, 3, 1, tzinfo=dt.UTC))
    last = pd.DataFrame(
        {
            "label": [None, None, "mql", "mql", "sql", "unqualified", "disqualified"],
            "since": since,
            "first_reached": [
                None,
                None,
                '{"mql": "2025-02-01T00:00:00Z"}',
                None,
                '{"mql": "2025-01-01T00:00:00Z", "sql": "2025-02-01T06:30:00+01:00"}',
                '{"mql": "2025-01-15T00:00:00Z"}',
                "{}",
            ],
        }
    )
    labels = np.array(["unqualified", "sql", "sql", "mql", "mql", "mql", "disqualified"], dtype=object)
    found = first_reached(last, labels, LEVELS, to_microseconds(NOW))
    now = "2025-03-08T00:00:00Z"
    assert [json.loads(text) for text in found] == [
        {},
        {"mql": now, "sql": now},
        {"mql": "2025-02-01T00:00:00Z", "sql": now},
        {"mql": "2025-03-01T00:00:00Z"},
        {"mql": "2025-01-01T00:00:00Z", "sql": "2025-02-01T05:30:00Z"},
        {"mql": "2025-01-15T00:00:00Z"},
        {},
    ]


def test_what_is_no_json_is_refused() -> None:
    last = pd.DataFrame({"label": ["mql"], "since": [0], "first_reached": ["yesterday"]})
    with pytest.raises(
        ContractError, match="first_reached of earlier scores must be JSON.*found 'yesterday'"
    ):
        first_reached(last, np.array(["mql"], dtype=object), LEVELS, 0)


def test_a_pattern_names_the_scores_of_several_nights(tmp_path: Path) -> None:
    for night, days in (("a", 8), ("b", 1)):
        scores(("1", days, "mql", 0.1 * days)).to_parquet(tmp_path / f"{night}.parquet")
    assert read_scores(tmp_path / "*.parquet")["probability"].tolist() == pytest.approx([0.8, 0.1])
    with pytest.raises(SourceError, match="no file matches"):
        read_scores(tmp_path / "*.csv")


def test_the_apostrophe_before_a_formula_is_taken_off_and_no_other() -> None:
    written = pd.Series(["'=cmd", "' -1", "'plain", "=raw", "7"])
    assert as_written(written).tolist() == ["=cmd", " -1", "'plain", "=raw", "7"]
