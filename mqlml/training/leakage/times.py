"""Times: attributes that hold dates are compared with each lead's first cutoff and with its conversion.

A date after the cutoff was not known then. Plans, such as a renewal date, are known beforehand; unlike records, plans
also lie beyond the end of the data.
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
_SAMPLED = 200
_ENOUGH = 50_000
"""At most so many leads, evenly spread, are read: parsing texts as times is slow."""
_NEARLY_ALL = 0.95
_LATER = 0.05
"""Clocks and typing errors put fewer times than this share after the cutoff."""
_BEYOND = 0.001
_ALIGNED = 0.5
"""If more winners than this share hold the time of their win, the column is the win's time."""

_DATED = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d).*", re.DOTALL)
_UNITS = (1_000_000, 1_000, 1)
"""Microseconds in a second, a millisecond, a microsecond."""
_YEAR_2000 = 946_684_800_000_000


@dataclass(frozen=True)
class Moments:
    """Each lead's times in the journeys: int64 microseconds, one per row of the leads.

    Attributes
    ----------
    created : when the lead was created; `NEVER` where that is missing.
    first_cutoff : its first cutoff; `NEVER` where it has none.
    converted : when it first reached the predicted stage; `NEVER` where it has not.
    observed_until : end of the outcome data.
    zone : of times without an offset.
    """

    created: Micros
    first_cutoff: Micros
    converted: Micros
    observed_until: int
    zone: ZoneInfo

    def take(self, rows: slice) -> Moments:
        """The times of some leads."""
        return replace(
            self,
            created=self.created[rows],
            first_cutoff=self.first_cutoff[rows],
            converted=self.converted[rows],
        )


def _formats(texts: list[str]) -> Iterator[ColumnFormat | None]:
    yield None  # ISO
    seen = dict.fromkeys(guess_format(text) for text in texts)
    # A day above 12 settles which comes first.
    for form in sorted(seen, key=lambda form: form.startswith("%d")):
        yield ColumnFormat(column="", format=form)


def _read_text(filled: pd.Series, zone: ZoneInfo) -> Micros | None:
    texts = filled.iloc[:: max(len(filled) // _SAMPLED, 1)].astype("str").tolist()
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
    for scale in _UNITS:
        plausible = (numbers * scale > _YEAR_2000) & (numbers * scale < until + 3_650 * DAY)
        if plausible.mean() >= _NEARLY_ALL:
            return np.where(plausible, numbers * scale, MISSING_TIME).astype(np.int64)
    return None


def read_instants(values: pd.Series, moments: Moments) -> Micros | None:
    """Read a column's instants, `MISSING_TIME` where it is empty; None if it does not hold times.

    Texts may be dates and times in the usual formats; numbers may be seconds, milliseconds or microseconds since
    1970, between the year 2000 and ten years after the data ends.
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
    """Whether a column's times lie after the leads' first cutoffs, or are the times of the wins."""
    if len(values) > _ENOUGH:
        some = slice(None, None, -(-len(values) // _ENOUGH))
        values, moments = values.iloc[some], moments.take(some)
    times = read_instants(values, moments)
    if times is None:
        return None
    known = times != MISSING_TIME
    won = known & (moments.converted < NEVER)
    with_cutoff = known & (moments.first_cutoff < NEVER)
    n, n_won = int(with_cutoff.sum()), int(won.sum())
    # A date without an hour, or in another zone, may seem up to a day later.
    later = int((times[with_cutoff] - moments.first_cutoff[with_cutoff] >= DAY).sum())
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
        text = f"it holds the minute of the conversion for {at_win:,} of {n_won:,} winners: it is the outcome's time"
        return Clue("time", text, figures, "certain")
    if figures["share_after_cutoff_low"] >= _LATER and beyond <= _BEYOND:
        text = f"{later:,} of its {n:,} times lie after the lead's first snapshot: they were not known then"
        return Clue("time", text, figures, "certain")
    return None


_SECOND = 1_000_000
_ENTERED = 0.05
"""Mishaps put the creation of fewer winners than this share at their conversion or later."""

_ONE_HOUR = 0.9
"""If more leads than this share were created at one time of day, creation is known by day only."""


def audit_creation(moments: Moments) -> tuple[Finding, ...]:
    """Whether many winners were created in the second of their conversion, or later.

    Where creation is known by day only, the same day is no evidence.
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
    text = (
        f"{late:,} of {len(won):,} winners were created in the second of their conversion or later: they were "
        "entered at the deal and never were open leads. Leave them out, or map the time of the first contact"
    )
    figures = {"winners": len(won), "created_at_conversion": late, "share_low": low}
    clue = Clue("time", text, figures, "likely", refuses=False)
    return (Finding("created_at", text, "noted", "likely", (clue,)),)
