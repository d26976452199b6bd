"""Sums over windows: amounts of sorted rows and window edges go in, exact totals, counts and means come out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mqlml.errors import ContractError
from mqlml.features.windows import LARGEST, UNIT, Walk
from mqlml.types import Codes, Floats, Ints, Mask

__all__ = ["count_ranks", "divide", "sum_in_windows", "whole_values"]


def count_ranks(rank: Codes, start: Ints, stop: Ints) -> Ints:
    """Different ranks among the rows ``start:stop``, where ranks never fall."""
    if len(rank) == 0:
        return np.zeros_like(start)
    first = rank[np.minimum(start, len(rank) - 1)]
    return np.where(stop > start, rank[stop - 1] - first + 1, 0)


def sum_in_windows(amount: Ints, start: Ints, stop: Ints) -> Ints:
    """Sum of the amounts of the rows ``start:stop``; the running total may wrap, its differences are exact."""
    total = np.zeros(len(amount) + 1, np.int64)
    np.cumsum(amount, out=total[1:])
    return total[stop] - total[start]


def divide(amount: npt.NDArray[np.number], number: Ints) -> Floats:
    """The amount for each of a number, NaN where there is none."""
    return np.where(number > 0, amount / np.maximum(number, 1), np.nan)


def whole_values(walk: Walk, value: Floats) -> tuple[Ints, Mask]:
    """Values in whole millionths, 0 where there is none, and where there is one.

    Raises
    ------
    ContractError
        If the values of a lead are too large to be added up exactly.
    """
    present = ~np.isnan(value)
    value = np.where(present, value, 0.0)
    if not np.abs(value).sum() < LARGEST:
        size = np.abs(value)
        each = np.add.reduceat(np.append(size, 0.0), np.minimum(walk.unit[:-1], len(size)))
        each[np.diff(walk.unit) == 0] = 0.0
        if not each.max() < LARGEST:
            raise ContractError(
                f"the values of one lead's events add up to {each.max():.3g}, above the {LARGEST:.1e} that can be "
                "summed exactly; give events.value in a larger unit, and no infinite ones"
            )
    return np.rint(value / UNIT).astype(np.int64), present
