"""Freed memory goes back to the system before a model is trained."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from mqlml.commands.check import return_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to")
def test_what_was_freed_is_given_back_though_a_later_block_is_kept() -> None:
    blocks = [bytearray(60_000) for _ in range(3_000)]
    kept = blocks[-1]
    del blocks
    before = _resident()
    return_memory()
    assert before - _resident() > 100e6
    assert len(kept) == 60_000


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
