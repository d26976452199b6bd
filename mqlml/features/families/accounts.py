"""Features of the buying group: what the other leads of a lead's account did, as known at the cutoff.

Another lead counts from the moment it was created, and its events once they occurred and were recorded, all strictly
before the cutoff. So the leads of an account belong together: a part of the journeys gives the same features as the
whole only if it holds all leads of each account that it has a snapshot of.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.errors import ContractError
from mqlml.features.catalogue import Feature, over_windows
from mqlml.features.families.action_rows import ActionsPlan, is_positive_signal
from mqlml.features.families.builder import Columns, Evidence, Piece, Source
from mqlml.features.kernels import counts as account_kernel
from mqlml.features.kernels import sorting
from mqlml.features.kernels.windows import Events, cut_ranges, match_ids
from mqlml.features.wording import Counted, Last
from mqlml.times import NEVER, column_to_microseconds
from mqlml.types import Floats32, Ints, Mask

_OTHERS = ("leads.account_id", "events.action", "events.occurred_at")

_ENOUGH = 1_500
"""Accounts of several leads from which on ``auto`` makes features of colleagues: with fewer, what they did tells
one account from another rather than what follows from it. In simulated worlds it moved the share of the best
possible gain over the base rate by -0.09 to +0.02 with some 550 such accounts, by +0.005 to +0.017 with 1,600, by
+0.014 with 4,000."""


def has_accounts(evidence: Evidence) -> bool:
    """Whether accounts may be used, and enough of them had several leads by then."""
    return "account_id" not in evidence.refused and enough_accounts(evidence.leads, evidence.config)


def enough_accounts(leads: pd.DataFrame, config: Config) -> bool:
    """Whether the config wants features of accounts with several leads: of any, or with ``auto`` of very many."""
    wish = config.features.groups.account
    if wish is False or "account_id" not in leads:
        return False
    several = int((leads["account_id"].value_counts() > 1).sum())
    return several >= (_ENOUGH if wish == "auto" else 1)


def accounts(plan: ActionsPlan) -> Iterator[Piece]:
    """The other leads of the account: how many there are, and what they did."""
    if not plan.groups.account:
        return
    one = partial(Feature, "actions", "colleagues", source=_OTHERS)
    leads = Counted(
        "other lead of the account, created by then", "other leads of the account, created by then"
    )
    events = Counted("event of the account's other leads", "events of the account's other leads")
    high_intent = Counted(f"high-intent {events.one}", f"high-intent {events.many}")
    active = Counted(
        "other lead of the account that was active", "other leads of the account that were active"
    )
    yield Piece((one("created", leads, "count"),), _write_created, "journeys")
    features = (
        *over_windows(one("count", events, "count", "presence"), plan.windows),
        *over_windows(one("high_intent", high_intent, "count"), plan.windows),
        *over_windows(one("active", active, "count"), plan.windows),
        one("days_since", Last(events.one), "days"),
        one("days_since_high_intent", Last(high_intent.one), "days"),
    )
    yield Piece(features, _write_others, "journeys")


class Colleagues:
    """The accounts of the snapshots' leads. A lead without a known account has no others."""

    def __init__(self, source: Source, events: Events, plan: ActionsPlan) -> None:
        everyone, keys = source.everyone, source.keys
        if "account_id" not in everyone:
            raise ContractError(
                "the features were planned with a column 'account_id' in leads, and there is none now; map it under "
                "data.leads.columns, or retrain"
            )
        self.source = source
        self.events = events
        self.plan = plan
        self.account = np.asarray(pd.factorize(everyone["account_id"])[0], np.int64)
        self.created = column_to_microseconds(everyone["created_at"], missing=NEVER)
        ranked = np.lexsort((self.created, self.account))
        self.ranked = ranked[self.account[ranked] >= 0]
        edges = np.arange(self.account.max(initial=-1) + 2)
        self.members = np.searchsorted(self.account[self.ranked], edges)
        # of a lead that was not created yet, the account was not known either
        self.account_of_snapshot = np.where(
            source.lead_row >= 0, self.account[source.position][keys.lead], -1
        )


def _write_created(given: Colleagues, columns: Columns) -> None:
    source = given.source
    own_created = given.created[source.position][source.keys.lead]
    of_account = (given.created[given.ranked], given.members, given.account_of_snapshot)
    others = account_kernel.count_created(*of_account, own_created, source.keys.cutoff)
    columns.fill(slice(None), others)


def _write_others(given: Colleagues, columns: Columns) -> None:
    windows, rows = len(given.plan.windows), len(given.account_of_snapshot)
    nothing = np.broadcast_to(np.float32(0), (rows, 3 * windows))
    never = np.broadcast_to(np.float32(np.nan), (rows, 2))
    columns.fill(slice(None), nothing, never)
    several = np.append(np.diff(given.members) > 1, False)  # the last for a lead without an account
    snapshots = np.flatnonzero(several[given.account_of_snapshot])
    if len(snapshots):
        number = np.full(len(given.account), -1, np.int64)  # leads of one account have neighboring numbers
        number[given.ranked] = np.arange(len(given.ranked))
        _scan_accounts(given, number, snapshots, columns.target(3 * windows + 2))


def _scan_accounts(
    given: Colleagues, number: Ints, snapshots: npt.NDArray[np.intp], target: tuple[Floats32, int]
) -> None:
    """Scan the accounts of some snapshots, each of which has several leads."""
    source, events, plan, account = given.source, given.events, given.plan, given.account
    lead_row = source.position[source.keys.lead[snapshots]]
    several, group = np.unique(account[lead_row], return_inverse=True)
    by_account = np.lexsort((source.keys.cutoff[snapshots], group))
    row, lead_row, group = snapshots[by_account], lead_row[by_account], group[by_account]
    cutoff = source.keys.cutoff[row]
    snapshot_offsets = np.searchsorted(group, np.arange(len(several) + 1))
    group_of = np.full(account.max() + 2, -1, np.int32)
    group_of[several] = np.arange(len(several))
    lead_of_event = match_ids(events.table["lead_id"], pd.Index(source.everyone["lead_id"]))
    positive, high_intent = _signals(events, plan)
    code = events.words("action").codes
    group_of_lead = np.append(group_of[account], np.int32(-1))  # the last for an event of an unknown lead
    group_of_event = np.where(positive[code], group_of_lead[lead_of_event], np.int32(-1))
    order, begin = sorting.sort_by_lead(group_of_event, events.known, cutoff[snapshot_offsets[1:] - 1])
    lengths = np.array([-1 if isinstance(window, str) else window for window in plan.windows], np.int64)
    for low, high in cut_ranges(begin, snapshot_offsets):
        some = slice(snapshot_offsets[low], snapshot_offsets[high])
        event_rows, edges = order[begin[low] : begin[high]].copy(), begin[low : high + 1] - begin[low]
        occurred, lead = events.occurred[event_rows], lead_of_event[event_rows]
        known = np.maximum(events.known[event_rows], given.created[lead])
        sorting.sort_segments(edges, occurred, known, event_rows)
        lead = lead_of_event[event_rows]
        entry = np.arange(len(event_rows))
        sorting.sort_segments(edges, known.copy(), occurred.copy(), entry)
        own, of_event = number[lead_row[some]], number[lead]
        lowest = min(own.min(), of_event.min(initial=own.min()))
        highest = max(own.max(), of_event.max(initial=own.max()))
        offsets = snapshot_offsets[low : high + 1] - snapshot_offsets[low]
        account_kernel.write_others(
            *(edges, offsets, row[some], cutoff[some], occurred),
            *((own - lowest).astype(np.int32), known, entry),
            *((of_event - lowest).astype(np.int32), int(highest - lowest + 1), high_intent[code[event_rows]]),
            *(lengths, *target),
        )


def _signals(events: Events, plan: ActionsPlan) -> tuple[Mask, Mask]:
    """Of each action (a missing one last): whether it is a positive signal, and whether it shows high intent."""
    texts = events.words("action").text
    positive = np.array([*map(is_positive_signal(plan), texts), False], np.bool_)
    return positive, positive & np.array([*map(plan.kinds.high_intent.holds, texts), False], np.bool_)
