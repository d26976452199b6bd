"""The config: text in ``mqlml.yml`` becomes one validated, frozen `Config`."""

from mqlml.config.features import NUMBER_UNITS, Aggregate, Condition, Features, NumberUnit
from mqlml.config.labels import Gate, LabelRule, Promote, Rules, Teams
from mqlml.config.problem import MailDomains, Problem, Profile, Snapshots, TitleWords
from mqlml.config.reading import describe_config, expand_text, make_config, read_config
from mqlml.config.sections import Config, PromotionRule
from mqlml.config.tables import Data, Flat, Leads, Merges, Outcomes, Table
from mqlml.config.values import STAGES, TERMINAL_STAGES, ColumnFormat, Stage, format_size, parse_size

__all__ = [
    "NUMBER_UNITS",
    "STAGES",
    "TERMINAL_STAGES",
    "Aggregate",
    "ColumnFormat",
    "Condition",
    "Config",
    "Data",
    "Features",
    "Flat",
    "Gate",
    "LabelRule",
    "Leads",
    "MailDomains",
    "Merges",
    "NumberUnit",
    "Outcomes",
    "Problem",
    "Profile",
    "Promote",
    "PromotionRule",
    "Rules",
    "Snapshots",
    "Stage",
    "Table",
    "Teams",
    "TitleWords",
    "describe_config",
    "expand_text",
    "format_size",
    "make_config",
    "parse_size",
    "read_config",
]
