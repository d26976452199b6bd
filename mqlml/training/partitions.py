"""A training table is built part by part, each from some leads and all their rows: in turn, or on Spark."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mqlml.config import Config, Problem
from mqlml.errors import ConfigError, ContractError, UsageError
from mqlml.features import FeaturePlan, build_features, gather_facts
from mqlml.journeys import Journeys, empty_quarantine
from mqlml.journeys.contract import REQUIRED, TIMES, WORDS, empty_table
from mqlml.times import (
    MISSING_TIME,
    TIME_DTYPE,
    column_to_microseconds,
    microseconds_to_column,
    to_microseconds,
)
from mqlml.training.leakage.events import count_events
from mqlml.training.leakage.perturbation import require_leak_test, run_leak_test, sample_snapshots, take_leads
from mqlml.training.snapshots import assign_labels, exclude_leads, find_snapshots, fix_grid
from mqlml.training.table import choose_rows, learn_plan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = [
    "BuildSpec",
    "Shards",
    "assign_partitions",
    "build_part",
    "build_table_on_spark",
    "make_build_spec",
]


@dataclass(frozen=True)
class BuildSpec:
    """What all parts of a table share: the problem with its grid fixed, and the features."""

    problem: Problem
    plan: FeaturePlan


def make_build_spec(leads: pd.DataFrame, config: Config, plan: FeaturePlan) -> BuildSpec:
    """The build spec for parts of ``leads``, which are all the leads of the table."""
    return BuildSpec(fix_grid(config.problem, leads), plan)


def build_part(part: Journeys, build_spec: BuildSpec) -> pd.DataFrame:
    """Build the rows of some leads: snapshots, labels and features.

    Parameters
    ----------
    part : the leads of one part with all their events, outcomes and attribute changes.

    Returns
    -------
    DataFrame with ``lead_id, cutoff_time, label`` and the features, in order of cutoff, then of the part's leads; it
    may be empty.
    """
    snapshots = find_snapshots(part, build_spec.problem).table[["lead_id", "cutoff_time"]]
    label = assign_labels(part, snapshots, build_spec.problem)
    features = build_features(part, snapshots, build_spec.plan)
    return pd.concat([snapshots.assign(label=label), features], axis=1)


def assign_partitions(leads: pd.DataFrame, parts: int) -> npt.NDArray[np.int32]:
    """The part of each lead, 0 to ``parts`` - 1, by a hash of its account, or of its id where it has none.

    An account's leads stay together, since their features may depend on each other. The assignment is the same on
    every machine and in every process.
    """
    keys = leads["lead_id"].astype("str")
    if "account_id" in leads:
        # An account and a lead may share a name; that only puts them in one part.
        keys = leads["account_id"].astype("str").where(leads["account_id"].notna(), keys)
    hashes = pd.util.hash_array(keys.to_numpy(object), categorize=False)
    return (hashes % np.uint64(parts)).astype(np.int32)


class Shards:
    """All leads with their outcomes and attribute changes, ready to be taken part by part.

    Parameters
    ----------
    journeys : their events are not used; `take` is given those of its part.
    part : the part of each lead, below ``parts``, from `assign_partitions`.
    """

    def __init__(self, journeys: Journeys, part: npt.NDArray[np.int32], parts: int) -> None:
        self._journeys = journeys
        ids = pd.Index(journeys.leads["lead_id"])
        self._tables = {
            "leads": (journeys.leads, *_sorted_by(part, parts)),
            **{
                name: (table, *_sorted_by(part[ids.get_indexer(pd.Index(table["lead_id"]))], parts))
                for name, table in (("outcomes", journeys.outcomes), ("history", journeys.history))
            },
        }

    def take(self, number: int, events: pd.DataFrame) -> Journeys:
        """The journeys of one part, in the order of the whole."""
        own = {
            name: table.take(order[edges[number] : edges[number + 1]]).reset_index(drop=True)
            for name, (table, order, edges) in self._tables.items()
        }
        return replace(
            self._journeys,
            leads=own["leads"],
            events=events,
            outcomes=own["outcomes"],
            history=own["history"],
        )


def _sorted_by(part: npt.NDArray[np.int32], parts: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Row positions sorted by part, and where each part begins and ends."""
    edges = np.zeros(parts + 1, np.int64)
    np.cumsum(np.bincount(part, minlength=parts), out=edges[1:])
    return np.argsort(part, kind="stable"), edges


_PART = "mqlml_part"
_SHARD = "mqlml_shard"


_Work = Callable[[Journeys], pa.Table]
"""What is made of the journeys of one partition."""


def build_table_on_spark(
    session: SparkSession,
    config: Config,
    *,
    leads: DataFrame,
    events: DataFrame,
    outcomes: DataFrame,
    history: DataFrame | None = None,
) -> DataFrame:
    """Make the training table that the config describes from Spark tables.

    Parameters
    ----------
    session : a running session of Spark 4. Its workers need mqlml installed. There are as many parts as
        ``spark.sql.shuffle.partitions`` says; one part and what is made of it must fit in a worker's memory, and
        leads, outcomes and attribute changes in the driver's.
    config : its ``data`` says how long outcomes were observed; where and how files are read does not count here.
    leads, events, outcomes, history : tables in the columns of the contract (data/README.md): ``lead_id`` a whole
        number or text, the same in all; times as ``timestamp``; ``stage`` in our words; every event's lead in
        ``leads``. A missing ``recorded_at`` is taken from when it happened.

    Returns
    -------
    DataFrame
        ``lead_id, cutoff_time, label`` and the features (``float``, or ``string``), in no order.

    Raises
    ------
    UsageError
        If pyspark is not installed.
    ContractError
        If a table lacks a column, or holds one of another type, a lead twice, or a row without a known lead.
    PopulationError, LeakageError
        As `mqlml.build_table`.

    Examples
    --------
    >>> table = build_table_on_spark(session, config, leads=leads, events=events, outcomes=won)  # doctest: +SKIP
    >>> table.write.parquet("training")  # doctest: +SKIP
    """
    functions = _spark_functions()  # refuses to start without pyspark
    tables = {"leads": leads, "events": events, "outcomes": outcomes}
    whole = _collect(config, tables if history is None else tables | {"history": history})
    journeys = exclude_leads(whole, config)
    if len(journeys.leads) < len(whole.leads):
        ids = session.createDataFrame(pa.table({"lead_id": _ids(_left_out(whole, journeys))}))
        events = events.join(functions.broadcast(ids), "lead_id", "left_anti")
    parts = int(session.conf.get("spark.sql.shuffle.partitions") or 200)
    partitioned = _Partitioned(session, journeys, events, parts)
    rows = choose_rows(journeys, config)
    gather = _GatherFacts(to_microseconds(rows.holdout_start), config)
    found = partitioned.apply(gather, "facts binary").toArrow()["facts"].to_pylist()
    facts, counts = zip(*(pickle.loads(packed) for packed in found), strict=True)
    plan, _ = learn_plan(journeys, config, rows, events=reduce(add, facts), around=reduce(add, counts))
    snapshots = pd.DataFrame({"lead_id": rows.lead_id, "cutoff_time": rows.cutoff_time})
    sample = sample_snapshots(journeys.leads, snapshots)
    require_leak_test(run_leak_test(partitioned.collect_journeys(sample), sample, plan))
    build_spec = make_build_spec(journeys.leads, config, plan)
    return partitioned.apply(_BuildRows(build_spec), _schema(journeys.leads["lead_id"], plan))


def _spark_functions() -> Any:
    """Import pyspark's functions, which users of the rest of mqlml need not have."""
    try:
        from pyspark.sql import functions
    except ImportError:
        raise UsageError(
            "building on Spark needs pyspark 4; install it with: pip install 'mqlml[spark]'"
        ) from None
    return functions


def _collect(config: Config, tables: dict[str, DataFrame]) -> Journeys:
    """The journeys on the driver, checked, without their events."""
    until = config.data.observed_until
    if until is None:
        raise ConfigError("the config describes a flat table (data.flat), which has no events to build from")
    for name, table in tables.items():
        _check(name, table, tables["leads"])
    events = tables["events"].limit(0)
    read = {name: _read(name, table.toArrow()) for name, table in (tables | {"events": events}).items()}
    read.setdefault("history", empty_table("history", read["leads"]["lead_id"].dtype))
    journeys = Journeys(
        leads=read["leads"],
        events=read["events"],
        outcomes=read["outcomes"],
        history=read["history"],
        observed_until=until.astimezone(dt.UTC),
        quarantine=empty_quarantine(),
        rows_read={},
    )
    _check_leads(journeys)
    return journeys


def _left_out(whole: Journeys, journeys: Journeys) -> pd.Series:
    ids = whole.leads["lead_id"]
    return ids[~ids.isin(journeys.leads["lead_id"])]


class _Partitioned:
    """Events in the cluster by the partition of their lead, with the leads' other tables for each partition."""

    def __init__(self, session: SparkSession, journeys: Journeys, events: DataFrame, parts: int) -> None:
        functions = _spark_functions()
        self.journeys = journeys
        self._session, self._events = session, events
        part = assign_partitions(journeys.leads, parts)
        part_of_lead = session.createDataFrame(
            pa.table({"lead_id": _ids(journeys.leads["lead_id"]), _PART: part})
        )
        self._rows = events.join(functions.broadcast(part_of_lead), "lead_id", "left")
        unknown = self._rows.where(functions.col(_PART).isNull()).limit(1).toArrow()
        if unknown.num_rows:
            raise ContractError(
                f"every event needs a lead that is in leads; found lead_id {unknown['lead_id'][0].as_py()!r}. Leave "
                "such rows out, or bring the lead"
            )
        shards = Shards(journeys, part, parts)
        packed = [pickle.dumps(shards.take(number, journeys.events)) for number in range(parts)]
        self._shards = session.createDataFrame(
            pa.table({_PART: pa.array(range(parts), pa.int32()), _SHARD: packed})
        )

    def apply(self, work: _Work, schema: str) -> DataFrame:
        """What ``work`` makes of the journeys of each partition."""
        pairs = self._rows.groupBy(_PART).cogroup(self._shards.groupBy(_PART))
        made: DataFrame = pairs.applyInArrow(_on_part(work), schema)
        return made

    def collect_journeys(self, snapshots: pd.DataFrame) -> Journeys:
        """The journeys of some snapshots' leads and of their accounts, with their events."""
        functions = _spark_functions()
        some = take_leads(self.journeys, snapshots)
        ids = self._session.createDataFrame(pa.table({"lead_id": _ids(some.leads["lead_id"])}))
        events = self._events.join(functions.broadcast(ids), "lead_id", "left_semi").toArrow()
        return _with_events(some, events)


class _GatherFacts:
    """What the plan and the audit need of the events of one part."""

    def __init__(self, before: int, config: Config) -> None:
        self._before, self._problem = before, config.problem

    def __call__(self, part: Journeys) -> pa.Table:
        facts = gather_facts(part.events, before=self._before)
        packed = pickle.dumps((facts, count_events(part, self._problem)))
        return pa.table({"facts": pa.array([packed], pa.binary())})


class _BuildRows:
    """The rows of one part."""

    def __init__(self, build_spec: BuildSpec) -> None:
        self._build_spec = build_spec

    def __call__(self, part: Journeys) -> pa.Table:
        frame = build_part(part, self._build_spec)
        columns: dict[str, Any] = {}
        for name, column in frame.items():
            if name == "lead_id":
                columns[name] = _ids(column)
            elif name == "cutoff_time":
                columns[name] = pa.array(column_to_microseconds(column)).cast(pa.timestamp("us", "UTC"))
            elif pd.api.types.is_numeric_dtype(column.dtype):
                # A missing number is NaN, not null: as in the table that is made in memory.
                columns[str(name)] = pa.array(column.to_numpy())
            else:
                columns[str(name)] = pa.array(column.array, pa.string(), from_pandas=True)
        return pa.table(columns)


def _on_part(work: _Work) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def run(events: pa.Table, shards: pa.Table) -> pa.Table:
        part: Journeys = pickle.loads(shards[_SHARD][0].as_py())
        return work(_with_events(part, events.drop_columns([_PART])))

    return run


def _with_events(part: Journeys, events: pa.Table) -> Journeys:
    return replace(part, events=_read("events", events))


def _ids(ids: pd.Series) -> pa.Array:
    if pd.api.types.is_integer_dtype(ids.dtype):
        return pa.array(ids.to_numpy(np.int64))
    return pa.array(ids.array, pa.string(), from_pandas=True)


def _schema(ids: pd.Series, plan: FeaturePlan) -> str:
    lead_id = "bigint" if pd.api.types.is_integer_dtype(ids.dtype) else "string"
    kinds = [
        f"`{feature.name}` {'float' if feature.kind == 'number' else 'string'}" for feature in plan.features
    ]
    return ", ".join([f"lead_id {lead_id}", "cutoff_time timestamp", "label tinyint", *kinds])


def _check(name: str, table: DataFrame, leads: DataFrame) -> None:
    """Refuse a table whose columns are not those of the contract."""
    kinds = dict(table.dtypes)
    for column in REQUIRED[name]:
        if column not in kinds:
            raise ContractError(
                f"{name} must have the column {column!r}; found {', '.join(kinds)}. Rename or add it"
            )
    for column, kind in kinds.items():
        if column in TIMES and kind != "timestamp":
            raise ContractError(
                f"{name}.{column} must be a timestamp, an instant; found {kind}. Convert it, as with to_timestamp"
            )
    kind, wanted = kinds["lead_id"], dict(leads.dtypes)["lead_id"]
    if kind != wanted or kind not in ("bigint", "int", "string"):
        raise ContractError(
            f"lead_id must be bigint, int or string, the same in all tables; found {wanted} in leads and {kind} in "
            f"{name}. Cast it"
        )


def _check_leads(journeys: Journeys) -> None:
    ids = journeys.leads["lead_id"]
    if ids.isna().any() or ids.duplicated().any():
        wrong = ids[ids.isna() | ids.duplicated()].tolist()[0]
        raise ContractError(
            f"every lead needs one row in leads, with an id; found {wrong!r} twice or missing"
        )
    if journeys.leads["created_at"].isna().any():
        raise ContractError("every lead needs created_at; found leads without. Leave them out, or fill it")
    for name, table in (("outcomes", journeys.outcomes), ("history", journeys.history)):
        strange = table["lead_id"][~table["lead_id"].isin(ids)]
        if len(strange):
            raise ContractError(
                f"every row of {name} needs a lead that is in leads; found lead_id {strange.tolist()[0]!r}. Leave "
                "such rows out, or bring the lead"
            )


def _read(name: str, table: pa.Table) -> pd.DataFrame:
    """A table of the contract from Arrow, as `mqlml.journeys.read_journeys` would give it."""
    columns: dict[str, Any] = {}
    for column in table.column_names:
        values = table.column(column)
        if column in TIMES:
            ticks = values.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(MISSING_TIME)
            columns[column] = microseconds_to_column(np.array(ticks))
        elif column == "lead_id" and pa.types.is_integer(values.type):
            columns[column] = pd.Series(np.array(values.cast(pa.int64())))
        elif column in WORDS and name != "leads":
            columns[column] = values.cast(pa.string()).to_pandas().astype("str").astype("category")
        elif pa.types.is_boolean(values.type):
            columns[column] = values.cast(pa.string()).to_pandas().astype("str")
        elif (column, name) in (("value", "events"), ("amount", "outcomes")) or (
            name == "leads" and column != "account_id" and _is_number(values.type)
        ):
            numbers = values.cast(pa.float64()).fill_null(np.nan)
            columns[column] = pd.Series(np.array(numbers))
        else:
            columns[column] = values.cast(pa.string()).to_pandas().astype("str")
    if name != "leads" and "recorded_at" not in columns:
        columns["recorded_at"] = columns["valid_from" if name == "history" else "occurred_at"]
    elif name != "leads":
        since = columns["valid_from" if name == "history" else "occurred_at"]
        columns["recorded_at"] = columns["recorded_at"].fillna(since)
    if name == "history" and "valid_to" not in columns:
        columns["valid_to"] = pd.Series(pd.NaT, index=columns["valid_from"].index, dtype=TIME_DTYPE)
    return pd.DataFrame(columns)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
