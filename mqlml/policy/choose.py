"""Thresholds are chosen on snapshots with known outcomes, by one rule for each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.policy.labels import LabelOutcome, LabelPolicy, LabelThreshold, meets_thresholds, newly_meets
from mqlml.policy.threshold_data import (
    Curve,
    ThresholdData,
    bayes_threshold,
    make_curve,
    make_references,
    make_threshold_data,
    payoff,
)
from mqlml.types import Floats, Ints, Mask, Rows

__all__ = ["choose_policy", "choose_thresholds", "first_snapshots", "value_rate", "weekly_rate"]

_FEW_LEADS = 30


def choose_thresholds(
    probability: npt.ArrayLike,
    label: npt.ArrayLike,
    rules: Mapping[str, LabelRule],
    *,
    weeks: float | None,
    leads: npt.ArrayLike | None = None,
) -> LabelPolicy:
    """`choose_policy` on arrays, all weeks with equal weight.

    Parameters
    ----------
    probability : array of shape (n,)
        Calibrated, out-of-time.
    label : array of shape (n,), 0 or 1
    rules : mapping of label to LabelRule, lowest label first
    weeks : float or None
        How many weeks these rows cover; None where the data has no dates, and then no capacity can be met.
    leads : array of shape (n,), optional
        The lead of each row, where a lead has more than one snapshot.
    """
    return choose_policy(make_threshold_data(probability, label, weeks=weeks, lead=leads), rules)


def choose_policy(
    snapshots: ThresholdData, rules: Mapping[str, LabelRule], *, recent: ThresholdData | None = None
) -> LabelPolicy:
    """Thresholds that meet each rule on snapshots with known outcomes.

    - ``fixed``: the value itself.
    - ``min_precision``: the lowest threshold at which at least this share of *all* selected rows converted, hence
      the most leads. Precision is not monotone in the threshold, so higher thresholds may miss the value.
    - ``min_recall``: the highest threshold that still selects this share of the converting rows.
    - ``capacity``: the lowest threshold that selects at most ``per_week`` leads a week, recent weeks weighted more
      (`mqlml.policy.threshold_data.HALF_LIFE`), among the ``recent`` snapshots if given; each lead counts once. With
      ``teams``, each team has its own threshold and ``per_week`` is for the leads of no listed team; without
      ``per_week`` nobody takes those.
    - ``value``: the probability from which a follow-up pays, `bayes_threshold`. With calibrated probabilities the
      best threshold on these leads estimates the same number, with noise.

    A label needs every label below it, so its threshold must not be lower. A lower one is raised to that of the label
    below, with a note, where its rule still holds there (a capacity, a precision, a value); else the rules contradict
    each other, which is an error. Where teams of different columns meet, a lead must meet both thresholds.

    Parameters
    ----------
    snapshots : ThresholdData
    rules : mapping of label to LabelRule, lowest label first
    recent : ThresholdData, optional
        The latest weeks, scored by the model that ships; outcomes are not needed. Volumes are measured here. The
        capacity of a team without leads here is measured on ``snapshots``.

    Raises
    ------
    LabelPolicyError
        If no threshold meets a rule, naming the best one; if the rules contradict each other; or if a team has no
        leads.
    """
    if not snapshots.label.any():
        raise LabelPolicyError(
            f"thresholds need leads that converted; found none among {len(snapshots.label)}. Use a longer history "
            "or horizon"
        )
    references = make_references(snapshots.gate_inputs)
    snapshots = replace(snapshots, gate_inputs=snapshots.gate_inputs.ranked(references))
    if recent is not None:
        recent = replace(recent, gate_inputs=recent.gate_inputs.ranked(references))
    thresholds, notes = _choose(snapshots, rules, recent)
    latest = snapshots if recent is None else recent
    volumes = newly_meets(thresholds, latest)
    meets = meets_thresholds(thresholds, snapshots.probability, snapshots.gate_inputs)
    for level, name in enumerate(list(rules)[:-1], start=1):
        if all((found[:, level] == found[:, level - 1]).all() for found in (volumes, meets)):
            notes[level] = "; ".join(filter(None, [notes[level], f"selects the same leads as {name}"]))
    return LabelPolicy(
        outcomes=tuple(
            _outcome(
                snapshots,
                name,
                rule,
                threshold,
                meets[:, level],
                weekly_rate(latest, volumes[:, level]),
                note,
            )
            for level, ((name, rule), threshold, note) in enumerate(
                zip(rules.items(), thresholds, notes, strict=True)
            )
        ),
        references=references,
    )


@dataclass(frozen=True)
class _Part:
    """The leads one threshold is chosen for: a team, the leads of no listed team, or all."""

    team: str | None
    curve: Curve
    rule: LabelRule
    where: str


def _choose(
    snapshots: ThresholdData, rules: Mapping[str, LabelRule], recent: ThresholdData | None
) -> tuple[list[LabelThreshold], list[str | None]]:
    """Thresholds and notes, lowest label first; fit and engagement are percentiles here."""
    thresholds: list[LabelThreshold] = []
    notes: list[str | None] = []
    admitted = np.ones(len(snapshots.probability), dtype=bool)
    gates: list[LabelThreshold] = []
    lower = ""
    for name, rule in rules.items():
        gates.append(LabelThreshold(0.0, None, {}, rule.min_fit, rule.min_engagement))
        admitted = admitted & gates[-1].passes_gates(snapshots.gate_inputs, len(admitted))
        if not admitted.any():
            raise LabelPolicyError(
                f"labels.{name}: some past lead must pass its gates (min_fit, min_engagement); found none. Lower "
                "them"
            )
        by_team: dict[str | None, float] = {}
        found = []
        for part in _parts(snapshots, name, rule, admitted):
            curve = part.curve
            if recent is not None and rule.policy == "capacity":
                curve = _recent_curve(recent, gates, rule, part.team) or curve
            threshold, met = pick_threshold(curve, part.rule)
            if not met:
                raise _unreachable(curve, part.rule, part.where)
            note = _value_note(curve, rule, threshold) if rule.policy == "value" else None
            below = _threshold_below(thresholds, rule, part.team) if thresholds else None
            if below is not None and threshold < below:
                _check_raised(curve, rule, name, threshold, below, lower)
                note = (
                    f"raised from {threshold:.4g} to the threshold of {lower}, which a lead must meet first"
                )
                threshold = below
            by_team[part.team] = threshold
            found += [note if part.team is None or note is None else f"{part.team}: {note}"]
        everyone = by_team.pop(None, None)
        teams = {team: threshold for team, threshold in by_team.items() if team is not None}
        column = rule.teams.column if rule.teams else None
        thresholds.append(LabelThreshold(everyone, column, teams, rule.min_fit, rule.min_engagement))
        notes.append("; ".join(note for note in found if note) or None)
        lower = name
    return thresholds, notes


def _parts(snapshots: ThresholdData, name: str, rule: LabelRule, admitted: Mask) -> list[_Part]:
    if rule.teams is None:
        return [_Part(None, make_curve(snapshots, admitted), rule, f"labels.{name}")]
    column, capacities = rule.teams.column, rule.teams.per_week
    if snapshots.weeks is None:
        raise LabelPolicyError(_no_dates(f"labels.{name}.teams", "a capacity by team"))
    if column not in snapshots.gate_inputs.teams:
        raise LabelPolicyError(
            f"labels.{name}.teams: the leads have no column {column!r} that holds teams; check "
            "data.leads.columns, or give one capacity for all (per_week)"
        )
    of_row = np.asarray(snapshots.gate_inputs.teams[column], dtype=np.str_)
    parts = []
    for team, per_week in capacities.items():
        if not (of_row == team).any():
            known = ", ".join(map(repr, np.unique(of_row[of_row != ""])[:5].tolist())) or "nothing"
            raise LabelPolicyError(
                f"labels.{name}.teams: no past lead has {team!r} in {column!r}, which holds {known}. Correct the "
                "name, or leave the team out"
            )
        own = rule.model_copy(update={"per_week": per_week, "teams": None})
        parts.append(
            _Part(
                team, make_curve(snapshots, admitted & (of_row == team)), own, f"labels.{name}.teams, {team}"
            )
        )
    others = ~np.isin(of_row, list(capacities))
    if rule.per_week is not None:
        # Where all past leads had a team, those without one are taken to be like all.
        curve = make_curve(snapshots, admitted & others if others.any() else admitted)
        parts.append(_Part(None, curve, rule, f"labels.{name}, leads of no team"))
    return parts


def _recent_curve(
    recent: ThresholdData, gates: list[LabelThreshold], rule: LabelRule, team: str | None
) -> Curve | None:
    """The curve of this team's recent snapshots that pass the gates up to this level; None without any."""
    allowed = meets_thresholds(gates, recent.probability, recent.gate_inputs)[:, -1]
    if rule.teams is not None:
        if rule.teams.column not in recent.gate_inputs.teams:
            return None
        of_row = np.asarray(recent.gate_inputs.teams[rule.teams.column], dtype=np.str_)
        allowed &= of_row == team if team is not None else ~np.isin(of_row, list(rule.teams.per_week))
    return make_curve(recent, allowed) if allowed.any() else None


def _threshold_below(thresholds: list[LabelThreshold], rule: LabelRule, team: str | None) -> float | None:
    """The threshold of the level below that holds for all these leads; None where they have none in common."""
    below = thresholds[-1]
    if below.column is None:
        return below.everyone
    if rule.teams is not None and rule.teams.column == below.column and team is not None:
        return below.teams.get(team, below.everyone)
    return below.lowest


def pick_threshold(curve: Curve, rule: LabelRule) -> tuple[float, bool]:
    """The threshold of one rule, and whether it meets the rule; the nearest one where none does."""
    if rule.policy == "fixed":
        return float(rule.value or 0.0), True
    if rule.policy == "value":
        threshold = bayes_threshold(rule)
        return threshold, threshold <= 1
    if not len(curve.threshold):
        return 1.0, True
    if rule.policy == "min_recall":
        fits = np.flatnonzero(curve.recall >= (rule.value or 0.0))  # recall grows as the threshold falls
        return (float(curve.threshold[fits[0]]), True) if len(fits) else (float(curve.threshold[-1]), False)
    if rule.policy == "min_precision":
        fits = np.flatnonzero(curve.precision >= (rule.value or 0.0))
        return float(curve.threshold[fits[-1] if len(fits) else np.argmax(curve.precision)]), bool(len(fits))
    if curve.per_week is None:
        return float(curve.threshold[0]), False
    fits = np.flatnonzero(curve.per_week <= (rule.per_week or 0.0))
    return float(curve.threshold[fits[-1] if len(fits) else 0]), bool(len(fits))


def _unreachable(curve: Curve, rule: LabelRule, where: str) -> LabelPolicyError:
    """The error for a rule that no threshold meets, with the best one there is."""
    if rule.policy == "value":
        return LabelPolicyError(
            f"{where}: a follow-up costs {rule.cost:g}, more than a conversion brings "
            f"({(rule.gain or 0.0) + rule.too_late:g}), so no threshold pays; the best value is 0, with nobody "
            "selected. Check gain and cost"
        )
    if rule.policy == "min_precision":
        best = int(np.argmax(curve.precision))
        return LabelPolicyError(
            f"{where}: no threshold reaches a precision of {rule.value:g}; the best is "
            f"{curve.precision[best]:.3g}, at {curve.threshold[best]:.4g} ({curve.selected[best]:.0f} leads, "
            f"{curve.converted[best]:.0f} converted). Lower the value"
        )
    if rule.policy == "min_recall":
        return LabelPolicyError(
            f"{where}: no threshold reaches a recall of {rule.value:g}; the best is {curve.recall[-1]:.3g}, with "
            "all leads that pass its gates. Lower the value"
        )
    per_week = curve.per_week
    if per_week is None:
        return LabelPolicyError(_no_dates(where, f"a capacity of {rule.per_week:g} leads a week"))
    return LabelPolicyError(
        f"{where}: no threshold selects as few as {rule.per_week:g} leads a week; the best is "
        f"{per_week[0]:.4g}, at {curve.threshold[0]:.4g}, where {curve.selected[0]:.0f} leads share the "
        "highest probability. Raise per_week to that"
    )


def _no_dates(where: str, capacity: str) -> str:
    return f"{where}: {capacity} needs dates, and this data has none. Choose another policy, such as min_precision"


def _value_note(curve: Curve, rule: LabelRule, threshold: float) -> str:
    won, lost = payoff(rule, [1, 0])
    worth = won * curve.converted + lost * (curve.selected - curve.converted)
    best = int(np.argmax(worth))
    met = np.flatnonzero(curve.threshold >= threshold)
    here = worth[met[-1]] if len(met) else 0.0
    return (
        f"worth {here:,.6g} more than no follow-up on past leads; the best threshold there, "
        f"{curve.threshold[best]:.4g}, is worth {max(worth[best], 0.0):,.6g}"
    )


def _check_raised(
    curve: Curve, rule: LabelRule, name: str, threshold: float, below: float, lower: str
) -> None:
    """Refuse to raise a threshold where its rule no longer holds at the higher one."""
    if rule.policy in ("capacity", "value"):
        return  # fewer leads meet a capacity; the lowest allowed threshold has the best value
    met = np.flatnonzero(curve.threshold >= below)
    precision = float(curve.precision[met[-1]]) if len(met) else None
    recall = float(curve.recall[met[-1]]) if len(met) else 0.0
    if rule.policy == "min_precision" and precision is not None and precision >= (rule.value or 0.0):
        return
    found = {
        "fixed": f"a threshold of {threshold:.4g}",
        "min_recall": f"a recall of {rule.value:g}, which needs a threshold of {threshold:.4g}",
        "min_precision": f"a precision of {rule.value:g}, which holds from {threshold:.4g}",
    }[rule.policy]
    there = {
        "fixed": "",
        "min_recall": f" (recall there: {recall:.3g})",
        "min_precision": f" (precision there: {precision or 0.0:.3g})",
    }[rule.policy]
    raise LabelPolicyError(
        f"labels.{name} must not have a lower threshold than {lower}: its rule is {found}, but {lower} "
        f"begins at {below:.4g}{there}. Lower the value of {name}, or raise that of {lower}"
    )


def _outcome(
    snapshots: ThresholdData,
    name: str,
    rule: LabelRule,
    threshold: LabelThreshold,
    meets: Mask,
    per_week: float | None,
    note: str | None,
) -> LabelOutcome:
    selected = int(meets.sum())
    converted = int(snapshots.label[meets].sum())
    few = f"based on only {selected} snapshots" if selected < _FEW_LEADS else None
    if not selected:
        few = f"selects nobody: the highest probability is {snapshots.probability.max():.4g}"
    return LabelOutcome(
        label=name,
        rule=rule.model_dump(exclude_unset=True, mode="json"),
        threshold=threshold.lowest,
        precision=converted / selected if selected else None,
        recall=converted / float(snapshots.label.sum()),
        per_week=per_week,
        selected=selected,
        converted=converted,
        note="; ".join(part for part in (note, few) if part) or None,
        value=value_rate(snapshots, rule, meets) if rule.policy == "value" else None,
        teams=dict(threshold.teams) if threshold.column else None,
        others=threshold.everyone if threshold.column else None,
    )


def weekly_rate(snapshots: ThresholdData, meets: Mask) -> float | None:
    """Different leads selected a week, recent weeks weighted more; None where the data has no dates."""
    recency, weeks = snapshots.recency()
    if weeks is None:
        return None
    once = first_snapshots(snapshots.lead, snapshots.time, np.flatnonzero(meets))
    return float(recency[once].sum() / weeks)


def value_rate(snapshots: ThresholdData, rule: LabelRule, meets: Mask) -> float:
    """Value of following up each selected lead once, when first selected: a week, or a snapshot without dates."""
    rows = first_snapshots(snapshots.lead, snapshots.time, np.flatnonzero(meets))
    return float(payoff(rule, snapshots.label[rows]).sum() / (snapshots.weeks or len(snapshots.label)))


def first_snapshots(lead: Ints, time: Floats | None, rows: Rows) -> Rows:
    """The earliest of these rows for each lead."""
    ordered = rows if time is None else rows[np.argsort(time[rows], kind="stable")]
    first: Rows = ordered[np.unique(lead[ordered], return_index=True)[1]]
    return first
