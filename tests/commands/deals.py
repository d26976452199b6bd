"""A company that marks all contacts of an account as won with its one deal, as many CRMs do."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from mqlml.config import TERMINAL_STAGES
from mqlml.journeys import Journeys


def share_deals(journeys: Journeys) -> Journeys:
    """The journeys in which the first sale of an account closes its other open leads as won, too."""
    outcomes = journeys.outcomes.assign(stage=journeys.outcomes["stage"].astype("str"))
    leads = journeys.leads.set_index("lead_id")
    won = outcomes[outcomes["stage"] == "closed_won"]
    first = won.groupby(leads["account_id"].reindex(won["lead_id"]).to_numpy())["occurred_at"].min()
    deal = leads["account_id"].map(first)
    ends = outcomes[outcomes["stage"].isin(TERMINAL_STAGES)].groupby("lead_id")["occurred_at"].min()
    end = ends.reindex(leads.index)
    shared = deal[(leads["created_at"] < deal) & (end.isna() | (end > deal))]
    later = outcomes["recorded_at"] >= outcomes["lead_id"].map(shared)
    sales = pd.DataFrame(
        {
            "lead_id": shared.index,
            "stage": "closed_won",
            "occurred_at": shared.array,
            "recorded_at": shared.array,
            "amount": 1000.0,
            "reason": pd.Series([None] * len(shared), dtype="str"),
        }
    )
    whole = pd.concat([outcomes[~later], sales], ignore_index=True)
    whole = whole.sort_values(["occurred_at", "lead_id"], kind="stable", ignore_index=True)
    return replace(journeys, outcomes=whole.assign(stage=whole["stage"].astype("category")))
