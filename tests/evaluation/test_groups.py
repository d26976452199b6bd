"""Groups of alike features: twins meet, strangers do not, and missing is a value."""

from __future__ import annotations

import numpy as np
import pytest

from mqlml.evaluation.importance import group_alike

RNG = np.random.default_rng(0)
N = 2000


def group(**columns: np.ndarray) -> list[set[str]]:
    matrix = np.column_stack(list(columns.values()))
    return [set(found) for found in group_alike(matrix, list(columns), random_state=0)]


def test_what_says_the_same_is_one_group_whatever_the_scale_and_sign() -> None:
    x, other = RNG.normal(size=(2, N))
    assert group(a=x, stranger=other, b=np.exp(3 * x), c=-x, constant=np.ones(N)) == [{"a", "b", "c"}]


def test_missing_together_is_alike() -> None:
    gone = RNG.random(N) < 0.9
    a, b = (np.where(gone, np.nan, RNG.normal(size=N)) for _ in range(2))
    assert group(a=a, b=b, c=RNG.normal(size=N)) == [{"a", "b"}]


def correlated(rho: float) -> tuple[np.ndarray, np.ndarray]:
    x, noise = np.random.default_rng(3).normal(size=(2, 50_000))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


@pytest.mark.parametrize(("rho", "alike"), [(0.8, True), (0.6, False)])
def test_the_cut_is_at_a_rank_correlation_of_seven_tenths(rho: float, alike: bool) -> None:
    x, y = correlated(rho)
    assert group(x=x, y=y) == ([{"x", "y"}] if alike else [])


def test_a_chain_is_cut_where_its_ends_are_strangers() -> None:
    """By average linkage the third joins the first two only if it is like both on average."""
    x, noise = np.random.default_rng(4).normal(size=(2, 20_000))
    ends = {"a": x, "b": x + 0.55 * noise, "c": x + 3 * noise}
    assert group(**ends) == [{"a", "b"}]


def test_nothing_varies_or_nothing_is_alike() -> None:
    assert group(a=np.zeros(5), b=np.zeros(5)) == []
    assert group(a=RNG.normal(size=N)) == []
