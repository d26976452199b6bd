"""Creation: when leads were created and when they converted goes in; whether leads are entered at the deal comes out.

A lead that is first written down when it has bought already was never open, and its attributes are a customer's.
That cannot be mended by leaving out a column, so it is told.
"""

from __future__ import annotations

import numpy as np

from mqlml.times import DAY, NEVER
from mqlml.training.audit.bounds import AUDIT_ERROR, lower_share
from mqlml.training.audit.findings import Clue, Finding
from mqlml.training.audit.times import Moments

__all__ = ["audit_creation"]

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
