"""Whatever the order of the rows of an export, table, model and scores are the same to the bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.commands.learn import train
from mqlml.journeys import Journeys
from mqlml.scoring import score
from mqlml.simulate import simulate
from mqlml.training import build_table
from tests.commands.test_learn import NOW, config

WORLD = simulate(900, random_state=4)


def by_day() -> Journeys:
    """Leads and accounts dated by day, so that many have snapshots at the same moment."""
    journeys = WORLD.journeys()
    leads = journeys.leads.assign(created_at=journeys.leads["created_at"].dt.floor("D"))
    return replace(journeys, leads=leads)


def shuffled(journeys: Journeys) -> Journeys:
    def shuffle(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
        order = np.random.default_rng(seed).permutation(len(rows))
        return rows.iloc[order].reset_index(drop=True)

    tables = {
        name: shuffle(getattr(journeys, name), seed)
        for seed, name in enumerate(("leads", "events", "outcomes"))
    }
    return replace(journeys, **tables)


@pytest.mark.parametrize("snapshots", [{"ages": ["0d", "30d"]}, {"every": "14d"}], ids=["ages", "grid"])
def test_shuffled_rows_change_nothing(snapshots: dict[str, Any]) -> None:
    asked = config(problem={"horizon": "60d", "snapshots": snapshots}, gate={"min_positives": 20})
    journeys = by_day()
    one, other = build_table(journeys, asked), build_table(shuffled(journeys), asked)
    pd.testing.assert_frame_equal(one.frame(), other.frame(), check_exact=True)
    np.testing.assert_array_equal(one.group, other.group)
    np.testing.assert_array_equal(one.lead, other.lead)
    first, second = (train(asked, data, now=NOW) for data in (journeys, shuffled(journeys)))
    assert first.result == second.result
    if first.bundle is not None:
        assert second.bundle is not None
        now = WORLD.observed_until
        scores = [
            score(found.bundle, data, asked, as_of=now, scored_at=now).sort_values(
                "lead_id", ignore_index=True
            )
            for found, data in ((first, journeys), (second, shuffled(journeys)))
            if found.bundle is not None
        ]
        pd.testing.assert_frame_equal(*scores, check_exact=True)
