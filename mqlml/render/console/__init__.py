"""Console text of each command, from its result."""

from mqlml.render.console.common import (
    words_of_check,
    words_of_demo,
    words_of_report,
    words_of_score,
    words_of_table,
)
from mqlml.render.console.explain import words_of_backtest, words_of_explain
from mqlml.render.console.train import words_of_train

__all__ = [
    "words_of_backtest",
    "words_of_check",
    "words_of_demo",
    "words_of_explain",
    "words_of_report",
    "words_of_score",
    "words_of_table",
    "words_of_train",
]
