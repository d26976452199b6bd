"""The contract: which tables a user brings, which columns they have here, and the `Journeys` they become.

Inside mqlml every table has our column names and types, whatever the source called them:

* ``lead_id`` is ``int64`` or ``str``, the same in all tables, never a float;
* instants are ``datetime64[us, UTC]``; ``recorded_at`` is always there (the source's, or ``occurred_at``);
* words (``action``, ``channel``, ``campaign``, ``content``, ``initiated_by``, ``stage``) are ``category`` with
  text categories; ``value`` and ``amount`` are ``float64``; other attributes are ``float64`` or ``str``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar, Literal

import pandas as pd

from mqlml.journeys.merges import NO_MERGES, MergedLeads
from mqlml.journeys.notices import Notice
from mqlml.times import TIME_DTYPE

__all__ = ["REQUIRED", "TIMES", "WORDS", "FlatTable", "Journeys", "empty_table"]

REQUIRED: dict[str, tuple[str, ...]] = {
    "leads": ("lead_id", "created_at"),
    "events": ("lead_id", "occurred_at", "action"),
    "outcomes": ("lead_id", "stage", "occurred_at"),
    "history": ("lead_id", "field", "value", "valid_from"),
    "merges": ("from", "into", "at"),
}
"""The columns each table must have."""

OPTIONAL: dict[str, tuple[str, ...]] = {
    "leads": ("account_id",),
    "events": (
        "event_id",
        "channel",
        "recorded_at",
        "value",
        "campaign",
        "content",
        "initiated_by",
        "user_agent",
    ),
    "outcomes": ("recorded_at", "amount", "reason"),
    "history": ("valid_to", "recorded_at"),
    "merges": (),
}
"""The columns each table may have and mqlml knows. Every further column of ``leads`` is an attribute."""

TIMES = ("created_at", "occurred_at", "recorded_at", "valid_from", "valid_to", "at")
WORDS = ("action", "channel", "campaign", "content", "initiated_by", "user_agent", "stage", "field")
NUMBERS = ("value", "amount")


@dataclass(frozen=True)
class Journeys:
    """What happened to each lead: four tables that keep the contract, and what was set aside.

    Attributes
    ----------
    leads : DataFrame, one row per lead
        ``lead_id``, ``created_at``, ``account_id`` (``str`` or missing; absent where the source has none), then
        attributes.
    events : DataFrame, any order
        ``lead_id``, ``occurred_at``, ``recorded_at``, ``action`` and the optional columns the source has, but
        for ``event_id`` and ``user_agent``, by which repeated events and machines are found and which are not kept.
    outcomes : DataFrame, any order
        ``lead_id``, ``stage``, ``occurred_at``, ``recorded_at``, and ``amount``, ``reason`` where the source has
        them.
    history : DataFrame
        ``lead_id``, ``field``, ``value``, ``valid_from``, ``valid_to``, ``recorded_at``; empty without a source.
    observed_until : datetime in UTC
        The end of the outcome data.
    quarantine : DataFrame
        Rows that were set aside: ``table``, ``row`` (1 is the first row after the header), ``column`` (the
        source's name; empty for a line that is no row), ``value`` (text as found), ``reason``, ``file``. A row
        stands here once for each thing that is wrong with it.
    rows_read : dict of table name to number of rows read, quarantined ones included.
    notices : what was changed or found while reading.
    merged : which lead went into which; outcomes, events and accounts hold it already.

    Examples
    --------
    >>> from mqlml.simulate import simulate
    >>> journeys = simulate(50, random_state=0).journeys()
    >>> len(journeys.leads), list(journeys.outcomes.columns)[:3], len(journeys.quarantine)
    (50, ['lead_id', 'stage', 'occurred_at'], 0)
    """

    dated: ClassVar[Literal[True]] = True
    """Whether rows have times; a flat table has an order only."""

    leads: pd.DataFrame
    events: pd.DataFrame
    outcomes: pd.DataFrame
    history: pd.DataFrame
    observed_until: dt.datetime
    quarantine: pd.DataFrame
    rows_read: dict[str, int]
    notices: tuple[Notice, ...] = ()
    merged: MergedLeads = NO_MERGES


@dataclass(frozen=True)
class FlatTable:
    """One row per lead with its label: snapshots already made, whose order stands for time.

    Attributes
    ----------
    leads : DataFrame, one row per lead
        ``lead_id``, ``account_id`` where the source has one, then the attributes under the source's names.
    label : Series of float64, aligned with ``leads``: 1 converted, 0 not, NaN not known yet (an open lead).
    order : Series of int64, aligned with ``leads``: the row's place in time (ties share a number), earliest 0.
    quarantine, rows_read, notices : as in `Journeys`.
    times : Series of ``datetime64[us, UTC]`` or None, aligned with ``leads``: the order, where it is one of times.
    """

    dated: ClassVar[Literal[False]] = False

    leads: pd.DataFrame
    label: pd.Series
    order: pd.Series
    quarantine: pd.DataFrame
    rows_read: dict[str, int]
    times: pd.Series | None = None
    notices: tuple[Notice, ...] = ()


def empty_table(name: str, lead_id_dtype: object = "int64") -> pd.DataFrame:
    """A table of the contract without rows, with all its required columns and ``recorded_at``, rightly typed."""
    columns: dict[str, pd.Series] = {}
    for column in dict.fromkeys(
        (*REQUIRED[name], *(c for c in OPTIONAL[name] if c in ("recorded_at", "valid_to")))
    ):
        if column == "lead_id":
            dtype: object = lead_id_dtype
        elif column in TIMES:
            dtype = TIME_DTYPE
        elif column in WORDS:
            dtype = pd.CategoricalDtype(pd.Index([], dtype="str"))
        elif name == "history" and column == "value":
            dtype = "str"
        else:
            dtype = "float64"
        columns[column] = pd.Series([], dtype=dtype)  # type: ignore[call-overload]
    return pd.DataFrame(columns)
