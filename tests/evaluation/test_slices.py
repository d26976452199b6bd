"""Slices: what fails in one is named, what fails in all or by chance is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom

from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.slices import Fault, Slice, _holm, _Test, _test_level, evaluate_slices, warn_of_slices


def world(seed: int, *, fault: str = "", n: int = 3000) -> dict[str, Any]:
    """Leads in accounts that share some luck; 32 slices of four columns; the probability is the true one, but for
    one ``fault`` in the slice ``v0: a``, or in all."""
    rng = np.random.default_rng(seed)
    account = rng.integers(0, n // 3, n)
    columns = {
        f"v{number}": rng.choice(list("abcdefgh"), n, p=np.arange(8, 0, -1) / 36).astype(object)
        for number in range(4)
    }
    seen = -2.0 + 0.9 * rng.normal(size=n)
    odds = np.where(columns["v0"] == "a", {"calibration": seen + 0.9, "ranking": -2.0}.get(fault, seen), seen)
    odds = odds - (0.9 if fault == "everywhere" else 0.0)
    luck = 0.5 * rng.normal(size=n // 3)[account]
    y = (rng.random(n) < expit(odds + luck)).astype(int)
    return {
        "slices": columns,
        "y": y,
        "probability": expit(0.96 * seen),
        "raw": seen,
        "base_rate": float(y.mean()),
        "clusters": account,
        "random_state": 0,
    }


def failing(seed: int, fault: str = "", n: int = 3000) -> dict[tuple[str, str], tuple[str, ...]]:
    found = evaluate_slices(**world(seed, fault=fault, n=n))
    return {(one.column, one.value): one.fails for one in found if one.fails}


def test_a_healthy_model_rarely_warns() -> None:
    """At most one world in twenty should; more worlds: ``benchmarks/trust.py``."""
    assert sum(bool(failing(seed)) for seed in range(6)) <= 1


def test_a_fault_that_all_slices_share_is_none_of_theirs() -> None:
    assert sum(bool(failing(seed, "everywhere")) for seed in range(3)) == 0


@pytest.mark.parametrize(
    ("fault", "says", "n"),
    [("calibration", "underpredicts", 3000), ("ranking", "hardly_ranks", 9000)],
    ids=["calibration", "ranking"],
)
def test_what_fails_in_one_slice_is_named(fault: str, says: Fault, n: int) -> None:
    for seed in range(2):
        assert says in failing(seed, fault, n)[("v0", "a")]


def test_a_slice_by_hand() -> None:
    given = world(0)
    found = evaluate_slices(**given)
    rows = given["slices"]["v1"] == "b"
    one = next(one for one in found if (one.column, one.value) == ("v1", "b"))
    y, chance = given["y"][rows], given["probability"][rows]
    assert (one.n, one.positives) == (rows.sum(), y.sum())
    assert one.rate == pytest.approx(y.mean())
    assert one.predicted == pytest.approx(chance.mean())
    assert one.overprediction.value == pytest.approx(chance.mean() - y.mean())
    base = np.where(y, -np.log(given["base_rate"]), -np.log1p(-given["base_rate"]))
    assert one.gain.value == pytest.approx(np.mean(base + np.where(y, np.log(chance), np.log1p(-chance))))
    for estimate in (one.overprediction, one.gain, one.roc_auc):
        assert estimate is not None
        assert estimate.low < estimate.value < estimate.high
    wins, rest = given["raw"][rows][y == 1], given["raw"][rows][y == 0]
    assert one.roc_auc is not None
    assert one.roc_auc.value == pytest.approx((wins[:, None] > rest).mean())


def test_small_slices_are_left_out_and_those_with_few_conversions_are_not_ranked() -> None:
    given = world(1)
    name = np.array(["many"] * 2900 + ["fifty"] * 51 + ["few"] * 49, dtype=object)
    found = evaluate_slices(**{**given, "slices": {"size": name}})
    assert [one.value for one in found] == ["many", "fifty"]
    assert found[1].roc_auc is None
    assert found[1].fails == ()


@pytest.mark.parametrize(("seen", "rate"), [(31, 0.15), (2, 0.15), (15, 0.15), (195, 0.9), (165, 0.9)])
def test_the_poisson_test_is_more_cautious_than_the_exact_one(seen: int, rate: float) -> None:
    n = 200
    target = np.arange(n) < seen
    test = _test_level(0, target.astype(float), np.full(n, rate), 1.0)
    assert test is not None
    exact = min(1.0, 2 * min(binom.cdf(seen, n, rate), binom.sf(seen - 1, n, rate)))
    assert exact <= test.p <= 1
    wider = _test_level(0, target.astype(float), np.full(n, rate), 1.5)
    assert wider is not None
    assert wider.p >= test.p
    assert test.fault == ("underpredicts" if seen > rate * n else "overpredicts")


def test_what_is_sure_but_small_does_not_matter() -> None:
    n = 100_000
    sure = _test_level(0, (np.arange(n) < 11_000).astype(float), np.full(n, 0.1), 1.0)
    assert sure is not None
    assert sure.p < 1e-9
    assert not sure.matters
    assert _holm([sure]) == []
    assert _test_level(0, np.zeros(60), np.full(60, 0.1), 1.0) is None, "six are expected"


def test_holm_steps_down() -> None:
    tests = [
        _Test(place, "hardly_ranks", p, matters=True) for place, p in enumerate((0.016, 0.04, 0.03, 0.001))
    ]
    assert [test.slice for test in _holm(tests)] == [0, 3]  # 0.001 to 0.0125, 0.016 to 0.0167, 0.03 to 0.025
    assert (
        _holm([_Test(0, "hardly_ranks", 0.03, matters=True), _Test(1, "hardly_ranks", 0.06, matters=True)])
        == []
    )


def made(value: str, n: int, *fails: Fault) -> Slice:
    half = Estimate(0.55, 0.5, 0.6)
    return Slice("Country", value, n, 10, 0.05, 0.1, half, half, half, fails)


def test_warnings_are_sentences_the_largest_slice_first() -> None:
    said = warn_of_slices([made("FR", 80, "hardly_ranks"), made("DE", 1000, "overpredicts"), made("US", 5)])
    assert said == (
        "Country: DE: the model predicts too much. It predicts 10.0%, and 5.0% of 1,000 snapshots converted; over "
        "all leads together it is less far off.",
        "Country: FR: the model hardly ranks these leads (80 snapshots), ROC AUC 0.55, and 0.5 is chance.",
    )
    many = warn_of_slices([made(str(n), n, "hardly_ranks") for n in range(60, 70)])
    assert len(many) == 6
    assert many[-1] == ("In 5 more groups of leads predictions or ranking fail, too; see the slices.")
