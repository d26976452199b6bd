"""Open leads on the day they were last scored: how many have each label, and how likely they are; no single lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.results import Number, Result
from mqlml.times import format_instant

__all__ = ["OpenLeads", "ProbabilityBand", "summarize_open_leads"]

_EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0)
"""Ends of the bands; most leads of most companies convert rarely, so the low bands are narrow."""


@dataclass(frozen=True)
class ProbabilityBand(Result):
    """Open leads of similar probability."""

    low: float
    """The lowest probability of the band."""
    high: float
    """The highest, which belongs to the next band."""
    leads: int
    """Open leads in it."""


@dataclass(frozen=True)
class OpenLeads(Result):
    """The open leads of one run of scoring."""

    as_of: str
    """ISO time in UTC at which they were scored."""
    leads: int
    """How many."""
    expected: Number
    """Conversions to expect among them within the horizon: the sum of their probabilities."""
    labels: dict[str, int]
    """Leads by label, most frequent first."""
    bands: tuple[ProbabilityBand, ...]
    """From the least likely; without empty ones at the upper end."""


def summarize_open_leads(scores: pd.DataFrame) -> OpenLeads:
    """Count the leads of the latest run of scores.

    Parameters
    ----------
    scores : DataFrame with ``cutoff_time`` (datetimes with a zone), ``probability`` and ``label``, one row for each
        lead and run; at least one.
    """
    latest = scores["cutoff_time"].max()
    own = scores[scores["cutoff_time"] == latest]
    chance = own["probability"].to_numpy(np.float64)
    counts = np.histogram(chance, bins=_EDGES)[0]
    used = int(np.flatnonzero(counts)[-1]) + 1
    bands = zip(_EDGES[:used], _EDGES[1 : used + 1], counts[:used].tolist(), strict=True)
    labels = own["label"].value_counts()
    return OpenLeads(
        as_of=format_instant(latest.to_pydatetime()),
        leads=len(own),
        expected=float(chance.sum()),
        labels={str(name): int(n) for name, n in labels.items()},
        bands=tuple(ProbabilityBand(low, high, n) for low, high, n in bands),
    )
