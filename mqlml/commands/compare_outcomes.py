"""``compare`` for two versions that predict different outcomes: whom each would call, and how each ranks both."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from mqlml.commands.contenders import Contender, learned_until, make_side, to_time
from mqlml.config import Config, Problem
from mqlml.errors import PopulationError, UsageError
from mqlml.evaluation.holdout import RANDOM_STATE
from mqlml.evaluation.paired import Side
from mqlml.evaluation.two_outcomes import TwoOutcomes, TwoOutcomesRows, compare_outcomes
from mqlml.journeys import FlatTable, Journeys
from mqlml.progress import Progress
from mqlml.render.version_results import (
    CalledLead,
    CalledNow,
    ComparedQuestion,
    OpenByBoth,
    OutcomesCompareResult,
    SharedSnapshots,
)
from mqlml.scoring import problem_of, score
from mqlml.times import DAY, format_instant, from_microseconds
from mqlml.training import TrainingTable, build_later
from mqlml.types import Ints, Rows

__all__ = ["compare_other_outcomes"]

_SHOWN = 20


def compare_other_outcomes(
    first: Contender,
    second: Contender,
    data: Journeys | FlatTable,
    config: Config,
    *,
    now: dt.datetime,
    progress: Progress,
) -> OutcomesCompareResult:
    """Compare two registered versions on the later snapshots and the open leads that both score.

    Raises
    ------
    UsageError
        If the data is a flat table, which knows one outcome only.
    """
    if not isinstance(data, Journeys):
        raise UsageError(
            "versions that predict different outcomes need tables of leads and outcomes to be compared; the config "
            "names one flat table, which holds one outcome. Name versions that predict the same"
        )
    pair = (first, second)
    with progress.step("compare"):
        later, comparison = _compare_later(pair, data)
    with progress.step("open leads"):
        open_leads = _compare_open(pair, data, config, now)
    return OutcomesCompareResult(
        timezone=config.data.timezone,
        first=_describe(first),
        second=_describe(second),
        later=later,
        comparison=comparison,
        open_leads=open_leads,
    )


def _describe(contender: Contender) -> ComparedQuestion:
    bundle, problem = contender.bundle, problem_of(contender.bundle)
    return ComparedQuestion(
        model=bundle.name,
        version=0 if contender.version is None else contender.version.version,
        outcome=problem.outcome,
        gap_days=problem.gap / DAY,
        horizon_days=problem.horizon / DAY,
        learned_until=learned_until(bundle),
    )


def _compare_later(
    pair: tuple[Contender, Contender], data: Journeys
) -> tuple[SharedSnapshots, TwoOutcomes | None]:
    since = max(to_time(learned_until(contender.bundle)) for contender in pair)
    problems = [problem_of(contender.bundle) for contender in pair]
    tables = [
        build_later(data, problem, contender.bundle.plan, since=since)
        for problem, contender in zip(problems, pair, strict=True)
    ]
    first, second = tables
    if first is None or second is None:
        return _none_yet(since, problems, data), None
    places = _shared(first, second)
    if not len(places[0]):
        return _none_yet(since, problems, data), None
    sides = [
        make_side(contender.bundle, table, data)
        for contender, table in zip(pair, (first, second), strict=True)
    ]
    later = SharedSnapshots(
        since=format_instant(from_microseconds(since)),
        until=format_instant(from_microseconds(int(first.time[places[0]].max()))),
        n=len(places[0]),
        leads=len(np.unique(first.lead[places[0]])),
        first_known=None,
    )
    rows = _pair_rows((first, second), (sides[0], sides[1]), places)
    try:
        return later, compare_outcomes(rows, random_state=RANDOM_STATE)
    except PopulationError:  # one account: nothing to resample
        return later, None


def _none_yet(since: int, problems: list[Problem], data: Journeys) -> SharedSnapshots:
    known = from_microseconds(since + max(problem.gap + problem.horizon for problem in problems))
    return SharedSnapshots(
        since=format_instant(from_microseconds(since)),
        until=None,
        n=0,
        leads=0,
        first_known=format_instant(known) if known > data.observed_until else None,
    )


def _shared(first: TrainingTable, second: TrainingTable) -> tuple[Ints, Ints]:
    """The places of the snapshots that both tables have."""
    keys = [
        pd.DataFrame(
            {"lead_id": table.lead_id, "cutoff_time": table.cutoff_time, "place": np.arange(len(table.label))}
        )
        for table in (first, second)
    ]
    both = keys[0].merge(keys[1], on=["lead_id", "cutoff_time"], suffixes=("_a", "_b"), validate="one_to_one")
    return both["place_a"].to_numpy(np.int64), both["place_b"].to_numpy(np.int64)


def _pair_rows(
    tables: tuple[TrainingTable, TrainingTable], sides: tuple[Side, Side], places: tuple[Ints, Ints]
) -> TwoOutcomesRows:
    a, b = places
    group: Rows = tables[0].group[a]
    return TwoOutcomesRows(
        converted=(tables[0].label[a].astype(np.float64), tables[1].label[b].astype(np.float64)),
        probability=(sides[0].probability[a], sides[1].probability[b]),
        meets={
            label: (sides[0].meets[label][a], sides[1].meets[label][b])
            for label in sides[0].meets
            if label in sides[1].meets
        },
        group=group,
    )


def _compare_open(
    pair: tuple[Contender, Contender], data: Journeys, config: Config, now: dt.datetime
) -> OpenByBoth | None:
    at = data.observed_until
    try:
        scores = [score(contender.bundle, data, config, as_of=at, scored_at=now) for contender in pair]
    except PopulationError:  # nobody is open
        return None
    both = scores[0].merge(scores[1], on="lead_id", suffixes=("_a", "_b"), validate="one_to_one")
    if both.empty:
        return None
    orders = [list(contender.bundle.policy.thresholds) for contender in pair]
    names = [name for name in orders[0] if name in orders[1]]
    levels = [
        both[f"label_{side}"].map({name: n for n, name in enumerate(order)}).fillna(-1).to_numpy()
        for side, order in zip("ab", orders, strict=True)
    ]
    labels, higher = {}, np.zeros(len(both), dtype=np.int64)
    for name in names:
        has = [level >= order.index(name) for level, order in zip(levels, orders, strict=True)]
        labels[name] = CalledNow(
            both=int((has[0] & has[1]).sum()),
            first_only=int((has[0] & ~has[1]).sum()),
            second_only=int((~has[0] & has[1]).sum()),
            neither=int((~has[0] & ~has[1]).sum()),
        )
        higher += has[0].astype(np.int64) - has[1]
    return OpenByBoth(
        as_of=format_instant(at),
        leads=len(both),
        by_one_only=sum(map(len, scores)) - 2 * len(both),
        labels=labels,
        first_higher=_likeliest(both[higher > 0], "probability_a"),
        second_higher=_likeliest(both[higher < 0], "probability_b"),
    )


def _likeliest(leads: pd.DataFrame, by: str) -> tuple[CalledLead, ...]:
    shown = leads.sort_values(by, ascending=False, kind="stable").head(_SHOWN)
    return tuple(
        CalledLead(
            row["lead_id"] if isinstance(row["lead_id"], str) else int(row["lead_id"]),
            (str(row["label_a"]), str(row["label_b"])),
            (float(row["probability_a"]), float(row["probability_b"])),
        )
        for row in shown.to_dict("records")
    )
