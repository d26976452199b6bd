"""What was chosen, as plain values and sentences: a choice and its calibration over time go in."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from mqlml.evaluation.metrics import log_losses
from mqlml.model import Drift, SigmoidCalibrator, Slope
from mqlml.pipeline.choose_model import Chosen
from mqlml.training import TrainingTable

__all__ = ["describe_choice", "describe_drift", "warn_of_drift"]

_FEW_PERIODS = 3
"""Fewer periods than this do not tell how periods differ."""


def describe_choice(chosen: Chosen, table: TrainingTable) -> dict[str, Any]:
    """The weights, the forward log loss of the base rate known, of each part and of the blend, and what was tried."""
    forward = chosen.forward
    y = table.label[forward.rows].astype(np.float64)
    said = {"base_rate": forward.prior, "trees": forward.parts[:, 0], "logistic": forward.parts[:, 1]}
    return {
        "tree_weight": chosen.scorer.tree_weight,
        "linear_weight": chosen.scorer.linear_weight,
        "forward_log_loss": {
            name: float(log_losses(y, expit(odds)).mean())
            for name, odds in {**said, "blend": forward.raw}.items()
        },
        "in_time": chosen.forward.in_time,
        "trials": [
            {"settings": trial.settings, "forward_log_loss": trial.loss, "chosen": trial.chosen}
            for trial in chosen.trials
        ],
        "stopped": chosen.stopped,
    }


def describe_drift(drift: Drift, calibrator: SigmoidCalibrator, slope: Slope) -> dict[str, Any]:
    """The calibration, what later data bear out of the score, and conversions promised and come in each period."""
    return {
        "slope": calibrator.slope_,
        "intercept": calibrator.intercept_,
        "forward_slope": slope.value,
        "forward_slope_z": slope.z,
        "p_value": drift.p_value,
        "drift": drift.found,
        "periods": [
            {
                "start": level.start,
                "end": level.end,
                "n": level.n,
                "promised": level.promised,
                "came": level.came,
                "deviations": level.deviations,
            }
            for level in drift.periods
        ],
    }


def warn_of_drift(drift: Drift, calibrator: SigmoidCalibrator) -> str | None:
    """The warning where conversions move between periods beyond noise, or where too few periods could show it."""
    if 0 < len(drift.periods) < _FEW_PERIODS and not drift.found:
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
        f"all log-odds are moved by {calibrator.intercept_:+.2f}, as far as such moves lasted before"
        if calibrator.intercept_
        else "such moves did not last, and the level is that of all the past"
    )
    return (
        f"Calibration cannot be promised: from period to period more or fewer leads convert than one calibration "
        f"explains (p = {drift.p_value:.2g}); {first.came} came for {first.promised:.0f} promised in the first, "
        f"{last.came} for {last.promised:.0f} in the last; {follows}. Train anew often, and watch what is realised."
    )
