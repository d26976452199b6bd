"""Room 9, is it still true: drift, estimated and realized performance, feedback, evidence and verdict."""

from mqlml.monitoring.evidence import Evidence, combine_streams
from mqlml.monitoring.feedback import Handover, count_handover
from mqlml.monitoring.result import (
    CalibrationState,
    MonitorResult,
    RecalibrateResult,
    ScoredPeriod,
    ThresholdsResult,
)
from mqlml.monitoring.snapshots import ScoredSnapshots, known_by, match_scores
from mqlml.monitoring.verdict import VERDICTS, Reason, Verdict, decide, is_at_least

__all__ = [
    "VERDICTS",
    "CalibrationState",
    "Evidence",
    "Handover",
    "MonitorResult",
    "Reason",
    "RecalibrateResult",
    "ScoredPeriod",
    "ScoredSnapshots",
    "ThresholdsResult",
    "Verdict",
    "combine_streams",
    "count_handover",
    "decide",
    "is_at_least",
    "known_by",
    "match_scores",
]
