"""A training table in figures: its population, the columns left out, the held-out period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from mqlml.results import Result
from mqlml.times import format_instant
from mqlml.training.leakage.findings import refused_columns
from mqlml.training.snapshots import Step
from mqlml.training.table import TrainingTable

__all__ = [
    "HoldoutPeriod",
    "LeftOut",
    "Population",
    "describe_holdout",
    "describe_place",
    "describe_population",
    "list_left_out",
]


@dataclass(frozen=True)
class Population(Result):
    """The snapshots a model learns from."""

    waterfall: tuple[Step, ...]
    """The steps from what was read to what is left, first to last."""
    snapshots: int
    """Snapshots left after the last step."""
    positives: int
    """Snapshots followed by a conversion within the horizon."""
    base_rate: float
    """Share of the snapshots that convert, between 0 and 1."""


@dataclass(frozen=True)
class LeftOut(Result):
    """A column that became no feature, and why."""

    column: str
    """Its name in the source."""
    reason: str
    """Why, as a sentence for people."""


@dataclass(frozen=True)
class HoldoutPeriod(Result):
    """The last period, which is held out."""

    start: Annotated[str, Field(alias="from")]
    """ISO time of the first cutoff; its place in the order, where a flat table's order is no time."""
    until: str
    """The last cutoff, likewise."""
    n: int
    """Snapshots in it."""


def describe_population(table: TrainingTable) -> Population:
    """The waterfall, and how many of the snapshots left convert."""
    return Population(table.waterfall, len(table.label), int(table.label.sum()), float(table.label.mean()))


def list_left_out(table: TrainingTable) -> tuple[LeftOut, ...]:
    """The columns that became no feature, except those that the leakage audit refused, which are findings."""
    refused = refused_columns(table.leaks)
    return tuple(LeftOut(column, reason) for column, reason in table.plan.left_out if column not in refused)


def describe_holdout(table: TrainingTable) -> HoldoutPeriod:
    """From when until when the held-out period runs."""
    fold = table.holdout
    return HoldoutPeriod(describe_place(fold.start, table), describe_place(fold.end, table), len(fold.test))


def describe_place(time: int, table: TrainingTable) -> str:
    """A moment as text; in a flat table whose order is no time, the place in it as it is."""
    cutoff = table.cutoff_time.iloc[int(np.searchsorted(table.time, time))]
    return str(time) if pd.isna(cutoff) else format_instant(cutoff)
