"""Room 11, what people read: console text and the HTML report, from typed results only."""

from mqlml.render.console.common import (
    format_check,
    format_demo,
    format_report,
    format_score,
    format_score_check,
    format_table,
)
from mqlml.render.console.explain import format_backtest, format_explain
from mqlml.render.console.funnel import format_funnel, format_plan
from mqlml.render.console.outcomes import format_outcomes
from mqlml.render.console.paths import format_paths
from mqlml.render.console.personas import format_persona_yaml, format_personas
from mqlml.render.console.sources import format_sources
from mqlml.render.console.train import format_train
from mqlml.render.console.value import format_attribution, format_points
from mqlml.render.console.versions import (
    format_champion,
    format_compare,
    format_history,
    format_reproduce,
    format_retrain,
)
from mqlml.render.report.page import render_lead, render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.report.text import describe_policy, describe_question, format_leak_test
from mqlml.render.report.value.points import write_points
from mqlml.render.results import (
    BacktestResult,
    CheckResult,
    DemoResult,
    ExplainResult,
    FeaturesResult,
    PointsResult,
    ReportResult,
    ScoreCheckResult,
    ScoreResult,
    TableResult,
)
from mqlml.render.tracked import describe_model, describe_version, render_figures

__all__ = [
    "BacktestResult",
    "CheckResult",
    "DemoResult",
    "ExplainResult",
    "FeaturesResult",
    "PointsResult",
    "ReportResult",
    "ScoreCheckResult",
    "ScoreResult",
    "TableResult",
    "describe_model",
    "describe_policy",
    "describe_question",
    "describe_version",
    "format_attribution",
    "format_backtest",
    "format_champion",
    "format_check",
    "format_compare",
    "format_demo",
    "format_explain",
    "format_funnel",
    "format_history",
    "format_leak_test",
    "format_outcomes",
    "format_paths",
    "format_persona_yaml",
    "format_personas",
    "format_plan",
    "format_points",
    "format_report",
    "format_reproduce",
    "format_retrain",
    "format_score",
    "format_score_check",
    "format_sources",
    "format_table",
    "format_train",
    "list_tables",
    "render_figures",
    "render_lead",
    "render_markdown",
    "render_report",
    "write_points",
]
