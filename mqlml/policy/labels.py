"""The label policy: thresholds, lowest label first, go in with probabilities; each lead's label comes out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.policy.gate_inputs import GateInputs
from mqlml.policy.hysteresis import HoldRule
from mqlml.policy.threshold_data import check_probabilities
from mqlml.types import Floats, Mask

__all__ = ["UNQUALIFIED", "Bar", "LabelOutcome", "LabelPolicy", "PredictionInterval"]

UNQUALIFIED = "unqualified"


@dataclass(frozen=True)
class PredictionInterval:
    """What a threshold should bring in the next period: the middle, and the interval it should lie in."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bar:
    """The threshold of a level: one for everyone, or one for each team.

    Attributes
    ----------
    everyone : float or None
        For every lead, or for those of no team named; None where nobody takes those.
    column : str or None
        Whose values the teams are.
    teams : dict of str to float
    min_fit, min_engagement : float or None
        Percentiles that a lead must have besides; None for no such gate.
    """

    everyone: float | None
    column: str | None = None
    teams: Mapping[str, float] = field(default_factory=dict)
    min_fit: float | None = None
    min_engagement: float | None = None

    @property
    def lowest(self) -> float:
        """Below this probability nobody reaches the level."""
        return min([*self.teams.values(), *([] if self.everyone is None else [self.everyone])])

    def of(self, gate_inputs: GateInputs, n: int) -> Floats:
        """The threshold of each of ``n`` leads; infinite where nobody takes them.

        Raises
        ------
        LabelPolicyError
            If the teams' column is missing.
        """
        bars = np.full(n, math.inf if self.everyone is None else self.everyone)
        if self.column is None:
            return bars
        if self.column not in gate_inputs.teams:
            raise LabelPolicyError(
                f"thresholds by team need the column {self.column!r} of the leads; found "
                f"{', '.join(map(repr, gate_inputs.teams)) or 'none'}. Bring it, or train with one capacity for all"
            )
        team = np.asarray(gate_inputs.teams[self.column], dtype=np.str_)
        for name, threshold in self.teams.items():
            bars[team == name] = threshold
        return bars

    def admits(self, gate_inputs: GateInputs, n: int) -> Mask:
        """Which of ``n`` leads pass the gates on fit and engagement, which ``gate_inputs`` give in percentiles.

        Raises
        ------
        LabelPolicyError
            If what a gate asks for is missing.
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
                    f"a label with min_{what} needs the {what} of each lead, and it was not given; see Traits"
                )
            passed &= found >= least
        return passed


@dataclass(frozen=True)
class LabelOutcome:
    """One label's threshold, what it gave on the leads it was chosen on, and what it promises.

    Attributes
    ----------
    label : str
    rule : dict
        The `LabelRule` it came from, as plain values.
    threshold : float
        Probability at or above which a lead has the label, or a higher one; the lowest one where teams differ.
    precision : float or None
        Share of the selected rows that converted; None where none is selected.
    recall : float or None
        Share of the converting rows that are selected; None where none converted.
    per_week : float or None
        Leads a week that are selected at least once, recent weeks counting more; None where the data has no dates.
    selected, converted : int
        Selected rows, and those of them that converted.
    note : str or None
        What a person should know about this threshold.
    value : float or None
        What the follow-ups brought against following up nobody, a week where there are dates, else a lead looked
        at; None for other policies than ``value``.
    teams : dict of str to float, or None
        Threshold by team, where each has a capacity of its own.
    others : float or None
        Threshold of leads of no team named; None where nobody takes those.
    promises : dict of str to Promise
        ``precision``, ``recall``, ``per_week``, ``value``: what the next period should bring.
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
    promises: dict[str, PredictionInterval] = field(default_factory=dict)

    @property
    def bar(self) -> Bar:
        """The threshold of each team, or of everyone, and the gates."""
        gates = self.rule.get("min_fit"), self.rule.get("min_engagement")
        if self.teams is None:
            return Bar(self.threshold, None, {}, *gates)
        return Bar(self.others, self.rule["teams"]["column"], self.teams, *gates)

    @property
    def hold_rule(self) -> HoldRule:
        """How the label is kept once it is reached."""
        rule = LabelRule.model_validate(self.rule)
        return HoldRule(rule.hold or 0, rule.exit)


@dataclass(frozen=True)
class LabelPolicy:
    """Thresholds, lowest label first, each not below the one before.

    Attributes
    ----------
    outcomes : tuple of LabelOutcome
    references : dict of str to tuple of float
        Quantiles of ``fit`` and ``engagement``, in points, where a gate asks for them.

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
        """What a lead is called that reaches no level, one, two and so on."""
        return np.array([UNQUALIFIED, *self.thresholds])

    @property
    def team_columns(self) -> tuple[str, ...]:
        """Columns of the leads that say whose threshold counts."""
        columns = (outcome.bar.column for outcome in self.outcomes)
        return tuple(dict.fromkeys(column for column in columns if column is not None))

    @property
    def gated(self) -> bool:
        """Whether some label asks for fit or engagement besides the probability."""
        bars = [outcome.bar for outcome in self.outcomes]
        return any(bar.min_fit is not None or bar.min_engagement is not None for bar in bars)

    def meets_thresholds(self, probability: npt.ArrayLike, gate_inputs: GateInputs | None = None) -> Mask:
        """Which leads have each label or a higher one: nobody reaches a level who has not reached those below.

        Parameters
        ----------
        probability : array of shape (n,)
        gate_inputs : Traits, optional
            For thresholds by team (`team_columns`) and gates; fit and engagement in points.

        Returns
        -------
        ndarray of bool, shape (n, number of labels)

        Raises
        ------
        LabelPolicyError
            If a probability is missing or outside 0 and 1, or a trait is missing.
        """
        values = check_probabilities(probability)
        bars = [outcome.bar for outcome in self.outcomes]
        return meets_thresholds(bars, values, (gate_inputs or GateInputs()).ranked(self.references))

    def assign_labels(
        self, probability: npt.ArrayLike, gate_inputs: GateInputs | None = None
    ) -> npt.NDArray[np.str_]:
        """The highest label that each lead reaches, or ``"unqualified"``; see `meets_thresholds`."""
        labels: npt.NDArray[np.str_] = self.names[self.meets_thresholds(probability, gate_inputs).sum(axis=1)]
        return labels

    def bars(self, gate_inputs: GateInputs, n: int) -> Floats:
        """The threshold of each label for each of ``n`` leads: array of shape (n, number of labels)."""
        bars = np.column_stack([outcome.bar.of(gate_inputs, n) for outcome in self.outcomes])
        return np.maximum.accumulate(bars, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; `from_dict` gives an equal policy."""
        labels = [asdict(outcome) for outcome in self.outcomes]
        return {"labels": labels, "references": {name: list(q) for name, q in self.references.items()}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The policy that `to_dict` described, by this release or an earlier one.

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
    promises = {name: PredictionInterval(**found) for name, found in values.pop("promises", {}).items()}
    rule = dict(values.pop("rule"))
    if "missed_cost" in rule:  # as versions of before 0.2 call it
        rule["too_late"] = rule.pop("missed_cost")
    outcome = LabelOutcome(**values, rule=rule, promises=promises)
    # Found out here, not at the first lead.
    if outcome.teams is not None and not isinstance(column := outcome.rule["teams"]["column"], str):
        raise TypeError(f"the teams' column must be text, not {column!r}")
    return outcome


def meets_thresholds(bars: list[Bar], probability: Floats, gate_inputs: GateInputs) -> Mask:
    """See `LabelPolicy.reach`; the probabilities are taken as checked, fit and engagement are percentiles."""
    n = len(probability)
    reached = np.empty((n, len(bars)), dtype=bool)
    below = np.ones(n, dtype=bool)
    for level, bar in enumerate(bars):
        below = below & (probability >= bar.of(gate_inputs, n)) & bar.admits(gate_inputs, n)
        reached[:, level] = below
    return reached
