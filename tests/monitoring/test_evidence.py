"""The evidence: by hand, against a plain loop, valid while all holds, and quick where something breaks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mqlml.monitoring.evidence import (
    Evidence,
    Stream,
    combine_streams,
    conversion_streams,
    gone_streams,
    new_category_streams,
)

USED, WITHIN, LATER, UNIT = 78, 0.85, 1 / 52, 13


def begins(runs: int) -> list[float]:
    """The weight with which a product begins at each run."""
    later = [(1 - WITHIN) * LATER * (1 - LATER) ** run for run in range(max(runs - USED, 0))]
    return ([WITHIN / USED] * USED)[:runs] + later


def combine(streams: list[Stream], alarm: float = 20.0) -> Evidence:
    names = [f"run {run}" for run in range(len(streams[0].log_factor))]
    return combine_streams(streams, names, alarm=alarm, tolerance=0.15)


def test_a_stream_is_the_mean_of_products_that_begin_at_each_run() -> None:
    factors = np.array([0.5, 3.0, 2.0, 0.25] + [0.7, 1.6] * 50)
    weights, by_hand = begins(len(factors)), []
    for last in range(1, len(factors) + 1):
        begun = sum(weights[begin] * np.prod(factors[begin:last]) for begin in range(last))
        by_hand.append(begun + 1 - sum(weights[:last]))
    found = combine([Stream("fewer_conversions", "", 1.0, np.log(factors))])
    assert [point.evidence for point in found.path] == pytest.approx(by_hand)
    assert found.value == pytest.approx(by_hand[-1])
    assert found.highest == pytest.approx(max(by_hand))


def test_the_evidence_of_a_recent_break_is_the_sum_of_products_that_begin_at_each_run() -> None:
    factors = np.array([0.5, 3.0, 2.0, 0.25])
    by_hand = [
        sum(np.prod(factors[begin:last]) for begin in range(last)) / UNIT
        for last in range(1, len(factors) + 1)
    ]
    found = combine([Stream("fewer_conversions", "", 0.5, np.log(factors))])
    assert [point.recent for point in found.path] == pytest.approx([0.5 * value for value in by_hand])
    assert (found.recent, found.recent_highest) == pytest.approx((0.5 * by_hand[-1], 0.5 * max(by_hand)))
    assert found.runs_per_false_alarm == 260


def test_a_recent_break_alone_raises_the_alarm_and_names_what_it_is() -> None:
    factors = np.array([-1.0] * 200 + [2.0, 2.0, 2.0, -9.0])
    found = combine([Stream("fewer_conversions", "", 1.0, factors)])
    assert found.highest < found.alarm_at < found.recent_highest
    assert found.since == "run 202"
    assert [one.kind for one in found.alarmed] == ["fewer_conversions"]
    assert found.alarmed[0].evidence == pytest.approx(found.recent_highest)


def test_a_false_alarm_of_a_recent_break_takes_the_runs_that_are_stated() -> None:
    """At an alarm of 2, 26 runs on average or more, where outcomes lie at the very edge of the tolerance."""
    rng = np.random.default_rng(8)
    first = []
    for _ in range(60):
        p, run = company(rng, 150, 60)
        odds = p / (1 - p) / 1.15
        y = (rng.random(len(p)) < odds / (1 + odds)).astype(float)
        streams = conversion_streams(p, y, run, 150, tolerance=0.15, base_rate=0.07)
        reached = [n for n, point in enumerate(combine(streams, 2.0).path, start=1) if point.recent >= 2]
        first.append(reached[0] if reached else 150)
    assert np.mean(first) >= 26


def test_weight_that_no_stream_has_stays_at_one() -> None:
    found = combine([Stream("fewer_conversions", "", 0.25, np.array([-50.0] * 100))])
    assert found.value == pytest.approx(0.75 + 0.25 * (1 - sum(begins(100))), rel=1e-3)


def test_something_is_left_to_begin_with_however_long_a_version_is_used() -> None:
    found = combine([Stream("fewer_conversions", "", 1.0, np.array([-9.0] * 300 + [9.0, 9.0]))])
    assert [point.evidence >= 20 for point in found.path[-2:]] == [False, True]
    assert found.since == "run 300"  # the evidence of a recent break has lost nothing in 300 runs


def test_an_alarm_stays_and_names_its_first_run_and_what_raised_it() -> None:
    breaks = np.array([0.0, 9.0, -9.0, -9.0])
    found = combine(
        [Stream("signal_gone", "a", 0.5, breaks), Stream("fewer_conversions", "", 0.5, -abs(breaks))]
    )
    assert found.alarm
    assert found.since == "run 1"
    assert found.value < 20 < found.highest
    assert [(one.kind, one.feature, one.still) for one in found.alarmed] == [("signal_gone", "a", False)]


def test_without_an_alarm_nothing_is_alarmed() -> None:
    found = combine([Stream("signal_gone", "a", 1.0, np.array([0.5, 0.5]))])
    assert (found.alarm, found.since, found.alarmed) == (False, None, ())


def test_a_factor_is_the_likelihood_of_the_bet_over_that_of_the_edge() -> None:
    p, y = np.array([0.2, 0.1]), np.array([1.0, 0.0])
    found = conversion_streams(p, y, np.array([0, 1]), 2, tolerance=0.15, base_rate=0.15)
    halving = next(one for one in found if one.kind == "fewer_conversions")

    def chance(p: float, times: float) -> float:
        odds = p / (1 - p) * times
        return odds / (1 + odds)

    expected = [
        math.log(chance(0.2, 0.5) / chance(0.2, 1 / 1.15)),
        math.log((1 - chance(0.1, 0.5)) / (1 - chance(0.1, 1 / 1.15))),
    ]
    assert halving.log_factor.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("times", [1 / 1.15, 1.0, 1.15], ids=["lower edge", "as predicted", "upper edge"])
def test_no_bet_is_expected_to_win_while_odds_lie_within_the_tolerance(times: float) -> None:
    p = np.linspace(0.01, 0.9, 40)
    odds = p / (1 - p) * times
    true = odds / (1 + odds)
    run, n = np.arange(40), 40
    won = conversion_streams(p, np.ones(40), run, n, tolerance=0.15, base_rate=0.2)
    lost = conversion_streams(p, np.zeros(40), run, n, tolerance=0.15, base_rate=0.2)
    for one, other in zip(won, lost, strict=True):
        expected = true * np.exp(one.log_factor) + (1 - true) * np.exp(other.log_factor)
        assert (expected <= 1 + 1e-12).all(), one.kind


def test_weights_add_up_to_one() -> None:
    one = np.ones(1)
    streams = [
        *conversion_streams(one / 2, one, np.zeros(1, np.int64), 1, tolerance=0.15, base_rate=0.5),
        *gone_streams({"a": one, "b": one}, {"a": one, "b": one}, {"a": (50, 100), "b": (30, 100)}),
        *new_category_streams({"c": one}, {"c": one}, {"c": (0, 100)}),
    ]
    assert sum(one.weight for one in streams) == pytest.approx(1)


def company(rng: np.random.Generator, weeks: int, leads: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return rng.beta(0.8, 10.6, weeks * leads), np.repeat(np.arange(weeks), leads)


def watch(seed: int, *, half_from: int | None = None, times: float = 1.0) -> Evidence:
    rng = np.random.default_rng(seed)
    p, run = company(rng, 60, 150)
    odds = p / (1 - p) * times
    if half_from is not None:
        odds = np.where(run >= half_from, odds / 2, odds)
    y = (rng.random(len(p)) < odds / (1 + odds)).astype(float)
    return combine(conversion_streams(p, y, run, 60, tolerance=0.15, base_rate=0.07))


def test_few_quiet_companies_alarm_though_they_are_read_every_week() -> None:
    assert sum(watch(seed).alarm for seed in range(100)) <= 3
    assert sum(watch(seed, times=1 / 1.15).alarm for seed in range(100)) <= 5


def test_a_halving_is_found_after_a_quiet_half_year() -> None:
    """150 leads a week of whom 10 or 11 are expected to convert; 20 weeks later all have alarmed."""
    found = [watch(seed, half_from=26) for seed in range(20)]
    assert all(one.alarm for one in found)
    assert all(one.alarmed[0].kind == "fewer_conversions" for one in found)
    weeks = [int(str(one.since).split()[1]) - 26 for one in found]
    assert np.median(weeks) <= 9


def test_leads_that_differ_less_than_predicted_are_found() -> None:
    rng = np.random.default_rng(3)
    p, run = company(rng, 60, 400)
    odds = np.sqrt(p / (1 - p) * 0.07 / 0.93)
    y = (rng.random(len(p)) < odds / (1 + odds)).astype(float)
    found = combine(conversion_streams(p, y, run, 60, tolerance=0.15, base_rate=0.07))
    assert "weaker_ranking" in {one.kind for one in found.alarmed}


def test_a_signal_that_is_gone_is_found_in_two_runs_and_a_rare_one_takes_no_weight() -> None:
    rng = np.random.default_rng(1)
    counted = np.full(60, 250.0)
    present = {name: rng.binomial(250, share, 60).astype(float) for name, share in (("a", 0.3), ("b", 0.01))}
    reference = {"a": (1500, 5000), "b": (50, 5000)}
    of = dict.fromkeys(present, counted)
    quiet = gone_streams(present, of, reference)
    assert [one.name for one in quiet] == ["a"]
    assert combine(quiet).highest < 2
    present["a"][40:] = 0
    found = combine(gone_streams(present, of, reference))
    assert found.since in ("run 40", "run 41")
    assert found.alarmed[0].still


def test_half_of_a_signal_is_not_gone() -> None:
    counted = {"a": np.full(60, 250.0)}
    present = {"a": np.full(60, 38.0)}  # 15% instead of 30%
    assert combine(gone_streams(present, counted, {"a": (1500, 5000)})).highest < 2


def test_a_flood_of_unknown_values_is_found_and_a_few_are_not() -> None:
    counted = {"source": np.full(60, 50.0)}
    some, flood = np.full(60, 3.0), np.full(60, 3.0)
    flood[50:] = 25
    reference = {"source": (30, 1500)}
    assert combine(new_category_streams({"source": some}, counted, reference)).highest < 2
    found = combine(new_category_streams({"source": flood}, counted, reference))
    assert found.since in ("run 50", "run 51")


def test_a_tolerance_beyond_a_bet_leaves_nothing_to_bet_on() -> None:
    p, y = np.full(50, 0.2), np.zeros(50)
    found = conversion_streams(p, y, np.zeros(50, np.int64), 1, tolerance=1.0, base_rate=0.2)
    for one in found:
        if one.kind in ("fewer_conversions", "more_conversions"):
            assert one.log_factor.tolist() == [0.0]
