"""What was chosen, as records and sentences: a choice and its calibration over time go in."""

from __future__ import annotations

from mqlml.evaluation import (
    CalibrationBand,
    CalibrationPeriod,
    CalibrationSummary,
    Choice,
    OutOfTimeLoss,
    TriedSettings,
)
from mqlml.model import FEWEST_PERIODS, Drift, SigmoidCalibrator
from mqlml.pipeline.choose_model import Chosen
from mqlml.times import DAY

__all__ = ["describe_calibration", "describe_choice", "warn_of_drift"]


def describe_choice(chosen: Chosen) -> Choice:
    """The blend as the model of the past has it, the log loss of each part, and the settings tried."""
    blend = chosen.blend
    return Choice(
        tree_weight=chosen.scorer.tree_weight,
        linear_weight=chosen.scorer.linear_weight,
        shrinkage=blend.optimism,
        out_of_time_log_loss=OutOfTimeLoss(
            base_rate=blend.base_rate_loss,
            trees=blend.tree_loss,
            logistic=blend.linear_loss,
            blend=blend.blend_loss,
        ),
        in_time=chosen.forward.in_time,
        trials=tuple(TriedSettings(trial.settings, trial.loss, trial.chosen) for trial in chosen.trials),
        stopped=chosen.stopped,
    )


def describe_calibration(
    calibrator: SigmoidCalibrator, drift: Drift, bands: tuple[CalibrationBand, ...], *, dated: bool
) -> CalibrationSummary:
    """The calibration, conversions predicted and observed in each out-of-time period, and the held-out period.

    Parameters
    ----------
    bands : of the held-out period.
    dated : whether periods are times rather than places in an order.
    """
    unit = DAY if dated else 1
    return CalibrationSummary(
        slope=calibrator.slope_,
        intercept=calibrator.intercept_,
        half_life=None if drift.half_life is None else drift.half_life / unit,
        shift=drift.shift,
        p_value=drift.p_value,
        drift=drift.found,
        periods=tuple(
            CalibrationPeriod(
                start=level.start,
                end=level.end,
                n=level.n,
                predicted=level.promised,
                observed=level.came,
                deviations=level.deviations,
            )
            for level in drift.periods
        ),
        bands=bands,
    )


def warn_of_drift(drift: Drift) -> str | None:
    """The warning where conversions move between periods beyond noise, or where too few periods could show it."""
    if 0 < len(drift.periods) < FEWEST_PERIODS and not drift.found:
        known = "one period" if len(drift.periods) == 1 else f"{len(drift.periods)} periods"
        return (
            f"Calibration cannot be promised yet: only {known} could be predicted before the held-out one, too few "
            "to tell whether more or fewer leads convert from period to period, by season or for good. Watch what is "
            "realised, and train anew as the history grows."
        )
    if not drift.found:
        return None
    first, last = drift.periods[0], drift.periods[-1]
    follows = (
        "the probabilities follow the most recent of them"
        if drift.half_life is not None
        else "following the most recent of them did not help"
    )
    return (
        f"Calibration cannot be promised: from period to period more or fewer leads convert than one calibration "
        f"explains (p = {drift.p_value:.2g}); {first.came} came for {first.promised:.0f} promised in the first, "
        f"{last.came} for {last.promised:.0f} in the last; {follows}. Train anew often, and watch what is realised."
    )
