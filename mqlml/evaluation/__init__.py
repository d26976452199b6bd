"""Room 6, how good: metrics with intervals, backtest, slices, importance, gate and verdicts."""

from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.by_lead import Asked, ByLead, LabelByLead, ThresholdPoint
from mqlml.evaluation.curves import CalibrationBand, Decile, make_calibration_table, make_decile_table
from mqlml.evaluation.fit_engagement import FitEngagementCell, measure_fit_by_engagement
from mqlml.evaluation.gate import GateResult, check_gate
from mqlml.evaluation.importance import (
    Columns,
    Importance,
    ImportanceGroup,
    ImportanceRow,
    Resampling,
    measure_importance,
)
from mqlml.evaluation.labels import (
    Disqualification,
    LabelEvaluation,
    LabelPrediction,
    LabelRows,
    Promotion,
    Selection,
    ThresholdEvaluation,
    WithinRange,
    describe_shipped,
    evaluate_policy,
    evaluate_selection,
)
from mqlml.evaluation.learning_curve import LearningPoint, measure_curve
from mqlml.evaluation.metrics import (
    Baseline,
    Metrics,
    compare_log_loss,
    evaluate_baselines,
    evaluate_probabilities,
)
from mqlml.evaluation.periods import (
    FoldEvaluation,
    OverTimePeriod,
    PeriodEvaluation,
    PeriodLosses,
    evaluate_folds,
    evaluate_losses,
)
from mqlml.evaluation.result import (
    CalibrationPeriod,
    CalibrationSummary,
    Choice,
    DataSummary,
    HoldoutEvaluation,
    OutOfTimeLoss,
    Question,
    SetAside,
    TrainingResult,
    TriedSettings,
)
from mqlml.evaluation.shape import Direction, ShapePoint
from mqlml.evaluation.slices import Fault, Slice, evaluate_slices, warn_of_slices
from mqlml.evaluation.verdicts import Comparison, compare_losses, worst_of

__all__ = [
    "Asked",
    "Baseline",
    "ByLead",
    "CalibrationBand",
    "CalibrationPeriod",
    "CalibrationSummary",
    "Choice",
    "Columns",
    "Comparison",
    "DataSummary",
    "Decile",
    "Direction",
    "Disqualification",
    "Estimate",
    "Fault",
    "FitEngagementCell",
    "FoldEvaluation",
    "GateResult",
    "HoldoutEvaluation",
    "Importance",
    "ImportanceGroup",
    "ImportanceRow",
    "LabelByLead",
    "LabelEvaluation",
    "LabelPrediction",
    "LabelRows",
    "LearningPoint",
    "Metrics",
    "OutOfTimeLoss",
    "OverTimePeriod",
    "PeriodEvaluation",
    "PeriodLosses",
    "Promotion",
    "Question",
    "Resampling",
    "Selection",
    "SetAside",
    "ShapePoint",
    "Slice",
    "ThresholdEvaluation",
    "ThresholdPoint",
    "TrainingResult",
    "TriedSettings",
    "WithinRange",
    "check_gate",
    "compare_log_loss",
    "compare_losses",
    "describe_shipped",
    "evaluate_baselines",
    "evaluate_folds",
    "evaluate_losses",
    "evaluate_policy",
    "evaluate_probabilities",
    "evaluate_selection",
    "evaluate_slices",
    "make_calibration_table",
    "make_decile_table",
    "measure_curve",
    "measure_fit_by_engagement",
    "measure_importance",
    "warn_of_slices",
    "worst_of",
]
