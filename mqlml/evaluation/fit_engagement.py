"""Fit by engagement: predicted and observed conversion of held-out leads by quarters of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.curves import assign_bands, wilson_interval
from mqlml.evaluation.slices import cluster_inflation
from mqlml.results import Number, Result
from mqlml.types import Floats

__all__ = ["N_BANDS", "FitEngagementCell", "measure_fit_by_engagement"]

N_BANDS = 4


@dataclass(frozen=True)
class FitEngagementCell(Result):
    """The snapshots of one quarter by fit and one by engagement."""

    fit: int
    """The quarter: 0 lowest, 3 highest."""
    engagement: int
    """Likewise."""
    n: int
    """Snapshots in the cell."""
    positives: int
    """Snapshots followed by a conversion."""
    predicted: Number
    """The mean probability."""
    rate: Estimate
    """The share that converted."""


def measure_fit_by_engagement(
    fit: Floats,
    engagement: Floats,
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike,
) -> tuple[FitEngagementCell, ...]:
    """Held-out leads by quarters of fit and of engagement, each quarter with as equal a number as ties allow.

    Parameters
    ----------
    fit, engagement : arrays of shape (n,), points in log-odds.
    y, probability : arrays of shape (n,), labels and calibrated probabilities.
    clusters : array of shape (n,), the account, or else the lead, of each row.

    Returns
    -------
    tuple of FitEngagementCell
        Lowest fit first, lowest engagement first within it; those that nobody falls into are left out. The 95%
        interval of a rate is Wilson's (it holds where nobody converted, too) for as many independent leads as the
        rows are worth: their number by the variance inflation that clusters cause within the quarters.
    """
    target, chance = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    place = N_BANDS * assign_bands(fit, N_BANDS) + assign_bands(engagement, N_BANDS)
    n = np.bincount(place, minlength=N_BANDS**2)
    wins = np.bincount(place, weights=target, minlength=N_BANDS**2)
    own = (wins / np.maximum(n, 1))[place]
    varies = 0 < wins.sum() < len(target) and bool(((own > 0) & (own < 1)).any())
    # Accounts whose leads fall into different quarters make no single quarter less sure.
    members = pd.factorize(N_BANDS**2 * pd.factorize(np.asarray(clusters))[0] + place)[0]
    inflation = cluster_inflation(target - own, own, members) if varies else 1.0
    found = []
    for number in np.flatnonzero(n):
        share = float(wins[number] / n[number])
        low, high = wilson_interval(wins[number] / inflation, n[number] / inflation)
        found.append(
            FitEngagementCell(
                fit=int(number // N_BANDS),
                engagement=int(number % N_BANDS),
                n=int(n[number]),
                positives=int(wins[number]),
                predicted=float(chance[place == number].mean()),
                rate=Estimate(share, low, high),
            )
        )
    return tuple(found)
