"""Accounts: what the other leads of a lead's account did, as known at the cutoff (the buying group).

Another lead counts from the moment it was created, and an act of it once it occurred and was recorded, all strictly
before the cutoff. So the leads of an account belong together: a part of the journeys gives the same features as the
whole only if it holds all leads of each account that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ContractError
from mqlml.features.catalogue import Feature, over_windows
from mqlml.features.families.action_rows import ActionsPlan, is_positive_signal
from mqlml.features.families.builder import Columns, Evidence, Piece, Source
from mqlml.features.kernels import accounts as account_kernel
from mqlml.features.kernels import sorting
from mqlml.features.kernels.windows import Events, cut_ranges, match_ids
from mqlml.features.wording import Counted, Last
from mqlml.times import NEVER, column_to_microseconds
from mqlml.types import Floats32, Ints

__all__ = ["Colleagues", "accounts", "has_accounts"]

_OTHERS = ("leads.account_id", "events.action", "events.occurred_at")


_ENOUGH = 1_500
"""Accounts of several leads from which on ``auto`` looks at colleagues: with fewer, what they did tells one account
from another rather than what follows from it. In simulated worlds it moved the share of the best possible gain over
the base rate by -0.09 to +0.02 with some 550 such accounts, by +0.005 to +0.017 with 1,600, by +0.014 with 4,000."""


def has_accounts(evidence: Evidence) -> bool:
    """Whether accounts may be looked at, and had several leads by then: any, or with ``auto`` very many."""
    wish = evidence.config.features.groups.account
    if wish is False or "account_id" in evidence.refused or "account_id" not in evidence.leads:
        return False
    several = int((evidence.leads["account_id"].value_counts() > 1).sum())
    return several >= (_ENOUGH if wish == "auto" else 1)


def accounts(plan: ActionsPlan) -> Iterator[Piece]:
    """The other leads of the account: how many there are, and what they did."""
    if not plan.account:
        return
    one = partial(Feature, "actions", "colleagues", source=_OTHERS)
    leads = Counted(
        "other lead of the account, created by then", "other leads of the account, created by then"
    )
    acts = Counted("act of the account's other leads", "acts of the account's other leads")
    wanted = Counted(f"high-intent {acts.one}", f"high-intent {acts.many}")
    active = Counted(
        "other lead of the account that was active", "other leads of the account that were active"
    )
    yield Piece((one("created", leads, "count"),), _write_created, "journeys")
    features = (
        *over_windows(one("count", acts, "count", "presence"), plan.windows),
        *over_windows(one("high_intent", wanted, "count"), plan.windows),
        *over_windows(one("active", active, "count"), plan.windows),
        one("days_since", Last(acts.one), "days"),
        one("days_since_high_intent", Last(wanted.one), "days"),
    )
    yield Piece(features, _write_others, "journeys")


class Colleagues:
    """The accounts of the leads asked for. A lead without a known account has no others."""

    def __init__(self, source: Source, events: Events, plan: ActionsPlan) -> None:
        everyone, asked = source.everyone, source.asked
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
        self.asked = np.where(source.lead_row >= 0, self.account[source.place][asked.lead], -1)


def _write_created(given: Colleagues, columns: Columns) -> None:
    source = given.source
    born = given.created[source.place][source.asked.lead]
    of_account = (given.created[given.ranked], given.members, given.asked)
    others = account_kernel.count_created(*of_account, born, source.asked.cutoff)
    columns.fill(slice(None), others)


def _write_others(given: Colleagues, columns: Columns) -> None:
    windows, rows = len(given.plan.windows), len(given.asked)
    nothing = np.broadcast_to(np.float32(0), (rows, 3 * windows))
    never = np.broadcast_to(np.float32(np.nan), (rows, 2))
    columns.fill(slice(None), nothing, never)
    several = np.append(np.diff(given.members) > 1, False)  # the last for a lead without an account
    asking = np.flatnonzero(several[given.asked])
    if len(asking):
        number = np.full(len(given.account), -1, np.int64)  # leads of one account have neighbouring numbers
        number[given.ranked] = np.arange(len(given.ranked))
        _scan_accounts(given, number, asking, columns.target(3 * windows + 2))


def _scan_accounts(
    given: Colleagues, number: Ints, asking: npt.NDArray[np.intp], target: tuple[Floats32, int]
) -> None:
    """The walk over the accounts of the snapshots ``asking``, each of which has several leads."""
    source, events, plan, account = given.source, given.events, given.plan, given.account
    asked = source.asked
    lead_row = source.place[asked.lead[asking]]
    several, unit = np.unique(account[lead_row], return_inverse=True)
    by_account = np.lexsort((asked.cutoff[asking], unit))
    snapshot, lead_row, unit = asking[by_account], lead_row[by_account], unit[by_account]
    cutoff = asked.cutoff[snapshot]
    turn = np.searchsorted(unit, np.arange(len(several) + 1))
    unit_of = np.full(account.max() + 2, -1, np.int32)
    unit_of[several] = np.arange(len(several))
    row_of_act = match_ids(events.table["lead_id"], pd.Index(source.everyone["lead_id"]))
    welcome, wanted = _marks(events, plan)
    code = events.words("action").codes
    unit_of_lead = np.append(unit_of[account], np.int32(-1))  # the last for an act of an unknown lead
    unit_of_act = np.where(welcome[code], unit_of_lead[row_of_act], np.int32(-1))
    order, begin = sorting.sort_by_lead(unit_of_act, events.known, cutoff[turn[1:] - 1])
    lengths = np.array([-1 if isinstance(window, str) else window for window in plan.windows], np.int64)
    for low, high in cut_ranges(begin, turn):
        rows, turns = slice(begin[low], begin[high]), slice(turn[low], turn[high])
        acts, edges = order[rows].copy(), begin[low : high + 1] - begin[low]
        occurred, lead = events.occurred[acts], row_of_act[acts]
        known = np.maximum(events.known[acts], given.created[lead])
        sorting.sort_segments(edges, occurred, known, acts)
        lead = row_of_act[acts]
        entry = np.arange(len(acts))
        sorting.sort_segments(edges, known.copy(), occurred.copy(), entry)
        own = number[lead_row[turns]]
        of_act = number[lead]
        lowest = min(own.min(), of_act.min(initial=own.min()))
        highest = max(own.max(), of_act.max(initial=own.max()))
        account_kernel.write_others(
            *(edges, turn[low : high + 1] - turn[low], snapshot[turns], cutoff[turns]),
            *((own - lowest).astype(np.int32), occurred, known, entry),
            *((of_act - lowest).astype(np.int32), int(highest - lowest + 1), wanted[code[acts]]),
            *(lengths, *target),
        )


def _marks(events: Events, plan: ActionsPlan) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of each action (a missing one last): whether it is welcome, and whether it shows high intent."""
    texts = events.words("action").text
    welcome = np.array([*map(is_positive_signal(plan), texts), False], np.bool_)
    return welcome, welcome & np.array([*map(plan.high_intent.holds, texts), False], np.bool_)
