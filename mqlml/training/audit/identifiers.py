"""Identifiers: columns that tell nearly every lead from every other, and so say who it is, not what it is like."""

from __future__ import annotations

import math
import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.training.audit.alone import filled_rows
from mqlml.training.audit.findings import Clue

__all__ = ["check_identifier"]

_ENOUGH = 50
"""Fewer filled rows than this can all differ by chance."""

_OWN = 0.95
"""Share of filled rows with a value that no other row has, from which on a column of codes is an identifier."""

_COLLISIONS = 14.0
"""Numbers drawn at random from their own range would collide this often on average, and none at all once in a million
times (``exp(-14)``), however they were distributed; numbers that still all differ were given out one by one."""

_CODE = re.compile(r"(?!\d{4}-\d\d-\d\d)(?=.*\d)[0-9A-Za-z_:-]{4,}")
"""One word with a digit in it, no date: a code, not somebody's name, nor a mail address that can be parsed."""

_SOME = 2_000


def check_identifier(values: pd.Series) -> Clue | None:
    """Whether a column's values were given out one to a lead.

    Names, mail addresses and remarks are no codes; which of them can be features is decided where features are
    chosen. A number is an identifier only if chance cannot keep its values apart: revenues differ, too.
    """
    filled = values[filled_rows(values)]
    if len(filled) < _ENOUGH:
        return None
    # What is no code, or repeats itself among a few rows, need not be counted among all, which takes a while.
    some = filled.iloc[:: max(len(filled) // _SOME, 1)]
    numeric = values.dtype.kind in "fiub"
    coded = bool((some % 1 == 0).all()) if numeric else _are_codes(some)
    if not coded or some.nunique() < _OWN * len(some):
        return None
    distinct = int(filled.nunique())
    if distinct < _OWN * len(filled) or (numeric and not _is_counted(filled.to_numpy(np.float64), distinct)):
        return None
    return Clue(
        "identifier",
        f"nearly every lead has its own ({distinct:,} different values in {len(filled):,} rows): an identifier tells "
        "who a lead is, not what it is like",
        {"distinct": distinct, "filled": len(filled)},
        "suspicious",  # of a leak it is no proof; it is refused because nothing can be learned from it
    )


def _are_codes(texts: pd.Series) -> bool:
    return bool(texts.astype("str").str.fullmatch(_CODE).mean() > _OWN)


def _is_counted(numbers: npt.NDArray[np.float64], distinct: int) -> bool:
    if distinct < len(numbers) or not np.isfinite(numbers).all():
        return False
    span = float(numbers.max() - numbers.min()) + 1
    return math.comb(len(numbers), 2) / span >= _COLLISIONS
