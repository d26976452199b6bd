"""mqlml learns from closed-won history which leads convert, and labels every open lead.

From a notebook, in the order in which they are used:

- `read_config` reads ``mqlml.yml`` into a `Config`; `read_journeys` reads the tables that it names into `Journeys`.
- `build_table` builds the training table: one row per lead and prediction date, features and label.
- `train` trains, tests on the last period and returns the result and the bundle, without MLflow.
- `score` labels the open leads with a bundle; `load_bundle` loads one from a folder.
- `LeadScorer` (a scikit-learn classifier) and `LabelPolicy` (probabilities to labels) also work on their own.

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
