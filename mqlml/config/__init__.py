"""The config: text in ``mqlml.yml`` goes in, one validated, frozen `Config` comes out."""

from mqlml.config.features import Features, Profile
from mqlml.config.labels import Condition, Gate, LabelRule, Rules, Teams
from mqlml.config.problem import Problem, Snapshots
from mqlml.config.reading import describe_config, make_config, read_config
from mqlml.config.sections import Config
from mqlml.config.tables import Data, Flat, Outcomes, Table
from mqlml.config.values import STAGES, TERMINAL_STAGES, ColumnFormat, Stage

__all__ = [
    "STAGES",
    "TERMINAL_STAGES",
    "ColumnFormat",
    "Condition",
    "Config",
    "Data",
    "Features",
    "Flat",
    "Gate",
    "LabelRule",
    "Outcomes",
    "Problem",
    "Profile",
    "Rules",
    "Snapshots",
    "Stage",
    "Table",
    "Teams",
    "describe_config",
    "make_config",
    "read_config",
]
