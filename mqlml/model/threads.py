"""Threads: a number goes in; while the block runs, OpenMP and BLAS use no more than that."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["limit_threads"]


@contextmanager
def limit_threads(number: int) -> Iterator[None]:
    """Keep to ``number`` threads inside the block."""
    with _controller().limit(limits=number):
        yield


@cache
def _controller() -> ThreadpoolController:
    """The libraries that are loaded, looked for once.

    The search calls Python back from C, where a Ctrl-C would be lost; so one that comes meanwhile is kept for later.
    """
    if threading.current_thread() is not threading.main_thread():
        return ThreadpoolController()
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        found = ThreadpoolController()
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
    return found
