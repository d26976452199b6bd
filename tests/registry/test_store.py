from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from mqlml.errors import TrackingError
from mqlml.registry.store import locked, make_store

ROOT = Path(__file__).resolve().parents[2]
WAIT = """
import sys
from filelock import FileLock, Timeout
try:
    FileLock(sys.argv[1]).acquire(timeout=0.1)
except Timeout:
    sys.exit(7)
"""
HOLD = """
import os, sys
from pathlib import Path
from mqlml.registry.store import locked, make_store
with locked(make_store("sqlite:///mlflow.db", folder=Path(sys.argv[1]))):
    os._exit(9)
"""


def _run(code: str, path: Path) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code, str(path)], env=environment, check=False).returncode


def test_a_store_in_use_keeps_other_processes_waiting(tmp_path: Path) -> None:
    lock = tmp_path / "mlflow.db.lock"
    with locked(make_store("sqlite:///mlflow.db", folder=tmp_path)):
        assert _run(WAIT, lock) == 7
    assert _run(WAIT, lock) == 0


def test_a_store_is_free_again_after_its_process_died(tmp_path: Path) -> None:
    assert _run(HOLD, tmp_path) == 9
    assert _run(WAIT, tmp_path / "mlflow.db.lock") == 0


def test_waiting_for_the_lock_is_told_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mqlml.registry.store._WAIT", 0.1)
    store = make_store("sqlite:///mlflow.db", folder=tmp_path, lock_timeout=0.3)
    notes: list[str] = []
    with (
        FileLock(tmp_path / "mlflow.db.lock"),
        pytest.raises(TrackingError, match=r"has been writing to sqlite:.* for 0\.3 s; wait for it"),
        locked(store, say=notes.append),
    ):
        raise AssertionError("it is locked")
    assert notes == [f"waiting up to 0.3 s for another mqlml that writes to sqlite:///{tmp_path}/mlflow.db"]
    with locked(store, say=notes.append):
        assert len(notes) == 1


def test_a_server_needs_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with locked(make_store("http://host:5000", folder=tmp_path)):
        assert list(tmp_path.iterdir()) == []
