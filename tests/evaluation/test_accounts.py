"""Accounts: bounds and cases by hand, worlds with a known dependence, and which snapshots stand for an account."""

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
    latest_rows,
)

CHANCES = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=6)


@given(CHANCES, st.floats(-1, 1))
def test_an_account_lies_between_the_bounds(chances: list[float], dependence: float) -> None:
    values = np.array(chances)
    found = float(join_probabilities(values, np.zeros(len(values), np.intp), dependence)[0])
    low, high = max(chances), min(1.0, sum(chances))
    assert low - 1e-12 <= found <= high + 1e-12
    if len(chances) == 1:
        assert found == pytest.approx(chances[0])


@given(CHANCES, st.floats(-1, 0.9), st.floats(0.01, 0.1))
def test_more_dependence_never_makes_a_conversion_likelier(
    chances: list[float], dependence: float, more: float
) -> None:
    unit = np.zeros(len(chances), np.intp)
    less_dependent = join_probabilities(np.array(chances), unit, dependence)
    assert join_probabilities(np.array(chances), unit, dependence + more) <= less_dependent + 1e-12


def draw(rng: np.random.Generator, accounts: int, shared: bool) -> AccountRows:
    """Three leads an account; one draw decides for all of an account, or one for each lead."""
    unit = np.repeat(np.arange(accounts), 3)
    chance = expit(rng.normal(-2, 0.7, len(unit)))
    drawn = rng.random(accounts)[unit] if shared else rng.random(len(unit))
    return AccountRows(chance, (drawn < chance).astype(np.int8), unit)


@pytest.mark.parametrize(("shared", "low", "high"), [(False, -0.15, 0.15), (True, 0.85, 1.0)])
def test_the_dependence_is_found_and_calibrates_later_accounts(shared: bool, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    later = draw(rng, 3000, shared)
    found = evaluate_accounts(draw(rng, 3000, shared), later, later)
    assert low <= found.dependence <= high
    assert (found.accounts, found.learned_from) == (3000, 6000)
    assert found.predicted == pytest.approx(found.converted, rel=0.06)
    assert found.log_loss <= found.log_loss_independent + 1e-3
    if shared:
        assert found.predicted_independent > 1.3 * found.converted


def test_leads_that_exclude_each_other_have_a_negative_dependence() -> None:
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(2000), 2)
    winner = rng.random(2000)
    label = np.stack([winner < 0.4, winner > 0.6], axis=1).ravel().astype(np.int8)
    assert fit_dependence(AccountRows(np.full(4000, 0.4), label, unit)) < -0.8


def test_single_leads_and_few_accounts_tell_next_to_nothing() -> None:
    single = AccountRows(np.full(50, 0.3), np.ones(50, np.int8), np.arange(50))
    assert fit_dependence(single) == 0
    few = AccountRows(np.full(4, 0.3), np.zeros(4, np.int8), np.array([0, 0, 1, 1]))
    assert 0 <= fit_dependence(few) < 0.3
    found = evaluate_accounts(single, single, single)
    assert (found.accounts, found.learned_from, found.dependence) == (0, 0, 0)
    assert np.isnan(found.log_loss)


def test_the_last_snapshot_of_each_lead_stands_for_it() -> None:
    time = np.array([0, 10, 20, 5, 90, 12, 100, 3])
    lead = np.array([1, 1, 1, 2, 2, 3, 3, 4])
    group = np.array([7, 7, 7, 7, 7, 7, 7, 9])
    period = np.array([0, 0, 1, 0, 1, 0, 1, 0])
    rows, unit = latest_rows(time, lead, group, period, span=60)
    units: dict[int, set[tuple[int, int]]] = {}
    for row, one in zip(rows.tolist(), unit.tolist(), strict=True):
        units.setdefault(one, set()).add((int(lead[row]), int(time[row])))
    assert sorted(map(sorted, units.values())) == [[(1, 10), (2, 5), (3, 12)], [(2, 90), (3, 100)], [(4, 3)]]
