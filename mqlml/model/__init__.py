"""Room 4, how likely: the scorer, its calibration, the policy that turns probability into labels, and baselines."""

from mqlml.model.calibration import SigmoidCalibrator
from mqlml.model.encode import TableEncoder
from mqlml.model.policy import UNQUALIFIED, LabelOutcome, LabelPolicy, choose_thresholds
from mqlml.model.scorer import LeadScorer

__all__ = [
    "UNQUALIFIED",
    "LabelOutcome",
    "LabelPolicy",
    "LeadScorer",
    "SigmoidCalibrator",
    "TableEncoder",
    "choose_thresholds",
]
