"""Room 4, how likely: the scorer, its calibration, the policy that turns probability into labels, and baselines."""

from mqlml.model.baselines import (
    BASELINES,
    Baseline,
    BaseRateBaseline,
    LogisticBaseline,
    PointsBaseline,
    make_baselines,
)
from mqlml.model.calibration import SigmoidCalibrator
from mqlml.model.encode import TableEncoder
from mqlml.model.policy import UNQUALIFIED, LabelOutcome, LabelPolicy, choose_thresholds
from mqlml.model.scorer import LeadScorer

__all__ = [
    "BASELINES",
    "UNQUALIFIED",
    "BaseRateBaseline",
    "Baseline",
    "LabelOutcome",
    "LabelPolicy",
    "LeadScorer",
    "LogisticBaseline",
    "PointsBaseline",
    "SigmoidCalibrator",
    "TableEncoder",
    "choose_thresholds",
    "make_baselines",
]
