"""Evidence that a version no longer holds, as one number that may be read every week.

A z test that is repeated every week raises a false alarm sooner or later. An e-process does not: while the null
hypothesis holds, it ever reaches 20 with a probability of at most 1/20, however often it is read (Ville's
inequality).

Each *stream* bets on one thing that may have gone wrong. The null hypothesis of the conversions: the odds of each
lead lie within the tolerance of those predicted, given what was known. One snapshot a lead counts, its first, in
order of maturity. A bet's factor is the likelihood of its alternative over that of the nearest edge of the null
hypothesis, so its expectation is at most 1. Of the inputs: a signal is there at least a third as often (in odds) as
in the reference, or unknown categories are not much more frequent.

A product of factors over a quiet year is so small that no later break could lift it. So each stream is itself a mean,
of products that begin at each run, with equal weights over a year and a half and falling ones after that. The
evidence is the weighted mean over the streams. Means of e-processes are e-processes. See A. Ramdas and others,
"Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38, 2023.

Dividing the weight among all runs at which a break may begin costs time. The evidence of a *recent break* does not
divide it: it sums the products that begin at each run, the e-detector of J. Shin, A. Ramdas, A. Rinaldo,
"E-detectors", arXiv 2203.03532. Its expectation after n runs is at most n, so a false alarm takes, on average, at
least as many runs as the sum that raises it. It is stated in units of 13 runs: an alarm at 20 takes 260 runs, five
years.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mqlml.evaluation.curves import wilson_interval
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints

__all__ = [
    "Evidence",
    "EvidencePoint",
    "Stream",
    "StreamKind",
    "Suspect",
    "combine_streams",
    "conversion_streams",
    "gone_streams",
    "new_category_streams",
]

StreamKind = Literal["fewer_conversions", "more_conversions", "weaker_ranking", "signal_gone", "new_category"]
"""What may have gone wrong."""

_USED, _WITHIN = 78, 0.85
"""Runs that a version is used for, and the share of the weight that beginnings within them have together."""

_LATER = 1 / 52
"""The share of what is left that goes to the next beginning after that.

These three and the weights of the bets were chosen on other seeds than those reported."""

_UNIT = 13
"""Runs in the unit of the evidence of a recent break, a quarter: a false alarm comes, on average, after so many runs
times the alarm or later. Chosen like those above, for at most 4 false alarms in two years of 100 quiet companies."""

_CONVERSION_BETS: tuple[tuple[StreamKind, float, float], ...] = (
    ("fewer_conversions", 0.5, 0.6),
    ("fewer_conversions", 0.7, 0.05),
    ("more_conversions", 2.0, 0.08),
    ("more_conversions", 1.4, 0.02),
)
"""Kind, odds against the predicted ones, and weight; a halving hurts most, so it has most of the weight."""

_RANKING_BET, _RANKING_WEIGHT = 0.5, 0.07
"""The slope of the log-odds that a bet on weaker ranking takes, and its weight."""

_GONE_WEIGHT = 0.12
_NEW_WEIGHT = 0.06
"""Weights of all signals, and of all categories, together; with the others they add up to 1."""

_GONE_EDGE, _GONE_BET = 1 / 3, 1 / 50
"""Odds of a signal against those of the reference: the edge of the null hypothesis, and the alternative."""

_NEW_SLACK, _NEW_MORE = 0.05, 0.2
"""Unknown categories are fine up to so much above twice their share in the reference; the alternative is more."""

_SHOWN = 5

_LEAST_SHARE = 0.02
"""A signal that fewer leads have is too rare to be missed within weeks, and would take weight from the others."""


@dataclass(frozen=True)
class Stream:
    """One bet over all runs.

    Attributes
    ----------
    kind : what it bets on
    name : the feature that it is about; empty for conversions
    weight : its share of the mean
    log_factor : ndarray of shape (runs,)
        The logarithm of what each run multiplies it by.
    """

    kind: StreamKind
    name: str
    weight: float
    log_factor: Floats


@dataclass(frozen=True)
class EvidencePoint(Result):
    """The evidence after one run."""

    as_of: str
    """ISO time of the run, or of the monitoring for what matured since the last one."""
    evidence: Number
    """The mean over the streams; 1 at the beginning."""
    recent: Number
    """The evidence of a recent break."""


@dataclass(frozen=True)
class Suspect(Result):
    """What the evidence comes from."""

    kind: StreamKind
    """Fewer or more conversions than predicted, a ranking that tells leads apart less than predicted, a signal that
    is gone, or unknown categories."""
    feature: str | None
    """The feature; null for conversions and ranking."""
    evidence: Number
    """The most that it has added after any run, to the evidence or to that of a recent break."""
    still: bool
    """Whether the last run speaks for it, too."""


@dataclass(frozen=True)
class Evidence(Result):
    """Whether the version still holds: a number that may be read every week, and a faster one for a recent break."""

    value: Number
    """Now. While odds lie within the tolerance, the chance that it ever reaches the alarm is 1 in ``alarm_at`` at
    most."""
    highest: Number
    """The highest of all runs."""
    recent: Number
    """Of a recent break, now. It starts again at every run and so alarms sooner; while odds lie within the tolerance,
    it takes ``runs_per_false_alarm`` runs or more, on average, to a false alarm."""
    recent_highest: Number
    """The highest of all runs."""
    runs_per_false_alarm: float
    """Of the evidence of a recent break: 13 times ``alarm_at``."""
    alarm_at: float
    """``monitoring.alarm``: from here on, either of the two is an alarm."""
    tolerance: float
    """``monitoring.tolerance``: how far odds may lie from those predicted."""
    since: str | None
    """ISO time of the first run at which either reached the alarm; null without an alarm."""
    suspects: tuple[Suspect, ...]
    """Where it comes from, the most telling first: all that reach the alarm alone, at least the first five."""
    path: tuple[EvidencePoint, ...]
    """Run by run."""

    @property
    def alarm(self) -> bool:
        """Whether the alarm was reached."""
        return self.since is not None

    @property
    def alarmed(self) -> tuple[Suspect, ...]:
        """What raised the alarm: all that reach it alone, or else the most telling."""
        if not self.alarm:
            return ()
        return tuple(one for one in self.suspects if one.evidence >= self.alarm_at) or self.suspects[:1]


def _log_ratio(
    odds: Floats, positive: Floats, negative: Floats, bet: float | Floats, edge: float | Floats
) -> Floats:
    """Log likelihood of ``bet`` times the odds over that of ``edge`` times the odds, for counts of each outcome."""
    # With odds o the probability is o / (1 + o) and its complement 1 / (1 + o).
    none = np.log1p(edge * odds) - np.log1p(bet * odds)
    return np.asarray(positive * (np.log(np.divide(bet, edge)) + none) + negative * none)


def conversion_streams(
    probability: Floats,
    converted: Floats,
    run: Ints,
    n_runs: int,
    *,
    tolerance: float,
    base_rate: float,
) -> list[Stream]:
    """Bets on fewer and on more conversions than predicted, and on leads that differ less than predicted.

    Parameters
    ----------
    probability, converted : arrays of shape (n,)
        Of mature snapshots, one a lead.
    run : array of int, shape (n,)
        The first run at which the outcome was known.
    n_runs : number of runs.
    tolerance : the null hypothesis holds while the odds are within this share of the predicted ones.
    base_rate : of the training; a weaker ranking draws all probabilities towards it.
    """
    odds = probability / (1 - probability)
    streams = [_ranking_stream(odds, converted, run, n_runs, tolerance=tolerance, base_rate=base_rate)]
    for kind, bet, weight in _CONVERSION_BETS:
        edge = 1 / (1 + tolerance) if bet < 1 else 1 + tolerance
        # A tolerance beyond the bet leaves nothing to bet on.
        used = min(bet, edge) if bet < 1 else max(bet, edge)
        factor = _log_ratio(odds, converted, 1 - converted, used, edge)
        streams.append(Stream(kind, "", weight, _per_run(factor, run, n_runs)))
    return streams


def _per_run(factor: Floats, run: Ints, n_runs: int) -> Floats:
    return np.bincount(run, weights=factor, minlength=n_runs).astype(np.float64)


def _ranking_stream(
    odds: Floats, converted: Floats, run: Ints, n_runs: int, *, tolerance: float, base_rate: float
) -> Stream:
    # Likely leads then convert less often than predicted and unlikely ones more often; for each lead the null
    # hypothesis' nearest edge counts, and a lead whose odds would stay within the tolerance tells nothing.
    bet = (odds * (1 - base_rate) / base_rate) ** (_RANKING_BET - 1)
    edge = np.clip(bet, 1 / (1 + tolerance), 1 + tolerance)
    factor = _log_ratio(odds, converted, 1 - converted, bet, edge)
    return Stream("weaker_ranking", "", _RANKING_WEIGHT, _per_run(factor, run, n_runs))


def gone_streams(
    present: Mapping[str, Floats], counted: Mapping[str, Floats], reference: Mapping[str, tuple[int, int]]
) -> list[Stream]:
    """Bets that a signal is gone.

    Parameters
    ----------
    present, counted : by feature, arrays of shape (runs,)
        How many leads have the signal, and how many could.
    reference : by feature, the same two numbers in the reference.
    """
    usable = [
        name for name, (has, n) in reference.items() if n and wilson_interval(has, n)[0] >= _LEAST_SHARE
    ]
    streams = []
    for name in usable:
        share = np.minimum(wilson_interval(*reference[name])[0], 0.999)
        odds = np.full(len(present[name]), share / (1 - share))
        has, n = present[name], counted[name]
        factor = _log_ratio(odds, has, n - has, _GONE_BET, _GONE_EDGE)
        streams.append(Stream("signal_gone", name, _GONE_WEIGHT / len(usable), factor))
    return streams


def new_category_streams(
    unknown: Mapping[str, Floats], counted: Mapping[str, Floats], reference: Mapping[str, tuple[int, int]]
) -> list[Stream]:
    """Bets that a category is flooded by values that training did not know; parameters as for `gone_streams`."""
    streams = []
    for name, (some, n) in reference.items():
        if not n:
            continue
        edge = min(2 * wilson_interval(some, n)[1] + _NEW_SLACK, 0.9)
        bet = min(edge + _NEW_MORE, 0.99)
        odds, ratio = edge / (1 - edge), bet / (1 - bet) / (edge / (1 - edge))
        has, of = unknown[name], counted[name]
        factor = _log_ratio(np.full(len(has), odds), has, of - has, ratio, 1.0)
        streams.append(Stream("new_category", name, _NEW_WEIGHT / len(reference), factor))
    return streams


def _follow(log_factor: Floats) -> Floats:
    """The logarithm of a stream after each run: the mean of products that begin at each run."""
    waiting, begun = 1.0, -math.inf
    path = np.empty(len(log_factor))
    for run, factor in enumerate(log_factor.tolist()):
        weight = _WITHIN / _USED if run < _USED else waiting * _LATER
        begun = float(np.logaddexp(begun, math.log(weight))) + factor
        waiting -= weight
        path[run] = np.logaddexp(begun, math.log(waiting))
    return path


def _follow_recent(log_factor: Floats) -> Floats:
    """The logarithm of the sum of products that begin at each run, in units of 13 runs, after each run."""
    begun = -math.inf
    path = np.empty(len(log_factor))
    for run, factor in enumerate(log_factor.tolist()):
        begun = float(np.logaddexp(begun, 0.0)) + factor
        path[run] = begun - math.log(_UNIT)
    return path


def _still(log_factor: Floats) -> bool:
    """Whether the last run that tells something speaks for the bet."""
    told = log_factor[log_factor != 0]
    return bool(len(told) and told[-1] > 0)


def combine_streams(
    streams: Sequence[Stream], runs: Sequence[str], *, alarm: float, tolerance: float
) -> Evidence:
    """The weighted mean over the streams after each run, and that of a recent break.

    Parameters
    ----------
    streams : each with a factor for every run; weight that no stream has stays as it is, at 1.
    runs : ISO time of each.
    alarm, tolerance : as in the config.
    """
    weights = np.array([stream.weight for stream in streams])
    parts = _weigh(streams, _follow)
    recent_parts = _weigh(streams, _follow_recent)
    total = parts.sum(axis=0) + (1 - weights.sum())
    recent = recent_parts.sum(axis=0)
    reached = np.flatnonzero(np.maximum(total, recent) >= alarm)
    most = np.maximum(parts, recent_parts).max(axis=1)
    order = np.argsort(-most, kind="stable")
    return Evidence(
        value=float(total[-1]),
        highest=float(total.max()),
        recent=float(recent[-1]),
        recent_highest=float(recent.max()),
        runs_per_false_alarm=_UNIT * alarm,
        alarm_at=alarm,
        tolerance=tolerance,
        since=runs[int(reached[0])] if len(reached) else None,
        suspects=tuple(
            Suspect(
                streams[n].kind,
                streams[n].name or None,
                float(most[n]),
                _still(streams[n].log_factor),
            )
            for place, n in enumerate(order.tolist())
            if place < _SHOWN or most[n] >= alarm
        ),
        path=tuple(map(EvidencePoint, runs, total.tolist(), recent.tolist())),
    )


def _weigh(streams: Sequence[Stream], follow: Callable[[Floats], Floats]) -> Floats:
    """What each stream adds after each run, of shape (streams, runs)."""
    # Beyond e^700 a float overflows; as evidence, it is the same.
    return np.array(
        [stream.weight * np.exp(np.minimum(follow(stream.log_factor), 700.0)) for stream in streams]
    )
