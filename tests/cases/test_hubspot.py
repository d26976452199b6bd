"""As a new user would: one contacts export with HubSpot's headers and one activities export, to labels."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.bad_input.front_door import run
from tests.cases.hubspot import write_exports

STAGE_DATES = (
    "Became a Marketing Qualified Lead Date",
    "Became an Opportunity Date",
    "Became a Customer Date",
)


def test_two_exports_become_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_exports(tmp_path, contacts=1500)
    monkeypatch.chdir(tmp_path)
    code, out, err = run(["check", "--json"], capsys)
    assert (code, err) == (0, "")
    check = json.loads(out)
    assert check["tables"]["outcomes"] == {"rows": 1500, "quarantined": 0}
    assert [(notice["kind"], notice["column"]) for notice in check["notices"]] == [("spellings", "action")]
    refused = {leak["column"] for leak in check["leaks"] if leak["action"] == "refused"}
    assert refused == {"Lifecycle Stage", *STAGE_DATES}
    code, out, err = run(["train", "--json"], capsys)
    assert code == 0, err
    trained = json.loads(out)
    assert trained["data"]["notices"] == check["notices"]
    # Only the demo request and the source tell winners; what sales wrote would tell nearly all.
    assert 0.6 < trained["holdout"]["roc_auc"]["value"] < 0.85
    code, out, err = run(["score", "--as-of", "2025-12-27", "--out", "scores.csv", "--json"], capsys)
    assert code == 0, err
    scores = pd.read_csv("scores.csv", dtype="str")
    assert {"mql", "sql"} <= set(scores["label"])
    contacts = pd.read_csv("contacts.csv", dtype="str", encoding="utf-8-sig")
    assert scores["lead_id"].isin(contacts["Record ID"]).all()
    code, out, err = run(["report", "--out", "report.html"], capsys)
    assert code == 0, err
    assert "Joined spellings that differ only in case or spacing in events.action" in Path(
        "report.html"
    ).read_text(encoding="utf-8")
