"""``compare``: champion and challenger on the same later snapshots, and what the change would mean for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mqlml.commands.check import read_data
from mqlml.commands.compare_outcomes import compare_other_outcomes
from mqlml.commands.contenders import (
    Contender,
    gate_inputs,
    label_side,
    learned_until,
    make_side,
    to_time,
)
from mqlml.commands.inputs import load_model
from mqlml.commands.learn import PastModel
from mqlml.config import Config, read_config
from mqlml.errors import PopulationError, UsageError
from mqlml.evaluation.holdout import RANDOM_STATE
from mqlml.evaluation.paired import PairedComparison, PairedRows, Side, compare_rows
from mqlml.evaluation.promotion import NO_EVIDENCE, decide_promotion, make_evidence
from mqlml.evaluation.slices import choose_slices
from mqlml.insight import Impact, measure_impact
from mqlml.journeys import FlatTable, Journeys
from mqlml.monitoring.damage import find_gone_signals
from mqlml.progress import Progress
from mqlml.registry import CHALLENGER, CHAMPION, Bundle
from mqlml.render.version_results import (
    ComparedVersion,
    CompareResult,
    LaterSnapshots,
    OutcomesCompareResult,
)
from mqlml.scoring import problem_of, score, score_flat
from mqlml.times import (
    NEVER,
    column_to_microseconds,
    format_instant,
    from_microseconds,
)
from mqlml.training import TrainingTable, build_later
from mqlml.types import Objects

__all__ = ["check_question", "compare_contenders", "compare_versions"]


@dataclass(frozen=True)
class _Task:
    """On what is compared, by which rule, and where progress is shown."""

    data: Journeys | FlatTable
    config: Config
    now: dt.datetime
    progress: Progress


@dataclass(frozen=True)
class _Later:
    """Later snapshots in order of their cutoffs, and what both versions give them; None where there are none."""

    summary: LaterSnapshots
    table: TrainingTable | None = None
    champion: Side | None = None
    challenger: Side | None = None
    slices: Mapping[str, Objects] = field(default_factory=dict)


def compare_versions(
    config_path: str | Path,
    first: str | None = None,
    second: str | None = None,
    *,
    now: dt.datetime,
    progress: Progress,
) -> CompareResult | OutcomesCompareResult:
    """Compare two versions, by default the champion and the challenger; a single one is compared with the champion.

    Versions that predict different outcomes, or the same within another time, are compared by both outcomes.

    Raises
    ------
    UsageError
        If they are the same version, or predict different things and the data is a flat table.
    """
    config = read_config(config_path)
    names = (first, second) if second is not None else (CHAMPION, first or CHALLENGER)
    with progress.step("load"):
        champion, challenger = (
            Contender(*load_model(config, _qualified(name or CHAMPION, config))) for name in names
        )
    _check_versions(champion, challenger)
    data = read_data(config, progress, now=now)
    if _question(champion.bundle.config["problem"]) != _question(challenger.bundle.config["problem"]):
        return compare_other_outcomes(champion, challenger, data, config, now=now, progress=progress)
    return compare_contenders(champion, challenger, data, config, now=now, progress=progress)


def _qualified(name: str, config: Config) -> str:
    return name if "@" in name else f"{config.name}@{name}"


def compare_contenders(
    champion: Contender,
    challenger: Contender,
    data: Journeys | FlatTable,
    config: Config,
    *,
    now: dt.datetime,
    progress: Progress,
    past: PastModel | None = None,
) -> CompareResult:
    """Compare two versions on the snapshots whose outcomes began after both knew their last one.

    Of a version that was just trained there is no later data yet. ``past`` is its model of the past, which represents
    it on the part of the held-out period that began after the champion knew its last outcome.
    """
    _check_versions(champion, challenger)
    check_question(champion.bundle.config["problem"], challenger.bundle.config["problem"])
    with progress.step("compare"):
        if past is None:
            later = _find_later(champion, challenger, data, config)
        else:
            later = _find_held_out(champion.bundle, past, data, config)
    return _summarize(later, (champion, challenger), _Task(data, config, now, progress))


def check_question(first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Refuse to compare versions of different problems, as their configs describe them.

    Raises
    ------
    UsageError
        If outcome, gap or horizon differ.
    """
    asked = [_question(problem) for problem in (first, second)]
    if asked[0] != asked[1]:
        raise UsageError(
            "the versions must predict the same outcome within the same time, or neither can replace the other; "
            f"found {asked[0]} and {asked[1]}. Give one of the models a name of its own in its config; mqlml compare "
            "NAME@champion OTHER@champion then shows whom each would call"
        )


def _question(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {key: problem.get(key) for key in ("outcome", "gap", "horizon")}


def _check_versions(champion: Contender, challenger: Contender) -> None:
    if champion.version is not None and champion.version == challenger.version:
        raise UsageError(
            f"compare needs two versions; both are version {champion.version.version}. Name another, as in "
            "mqlml compare 1 2"
        )


def _find_later(
    champion: Contender, challenger: Contender, data: Journeys | FlatTable, config: Config
) -> _Later:
    since = max(to_time(learned_until(contender.bundle)) for contender in (champion, challenger))
    table = build_later(data, problem_of(challenger.bundle), challenger.bundle.plan, since=since)
    if table is None:
        return _nothing(since, challenger.bundle, data, held_out=False)
    return _Later(
        _describe(table, since),
        table,
        make_side(champion.bundle, table, data),
        make_side(challenger.bundle, table, data),
        choose_slices(data, table, config),
    )


def _find_held_out(champion: Bundle, past: PastModel, data: Journeys | FlatTable, config: Config) -> _Later:
    """The held-out period of the model of the past, from when the champion knew its last outcome."""
    since, table, test = to_time(learned_until(champion)), past.table, past.table.holdout.test
    times = column_to_microseconds(table.cutoff_time) if table.label_span == 0 else table.time
    late = times[test] >= since if table.dated else times[test] > since
    order = np.flatnonzero(late)
    order = order[np.argsort(times[test][order], kind="stable")]
    if len(order) == 0:
        return _nothing(since, champion, data, held_out=True)
    rows = test[order]
    part = replace(
        table,
        lead_id=table.lead_id.iloc[rows].reset_index(drop=True),
        cutoff_time=table.cutoff_time.iloc[rows].reset_index(drop=True),
        label=table.label[rows],
        features=table.features.iloc[rows].reset_index(drop=True),
        time=times[rows],
        group=table.group[rows],
        lead=table.lead[rows],
    )
    evaluated = past.evaluated
    inputs = gate_inputs(past.policy, part, data, evaluated.interest[order])
    return _Later(
        _describe(part, since, held_out=True),
        part,
        make_side(champion, part, data),
        label_side(past.policy, evaluated.probability[order], inputs),
        {title: values[order] for title, values in choose_slices(data, table, config).items()},
    )


def _nothing(since: int, bundle: Bundle, data: Journeys | FlatTable, *, held_out: bool) -> _Later:
    if since == NEVER or not isinstance(data, Journeys):
        at = None if since == NEVER else format_instant(from_microseconds(since))
        return _Later(LaterSnapshots(at, None, 0, 0, None, held_out))
    problem = problem_of(bundle)
    known = from_microseconds(since + problem.gap + problem.horizon)
    later = format_instant(known) if known > data.observed_until else None
    return _Later(LaterSnapshots(format_instant(from_microseconds(since)), None, 0, 0, later, held_out))


def _describe(table: TrainingTable, since: int, *, held_out: bool = False) -> LaterSnapshots:
    return LaterSnapshots(
        since=format_instant(from_microseconds(since)),
        until=format_instant(from_microseconds(int(table.time[-1]))),
        n=len(table.label),
        positives=int(table.label.sum()),
        first_known=None,
        held_out=held_out,
    )


def _summarize(later: _Later, pair: tuple[Contender, Contender], task: _Task) -> CompareResult:
    champion, challenger = pair
    with task.progress.step("open leads"):
        impact = _measure_impact(champion, challenger, task)
        gone: tuple[str, ...] = ()
        if isinstance(task.data, Journeys):
            gone = find_gone_signals(champion.bundle, task.data, task.config)
    people = (0, 0) if impact is None else (impact.open_leads, impact.changed)
    rows = _pair_rows(later, champion.bundle, task.config)
    evidence = NO_EVIDENCE if rows is None else make_evidence(rows)
    evidence = replace(evidence, open_leads=people[0], changed=people[1])
    return CompareResult(
        model=task.config.name,
        timezone=task.config.data.timezone,
        champion=_name(champion),
        challenger=_name(challenger),
        later=later.summary,
        comparison=None if rows is None else _compare(rows),
        impact=impact,
        evidence=evidence,
        decision=decide_promotion(evidence, task.config.promotion, gone=gone),
    )


def _name(contender: Contender) -> ComparedVersion:
    version = contender.version
    number = None if version is None else version.version
    return ComparedVersion(contender.bundle.name, number, learned_until(contender.bundle))


def _pair_rows(later: _Later, champion: Bundle, config: Config) -> PairedRows | None:
    if later.table is None or later.champion is None or later.challenger is None:
        return None
    return PairedRows(
        later.table.label.astype(np.float64),
        later.table.group,
        later.champion,
        later.challenger,
        later.slices,
        champion.result.population.base_rate,
        config.labels,
    )


def _compare(rows: PairedRows) -> PairedComparison | None:
    try:
        return compare_rows(rows, random_state=RANDOM_STATE)
    except PopulationError:  # one class or one account: too little for any metric
        return None


def _measure_impact(champion: Contender, challenger: Contender, task: _Task) -> Impact | None:
    data, at = task.data, task.now
    if isinstance(data, Journeys):
        at = data.observed_until
    tables = []
    for contender in (champion, challenger):
        try:
            if isinstance(data, Journeys):
                found = score(contender.bundle, data, task.config, as_of=at, scored_at=task.now)
            else:
                found = score_flat(contender.bundle, data, task.config, as_of=at, scored_at=task.now)
        except PopulationError:  # nobody is open
            return None
        tables.append(found)
    thresholds = champion.bundle.policy.thresholds, challenger.bundle.policy.thresholds
    return measure_impact(*tables, thresholds=thresholds, as_of=format_instant(at))
