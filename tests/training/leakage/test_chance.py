"""Chance: bounds against exact sums, silence in clean worlds however small, leaks found whatever they are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from mqlml.config import Profile
from mqlml.simulate import simulate
from mqlml.training import audit_journeys
from mqlml.training.leakage.columns import audit_columns
from mqlml.training.leakage.univariate import lower_auc, lower_share
from tests.features.worlds import make_config_of


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (20, 20), (299, 300)])
@pytest.mark.parametrize("error", [0.05, 1e-4])
def test_the_bound_of_a_share_is_where_so_many_hits_become_too_lucky(hits: int, n: int, error: float) -> None:
    low = lower_share(hits, n, error=error)
    if hits == 0:
        assert low == 0
    else:
        assert binom.sf(hits - 1, n, low) == pytest.approx(error, rel=1e-6)


def test_the_bound_of_an_auc_is_below_the_truth_as_often_as_promised() -> None:
    """Normal scores whose true AUC is known: Phi(distance / sqrt 2)."""
    rng = np.random.default_rng(0)
    truth, error, too_high = 0.921, 0.05, 0
    for _ in range(400):
        won, other = rng.normal(2.0, 1.0, 12), rng.normal(0.0, 1.0, 60)
        auc = float((won[:, None] > other).mean())
        too_high += lower_auc(auc, 12, 60, error=error) > truth
    assert too_high <= error * 400
    assert lower_auc(0.99, 2000, 5000, error=0.01) > 0.98, "and it closes in"


def clean_columns(n: int, rate: float, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Forty columns as leads have them, some honestly informative, none a leak."""
    label = (rng.random(n) < rate).astype(np.int8)
    columns: dict[str, pd.Series] = {}
    for k in range(5):
        several = np.where(rng.random(n) < np.where(label == 1, 0.6, 0.3), "yes", "")
        texts = {
            "few": rng.choice(list("abcdefghij"), n),
            "many": np.char.add("v", rng.integers(0, max(n // 3, 2), n).astype(str)),
            "two": rng.choice(["x", "y"], n),
            "informative gaps": np.where(several == "yes", "yes", None),
        }
        numbers = {
            "number": rng.normal(size=n),
            "mostly zero": np.where(rng.random(n) < 0.9, 0.0, rng.exponential(size=n)),
            "sparse": np.where(rng.random(n) < 0.1, rng.normal(size=n), np.nan),
            "an honest AUC of 0.8": label * 1.2 + rng.normal(size=n),
        }
        columns |= {f"{name} {k}": pd.Series(values, dtype="str") for name, values in texts.items()}
        columns |= {f"{name} {k}": pd.Series(values) for name, values in numbers.items()}
    return pd.DataFrame(columns), label


@pytest.mark.parametrize("n", [30, 100, 300])
def test_small_clean_worlds_are_not_suspected(n: int) -> None:
    """400 columns a size; 2,000 worlds of 40 columns, tried once, gave no false alarm either."""
    alarms = []
    for seed in range(10):
        rng = np.random.default_rng([n, seed])
        columns, label = clean_columns(n, (0.05, 0.3)[seed % 2], rng)
        alarms += audit_columns(columns, label, np.arange(n), Profile())
    assert alarms == []


def test_leaks_are_found_by_what_they_hold_whatever_they_are_called() -> None:
    world = simulate(4000, random_state=7, leaky_columns=True)
    neutral = {"lead_status": "a1", "owner": "a2", "last_activity_date": "a3", "closed_amount": "a4"}
    leads = world.leads.rename(columns={**neutral, "lost_reason": "a5"})
    journeys = replace(world.journeys(), leads=leads)
    config = make_config_of(problem={"horizon": "60d", "snapshots": {"ages": ["0d"]}})
    snapshots = leads[["lead_id"]].assign(cutoff_time=leads["created_at"])
    found = {finding.column: finding for finding in audit_journeys(journeys, snapshots, config)}
    checks = {
        column: {clue.check for clue in finding.evidence if clue.refuses} for column, finding in found.items()
    }
    assert checks["a1"] == checks["a2"] == {"univariate"}
    assert checks["a3"] == {"time"}
    assert checks["a4"] == {"missingness"}
    # A reason for losing could be a competitor's name, known beforehand: without a telling name it is told only.
    assert set(found) == {"a1", "a2", "a3", "a4", "a5"}
    assert (found["a5"].action, found["a5"].severity) == ("noted", "suspicious")


def test_simulated_leaks_are_all_refused_by_name_and_nothing_else_is() -> None:
    for seed in (1, 2):
        world = simulate(2000, random_state=seed, leaky_columns=True)
        config = make_config_of(problem={"horizon": "60d", "snapshots": {"ages": ["0d"]}})
        snapshots = world.leads[["lead_id"]].assign(cutoff_time=world.leads["created_at"])
        findings = audit_journeys(world.journeys(), snapshots, config)
        assert {finding.column for finding in findings} == {
            "lead_status",
            "owner",
            "last_activity_date",
            "closed_amount",
            "lost_reason",
        }
        assert {finding.action for finding in findings} == {"refused"}
