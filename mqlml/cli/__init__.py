"""The front door: each command parses its options, calls one function and prints the result."""

from mqlml.cli import buyers, data, funnel, model, scores, value, versions, watch
from mqlml.cli.app import app
from mqlml.cli.run import main

__all__ = ["app", "buyers", "data", "funnel", "main", "model", "scores", "value", "versions", "watch"]
