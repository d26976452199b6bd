"""Compilation of the functions that loop over rows, by numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compiled at the first call, kept on disk for the next process; other threads may run meanwhile."""
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package's folder nor a home can be written to: nothing is kept
        return cast(Function, njit(nogil=True)(function))
