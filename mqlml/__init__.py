"""mqlml learns from closed-won history which leads convert, and labels every open lead.

Public names are imported on first use, so that ``mqlml --help`` does not wait for pandas and scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mqlml.commands.learn import train
    from mqlml.config import Config, read_config
    from mqlml.journeys import Journeys, read_journeys
    from mqlml.model import LeadScorer
    from mqlml.policy import LabelPolicy
    from mqlml.registry import load_bundle
    from mqlml.scoring import score
    from mqlml.training import build_table

__version__ = "0.1.0"

__all__ = [
    "Config",
    "Journeys",
    "LabelPolicy",
    "LeadScorer",
    "build_table",
    "load_bundle",
    "read_config",
    "read_journeys",
    "score",
    "train",
]

_ROOMS = {
    "Config": "config",
    "read_config": "config",
    "Journeys": "journeys",
    "read_journeys": "journeys",
    "LabelPolicy": "policy",
    "LeadScorer": "model",
    "build_table": "training",
    "load_bundle": "registry",
    "score": "scoring",
    "train": "commands.learn",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'mqlml' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mqlml.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
