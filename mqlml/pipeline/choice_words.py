"""What was chosen, as plain values and sentences: a choice and its calibration over time go in."""

from __future__ import annotations

from typing import Any

from mqlml.model import Drift, SigmoidCalibrator
from mqlml.pipeline.choose_model import Chosen
from mqlml.times import DAY
from mqlml.training import TrainingTable

__all__ = ["describe_choice", "describe_drift", "warn_of_drift"]

_FEW_PERIODS = 3
"""Fewer periods than this do not tell how periods differ."""


def describe_choice(chosen: Chosen) -> dict[str, Any]:
    """The blend as the model of the past has it, the forward log loss of each part, and the settings tried."""
    blend = chosen.blend
    return {
        "tree_weight": chosen.scorer.tree_weight,
        "linear_weight": chosen.scorer.linear_weight,
        "optimism": blend.optimism,
        "forward_log_loss": {
            "base_rate": blend.base_rate_loss,
            "trees": blend.tree_loss,
            "logistic": blend.linear_loss,
            "blend": blend.blend_loss,
        },
        "in_time": chosen.forward.in_time,
        "trials": [
            {"settings": trial.settings, "forward_log_loss": trial.loss, "chosen": trial.chosen}
            for trial in chosen.trials
        ],
        "stopped": chosen.stopped,
    }


def describe_drift(drift: Drift, calibrator: SigmoidCalibrator, table: TrainingTable) -> dict[str, Any]:
    """The calibration, and conversions promised and come in each forward period.

    The half-life is in days, or for a flat table in places of its order.
    """
    unit = 1 if table.age is None else DAY
    return {
        "slope": calibrator.slope_,
        "intercept": calibrator.intercept_,
        "half_life": None if drift.half_life is None else drift.half_life / unit,
        "shift": drift.shift,
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


def warn_of_drift(drift: Drift) -> str | None:
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
        "the probabilities follow the most recent of them"
        if drift.half_life is not None
        else "following the most recent of them did not help"
    )
    return (
        f"Calibration cannot be promised: from period to period more or fewer leads convert than one calibration "
        f"explains (p = {drift.p_value:.2g}); {first.came} came for {first.promised:.0f} promised in the first, "
        f"{last.came} for {last.promised:.0f} in the last; {follows}. Train anew often, and watch what is realised."
    )
