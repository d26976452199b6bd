"""The config: text in ``mqlml.yml`` goes in, one validated, frozen `Config` comes out."""

from mqlml.config.reading import make_config, read_config
from mqlml.config.sections import (
    STAGES,
    TERMINAL_STAGES,
    ColumnFormat,
    Condition,
    Config,
    Data,
    Features,
    Flat,
    Gate,
    LabelRule,
    Outcomes,
    Problem,
    Profile,
    Rules,
    Snapshots,
    Stage,
    Table,
)

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
    "make_config",
    "read_config",
]
