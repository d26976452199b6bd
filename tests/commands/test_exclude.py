"""Leads that a rule leaves out are neither trained on nor scored, whoever calls: Python or the command line."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.commands.learn import Trained, train
from mqlml.config import Config, Rules
from mqlml.journeys import FlatTable, Journeys, empty_quarantine
from mqlml.scoring import score, score_flat
from mqlml.simulate import simulate
from mqlml.training import build_table, open_leads
from tests.commands.test_degenerate import NOW, config

CUTOFF = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
JOURNEYS = simulate(800, random_state=2).journeys()
PLAIN = config(windows=["30d"], gate={"min_positives": 20})
OPEN = open_leads(JOURNEYS, CUTOFF, PLAIN.problem)["lead_id"].tolist()
OUT = [*OPEN[:5], *JOURNEYS.leads["lead_id"].iloc[:20].tolist()]


def without(leads: list[Any], plain: Config) -> Config:
    rules = Rules.model_validate({"exclude": [{"when": {"lead_id": {"in": leads}}, "reason": "staff"}]})
    return plain.model_copy(update={"rules": rules})


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A version that learned without `OUT`."""
    return train(without(OUT, PLAIN), JOURNEYS, now=NOW)


def scored(trained: Trained, journeys: Journeys, settings: Config) -> pd.DataFrame:
    assert trained.bundle is not None
    return score(trained.bundle, journeys, settings, as_of=CUTOFF, scored_at=CUTOFF)


def test_journeys_given_to_python_lose_them_for_the_table_the_version_and_the_scores(
    trained: Trained,
) -> None:
    ruled = without(OUT, PLAIN)
    assert not set(build_table(JOURNEYS, ruled).lead_id) & set(OUT)
    assert trained.result.population.waterfall[0].leads == len(JOURNEYS.leads) - len(OUT)
    assert [(notice.kind, notice.leads) for notice in trained.result.data.notices] == [("excluded", len(OUT))]
    assert sorted(scored(trained, JOURNEYS, PLAIN)["lead_id"]) == sorted(OPEN)
    assert sorted(scored(trained, JOURNEYS, ruled)["lead_id"]) == sorted(OPEN[5:])


def test_other_spellings_at_scoring_time_are_the_words_that_were_learned(trained: Trained) -> None:
    def probabilities(change: Any) -> list[float]:
        words = {
            column: JOURNEYS.events[column].astype("str").map(change, na_action="ignore").astype("category")
            for column in ("action", "channel")
        }
        journeys = replace(JOURNEYS, events=JOURNEYS.events.assign(**words))
        found: list[float] = scored(trained, journeys, PLAIN)["probability"].tolist()
        return found

    expected = probabilities(str)
    assert probabilities(lambda word: f" {word.upper()} ") == expected
    assert probabilities(lambda word: f"new {word}") != expected


def test_a_flat_table_loses_them_too() -> None:
    rng = np.random.default_rng(1)
    size = rng.normal(size=400)
    label = pd.Series((rng.random(400) < 1 / (1 + np.exp(-2 * size))).astype(float))
    label.iloc[380:] = np.nan
    table = FlatTable(
        leads=pd.DataFrame({"lead_id": np.arange(400), "size": size}),
        label=label,
        order=pd.Series(np.arange(400)),
        quarantine=empty_quarantine(),
        rows_read={"flat": 400},
    )
    flat = {"path": "f", "lead_id": "lead_id", "label": "won", "order": "day"}
    ruled = without([*range(10), *range(380, 385)], config(data={"flat": flat}, gate={"min_positives": 20}))
    assert min(build_table(table, ruled).lead_id) == 10
    bundle = train(ruled, table, now=NOW).bundle
    assert bundle is not None
    scores = score_flat(bundle, table, ruled, as_of=CUTOFF, scored_at=CUTOFF)
    assert sorted(scores["lead_id"]) == list(range(385, 400))
