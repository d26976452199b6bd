"""Times: attributes that hold instants, held against the moment at which each lead is looked at, and against its win.

An instant after that moment was not known then. Plans, such as a renewal date, are known beforehand; what tells them
from records is that plans also lie beyond the end of the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mqlml.config import ColumnFormat
from mqlml.journeys.times import guess_format, parse_times
from mqlml.times import DAY, MISSING_TIME, NEVER
from mqlml.training.leakage.findings import Clue, Finding
from mqlml.training.leakage.univariate import AUDIT_ERROR, filled_rows, lower_share
from mqlml.types import Micros

__all__ = ["Moments", "audit_creation", "check_times", "read_instants"]

_MINUTE = 60_000_000
_LOOKED_AT = 200
_ENOUGH = 50_000
"""Of more leads than this, so many evenly spread ones are looked at: reading texts as times is slow."""
_NEARLY_ALL = 0.95
_LATER = 0.05
"""A share of times after the cutoff above this, surely, is no matter of clocks and typing errors."""
_BEYOND = 0.001
_ALIGNED = 0.5
"""More winners than this share, surely, with the very time of their win: it is the win's time."""

_DATED = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d).*", re.DOTALL)
_UNITS = (("s", 1_000_000), ("ms", 1_000), ("us", 1))
_YEAR_2000 = 946_684_800_000_000


@dataclass(frozen=True)
class Moments:
    """What the journeys say of each lead's times: int64 microseconds, one per row of the leads.

    Attributes
    ----------
    created : when the lead was created; `NEVER` where that is missing.
    looked_at : its first cutoff; `NEVER` where it has none.
    converted : when it first reached the predicted stage; `NEVER` where it has not.
    observed_until : end of the outcome data.
    zone : of times without an offset.
    """

    created: Micros
    looked_at: Micros
    converted: Micros
    observed_until: int
    zone: ZoneInfo

    def take(self, rows: slice) -> Moments:
        """Those of some leads."""
        return replace(
            self, created=self.created[rows], looked_at=self.looked_at[rows], converted=self.converted[rows]
        )


def _formats(texts: list[str]) -> Iterator[ColumnFormat | None]:
    yield None  # ISO
    seen = dict.fromkeys(guess_format(text) for text in texts)
    for form in sorted(
        seen, key=lambda form: form.startswith("%d")
    ):  # a day above 12 settles which comes first
        yield ColumnFormat(column="", format=form)


def _read_text(filled: pd.Series, zone: ZoneInfo) -> Micros | None:
    texts = filled.iloc[:: max(len(filled) // _LOOKED_AT, 1)].astype("str").tolist()
    if sum(_DATED.fullmatch(text.strip()) is not None for text in texts) < _NEARLY_ALL * len(texts):
        return None
    codes, distinct = pd.factorize(filled)
    column = pa.array([str(text) for text in distinct], type=pa.string())
    for hint in _formats(texts):
        parsed: Micros = parse_times(column, zone=zone, hint=hint, where="an attribute").data
        if np.count_nonzero(parsed != MISSING_TIME) >= _NEARLY_ALL * len(parsed):
            return parsed[codes]
    return None


def _read_numbers(numbers: npt.NDArray[np.float64], until: int) -> Micros | None:
    for _, scale in _UNITS:
        inside = (numbers * scale > _YEAR_2000) & (numbers * scale < until + 3_650 * DAY)
        if inside.mean() >= _NEARLY_ALL:
            return np.where(inside, numbers * scale, MISSING_TIME).astype(np.int64)
    return None


def read_instants(values: pd.Series, moments: Moments) -> Micros | None:
    """A column's instants, `MISSING_TIME` where it is empty; None if it does not hold times.

    Dates and times in the usual ways of writing, and numbers that are all seconds, milliseconds or microseconds since
    1970 of this century up to ten years from now.
    """
    rows = filled_rows(values)
    filled = values[rows]
    if len(filled) == 0:
        return None
    if values.dtype.kind in "fiub":
        read = _read_numbers(filled.to_numpy(np.float64), moments.observed_until)
    else:
        read = _read_text(filled, moments.zone)
    if read is None:
        return None
    times = np.full(len(values), MISSING_TIME)
    times[rows] = read
    return times


def check_times(values: pd.Series, moments: Moments, *, error: float) -> Clue | None:
    """Whether a column's times lie after the moment at which the leads are looked at, or are those of the wins."""
    if len(values) > _ENOUGH:
        some = slice(None, None, -(-len(values) // _ENOUGH))
        values, moments = values.iloc[some], moments.take(some)
    times = read_instants(values, moments)
    if times is None:
        return None
    known = times != MISSING_TIME
    won = known & (moments.converted < NEVER)
    asked = known & (moments.looked_at < NEVER)
    n, n_won = int(asked.sum()), int(won.sum())
    # A day's grace: a date without an hour, or in another zone, is not later for that.
    later = int((times[asked] - moments.looked_at[asked] >= DAY).sum())
    at_win = int((np.abs(times[won] - moments.converted[won]) < _MINUTE).sum())
    beyond = float((times[known] >= moments.observed_until + DAY).mean()) if known.any() else 0.0
    figures: dict[str, float | int] = {
        "times": n,
        "after_cutoff": later,
        "share_after_cutoff": later / n if n else 0.0,
        "share_after_cutoff_low": lower_share(later, n, error=error),
        "winners": n_won,
        "at_conversion": at_win,
        "share_beyond_data": beyond,
    }
    if n_won and lower_share(at_win, n_won, error=error) >= _ALIGNED:
        says = f"for {at_win:,} of {n_won:,} winners it is the very minute of their conversion: the outcome's time"
        return Clue("time", says, figures, "certain")
    if figures["share_after_cutoff_low"] >= _LATER and beyond <= _BEYOND:
        says = (
            f"{later:,} of its {n:,} times lie after the moment of the lead's first snapshot: they were not "
            "known then"
        )
        return Clue("time", says, figures, "certain")
    return None


_SECOND = 1_000_000
_ENTERED = 0.05
"""More winners than this share, surely, created at their conversion or later: more than a mishap."""

_ONE_HOUR = 0.9
"""Above this share of leads created at one time of day, creation is known by day only."""


def audit_creation(moments: Moments) -> tuple[Finding, ...]:
    """Whether many winners were created at the very second of their conversion, or later.

    Where creation is known by day only, the same day says nothing.
    """
    won = np.flatnonzero((moments.converted < NEVER) & (moments.created < NEVER))
    if len(won) == 0:
        return ()
    hour = moments.created[won] % DAY
    if np.unique(hour, return_counts=True)[1].max() > _ONE_HOUR * len(won) and len(won) > 1:
        return ()
    wait = moments.converted[won] - moments.created[won]
    late = int((wait < _SECOND).sum())
    low = lower_share(late, len(won), error=AUDIT_ERROR)
    if low < _ENTERED:
        return ()
    says = (
        f"{late:,} of {len(won):,} winners were created at the second of their conversion or later: they were "
        "entered at the deal and never were open leads. Leave them out, or bring the time of the first contact"
    )
    figures = {"winners": len(won), "created_at_conversion": late, "share_low": low}
    clue = Clue("time", says, figures, "likely", refuses=False)
    return (Finding("created_at", says, "noted", "likely", (clue,)),)
