"""What people read: aggregates of one version in, one self-contained HTML page out."""

from mqlml.report.data import (
    AgeGroup,
    CalibrationRow,
    DataSummary,
    DecileRow,
    Effect,
    GateResult,
    Holdout,
    Importance,
    LabelSummary,
    Leak,
    LeftOut,
    Measured,
    Metrics,
    Quarantined,
    Question,
    ReasonCount,
    ReportData,
    Step,
)
from mqlml.report.page import render_report
from mqlml.report.words import policy_in_words, question_in_words

__all__ = [
    "AgeGroup",
    "CalibrationRow",
    "DataSummary",
    "DecileRow",
    "Effect",
    "GateResult",
    "Holdout",
    "Importance",
    "LabelSummary",
    "Leak",
    "LeftOut",
    "Measured",
    "Metrics",
    "Quarantined",
    "Question",
    "ReasonCount",
    "ReportData",
    "Step",
    "policy_in_words",
    "question_in_words",
    "render_report",
]
