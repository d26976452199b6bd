"""Leads that turned out to be one person: until then two leads, afterwards one with both journeys.

Nothing is known before the merge: what is copied to the lead that stays was recorded at the merge at the earliest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Stage
from mqlml.journeys.notices import Notice
from mqlml.times import column_to_microseconds, microseconds_to_column
from mqlml.types import Mask, Micros

__all__ = ["NO_MERGES", "MergedLeads", "chain_merges"]

Places = npt.NDArray[np.int32]


@dataclass(frozen=True)
class MergedLeads:
    """Which lead went into which, chains followed to their end.

    Attributes
    ----------
    old, new : places of leads; one row for each pair of a lead and one that it went into, at once or later.
    at : when, in microseconds.
    direct : whether the row is a merge itself, not the end of a chain.
    """

    old: Places
    new: Places
    at: Micros
    direct: Mask

    def __len__(self) -> int:
        return len(self.old)

    def without(self, out: Mask) -> MergedLeads:
        """The merges among the leads that stay, at their new places."""
        stay = ~(out[self.old] | out[self.new])
        place = (np.cumsum(~out) - 1).astype(np.int32)
        return MergedLeads(place[self.old[stay]], place[self.new[stay]], self.at[stay], self.direct[stay])

    def copy_events(self, events: pd.DataFrame, lead_id: pd.Series) -> pd.DataFrame:
        """The events, those of merged leads once more for the lead that stays."""
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

    def _copy(self, rows: pd.DataFrame, lead_id: pd.Series, source: Places, target: Places) -> pd.DataFrame:
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

    def share_accounts(self, leads: pd.DataFrame) -> pd.DataFrame:
        """The leads, merged ones in one account, so that both stand on one side of every split."""
        if not len(self):
            return leads
        none = pd.Series(np.nan, index=leads.index, dtype="str")
        account = leads.get("account_id", none).to_numpy(dtype=object, copy=True)
        ids = leads["lead_id"].to_numpy()
        for old, new in zip(self.old.tolist(), self.new.tolist(), strict=True):
            kept = next(
                (account[lead] for lead in (new, old) if isinstance(account[lead], str)), f"merged:{ids[new]}"
            )
            account[old] = account[new] = kept
        shared = pd.Series(account, index=leads.index, dtype="str")
        if "account_id" in leads:
            return leads.assign(account_id=shared)
        leads = leads.copy()
        leads.insert(list(leads.columns).index("created_at") + 1, "account_id", shared)
        return leads

    def notice(self) -> Notice | None:
        """What to tell people."""
        merged = int(self.direct.sum())
        return Notice("merged", "leads", "", merged, merged) if merged else None


NO_MERGES = MergedLeads(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, dtype=np.bool_)
)


def chain_merges(old: Sequence[int], new: Sequence[int], at: Sequence[int]) -> MergedLeads:
    """All pairs of a lead and one that it went into, at once or by way of others.

    Parameters
    ----------
    old, new : places of leads, one pair a merge; a lead goes into one other, the first named counts.
    at : when, in microseconds.
    """
    into: dict[int, tuple[int, int]] = {}
    for source, target, moment in sorted(zip(old, new, at, strict=True), key=lambda merge: merge[2]):
        if source != target:
            into.setdefault(source, (target, moment))
    rows: list[tuple[int, int, int, bool]] = []
    for source in into:
        seen, lead, moment = {source}, source, 0
        while lead in into and into[lead][0] not in seen:
            target, when = into[lead]
            moment = max(moment, when)
            rows.append((source, target, moment, lead == source))
            seen.add(target)
            lead = target
    if not rows:
        return NO_MERGES
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return MergedLeads(
        columns[0].astype(np.int32), columns[1].astype(np.int32), columns[2].astype(np.int64), columns[3]
    )
