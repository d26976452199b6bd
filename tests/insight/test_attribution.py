"""Attribution: worked examples, a published table of paths, a slow oracle, and invariants."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.errors import PopulationError
from mqlml.insight.channels.attribution import (
    METHODS,
    Attribution,
    Method,
    Touches,
    attribute_sales,
    touches_from_journeys,
    touches_from_paths,
)
from mqlml.journeys import Journeys
from mqlml.simulate import simulate
from mqlml.times import DAY
from tests.features.worlds import make_config_of

SHARED = Path(os.environ.get("MQLML_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
PATHS = SHARED / "attribution" / "paths.csv.gz"


def credits(found: Attribution, method: Method) -> dict[str, float]:
    return {one.channel: one.credit[method].value for one in found.channels}


def test_two_channels_by_hand() -> None:
    paths = touches_from_paths(
        [("G",), ("M",), ("G", "M"), ("G",)], won=[2, 1, 1, 0], lost=[0, 0, 0, 1], amount=[20, 5, 15, 0]
    )
    found = attribute_sales(paths)
    assert credits(found, "markov") == pytest.approx({"G": 2.4, "M": 1.6})
    assert credits(found, "shapley") == pytest.approx({"G": 2.5, "M": 1.5})
    assert credits(found, "first") == {"G": 3, "M": 1}
    assert credits(found, "last") == {"G": 2, "M": 2}
    assert "time_decay" not in found.channels[0].credit
    amount = {one.channel: one.amount["linear"] for one in found.channels}
    assert amount == pytest.approx({"G": 27.5, "M": 12.5})
    assert {one.channel: one.removal_effect for one in found.channels} == pytest.approx({"G": 0.75, "M": 0.5})
    assert {one.channel: (one.journeys, one.won) for one in found.channels} == {"G": (4, 3), "M": (2, 2)}


def test_three_channels_by_hand() -> None:
    found = attribute_sales(
        touches_from_paths([("C1", "C2", "C3"), ("C1",), ("C2", "C3")], won=[1, 0, 0], lost=[0, 1, 1])
    )
    assert credits(found, "markov") == pytest.approx({"C1": 0.2, "C2": 0.4, "C3": 0.4})
    assert credits(found, "shapley") == pytest.approx(dict.fromkeys(("C1", "C2", "C3"), 1 / 3))
    assert credits(found, "position") == pytest.approx({"C1": 0.4, "C2": 0.2, "C3": 0.4})


def test_ordered_shapley_by_hand() -> None:
    """A > B > A won once and B won once: A has half a sale, at places 1 and 3; B half at 2, and one at 1."""
    found = attribute_sales(touches_from_paths([("A", "B", "A"), ("B",)], won=[1, 1], lost=[0, 0]), places=3)
    places = {one.channel: one.by_place for one in found.channels}
    assert places["A"] == pytest.approx((0.25, 0, 0.25))
    assert places["B"] == pytest.approx((1, 0.5, 0))
    two = attribute_sales(touches_from_paths([("A", "B", "A"), ("B",)], won=[1, 1], lost=[0, 0]), places=2)
    assert {one.channel: one.by_place for one in two.channels}["A"] == pytest.approx((0.25, 0.25))


def test_time_decay_by_hand() -> None:
    """Touches 7 and 0 days before the sale weigh 1/2 and 1."""
    touches = Touches(
        ("A", "B"),
        np.array([0, 1, 0], dtype=np.int32),
        np.array([0, 2, 3]),
        np.array([7.0, 0.0, 5.0]),
        np.array([1.0, 0.0]),
        np.array([0.0, 1.0]),
    )
    assert credits(attribute_sales(touches), "time_decay") == pytest.approx({"A": 1 / 3, "B": 2 / 3})
    longer = attribute_sales(touches, half_life=14 * DAY)
    assert credits(longer, "time_decay")["A"] == pytest.approx(2**-0.5 / (1 + 2**-0.5))


@pytest.mark.skipif(not PATHS.exists(), reason="the table of paths is absent")
def test_a_published_table_of_paths() -> None:
    with gzip.open(PATHS, "rt") as file:
        rows = list(csv.DictReader(file))
    paths = touches_from_paths(
        [tuple(row["path"].split(" > ")) for row in rows],
        won=[float(row["total_conversions"]) for row in rows],
        lost=[float(row["total_null"]) for row in rows],
    )
    found = attribute_sales(paths, n_bootstrap=20)
    assert found.sales / found.journeys == pytest.approx(0.2238451, abs=1e-7)
    markov = credits(found, "markov")
    assert [round(markov[name], 2) for name in ("alpha", "iota", "eta", "beta", "theta")] == [
        5344.95,
        3884.61,
        3340.85,
        2527.35,
        1971.91,
    ]
    alpha = [round(credits(found, method)["alpha"], 2) for method in ("first", "last", "linear", "shapley")]
    assert alpha == [6308, 8447, 7574.72, 7627.94]
    shapley = credits(found, "shapley")
    assert (round(shapley["eta"], 2), round(shapley["iota"], 2)) == (3613.66, 3505.04)


Paths = list[tuple[tuple[int, ...], int, int]]
PATHS_OF_THREE: st.SearchStrategy[Paths] = st.lists(
    st.tuples(
        st.lists(st.integers(0, 2), min_size=1, max_size=5).map(tuple), st.integers(0, 3), st.integers(0, 3)
    ),
    min_size=1,
    max_size=8,
).filter(lambda paths: sum(won for _, won, _ in paths) > 0)


def make_touches(paths: Paths) -> Touches:
    return touches_from_paths(
        [tuple("ABC"[c] for c in path) for path, _, _ in paths],
        won=[won for _, won, _ in paths],
        lost=[lost for _, _, lost in paths],
    )


def removal_by_walking(paths: Paths, removed: int | None) -> float:
    """The probability of a sale, by following the chain's mass step by step; the channel removed ends in nothing."""
    steps, sales = np.zeros((4, 4)), np.zeros(4)
    out = np.zeros(4)
    for path, won, lost in paths:
        for before, after in zip((3, *path), path, strict=False):
            steps[before, after] += won + lost
        sales[path[-1]] += won
        for state in (3, *path):
            out[state] += won + lost
    mass, sold = np.array([0.0, 0.0, 0.0, 1.0]), 0.0
    for _ in range(5_000):
        share = mass / np.maximum(out, 1)
        sold += float(share @ sales)
        mass = share @ steps
        if removed is not None:
            mass[removed] = 0
    return sold


@settings(max_examples=40, deadline=None)
@given(PATHS_OF_THREE)
def test_removal_effects_are_those_of_a_slow_walk(paths: Paths) -> None:
    whole = removal_by_walking(paths, None)
    for one in attribute_sales(make_touches(paths), n_bootstrap=1).channels:
        lost = 1 - removal_by_walking(paths, "ABC".index(one.channel)) / whole
        assert one.removal_effect == pytest.approx(lost, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(PATHS_OF_THREE, st.randoms())
def test_credit_adds_up_and_neither_order_nor_splitting_of_paths_matters(
    paths: Paths, random: object
) -> None:
    found = attribute_sales(make_touches(paths), n_bootstrap=1)
    for method in found.channels[0].credit:
        assert sum(credits(found, method).values()) == pytest.approx(found.sales)
    for one in found.channels:
        assert sum(one.by_place) == pytest.approx(one.credit["shapley"].value)
    single = [(path, 1, 0) for path, won, _ in paths for _ in range(won)]
    single += [(path, 0, 1) for path, _, lost in paths for _ in range(lost)]
    random.shuffle(single)  # type: ignore[attr-defined]
    again = attribute_sales(make_touches(single), n_bootstrap=1)
    for method in found.channels[0].credit:
        same = {
            name: value for name, value in credits(found, method).items() if name in credits(again, method)
        }
        assert credits(again, method) == pytest.approx(same)


def test_intervals_cover_what_more_journeys_would_give() -> None:
    """The truth is the credit on 200,000 journeys; 90% intervals of 400 journeys cover it in about nine of ten."""
    rng = np.random.default_rng(0)
    kinds = [("A",), ("B",), ("A", "B"), ("B", "A"), ("C", "A"), ("C",)]
    chance, win = np.array([0.25, 0.2, 0.2, 0.1, 0.1, 0.15]), np.array([0.3, 0.1, 0.4, 0.2, 0.5, 0.05])

    def draw(n: int) -> Attribution:
        number = rng.multinomial(n, chance)
        won = rng.binomial(number, win)
        return attribute_sales(
            touches_from_paths(kinds, won=won, lost=number - won),
            n_bootstrap=100,
            random_state=int(won.sum()),
        )

    large = draw(200_000)
    truth = {method: credits(large, method) for method in ("markov", "shapley", "last")}
    covered = []
    for _ in range(60):
        found = draw(400)
        for method, values in truth.items():
            for one in found.channels:
                low, high = one.credit[method].low, one.credit[method].high  # type: ignore[index]
                covered.append(low <= values[one.channel] * 400 / large.journeys <= high)
    assert 0.85 <= np.mean(covered) <= 0.95


def make_journeys(**more: object) -> Journeys:
    day = pd.Timestamp("2025-01-01", tz="UTC")
    leads = pd.DataFrame(
        {
            "lead_id": ["a", "b", "c", "d", "late"],
            "created_at": [day, day, day, day, day + pd.Timedelta(days=95)],
        }
    )
    events = pd.DataFrame(
        [
            ("a", 1, "ads"),
            ("a", 3, "mail"),
            ("a", 10, "web"),  # at the sale, so not before it
            ("b", 2, "ads"),
            ("c", 2, None),
            ("late", 96, "mail"),
        ],
        columns=["lead_id", "at", "channel"],
    )
    when = day + pd.to_timedelta(events.pop("at"), unit="D")
    events = events.assign(occurred_at=when, recorded_at=when, action="touch")
    sold = pd.DataFrame(
        {
            "lead_id": ["a", "a", "c", "late"],
            "stage": "closed_won",
            "occurred_at": [day + pd.Timedelta(days=at) for at in (10, 40, 20, 97)],
            "amount": [100.0, 900.0, 50.0, 10.0],
        }
    )
    sold["recorded_at"] = sold["occurred_at"]
    made = simulate(50, random_state=0).journeys()
    until = (day + pd.Timedelta(days=100)).to_pydatetime()
    return Journeys(leads, events, sold, made.history.iloc[:0], until, made.quarantine.iloc[:0], {}, **more)  # type: ignore[arg-type]


def test_touches_of_journeys_are_before_the_sale_and_of_leads_old_enough() -> None:
    problem = make_config_of(problem={"horizon": "30d", "snapshots": {"ages": ["0d"]}}).problem
    touches = touches_from_journeys(make_journeys(), problem)
    found = attribute_sales(touches)
    assert credits(found, "linear") == {"mail": 0.5, "ads": 0.5}
    assert (found.journeys, found.sales, found.untouched) == (2, 1, 1)
    assert {one.channel: one.amount["linear"] for one in found.channels} == {"mail": 50, "ads": 50}
    days = {touches.channels[c]: d for c, d in zip(touches.channel, touches.days, strict=True) if d < 20}  # type: ignore[arg-type]
    assert days == {"ads": 9, "mail": 7}


def test_without_a_channel_or_a_sale_it_says_so() -> None:
    problem = make_config_of(problem={"horizon": "30d", "snapshots": {"ages": ["0d"]}}).problem
    journeys = make_journeys()
    with pytest.raises(PopulationError, match=r"data\.events\.columns: channel"):
        touches_from_journeys(
            Journeys(**{**vars(journeys), "events": journeys.events.drop(columns="channel")}), problem
        )
    with pytest.raises(PopulationError, match="found none among 1 journeys"):
        attribute_sales(touches_from_paths([("A",)], won=[0], lost=[1]))
    assert set(METHODS) == {"first", "last", "linear", "time_decay", "position", "markov", "shapley"}
