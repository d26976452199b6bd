"""The label policy turns probabilities into labels by one threshold for each label."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.policy.rules import HoldRule
from mqlml.policy.threshold_data import GateInputs, ThresholdData, check_probabilities
from mqlml.types import Floats, Mask

__all__ = ["UNQUALIFIED", "LabelOutcome", "LabelPolicy", "LabelThreshold", "PredictionInterval"]

UNQUALIFIED = "unqualified"


@dataclass(frozen=True)
class PredictionInterval:
    """A forecast for the next period, with its 90% prediction interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LabelThreshold:
    """The threshold of a level: one for everyone, or one for each team.

    Attributes
    ----------
    everyone : float or None
        For every lead, or for those of no listed team; None where nobody takes those.
    column : str or None
        The column that holds the teams.
    teams : dict of str to float
    min_fit, min_engagement : float or None
        Least percentiles of fit and engagement; None for no gate.
    """

    everyone: float | None
    column: str | None = None
    teams: Mapping[str, float] = field(default_factory=dict)
    min_fit: float | None = None
    min_engagement: float | None = None

    @property
    def lowest(self) -> float:
        """Below this probability nobody has the level."""
        return min([*self.teams.values(), *([] if self.everyone is None else [self.everyone])])

    def by_row(self, gate_inputs: GateInputs, n: int) -> Floats:
        """The threshold of each of ``n`` leads; infinite where nobody takes them.

        Raises
        ------
        LabelPolicyError
            If the teams' column is missing.
        """
        thresholds = np.full(n, math.inf if self.everyone is None else self.everyone)
        if self.column is None:
            return thresholds
        if self.column not in gate_inputs.teams:
            raise LabelPolicyError(
                f"thresholds by team need the column {self.column!r} of the leads; found "
                f"{', '.join(map(repr, gate_inputs.teams)) or 'none'}. Add it, or train with one capacity for all"
            )
        team = np.asarray(gate_inputs.teams[self.column], dtype=np.str_)
        for name, threshold in self.teams.items():
            thresholds[team == name] = threshold
        return thresholds

    def passes_gates(self, gate_inputs: GateInputs, n: int) -> Mask:
        """Which of ``n`` leads pass the gates on fit and engagement; ``gate_inputs`` holds percentiles.

        Raises
        ------
        LabelPolicyError
            If fit or engagement is missing.
        """
        passed = np.ones(n, dtype=bool)
        for what, least, found in (
            ("fit", self.min_fit, gate_inputs.fit),
            ("engagement", self.min_engagement, gate_inputs.engagement),
        ):
            if least is None:
                continue
            if found is None:
                raise LabelPolicyError(
                    f"a label with min_{what} needs the {what} of each lead; found none. Pass GateInputs"
                )
            passed &= found >= least
        return passed


@dataclass(frozen=True)
class LabelOutcome:
    """One label's threshold, what it selects among the snapshots it was chosen on, and its predictions.

    Attributes
    ----------
    label : str
    rule : dict
        The `LabelRule` it comes from, as values for JSON.
    threshold : float
        Probability at or above which a lead has the label, or a higher one; the lowest one where teams differ.
    precision : float or None
        Share of the selected rows that converted; None where none is selected.
    recall : float or None
        Share of the converting rows that are selected; None where none converted.
    per_week : float or None
        Different leads selected a week, recent weeks weighted more; None where the data has no dates.
    selected, converted : int
        Selected rows, and those of them that converted.
    note : str or None
        What a person should know about this threshold.
    value : float or None
        Value of the follow-ups against none, a week or, without dates, a snapshot; None for other policies than
        ``value``.
    teams : dict of str to float, or None
        Threshold by team, where each has its own capacity.
    others : float or None
        Threshold of leads of no listed team; None where nobody takes those.
    predictions : dict of str to PredictionInterval
        ``precision``, ``recall``, ``per_week``, ``value`` of the next period.
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
    value: float | None = None
    teams: dict[str, float] | None = None
    others: float | None = None
    predictions: dict[str, PredictionInterval] = field(default_factory=dict)

    @property
    def label_threshold(self) -> LabelThreshold:
        """The threshold of each team, or of everyone, and the gates."""
        gates = self.rule.get("min_fit"), self.rule.get("min_engagement")
        if self.teams is None:
            return LabelThreshold(self.threshold, None, {}, *gates)
        return LabelThreshold(self.others, self.rule["teams"]["column"], self.teams, *gates)

    @property
    def hold_rule(self) -> HoldRule:
        """How long the label is kept."""
        rule = LabelRule.model_validate(self.rule)
        return HoldRule(rule.hold or 0, rule.exit)


@dataclass(frozen=True)
class LabelPolicy:
    """Thresholds, lowest label first, each not below the one before.

    Attributes
    ----------
    outcomes : tuple of LabelOutcome
    references : dict of str to tuple of float
        Quantiles of ``fit`` and ``engagement``, in points, where a gate uses them.

    Examples
    --------
    >>> from mqlml.config import LabelRule
    >>> from mqlml.policy import choose_thresholds
    >>> rules = {"mql": LabelRule(policy="min_recall", value=1), "sql": LabelRule(policy="min_precision", value=1)}
    >>> policy = choose_thresholds([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1], rules, weeks=1)
    >>> policy.thresholds
    {'mql': 0.4, 'sql': 0.9}
    >>> policy.assign_labels([0.2, 0.4, 0.95]).tolist()
    ['unqualified', 'mql', 'sql']
    """

    outcomes: tuple[LabelOutcome, ...]
    references: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def thresholds(self) -> dict[str, float]:
        """Threshold by label, lowest label first."""
        return {outcome.label: outcome.threshold for outcome in self.outcomes}

    @property
    def names(self) -> npt.NDArray[np.str_]:
        """The label of a lead with no level, one, two and so on."""
        return np.array([UNQUALIFIED, *self.thresholds])

    @property
    def team_columns(self) -> tuple[str, ...]:
        """Columns of the leads that hold teams."""
        columns = (outcome.label_threshold.column for outcome in self.outcomes)
        return tuple(dict.fromkeys(column for column in columns if column is not None))

    @property
    def gated(self) -> bool:
        """Whether some label has a gate on fit or engagement."""
        thresholds = [outcome.label_threshold for outcome in self.outcomes]
        return any(
            threshold.min_fit is not None or threshold.min_engagement is not None for threshold in thresholds
        )

    def meets_thresholds(self, probability: npt.ArrayLike, gate_inputs: GateInputs | None = None) -> Mask:
        """Which leads have each label or a higher one; a label needs every lower label.

        Parameters
        ----------
        probability : array of shape (n,)
        gate_inputs : GateInputs, optional
            For thresholds by team (`team_columns`) and gates; fit and engagement in points.

        Returns
        -------
        ndarray of bool, shape (n, number of labels)

        Raises
        ------
        LabelPolicyError
            If a probability is missing or outside 0 to 1, or a gate input is missing.
        """
        values = check_probabilities(probability)
        thresholds = [outcome.label_threshold for outcome in self.outcomes]
        return meets_thresholds(thresholds, values, (gate_inputs or GateInputs()).ranked(self.references))

    def assign_labels(
        self, probability: npt.ArrayLike, gate_inputs: GateInputs | None = None
    ) -> npt.NDArray[np.str_]:
        """The highest label of each lead, or ``"unqualified"``; see `meets_thresholds`."""
        labels: npt.NDArray[np.str_] = self.names[self.meets_thresholds(probability, gate_inputs).sum(axis=1)]
        return labels

    def thresholds_by_row(self, gate_inputs: GateInputs, n: int) -> Floats:
        """The threshold of each label for each of ``n`` leads: array of shape (n, number of labels)."""
        thresholds = np.column_stack(
            [outcome.label_threshold.by_row(gate_inputs, n) for outcome in self.outcomes]
        )
        return np.maximum.accumulate(thresholds, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can hold; `from_dict` gives an equal policy."""
        labels = [asdict(outcome) for outcome in self.outcomes]
        return {"labels": labels, "references": {name: list(q) for name, q in self.references.items()}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The policy that `to_dict` described.

        Raises
        ------
        LabelPolicyError
            If thresholds are missing, or not in order.
        """
        try:
            outcomes = tuple(_outcome(dict(outcome)) for outcome in values["labels"])
            references = {
                name: tuple(float(number) for number in found)
                for name, found in values.get("references", {}).items()
            }
            thresholds = [float(outcome.threshold) for outcome in outcomes]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LabelPolicyError(
                f"a stored label policy must hold labels with thresholds: {error}"
            ) from None
        if not outcomes or not all(math.isfinite(t) for t in thresholds) or thresholds != sorted(thresholds):
            raise LabelPolicyError(
                f"a stored label policy must hold rising thresholds, lowest label first; found {thresholds!r}"
            )
        return cls(outcomes, references)


def _outcome(values: dict[str, Any]) -> LabelOutcome:
    found = {name: PredictionInterval(**ends) for name, ends in values.pop("predictions", {}).items()}
    outcome = LabelOutcome(**values, predictions=found)
    # Else the first lead scored would raise it.
    if outcome.teams is not None and not isinstance(column := outcome.rule["teams"]["column"], str):
        raise TypeError(f"the teams' column must be text, not {column!r}")
    return outcome


def meets_thresholds(thresholds: list[LabelThreshold], probability: Floats, gate_inputs: GateInputs) -> Mask:
    """See `LabelPolicy.meets_thresholds`; probabilities are checked, fit and engagement are percentiles."""
    n = len(probability)
    meets = np.empty((n, len(thresholds)), dtype=bool)
    below = np.ones(n, dtype=bool)
    for level, threshold in enumerate(thresholds):
        below = (
            below & (probability >= threshold.by_row(gate_inputs, n)) & threshold.passes_gates(gate_inputs, n)
        )
        meets[:, level] = below
    return meets


def newly_meets(thresholds: list[LabelThreshold], volume: ThresholdData) -> Mask:
    """Which rows meet each threshold and those below, where their leads did not before; percentiles as in
    `meets_thresholds`."""
    meets = meets_thresholds(thresholds, volume.probability, volume.gate_inputs)
    if volume.before is None:
        return meets
    return meets & ~meets_thresholds(thresholds, volume.before, volume.gate_inputs)
