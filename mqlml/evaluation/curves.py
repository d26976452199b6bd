"""Builds the tables of held-out leads: calibration, deciles, and conversion by quarters of fit and engagement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest, norm

from mqlml.evaluation.bootstrap import Estimate, cluster_inflation
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints

__all__ = [
    "N_BANDS",
    "CalibrationBand",
    "Decile",
    "FitEngagementCell",
    "assign_bands",
    "make_calibration_table",
    "make_decile_table",
    "measure_fit_by_engagement",
    "wilson_interval",
]


_Z = float(norm.isf(0.025))
_N_BANDS = 10


@dataclass(frozen=True)
class CalibrationBand(Result):
    """Snapshots of like probability: what was predicted, and what was observed."""

    mean_predicted: Number
    """Mean probability of its snapshots."""
    observed: Estimate
    """The share that converted; the interval is Wilson's."""
    n: int
    """Snapshots in the band."""


@dataclass(frozen=True)
class Decile(Result):
    """A tenth of the snapshots by rank."""

    decile: int
    """1 is ranked highest."""
    n: int
    """Snapshots in the tenth."""
    positives: int
    """Snapshots followed by a conversion."""
    rate: Number
    """The share that converted."""
    cumulative_share: Number
    """Of all conversions, how many this tenth and those above it hold."""
    lift: Number
    """The rate over the rate of all."""


def assign_bands(score: npt.ArrayLike, n_bands: int = _N_BANDS) -> Ints:
    """The band of each score, 0 the lowest, each with as equal a number of rows as ties allow.

    Rows of equal score share the band of their middle rank, so with many ties bands differ in size, or are empty.
    """
    values = np.asarray(score, dtype=np.float64)
    _, step, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    bands: Ints = np.minimum((middle * n_bands / len(values)).astype(np.int64), n_bands - 1)[step]
    return bands


def make_calibration_table(
    y: npt.ArrayLike, probability: npt.ArrayLike, *, n_bands: int = _N_BANDS
) -> tuple[CalibrationBand, ...]:
    """Bands of equally many leads, lowest probability first; empty ones are left out.

    The intervals take the leads of a band for independent; with large accounts they are wider than shown.
    """
    target, chance = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    bands = assign_bands(chance, n_bands)
    table = []
    for band in np.unique(bands):
        rows = bands == band
        n, converted = int(rows.sum()), int(target[rows].sum())
        interval = binomtest(converted, n).proportion_ci(method="wilson")
        observed = Estimate(converted / n, float(interval.low), float(interval.high))
        table.append(CalibrationBand(float(chance[rows].mean()), observed, n))
    return tuple(table)


def make_decile_table(y: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Decile, ...]:
    """Tenths of the leads, highest rank first; a tenth emptied by ties is left out."""
    target, ranked = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    bands = assign_bands(-ranked)
    total, base_rate = float(target.sum()), float(target.mean())
    table = []
    so_far = 0
    for band in np.unique(bands):
        rows = bands == band
        n, converted = int(rows.sum()), int(target[rows].sum())
        so_far += converted
        table.append(
            Decile(
                decile=int(band) + 1,
                n=n,
                positives=converted,
                rate=converted / n,
                cumulative_share=so_far / total if total else math.nan,
                lift=converted / n / base_rate if base_rate else math.nan,
            )
        )
    return tuple(table)


def wilson_interval(successes: float, n: float, *, z: float = _Z) -> tuple[float, float]:
    """Interval of a share, 95% by default; unlike the normal one it stays within 0 and 1 and holds for few successes.

    Numbers need not be whole, as scipy's ``binomtest`` has them: rows that share their fate are worth fewer
    independent ones.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = share + z**2 / (2 * n)
    half_width = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    # At the ends the formula gives 0 and 1 exactly; rounding must not put the share outside its own interval.
    return max(0.0, min((middle - half_width) / scale, share)), min(
        1.0, max((middle + half_width) / scale, share)
    )


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
