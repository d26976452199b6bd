"""What the other leads of an account did, where leads were merged: nothing learned after a cutoff moves a feature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mqlml.features import build_features, plan_features
from mqlml.journeys import Journeys
from mqlml.times import TIME_DTYPE
from mqlml.training.partitions import Shards, assign_partitions
from mqlml.training.snapshots import group_leads
from tests.features.worlds import make_config_of
from tests.journeys.files import read

PEOPLE = ("1,2024-01-01", "2,2024-01-02", "3,2024-01-03", "4,2024-01-03")
EVENTS = "lead_id,occurred_at,action\n1,2024-01-05,visit\n2,2024-01-06,demo\n3,2024-01-07,visit\n4,2024-01-08,demo\n"
MERGES = {"path": "merged.csv", "columns": {"from": "was", "into": "is", "at": "day"}}
ACCOUNTS = {
    "no account": ("", "", "", ""),
    "one has none": ("Acme", "", "Acme", "Globex"),
    "the other has none": ("", "Acme", "Acme", "Globex"),
    "two accounts": ("Acme", "Globex", "Acme", "Globex"),
    "one account": ("Acme", "Acme", "Acme", "Globex"),
}


def export(folder: Path, accounts: tuple[str, ...], merge: str | None) -> Journeys:
    """Four leads, of which two may have been merged."""
    folder.mkdir()
    rows = [f"{person},{account}" for person, account in zip(PEOPLE, accounts, strict=True)]
    files = {
        "leads.csv": "\n".join(["lead_id,created_at,account_id", *rows]),
        "events.csv": EVENTS,
        "merged.csv": f"was,is,day\n{merge}\n",
    }
    return read(folder, files, merges=merge and MERGES)


def colleagues(part: Journeys, whole: Journeys) -> pd.DataFrame:
    """The features of the other leads of the account on February 1st, for the leads of a part."""
    plan = plan_features(whole, make_config_of(features={"groups": {"account": True}}), before=None)
    times = pd.Series(pd.Timestamp("2024-02-01", tz="UTC"), index=part.leads.index, dtype=TIME_DTYPE)
    found = build_features(part, part.leads[["lead_id"]].assign(cutoff_time=times), plan)
    return found[[name for name in found if "colleagues" in name]]


@pytest.mark.parametrize("accounts", ACCOUNTS.values(), ids=ACCOUNTS)
def test_a_later_merge_makes_nobody_a_colleague(tmp_path: Path, accounts: tuple[str, ...]) -> None:
    apart = export(tmp_path / "apart", accounts, None)
    merged = export(tmp_path / "merged", accounts, "1,2,2024-03-01")
    assert len(merged.merged) == 1
    pd.testing.assert_frame_equal(colleagues(merged, merged), colleagues(apart, apart))


def test_two_accounts_whose_leads_were_merged_stay_on_one_side_and_in_one_partition(tmp_path: Path) -> None:
    journeys = export(tmp_path / "whole", ACCOUNTS["two accounts"], "1,2,2024-03-01")
    assert len(set(group_leads(journeys.leads))) == 1
    assert len(set(assign_partitions(journeys.leads, 64))) == 1
    assert journeys.merged.named_accounts(journeys.leads).tolist() == ["Acme", "Globex", "Acme", "Globex"]


def test_a_partition_gives_the_features_of_the_whole(tmp_path: Path) -> None:
    journeys = export(tmp_path / "whole", ("Globex", "", "Acme", "Acme"), "3,2,2024-03-01")
    want = colleagues(journeys, journeys)
    assert want["actions__colleagues__created"].tolist() == [0, 0, 1, 1]
    part = (journeys.leads["account_id"] == "Acme").to_numpy(np.int32)
    for number, own in ((0, [0]), (1, [1, 2, 3])):
        ids = journeys.leads["lead_id"][own]
        events = journeys.events[journeys.events["lead_id"].isin(ids)].reset_index(drop=True)
        found = colleagues(Shards(journeys, part, 2).take(number, events), journeys)
        pd.testing.assert_frame_equal(found, want.iloc[own].reset_index(drop=True))
