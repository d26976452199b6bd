"""The scorer alone on real tables made by a few lines here; the whole road on them is tested elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss, roc_auc_score

from mqlml.model import LeadScorer

WRITTEN_AFTERWARDS = (
    "Tags",
    "Lead Quality",
    "Lead Profile",
    "Last Activity",
    "Last Notable Activity",
    "Asymmetrique Activity Index",
    "Asymmetrique Profile Index",
    "Asymmetrique Activity Score",
    "Asymmetrique Profile Score",
)


def test_xeducation_without_the_columns_written_afterwards(real_data: Path) -> None:
    leads = pd.read_csv(real_data / "xeducation" / "Leads.csv", na_values=["Select"]).sort_values(
        "Lead Number"
    )
    label = leads["Converted"].to_numpy()
    table = leads.drop(columns=["Prospect ID", "Lead Number", "Converted", *WRITTEN_AFTERWARDS])
    cut = round(0.7 * len(leads))
    scorer = LeadScorer().fit(table.iloc[:cut], label[:cut])
    assert roc_auc_score(label[cut:], scorer.decision_function(table.iloc[cut:])) >= 0.88
    assert scorer.encoder_.kinds_.count("unused") >= 5


def test_olist_at_first_contact(real_data: Path) -> None:
    horizon, observed_until = pd.Timedelta(60, "D"), pd.Timestamp("2018-11-14")
    leads = pd.read_csv(
        real_data / "olist" / "olist_marketing_qualified_leads_dataset.csv",
        parse_dates=["first_contact_date"],
    )
    deals = pd.read_csv(real_data / "olist" / "olist_closed_deals_dataset.csv", parse_dates=["won_date"])
    leads = leads.merge(deals[["mql_id", "won_date"]], how="left", on="mql_id")
    contact = leads["first_contact_date"]
    open_and_mature = ~(leads["won_date"] < contact) & (contact + horizon <= observed_until)
    leads, contact = leads[open_and_mature], contact[open_and_mature]
    label = (leads["won_date"] - contact < horizon).to_numpy().astype(int)
    start = contact.quantile(0.7)
    train, test = (contact + horizon <= start).to_numpy(), (contact >= start).to_numpy()
    table = leads[["origin", "landing_page_id"]]
    chance = LeadScorer().fit(table[train], label[train]).predict_proba(table[test])[:, 1]
    assert roc_auc_score(label[test], chance) >= 0.65
    known = np.full(test.sum(), label[train].mean())
    assert brier_score_loss(label[test], chance) < brier_score_loss(label[test], known)
