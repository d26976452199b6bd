"""Room 4, how likely: trees and logistic part, calibration, the level of the next period, and contributions."""

from mqlml.model.baselines import Baseline, BaseRateBaseline, LogisticBaseline, PointsBaseline, make_baselines
from mqlml.model.calibration import SigmoidCalibrator
from mqlml.model.contributions import (
    Contributions,
    Contributor,
    calibrate,
    contribute,
    contribute_in_parts,
    family_points,
)
from mqlml.model.encode import NothingVariesError, TableEncoder
from mqlml.model.level import (
    FEWEST_PERIODS,
    Drift,
    PeriodLevels,
    forecast_shift,
    measure_drift,
    measure_levels,
)
from mqlml.model.reasons import (
    Reasons,
    ReasonSignals,
    choose_signal_reasons,
    find_done,
    format_reasons,
    map_features,
    sum_signals,
)
from mqlml.model.scorer import LeadScorer
from mqlml.model.signals import SignalReport

__all__ = [
    "FEWEST_PERIODS",
    "BaseRateBaseline",
    "Baseline",
    "Contributions",
    "Contributor",
    "Drift",
    "LeadScorer",
    "LogisticBaseline",
    "NothingVariesError",
    "PeriodLevels",
    "PointsBaseline",
    "ReasonSignals",
    "Reasons",
    "SigmoidCalibrator",
    "SignalReport",
    "TableEncoder",
    "calibrate",
    "choose_signal_reasons",
    "contribute",
    "contribute_in_parts",
    "family_points",
    "find_done",
    "forecast_shift",
    "format_reasons",
    "make_baselines",
    "map_features",
    "measure_drift",
    "measure_levels",
    "sum_signals",
]
