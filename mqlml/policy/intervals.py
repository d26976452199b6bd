"""Prediction intervals: what each label brought in past periods gives 90% intervals for the next period.

Chance in the past, chance in the next period and differences between periods are kept apart. Three to five periods
hardly show how much periods differ, so a prior says how much they usually do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri

from mqlml.config import LabelRule
from mqlml.policy.choose import first_snapshots
from mqlml.policy.labels import LabelOutcome, LabelPolicy, PredictionInterval, meets_thresholds, newly_meets
from mqlml.policy.threshold_data import ThresholdData, payoff
from mqlml.types import Floats, Mask, Rows

__all__ = ["CONFIDENCE", "add_prediction_intervals", "predict_rate", "predict_share", "predict_value"]

CONFIDENCE = 0.9
"""The share of next periods whose figure lies within its interval."""

_TAILS = ((1 - CONFIDENCE) / 2, 0.5, (1 + CONFIDENCE) / 2)
_Z = float(ndtri(_TAILS[2]))

_BETWEEN = 0.01
"""Prior standard deviation between periods, beyond chance, on the arcsine scale: 0.9 points at a share of 25%.
These constants were chosen on the worlds of `benchmarks/intervals.py` whose seeds are odd."""

_WANDER = 0.055
"""Prior standard deviation, on the same scale, by which a share wanders in a year."""

_CALIBRATED = 0.04
"""Standard deviation, on the same scale, between the share of the selected rows that converts and what their
probabilities say, at the level of all rows."""

_CALIBRATED_RECALL = 0.15
"""The same for the recall, which depends on where the few conversions below the threshold are."""

_NIGHTS = 0.03
"""Standard deviation, on the same scale, between two shares that convert: of snapshots at the ages that are learned
from, and of leads on the night on which they first meet a threshold."""

_YEAR = 52.18
"""Weeks."""

_LEARNED = 0.1
"""A model that learned from n conversions selects other rows than its successor. Variance of the precision on the
arcsine scale: this over n, beyond that of the successor."""

_LEARNED_RECALL = 8.0
"""The same for the recall, which depends on the threshold more."""

_GAINED_RECALL = 0.05
"""How much the recall gains on that scale where a model learned from e times as many conversions: its probabilities
are spread further, so more of the conversions lie above a threshold."""

_MOVED = 0.7
"""Standard deviation of the distance between the log-odds of a model and its successor's: this over root n."""

_FEWEST_PERIODS = 2
"""Fewer periods cannot show that periods differ."""

_WIDEST = 5.0
"""An interval whose end is more than this many times its start says nothing that helps."""

_NODES = ndtri((np.arange(41) + 0.5) / 41)


def add_prediction_intervals(
    policy: LabelPolicy,
    snapshots: ThresholdData,
    rules: Mapping[str, LabelRule],
    *,
    length: float,
    learned: float,
    recent: ThresholdData | None = None,
    at_ages: bool = False,
) -> LabelPolicy:
    """The policy with an interval for what each label brings in the next period.

    There is none where history cannot support it: with fewer than two periods, or where it would be so wide that it
    helps nobody.

    Parameters
    ----------
    policy : LabelPolicy
        As `choose_policy` chose it on these snapshots by these rules.
    snapshots : ThresholdData
        With ``time``; without, nothing is predicted.
    rules : mapping of label to LabelRule
    length : float
        Length of the next period, in the unit of ``snapshots.time``.
    learned : float
        Conversions that the model that will be used learned from.
    recent : ThresholdData, optional
        As given to `choose_policy`.
    at_ages : bool
        Whether the snapshots are at a few ages of each lead, and the recent ones on every night.
    """
    if snapshots.time is None:
        return policy
    snapshots = replace(snapshots, gate_inputs=snapshots.gate_inputs.ranked(policy.references))
    recent = recent and replace(recent, gate_inputs=recent.gate_inputs.ranked(policy.references))
    thresholds = [outcome.label_threshold for outcome in policy.outcomes]
    volume = snapshots if recent is None else recent
    meets = meets_thresholds(thresholds, snapshots.probability, snapshots.gate_inputs)
    latest = newly_meets(thresholds, volume)
    found_by_version: list[float | None] = [None] * len(thresholds)
    if recent is not None:
        nights = meets_thresholds(thresholds, recent.probability, recent.gate_inputs)
        found_by_version = [_share_found(recent.probability, column) for column in nights.T]
    outcomes = []
    for level, (outcome, rule) in enumerate(zip(policy.outcomes, rules.values(), strict=True)):
        past = _Past(snapshots, meets[:, level], length, learned, max(end for _, end in volume.periods))
        found = {
            "precision": past.predict_precision(),
            "recall": past.predict_recall(found_by_version[level]),
        }
        rate = _predict_volume(outcome, volume, latest[:, level], length, learned)
        if volume.dated:
            found["per_week"] = rate
        if rule.policy == "value":
            other = 0.0 if recent is None else _NIGHTS**2
            found["value"] = past.predict_value(rule, rate, other, at_ages=at_ages and recent is not None)
        useful = {what: interval for what, interval in found.items() if interval is not None}
        outcomes.append(replace(outcome, predictions=useful))
    return replace(policy, outcomes=tuple(outcomes))


@dataclass(frozen=True)
class _Expected:
    """A share by the probabilities of rows, and the standard deviation of what is observed on the arcsine scale."""

    share: float
    calibrated: float


class _Past:
    """The past periods of one label."""

    def __init__(
        self, snapshots: ThresholdData, meets: Mask, length: float, learned: float, latest: float
    ) -> None:
        assert snapshots.time is not None
        self.snapshots, self.meets, self.learned = snapshots, meets, learned
        periods = np.array(sorted(snapshots.periods))
        starts, ends = periods.T
        begin = max(float(ends[-1]), latest)
        unit = _YEAR if snapshots.dated else (begin - float(starts[0])) / 2
        self.spans = np.vstack([periods, [begin, begin + length]]) / unit
        self.period = np.maximum(np.searchsorted(starts, snapshots.time, side="right") - 1, 0)
        self.lengths = self.spans[:, 1] - self.spans[:, 0]
        known = snapshots.learned or (learned,) * len(starts)
        self.known = np.clip(np.array(known, dtype=np.float64), 1.0, learned)
        self.probability = _to_level(snapshots.probability, float(snapshots.label.sum()))

    def _count(self, rows: Mask | Rows, weight: Floats | None = None) -> Floats:
        counts = None if weight is None else weight[rows]
        return np.bincount(self.period[rows], counts, minlength=len(self.known)).astype(np.float64)

    def _predict(
        self,
        chosen: Rows,
        won: Floats,
        expected: _Expected,
        per_model: float,
        *,
        other: float = 0.0,
        gained: float = 0.0,
    ) -> PredictionInterval | None:
        """Of the chosen rows, the share that ``won`` in the next period.

        Variances are ``per_model``, times what earlier models knew less by, and ``other``, of the next period. The
        share of an earlier model gains ``gained`` for each e times as many conversions that the model has.
        """
        selected, converted = self._count(chosen), self._count(chosen, won)
        if (selected > 0).sum() < _FEWEST_PERIODS:
            return None
        design = _design_effect(won[chosen], self.snapshots.account[chosen])
        # A model that learned from more selects more rows, so later periods count more for how many come.
        per_year = float((self.known * selected).sum() / (self.known * self.lengths[:-1]).sum())
        ahead = max(per_year * float(self.lengths[-1]), 1.0) / design
        extra = per_model * (1 / self.known - 1 / self.learned)
        return predict_share(
            selected / design,
            converted / design,
            extra,
            gained * np.log(self.learned / self.known),
            expected=expected.share,
            calibrated=expected.calibrated,
            ahead=1 / (4 * ahead) + other,
            spans=self.spans,
        )

    def _expect(self, rows: Rows) -> _Expected:
        """The share of these rows that should convert."""
        return _Expected(float(self.probability[rows].sum()) / max(len(rows), 1), _CALIBRATED)

    def predict_precision(self) -> PredictionInterval | None:
        rows = np.flatnonzero(self.meets)
        return _if_useful(self._predict(rows, self.snapshots.label, self._expect(rows), _LEARNED))

    def predict_recall(self, by_version: float | None) -> PredictionInterval | None:
        """``by_version`` is the share of the latest nights' conversions that the model that will be used should find;
        None without nights."""
        positive = np.flatnonzero(self.snapshots.label)
        found = _share_found(self.probability, self.meets) if by_version is None else by_version
        expected = _Expected(found, _CALIBRATED_RECALL)
        won = self.meets.astype(np.float64)
        return _if_useful(self._predict(positive, won, expected, _LEARNED_RECALL, gained=_GAINED_RECALL))

    def predict_value(
        self, rule: LabelRule, rate: PredictionInterval | None, other: float, *, at_ages: bool
    ) -> PredictionInterval | None:
        """Each lead is followed up once, when first selected; ``other`` as in `_predict`.

        On nights that is at any age. Of a few ages (``at_ages``) the first is mostly the youngest, at which fewer
        convert than of all selected snapshots, so all of these show what leads bring on a night.
        """
        rows = np.flatnonzero(self.meets)
        if not at_ages:
            rows = first_snapshots(self.snapshots.lead, self.snapshots.time, rows)
        share = _if_useful(
            self._predict(rows, self.snapshots.label, self._expect(rows), _LEARNED, other=other)
        )
        if share is None or rate is None:
            return None
        won, lost = payoff(rule, [1, 0])
        return predict_value(rate, share, won=float(won), lost=float(lost))


def _predict_volume(
    outcome: LabelOutcome, volume: ThresholdData, meets: Mask, length: float, learned: float
) -> PredictionInterval | None:
    """Leads a week, or a snapshot where there are no dates."""
    rows = first_snapshots(volume.lead, volume.time, np.flatnonzero(meets))
    if not len(rows):
        return None
    weight, weeks = volume.recency()
    per_account = np.bincount(volume.account[rows], weight[rows])
    leads = np.bincount(volume.account[rows]).astype(np.float64)
    rate = outcome.per_week or float(weight[rows].sum() / len(volume.probability))
    ahead = rate * length if weeks is not None else len(rows) * length / volume.length
    known = min((volume.learned or (learned,))[-1], learned)
    return _if_useful(
        predict_rate(
            rate,
            counted=float(per_account @ per_account / per_account.sum() ** 2),
            ahead=float((leads @ leads) / leads.sum()) / ahead,
            moved=(_MOVED * _steepness(volume.probability, meets)) ** 2 * (1 / known - 1 / learned)
            + volume.arrivals.variance,
        )
    )


def _share_found(probability: Floats, meets: Mask) -> float:
    """The share of all conversions that these rows should bring, by the probabilities."""
    return float(probability[meets].sum() / probability.sum())


def _to_level(probability: Floats, converted: float) -> Floats:
    """Probabilities whose log-odds are moved by one number, so that as many conversions are expected as came."""
    log_odds = logit(np.clip(probability, 1e-9, 1 - 1e-9))
    number = min(max(converted, 0.5), len(probability) - 0.5)
    shift = brentq(lambda by: float(expit(log_odds + by).sum()) - number, -40, 40)
    moved: Floats = expit(log_odds + shift)
    return moved


def _design_effect(y: Floats, account: Rows) -> float:
    """Variance of a sum over accounts against that over as many independent rows; at least 1."""
    rest = y - y.mean()
    within = float(rest @ rest)
    if within == 0:
        return 1.0
    sums = np.bincount(account, rest)
    return max(float(sums @ sums) / within, 1.0)


def _steepness(probability: Floats, meets: Mask) -> float:
    """Relative change of the number selected for each unit that all log-odds move by."""
    inside = np.clip(probability, 1e-9, 1 - 1e-9)
    log_odds = np.log(inside / (1 - inside))
    lowest = float(log_odds[meets].min())
    near = np.abs(log_odds - lowest) < 0.15
    return float(near.sum()) / 0.3 / float(meets.sum())


def _if_useful(found: PredictionInterval | None) -> PredictionInterval | None:
    return found if found is not None and found.high <= _WIDEST * found.low else None


def predict_share(
    selected: Floats,
    converted: Floats,
    extra: Floats,
    gain: Floats,
    *,
    expected: float,
    calibrated: float,
    ahead: float,
    spans: Floats,
) -> PredictionInterval:
    """The share of the next period's selected rows that converts.

    A random-effects meta-analysis of the periods' shares on the arcsine scale, with a half-normal prior on the
    standard deviation between periods: C. Röver, "Bayesian random-effects meta-analysis using the bayesmeta R
    package", Journal of Statistical Software 93, 2020. What the probabilities of all these rows say together is one
    more observation, of all past periods: few rows show their share less well than that.

    Parameters
    ----------
    selected, converted, extra, gain : arrays of shape (periods,)
        Independent rows selected in each period, those of them that converted, and on the arcsine scale the variance
        of the share that is not chance, and by how much the next period's model should raise it. Periods without
        selected rows are ignored; one must have some.
    expected, calibrated : float
        The share by the rows' probabilities, and the standard deviation from it on the arcsine scale.
    ahead : float
        Variance of the next period's share, on the arcsine scale, by chance and all else that is its own.
    spans : array of shape (periods + 1, 2)
        Start and end of each period and, last, of the next, in years.
    """
    some = selected > 0
    n, won = selected[some], converted[some]
    share = np.arcsin(np.sqrt((won + 0.375) / (n + 0.75))) + gain[some]
    value = np.append(share, math.asin(math.sqrt(expected)))
    chance = np.append(1 / (4 * (n + 0.5)) + extra[some], calibrated**2)
    ends = _mix(value, chance, ahead, spans[np.append(some, True)])
    low, middle, high = (_from_arcsine(end) for end in ends)
    return PredictionInterval(middle, low, high)


def predict_rate(rate: float, *, counted: float, ahead: float, moved: float) -> PredictionInterval:
    """The rate of the next period, by a normal distribution of its square root, as counts have.

    Parameters
    ----------
    rate : float, above 0
    counted, ahead, moved : float
        Relative variance of the rate by chance in the past, by chance in the next period, and by changes in between.
    """
    wide = _Z * math.sqrt(counted + ahead + moved) / 2
    return PredictionInterval(rate, rate * max(1 - wide, 0.0) ** 2, rate * (1 + wide) ** 2)


def predict_value(
    rate: PredictionInterval, share: PredictionInterval, *, won: float, lost: float
) -> PredictionInterval:
    """The value of a rate of follow-ups of which a share converts, each worth ``won`` or ``lost``."""
    wide = (math.sqrt(rate.high / rate.value) - 1) / _Z
    rates = rate.value * np.maximum(1 + _NODES * wide, 0.0) ** 2
    ends = [math.asin(math.sqrt(end)) for end in (share.low, share.value, share.high)]
    shares = np.sin(np.clip(ends[1] + _NODES * (ends[2] - ends[0]) / (2 * _Z), 0.0, math.pi / 2)) ** 2
    values = np.outer(rates, lost + shares * (won - lost))
    low, middle, high = np.quantile(values, _TAILS)
    return PredictionInterval(float(middle), float(low), float(high))


def _from_arcsine(number: float) -> float:
    return math.sin(min(max(number, 0.0), math.pi / 2)) ** 2


def _wander(spans: Floats) -> Floats:
    """Covariance of the means of a Brownian motion over spans of time that do not overlap, starts ascending."""
    start, end = (spans - spans[0, 0]).T
    middle = (start + end) / 2
    found: Floats = np.minimum.outer(middle, middle)
    np.fill_diagonal(found, start + (end - start) / 3)
    return found


def _mix(value: Floats, chance: Floats, ahead: float, spans: Floats) -> tuple[float, float, float]:
    """Quantiles of the value in the last span: a mixture of normals over how much periods differ and how fast the
    value wanders. The mean has a flat prior.

    The values are those of the other spans and, last, one of them all; ``chance`` is their variance by chance, and
    ``ahead`` that of the last span.
    """
    between, wander = (
        grid.ravel() ** 2 for grid in np.meshgrid(_grid(_BETWEEN), _grid(_WANDER), indexing="ij")
    )
    lengths = np.diff(spans[:-1], axis=1).ravel()
    observed = np.vstack([np.eye(len(spans))[:-1], np.append(lengths / lengths.sum(), 0.0)])
    moved = _wander(spans)
    alone = between[:, None] * (np.arange(len(value)) < len(lengths))
    known = wander[:, None, None] * (observed @ moved @ observed.T)
    known += np.eye(len(value)) * (chance + alone)[:, None, :]
    inverse = np.linalg.inv(known)
    total = inverse.sum(axis=(1, 2))
    mean = (inverse.sum(axis=1) @ value) / total
    rest = value - mean[:, None]
    squares = np.einsum("gi,gij,gj->g", rest, inverse, rest)
    log_density = -0.5 * (np.linalg.slogdet(known)[1] + np.log(total) + squares)
    log_density -= 0.5 * (between / _BETWEEN**2 + wander / _WANDER**2)
    weight = np.outer(np.gradient(_grid(_BETWEEN)), np.gradient(_grid(_WANDER))).ravel()
    mass = np.exp(log_density - log_density.max()) * weight
    mass /= mass.sum()
    shared = wander[:, None] * (observed @ moved[-1])
    pull = np.einsum("gij,gj->gi", inverse, shared)
    center = mean + (pull * rest).sum(axis=1)
    spread = np.sqrt(
        wander * moved[-1, -1]
        + between
        + ahead
        - (pull * shared).sum(axis=1)
        + (1 - pull.sum(axis=1)) ** 2 / total
    )
    ends = float((center - 9 * spread).min()), float((center + 9 * spread).max())

    def quantile(share: float) -> float:
        return float(brentq(lambda x: float(mass @ ndtr((x - center) / spread)) - share, *ends))

    low, middle, high = (quantile(share) for share in _TAILS)
    return low, middle, high


def _grid(scale: float) -> Floats:
    """Standard deviations, from none to five times the scale of their half-normal prior."""
    return np.concatenate([[0.0], np.geomspace(scale / 10, 5 * scale, 15)])
