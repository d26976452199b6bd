"""Builds the calibration and decile tables from labels and probabilities of held-out leads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from mqlml.evaluation.bootstrap import Estimate
from mqlml.results import Number, Result
from mqlml.types import Ints

__all__ = [
    "CalibrationBand",
    "Decile",
    "assign_bands",
    "make_calibration_table",
    "make_decile_table",
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


def wilson_interval(successes: float, n: float) -> tuple[float, float]:
    """95% interval of a share; unlike the normal one it stays within 0 and 1 and holds for few successes.

    Numbers need not be whole, as scipy's ``binomtest`` has them: rows that share their fate are worth fewer
    independent ones.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = share + _Z**2 / (2 * n)
    half_width = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    # At the ends the formula gives 0 and 1 exactly; rounding must not put the share outside its own interval.
    return max(0.0, min((middle - half_width) / scale, share)), min(
        1.0, max((middle + half_width) / scale, share)
    )
