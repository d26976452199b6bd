"""The contract: which tables a user brings, which columns they have, and the `Journeys` they become."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from mqlml.config import Stage
from mqlml.journeys.quarantine import Notice
from mqlml.times import TIME_DTYPE, column_to_microseconds, microseconds_to_column
from mqlml.types import Codes, Mask, Micros

__all__ = [
    "NO_MERGES",
    "REQUIRED",
    "TIMES",
    "WORDS",
    "FlatTable",
    "Journeys",
    "MergedLeads",
    "chain_merges",
    "empty_table",
]


@dataclass(frozen=True)
class MergedLeads:
    """Which lead went into which, chains followed to their end.

    Attributes
    ----------
    old, new : places of leads; one row for each pair of a lead and one that it went into, at once or later.
    at : when, in microseconds.
    direct : whether the row is a merge itself, not the end of a chain.
    named : Series by lead id, the account that the source names of each lead that `share_accounts` gave another;
        missing where it names none. None where there is no such lead.
    """

    old: Codes
    new: Codes
    at: Micros
    direct: Mask
    named: pd.Series | None = None

    def __len__(self) -> int:
        return len(self.old)

    def without(self, out: Mask) -> MergedLeads:
        """The merges among the leads that stay, at their new places."""
        stay = ~(out[self.old] | out[self.new])
        place = (np.cumsum(~out) - 1).astype(np.int32)
        rest = self._take(stay)
        return replace(rest, old=place[rest.old], new=place[rest.new])

    def before(self, moment: int) -> MergedLeads:
        """The merges before a moment in microseconds."""
        return self._take(self.at < moment)

    def _take(self, stay: Mask) -> MergedLeads:
        return MergedLeads(self.old[stay], self.new[stay], self.at[stay], self.direct[stay], self.named)

    def copy_events(self, events: pd.DataFrame, lead_id: pd.Series) -> pd.DataFrame:
        """The events, those of merged leads once more for the lead that stays."""
        if not len(self):
            return events
        copies = self._copy(events, lead_id, self.old, self.new)
        return pd.concat([events, copies], ignore_index=True) if len(copies) else events

    def add_outcomes(self, outcomes: pd.DataFrame, lead_id: pd.Series, won: Stage) -> pd.DataFrame:
        """The outcomes: a merged lead is closed at the merge, and a win of either lead is one of both.

        Parameters
        ----------
        won : the predicted stage.
        """
        if not len(self):
            return outcomes
        wins = outcomes[outcomes["stage"] == won]
        closing = pd.DataFrame(
            {
                "lead_id": lead_id.take(self.old[self.direct]).reset_index(drop=True),
                "stage": "closed_lost" if won == "disqualified" else "disqualified",
                "occurred_at": microseconds_to_column(self.at[self.direct]),
                "recorded_at": microseconds_to_column(self.at[self.direct]),
            }
        )
        copied = [self._copy(wins, lead_id, *pair) for pair in ((self.old, self.new), (self.new, self.old))]
        tables = [outcomes, closing, *copied]
        whole = pd.concat(
            [table.assign(stage=table["stage"].astype("str")) for table in tables], ignore_index=True
        )
        return whole.assign(
            stage=whole["stage"].astype("category"), lead_id=whole["lead_id"].astype(lead_id.dtype)
        )

    def _copy(self, rows: pd.DataFrame, lead_id: pd.Series, source: Codes, target: Codes) -> pd.DataFrame:
        """Rows of the leads at ``source`` as rows of those at ``target``, recorded at the merge at the earliest."""
        place = pd.Index(lead_id).get_indexer(pd.Index(rows["lead_id"]))
        pairs = pd.DataFrame({"place": source, "pair": np.arange(len(source))})
        found = pd.DataFrame({"place": place, "row": np.arange(len(rows))}).merge(pairs, on="place")
        copies = rows.take(found["row"].to_numpy()).reset_index(drop=True)
        pair = found["pair"].to_numpy()
        known = np.maximum(column_to_microseconds(copies["recorded_at"]), self.at[pair])
        return copies.assign(
            lead_id=lead_id.take(target[pair]).reset_index(drop=True),
            recorded_at=microseconds_to_column(known),
        )

    def share_accounts(self, leads: pd.DataFrame) -> tuple[MergedLeads, pd.DataFrame]:
        """The leads, merged ones in one account, so that both stand on one side of every split.

        Two accounts that merged leads come from become one with all their leads. The merges remember what the source
        names, see `named_accounts`.
        """
        if not len(self):
            return self, leads
        named = leads.get("account_id", pd.Series(np.nan, index=leads.index, dtype="str"))
        account = named.to_numpy(dtype=object, copy=True)
        joined: dict[object, str] = {}

        def follow(name: object) -> object:
            while name in joined:
                name = joined[name]
            return name

        ids = leads["lead_id"].to_numpy()
        for old, new in zip(self.old.tolist(), self.new.tolist(), strict=True):
            names = [name for name in map(follow, (account[new], account[old])) if isinstance(name, str)]
            kept = names[0] if names else _shared(ids[new])
            joined |= {name: kept for name in names if name != kept}
            account[old] = account[new] = kept
        shared = pd.Series([follow(name) for name in account], index=leads.index, dtype="str")
        changed = (shared != named).to_numpy() & shared.notna().to_numpy()
        own = pd.Series(named[changed].to_numpy(), index=pd.Index(leads["lead_id"][changed]), dtype="str")
        merged = replace(self, named=own if len(own) else None)
        if "account_id" in leads:
            return merged, leads.assign(account_id=shared)
        leads = leads.copy()
        leads.insert(list(leads.columns).index("created_at") + 1, "account_id", shared)
        return merged, leads

    def named_accounts(self, leads: pd.DataFrame) -> pd.Series:
        """The accounts that the source names, of all leads or some.

        Of leads that share an account because they were merged, and only then, each has its own or none.
        """
        account = leads.get("account_id", pd.Series(np.nan, index=leads.index, dtype="str"))
        if self.named is None:
            return account
        place = self.named.index.get_indexer(pd.Index(leads["lead_id"]))
        return account.where(place < 0, self.named.take(place).set_axis(leads.index))

    def separate_accounts(self, leads: pd.DataFrame) -> pd.DataFrame:
        """The leads, all or some, each in the account that the source names.

        That two leads are one is known from their merge on only, so features take accounts as they are named.
        """
        return leads if self.named is None else leads.assign(account_id=self.named_accounts(leads))

    def known_before(self, moment: int, leads: pd.DataFrame) -> tuple[MergedLeads, pd.DataFrame]:
        """The merges before a moment in microseconds, and the leads, those merged later in accounts of their own."""
        return self.before(moment).share_accounts(self.separate_accounts(leads))


def _shared(lead_id: object) -> str:
    """The account of merged leads that have none."""
    return f"merged:{lead_id}"


NO_MERGES = MergedLeads(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, dtype=np.bool_)
)


def chain_merges(old: Sequence[int], new: Sequence[int], at: Sequence[int]) -> MergedLeads:
    """All pairs of a lead and one that it went into, at once or by way of others.

    A lead goes into one other, by its first merge. A later one that would close a circle has no effect either, so
    of two leads that were merged into each other one stays open.

    Parameters
    ----------
    old, new : places of leads, one pair a merge.
    at : when, in microseconds.
    """
    into: dict[int, tuple[int, int]] = {}
    for source, target, moment in sorted(zip(old, new, at, strict=True), key=lambda merge: merge[2]):
        end = target
        while end in into:
            end = into[end][0]
        if source not in into and end != source:
            into[source] = (target, moment)
    rows: list[tuple[int, int, int, bool]] = []
    for source in into:
        lead, latest = source, 0
        while lead in into:
            target, when = into[lead]
            latest = max(latest, when)
            rows.append((source, target, latest, lead == source))
            lead = target
    if not rows:
        return NO_MERGES
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return MergedLeads(
        columns[0].astype(np.int32), columns[1].astype(np.int32), columns[2].astype(np.int64), columns[3]
    )


REQUIRED: dict[str, tuple[str, ...]] = {
    "leads": ("lead_id", "created_at"),
    "events": ("lead_id", "occurred_at", "action"),
    "outcomes": ("lead_id", "stage", "occurred_at"),
    "history": ("lead_id", "field", "value", "valid_from"),
    "merges": ("from", "into", "at"),
    "spend": ("source", "day", "cost"),
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
    "spend": (),
}
"""The columns each table may have and mqlml knows. Every further column of ``leads`` is an attribute."""

TIMES = ("created_at", "occurred_at", "recorded_at", "valid_from", "valid_to", "at", "day")
WORDS = ("action", "channel", "campaign", "content", "initiated_by", "user_agent", "stage", "field", "source")
NUMBERS = ("value", "amount", "cost")
IDS = ("lead_id", "account_id", "event_id", "from", "into")


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
    times : Series of ``datetime64[us, UTC]`` or None, aligned with ``leads``: the order, or its first column, where
        that is one of times.
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
