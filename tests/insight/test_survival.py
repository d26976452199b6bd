"""Cumulative incidence: tables by hand with ties and late entries, a slow oracle, variances and intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.insight.funnel.survival import (
    FROM_START,
    Spells,
    estimate_incidence,
    influence,
    measure_median,
    measure_share,
    wilson,
)


def spells(
    rows: list[tuple[int, int]], entry: list[int] | None = None, cluster: list[int] | None = None
) -> Spells:
    stop, cause = (np.array(column) for column in zip(*rows, strict=True))
    return Spells(
        np.full(len(rows), FROM_START) if entry is None else np.array(entry),
        stop.astype(np.int64),
        cause.astype(np.int8),
        np.arange(len(rows)) if cluster is None else np.array(cluster),
    )


TIED = [(1, 1), (1, 1), (1, 2), (2, 0), (3, 1), (3, 2), (3, 0), (5, 2), (6, 1), (6, 0)]


def test_a_table_with_ties_by_hand() -> None:
    """At 1 two of ten are won and one lost; at 3 one of six each; at 5 one of three is lost; at 6 one of two won."""
    curve = estimate_incidence(spells(TIED))
    assert curve.age.tolist() == [1, 3, 5, 6]
    assert curve.at_risk.tolist() == [10, 6, 3, 2]
    assert curve.events.tolist() == [2, 1, 0, 1]
    assert curve.others.tolist() == [1, 1, 1, 0]
    assert curve.before == pytest.approx([1, 7 / 10, 7 / 15, 14 / 45])
    assert curve.value == pytest.approx([2 / 10, 19 / 60, 19 / 60, 17 / 36])
    assert curve.variance[0] == pytest.approx(0.2 * 0.8 / 10)
    assert [curve.at(age) for age in (0, 1, 2, 3, 100)] == pytest.approx([0, 0.2, 0.2, 19 / 60, 17 / 36])


def test_late_entries_by_hand() -> None:
    """The third lead is at risk only after age 2: at 2 one of two is won, at 3 one of two, at 4 the last."""
    curve = estimate_incidence(spells([(2, 1), (3, 2), (4, 1)], entry=[FROM_START, FROM_START, 2]))
    assert curve.at_risk.tolist() == [2, 2, 1]
    assert curve.value == pytest.approx([1 / 2, 1 / 2, 3 / 4])


def _by_loop(rows: Spells, age: int) -> tuple[float, float]:
    """The share and its variance from the formulas, one age and one pair of ages at a time."""
    lead = list(zip(rows.entry.tolist(), rows.stop.tolist(), rows.cause.tolist(), strict=True))
    stay, share, steps = 1.0, 0.0, []
    for moment in sorted({stop for _, stop, cause in lead if cause and stop <= age}):
        n = sum(entry < moment <= stop for entry, stop, _ in lead)
        won = sum(stop == moment and cause == 1 for _, stop, cause in lead)
        ended = won + sum(stop == moment and cause == 2 for _, stop, cause in lead)
        share += stay * won / n
        steps.append((n, won, ended, stay, share))
        stay *= 1 - ended / n
    variance = 0.0
    for n, won, ended, before, value in steps:
        gap = share - value
        variance += gap**2 * ended / (n * (n - ended)) if n > ended else 0.0
        variance += before**2 * won * (n - won) / n**3 - 2 * gap * before * won / n**2
    return share, variance


@given(
    rows=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), min_size=2, max_size=40),
    late=st.lists(st.integers(-1, 4), min_size=40, max_size=40),
    age=st.integers(0, 9),
)
@settings(max_examples=200)
def test_a_loop_over_leads_finds_the_same(rows: list[tuple[int, int]], late: list[int], age: int) -> None:
    entry = [min(start, stop - 1) for start, (stop, _) in zip(late, rows, strict=False)]
    found = spells(rows, entry=entry)
    curve = estimate_incidence(found)
    share, variance = _by_loop(found, age)
    assert curve.at(age) == pytest.approx(share, abs=1e-12)
    place = int(np.searchsorted(curve.age, age, side="right"))
    if place:
        assert curve.variance[place - 1] == pytest.approx(max(variance, 0), abs=1e-12)
    assert influence(found, curve, age).sum() == pytest.approx(0, abs=1e-12)


def test_without_censoring_the_interval_is_wilsons() -> None:
    rows = spells([(5, 1)] * 30 + [(7, 2)] * 70)
    assert influence(rows, estimate_incidence(rows), 9) @ influence(
        rows, estimate_incidence(rows), 9
    ) == pytest.approx(0.3 * 0.7 / 100)
    found, wanted = measure_share(rows, 9), wilson(0.3, 99)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))


def test_with_censoring_the_influence_gives_aalens_variance() -> None:
    rng = np.random.default_rng(4)
    won, lost, end = rng.exponential(50, 4000), rng.exponential(30, 4000), rng.uniform(0, 60, 4000)
    stop = np.ceil(np.minimum(np.minimum(won, lost), end)).astype(int)
    cause = np.where(end <= np.minimum(won, lost), 0, np.where(won < lost, 1, 2))
    rows = spells(list(zip(stop.tolist(), cause.tolist(), strict=True)))
    curve = estimate_incidence(rows)
    changes = influence(rows, curve, 40)
    assert changes @ changes == pytest.approx(curve.variance[np.searchsorted(curve.age, 40)], rel=0.02)


def test_leads_of_one_account_widen_the_interval() -> None:
    rows = [(5, 1)] * 30 + [(7, 2)] * 70
    apart = measure_share(spells(rows), 9)
    together = measure_share(spells(rows, cluster=[place // 5 for place in range(100)]), 9)
    assert together.value == apart.value == pytest.approx(0.3)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_nobody_and_everybody_have_an_interval() -> None:
    """Of 20 leads none was won: Wilson's upper end is z²/(n + z²)."""
    none, every = measure_share(spells([(3, 2)] * 20), 9), measure_share(spells([(3, 1)] * 20), 9)
    z2 = 1.6448536269514722**2
    assert (none.value, none.low, none.high) == pytest.approx((0, 0, z2 / (20 + z2)))
    assert (every.value, every.low, every.high) == pytest.approx((1, 20 / (20 + z2), 1))
    assert math.isnan(measure_share(spells([(3, 2)]).take(np.array([False])), 9).value)


def test_the_median_is_that_of_leads_that_move_on() -> None:
    """Of ten leads nine move on, at 1 to 9; half of them by 5; one is lost before."""
    rows = spells([(day, 1) for day in range(1, 10)] + [(1, 2)])
    found = measure_median(rows, 20)
    assert (found.value, found.low < 5 < found.high) == (5, True)
    assert measure_median(rows, 4).value == 2
    assert math.isnan(measure_median(spells([(3, 2)] * 5), 9).value)


def test_intervals_cover_the_truth() -> None:
    """Won at 2% a day, lost at 3%, seen for up to 60 days: by day 30 the share is 0.4 (1 - exp(-1.5))."""
    truth, inside, rng = 0.4 * (1 - math.exp(-1.5)), 0, np.random.default_rng(8)
    for _ in range(400):
        end, time = rng.uniform(0, 60, 300), rng.exponential(20, 300)
        cause = np.where(end < time, 0, np.where(rng.random(300) < 0.4, 1, 2))
        stop = (np.minimum(end, time) * 1e6).astype(np.int64)
        found = measure_share(
            Spells(np.full(300, FROM_START), stop, cause.astype(np.int8), np.arange(300)), 30_000_000
        )
        inside += found.low <= truth <= found.high
    assert 0.86 <= inside / 400 <= 0.94
