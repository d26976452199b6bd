"""The user's own aggregates, written in the config and computed by the same kernels as mqlml's features."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from mqlml.config import Aggregate, NumberUnit
from mqlml.errors import ConfigError
from mqlml.features.catalogue import Family, Feature, Window, over_windows
from mqlml.features.families.action_rows import write_counts, write_distinct, write_last
from mqlml.features.families.builder import Builder, Columns, Evidence, LeftOut, Piece, check_words
from mqlml.features.kernels.counts import write_extreme
from mqlml.features.kernels.windows import UNIT, Events, WindowScan, divide, sum_in_windows, whole_values
from mqlml.features.parsers.conditions import Requirement, meets, read_condition
from mqlml.features.wording import Named
from mqlml.journeys.contract import WORDS
from mqlml.types import Mask

_WORDS = tuple(word for word in WORDS if word not in ("stage", "field"))
_COLUMNS = (*_WORDS, "value")
"""The columns of the events that an aggregate can use."""


@dataclass(frozen=True)
class AggregatePlan:
    """One aggregate.

    Attributes
    ----------
    column : the column that is aggregated; None where rows are only counted or dated.
    windows : lookback windows, shortest first; none for the days since.
    unit : what the values are measured in.
    where : which rows: conditions on columns, all to be met.
    """

    name: str
    family: Family
    sentence: str
    aggregate: Literal["count", "sum", "mean", "min", "max", "distinct", "days_since"]
    column: str | None
    windows: tuple[Window, ...]
    unit: NumberUnit
    where: tuple[tuple[str, Requirement], ...]


@dataclass(frozen=True)
class CustomPlan:
    """The user's own aggregates, in the config's order."""

    aggregates: tuple[AggregatePlan, ...]


def _plan(evidence: Evidence) -> tuple[CustomPlan | None, list[LeftOut]]:
    written = evidence.config.features.custom
    if not written:
        return None, []
    return CustomPlan(tuple(_read(aggregate, evidence) for aggregate in written)), []


def _read(written: Aggregate, evidence: Evidence) -> AggregatePlan:
    place = f"features.custom.{written.name}"
    allowed = ("value",) if written.aggregate in ("sum", "mean", "min", "max") else _WORDS
    columns = [] if written.column is None else [(written.column, allowed, f"{place}.column")]
    columns += [(column, _COLUMNS, f"{place}.where") for column in written.where]
    for column, known, key in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"it can be {', '.join(known)}"
            raise ConfigError(f"{key} names {column!r}, which is no such column of the events; {hint}")
        if not evidence.has_values(column):
            raise ConfigError(
                f"{key} names {column!r}, but no event known by then holds anything in it; map it under "
                "data.events.columns, or remove the feature"
            )
    check_words(evidence, "action", written.action, f"{place}.action")
    where = [
        (column, read_condition(condition, f"{place}.where.{column}", evidence.config.folder))
        for column, condition in written.where.items()
    ]
    if written.action:
        listed = tuple(sorted(written.action))
        where.insert(0, ("action", Requirement(listed, exact=True)))
    windows = evidence.config.windows if written.windows is None else written.windows
    return AggregatePlan(
        written.name,
        written.family,
        written.sentence,
        written.aggregate,
        written.column,
        () if written.aggregate == "days_since" else tuple(windows),
        written.measured_in,
        tuple(where),
    )


def _pieces(plan: CustomPlan) -> Iterator[Piece]:
    for one in plan.aggregates:
        columns = [*([one.column] if one.column else []), *(column for column, _ in one.where), "occurred_at"]
        feature = Feature(
            one.family,
            one.name,
            one.aggregate,
            Named(one.sentence),
            one.unit,
            asks="presence" if one.aggregate == "count" else "amount",
            source=tuple(f"events.{column}" for column in dict.fromkeys(columns)),
        )
        features = over_windows(feature, one.windows) if one.windows else (feature,)
        yield Piece(features, partial(_write, one=one))


def _windows(plan: CustomPlan) -> tuple[Window, ...]:
    return tuple(dict.fromkeys(window for one in plan.aggregates for window in one.windows))


def _write(given: tuple[WindowScan, Events], columns: Columns, *, one: AggregatePlan) -> None:
    scan, events = given
    chosen = scan.only(_chosen(scan, events, one))
    if one.aggregate == "days_since":
        write_last(chosen, columns)
    else:
        _write_windows(chosen, events, one, columns)


def _chosen(scan: WindowScan, events: Events, one: AggregatePlan) -> Mask:
    """Which rows of the scan the aggregate is over."""
    chosen = np.ones(len(scan.order), np.bool_)
    for column, required in one.where:
        where = f"features.custom.{one.name}.where.{column}"
        if column == "value":
            values = events.values()[scan.order]
            different, place = np.unique(values, return_inverse=True)
            met = [
                not np.isnan(v) and m
                for v, m in zip(different, meets(list(different), required, where), strict=True)
            ]
            chosen &= np.array(met, np.bool_)[place] if len(met) else False
        else:
            words = events.words(column)
            known = events.kept(
                ("custom", column, required), partial(_words_met, words.text, required, where)
            )
            chosen &= known[words.codes[scan.order]]
    return chosen


def _words_met(texts: tuple[str, ...], required: Requirement, where: str) -> Mask:
    """Whether each text meets a condition; the last entry is that of a missing one, which meets none."""
    return np.array([*meets(texts, required, where), False], np.bool_)


def _write_windows(scan: WindowScan, events: Events, one: AggregatePlan, columns: Columns) -> None:
    start = scan.starts(one.windows)
    if one.aggregate == "count":
        write_counts(scan, one.windows, columns)
    elif one.aggregate == "distinct":
        assert one.column is not None
        write_distinct(scan, one.windows, events.words(one.column), columns)
    elif one.aggregate in ("min", "max"):
        value = events.values()[scan.order]
        sign, target = (1 if one.aggregate == "max" else -1), columns.target(len(start))
        write_extreme(scan.arrays, start, value, sign, *target)
    else:
        whole, present = whole_values(scan, events.values()[scan.order])
        found = sum_in_windows(whole, start, scan.stop) * UNIT
        if one.aggregate == "mean":
            found = divide(found, sum_in_windows(present.astype(np.int64), start, scan.stop))
        columns.fill(scan.row, found.T)


def _of_scan(scan: WindowScan, events: Events, _plan: CustomPlan) -> tuple[WindowScan, Events]:
    return scan, events


BUILDER = Builder("custom", _plan, _pieces, _windows, of_scan=_of_scan)
