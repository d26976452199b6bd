"""What ``benchmarks/registry_faults.py`` looks for after each kill is found where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.registry_faults import find_faults, make_company


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(100)])
def test_a_broken_store_is_a_fault(tmp_path: Path, content: bytes) -> None:
    store = make_company(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mlflow.db").write_bytes(content)
    assert find_faults(store)[0].startswith("the store cannot be read")
