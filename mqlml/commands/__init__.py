"""Room 12, what each command does, end to end."""

from mqlml.commands.attribute import attribute_channels
from mqlml.commands.backtest import backtest
from mqlml.commands.check import check_data
from mqlml.commands.compare import compare_versions
from mqlml.commands.demo import make_demo
from mqlml.commands.explain import Earlier, explain_one_lead, write_lead_page
from mqlml.commands.features import format_features, list_features, list_version_features
from mqlml.commands.funnel import show_funnel
from mqlml.commands.learn import Trained
from mqlml.commands.paths import find_journey_paths
from mqlml.commands.personas import describe_buyers
from mqlml.commands.plan import plan_customers
from mqlml.commands.points import make_points
from mqlml.commands.promote import promote_version, roll_back, show_history
from mqlml.commands.report import ReportOptions, write_report
from mqlml.commands.reproduce import reproduce
from mqlml.commands.retrain import retrain
from mqlml.commands.score import ScoreOptions, check_score, score_leads
from mqlml.commands.sources import value_lead_sources
from mqlml.commands.table import write_training_table
from mqlml.commands.train import register, train_version
from mqlml.registry.holdout_log import Logbook

__all__ = [
    "Earlier",
    "Logbook",
    "ReportOptions",
    "ScoreOptions",
    "Trained",
    "attribute_channels",
    "backtest",
    "check_data",
    "check_score",
    "compare_versions",
    "describe_buyers",
    "explain_one_lead",
    "find_journey_paths",
    "format_features",
    "list_features",
    "list_version_features",
    "make_demo",
    "make_points",
    "plan_customers",
    "promote_version",
    "register",
    "reproduce",
    "retrain",
    "roll_back",
    "score_leads",
    "show_funnel",
    "show_history",
    "train_version",
    "value_lead_sources",
    "write_lead_page",
    "write_report",
    "write_training_table",
]
