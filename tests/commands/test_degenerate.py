"""Degenerate journeys, the whole of training through: a version, or a reasoned refusal, and never a traceback."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.commands.learn import Trained, train
from mqlml.config import Config, make_config
from mqlml.errors import GateRefused
from mqlml.journeys import Journeys
from mqlml.simulate import simulate

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def config(**keys: Any) -> Config:
    values: dict[str, Any] = {
        "name": "degenerate",
        "data": {"observed_until": "2025-06-24", "leads": {"path": "l"}, "outcomes": {"path": "o"}},
        "problem": {"horizon": "60d", "snapshots": {"ages": ["7d"]}},
        "windows": ["30d", "all"],
        **keys,
    }
    return make_config(values, folder=Path(), where="test")


@pytest.fixture(scope="module")
def world() -> Journeys:
    return simulate(2_500, random_state=5).journeys()


def check(trained: Trained) -> None:
    """A verdict with its figures, and probabilities that are some."""
    assert trained.gate.passed == (trained.bundle is not None)
    assert trained.gate.passed or trained.gate.reasons
    assert np.isfinite(trained.result.holdout.log_loss.value)


def test_odd_columns_a_dead_period_and_a_word_of_tomorrow(world: Journeys) -> None:
    leads, outcomes = world.leads, world.outcomes
    late = leads["created_at"] >= pd.Timestamp("2025-02-01", tz="UTC")
    leads = leads.assign(
        constant="x",
        empty=np.nan,
        novelty=pd.Series(np.where(late, "new source", "old source"), index=leads.index, dtype="str"),
    )
    dead = outcomes["occurred_at"].between(
        pd.Timestamp("2024-08-01", tz="UTC"), pd.Timestamp("2024-10-15", tz="UTC")
    )
    kept = outcomes[~(dead & (outcomes["stage"] == "closed_won"))].reset_index(drop=True)
    check(train(config(gate={"min_positives": 20}), replace(world, leads=leads, outcomes=kept), now=NOW))


def test_one_account_with_half_the_leads(world: Journeys) -> None:
    giant = np.arange(len(world.leads)) % 2 == 0
    account = world.leads["account_id"].mask(giant, world.leads["account_id"].iloc[0])
    leads = world.leads.assign(account_id=account)
    check(train(config(gate={"min_positives": 20}), replace(world, leads=leads), now=NOW))


def test_thirty_conversions_end_in_a_verdict_where_the_user_allows_them() -> None:
    journeys = simulate(500, random_state=3).journeys()
    trained = train(config(gate={"min_positives": 10}), journeys, now=NOW)
    check(trained)
    assert trained.result.population.positives < 60
    with pytest.raises(GateRefused, match=r"conversions can be learned from .*50 are needed"):
        train(config(), journeys, now=NOW)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_any_signal_the_model_is_refused_or_costs_next_to_nothing(seed: int) -> None:
    journeys = simulate(700, random_state=seed, signal=0.0).journeys()
    trained = train(config(gate={"min_positives": 10}), journeys, now=NOW)
    check(trained)
    difference = trained.result.baselines["base_rate"].log_loss_difference
    assert not trained.gate.passed or difference.value < 0
    assert difference.value < 0.02
