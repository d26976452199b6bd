"""The campaign of ``benchmarks/registry_faults.py``, bounded: `mqlml train` killed at random moments of its run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.registry_faults import find_faults, kill_at_random, make_company


def test_killed_trains_leave_a_store_that_works(tmp_path: Path) -> None:
    assert kill_at_random(tmp_path, kills=2, seed=1) == []
    store = make_company(tmp_path)
    assert store.artifacts is not None
    shutil.rmtree(store.artifacts / "models")
    assert find_faults(store), "what is looked for is found"


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(100)])
def test_a_broken_store_is_a_fault(tmp_path: Path, content: bytes) -> None:
    store = make_company(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mlflow.db").write_bytes(content)
    assert find_faults(store)[0].startswith("the store cannot be read")
