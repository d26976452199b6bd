"""What a version was made from: tables and a folder go in, hashes of the data and the commit of the code come out.

The order of rows does not matter, a change of any value does; nothing of the data can be read back from a hash.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["find_git_commit", "fingerprint_tables"]


def fingerprint_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Row count, columns and SHA-256 of each table.

    Returns
    -------
    dict of table name to ``{"rows", "columns", "sha256"}``, and ``"sha256"`` of all of them together.
    """
    prints: dict[str, Any] = {}
    together = hashlib.sha256()
    for name, table in sorted(tables.items()):
        hashes = np.sort(pd.util.hash_pandas_object(table, index=False).to_numpy())
        digest = hashlib.sha256(" ".join(map(str, table.columns)).encode("utf-8"))
        digest.update(hashes.tobytes())
        prints[name] = {
            "rows": len(table),
            "columns": list(map(str, table.columns)),
            "sha256": digest.hexdigest(),
        }
        together.update(f"{name} {digest.hexdigest()}\n".encode())
    return {"tables": prints, "sha256": together.hexdigest()}


def find_git_commit(folder: Path) -> str | None:
    """The commit that is checked out where the config stands; None outside a repository, or without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
