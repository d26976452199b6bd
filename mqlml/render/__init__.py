"""Room 10, what people read: console text and the HTML report, from typed results only."""

from mqlml.render.console.common import (
    words_of_check,
    words_of_demo,
    words_of_report,
    words_of_score,
    words_of_table,
)
from mqlml.render.console.explain import words_of_backtest, words_of_explain
from mqlml.render.console.train import words_of_train
from mqlml.render.report.page import render_report
from mqlml.render.report.text import policy_in_words, proof_in_words, question_in_words
from mqlml.render.results import (
    BacktestResult,
    CheckResult,
    DemoResult,
    ExplainResult,
    FeaturesResult,
    ReportResult,
    ScoreResult,
    TableResult,
)

__all__ = [
    "BacktestResult",
    "CheckResult",
    "DemoResult",
    "ExplainResult",
    "FeaturesResult",
    "ReportResult",
    "ScoreResult",
    "TableResult",
    "policy_in_words",
    "proof_in_words",
    "question_in_words",
    "render_report",
    "words_of_backtest",
    "words_of_check",
    "words_of_demo",
    "words_of_explain",
    "words_of_report",
    "words_of_score",
    "words_of_table",
    "words_of_train",
]
