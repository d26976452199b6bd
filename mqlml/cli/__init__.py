"""The front door: each command parses its options, calls one function and prints the result."""

from mqlml.cli import buyers, data, funnel, model, scores, value, versions, watch
from mqlml.cli.app import app, order_commands
from mqlml.cli.run import main

__all__ = ["app", "buyers", "data", "funnel", "main", "model", "scores", "value", "versions", "watch"]

# Modules register their commands as they are imported, which is by name; help lists them as they are used.
order_commands(
    *("demo", "init", "check", "features", "table", "backtest", "train", "score", "explain", "report"),
    *(
        "monitor",
        "recalibrate",
        "thresholds",
        "retrain",
        "compare",
        "promote",
        "rollback",
        "history",
        "reproduce",
    ),
    *("attribute", "sources", "funnel", "plan", "personas", "paths", "points"),
)
