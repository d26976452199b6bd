"""Horizon, wins, last outcome and leads a week, of a company small enough to count by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from mqlml.config import make_config
from mqlml.draft.problem import Suggestion, suggest_problem
from mqlml.journeys import read_journeys
from tests.draft.exports import write_rows

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def suggest(folder: Path, *, days: int, waits: list[int], planned: int | None = None) -> Suggestion:
    """A lead a day; the first ones are won after so many days each, and perhaps one more so many days from now."""
    leads = [{"lead_id": str(n), "created_at": _day(START, n)} for n in range(days)]
    won = [
        {"lead_id": str(n), "stage": "won", "occurred_at": _day(START, n + wait)}
        for n, wait in enumerate(waits)
    ]
    if planned is not None:
        won.append({"lead_id": str(days - 1), "stage": "won", "occurred_at": _day(NOW, planned)})
    write_rows(folder / "leads.csv", leads)
    write_rows(folder / "deals.csv", won)
    config = {
        "name": "x",
        "data": {
            "observed_until": "2027-01-01",
            "leads": {"path": "leads.csv"},
            "outcomes": {"path": "deals.csv", "stages": {"won": "closed_won"}},
        },
    }
    return suggest_problem(read_journeys(make_config(config, folder=folder)), now=NOW)


def _day(start: dt.datetime, number: int) -> str:
    return (start + dt.timedelta(days=number)).isoformat()


@pytest.mark.parametrize(
    ("days", "waits", "horizon", "within"),
    [
        (700, [5, 10, 13, 40], 14, 0.75),
        (700, [5, 10, 29, 40], 30, 0.75),
        (700, [5, 10, 59, 80, 81], 90, 1.0),
        (241, [5, 10, 80, 80], 60, 0.5),  # a longer horizon leaves too little history
        (40, [5, 10, 20, 20], 14, 0.5),
    ],
)
def test_the_horizon_is_the_shortest_with_most_wins(
    days: int, waits: list[int], horizon: int, within: float, tmp_path: Path
) -> None:
    found = suggest(tmp_path, days=days, waits=waits)
    assert (found.horizon, found.within, found.wins) == (horizon, within, len(waits))


def test_leads_a_week_are_those_of_the_last_half_year(tmp_path: Path) -> None:
    assert suggest(tmp_path, days=700, waits=[5] * 10).per_week == pytest.approx(7)
    assert suggest(tmp_path, days=15, waits=[5]).per_week == pytest.approx(7.5)


def test_a_planned_outcome_is_not_the_last_one(tmp_path: Path) -> None:
    assert suggest(tmp_path, days=400, waits=[5, 9], planned=30).last_outcome == START + dt.timedelta(days=10)
