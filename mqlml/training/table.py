"""The training table, one row per snapshot with its features and label, and the figures that describe it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from mqlml.config import Config
from mqlml.errors import ContractError, PopulationError
from mqlml.features import (
    EventFacts,
    FeaturePlan,
    build_features,
    build_flat,
    check_own,
    plan_features,
    plan_flat,
)
from mqlml.journeys import FlatTable, Journeys
from mqlml.results import Result
from mqlml.times import (
    DAY,
    TIME_DTYPE,
    column_to_microseconds,
    format_instant,
    from_microseconds,
)
from mqlml.training.leakage.audit import ask_flat, ask_journeys, audit_flat, audit_journeys
from mqlml.training.leakage.events import EventCounts, audit_events, count_events
from mqlml.training.leakage.findings import ColumnQuestion, Finding, refused_actions, refused_columns
from mqlml.training.leakage.perturbation import (
    PerturbationTest,
    perturbation_findings,
    run_leak_test,
    sample_snapshots,
    take_leads,
)
from mqlml.training.snapshots import (
    Step,
    assign_labels,
    build_snapshots,
    creation_times,
    exclude_leads,
    group_leads,
    rank_ids,
)
from mqlml.training.splits import Fold, holdout_split
from mqlml.training.warnings import check_creation_days

__all__ = [
    "HoldoutPeriod",
    "LeftOut",
    "Population",
    "Rows",
    "TrainingTable",
    "build_table",
    "choose_rows",
    "describe_holdout",
    "describe_place",
    "describe_population",
    "group_rows",
    "learn_plan",
    "list_left_out",
]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a training table without features, one per snapshot in order of time.

    Attributes
    ----------
    lead_id : Series
    cutoff_time : Series of ``datetime64[us, UTC]``; for a flat table the order, if one of times, else missing.
    age : Series of str or None
        Age of the lead at the cutoff, as ``"7d"``; None for a flat table.
    label : ndarray of int8
    time : ndarray of int64
        Place in time: microseconds, or a rank.
    label_span : int
        Gap plus horizon in the unit of ``time``; 0 for a flat table.
    group : ndarray of int
        Equal for rows of one account, or of one lead without an account.
    lead : ndarray of int
        Equal for rows of one lead.
    holdout : Fold
        The last period and what may be learned from before it. The vocabulary of the features comes from
        before it, too.
    waterfall : tuple of Step
    every : int
        Microseconds between the cutoffs of a calendar grid; 0 where snapshots are taken by age.
    """

    lead_id: pd.Series
    cutoff_time: pd.Series
    age: pd.Series | None
    label: npt.NDArray[np.int8]
    time: npt.NDArray[np.int64]
    label_span: int
    group: npt.NDArray[np.intp]
    lead: npt.NDArray[np.intp]
    holdout: Fold
    waterfall: tuple[Step, ...]
    every: int = 0

    @property
    def dated(self) -> bool:
        """Whether rows have a cutoff in time; a flat table has an order only."""
        return self.age is not None

    @property
    def holdout_start(self) -> dt.datetime:
        """Everything is learned before this moment, the vocabulary of the features included."""
        return from_microseconds(self.holdout.start)

    def weeks(self, start: int, end: int) -> float | None:
        """Length in weeks of the period between two cutoffs; None for a flat table.

        A cutoff of a grid stands for the time until the next one: four weekly cutoffs are four weeks, not three.
        Otherwise a period has at least a day.
        """
        return max(end - start + self.every, DAY) / (7 * DAY) if self.dated else None

    def with_features(
        self,
        features: pd.DataFrame,
        plan: FeaturePlan,
        leaks: tuple[Finding, ...],
        *,
        leak_test: PerturbationTest | None = None,
        questions: tuple[ColumnQuestion, ...] = (),
    ) -> TrainingTable:
        """The whole table; ``features`` are in the order of these rows."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(Rows)}
        if leak_test is not None:
            leaks = (*leaks, *perturbation_findings(leak_test))
        return TrainingTable(
            **fields, features=features, plan=plan, leaks=leaks, leak_test=leak_test, questions=questions
        )


@dataclass(frozen=True, kw_only=True)
class TrainingTable(Rows):
    """Everything a model learns from and is evaluated on: `Rows` with their features.

    Attributes
    ----------
    features : DataFrame, ``float32`` and ``str`` columns, named by ``plan.features``.
    plan : FeaturePlan
    leaks : tuple of Finding
    leak_test : PerturbationTest or None
        Whether changing the future moves a feature; None for a flat table, which has no times.
    questions : tuple of ColumnQuestion
    """

    features: pd.DataFrame
    plan: FeaturePlan
    leaks: tuple[Finding, ...]
    leak_test: PerturbationTest | None = None
    questions: tuple[ColumnQuestion, ...] = ()

    def frame(self) -> pd.DataFrame:
        """``lead_id, cutoff_time, label`` and the features, as ``mqlml table`` writes them."""
        keys = pd.DataFrame(
            {"lead_id": self.lead_id, "cutoff_time": self.cutoff_time, "label": pd.Series(self.label)}
        )
        return pd.concat([keys, self.features], axis=1)


def group_rows(leads: pd.DataFrame, lead_id: pd.Series) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Codes of lead and of account (or lead, where there is none) for each snapshot."""
    place = pd.Index(leads["lead_id"]).get_indexer(pd.Index(lead_id))
    return rank_ids(leads["lead_id"])[place], group_leads(leads)[place]


def _check_classes(label: npt.NDArray[np.int8], what: str, remedy: str) -> None:
    if len(np.unique(label)) < 2:
        found = "not one converted" if label.sum() == 0 else "every one converted"
        raise PopulationError(
            f"a model needs leads that converted and leads that did not; of {len(label):,} {what}, {found}. {remedy}"
        )


def _check_features(plan: FeaturePlan) -> None:
    if not plan.features:
        reasons = "; ".join(f"{column!r}: {reason}" for column, reason in plan.left_out[:3])
        raise ContractError(
            f"a model needs a column to learn from, and no column of the leads is one "
            f"({reasons or 'there is none'}). Bring more columns, or name some in profile.static"
        )


def build_table(data: Journeys | FlatTable, config: Config, *, rows: Rows | None = None) -> TrainingTable:
    """Build the training table that the config describes.

    ``rows`` are those of `choose_rows`, if they have been chosen already.

    Raises
    ------
    PopulationError
        If no snapshot is mature, all have one class, or nothing is left to learn from before the held-out period.
    ContractError
        If no column can be a feature.
    LeakageError
        If the config names a column that is written after the outcome.

    Examples
    --------
    >>> from mqlml.config import Config
    >>> from mqlml.simulate import simulate
    >>> journeys = simulate(300, random_state=1).journeys()
    >>> config = Config(
    ...     name="leads",
    ...     data={
    ...         "observed_until": "2025-06-24",
    ...         "leads": {"path": "leads.csv"},
    ...         "outcomes": {"path": "deals.csv"},
    ...     },
    ...     problem={"horizon": "60d", "snapshots": {"ages": ["7d"]}},
    ...     windows=["30d"],
    ... )
    >>> table = build_table(journeys, config)
    >>> len(table.label) == len(table.features), table.age.unique().tolist()
    (True, ['7d'])
    """
    if not data.dated:
        return _from_flat(exclude_leads(data, config), config)
    journeys = exclude_leads(data, config)
    return _from_journeys(journeys, config, rows or choose_rows(journeys, config))


def choose_rows(journeys: Journeys, config: Config) -> Rows:
    """Choose the snapshots with their labels; events are not used, and ``journeys`` may have none.

    Raises
    ------
    PopulationError
        As `build_table`.
    """
    problem = config.problem
    label_span = problem.gap + problem.horizon
    check_creation_days(creation_times(journeys.leads), zone=config.data.timezone, span=label_span)
    snapshots = build_snapshots(journeys, problem)
    table = snapshots.table
    label = assign_labels(journeys, table, problem)
    _check_classes(
        label,
        "mature snapshots",
        "Check the outcomes (data.outcomes.stage, stages), problem.outcome and problem.horizon",
    )
    time = column_to_microseconds(table["cutoff_time"])
    lead, group = group_rows(journeys.leads, table["lead_id"])
    return Rows(
        lead_id=table["lead_id"],
        cutoff_time=table["cutoff_time"],
        age=table["age"],
        label=label,
        time=time,
        label_span=label_span,
        group=group,
        lead=lead,
        holdout=holdout_split(time, group, label_span=label_span, share=problem.holdout),
        waterfall=snapshots.waterfall,
        every=problem.snapshots.every or 0,
    )


def learn_plan(
    journeys: Journeys,
    config: Config,
    rows: Rows,
    *,
    events: EventFacts | None = None,
    around: EventCounts | None = None,
) -> tuple[FeaturePlan, tuple[Finding, ...]]:
    """Choose the features of the rows, and return the findings of the leakage audit.

    Parameters
    ----------
    events : the facts of the events known before ``rows.holdout_start``, where ``journeys`` have no events.
    around : in that case, the sum of `count_events` over all partitions.

    Raises
    ------
    ContractError, LeakageError
        As `build_table`.
    """
    snapshots = pd.DataFrame({"lead_id": rows.lead_id, "cutoff_time": rows.cutoff_time})
    around = around or count_events(journeys, config.problem)
    leaks = (*audit_journeys(journeys, snapshots, config), *audit_events(around, config))
    plan = plan_features(
        journeys,
        config,
        before=rows.holdout_start,
        refused=refused_columns(leaks),
        refused_actions=refused_actions(leaks),
        events=events,
    )
    _check_features(plan)
    return plan, leaks


def _from_journeys(journeys: Journeys, config: Config, rows: Rows) -> TrainingTable:
    plan, leaks = learn_plan(journeys, config, rows)
    snapshots = pd.DataFrame({"lead_id": rows.lead_id, "cutoff_time": rows.cutoff_time})
    sample = sample_snapshots(journeys.leads, snapshots)
    sampled = take_leads(journeys, sample)
    check_own(sampled, sample, plan)
    leak_test = run_leak_test(sampled, sample, plan)
    return rows.with_features(
        build_features(journeys, snapshots, plan),
        plan,
        leaks,
        leak_test=leak_test,
        questions=ask_journeys(journeys, config, leaks),
    )


def _from_flat(flat: FlatTable, config: Config) -> TrainingTable:
    known = flat.label.notna().to_numpy()
    rows = np.flatnonzero(known)
    rows = rows[np.lexsort((rank_ids(flat.leads["lead_id"])[rows], flat.order.to_numpy()[rows]))]
    leads = flat.leads.iloc[rows].reset_index(drop=True)
    label = flat.label.to_numpy()[rows].astype(np.int8)
    if len(rows) == 0:
        raise PopulationError(
            "no row of the flat table has a label; check data.flat.label and data.flat.positive"
        )
    _check_classes(label, "rows with a label", "Check data.flat.label and data.flat.positive")
    time = flat.order.to_numpy()[rows].astype(np.int64)
    lead, group = group_rows(leads, leads["lead_id"])
    holdout = holdout_split(time, group, label_span=0, share=config.problem.holdout)
    attributes = leads.drop(columns=["lead_id", "account_id"], errors="ignore")
    leaks = audit_flat(attributes, label, time, config)
    part = FlatTable(
        leads, pd.Series(label.astype("float64")), pd.Series(time), flat.quarantine, flat.rows_read
    )
    plan = plan_flat(part, config, refused=refused_columns(leaks), rows=holdout.train)
    _check_features(plan)
    n_leads = leads["lead_id"].nunique()
    return TrainingTable(
        lead_id=leads["lead_id"],
        cutoff_time=pd.Series(pd.NaT, index=leads.index, dtype=TIME_DTYPE)
        if flat.times is None
        else flat.times.iloc[rows].reset_index(drop=True),
        age=None,
        label=label,
        features=build_flat(part, plan),
        time=time,
        label_span=0,
        group=group,
        lead=lead,
        holdout=holdout,
        plan=plan,
        leaks=leaks,
        questions=ask_flat(attributes, label, time, config, leaks),
        waterfall=(
            Step("read", "rows read", flat.rows_read["flat"], flat.rows_read["flat"]),
            Step("usable", "usable", len(flat.leads), len(flat.leads)),
            Step("labeled", "with a known label", len(rows), n_leads),
        ),
    )


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
