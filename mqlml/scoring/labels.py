"""Labels of open leads: probabilities, a policy, rules and the last labels go in; labels and their reasons come out.

In order: the levels that probability, team, fit and engagement reach; an act that promotes at once; what a lead keeps
of its last label; and last, for it overrules all, a rule that turns it away.
"""

from __future__ import annotations

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

__all__ = ["DISQUALIFIED", "Labelled", "label_leads", "team_values"]

DISQUALIFIED = "disqualified"
"""The label of a lead that a rule turns away."""


@dataclass(frozen=True)
class Labelled:
    """What each lead is called, why, and since when; arrays of shape (n,).

    Attributes
    ----------
    label, reason : ndarrays of str objects
    since : ndarray of int64
        Microseconds from when the lead has had this label, or a higher one, as far as the last scores tell.
    """

    label: Objects
    reason: Objects
    since: Ints


def team_values(leads: pd.DataFrame, policy: LabelPolicy) -> dict[str, npt.ArrayLike]:
    """By column that tells whose threshold counts: each lead's value, the empty text where it has none.

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
    acts: tuple[Ints, Objects],
    last: pd.DataFrame,
    turned_away: pd.Series,
    now: int,
) -> Labelled:
    """Label every lead.

    Parameters
    ----------
    policy : LabelPolicy
    probability : ndarray of shape (n,)
    gate_inputs : Traits, fit and engagement in points
    acts : level that an act gives each lead at once (0 for none), and why
    last : DataFrame of n rows
        ``label`` (missing where a lead was not scored before) and ``since`` in microseconds.
    turned_away : Series of str
        Why a rule turns the lead away; missing where none does.
    now : int, microseconds
    """
    n = len(probability)
    by_itself = policy.meets_thresholds(probability, gate_inputs).sum(axis=1).astype(np.int64)
    promoted = acts[0] > by_itself
    level = np.maximum(by_itself, acts[0])
    names = policy.names
    order = {name: number for number, name in enumerate(names.tolist())}
    before = LastLabels(
        last["label"].map(order).fillna(0).to_numpy(dtype=np.int64), last["since"].to_numpy(dtype=np.int64)
    )
    bars = policy.bars(gate_inputs, n)
    found, since, kept = assign_with_hysteresis(
        probability,
        level,
        bars,
        before,
        now=now,
        hold_rules=[outcome.hold_rule for outcome in policy.outcomes],
    )
    label = names[found].astype(object)
    away = turned_away.notna().to_numpy()
    label[away] = DISQUALIFIED
    # Of leads without a level, only those of the same label the last time are what they were.
    same = label == last["label"].to_numpy(dtype=object)
    since = np.where((found > 0) & ~away, since, np.where(same, before.since, now))

    reason = _reasons(policy, probability, gate_inputs, by_itself, bars)
    reason[promoted] = acts[1][promoted]
    for row in np.flatnonzero(kept):
        outcome = policy.outcomes[found[row] - 1]
        if kept[row] == KEPT_BY_HOLD:
            reason[row] = (
                f"{format_label(outcome.label)} since {_date(since[row])}, kept for {outcome.rule['hold']}"
            )
        else:
            threshold = outcome.hold_rule.exit or 1.0
            value, least = _told_apart(float(probability[row]), threshold * bars[row, found[row] - 1])
            reason[row] = (
                f"{format_label(outcome.label)} since {_date(since[row])}, kept while probability {value} ≥ {least}"
            )
    reason[away] = turned_away.to_numpy()[away]
    return Labelled(label, reason, since)


def _reasons(
    policy: LabelPolicy, probability: Floats, gate_inputs: GateInputs, level: Ints, bars: Floats
) -> Objects:
    """The threshold that each probability reaches, or what keeps the lead from the lowest label."""
    why = np.empty(len(level), dtype=object)
    ranked = gate_inputs.ranked(policy.references)
    for number, outcome in enumerate(policy.outcomes, start=1):
        rows = np.flatnonzero(np.maximum(level, 1) == number)
        bar, name = outcome.bar, format_label(outcome.label)
        team = None if bar.column is None else np.asarray(gate_inputs.teams[bar.column], dtype=np.str_)[rows]
        gates = [
            (what, least, found[rows])
            for what, least, found in (
                ("fit", bar.min_fit, ranked.fit),
                ("engagement", bar.min_engagement, ranked.engagement),
            )
            if least is not None and found is not None
        ]
        for place, (row, threshold) in enumerate(zip(rows, bars[rows, number - 1].tolist(), strict=True)):
            own = "" if team is None else str(team[place])
            whose = f" of {own}" if own in bar.teams else ""
            lacking = [
                f"{what} {found[place]:.0f} is below the {name} minimum of {least:g}"
                for what, least, found in gates
                if found[place] < least
            ]
            if math.isinf(threshold):
                why[row] = f"no {name} capacity is set for {bar.column} {own}"
            elif not level[row] and probability[row] >= threshold and lacking:
                why[row] = lacking[0]
            else:
                value, least = _told_apart(float(probability[row]), threshold)
                sign = "≥" if level[row] else "<"
                why[row] = f"probability {value} {sign} {name} threshold {least}{whose}"
    return why


def _date(microseconds: int) -> str:
    return from_microseconds(microseconds).date().isoformat()


def _told_apart(value: float, threshold: float) -> tuple[str, str]:
    """Both numbers with as few digits, two at least, as show which is greater."""
    for digits in range(2, 17):
        shown = f"{value:#.{digits}g}", f"{threshold:#.{digits}g}"
        if shown[0] != shown[1] or value == threshold:
            break
    return shown
