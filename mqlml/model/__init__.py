"""Room 4, how likely: trees and logistic part, their blend, calibration and contributions."""

from mqlml.model.baselines import Baseline, BaseRateBaseline, LogisticBaseline, PointsBaseline, make_baselines
from mqlml.model.blend import Blend, choose_blend
from mqlml.model.calibration import SigmoidCalibrator, hold_back
from mqlml.model.contributions import Contributions, calibrate, contribute, contribute_in_parts, family_points
from mqlml.model.drift import FEWEST_PERIODS, Drift, fit_within_periods, follow_recent
from mqlml.model.encode import NothingVariesError, TableEncoder
from mqlml.model.reasons import Idea, Reasons, choose_reasons, group_ideas, sum_ideas
from mqlml.model.scorer import LeadScorer

__all__ = [
    "FEWEST_PERIODS",
    "BaseRateBaseline",
    "Baseline",
    "Blend",
    "Contributions",
    "Drift",
    "Idea",
    "LeadScorer",
    "LogisticBaseline",
    "NothingVariesError",
    "PointsBaseline",
    "Reasons",
    "SigmoidCalibrator",
    "TableEncoder",
    "calibrate",
    "choose_blend",
    "choose_reasons",
    "contribute",
    "contribute_in_parts",
    "family_points",
    "fit_within_periods",
    "follow_recent",
    "group_ideas",
    "hold_back",
    "make_baselines",
    "sum_ideas",
]
