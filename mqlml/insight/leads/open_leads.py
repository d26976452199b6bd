"""Open leads on the day they were last scored: how many have each label, and how likely they are; no single lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.results import Number, Result
from mqlml.times import format_instant

__all__ = ["OpenLeads", "OpenLeadsGroup", "OpenLeadsSplit", "ProbabilityBand", "summarize_open_leads"]

_MOST_GROUPS = 8
_LEAST_LEADS = 5
"""A smaller group would nearly name its leads, so it joins the others."""

Split = Literal["source", "region"]
"""By what open leads are told apart."""

SPLITS: tuple[Split, ...] = ("source", "region")

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
class OpenLeadsGroup(Result):
    """Open leads of one source or region."""

    value: str | None
    """The source or region; None for those that it is not known of."""
    others: bool
    """Whether these are all of the smaller groups together."""
    leads: int
    """Open leads in it."""
    expected: Number
    """Conversions to expect among them within the horizon."""
    labels: dict[str, int]
    """Leads by label, as in `OpenLeads.labels`; labels that none of them has are left out."""


@dataclass(frozen=True)
class OpenLeadsSplit(Result):
    """The open leads by source or by region."""

    by: Split
    """Which of the two."""
    column: str
    """The column of the leads that tells it, as people write it."""
    groups: tuple[OpenLeadsGroup, ...]
    """The largest first, the others and those not known last; together they are all open leads."""


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
    splits: tuple[OpenLeadsSplit, ...] = ()
    """By source and by region, where the leads have a column that tells it."""


def summarize_open_leads(
    scores: pd.DataFrame, attributes: Mapping[Split, pd.Series] | None = None
) -> OpenLeads:
    """Count the leads of the latest run of scores.

    Parameters
    ----------
    scores : DataFrame with ``lead_id`` (text), ``cutoff_time`` (datetimes with a zone), ``probability`` and
        ``label``, one row for each lead and run; at least one.
    attributes : dict of Series, optional
        Source and region of leads by their id as text; a Series has the name of its column as people write it.
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
        splits=tuple(_split(own, by, values) for by, values in (attributes or {}).items()),
    )


def _split(scores: pd.DataFrame, by: Split, values: pd.Series) -> OpenLeadsSplit:
    value = values.reindex(scores["lead_id"]).astype("str").reset_index(drop=True)
    counts = value.value_counts()
    shown = counts.index[(counts >= _LEAST_LEADS)][:_MOST_GROUPS]
    groups = [_group(scores, (value == name).to_numpy(), value=str(name)) for name in shown]
    rest, unknown = (value.notna() & ~value.isin(shown)).to_numpy(), value.isna().to_numpy()
    groups += [_group(scores, rest, value=None, others=True)] if rest.any() else []
    groups += [_group(scores, unknown, value=None)] if unknown.any() else []
    return OpenLeadsSplit(by, str(values.name), tuple(groups))


def _group(
    scores: pd.DataFrame, rows: npt.NDArray[np.bool_], *, value: str | None, others: bool = False
) -> OpenLeadsGroup:
    own = scores[rows]
    labels = own["label"].value_counts()
    return OpenLeadsGroup(
        value=value,
        others=others,
        leads=len(own),
        expected=float(own["probability"].sum()),
        labels={str(name): int(n) for name, n in labels.items()},
    )
