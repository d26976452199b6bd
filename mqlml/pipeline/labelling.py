"""Labels in training: forward predictions and the rules of the config go in, a policy with its promises comes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.evaluation.backtest import Forward
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import LabelPolicy, Looks, add_promises, choose_policy, make_looks
from mqlml.timeutil import DAY
from mqlml.training import TrainingTable

__all__ = ["choose_labels", "forward_periods", "team_values"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Periods = Sequence[tuple[int, int]]

_WEEK = 7 * DAY


def forward_periods(table: TrainingTable, forward: Forward) -> Periods:
    """The first and last cutoff of each stretch that forward predictions cover; one stretch if they ignore time."""
    past = table.holdout.train
    return forward.periods or ((int(table.time[past].min()), int(table.time[past].max())),)


def choose_labels(
    probability: Floats,
    table: TrainingTable,
    rows: Rows,
    periods: Periods,
    data: Journeys | FlatTable,
    config: Config,
    *,
    random_state: int,
) -> LabelPolicy:
    """Thresholds by the config's rules, each with what it promises for a period as long as the held-out one.

    Parameters
    ----------
    probability : calibrated, of ``rows`` of the table, by models that had not seen their outcomes
    periods : first and last cutoff of each stretch that ``rows`` cover
    """
    looks = _looks(probability, table, rows, periods, team_values(data, table, rows, config))
    policy = choose_policy(looks, config.labels)
    held = (table.holdout.start, table.holdout.end)
    length = sum(end - start for start, end in _stretches(table, [held]))
    return add_promises(policy, looks, config.labels, length=length, random_state=random_state)


def team_values(
    data: Journeys | FlatTable, table: TrainingTable, rows: Rows, config: Config
) -> dict[str, npt.NDArray[np.str_]]:
    """By column that some label tells teams by: the value of each row's lead, the empty text where it has none."""
    columns = {rule.teams.column for rule in config.labels.values() if rule.teams is not None}
    return {
        column: teams_of(data.leads, table.lead_id.iloc[rows], column)
        for column in sorted(columns)
        if column in data.leads
    }


def teams_of(leads: pd.DataFrame, lead_id: pd.Series, column: str) -> npt.NDArray[np.str_]:
    """The value of one column for some leads as text, blanks at its ends left out; empty where it is missing."""
    place = pd.Index(leads["lead_id"]).get_indexer(pd.Index(lead_id))
    text = leads[column].iloc[place].astype("str").str.strip().fillna("")
    return np.asarray(text, dtype=np.str_)


def _stretches(table: TrainingTable, periods: Periods) -> list[tuple[float, float]]:
    """Periods as looks take them: in weeks, or in places of an order, the last one included."""
    if table.age is None:
        return [(float(start), float(end + 1)) for start, end in periods]
    return [(start / _WEEK, start / _WEEK + (table.weeks(start, end) or 0.0)) for start, end in periods]


def _looks(
    probability: Floats,
    table: TrainingTable,
    rows: Rows,
    periods: Periods,
    teams: dict[str, npt.NDArray[np.str_]],
) -> Looks:
    stretches = _stretches(table, periods)
    dated = table.age is not None
    return make_looks(
        probability,
        table.label[rows],
        weeks=sum(end - start for start, end in stretches) if dated else None,
        lead=table.lead[rows],
        account=table.group[rows],
        time=table.time[rows] / _WEEK if dated else table.time[rows],
        periods=stretches,
        teams=teams,
    )
