"""Console text of each command, from its result."""

from mqlml.render.console.common import (
    format_check,
    format_demo,
    format_report,
    format_score,
    format_score_check,
    format_table,
)
from mqlml.render.console.explain import format_backtest, format_explain
from mqlml.render.console.train import format_train

__all__ = [
    "format_backtest",
    "format_check",
    "format_demo",
    "format_explain",
    "format_report",
    "format_score",
    "format_score_check",
    "format_table",
    "format_train",
]
