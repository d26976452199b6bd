"""What labels and other thresholds select of the held-out period, counted in leads rather than in snapshots.

A lead is scored on several dates, and people count leads. A lead counts as selected if it was on any date, and as
converted if a conversion followed within the horizon of such a date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mqlml.evaluation.bootstrap import Estimate, cluster_inflation
from mqlml.evaluation.curves import wilson_interval
from mqlml.evaluation.holdout import Evaluated, holdout_weeks
from mqlml.model import PointsBaseline
from mqlml.policy import GateInputs, LabelPolicy
from mqlml.results import Number, Result
from mqlml.training import TrainingTable
from mqlml.types import Floats, Ints, Mask

__all__ = ["Asked", "ByLead", "LabelByLead", "ThresholdPoint", "count_leads", "evaluate_by_lead"]

_POINTS = 80
"""Points of the curve; the steps between them grow with the number of leads."""


@dataclass(frozen=True)
class Asked(Result):
    """What the config asks of a label."""

    what: Literal["precision", "recall", "per_week"]
    """A share that converts, a share of all conversions, or leads a week at most."""
    value: float
    """How much."""


@dataclass(frozen=True)
class ThresholdPoint(Result):
    """The leads that one threshold selects."""

    threshold: Number
    """The probability from which a lead is selected."""
    leads: int
    """Leads selected on any date."""
    converted: int
    """Those of them that convert."""
    precision: Estimate
    """The share that converts; Wilson's interval, for as many leads as accounts make them worth."""
    recall: Estimate
    """Of all leads that convert, the share that is selected, likewise."""
    points_converted: Number
    """Leads that convert among as many picked by the points rule, ties drawn at random; null where it gives all
    leads the same points."""


@dataclass(frozen=True, kw_only=True)
class LabelByLead(ThresholdPoint):
    """The leads that one label's threshold selects."""

    asked: Asked | None
    """None where the threshold is fixed, or set by value."""
    same_as: str | None
    """The next lower label, where it selects the very same leads."""


@dataclass(frozen=True)
class ByLead(Result):
    """The held-out period counted in leads."""

    leads: int
    """Leads scored."""
    converted: int
    """Those that convert."""
    weeks: float | None
    """Length of the period; None without dates."""
    labels: dict[str, LabelByLead]
    """By label, lowest first, at the thresholds chosen before the period."""
    curve: tuple[ThresholdPoint, ...]
    """Thresholds from the highest to the lowest, those of the labels among them."""

    @property
    def base_rate(self) -> float:
        """The share of the leads that converts."""
        return self.converted / self.leads if self.leads else float("nan")


@dataclass(frozen=True)
class _Leads:
    """Rows by lead: the code of each row's lead, and of the whole what a share needs for its interval."""

    codes: Ints
    number: int
    y: Mask
    converted: int
    inflation: float

    def any(self, rows: Mask) -> Mask:
        found = np.zeros(self.number, dtype=np.bool_)
        found[self.codes[rows]] = True
        return found

    def point(self, threshold: float, leads: int, converted: int, points_converted: float) -> ThresholdPoint:
        return ThresholdPoint(
            threshold=threshold,
            leads=leads,
            converted=converted,
            precision=self._share(converted, leads),
            recall=self._share(converted, self.converted),
            points_converted=points_converted,
        )

    def _share(self, some: int, of: int) -> Estimate:
        if not of:
            return Estimate(float("nan"), float("nan"), float("nan"))
        low, high = wilson_interval(some / self.inflation, of / self.inflation)
        return Estimate(some / of, low, high)


def count_leads(
    selected: Mapping[str, Mask],
    y: npt.ArrayLike,
    score: Floats,
    points: Floats,
    *,
    leads: npt.ArrayLike,
    clusters: npt.ArrayLike,
    thresholds: Mapping[str, float],
    asked: Mapping[str, Asked | None],
    weeks: float | None,
) -> ByLead:
    """Count leads for labels and for a curve of thresholds.

    Parameters
    ----------
    selected : dict of arrays of bool, shape (n,)
        By label, lowest first: whether each snapshot meets its threshold.
    y : array of shape (n,), 0 or 1
    score, points : arrays of shape (n,)
        The calibrated probability, and the points of the points rule.
    leads, clusters : arrays of shape (n,)
        The lead, and the account or else the lead, of each snapshot.
    thresholds, asked : by label
    weeks : length of the period; None without dates.
    """
    won = np.asarray(y) > 0
    _, first, codes = np.unique(np.asarray(leads), return_index=True, return_inverse=True)
    ever = np.zeros(len(first), dtype=np.bool_)
    ever[codes[won]] = True
    rate = float(ever.mean())
    inflation = 1.0
    if 0 < rate < 1:
        members = np.unique(np.asarray(clusters)[first], return_inverse=True)[1]
        share: Floats = np.full(len(ever), rate)
        error: Floats = ever - share
        inflation = cluster_inflation(error, share, members)
    found = _Leads(codes, len(first), won, int(ever.sum()), inflation)
    best, best_won = _highest(score, found)
    rule = _rank(*_highest(points, found)) if np.ptp(points) > 0 else None
    labels, below = {}, None
    for name, rows in selected.items():
        has, wins = found.any(rows), found.any(rows & won)
        n, wins_n = int(has.sum()), int(wins.sum())
        point = found.point(thresholds[name], n, wins_n, _at(rule, n))
        same = below is not None and bool((has == below[1]).all())
        labels[name] = LabelByLead(
            **vars(point), asked=asked[name], same_as=below[0] if below is not None and same else None
        )
        below = name, has
    order, wins = np.sort(best)[::-1], np.sort(best_won[~np.isnan(best_won)])
    ranks = np.unique(np.ceil(len(order) * (np.arange(1, _POINTS + 1) / _POINTS) ** 1.5).astype(np.int64))
    curve = []
    levels = np.concatenate([order[ranks - 1], np.array(list(thresholds.values()))])
    for threshold in np.unique(levels)[::-1].tolist():
        n = int((order >= threshold).sum())
        curve.append(found.point(threshold, n, int((wins >= threshold).sum()), _at(rule, n)))
    return ByLead(found.number, found.converted, weeks, labels, tuple(curve))


def _highest(score: Floats, leads: _Leads) -> tuple[Floats, Floats]:
    """The highest score of each lead, and that of its snapshots that convert; NaN where there is none."""
    best, best_won = np.full(leads.number, -np.inf), np.full(leads.number, -np.inf)
    np.maximum.at(best, leads.codes, score)
    np.maximum.at(best_won, leads.codes[leads.y], score[leads.y])
    return best, np.where(np.isinf(best_won), np.nan, best_won)


def _rank(best: Floats, best_won: Floats) -> tuple[Floats, Floats]:
    """Leads picked and conversions among them, from the top score down; both start at 0."""
    values = np.unique(best)[::-1]
    wins = np.sort(best_won[~np.isnan(best_won)])
    picked = len(best) - np.searchsorted(np.sort(best), values, side="left")
    converted = len(wins) - np.searchsorted(wins, values, side="left")
    return np.append(0.0, picked), np.append(0.0, converted)


def _at(rule: tuple[Floats, Floats] | None, n: int) -> float:
    """Conversions among the rule's first ``n`` leads; within a tie, as many as its share gives."""
    return float("nan") if rule is None else float(np.interp(n, *rule))


def evaluate_by_lead(
    policy: LabelPolicy, evaluated: Evaluated, table: TrainingTable, gate_inputs: GateInputs
) -> ByLead:
    """The held-out period counted in leads, at the thresholds that were chosen before it."""
    last = table.holdout.test
    meets = policy.meets_thresholds(evaluated.probability, gate_inputs)
    names = [outcome.label for outcome in policy.outcomes]
    return count_leads(
        {name: meets[:, place] for place, name in enumerate(names)},
        table.label[last],
        evaluated.probability,
        PointsBaseline(table.plan.features).points(table.features.iloc[last]),
        leads=table.lead[last],
        clusters=table.group[last],
        thresholds={outcome.label: outcome.threshold for outcome in policy.outcomes},
        asked={outcome.label: _asked(outcome.rule) for outcome in policy.outcomes},
        weeks=holdout_weeks(table),
    )


def _asked(rule: Mapping[str, object]) -> Asked | None:
    if rule["policy"] == "capacity" and rule.get("per_week") is not None:
        return Asked("per_week", float(str(rule["per_week"])))
    if rule["policy"] == "min_precision":
        return Asked("precision", float(str(rule["value"])))
    return Asked("recall", float(str(rule["value"]))) if rule["policy"] == "min_recall" else None
