"""Builds the records of a training result from what was read, chosen and evaluated."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from mqlml.commands.choose_model import Chosen
from mqlml.config import Config, Problem
from mqlml.evaluation import (
    CalibrationBand,
    CalibrationPeriod,
    CalibrationSummary,
    Choice,
    DataSummary,
    Estimate,
    HoldoutEvaluation,
    Metrics,
    OutOfTimeLoss,
    OverTimePeriod,
    PeriodLosses,
    SetAside,
    TriedSettings,
    evaluate_losses,
)
from mqlml.evaluation.by_lead import find_company_mqls
from mqlml.evaluation.holdout import RANDOM_STATE, Evaluated, PriorAccess
from mqlml.evaluation.metrics import log_losses
from mqlml.evaluation.periods import Forecast
from mqlml.journeys import FlatTable, Journeys
from mqlml.journeys.quarantine import count_rows, group_quarantine
from mqlml.model import FEWEST_PERIODS, Drift, SigmoidCalibrator
from mqlml.times import format_instant
from mqlml.training import TrainingTable, describe_holdout, describe_place
from mqlml.types import Floats

__all__ = [
    "describe_calibration",
    "describe_choice",
    "evaluate_over_time",
    "mark_company_mqls",
    "summarize_data",
    "summarize_holdout",
    "warn_of_drift",
]


def evaluate_over_time(
    chosen: Chosen, evaluated: Evaluated, table: TrainingTable
) -> tuple[OverTimePeriod, ...]:
    """The log loss of each out-of-time period and of the held-out one, beside that of the base rate known before it.

    Empty where the history was too short to go forward in time.
    """
    if not chosen.folds:
        return ()
    ends = np.cumsum([len(fold.test) for fold in chosen.folds])[:-1]
    raw = np.split(chosen.out_of_time.raw, ends)
    forecasts = [
        Forecast(number, number, fold.test, part)
        for number, (fold, part) in enumerate(zip(chosen.folds, raw, strict=True))
    ]
    losses = evaluate_losses(
        forecasts,
        table.label,
        table.time,
        chosen.folds,
        label_span=table.label_span,
        clusters=table.group,
        random_state=RANDOM_STATE,
    )
    base = evaluated.baselines["base_rate"]
    worse = base.log_loss_difference
    held = PeriodLosses(
        n=evaluated.metrics.n,
        positives=evaluated.metrics.positives,
        log_loss=evaluated.metrics.log_loss,
        log_loss_base_rate=base.log_loss,
        gain=Estimate(-worse.value, -worse.high, -worse.low),
    )
    return tuple(
        OverTimePeriod(
            **vars(found),
            start=describe_place(fold.start, table),
            until=describe_place(fold.end, table),
            held_out=fold is table.holdout,
        )
        for fold, found in [*zip(chosen.folds, losses, strict=True), (table.holdout, held)]
    )


def describe_choice(chosen: Chosen, table: TrainingTable) -> Choice:
    """The weights, the out-of-time log loss of parts, blend and base rate, and the settings tried."""
    found = chosen.out_of_time
    target = table.label[found.rows].astype(np.float64)

    def loss(log_odds: Floats) -> float:
        return float(log_losses(target, expit(log_odds)).mean())

    return Choice(
        tree_weight=chosen.scorer.tree_weight,
        linear_weight=chosen.scorer.linear_weight,
        out_of_time_log_loss=OutOfTimeLoss(
            base_rate=loss(found.prior),
            trees=loss(found.parts[:, 0]),
            logistic=loss(found.parts[:, 1]),
            blend=loss(found.raw),
        ),
        in_time=found.in_time,
        trials=tuple(TriedSettings(trial.settings, trial.loss, trial.chosen) for trial in chosen.trials),
        stopped=chosen.stopped,
    )


def mark_company_mqls(
    data: Journeys | FlatTable, table: TrainingTable, problem: Problem
) -> npt.NDArray[np.int8] | None:
    """Which leads of the held-out period the company itself made MQLs; None where the data does not tell."""
    if not isinstance(data, Journeys):
        return None
    last = table.holdout.test
    snapshots = pd.DataFrame({"lead_id": table.lead_id, "cutoff_time": table.cutoff_time}).iloc[last]
    return find_company_mqls(data, snapshots, table.label[last], problem)


def describe_calibration(
    calibrator: SigmoidCalibrator, drift: Drift, bands: tuple[CalibrationBand, ...]
) -> CalibrationSummary:
    """The calibration, conversions in each out-of-time period, and the bands of the held-out period."""
    return CalibrationSummary(
        slope=calibrator.slope_,
        intercept=calibrator.intercept_,
        p_value=drift.p_value,
        drift=drift.found,
        periods=tuple(CalibrationPeriod(**vars(level)) for level in drift.periods),
        bands=bands,
    )


def warn_of_drift(drift: Drift, calibrator: SigmoidCalibrator) -> str | None:
    """The warning where conversions move between periods beyond noise, or where too few periods could show it."""
    if 0 < len(drift.periods) < FEWEST_PERIODS and not drift.found:
        known = "one earlier period" if len(drift.periods) == 1 else f"{len(drift.periods)} earlier periods"
        return (
            f"With only {known} to test on, we cannot say that the percentages will stay accurate: the share of "
            "leads that converts may change with the season, or for good. Compare with actual results and retrain "
            "as data builds up."
        )
    if not drift.found:
        return None
    first, last = drift.periods[0], drift.periods[-1]
    shift = calibrator.intercept_
    follows = (
        f"the odds of all leads are multiplied by {math.exp(shift):.2f}, as far as earlier changes lasted"
        if shift
        else "such changes did not last, so the probabilities follow all of the past"
    )
    return (
        "We cannot say that the percentages will stay accurate: from period to period the share of leads that "
        f"converts changes more than chance explains (p = {drift.p_value:.2g}). {first.predicted:,.0f} conversions "
        f"were predicted in the first period and {first.observed:,} happened; in the last, {last.predicted:,.0f} and "
        f"{last.observed:,}; {follows}. Retrain often, and compare with actual results."
    )


def summarize_data(data: Journeys | FlatTable, config: Config) -> DataSummary:
    """Rows read and set aside; the examples of the quarantine stay behind, as they may be personal data."""
    until = config.data.observed_until
    return DataSummary(
        tables=count_rows(data.rows_read, data.quarantine),
        quarantine=tuple(
            SetAside(found.table, found.column, found.reason, found.rows)
            for found in group_quarantine(data.quarantine)
        ),
        observed_until=format_instant(until) if until else None,
        notices=data.notices,
    )


def summarize_holdout(metrics: Metrics, table: TrainingTable, prior_access: PriorAccess) -> HoldoutEvaluation:
    """The metrics on the held-out period, from when until when it runs, and who opened it before."""
    period = describe_holdout(table)
    return HoldoutEvaluation(
        **vars(metrics),
        start=period.start,
        until=period.until,
        leads=len(np.unique(table.lead[table.holdout.test])),
        accessed_with_other_settings=prior_access.settings,
        accessed_by_versions=prior_access.versions,
        accessed_since=prior_access.since,
    )
