"""``recalibrate``: the same trees with a new level and slope, and thresholds chosen by recent outcomes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

from mqlml.commands.adjust import adjust_labels, register_adjusted
from mqlml.commands.check import read_data
from mqlml.commands.choose_thresholds import ask_interest, make_gate_inputs
from mqlml.commands.inputs import load_model
from mqlml.config import Config, read_config
from mqlml.errors import GateRefused, UsageError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.holdout import RANDOM_STATE
from mqlml.evaluation.metrics import log_losses
from mqlml.features import build_features
from mqlml.journeys import Journeys
from mqlml.model import SigmoidCalibrator
from mqlml.monitoring import CalibrationState, RecalibrateResult
from mqlml.policy import GateInputs, LabelPolicy, choose_policy, make_threshold_data
from mqlml.progress import Progress
from mqlml.registry import Bundle, Version
from mqlml.scoring import problem_of
from mqlml.times import DAY, column_to_microseconds, format_instant, parse_instant, to_microseconds
from mqlml.training.snapshots import assign_labels, find_snapshots, group_leads
from mqlml.types import Floats, Ints

__all__ = ["recalibrate_version"]

_WEEK = 7 * DAY


@dataclass(frozen=True)
class _Recent:
    """Mature snapshots, in order of time, whose outcome a version has not learned from."""

    table: pd.DataFrame
    raw: Floats
    label: Floats
    time: Ints
    group: Ints
    gate_inputs: GateInputs

    @property
    def positives(self) -> int:
        """Those of them that converted."""
        return int(self.label.sum())


def recalibrate_version(
    config_path: str | Path,
    *,
    model: str | None = None,
    register_it: bool = True,
    now: dt.datetime,
    progress: Progress,
) -> RecalibrateResult:
    """Learn level, slope and thresholds from outcomes since the training, and register a version with them.

    Raises
    ------
    GateRefused
        If fewer than ``gate.min_positives`` conversions are known since, or likely leads no longer convert more
        often than others.
    LabelPolicyError
        If a threshold rule of the config cannot be met on these outcomes.
    UsageError
        If the data, or what the version was trained on, is a flat table.
    """
    config = read_config(config_path)
    with progress.step("load"):
        bundle, version = load_model(config, model)
    data = read_data(config, progress, now=now)
    until = bundle.result.data.observed_until
    if not isinstance(data, Journeys) or until is None:
        raise UsageError(
            "recalibrate needs dated leads and outcomes; a flat table has none. Train a new version"
        )
    with progress.step("recent outcomes"):
        recent = _read_recent(bundle, data, config, parse_instant(until, "UTC"))
    calibrator = _learn(recent, f"{bundle.name} version {version.version}", config.gate.min_positives)
    with progress.step("labels"):
        policy = _choose(recent, calibrator, config)
    made: Version | None = None
    if register_it:
        with progress.step("register"):
            adjusted = replace(
                bundle,
                calibrator=calibrator,
                policy=policy,
                reference=_move_reference(bundle, calibrator),
                config=adjust_labels(bundle, policy),
            )
            made = register_adjusted(
                adjusted,
                version,
                config,
                change="calibration",
                reason=f"fitted to {recent.positives} conversions among {len(recent.label):,} recent snapshots",
                now=now,
                progress=progress,
            )
    before, after, difference = _compare(recent, bundle.calibrator)
    times = recent.table["cutoff_time"]
    return RecalibrateResult(
        model=bundle.name,
        version=version.version,
        snapshots=len(recent.label),
        positives=recent.positives,
        start=format_instant(times.iloc[0].to_pydatetime()),
        until=format_instant(times.iloc[-1].to_pydatetime()),
        before=_describe(bundle.calibrator, bundle.policy, before),
        after=_describe(calibrator, policy, after),
        log_loss_difference=difference,
        new_version=None if made is None else made.version,
        aliases=() if made is None else made.aliases,
    )


def _read_recent(bundle: Bundle, journeys: Journeys, config: Config, until: dt.datetime) -> _Recent:
    """The snapshots that training would take, of those that matured after the data of the version ended."""
    problem = problem_of(bundle)
    table = find_snapshots(journeys, problem).table
    time = column_to_microseconds(table["cutoff_time"])
    fresh = time + problem.gap + problem.horizon > to_microseconds(until)
    table, time = table[fresh].reset_index(drop=True), time[fresh]
    if table.empty:
        raise GateRefused(
            f"no outcome is known since the data of the version, which ends {format_instant(until)}; move "
            "data.observed_until along with the export"
        )
    features = build_features(journeys, table, bundle.plan)
    measure = ask_interest(config, bundle.plan)
    points = None if measure is None else measure(bundle.scorer, features)
    place = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(table["lead_id"]))
    return _Recent(
        table=table,
        raw=bundle.scorer.decision_function(features),
        label=assign_labels(journeys, table, problem).astype(np.float64),
        time=time,
        group=group_leads(journeys.leads)[place],
        gate_inputs=make_gate_inputs(journeys, table["lead_id"], config, points),
    )


def _learn(recent: _Recent, version: str, needed: int) -> SigmoidCalibrator:
    """Level and slope by recent outcomes; refused where these are too few or likely leads convert no more often."""
    if min(recent.positives, len(recent.label) - recent.positives) < needed:
        raise GateRefused(
            f"{recent.positives} conversions are known since the training of {version}, and {needed} are needed "
            "(gate.min_positives); wait for more, move data.observed_until, or train"
        )
    calibrator = SigmoidCalibrator().fit(recent.raw, recent.label)
    if calibrator.slope_ <= 0:
        raise GateRefused(
            f"among {len(recent.label):,} recent snapshots likely leads converted no more often than others, so no "
            "calibration helps; train a new version"
        )
    return SigmoidCalibrator.from_dict(calibrator.to_dict())


def _describe(calibrator: SigmoidCalibrator, policy: LabelPolicy, log_loss: float) -> CalibrationState:
    return CalibrationState(
        slope=calibrator.slope_,
        intercept=calibrator.intercept_,
        thresholds=policy.thresholds,
        log_loss=log_loss,
    )


def _choose(recent: _Recent, calibrator: SigmoidCalibrator, config: Config) -> LabelPolicy:
    """Thresholds by the rules of the config, on the recent snapshots."""
    start, end = float(recent.time[0]) / _WEEK, float(recent.time[-1] + DAY) / _WEEK
    snapshots = make_threshold_data(
        calibrator.predict_proba(recent.raw)[:, 1],
        recent.label,
        weeks=end - start,
        lead=pd.factorize(recent.table["lead_id"])[0],
        account=recent.group,
        time=recent.time / _WEEK,
        periods=[(start, end)],
        gate_inputs=recent.gate_inputs,
    )
    return choose_policy(snapshots, config.labels)


def _move_reference(bundle: Bundle, calibrator: SigmoidCalibrator) -> Floats:
    """The reference probabilities as the new calibration gives them, so that a lead's score stays what it was."""
    old = bundle.calibrator
    if old.slope_ == 0:
        return bundle.reference
    raw = (logit(bundle.reference) - old.intercept_) / old.slope_
    return np.asarray(calibrator.predict_proba(raw)[:, 1])


def _compare(recent: _Recent, before: SigmoidCalibrator) -> tuple[float, float, Estimate]:
    """Log loss on the later half, of the version and of a calibration that is learned on the earlier half."""
    converted = np.cumsum(recent.label)
    half = int(np.searchsorted(converted, converted[-1] / 2)) + 1
    later = slice(half, None)
    y = recent.label[later]
    learned = SigmoidCalibrator().fit(recent.raw[:half], recent.label[:half])
    old = log_losses(y, before.predict_proba(recent.raw[later])[:, 1])
    new = log_losses(y, learned.predict_proba(recent.raw[later])[:, 1])
    bootstrap = ClusterBootstrap(recent.group[later], n_bootstrap=500, random_state=RANDOM_STATE)
    drawn, total = bootstrap.sums(np.ones_like(y), new - old)
    return float(old.mean()), float(new.mean()), make_estimate(float((new - old).mean()), total / drawn)
