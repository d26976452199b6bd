"""Cumulative incidence with competing risks: the share that an event has reached by an age, young rows included."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mqlml.evaluation import Estimate
from mqlml.types import Floats, Ints, Mask, Micros, Rows

__all__ = [
    "FROM_START",
    "Incidence",
    "Spells",
    "estimate_incidence",
    "measure_median",
    "measure_share",
    "wilson",
]

FROM_START = -1
"""The entry of a spell that is observed from age 0 on, so that it is at risk of an event at age 0, too."""

_Z = 1.6448536269514722  # the normal distribution's 95% quantile, for intervals of 90%


@dataclass(frozen=True)
class Spells:
    """What is observed of each lead between two ages.

    Attributes
    ----------
    entry : int64 array of shape (n_spells,), microseconds
        The age after which it is observed; `FROM_START` from age 0 on.
    stop : int64 array of shape (n_spells,), microseconds
        The age at which the observation ends. A spell is at risk at the ages in ``(entry, stop]``.
    cause : int8 array of shape (n_spells,)
        Why it ends: 1 by the event, 2 by another end, 0 because the data ends (censored).
    cluster : intp array of shape (n_spells,)
        Spells with the same number, as those of one account, are not independent.
    """

    entry: Micros
    stop: Micros
    cause: np.ndarray[tuple[int, ...], np.dtype[np.int8]]
    cluster: Rows

    def take(self, kept: Mask) -> Spells:
        """The spells of these rows."""
        return Spells(self.entry[kept], self.stop[kept], self.cause[kept], self.cluster[kept])

    def until(self, age: int) -> Spells:
        """The same, observed up to an age only."""
        later = self.stop > age
        cause = np.where(later, 0, self.cause).astype(np.int8)
        return Spells(self.entry, np.minimum(self.stop, age), cause, self.cluster)

    def after(self, age: int) -> Spells:
        """The same, observed after an age only; spells that end by then are left out."""
        entry = np.maximum(self.entry, age)
        kept = self.stop > entry
        return Spells(entry[kept], self.stop[kept], self.cause[kept], self.cluster[kept])

    def join(self, other: Spells) -> Spells:
        """Both together."""
        return Spells(
            np.concatenate([self.entry, other.entry]),
            np.concatenate([self.stop, other.stop]),
            np.concatenate([self.cause, other.cause]),
            np.concatenate([self.cluster, other.cluster]),
        )


@dataclass(frozen=True)
class Incidence:
    """The Aalen-Johansen estimate: arrays of shape (n_ages,), one value for each age at which a spell ended.

    Attributes
    ----------
    age : microseconds, ascending.
    at_risk, events, others : spells at risk at that age, and how many ended then by the event or otherwise.
    before : share without any end just before the age.
    value : share that the event has reached by the age.
    variance : Aalen's variance of ``value`` (delta method), for independent spells.
    """

    age: Micros
    at_risk: Floats
    events: Floats
    others: Floats
    before: Floats
    value: Floats
    variance: Floats

    def at(self, age: int) -> float:
        """The share that the event has reached by an age; 0 before the first."""
        place = int(np.searchsorted(self.age, age, side="right"))
        return float(self.value[place - 1]) if place else 0.0


def estimate_incidence(spells: Spells) -> Incidence:
    """Estimate the share that the event reaches by each age, where spells may begin late and end unfinished.

    O. Aalen, S. Johansen, "An empirical transition matrix for non-homogeneous Markov chains based on censored
    observations", Scandinavian Journal of Statistics 5, 1978; for the variance E. Marubini, M. Valsecchi, "Analysing
    Survival Data from Clinical Trials and Observational Studies", 1995, section 10.3. Spells that are censored at an
    age are at risk of the events at that age.

    Examples
    --------
    Two of four leads are won at ages 1 and 3, one is lost at 2, one is still open at 2:

    >>> entry, cluster = np.full(4, FROM_START), np.arange(4)
    >>> spells = Spells(entry, np.array([1, 2, 2, 3]), np.array([1, 2, 0, 1], dtype=np.int8), cluster)
    >>> estimate_incidence(spells).value.tolist()
    [0.25, 0.25, 0.75]
    """
    ended = spells.cause > 0
    age, place = np.unique(spells.stop[ended], return_inverse=True)
    first = spells.cause[ended] == 1
    events = np.bincount(place[first], minlength=len(age)).astype(np.float64)
    others = np.bincount(place[~first], minlength=len(age)).astype(np.float64)
    entered = np.searchsorted(np.sort(spells.entry), age, side="left")
    at_risk = (entered - np.searchsorted(np.sort(spells.stop), age, side="left")).astype(np.float64)
    stay = 1.0 - (events + others) / at_risk
    before = np.concatenate([[1.0], np.cumprod(stay)[:-1]])[: len(age)]
    value = np.cumsum(before * events / at_risk)
    return Incidence(
        age,
        at_risk,
        events,
        others,
        before,
        value,
        _variance(at_risk, events, events + others, before, value),
    )


def _variance(at_risk: Floats, events: Floats, ended: Floats, before: Floats, value: Floats) -> Floats:
    """Sums over the earlier ages j of terms in ``value - value[j]``, multiplied out so that sums run once."""
    left = at_risk - ended
    spread = np.where(left > 0, ended / (at_risk * np.where(left > 0, left, 1.0)), 0.0)
    own = before**2 * events * (at_risk - events) / at_risk**3
    both = before * events / at_risk**2
    square = (
        value**2 * np.cumsum(spread) - 2 * value * np.cumsum(value * spread) + np.cumsum(value**2 * spread)
    )
    cross = value * np.cumsum(both) - np.cumsum(value * both)
    return np.asarray(np.maximum(square + np.cumsum(own) - 2 * cross, 0.0))


def influence(spells: Spells, curve: Incidence, age: int) -> Floats:
    """What each spell adds to the error of the share by ``age``: the infinitesimal jackknife of ``curve.at(age)``.

    Its sum is 0, and the sum of its squares, spells of one cluster added up first, is the variance: that of Aalen for
    independent spells, the robust one (D. Lin, L. Wei, JASA 84, 1989) for clusters.
    """
    stay = 1.0 - (curve.events + curve.others) / curve.at_risk
    later = np.where(stay > 0, (curve.at(age) - curve.value) / np.where(stay > 0, stay, 1.0), 0.0)
    counted = curve.age <= age
    by_event = np.where(counted, curve.before - later, 0.0) / curve.at_risk
    by_other = np.where(counted, -later, 0.0) / curve.at_risk
    expected = np.concatenate(
        [[0.0], np.cumsum((by_event * curve.events + by_other * curve.others) / curve.at_risk)]
    )
    stop = np.searchsorted(curve.age, spells.stop, side="right")
    found = expected[np.searchsorted(curve.age, spells.entry, side="right")] - expected[stop]
    for cause, change in ((1, by_event), (2, by_other)):
        rows = spells.cause == cause
        found[rows] += change[stop[rows] - 1]
    return np.asarray(found)


def _standard_error(changes: Floats, cluster: Ints | Rows) -> float:
    """The standard error of a sum of clusters' changes."""
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], weights=changes)
    n = len(sums)
    return math.sqrt(float(sums @ sums) * n / (n - 1)) if n > 1 else math.nan


def wilson(share: float, n: float) -> Estimate:
    """A share of ``n`` leads with its 90% interval (E. B. Wilson, JASA 22, 1927), which 0 and 1 have, too."""
    if not n > 0 or not math.isfinite(share):
        return Estimate(math.nan, math.nan, math.nan)
    middle, wide = share + _Z**2 / (2 * n), _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return Estimate(
        share, max(0.0, min(share, (middle - wide) / scale)), min(1.0, max(share, (middle + wide) / scale))
    )


def measure_share(spells: Spells, age: int) -> Estimate:
    """The share that the event reaches by an age, with a 90% interval that allows for clusters.

    The interval is Wilson's for as many independent leads as give the same variance.
    """
    if not len(spells.stop):
        return Estimate(math.nan, math.nan, math.nan)
    curve = estimate_incidence(spells)
    share = min(1.0, max(0.0, curve.at(age)))
    n = float(len(np.unique(spells.cluster)))
    error = _standard_error(influence(spells, curve, age), spells.cluster) if 0 < share < 1 else 0.0
    return wilson(share, share * (1 - share) / error**2 if error > 0 else n)


def measure_median(spells: Spells, age: int) -> Estimate:
    """The age, in microseconds, by which the event has reached half of those that it reaches by ``age``.

    The 90% interval lies between the ages at which the curve passes the ends of the interval of half its height
    (R. Woodruff, JASA 47, 1952).
    """
    curve = estimate_incidence(spells) if len(spells.stop) else None
    total = 0.0 if curve is None else curve.at(age)
    if curve is None or not total > 0:
        return Estimate(math.nan, math.nan, math.nan)

    def passes(height: float) -> float:
        place = int(np.searchsorted(curve.value, height * total * (1 - 1e-12), side="left"))
        return float(curve.age[min(place, int(np.searchsorted(curve.value, total * (1 - 1e-12))))])

    middle = passes(0.5)
    changes = influence(spells, curve, int(middle)) - 0.5 * influence(spells, curve, age)
    wide = _Z * _standard_error(changes, spells.cluster) / total
    if not math.isfinite(wide):
        return Estimate(middle, math.nan, math.nan)
    return Estimate(middle, passes(max(0.5 - wide, 1e-9)), passes(min(0.5 + wide, 1.0)))
