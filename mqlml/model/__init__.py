"""Room 4, how likely: the scorer, its calibration, the policy that turns probability into labels, and baselines."""

from mqlml.model.baselines import (
    Baseline,
    BaseRateBaseline,
    LogisticBaseline,
    PointsBaseline,
    make_baselines,
)
from mqlml.model.blend import Blend, choose_blend
from mqlml.model.calibration import SigmoidCalibrator, hold_back
from mqlml.model.contributions import (
    Contributions,
    calibrate,
    contribute,
    contribute_in_parts,
    family_points,
)
from mqlml.model.drift import FEWEST_PERIODS, Drift, fit_within_periods, follow_recent
from mqlml.model.encode import NothingVariesError, TableEncoder
from mqlml.model.policy import (
    KEPT_BY_HOLD,
    UNQUALIFIED,
    LabelOutcome,
    LabelPolicy,
    Looks,
    Promise,
    Remembered,
    Traits,
    add_promises,
    assign_with_memory,
    choose_policy,
    choose_thresholds,
    interest_points,
    make_looks,
    make_open_looks,
    payoff,
    percentile,
)
from mqlml.model.reasons import Idea, Reasons, choose_reasons, group_ideas, sum_ideas
from mqlml.model.scorer import LeadScorer

__all__ = [
    "FEWEST_PERIODS",
    "KEPT_BY_HOLD",
    "UNQUALIFIED",
    "BaseRateBaseline",
    "Baseline",
    "Blend",
    "Contributions",
    "Drift",
    "Idea",
    "LabelOutcome",
    "LabelPolicy",
    "LeadScorer",
    "LogisticBaseline",
    "Looks",
    "NothingVariesError",
    "PointsBaseline",
    "Promise",
    "Reasons",
    "Remembered",
    "SigmoidCalibrator",
    "TableEncoder",
    "Traits",
    "add_promises",
    "assign_with_memory",
    "calibrate",
    "choose_blend",
    "choose_policy",
    "choose_reasons",
    "choose_thresholds",
    "contribute",
    "contribute_in_parts",
    "family_points",
    "fit_within_periods",
    "follow_recent",
    "group_ideas",
    "hold_back",
    "interest_points",
    "make_baselines",
    "make_looks",
    "make_open_looks",
    "payoff",
    "percentile",
    "sum_ideas",
]
