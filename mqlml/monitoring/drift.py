"""How far the leads of the last run differ from those of the training: population stability, missing, volume.

The population stability index of two distributions over the same bins is the sum of (p − q) · log(p / q). A common
rule calls 0.2 a shift; with few leads chance alone goes beyond, so the value that chance exceeds once in a hundred
times stands beside it (B. Yurdakul, "Statistical properties of population stability index", 2018: times
1 / (1/n + 1/m) it follows a chi-square distribution with bins − 1 degrees of freedom). These figures inform; the
alarm is `Evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2

from mqlml.monitoring.inputs import SignalSample, WatchedSignal
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints, Mask

__all__ = [
    "PSI_SHIFT",
    "InputDrift",
    "ScoreDrift",
    "SignalDrift",
    "Stability",
    "Volume",
    "measure_drift",
    "population_stability",
]

PSI_SHIFT = 0.2
"""Population stability that is commonly called a shift."""

_BINS = 10
_RARE = 0.01
_MISSING, _OTHER = "\0missing", "\0other"


@dataclass(frozen=True)
class Stability(Result):
    """The population stability index between the reference and now."""

    value: Number
    """The index: 0 is no difference, above 0.2 is commonly called a shift."""
    chance: Number
    """What chance alone exceeds in one of a hundred comparisons of so many leads."""

    @property
    def shifted(self) -> bool:
        """Whether it is a shift, beyond chance."""
        return self.value > max(PSI_SHIFT, self.chance)


@dataclass(frozen=True)
class SignalDrift(Result):
    """One signal now and in the reference, as shares of the leads it is counted over."""

    feature: str
    """The feature that stands for it."""
    sentence: str
    """What the feature says, for a marketer."""
    leads: int
    """Leads counted now: all open ones, or the new ones where news shows there."""
    stability: Stability
    """Of its values, a missing one among them."""
    present: Number
    """Who has the signal now: above 0, or known."""
    present_before: Number
    """The same in the reference."""
    missing: Number
    """Whose value is missing now."""
    missing_before: Number
    """The same in the reference."""
    unknown: float | None
    """Who has a value that training did not tell apart; null for a number."""
    unknown_before: float | None
    """The same in the reference."""


@dataclass(frozen=True)
class ScoreDrift(Result):
    """The probabilities of the last run against those the version gives the leads of the reference."""

    stability: Stability
    """Of the probabilities, in tenths."""
    mean: Number
    """Their mean now."""
    mean_before: Number
    """The same in the reference."""


@dataclass(frozen=True)
class Volume(Result):
    """How many leads come in."""

    open_leads: int
    """Leads of the last run."""
    new_leads: int
    """Leads that came in during the week before it."""
    new_leads_before: Number
    """The mean of the weeks of the reference."""
    low: Number
    """The weakest of these weeks."""
    high: Number
    """The strongest."""


@dataclass(frozen=True)
class InputDrift(Result):
    """How the leads of the last run differ from those of the training."""

    reference_leads: int
    """Snapshots of the reference: the leads open in the half year before the data of the training ends."""
    score: ScoreDrift
    """The probabilities."""
    volume: Volume
    """The number of new and of open leads."""
    signals: tuple[SignalDrift, ...]
    """Signal by signal, the largest shift first."""


def _quantile_bins(before: Floats, now: Floats) -> tuple[Ints, Ints]:
    edges = np.unique(np.nanquantile(before, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(before) else before
    parts = []
    for values in (before, now):
        bins = np.searchsorted(edges, values, side="left")
        parts.append(np.where(np.isnan(values), len(edges) + 1, bins))
    return parts[0], parts[1]


def _word_bins(before: pd.Series, now: pd.Series) -> tuple[Ints, Ints]:
    filled = before.astype("str").fillna(_MISSING), now.astype("str").fillna(_MISSING)
    share = filled[0].value_counts(normalize=True)
    kept = {word: number for number, word in enumerate(share.index[share >= _RARE])}
    first, second = (
        words.map(kept).fillna(len(kept)).to_numpy(np.int64) for words in filled
    )  # every other word shares one bin
    return first, second


def population_stability(before: pd.Series, now: pd.Series) -> Stability:
    """The population stability index of numbers (in tenths of ``before``) or words (the rare ones together).

    Examples
    --------
    >>> even = pd.Series([1.0, 2.0, 3.0, 4.0] * 50)
    >>> population_stability(even, even).value
    0.0
    >>> round(population_stability(pd.Series(["a"] * 50 + ["b"] * 50), pd.Series(["a"] * 80 + ["b"] * 20)).value, 2)
    0.42
    """
    if not len(before) or not len(now):
        return Stability(float("nan"), float("nan"))
    if pd.api.types.is_numeric_dtype(before.dtype):
        bins = _quantile_bins(before.to_numpy(np.float64), now.to_numpy(np.float64))
    else:
        bins = _word_bins(before, now)
    n_bins = int(max(part.max() for part in bins)) + 1
    counts = [np.bincount(part, minlength=n_bins).astype(np.float64) for part in bins]
    used = (counts[0] + counts[1]) > 0
    # Half a lead in an empty bin, or one bin would make the index infinite.
    p, q = (np.maximum(count[used], 0.5) / count.sum() for count in counts)
    freedom = max(int(used.sum()) - 1, 1)
    spread = 1 / len(before) + 1 / len(now)
    return Stability(float(((q - p) * np.log(q / p)).sum()), float(chi2.isf(0.01, freedom)) * spread)


def _share(mask: Mask) -> float:
    return float(np.mean(mask)) if len(mask) else float("nan")


def _signal(one: WatchedSignal, before: SignalSample, now: SignalSample) -> SignalDrift:
    name = one.feature.name
    old, new = (sample.table[name][one.rows(sample.new)] for sample in (before, now))
    category = one.known is not None
    return SignalDrift(
        feature=name,
        sentence=one.feature.sentence,
        leads=len(new),
        stability=population_stability(old, new),
        present=_share(one.present(new)),
        present_before=_share(one.present(old)),
        missing=_share(new.isna().to_numpy()),
        missing_before=_share(old.isna().to_numpy()),
        unknown=_share(one.unknown(new)) if category and len(new) else None,
        unknown_before=_share(one.unknown(old)) if category and len(old) else None,
    )


def measure_drift(
    watched: Sequence[WatchedSignal],
    before: SignalSample,
    now: SignalSample,
    *,
    scores: tuple[Floats, Floats],
    volume: Volume,
) -> InputDrift:
    """The last run against the reference.

    Parameters
    ----------
    watched : the signals
    before, now : the reference, and the last run
    scores : probabilities that the version gives the one and the other
    volume : how many leads come in
    """
    old, new = scores
    signals = [_signal(one, before, now) for one in watched]
    signals.sort(key=lambda one: (np.isnan(one.stability.value), -one.stability.value, one.feature))
    return InputDrift(
        reference_leads=len(before.table),
        score=ScoreDrift(
            population_stability(pd.Series(old), pd.Series(new)),
            float(np.mean(new)) if len(new) else float("nan"),
            float(np.mean(old)) if len(old) else float("nan"),
        ),
        volume=volume,
        signals=tuple(signals),
    )
