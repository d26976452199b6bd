"""Room 4, how likely: trees and logistic part, their blend, calibration and contributions."""

from mqlml.model.baselines import Baseline, BaseRateBaseline, LogisticBaseline, PointsBaseline, make_baselines
from mqlml.model.blend import Blend, choose_blend
from mqlml.model.calibration import SigmoidCalibrator, shrink_slope
from mqlml.model.contributions import Contributions, calibrate, contribute, contribute_in_parts, family_points
from mqlml.model.drift import FEWEST_PERIODS, Drift, fit_within_periods, follow_recent
from mqlml.model.encode import NothingVariesError, TableEncoder
from mqlml.model.reasons import Reasons, ReasonSignals, choose_reasons, map_features, sum_signals
from mqlml.model.scorer import LeadScorer
from mqlml.model.signals import SignalReport

__all__ = [
    "FEWEST_PERIODS",
    "BaseRateBaseline",
    "Baseline",
    "Blend",
    "Contributions",
    "Drift",
    "LeadScorer",
    "LogisticBaseline",
    "NothingVariesError",
    "PointsBaseline",
    "ReasonSignals",
    "Reasons",
    "SigmoidCalibrator",
    "SignalReport",
    "TableEncoder",
    "calibrate",
    "choose_blend",
    "choose_reasons",
    "contribute",
    "contribute_in_parts",
    "family_points",
    "fit_within_periods",
    "follow_recent",
    "make_baselines",
    "map_features",
    "shrink_slope",
    "sum_signals",
]
