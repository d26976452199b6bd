"""Training: from the training table to an evaluated, calibrated version that may be registered, or is refused.

Out-of-time predictions inside the past give the level and the thresholds; the last period, held out from both,
evaluates them once; then the version that ships learns from everything mature.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from mqlml import __version__
from mqlml.commands.calibrate_accounts import calibrate_accounts
from mqlml.commands.check import make_table, read_data, return_memory
from mqlml.commands.choose_model import Chosen, calibrate, choose_model, find_drift, find_levels
from mqlml.commands.choose_thresholds import (
    ask_interest,
    choose_labels,
    count_disqualified,
    evaluate_promotions,
    make_gate_inputs,
    measure_interest,
    out_of_time_periods,
)
from mqlml.commands.count_nights import last_fold, read_later_nights, read_recent_nights, with_rows
from mqlml.commands.summarize import (
    describe_calibration,
    describe_choice,
    evaluate_over_time,
    mark_company_mqls,
    summarize_data,
    summarize_holdout,
    warn_of_drift,
)
from mqlml.config import Config, describe_config
from mqlml.errors import GateRefused
from mqlml.evaluation import (
    Disqualification,
    GateResult,
    Importance,
    LabelEvaluation,
    LearningPoint,
    Promotion,
    Slice,
    TrainingResult,
    check_gate,
    describe_shipped,
    make_calibration_table,
    make_decile_table,
    measure_curve,
    warn_of_slices,
)
from mqlml.evaluation.backtest import Measure
from mqlml.evaluation.by_lead import ByLead, evaluate_by_lead
from mqlml.evaluation.holdout import (
    RANDOM_STATE,
    Evaluated,
    HeldOut,
    Period,
    PriorAccess,
    evaluate_fit_by_engagement,
    evaluate_importance,
    evaluate_labels,
    evaluate_model,
    fit_past,
)
from mqlml.evaluation.slices import check_slices, find_slices
from mqlml.insight.points.more_wins import expect_more_wins
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import Drift, LeadScorer, PeriodLevels, SigmoidCalibrator, measure_levels
from mqlml.model.signals import report_signals
from mqlml.policy import LabelPolicy
from mqlml.progress import Progress, Silent
from mqlml.registry import Bundle, find_git_commit, fingerprint_tables, make_reference
from mqlml.registry.holdout_log import warn_of_holdout_access
from mqlml.render.report.text import describe_policy, describe_question
from mqlml.render.report.value.points import describe_wait
from mqlml.times import to_microseconds
from mqlml.training import (
    TrainingTable,
    describe_population,
    exclude_leads,
    list_left_out,
    require_leak_test,
)
from mqlml.training.warnings import find_config_warnings, find_data_warnings
from mqlml.types import Floats

__all__ = ["PastModel", "Trained", "fingerprint_data", "train"]


@dataclass(frozen=True)
class PastModel:
    """The model of the past on the held-out period, which the version that ships has learned from.

    Attributes
    ----------
    table : TrainingTable
    evaluated : Evaluated
        Of the rows ``table.holdout.test``.
    policy : LabelPolicy
        Its thresholds.
    """

    table: TrainingTable
    evaluated: Evaluated
    policy: LabelPolicy


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes
    ----------
    result : TrainingResult
        All that was measured and decided, also of a refused model; see `mqlml.results.to_json_safe`.
    bundle : Bundle or None
        None if the gate refused it.
    past : PastModel or None
        What another version can be compared with at once; None if the gate refused it.
    """

    result: TrainingResult
    bundle: Bundle | None
    past: PastModel | None = None

    @property
    def gate(self) -> GateResult:
        """Whether it may be registered, and why not."""
        return self.result.gate


@dataclass(frozen=True)
class _Task:
    """What is trained, and where progress is shown."""

    config: Config
    data: Journeys | FlatTable
    progress: Progress
    now: dt.datetime


@dataclass(frozen=True)
class _Choices:
    """All that is chosen on the past; ``fitted`` are the models of it that the held-out period evaluates."""

    chosen: Chosen
    curve: tuple[LearningPoint, ...]
    calibrator: SigmoidCalibrator
    levels: PeriodLevels
    drift: Drift
    fitted: tuple[LeadScorer, ...]
    policy: LabelPolicy
    interest: Measure | None


@dataclass(frozen=True)
class _Shipped:
    """What scores leads from now on."""

    scorer: LeadScorer
    calibrator: SigmoidCalibrator
    policy: LabelPolicy
    reference: Floats


@dataclass(frozen=True)
class _Release:
    """The version that ships, and what is measured only for a model that passed."""

    shipped: _Shipped
    labels: dict[str, LabelEvaluation]
    by_lead: ByLead
    promoted: tuple[Promotion, ...]
    disqualified: tuple[Disqualification, ...]
    importance: Importance


def train(
    config: Config,
    data: Journeys | FlatTable | None = None,
    *,
    now: dt.datetime,
    progress: Progress | None = None,
    record: Callable[[Period], PriorAccess] = lambda _: PriorAccess(),
) -> Trained:
    """Learn, calibrate, choose thresholds, evaluate on the last period, and refit on everything mature.

    Parameters
    ----------
    config : Config
    data : Journeys or FlatTable, optional
        Read from where the config says if left out.
    now : datetime in UTC
        Written into the version; outcomes cannot be complete up to a later moment, and nothing else depends on it.
    progress : Progress, optional
    record : function, optional
        Called with the held-out period as it is opened; gives who opened it before, as a `Logbook` does.

    Raises
    ------
    PopulationError
        If there is nobody to learn from or to evaluate on.
    LabelPolicyError
        If a threshold rule asks for something that cannot be reached.
    LeakageError
        If the config names a leaking column without a reason, or a feature reads the future.
    GateRefused
        If there are too few conversions to learn from, or nothing was learned from them.

    Examples
    --------
    >>> import datetime as dt
    >>> from mqlml.config import Config
    >>> from mqlml.simulate import simulate
    >>> journeys = simulate(800, random_state=2).journeys()
    >>> config = Config(
    ...     name="leads",
    ...     data={
    ...         "observed_until": "2025-06-24",
    ...         "leads": {"path": "leads.csv"},
    ...         "outcomes": {"path": "deals.csv"},
    ...     },
    ...     problem={"horizon": "60d", "snapshots": {"ages": ["7d"]}},
    ...     windows=["30d"],
    ...     gate={"min_positives": 20},
    ... )
    >>> trained = train(config, journeys, now=dt.datetime(2025, 7, 1, tzinfo=dt.UTC))
    >>> trained.gate.passed, list(trained.bundle.policy.thresholds)
    (True, ['mql', 'sql'])
    """
    progress = progress or Silent()
    if data is None:
        data = read_data(config, progress, now=now)
    task = _Task(config, exclude_leads(data, config), progress, now)
    held = HeldOut(make_table(task.data, config, progress), record=record)
    _check_past(held.past, task)
    choices = _choose(held, task)  # on the past; the last period is opened to evaluate them, and not before
    with progress.step("held-out period"):
        table = held.open()
        evaluated = evaluate_model(choices.fitted, choices.calibrator, table, measure_interest(table.plan))
    with progress.step("slices"):
        slices = find_slices(task.data, table, evaluated, config)
    gate = _decide(choices, evaluated, slices, held, table, task)
    release = None
    if gate.passed:
        release = _release(choices, evaluated, table, task)
    result = _summarize(choices, evaluated, slices, gate, release, table, task, held.prior_access)
    if release is None:
        return Trained(result, None)
    bundle = _bundle(release.shipped, result, table, task)
    return Trained(result, bundle, PastModel(table, evaluated, choices.policy))


def _check_past(past: TrainingTable, task: _Task) -> None:
    """Refuse what no model can be made of, before one is."""
    require_leak_test(past.leak_test)
    check_slices(task.data, past, task.config)
    positives, needed = _positives(past), task.config.gate.min_positives
    if positives < needed:
        wait = describe_wait(expect_more_wins(past, needed=needed, holdout=task.config.problem.holdout))
        raise GateRefused(
            f"{positives} conversions can be learned from before the held-out period, and {needed} are needed "
            f"(gate.min_positives).{f' {wait}' if wait else ''} Until then, mqlml points makes a points table from "
            "your own conversion rates. For a model, bring a longer history, or predict an earlier stage, which more "
            "leads reach"
        )


def _positives(table: TrainingTable) -> int:
    return int(table.label[table.holdout.train].sum())


def _choose(held: HeldOut, task: _Task) -> _Choices:
    past, config, progress = held.past, task.config, task.progress
    interest = ask_interest(config, past.plan)
    with progress.step("out-of-time folds"):
        chosen = choose_model(
            past, tune=config.tune, random_state=RANDOM_STATE, progress=progress, measure=interest
        )
    scorer, out_of_time = chosen.scorer, chosen.out_of_time
    if np.ptp(out_of_time.raw) == 0:
        raise GateRefused(
            "the model gives every lead the same score, so there is nothing to rank by: no column tells converting "
            f"leads from others in {len(past.holdout.train):,} rows. Bring more columns or a longer history"
        )
    with progress.step("learning curve"):
        curve = measure_curve(scorer, past, chosen.folds, out_of_time.raw, random_state=RANDOM_STATE)
    levels, drift = find_levels(out_of_time, past), find_drift(out_of_time, past)
    with progress.step("fit"):
        return_memory()
        fitted = fit_past(scorer, past)
    calibrator = calibrate(fitted, levels)
    with progress.step("labels"):
        # Snapshots of leads that these models learned from are scored by those of the last fold, which did not.
        learned = [*with_rows(fitted, past.holdout), *last_fold(chosen)]
        scored = out_of_time.rows, out_of_time.raw
        policy = choose_labels(
            calibrator.predict_proba(out_of_time.raw)[:, 1],
            past,
            out_of_time.rows,
            out_of_time_periods(past, out_of_time),
            make_gate_inputs(task.data, past.lead_id.iloc[out_of_time.rows], config, out_of_time.measured),
            config,
            recent=read_recent_nights(
                task.data, config, learned, past, past.holdout.start, calibrator, interest, scored
            ),
        )
    return _Choices(chosen, curve, calibrator, levels, drift, fitted, policy, interest)


def _decide(
    choices: _Choices,
    evaluated: Evaluated,
    slices: tuple[Slice, ...],
    held: HeldOut,
    table: TrainingTable,
    task: _Task,
) -> GateResult:
    """The gate, with everything a person should know of this model."""
    chosen = choices.chosen
    gate = check_gate(evaluated.metrics, evaluated.baselines)
    warnings = [*gate.warnings, *warn_of_holdout_access(held.prior_access)]
    if not chosen.out_of_time.in_time:
        warnings.append(
            "The history is too short to go forward in time before the held-out period: calibration and thresholds "
            "rest on folds drawn across time, and are less certain."
        )
    moves = warn_of_drift(choices.drift, choices.calibrator)
    if moves is not None:
        warnings.append(moves)
    if chosen.stopped:
        warnings.append(
            f"Tuning was stopped after {len(chosen.trials)} settings; the best of them was kept, and another run "
            "may keep others."
        )
    if isinstance(task.data, Journeys):
        warnings += [warning.text for warning in find_data_warnings(task.data, task.config)]
    warnings += [*warn_of_slices(slices), *find_config_warnings(task.data, table.plan, task.config)]
    return replace(gate, warnings=tuple(warnings))


def _release(choices: _Choices, evaluated: Evaluated, table: TrainingTable, task: _Task) -> _Release:
    """What the thresholds of the past brought, what the model relies on, and the version that ships."""
    config, data, policy = task.config, task.data, choices.policy
    gated = None if choices.interest is None else evaluated.interest
    gate_inputs = make_gate_inputs(data, table.lead_id.iloc[table.holdout.test], config, gated)
    out_of_time = choices.chosen.out_of_time
    scored = out_of_time.rows, out_of_time.raw
    nights = read_later_nights(
        data, config, choices.fitted, table, choices.calibrator, choices.interest, scored
    )
    found = evaluate_labels(policy, evaluated, table, gate_inputs, nights)
    promoted = evaluate_promotions(
        data, table, policy.meets_thresholds(evaluated.probability, gate_inputs), config
    )
    disqualified = count_disqualified(data, table, config)
    with task.progress.step("importance"):
        importance = evaluate_importance(choices.fitted, choices.calibrator, table)
    with task.progress.step("refit"):
        shipped = _ship(choices, evaluated, table, task)
    labels = {
        outcome.label: describe_shipped(
            found[outcome.label], outcome, policy=describe_policy(config.labels[outcome.label])
        )
        for outcome in shipped.policy.outcomes
    }
    company_mqls = mark_company_mqls(data, table, config.problem)
    by_lead = evaluate_by_lead(policy, evaluated, table, gate_inputs, nights, company_mqls)
    return _Release(shipped, labels, by_lead, promoted, disqualified, importance)


def _ship(choices: _Choices, evaluated: Evaluated, table: TrainingTable, task: _Task) -> _Shipped:
    """The version that is registered, learned from everything mature. The last period, which is no longer needed to
    evaluate, joins the out-of-time predictions behind level and thresholds."""
    chosen, config, data = choices.chosen, task.config, task.data
    out_of_time, last = chosen.out_of_time, table.holdout.test
    held = (table.holdout.start, table.holdout.end)
    rows, raw = np.concatenate([out_of_time.rows, last]), np.concatenate([out_of_time.raw, evaluated.raw])
    points = None
    if out_of_time.measured is not None:
        points = np.concatenate([out_of_time.measured, evaluated.interest])
    return_memory()  # the largest fit comes on top of what is still held
    scorer: LeadScorer = clone(chosen.scorer).fit(table.features, table.label)
    target = table.label[last].astype(np.float64)
    level = measure_levels(evaluated.raw, evaluated.prior, target, np.zeros(len(last), dtype=np.intp))
    calibrator = calibrate([scorer], choices.levels.then(level))
    probability = calibrator.predict_proba(raw)[:, 1]
    recent = None
    if isinstance(data, Journeys):
        learned = [(scorer, np.arange(len(table.label))), *with_rows(choices.fitted, table.holdout)]
        until = to_microseconds(data.observed_until)
        recent = read_recent_nights(
            data, config, learned, table, until, calibrator, choices.interest, (rows, raw)
        )
    policy = choose_labels(
        probability,
        table,
        rows,
        [*out_of_time_periods(table, out_of_time), held],
        make_gate_inputs(data, table.lead_id.iloc[rows], config, points),
        config,
        recent=recent,
    )
    return _Shipped(scorer, calibrator, policy, make_reference(probability))


def _summarize(
    choices: _Choices,
    evaluated: Evaluated,
    slices: tuple[Slice, ...],
    gate: GateResult,
    release: _Release | None,
    table: TrainingTable,
    task: _Task,
    prior_access: PriorAccess,
) -> TrainingResult:
    config = task.config
    target = table.label[table.holdout.test]
    return TrainingResult(
        model=config.name,
        timezone=config.data.timezone,
        created=task.now.isoformat(),
        mqlml_version=__version__,
        question=describe_question(config.problem, flat=not task.data.dated),
        data=summarize_data(task.data, config),
        population=describe_population(table),
        left_out=list_left_out(table),
        leaks=table.leaks,
        questions=table.questions,
        leak_test=table.leak_test,
        holdout=summarize_holdout(evaluated.metrics, table, prior_access),
        by_age=evaluated.by_age,
        over_time=evaluate_over_time(choices.chosen, evaluated, table),
        slices=slices,
        fit_by_engagement=evaluate_fit_by_engagement(evaluated, table),
        choice=describe_choice(choices.chosen, table),
        learning_curve=choices.curve,
        calibration=describe_calibration(
            choices.calibrator,
            choices.drift,
            make_calibration_table(target, evaluated.probability),
        ),
        deciles=make_decile_table(target, evaluated.raw),
        signals=report_signals(task.data, table, random_state=RANDOM_STATE),
        importance=None if release is None else release.importance,
        baselines=evaluated.baselines,
        accounts=calibrate_accounts(
            task.data, config.problem, choices.chosen, choices.fitted, choices.calibrator, evaluated, table
        ),
        labels={} if release is None else release.labels,
        by_lead=None if release is None else release.by_lead,
        promoted=() if release is None else release.promoted,
        disqualified=() if release is None else release.disqualified,
        gate=gate,
    )


def _bundle(shipped: _Shipped, result: TrainingResult, table: TrainingTable, task: _Task) -> Bundle:
    return Bundle(
        name=task.config.name,
        scorer=shipped.scorer,
        calibrator=shipped.calibrator,
        policy=shipped.policy,
        plan=table.plan,
        config=describe_config(task.config),
        reference=shipped.reference,
        result=result,
        fingerprint=fingerprint_data(task.data),
        git_commit=find_git_commit(task.config.folder),
        created=task.now.isoformat(),
    )


def fingerprint_data(data: Journeys | FlatTable) -> dict[str, Any]:
    """Row counts and hashes of everything that a version learns from; see `fingerprint_tables`."""
    if not data.dated:
        return fingerprint_tables({"flat": data.leads.assign(label=data.label, order=data.order)})
    return fingerprint_tables(
        {"leads": data.leads, "events": data.events, "outcomes": data.outcomes, "history": data.history}
    )
