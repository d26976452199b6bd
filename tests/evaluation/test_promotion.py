"""The promotion rule: its e-process keeps its word at any time, and each condition is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.config import PromotionRule
from mqlml.errors import ScorerError
from mqlml.evaluation.paired import PairedRows, Side
from mqlml.evaluation.promotion import (
    NO_EVIDENCE,
    RATES,
    Evidence,
    decide_promotion,
    first_of_each,
    make_evidence,
    measure_stake,
)
from mqlml.types import Floats

GOOD = Evidence(2000, 900, 60, for_challenger=25.0, for_champion=1.0, open_leads=400, changed=20)
shares = st.floats(0.01, 0.99)


def draw_leads(rng: np.random.Generator, n: int, champion: float, challenger: float) -> tuple[Floats, ...]:
    """Leads whose log-odds both versions know up to noise of these standard deviations, and their outcomes."""
    truth = rng.normal(-2.5, 1.0, n)
    noisy = [truth + spread * rng.standard_normal(n) for spread in (champion, challenger)]
    p, q = (1 / (1 + np.exp(-values)) for values in noisy)
    return p, q, (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(np.float64)


def test_the_stake_of_two_leads_by_hand() -> None:
    # Squared errors 0.04 and 0.01, then 0.36 and 0.49: the differences are 0.03 and -0.13.
    stake = measure_stake([0.2, 0.4], [0.1, 0.3], [0, 1])
    # What the second lead may cost at most is 0.13, the first 0.17 (if it had converted): rates from 5.66 on are out.
    rates = [rate for rate in RATES if rate * 0.17 < 1]
    assert max(rates) == pytest.approx(5.657, abs=0.001)
    first = sum(1 + rate * 0.03 for rate in rates) / len(RATES)
    second = sum((1 + rate * 0.03) * (1 - rate * 0.13) for rate in rates) / len(RATES)
    assert stake == pytest.approx([first, second])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=12))
def test_the_expected_stake_is_at_most_one_if_both_are_equally_good(
    pairs: list[tuple[float, float]],
) -> None:
    """Exactly, over all outcomes of leads whose true probability is midway between the two."""
    p, q = np.array(pairs).T
    chance = (p + q) / 2
    n = min(len(p), 8)
    p, q, chance = p[:n], q[:n], chance[:n]
    expected = 0.0
    for code in range(2**n):
        y = (code >> np.arange(n)) & 1
        probability = np.prod(np.where(y == 1, chance, 1 - chance))
        expected += probability * measure_stake(p, q, y)[-1]
    assert expected <= 1 + 1e-9


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(shares, shares, st.booleans()), min_size=1, max_size=40))
def test_a_stake_is_never_negative_and_only_the_past_counts(rows: list[tuple[float, float, bool]]) -> None:
    p, q, y = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    stake = measure_stake(p, q, y)
    assert (stake >= 0).all()
    half = len(rows) // 2
    assert measure_stake(p[:half], q[:half], y[:half]) == pytest.approx(stake[:half])


def test_without_a_difference_at_most_alpha_of_the_runs_ever_reach_the_bound() -> None:
    """With a look after every lead; the challenger is equally noisy, then noisier."""
    rng, runs, alpha = np.random.default_rng(1), 400, 0.05
    for noise in (0.5, 0.7):
        reached = sum(
            measure_stake(*draw_leads(rng, 1500, 0.5, noise)).max() >= 1 / alpha for _ in range(runs)
        )
        # The one-sided 99.9% limit of a binomial with 400 runs and 5% is 34.
        assert reached <= 34


def test_a_better_challenger_is_found_and_the_sooner_the_more_leads_there_are() -> None:
    rng = np.random.default_rng(2)
    found = [
        sum(measure_stake(*draw_leads(rng, n, 1.0, 0.2)).max() >= 20 for _ in range(40)) for n in (300, 3000)
    ]
    assert found[0] < found[1]
    assert found[1] >= 36


def test_a_rate_that_could_lose_everything_is_given_up_before_the_outcome() -> None:
    """A certain error that would cost the whole stake at the highest rates does not make it negative or zero."""
    many = measure_stake(np.full(50, 0.5), np.full(50, 0.4), np.zeros(50))
    worst = measure_stake([0.01], [0.99], [0])
    assert 0 < worst[0] < 1
    assert many[-1] > 20


def test_arrays_must_fit() -> None:
    with pytest.raises(ScorerError, match=r"found shapes \(2,\), \(1,\) and \(2,\)"):
        measure_stake([0.1, 0.2], [0.1], [0, 1])


def test_only_the_first_snapshot_of_each_account_counts() -> None:
    assert first_of_each([7, 3, 7, 3, 9]).tolist() == [0, 1, 4]
    p, q, y = np.array([0.2, 0.4, 0.9]), np.array([0.1, 0.3, 0.1]), np.array([0.0, 1.0, 0.0])
    sides = Side(p, {}, {}), Side(q, {}, {})
    found = make_evidence(PairedRows(y, np.array([1, 2, 1]), *sides, slices={}, base_rate=0.1, rules={}))
    assert (found.snapshots, found.accounts, found.conversions) == (3, 2, 1)
    assert found.for_challenger == pytest.approx(max(1.0, measure_stake(p[:2], q[:2], y[:2]).max()))


def test_nothing_to_compare_is_evidence_of_nothing() -> None:
    assert (NO_EVIDENCE.for_challenger, NO_EVIDENCE.for_champion, NO_EVIDENCE.changed_share) == (
        1.0,
        1.0,
        0.0,
    )
    decision = decide_promotion(NO_EVIDENCE, PromotionRule())
    assert [reason.kind for reason in decision.reasons] == ["nothing_to_compare"]


@pytest.mark.parametrize(
    ("change", "rule", "kinds"),
    [
        ({}, {}, []),
        ({"for_challenger": 20.0}, {}, []),
        ({"for_challenger": 19.9}, {}, ["not_shown_better"]),
        ({}, {"alpha": 0.01}, ["not_shown_better"]),
        ({"for_challenger": 1.0, "for_champion": 20.0}, {}, ["shown_worse"]),
        ({"conversions": 20}, {}, []),
        ({"conversions": 19}, {}, ["few_conversions"]),
        ({}, {"max_changed": 0.05}, []),
        ({"changed": 21}, {"max_changed": 0.05}, ["changes_labels"]),
        (
            {"conversions": 3, "for_challenger": 2.0, "changed": 400},
            {"max_changed": 0.5},
            ["few_conversions", "not_shown_better", "changes_labels"],
        ),
    ],
)
def test_each_condition_is_needed(change: dict[str, float], rule: dict[str, float], kinds: list[str]) -> None:
    decision = decide_promotion(replace(GOOD, **change), PromotionRule(**rule))
    assert [reason.kind for reason in decision.reasons] == kinds
    assert decision.promote is (not kinds)


def test_a_rate_that_was_given_up_does_not_come_back() -> None:
    """Else a lead on which the challenger loses much would cost nothing, and only easy ones would count."""
    p, q, y = np.array([0.01, *[0.5] * 50]), np.array([0.99, *[0.4] * 50]), np.zeros(51)
    lost = 0.99**2 - 0.01**2
    kept = [rate for rate in RATES if rate * lost < 1]
    by_hand = sum((1 - rate * lost) * (1 + rate * 0.09) ** 50 for rate in kept) / len(RATES)
    assert measure_stake(p, q, y)[-1] == pytest.approx(by_hand)


def test_no_version_is_promoted_while_signals_are_gone_from_the_data() -> None:
    assert decide_promotion(GOOD, PromotionRule()).promote
    found = decide_promotion(GOOD, PromotionRule(), gone=("Visits", "Demos"))
    assert (found.promote, [reason.kind for reason in found.reasons]) == (False, ["damaged_data"])
    assert found.reasons[0].text == (
        "the data is damaged: hardly any lead has these signals any more: Visits; Demos. Fix the data and train again"
    )
    many = decide_promotion(GOOD, PromotionRule(), gone=tuple("abcde"))
    assert "any more: a; b; c and 2 more. Fix" in many.reasons[0].text
