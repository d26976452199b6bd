"""Accounts: bounds and cases by hand, worlds with a known dependence, and what is no evidence of one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from mqlml.evaluation.accounts import (
    AccountRows,
    evaluate_accounts,
    fit_dependence,
    join_probabilities,
)

CHANCES = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("chances", "independent"),
    [([0.3], 0.3), ([0.5, 0.2], 0.6), ([0.1, 0.2, 0.5], 1 - 0.9 * 0.8 * 0.5), ([0.01] * 3, 1 - 0.99**3)],
    ids=["one lead", "two", "three", "unlikely ones"],
)
def test_the_noisy_or_by_hand(chances: list[float], independent: float) -> None:
    unit = np.zeros(len(chances), np.intp)
    for dependence in (0.0, 0.25, 1.0):
        expected = (1 - dependence) * independent + dependence * max(chances)
        assert join_probabilities(np.array(chances), unit, dependence)[0] == pytest.approx(expected)


def test_accounts_are_joined_each_for_itself() -> None:
    chances, unit = np.array([0.5, 0.3, 0.2, 0.1, 0.4]), np.array([2, 0, 2, 1, 1])
    np.testing.assert_allclose(join_probabilities(chances, unit, 0.0), [0.3, 0.46, 0.6])


@given(CHANCES, st.floats(0, 1))
def test_an_account_lies_between_its_best_lead_and_the_sum(chances: list[float], dependence: float) -> None:
    values = np.array(chances)
    found = float(join_probabilities(values, np.zeros(len(values), np.intp), dependence)[0])
    assert max(chances) - 1e-12 <= found <= min(1.0, sum(chances)) + 1e-12


@given(CHANCES, st.floats(0, 0.9), st.floats(0.01, 0.1))
def test_more_dependence_never_makes_a_conversion_likelier(
    chances: list[float], dependence: float, more: float
) -> None:
    unit = np.zeros(len(chances), np.intp)
    less_dependent = join_probabilities(np.array(chances), unit, dependence)
    assert join_probabilities(np.array(chances), unit, dependence + more) <= less_dependent + 1e-12


def draw(rng: np.random.Generator, accounts: int, share: float, moment: int = 0) -> AccountRows:
    """Three leads an account; in a share of the accounts one draw decides for all of its leads."""
    account = np.repeat(np.arange(accounts), 3)
    chance = expit(rng.normal(-2, 0.7, len(account)))
    together = (rng.random(accounts) < share)[account]
    drawn = np.where(together, rng.random(accounts)[account], rng.random(len(account)))
    return AccountRows(chance, (drawn < chance).astype(np.int8), account, np.full_like(account, moment))


@pytest.mark.parametrize(("share", "low", "high"), [(0.5, 0.3, 0.7), (1.0, 0.85, 1.0)])
def test_the_dependence_is_found_and_calibrates_later_accounts(share: float, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    later = draw(rng, 3000, share, moment=1)
    past = draw(rng, 3000, share)
    found = evaluate_accounts([past.take(past.account < 900), past.take(past.account >= 900)], later, later)
    assert low <= found.dependence <= high
    assert (found.all.accounts, found.several.accounts) == (3000, 3000)
    assert found.learned_from == 6000, "each account once in the past and once later"
    assert found.several.predicted == pytest.approx(found.several.converted, rel=0.07)
    assert found.several.log_loss < found.several_independent.log_loss
    assert found.several_independent.predicted > 1.1 * found.several.converted


def test_independent_leads_show_no_dependence() -> None:
    rng = np.random.default_rng(3)
    found = [fit_dependence(draw(rng, 300, 0.0)) for _ in range(200)]
    # One in twenty is expected by chance; 20 of 200 would be three standard errors more.
    assert np.count_nonzero(found) < 20
    assert np.count_nonzero(found), "the test is one at 5%, not one that never finds anything"


def test_an_account_open_at_many_moments_is_no_more_evidence() -> None:
    rng = np.random.default_rng(5)
    unsure = []
    for _ in range(60):
        once = draw(rng, 200, 0.2)
        often = AccountRows(
            *(np.tile(column, 6) for column in (once.probability, once.label, once.account)),
            np.repeat(np.arange(6), len(once.label)),
        )
        assert fit_dependence(often) == pytest.approx(fit_dependence(once), abs=1e-3)
        unsure.append(fit_dependence(once) == 0)
    assert 5 < sum(unsure) < 55


def test_single_leads_and_few_accounts_tell_nothing() -> None:
    single = AccountRows(np.full(50, 0.3), np.ones(50, np.int8), np.arange(50), np.zeros(50, np.intp))
    assert fit_dependence(single) == 0
    few = AccountRows(np.full(4, 0.3), np.zeros(4, np.int8), np.array([0, 0, 1, 1]), np.zeros(4, np.intp))
    assert fit_dependence(few) == 0
    nobody = few.take(np.zeros(4, dtype=bool))
    found = evaluate_accounts([nobody], single, nobody)
    assert (found.several.accounts, found.learned_from, found.dependence) == (0, 0, 0)
    assert np.isnan(found.several.log_loss)
    assert (found.all.accounts, found.all.converted) == (50, 50)


def test_figures_by_hand_and_whatever_the_order() -> None:
    rows = AccountRows(
        np.array([0.5, 0.2, 0.3, 0.4, 0.4]),
        np.array([0, 1, 0, 1, 0], np.int8),
        np.array([7, 7, 9, 7, 9]),
        np.array([1, 1, 1, 2, 2]),
    )
    for order in (np.arange(5), np.array([4, 2, 0, 3, 1])):
        given_rows = rows.take(order)
        found = evaluate_accounts([given_rows], given_rows, given_rows)
        assert (found.all.accounts, found.all.converted) == (4, 2)
        assert found.all.predicted == pytest.approx(0.6 + 0.3 + 0.4 + 0.4)
        assert found.all.log_loss == pytest.approx(-np.log([0.6, 0.7, 0.4, 0.6]).mean())
        assert (found.several.accounts, found.several.converted) == (1, 1)


def test_very_many_likely_leads_are_a_certainty_and_no_error() -> None:
    account = np.repeat(np.arange(3), 200)
    label = (account < 2).astype(np.int8)
    rows = AccountRows(np.full(600, 0.6), label, account, np.zeros_like(account))
    assert 0 <= fit_dependence(rows) <= 1
    assert evaluate_accounts([rows], rows, rows).all.predicted <= 3
