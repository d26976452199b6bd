"""What labels and other thresholds select of the held-out period, counted in leads rather than in snapshots.

A lead is scored on several dates, and people count leads. A lead counts as selected if it was on any date, and as
converted if a conversion followed within the horizon of such a date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Problem
from mqlml.evaluation.bootstrap import Estimate, cluster_inflation
from mqlml.evaluation.curves import wilson_interval
from mqlml.evaluation.holdout import Evaluated, holdout_weeks
from mqlml.journeys import Journeys
from mqlml.model import PointsBaseline
from mqlml.policy import GateInputs, LabelPolicy, ThresholdData
from mqlml.results import Number, Result
from mqlml.times import column_to_microseconds
from mqlml.training import TrainingTable
from mqlml.training.snapshots import conversion_times, stage_times
from mqlml.types import Floats, Ints, Mask

__all__ = [
    "Asked",
    "ByLead",
    "CompanyMqls",
    "LabelByLead",
    "LabelRows",
    "LeadRows",
    "ThresholdPoint",
    "count_leads",
    "evaluate_by_lead",
    "find_company_mqls",
]

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
    per_week: Number | None = None
    """Leads a week that reach it in a run every night, each counted once; null without dates, and in versions of
    earlier releases."""


@dataclass(frozen=True, kw_only=True)
class LabelByLead(ThresholdPoint):
    """The leads that one label's threshold selects."""

    asked: Asked | None
    """None where the threshold is fixed, or set by value."""
    same_as: str | None
    """The next lower label, where it selects the very same leads."""


@dataclass(frozen=True)
class CompanyMqls(Result):
    """The leads that the company itself made MQLs, beside as many that the model ranks highest."""

    leads: int
    """Leads that were MQLs by the end of the held-out period."""
    converted: int
    """Those of them that convert afterwards."""
    model_converted: Estimate
    """Leads that convert among as many of the highest probability, ties drawn at random."""


@dataclass(frozen=True)
class ByLead(Result):
    """The held-out period counted in leads."""

    leads: int
    """Leads scored."""
    converted: int
    """Those that convert."""
    weeks: float | None
    """Length of the period in weeks; None without dates."""
    labels: dict[str, LabelByLead]
    """By label, lowest first, at the thresholds chosen before the period."""
    curve: tuple[ThresholdPoint, ...]
    """Thresholds from the highest to the lowest, those of the labels among them."""
    company_mqls: CompanyMqls | None = None
    """None where the data does not tell which leads the company made MQLs."""

    @property
    def base_rate(self) -> float:
        """The share of the leads that converts."""
        return self.converted / self.leads if self.leads else float("nan")

    def weekly(self, point: ThresholdPoint) -> float | None:
        """Leads a week at one threshold; None without dates. Versions of earlier releases counted at few ages."""
        if point.per_week is not None or self.weeks is None:
            return point.per_week
        return point.leads / self.weeks


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
            precision=self.share(converted, leads),
            recall=self.share(converted, self.converted),
            points_converted=points_converted,
        )

    def share(self, some: float, of: int) -> Estimate:
        if not of:
            return Estimate(float("nan"), float("nan"), float("nan"))
        low, high = wilson_interval(some / self.inflation, of / self.inflation)
        return Estimate(some / of, low, high)


@dataclass(frozen=True)
class LeadRows:
    """Held-out snapshots with what leads are counted by.

    Attributes
    ----------
    label : array of shape (n,), 0 or 1
    leads, clusters : arrays of shape (n,)
        The lead, and the account or else the lead, of each snapshot.
    score, points : ndarray of float64, shape (n,)
        The calibrated probability, and the points of the points rule.
    company : ndarray of int8, shape (n,), or None
        2 where the company made the lead an MQL and it converts afterwards, 1 where it made it one, else 0.
    """

    label: npt.ArrayLike
    leads: npt.ArrayLike
    clusters: npt.ArrayLike
    score: Floats
    points: Floats
    company: npt.NDArray[np.int8] | None = None


@dataclass(frozen=True)
class LabelRows:
    """Which snapshots meet the threshold of one label.

    Attributes
    ----------
    threshold : float
    meets : ndarray of bool, shape (n,)
    asked : Asked or None
    """

    threshold: float
    meets: Mask
    asked: Asked | None


def count_leads(
    rows: LeadRows,
    labels: Mapping[str, LabelRows],
    *,
    weeks: float | None,
    nights: ThresholdData | None = None,
) -> ByLead:
    """Count leads for labels and for a curve of thresholds.

    Parameters
    ----------
    rows : LeadRows
    labels : dict of LabelRows
        By label, lowest first.
    weeks : float or None
        Length of the period; None without dates.
    nights : ThresholdData, optional
        Those of the period, to count leads a week on.
    """
    found = _group_by_lead(rows)
    weekly = _WeeklyLeads(nights)
    best, best_won = _highest(rows.score, found)
    rule = _rank(*_highest(rows.points, found)) if np.ptp(rows.points) > 0 else None
    counted, below = {}, None
    for name, label in labels.items():
        has, wins = found.any(label.meets), found.any(label.meets & found.y)
        n, wins_n = int(has.sum()), int(wins.sum())
        point = found.point(label.threshold, n, wins_n, _at(rule, n))
        same = below is not None and bool((has == below[1]).all())
        counted[name] = LabelByLead(
            **{**vars(point), "per_week": weekly.above(label.threshold)},
            asked=label.asked,
            same_as=below[0] if below is not None and same else None,
        )
        below = name, has
    order, wins = np.sort(best)[::-1], np.sort(best_won[~np.isnan(best_won)])
    ranks = np.unique(np.ceil(len(order) * (np.arange(1, _POINTS + 1) / _POINTS) ** 1.5).astype(np.int64))
    curve = []
    levels = np.concatenate([order[ranks - 1], np.array([label.threshold for label in labels.values()])])
    for threshold in np.unique(levels)[::-1].tolist():
        n = int((order >= threshold).sum())
        point = found.point(threshold, n, int((wins >= threshold).sum()), _at(rule, n))
        curve.append(replace(point, per_week=weekly.above(threshold)))
    company = None if rows.company is None else _beside_company(rows.company, found, _rank(best, best_won))
    return ByLead(found.number, found.converted, weeks, counted, tuple(curve), company)


class _WeeklyLeads:
    """How many leads a week reach each threshold on some night for the first time."""

    def __init__(self, nights: ThresholdData | None) -> None:
        self.length = None
        if nights is not None and nights.weeks is not None:
            self.length = nights.weeks * nights.share
            last = np.full(int(nights.lead.max()) + 1, -np.inf)
            np.maximum.at(last, nights.lead, nights.probability)
            first = np.zeros_like(last) if nights.before is None else np.full_like(last, -np.inf)
            if nights.before is not None:
                np.maximum.at(first, nights.lead, nights.before)
            new = last > first
            self.last, self.first = np.sort(last[new]), np.sort(first[new])

    def above(self, threshold: float) -> float | None:
        """None without nights."""
        if self.length is None:
            return None
        reached = len(self.last) - int(np.searchsorted(self.last, threshold, side="left"))
        before = len(self.first) - int(np.searchsorted(self.first, threshold, side="left"))
        return (reached - before) / self.length


def _group_by_lead(rows: LeadRows) -> _Leads:
    won = np.asarray(rows.label) > 0
    _, first, codes = np.unique(np.asarray(rows.leads), return_index=True, return_inverse=True)
    ever = np.zeros(len(first), dtype=np.bool_)
    ever[codes[won]] = True
    rate = float(ever.mean())
    inflation = 1.0
    if 0 < rate < 1:
        members = np.unique(np.asarray(rows.clusters)[first], return_inverse=True)[1]
        share: Floats = np.full(len(ever), rate)
        error: Floats = ever - share
        inflation = cluster_inflation(error, share, members)
    return _Leads(codes, len(first), won, int(ever.sum()), inflation)


def _beside_company(
    company: npt.NDArray[np.int8], leads: _Leads, model: tuple[Floats, Floats]
) -> CompanyMqls | None:
    """None where the company made no lead of the period an MQL."""
    n, won = int(leads.any(company > 0).sum()), int(leads.any(company > 1).sum())
    if n == 0:
        return None
    share = leads.share(_at(model, n), n)
    return CompanyMqls(n, won, Estimate(n * share.value, n * share.low, n * share.high))


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


def find_company_mqls(
    journeys: Journeys, snapshots: pd.DataFrame, label: npt.ArrayLike, problem: Problem
) -> npt.NDArray[np.int8] | None:
    """Of each snapshot, whether the company made its lead an MQL, as `LeadRows.company`.

    A lead counts from the moment at which the company knew the stage, if that is not after the last snapshot of the
    period, and as converted if it did so after that moment and one of its snapshots is followed by a conversion.

    Parameters
    ----------
    journeys : Journeys
    snapshots : DataFrame
        ``lead_id`` and ``cutoff_time`` of the period.
    label : array of shape (n,), 0 or 1
    problem : Problem

    Returns
    -------
    ndarray of int8, or None where the stages do not tell, or MQLs are what is predicted.
    """
    if problem.outcome == "mql" or not (journeys.outcomes["stage"] == "mql").any():
        return None
    lead = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    known, won_at = stage_times(journeys, "mql")[lead], conversion_times(journeys, problem)[lead]
    is_mql = known <= column_to_microseconds(snapshots["cutoff_time"]).max()
    converts = pd.Series(np.asarray(label) > 0).groupby(lead).transform("any").to_numpy()
    return np.where(is_mql & converts & (known < won_at), 2, np.where(is_mql, 1, 0)).astype(np.int8)


def evaluate_by_lead(
    policy: LabelPolicy,
    evaluated: Evaluated,
    table: TrainingTable,
    gate_inputs: GateInputs,
    nights: ThresholdData | None,
    company: npt.NDArray[np.int8] | None,
) -> ByLead:
    """The held-out period counted in leads, at the thresholds that were chosen before it.

    ``nights`` are those of the period, to count leads a week on; ``company`` tells which leads the company made MQLs,
    as `find_company_mqls` finds it.
    """
    last = table.holdout.test
    meets = policy.meets_thresholds(evaluated.probability, gate_inputs)
    rows = LeadRows(
        label=table.label[last],
        leads=table.lead[last],
        clusters=table.group[last],
        score=evaluated.probability,
        points=PointsBaseline(table.plan.features).points(table.features.iloc[last]),
        company=company,
    )
    labels = {
        outcome.label: LabelRows(outcome.threshold, meets[:, place], _asked(outcome.rule))
        for place, outcome in enumerate(policy.outcomes)
    }
    return count_leads(rows, labels, weeks=holdout_weeks(table), nights=nights)


def _asked(rule: Mapping[str, object]) -> Asked | None:
    if rule["policy"] == "capacity" and rule.get("per_week") is not None:
        return Asked("per_week", float(str(rule["per_week"])))
    if rule["policy"] == "min_precision":
        return Asked("precision", float(str(rule["value"])))
    return Asked("recall", float(str(rule["value"]))) if rule["policy"] == "min_recall" else None
