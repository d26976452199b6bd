"""Labels in training: forward predictions and the rules of the config go in, a policy with its promises comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.evaluation import judge_selection
from mqlml.evaluation.backtest import Forward, Measure
from mqlml.features import FeaturePlan
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import LabelPolicy, Looks, Traits, add_promises, choose_policy, interest_points, make_looks
from mqlml.pipeline.judge import RANDOM_STATE
from mqlml.scoring import match_acts, match_rules
from mqlml.times import DAY
from mqlml.training import TrainingTable

__all__ = [
    "ask_interest",
    "choose_labels",
    "count_turned_away",
    "forward_periods",
    "judge_acts",
    "make_traits",
    "measure_interest",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Periods = Sequence[tuple[int, int]]

_WEEK = 7 * DAY


def forward_periods(table: TrainingTable, forward: Forward) -> Periods:
    """The first and last cutoff of each stretch that forward predictions cover; one stretch if they ignore time."""
    past = table.holdout.train
    return forward.periods or ((int(table.time[past].min()), int(table.time[past].max())),)


def ask_interest(config: Config, plan: FeaturePlan) -> Measure | None:
    """How a model is asked for the fit and engagement of leads; None where no label has a gate on them."""
    rules = config.labels.values()
    if all(rule.min_fit is None and rule.min_engagement is None for rule in rules):
        return None
    return measure_interest(plan)


def measure_interest(plan: FeaturePlan) -> Measure:
    """How a model is asked for the fit and engagement of leads."""
    families = [feature.family for feature in plan.features]
    return lambda model, features: interest_points(model, features, families)


def make_traits(
    data: Journeys | FlatTable,
    lead_id: pd.Series,
    config: Config,
    points: Floats | None,
) -> Traits:
    """What besides the probability decides the labels of some rows.

    Parameters
    ----------
    lead_id : whom each row is a look at.
    points : fit and engagement of the rows, as `ask_interest` has them; None where no label has a gate.
    """
    columns = {rule.teams.column for rule in config.labels.values() if rule.teams is not None}
    teams: dict[str, npt.ArrayLike] = {
        column: _teams_of(data.leads, lead_id, column) for column in sorted(columns) if column in data.leads
    }
    return Traits(teams) if points is None else Traits(teams, fit=points[:, 0], engagement=points[:, 1])


def choose_labels(
    probability: Floats,
    table: TrainingTable,
    rows: Rows,
    periods: Periods,
    traits: Traits,
    config: Config,
    *,
    recent: Looks | None,
    random_state: int,
) -> LabelPolicy:
    """Thresholds by the config's rules, each with what it promises for a period as long as the held-out one.

    Parameters
    ----------
    probability : calibrated, of ``rows`` of the table, by models that had not seen their outcomes
    periods : first and last cutoff of each stretch that ``rows`` cover
    traits : of ``rows``
    recent : the latest looks, see `look_recently`; None where volumes can only be read off ``rows``.
    """
    looks = _looks(probability, table, rows, periods, traits)
    policy = choose_policy(looks, config.labels, recent=recent)
    held = (table.holdout.start, table.holdout.end)
    length = sum(end - start for start, end in _stretches(table, [held]))
    return add_promises(policy, looks, config.labels, length=length, recent=recent, random_state=random_state)


def judge_acts(
    data: Journeys | FlatTable, table: TrainingTable, reached: npt.NDArray[np.bool_], config: Config
) -> list[dict[str, Any]]:
    """What each rule of ``rules.promote`` would have done in the held-out period.

    Parameters
    ----------
    reached : of shape (rows held out, number of labels), who has each label without an act

    Returns
    -------
    list of dict, one for each rule: ``reason``, ``to``; ``selected`` and ``converted`` (rows with such an act),
    ``raised`` (those of them that the model alone would have left lower), ``precision`` and its 95 % interval.
    """
    if isinstance(data, FlatTable) or not config.rules.promote:
        return []
    rows = table.holdout.test
    looks = pd.DataFrame({"lead_id": table.lead_id.iloc[rows], "cutoff_time": table.cutoff_time.iloc[rows]})
    names = list(config.labels)
    found = []
    for rule in config.rules.promote:
        level, _ = match_acts(data.events, looks, [rule], names, folder=config.folder)
        acted = level > 0
        found.append(
            {
                "reason": rule.reason,
                "to": rule.to,
                "raised": int((acted & ~reached[:, names.index(rule.to)]).sum()),
                **judge_selection(
                    acted, table.label[rows], clusters=table.group[rows], random_state=RANDOM_STATE
                ),
            }
        )
    return found


def count_turned_away(
    data: Journeys | FlatTable, table: TrainingTable, config: Config
) -> list[dict[str, Any]]:
    """Whom each rule of ``rules.disqualify`` turns away in the held-out period, the first rule that holds counting.

    Returns
    -------
    list of dict, one for each rule: ``reason``, ``selected`` and ``converted`` (rows).
    """
    rows = table.holdout.test
    place = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(table.lead_id.iloc[rows]))
    leads = data.leads.iloc[place]
    left = np.ones(len(rows), dtype=bool)
    found = []
    for rule in config.rules.disqualify:
        rules = config.rules.model_copy(update={"disqualify": [rule]})
        reasons = match_rules(leads, rules, folder=config.folder, email=config.profile.email)
        away = left & reasons.notna().to_numpy()
        left &= ~away
        found.append(
            {
                "reason": rule.reason,
                "selected": int(away.sum()),
                "converted": int(table.label[rows][away].sum()),
            }
        )
    return found


def _teams_of(leads: pd.DataFrame, lead_id: pd.Series, column: str) -> npt.NDArray[np.str_]:
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
    traits: Traits,
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
        traits=traits,
    )
