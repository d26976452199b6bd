"""What all tests share: where the real data is, and small journeys made by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is for the benchmarks to say; a busy machine is no fault of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("MQLML_REAL_DATA", ROOT / ".." / "shared" / "data")).resolve()
    if not (folder / "olist").is_dir():
        pytest.skip("needs the real data sets: set MQLML_REAL_DATA to their folder")
    return folder
