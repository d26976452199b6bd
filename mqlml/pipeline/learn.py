"""Training: from the training table to a judged, calibrated version that is fit to be registered, or refused.

Forward folds inside the past fit the calibrator and the thresholds; the last period, held out from both, judges
them once; then everything mature is learned from for the version that ships.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from mqlml.config import Config, describe_config
from mqlml.errors import GateRefused
from mqlml.evaluation import (
    GateResult,
    Importance,
    check_gate,
    make_calibration_table,
    make_decile_table,
)
from mqlml.evaluation.backtest import Forward, Measure
from mqlml.evaluation.heldout import HeldOut, Opened, Period
from mqlml.evaluation.shape import Shape
from mqlml.evaluation.slices import warn_of_slices
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import Drift, LeadScorer, SigmoidCalibrator
from mqlml.pipeline.cautions import find_cautions
from mqlml.pipeline.check import make_table, read_data
from mqlml.pipeline.choice_words import describe_choice, describe_drift, warn_of_drift
from mqlml.pipeline.choose_model import (
    Chosen,
    choose_model,
    find_drift,
    find_shift,
    find_slope,
    known_rate,
)
from mqlml.pipeline.describe import (
    describe_holdout,
    describe_importance,
    describe_leaks,
    describe_population,
    describe_proof,
    make_report,
)
from mqlml.pipeline.judge import (
    RANDOM_STATE,
    Judged,
    fit_past,
    judge_importance,
    judge_model,
    judge_placements,
    judge_policy,
)
from mqlml.pipeline.labelling import (
    ask_interest,
    choose_labels,
    count_turned_away,
    forward_periods,
    judge_acts,
    make_traits,
    measure_interest,
)
from mqlml.pipeline.learning_curve import measure_curve
from mqlml.pipeline.logbook import describe_opened, warn_of_openings
from mqlml.pipeline.over_time import judge_over_time
from mqlml.pipeline.progress import Progress, Silent
from mqlml.pipeline.recent import look_recently
from mqlml.pipeline.slicing import check_slices, find_slices
from mqlml.plain import to_plain
from mqlml.registry import Bundle, find_git_commit, fingerprint_tables, make_reference
from mqlml.report import ReportData
from mqlml.training import TrainingTable, build_open, require_proof

__all__ = ["Trained", "train"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Trained:
    """What training came to.

    Attributes
    ----------
    summary : dict
        What ``train --json`` prints, without version and seconds.
    gate : GateResult
    bundle : Bundle or None
        None if the gate refused it.
    report : ReportData
        What the report shows, also of a refused model.
    """

    summary: dict[str, Any]
    gate: GateResult
    bundle: Bundle | None
    report: ReportData


def train(
    config: Config,
    data: Journeys | FlatTable | None = None,
    *,
    now: dt.datetime,
    progress: Progress | None = None,
    record: Callable[[Period], Opened] = lambda _: Opened(),
) -> Trained:
    """Learn, calibrate, choose thresholds, judge on the last period, and refit on everything mature.

    Parameters
    ----------
    config : Config
    data : Journeys or FlatTable, optional
        Read from where the config says if left out.
    now : datetime in UTC
        Written into the version; outcomes cannot be complete up to a later moment, and nothing else depends on it.
    progress : Progress, optional
    record : function, optional
        Told of the held-out period as it is opened, and says who opened it before, as a `Logbook` does.

    Raises
    ------
    PopulationError
        If there is nobody to learn from or to judge on.
    LabelPolicyError
        If a threshold rule asks for something that cannot be reached.
    LeakageError
        If the config names a leaking column without a reason, or a feature reads the future.
    GateRefused
        If there are too few conversions to learn from, or nothing was learned from them.
    """
    progress = progress or Silent()
    data = read_data(config, progress, now=now) if data is None else data
    held = HeldOut(make_table(data, config, progress), record=record)
    past = held.past  # every choice is made on it; the last period is opened to judge them, and not before
    require_proof(past.proof)
    check_slices(data, past, config)
    positives = int(past.label[past.holdout.train].sum())
    if positives < config.gate.min_positives:
        raise GateRefused(
            f"{positives} conversions can be learned from before the held-out period, and "
            f"{config.gate.min_positives} are needed (gate.min_positives). Bring a longer history, or predict an "
            "earlier stage, which more leads reach"
        )

    with progress.step("forward folds"):
        interest = ask_interest(config, past.plan)
        chosen = choose_model(
            past, tune=config.tune, random_state=RANDOM_STATE, progress=progress, measure=interest
        )
        scorer, forward = chosen.scorer, chosen.forward
    if np.ptp(forward.raw) == 0:
        raise GateRefused(
            "the model gives every lead the same score, so there is nothing to rank by: no column told converting "
            f"leads apart in {len(past.holdout.train):,} rows. Bring more columns or a longer history"
        )
    with progress.step("learning curve"):
        curve = measure_curve(scorer, past, chosen.folds, forward, random_state=RANDOM_STATE)
    calibrator = SigmoidCalibrator.at_shift(find_shift(forward, past, known_rate(past)))
    drift, slope = find_drift(forward, past), find_slope(forward, past)
    with progress.step("fit"):
        fitted = fit_past(scorer, past)
    with progress.step("labels"):
        learned = [(model, rows) for model, (rows, _) in zip(fitted, past.holdout.parts, strict=True)]
        policy = choose_labels(
            calibrator.predict(forward.raw),
            past,
            forward.rows,
            forward_periods(past, forward),
            make_traits(data, past.lead_id.iloc[forward.rows], config, forward.measured),
            config,
            recent=look_recently(learned, past, held.recent, calibrator, data, config, interest),
            random_state=RANDOM_STATE,
        )

    with progress.step("held-out period"):
        table = held.open()
        judged = judge_model(fitted, calibrator, table, measure_interest(table.plan))
    gate = check_gate(
        judged.metrics,
        judged.baselines,
        min_positives=config.gate.min_positives,
        positives=positives,
        forward=slope,
    )
    notes = _notes(chosen, calibrator, drift, held.opened)
    with progress.step("slices"):
        slices = find_slices(data, table, judged, config)
    cautions = find_cautions(data, table.plan, config)
    gate = replace(gate, warnings=(*gate.warnings, *notes, *warn_of_slices(slices), *cautions))

    labels: dict[str, dict[str, Any]] = {}
    acts: list[dict[str, Any]] = []
    turned_away: list[dict[str, Any]] = []
    importance: Importance | None = None
    shapes: tuple[Shape, ...] = ()
    bundle: Bundle | None = None
    if gate.passed:
        gated = None if interest is None else judged.interest
        traits = make_traits(data, table.lead_id.iloc[table.holdout.test], config, gated)
        labels = judge_policy(policy, judged, table, traits)
        acts = judge_acts(data, table, policy.reach(judged.probability, traits), config)
        turned_away = count_turned_away(data, table, config)
        with progress.step("importance"):
            importance, shapes = judge_importance(fitted, calibrator, table)
        with progress.step("refit"):
            bundle = _ship(chosen, table, forward, judged, config, data, interest, now)
        for shipped in bundle.policy.outcomes:
            labels[shipped.label] |= {
                "judged_at": labels[shipped.label]["threshold"],
                "threshold": shipped.threshold,
                "teams": shipped.teams,
                "next": shipped.promises,
                "note": shipped.note,
            }

    summary = to_plain(
        {
            "model": config.name,
            "population": describe_population(table),
            "holdout": {**describe_holdout(table), **judged.metrics, **describe_opened(held.opened)},
            "by_age": judged.by_age,
            "over_time": judge_over_time(chosen, judged, table),
            "slices": slices,
            "placements": judge_placements(judged, table),
            "choice": describe_choice(chosen, past),
            "learning_curve": curve,
            "calibration": describe_drift(drift, calibrator, slope),
            "importance": describe_importance(importance, shapes),
            "baselines": judged.baselines,
            "labels": labels,
            "promoted": acts,
            "disqualified": turned_away,
            "leaks": describe_leaks(table),
            "proof": describe_proof(table),
            "gate": gate,
        }
    )
    target = table.label[table.holdout.test]
    report = make_report(
        config,
        data,
        table,
        summary,
        importance=importance,
        shapes=shapes,
        calibration=make_calibration_table(target, judged.probability),
        deciles=make_decile_table(target, judged.raw),
        now=now,
    )
    if bundle is not None:
        bundle = replace(bundle, metrics=summary, report=report.to_dict())
    return Trained(summary=summary, gate=gate, bundle=bundle, report=report)


def _notes(chosen: Chosen, calibrator: SigmoidCalibrator, drift: Drift, opened: Opened) -> list[str]:
    notes = list(warn_of_openings(opened))
    if not chosen.forward.in_time:
        notes.append(
            "The history is too short to go forward in time before the held-out period: calibration and thresholds "
            "rest on folds drawn across time, and promise less."
        )
    moves = warn_of_drift(drift, calibrator)
    if moves is not None:
        notes.append(moves)
    if chosen.stopped:
        notes.append(
            f"Tuning was stopped after {len(chosen.trials)} settings; the best of them was kept, and another run "
            "may keep others."
        )
    return notes


def _ship(
    chosen: Chosen,
    table: TrainingTable,
    forward: Forward,
    judged: Judged,
    config: Config,
    data: Journeys | FlatTable,
    interest: Measure | None,
    now: dt.datetime,
) -> Bundle:
    """The version that is registered: everything mature is learned from, and the last period, which has judged the
    model and is of no more use as a judge, joins the forward predictions behind calibration and thresholds."""
    last = table.holdout.test
    held = (table.holdout.start, table.holdout.end)
    points = None
    if forward.measured is not None:
        points = np.concatenate([forward.measured, judged.interest])
    everything = np.arange(len(table.label))
    shipped: LeadScorer = clone(chosen.scorer).fit(table.features, table.label)
    rows = np.concatenate([forward.rows, last])
    known = Forward(
        rows=rows,
        raw=np.concatenate([forward.raw, judged.raw]),
        prior=np.concatenate([forward.prior, judged.prior]),
        parts=np.concatenate([forward.parts, judged.parts]),
        period=np.append(forward.period, np.full(len(last), len(forward.periods))),
        periods=(*forward.periods, held),
        in_time=forward.in_time,
        measured=points,
    )
    calibrator = SigmoidCalibrator.at_shift(find_shift(known, table, shipped.prior_))
    probability = calibrator.predict(known.raw)
    recent = None
    if isinstance(data, Journeys):
        looks = build_open(data, config, table.plan)
        recent = look_recently([(shipped, everything)], table, looks, calibrator, data, config, interest)
    return Bundle(
        name=config.name,
        scorer=shipped,
        calibrator=calibrator,
        policy=choose_labels(
            probability,
            table,
            rows,
            [*forward_periods(table, forward), held],
            make_traits(data, table.lead_id.iloc[rows], config, points),
            config,
            recent=recent,
            random_state=RANDOM_STATE,
        ),
        plan=table.plan,
        config=describe_config(config),
        reference=make_reference(probability),
        metrics={},
        report={},
        fingerprint=fingerprint_tables(_tables(data)),
        git_commit=find_git_commit(config.folder),
        created=now.isoformat(),
    )


def _tables(data: Journeys | FlatTable) -> dict[str, pd.DataFrame]:
    if isinstance(data, FlatTable):
        return {"flat": data.leads.assign(label=data.label, order=data.order)}
    return {"leads": data.leads, "events": data.events, "outcomes": data.outcomes, "history": data.history}
