"""Room 5, how good: metrics with intervals, tables for people, importance on later data, and the gate."""

from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.curves import CalibrationBand, Decile, make_calibration_table, make_decile_table
from mqlml.evaluation.gate import GateResult, check_gate
from mqlml.evaluation.importance import Importance, ImportanceRow, measure_importance
from mqlml.evaluation.labels import evaluate_policy, judge_selection
from mqlml.evaluation.metrics import compare_log_loss, evaluate_baselines, evaluate_probabilities

__all__ = [
    "CalibrationBand",
    "Decile",
    "Estimate",
    "GateResult",
    "Importance",
    "ImportanceRow",
    "check_gate",
    "compare_log_loss",
    "evaluate_baselines",
    "evaluate_policy",
    "evaluate_probabilities",
    "judge_selection",
    "make_calibration_table",
    "make_decile_table",
    "measure_importance",
]
