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
from mqlml.render.console.versions import (
    format_champion,
    format_compare,
    format_history,
    format_reproduce,
    format_retrain,
)

__all__ = [
    "format_backtest",
    "format_champion",
    "format_check",
    "format_compare",
    "format_demo",
    "format_explain",
    "format_history",
    "format_report",
    "format_reproduce",
    "format_retrain",
    "format_score",
    "format_score_check",
    "format_table",
    "format_train",
]
