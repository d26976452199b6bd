"""Probabilities and the labels before become labels, each with the reason for it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ContractError
from mqlml.policy import KEPT_BY_HOLD, GateInputs, LabelPolicy, LastLabels, assign_with_hysteresis
from mqlml.texts import format_label
from mqlml.times import from_microseconds
from mqlml.types import Floats, Ints, Objects

__all__ = [
    "DISQUALIFIED",
    "LabeledLeads",
    "label_leads",
    "team_values",
]


DISQUALIFIED = "disqualified"
"""The label of a lead that a rule disqualifies."""


@dataclass(frozen=True)
class LabeledLeads:
    """The label of each lead, the reason, and since when; arrays of shape (n,).

    Attributes
    ----------
    label, reason : ndarrays of str objects
    since : ndarray of int64
        Microseconds from when the lead has had this label or a higher one, by the last scores.
    """

    label: Objects
    reason: Objects
    since: Ints


def team_values(leads: pd.DataFrame, policy: LabelPolicy) -> dict[str, npt.ArrayLike]:
    """Each lead's value in the columns that select a team's threshold; empty text where it has none.

    Raises
    ------
    ContractError
        If the leads lack the column.
    """
    for column in policy.team_columns:
        if column not in leads:
            raise ContractError(
                f"this version's thresholds differ by {column!r}, which the leads lack; bring the column, or train "
                "with one capacity for all"
            )
    return {
        column: np.asarray(leads[column].astype("str").str.strip().fillna(""), dtype=np.str_)
        for column in policy.team_columns
    }


def label_leads(
    policy: LabelPolicy,
    probability: Floats,
    gate_inputs: GateInputs,
    *,
    promotions: tuple[Ints, Objects],
    last: pd.DataFrame,
    disqualified: pd.Series,
    now: int,
) -> LabeledLeads:
    """Label every lead.

    Parameters
    ----------
    policy : LabelPolicy
    probability : ndarray of shape (n,)
    gate_inputs : GateInputs, fit and engagement in points
    promotions : the level that an action gives each lead at once (0 for none), and the reason
    last : DataFrame of n rows
        ``label`` (missing where a lead was not scored before) and ``since`` in microseconds.
    disqualified : Series of str
        Why a rule disqualifies the lead; missing where none does.
    now : int, microseconds
    """
    n = len(probability)
    reached = policy.meets_thresholds(probability, gate_inputs).sum(axis=1).astype(np.int64)
    promoted = promotions[0] > reached
    level = np.maximum(reached, promotions[0])
    names = policy.names
    order = {name: number for number, name in enumerate(names.tolist())}
    before = LastLabels(
        last["label"].map(order).fillna(0).to_numpy(dtype=np.int64), last["since"].to_numpy(dtype=np.int64)
    )
    thresholds = policy.thresholds_by_row(gate_inputs, n)
    level, since, kept = assign_with_hysteresis(
        probability,
        level,
        thresholds,
        before,
        now=now,
        hold_rules=[outcome.hold_rule for outcome in policy.outcomes],
    )
    label = names[level].astype(object)
    is_disqualified = disqualified.notna().to_numpy()
    label[is_disqualified] = DISQUALIFIED
    # Leads without a level keep their date only if they had the same label last time.
    same = label == last["label"].to_numpy(dtype=object)
    since = np.where((level > 0) & ~is_disqualified, since, np.where(same, before.since, now))

    reason = _reasons(policy, probability, gate_inputs, reached, thresholds)
    reason[promoted] = promotions[1][promoted]
    for row in np.flatnonzero(kept):
        outcome = policy.outcomes[level[row] - 1]
        if kept[row] == KEPT_BY_HOLD:
            reason[row] = (
                f"{format_label(outcome.label)} since {_date(since[row])}, kept for {outcome.rule['hold']}"
            )
        else:
            threshold = outcome.hold_rule.exit or 1.0
            value, least = _distinguish(float(probability[row]), threshold * thresholds[row, level[row] - 1])
            reason[row] = (
                f"{format_label(outcome.label)} since {_date(since[row])}, kept while probability {value} ≥ {least}"
            )
    reason[is_disqualified] = disqualified.to_numpy()[is_disqualified]
    return LabeledLeads(label, reason, since)


def _reasons(
    policy: LabelPolicy, probability: Floats, gate_inputs: GateInputs, level: Ints, thresholds: Floats
) -> Objects:
    """The threshold that each probability reaches, or what the lead lacks for the lowest label."""
    reasons = np.empty(len(level), dtype=object)
    ranked = gate_inputs.ranked(policy.references)
    for number, outcome in enumerate(policy.outcomes, start=1):
        rows = np.flatnonzero(np.maximum(level, 1) == number)
        rule, name = outcome.label_threshold, format_label(outcome.label)
        teams, team = np.array([""]), np.zeros(len(rows), dtype=np.int64)
        if rule.column is not None:
            teams, team = np.unique(np.asarray(gate_inputs.teams[rule.column])[rows], return_inverse=True)
        for code, own_team in enumerate(teams.tolist()):
            own = rows[team == code]
            if not len(own):
                continue
            threshold = float(thresholds[own[0], number - 1])
            if math.isinf(threshold):
                reasons[own] = f"no {name} capacity is set for {rule.column} {own_team}"
                continue
            whose = f" of {own_team}" if own_team in rule.teams else ""
            for sign, compared in (("≥", own[level[own] > 0]), ("<", own[level[own] == 0])):
                _fill_comparisons(
                    reasons, compared, probability, threshold, f" {sign} {name} threshold ", whose
                )
        own_thresholds = thresholds[rows, number - 1]
        unlabeled = (level[rows] == 0) & (probability[rows] >= own_thresholds) & np.isfinite(own_thresholds)
        # The first gate that a lead fails is named, so it is written last.
        for gate, minimum, values in (
            ("engagement", rule.min_engagement, ranked.engagement),
            ("fit", rule.min_fit, ranked.fit),
        ):
            if minimum is not None and values is not None:
                below = rows[unlabeled & (values[rows] < minimum)]
                shown, place = np.unique(np.rint(values[below]), return_inverse=True)
                texts = [f"{gate} {value:.0f} is below the {name} minimum of {minimum:g}" for value in shown]
                reasons[below] = np.array(texts, dtype=object)[place]
    return reasons


def _fill_comparisons(
    reasons: Objects, rows: Ints, probability: Floats, threshold: float, sign: str, whose: str
) -> None:
    """Write how each row's probability compares with one threshold, ``whose`` it is at the end.

    Few texts differ, so each is formatted once: text is monotone in the probability, and where both ends of a sorted
    group have the same text, all between have it.
    """
    if not len(rows):
        return
    rows = rows[np.argsort(probability[rows], kind="stable")]
    values = probability[rows]
    exponent = np.floor(np.log10(np.maximum(values, 1e-300)))
    rounded = np.rint(values / 10.0 ** (exponent - 1))
    changes = (np.diff(exponent) != 0) | (np.diff(rounded) != 0)
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(rows)]
    for low, high in itertools.pairwise(edges):
        first = _distinguish(float(values[low]), threshold)
        if first == _distinguish(float(values[high - 1]), threshold):
            reasons[rows[low:high]] = f"probability {first[0]}{sign}{first[1]}{whose}"
        else:
            for row in rows[low:high].tolist():
                value, least = _distinguish(float(probability[row]), threshold)
                reasons[row] = f"probability {value}{sign}{least}{whose}"


def _date(microseconds: int) -> str:
    return from_microseconds(microseconds).date().isoformat()


def _distinguish(value: float, threshold: float) -> tuple[str, str]:
    """Both numbers with as few digits (at least two) as show which is greater."""
    for digits in range(2, 17):
        shown = f"{value:#.{digits}g}", f"{threshold:#.{digits}g}"
        if shown[0] != shown[1] or value == threshold:
            break
    return shown
