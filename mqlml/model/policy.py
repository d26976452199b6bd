"""The label policy: calibrated probabilities and what became of those leads go in, thresholds for labels come out.

A threshold is always a statement about the leads at or above it (`>=`). Leads of equal probability are taken together
or not at all, since nothing tells them apart tomorrow either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError

__all__ = ["UNQUALIFIED", "LabelOutcome", "LabelPolicy", "choose_thresholds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

UNQUALIFIED = "unqualified"
_FEW_LEADS = 30


@dataclass(frozen=True)
class LabelOutcome:
    """One label's threshold, and what it gave on the leads it was chosen on.

    Attributes
    ----------
    label : str
    rule : dict
        The `LabelRule` it came from, as plain values.
    threshold : float
        Probability at or above which a lead has the label, or a higher one.
    precision : float or None
        Share of the selected leads that converted; None where none is selected.
    recall : float or None
        Share of the converting leads that are selected; None where none converted.
    per_week : float or None
        Leads a week that are selected at least once; None where the data has no dates.
    selected, converted : int
        Selected leads, and those of them that converted.
    note : str or None
        What a person should know about this threshold.
    """

    label: str
    rule: dict[str, Any]
    threshold: float
    precision: float | None
    recall: float | None
    per_week: float | None
    selected: int
    converted: int
    note: str | None = None


@dataclass(frozen=True)
class LabelPolicy:
    """Thresholds, lowest label first, each not below the one before.

    Examples
    --------
    >>> rules = {"mql": LabelRule(policy="min_recall", value=1), "sql": LabelRule(policy="min_precision", value=1)}
    >>> policy = choose_thresholds([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1], rules, weeks=1)
    >>> policy.thresholds
    {'mql': 0.4, 'sql': 0.9}
    >>> policy.assign_labels([0.2, 0.4, 0.95]).tolist()
    ['unqualified', 'mql', 'sql']
    """

    outcomes: tuple[LabelOutcome, ...]

    @property
    def thresholds(self) -> dict[str, float]:
        """Threshold by label, lowest label first."""
        return {outcome.label: outcome.threshold for outcome in self.outcomes}

    def assign_labels(self, probability: npt.ArrayLike) -> npt.NDArray[np.str_]:
        """The highest label whose threshold each probability reaches, or ``"unqualified"``.

        Raises
        ------
        LabelPolicyError
            If a probability is missing or outside 0 and 1.
        """
        values = _probabilities(probability)
        names = np.array([UNQUALIFIED, *self.thresholds])
        reached = np.searchsorted(np.array(list(self.thresholds.values())), values, side="right")
        labels: npt.NDArray[np.str_] = names[reached]
        return labels

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; `from_dict` gives an equal policy."""
        return {"labels": [asdict(outcome) for outcome in self.outcomes]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The policy that `to_dict` described.

        Raises
        ------
        LabelPolicyError
            If thresholds are missing, or not in order.
        """
        try:
            outcomes = tuple(LabelOutcome(**outcome) for outcome in values["labels"])
            thresholds = [float(outcome.threshold) for outcome in outcomes]
        except (KeyError, TypeError, ValueError) as error:
            raise LabelPolicyError(
                f"a stored label policy must hold labels with thresholds: {error}"
            ) from None
        if not outcomes or not all(math.isfinite(t) for t in thresholds) or thresholds != sorted(thresholds):
            raise LabelPolicyError(
                f"a stored label policy must hold rising thresholds, lowest label first; found {thresholds!r}"
            )
        return cls(outcomes)


@dataclass(frozen=True)
class _Curve:
    """What each possible threshold selects, highest threshold first; one entry per different probability."""

    threshold: FloatArray
    selected: IntArray
    converted: IntArray
    leads: IntArray
    weeks: float | None

    @property
    def positives(self) -> int:
        return int(self.converted[-1])

    # Quotients, not products, are compared with what was asked for: 7 / 100 is the same float as 0.07, while
    # 0.07 * 100 is more than 7.
    @property
    def precision(self) -> FloatArray:
        return self.converted / self.selected

    @property
    def recall(self) -> FloatArray:
        return self.converted / self.positives

    @property
    def per_week(self) -> FloatArray | None:
        return None if self.weeks is None else self.leads / self.weeks


def choose_thresholds(
    probability: npt.ArrayLike,
    label: npt.ArrayLike,
    rules: Mapping[Any, LabelRule],
    *,
    weeks: float | None,
    leads: npt.ArrayLike | None = None,
) -> LabelPolicy:
    """Thresholds that keep each rule on leads whose outcome is known.

    - ``fixed``: the value itself.
    - ``min_precision``: the lowest threshold at which at least this share of *all* selected leads converted, hence
      the most leads. Precision does not fall evenly as a threshold falls, so higher thresholds may miss the value.
    - ``min_recall``: the highest threshold that still selects this share of the converting leads.
    - ``capacity``: the lowest threshold that selects at most ``per_week`` leads a week.
    - ``value``: following up one lead brings ``(gain + missed_cost) · probability − cost`` more than not doing so;
      worth it at ``cost / (gain + missed_cost)`` and above. The threshold is this one, not the one that would have
      been best on these leads: with calibrated probabilities both aim at the same, and this one carries no noise.
      C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.

    A label above another must not have the lower threshold, or it would take leads that have not reached the label
    below. Its threshold is then raised to that of the label below, with a note, where its own promise survives that
    (a capacity, a precision that still holds, a value); else the rules contradict each other, which is an error.

    Parameters
    ----------
    probability : array of shape (n,)
        Calibrated, from forward predictions.
    label : array of shape (n,), 0 or 1
    rules : mapping of label to LabelRule, lowest label first
    weeks : float or None
        How many weeks these leads came in; None where the data has no dates, and then no capacity can be kept.
    leads : array of shape (n,), optional
        Which lead each row is a look at, where one lead is looked at more than once: sales is handed a lead once,
        so it counts once towards a capacity.

    Raises
    ------
    LabelPolicyError
        If a rule asks for what no threshold reaches, naming the best one; or the rules contradict each other.
    """
    values = _probabilities(probability)
    target = np.asarray(label, dtype=np.float64)
    if values.shape != target.shape or not len(values) or not np.isin(target, (0, 1)).all():
        raise LabelPolicyError(
            f"thresholds need one label, 0 or 1, for each probability; found {len(values)} probabilities and "
            f"{target.size} labels"
        )
    if weeks is not None and not (math.isfinite(weeks) and weeks > 0):
        raise LabelPolicyError(
            f"thresholds need the number of weeks the leads came in, above 0; found {weeks!r}"
        )
    curve = _selection_curve(
        values, target, weeks, np.arange(len(values)) if leads is None else np.asarray(leads)
    )
    if curve.positives == 0:
        raise LabelPolicyError(
            f"thresholds need leads that converted; found none among {len(values)}. Take a longer history or horizon"
        )
    outcomes: list[LabelOutcome] = []
    for name, rule in rules.items():
        threshold, note = _choose(curve, rule, name)
        if outcomes and threshold < outcomes[-1].threshold:
            below = outcomes[-1]
            _check_raised(curve, rule, name, threshold, below)
            note = (
                f"raised from {threshold:.4g} to the threshold of {below.label}: nobody can be {name} who is not "
                f"{below.label}"
            )
            threshold = below.threshold
        outcomes.append(_outcome(curve, name, rule, threshold, note))
    return LabelPolicy(tuple(outcomes))


def _probabilities(probability: npt.ArrayLike) -> FloatArray:
    values = np.asarray(probability, dtype=np.float64)
    wrong = ~((values >= 0) & (values <= 1))
    if values.ndim != 1 or wrong.any():
        raise LabelPolicyError(
            f"probabilities must lie within 0 and 1, one per lead; found shape {values.shape} with "
            f"{int(wrong.sum())} that do not"
        )
    return values


def _selection_curve(
    probability: FloatArray, target: FloatArray, weeks: float | None, leads: npt.NDArray[Any]
) -> _Curve:
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    last_of_tie = np.append(falling[1:] != falling[:-1], True)
    converted = np.cumsum(target[order]).astype(np.int64)
    first_look = np.zeros(len(order), dtype=np.int64)
    first_look[np.unique(leads[order], return_index=True)[1]] = 1
    return _Curve(
        threshold=falling[last_of_tie],
        selected=np.flatnonzero(last_of_tie) + 1,
        converted=converted[last_of_tie],
        leads=np.cumsum(first_look)[last_of_tie],
        weeks=weeks,
    )


def _choose(curve: _Curve, rule: LabelRule, name: str) -> tuple[float, str | None]:
    """The threshold of one rule by itself, and a note."""
    if rule.policy == "fixed":
        return float(rule.value or 0.0), None
    if rule.policy == "value":
        return _choose_by_value(curve, rule, name)
    if rule.policy == "min_recall":
        # Recall rises with every lead taken and reaches 1, so the first threshold that keeps the value exists.
        return float(curve.threshold[np.flatnonzero(curve.recall >= (rule.value or 0.0))[0]]), None
    if rule.policy == "min_precision":
        fits = np.flatnonzero(curve.precision >= (rule.value or 0.0))
        if not len(fits):
            best = int(np.argmax(curve.precision))
            raise LabelPolicyError(
                f"labels.{name}: no threshold reaches a precision of {rule.value:g}; the best is "
                f"{curve.precision[best]:.3g}, at {curve.threshold[best]:.4g} ({curve.selected[best]} leads, "
                f"{curve.converted[best]} converted). Ask for no more than that"
            )
        return float(curve.threshold[fits[-1]]), None
    per_week = curve.per_week
    if per_week is None:
        raise LabelPolicyError(
            f"labels.{name}: a capacity of {rule.per_week:g} leads a week needs dates, and this data has none. "
            "Choose another policy, as min_precision"
        )
    fits = np.flatnonzero(per_week <= (rule.per_week or 0.0))
    if not len(fits):
        raise LabelPolicyError(
            f"labels.{name}: no threshold selects as few as {rule.per_week:g} leads a week; the best is "
            f"{per_week[0]:.4g}, at {curve.threshold[0]:.4g}, where {curve.selected[0]} leads share the "
            "highest probability. Allow that many"
        )
    return float(curve.threshold[fits[-1]]), None


def _choose_by_value(curve: _Curve, rule: LabelRule, name: str) -> tuple[float, str | None]:
    gain, cost, missed = rule.gain or 0.0, rule.cost or 0.0, rule.missed_cost
    if cost > gain + missed:
        raise LabelPolicyError(
            f"labels.{name}: a follow-up costs {cost:g}, more than a conversion brings ({gain + missed:g}), so "
            "no threshold is worth it; the best reachable value is 0, with nobody selected. Check gain and cost"
        )
    threshold = cost / (gain + missed)
    worth = (gain + missed) * curve.converted - cost * curve.selected
    best = int(np.argmax(worth))
    reached = np.flatnonzero(curve.threshold >= threshold)
    here = worth[reached[-1]] if len(reached) else 0.0
    note = (
        f"brought {here:,.6g} more than following up nobody; in hindsight {curve.threshold[best]:.4g} would have "
        f"brought the most, {max(worth[best], 0.0):,.6g}"
    )
    return threshold, note


def _check_raised(curve: _Curve, rule: LabelRule, name: str, threshold: float, below: LabelOutcome) -> None:
    """Refuse to raise a threshold where that breaks the promise its rule made."""
    if rule.policy in ("capacity", "value"):
        return  # fewer leads keep a capacity; the value's optimum among the allowed thresholds is the lowest one
    raised = _outcome(curve, name, rule, below.threshold, None)
    if (
        rule.policy == "min_precision"
        and raised.precision is not None
        and raised.precision >= (rule.value or 0.0)
    ):
        return
    found = {
        "fixed": f"a threshold of {threshold:.4g}",
        "min_recall": f"a recall of {rule.value:g}, which needs a threshold of {threshold:.4g}",
        "min_precision": f"a precision of {rule.value:g}, which a threshold of {threshold:.4g} keeps",
    }[rule.policy]
    kept = {
        "fixed": "",
        "min_recall": f" (recall there: {raised.recall or 0.0:.3g})",
        "min_precision": f" (precision there: {raised.precision or 0.0:.3g})",
    }[rule.policy]
    raise LabelPolicyError(
        f"labels.{name} must not be easier to reach than {below.label}: it asks for {found}, but {below.label} "
        f"begins at {below.threshold:.4g}{kept}. Ask for less of {name}, or more of {below.label}"
    )


def _outcome(curve: _Curve, name: str, rule: LabelRule, threshold: float, note: str | None) -> LabelOutcome:
    reached = np.flatnonzero(curve.threshold >= threshold)
    selected = int(curve.selected[reached[-1]]) if len(reached) else 0
    converted = int(curve.converted[reached[-1]]) if len(reached) else 0
    few = f"rests on {selected} leads only" if selected < _FEW_LEADS else None
    if not selected:
        few = f"selects nobody: the highest probability is {curve.threshold[0]:.4g}"
    return LabelOutcome(
        label=name,
        rule=rule.model_dump(exclude_unset=True),
        threshold=threshold,
        precision=converted / selected if selected else None,
        recall=converted / curve.positives,
        per_week=_per_week(curve, reached),
        selected=selected,
        converted=converted,
        note="; ".join(part for part in (note, few) if part) or None,
    )


def _per_week(curve: _Curve, reached: npt.NDArray[np.intp]) -> float | None:
    if curve.per_week is None:
        return None
    return float(curve.per_week[reached[-1]]) if len(reached) else 0.0
