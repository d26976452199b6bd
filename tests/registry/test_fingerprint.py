"""The fingerprint tells data apart by its values, not by the order of its rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mqlml.registry import find_git_commit, fingerprint_tables

TABLE = pd.DataFrame(
    {"lead_id": [1, 2, 3], "action": pd.Categorical(["a", "b", "a"]), "value": [0.5, None, 2.0]}
)


def test_order_does_not_matter_and_values_do() -> None:
    first = fingerprint_tables({"events": TABLE})
    assert first["tables"]["events"]["rows"] == 3
    assert fingerprint_tables({"events": TABLE.iloc[::-1]}) == first
    assert fingerprint_tables({"events": TABLE.assign(value=[0.5, None, 2.1])})["sha256"] != first["sha256"]
    assert (
        fingerprint_tables({"events": TABLE.rename(columns={"value": "worth"})})["sha256"] != first["sha256"]
    )
    assert fingerprint_tables({"acts": TABLE})["sha256"] != first["sha256"]
    assert fingerprint_tables({"events": pd.concat([TABLE, TABLE.iloc[:1]])})["sha256"] != first["sha256"]


def test_a_folder_outside_any_repository_has_no_commit(tmp_path: Path) -> None:
    assert find_git_commit(tmp_path) is None
    assert find_git_commit(tmp_path / "absent") is None
