"""The road: what each command does from end to end, as functions that return what it prints."""

from mqlml.pipeline.backtest import backtest
from mqlml.pipeline.backtest_words import words_of_backtest
from mqlml.pipeline.check import check_data
from mqlml.pipeline.demo import make_demo
from mqlml.pipeline.explain import Earlier, explain_one_lead
from mqlml.pipeline.explain_words import words_of_explain
from mqlml.pipeline.features import list_features, words_of_features
from mqlml.pipeline.learn import Trained, train
from mqlml.pipeline.logbook import Logbook
from mqlml.pipeline.progress import Progress, Silent
from mqlml.pipeline.results import (
    BacktestResult,
    CheckResult,
    DemoResult,
    ExplainResult,
    FeaturesResult,
    ReportResult,
    ScoreResult,
    TableResult,
)
from mqlml.pipeline.table import write_training_table
from mqlml.pipeline.train_words import words_of_train
from mqlml.pipeline.version import (
    TrainedVersion,
    list_version_features,
    register,
    score_leads,
    train_version,
    write_report,
)
from mqlml.pipeline.words import (
    words_of_check,
    words_of_demo,
    words_of_report,
    words_of_score,
    words_of_table,
)

__all__ = [
    "BacktestResult",
    "CheckResult",
    "DemoResult",
    "Earlier",
    "ExplainResult",
    "FeaturesResult",
    "Logbook",
    "Progress",
    "ReportResult",
    "ScoreResult",
    "Silent",
    "TableResult",
    "Trained",
    "TrainedVersion",
    "backtest",
    "check_data",
    "explain_one_lead",
    "list_features",
    "list_version_features",
    "make_demo",
    "register",
    "score_leads",
    "train",
    "train_version",
    "words_of_backtest",
    "words_of_check",
    "words_of_demo",
    "words_of_explain",
    "words_of_features",
    "words_of_report",
    "words_of_score",
    "words_of_table",
    "words_of_train",
    "write_report",
    "write_training_table",
]
