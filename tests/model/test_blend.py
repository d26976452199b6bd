"""The blend: each part gets the weight that later leads bear out, and none where nobody could know."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from mqlml.model import Blend, choose_blend
from mqlml.types import Floats


def world(n: int, *, trees: float, linear: float, seed: int = 0) -> tuple[Floats, Floats, Floats, Floats]:
    """A constant prior, the log-odds of two unrelated parts, and outcomes that follow them by these weights."""
    rng = np.random.default_rng(seed)
    prior = np.full(n, -1.5)
    parts = prior + rng.normal(size=(2, n))
    truth = prior + trees * (parts[0] - prior) + linear * (parts[1] - prior)
    return prior, parts[0], parts[1], (rng.random(n) < expit(truth)).astype(np.float64)


@pytest.mark.parametrize(
    ("trees", "linear"), [(1.0, 0.0), (0.0, 1.0), (0.6, 0.4), (0.3, 0.0), (0.0, 0.0)], ids=str
)
def test_many_outcomes_find_the_weights(trees: float, linear: float) -> None:
    prior, first, second, y = world(20_000, trees=trees, linear=linear)
    found = choose_blend(prior, first, second, y, group=np.arange(20_000), learned=np.full(20_000, 1e6))
    weights = found.weights(1e6)
    assert weights["tree_weight"] == pytest.approx(trees, abs=0.06)
    assert weights["linear_weight"] == pytest.approx(linear, abs=0.06)
    assert found.blend_loss <= min(found.base_rate_loss, found.tree_loss, found.linear_loss) + 1e-4


def test_few_outcomes_leave_about_half_and_half() -> None:
    prior, first, second, y = world(12, trees=0.5, linear=0.5, seed=1)
    found = choose_blend(prior, first, second, y, group=np.arange(12), learned=np.full(12, 30))
    assert 0.25 < found.tree_weight < 0.75
    assert 0.25 < found.linear_weight < 0.75


def test_a_part_that_points_the_wrong_way_is_left_out() -> None:
    prior, first, second, y = world(5_000, trees=1.0, linear=-1.0)
    assert (
        choose_blend(
            prior, first, second, y, group=np.arange(5_000), learned=np.full(5_000, 500)
        ).linear_weight
        == 0.0
    )


def test_looks_at_one_lead_count_as_one_lead() -> None:
    """Twenty copies of each row with its group are the row itself, not twenty times the evidence."""
    prior, first, second, y = world(60, trees=0.0, linear=1.0, seed=2)
    once = choose_blend(prior, first, second, y, group=np.arange(60), learned=np.full(60, 20))
    many = choose_blend(
        *(np.repeat(x, 20) for x in (prior, first, second, y)),
        group=np.repeat(np.arange(60), 20),
        learned=np.full(1200, 20),
    )
    assert many.tree_weight == once.tree_weight
    assert many.linear_weight == once.linear_weight


def test_a_level_that_is_off_does_not_move_the_weights() -> None:
    prior, first, second, y = world(20_000, trees=0.6, linear=0.4)
    found = choose_blend(
        prior + 1, first + 1, second + 1, y, group=np.arange(20_000), learned=np.full(20_000, 1e6)
    )
    assert found.weights(1e6)["tree_weight"] == pytest.approx(0.6, abs=0.06)
    assert found.shift == pytest.approx(-1.0, abs=0.1)


def test_the_mix_by_hand() -> None:
    blend = Blend(0.5, 0.25, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    parts = np.array([-2.0, -2.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0])
    # The first model learned from 40 conversions, so that half of what it says is optimism.
    assert blend.mix(*parts, learned=np.array([40.0, np.inf])) == pytest.approx([-1.0, 0.0])
    assert blend.weights(40) == {"tree_weight": 0.25, "linear_weight": 0.125}
    assert blend.weights(10) == {"tree_weight": 0.0, "linear_weight": 0.0}


def test_the_optimism_of_few_conversions_does_not_hold_back_many() -> None:
    """Models of 200, 400 and 800 conversions say 1 / (1 − 80/n) times too much, so one of 1,600 says 1/0.95 times."""
    learned = np.repeat([200.0, 400.0, 800.0], 20_000)
    prior, trees, linear, y = world(60_000, trees=0.5, linear=0.5)
    said = [prior + (part - prior) / (1 - 80 / learned) for part in (trees, linear)]
    found = choose_blend(prior, *said, y, group=np.arange(60_000), learned=learned)
    assert found.optimism == pytest.approx(80, abs=25)
    assert sum(found.weights(1_600).values()) == pytest.approx(0.95, abs=0.05)
