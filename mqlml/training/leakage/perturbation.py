"""Disturbance: journeys with a cutoff for each lead go in; the same journeys with another future come out.

Whatever was not known at a lead's cutoff is changed, removed and added to at random; what was known stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import LeakageError
from mqlml.features import FeaturePlan, build_features
from mqlml.journeys import Journeys
from mqlml.journeys.contract import WORDS
from mqlml.results import Result
from mqlml.times import DAY, MISSING_TIME, NEVER, column_to_microseconds, microseconds_to_column
from mqlml.training.leakage.findings import Clue, Finding
from mqlml.training.snapshots import creation_times, first_known, group_leads
from mqlml.types import Micros

__all__ = [
    "Moved",
    "PerturbationTest",
    "Perturbed",
    "perturb",
    "perturbation_findings",
    "prove",
    "require_leak_test",
    "sample_snapshots",
    "take_leads",
]

_REMOVED, _CHANGED = 0.3, 0.6
"""Shares of the unknown rows that are removed, and, of the rest, changed."""

_ADDED = 3
"""Rows added for each lead and table: one at the cutoff to the microsecond, one recorded late, one after it."""

_SPREAD = 400 * DAY
_NEW_WORD = "a word nobody has used yet"
_NEW_LEADS = 0.2


@dataclass(frozen=True)
class Perturbed:
    """Journeys with another future, and how many rows that took."""

    journeys: Journeys
    changed: int
    removed: int
    added: int


def perturb(
    journeys: Journeys, cutoff: Micros, rng: np.random.Generator, *, keep: npt.NDArray[np.bool_]
) -> Perturbed:
    """Give each lead another future.

    Parameters
    ----------
    cutoff : int64 microseconds, one per row of ``journeys.leads``, the same for all leads of an account.
    keep : leads that must be there still, as those asked for; so must those of whom any row was known.
    """
    counts = np.zeros(3, np.int64)
    keep = keep | _known_leads(journeys, cutoff)
    leads, cutoff = _perturb_leads(journeys.leads, cutoff, keep, rng, counts)
    ids = pd.Index(leads["lead_id"])
    other = replace(
        journeys,
        leads=leads,
        events=_perturb_rows(journeys.events, "occurred_at", ids, cutoff, rng, counts),
        history=_perturb_rows(journeys.history, "valid_from", ids, cutoff, rng, counts),
        outcomes=_perturb_rows(journeys.outcomes, "occurred_at", ids, cutoff, rng, counts),
    )
    changed, removed, added = (int(count) for count in counts)
    return Perturbed(other, changed, removed, added)


def _known_leads(journeys: Journeys, cutoff: Micros) -> npt.NDArray[np.bool_]:
    """Leads with a row in any table that was known at the cutoff, as anonymous visits before the sign-up are."""
    known = np.zeros(len(journeys.leads), np.bool_)
    ids = pd.Index(journeys.leads["lead_id"])
    for table, time in (
        (journeys.events, "occurred_at"),
        (journeys.history, "valid_from"),
        (journeys.outcomes, "occurred_at"),
    ):
        lead = ids.get_indexer(pd.Index(table["lead_id"]))
        since = first_known(table, time)
        known[lead[(lead >= 0) & (since < cutoff[lead])]] = True
    return known


def _perturb_leads(
    leads: pd.DataFrame,
    cutoff: Micros,
    kept: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    counts: npt.NDArray[np.int64],
) -> tuple[pd.DataFrame, Micros]:
    """Leads that come after their account's cutoff are changed or removed, and further ones come; their cutoffs."""
    unborn = creation_times(leads) > cutoff
    gone = unborn & ~kept & (rng.random(len(leads)) < _REMOVED)
    other = np.flatnonzero(unborn & ~gone)
    keep = ~gone
    changed = leads.copy()
    attributes = [name for name in leads.columns if name not in ("lead_id", "account_id", "created_at")]
    for name in attributes:
        changed[name] = _redraw(leads[name], other, rng)
    counts += (len(other), int(gone.sum()), 0)
    changed, cutoff = changed[keep], cutoff[keep]
    if "account_id" not in leads or len(changed) == 0:
        return changed.reset_index(drop=True), cutoff
    n = max(int(len(changed) * _NEW_LEADS), 1)
    rows = rng.integers(0, len(changed), n)
    new = changed.iloc[rows].reset_index(drop=True)
    new["created_at"] = microseconds_to_column(
        cutoff[rows] + 1 + rng.integers(0, _SPREAD, n), index=new.index
    )
    new["lead_id"] = _new_ids(leads["lead_id"], n)
    for name in attributes:
        new[name] = _redraw(new[name], np.arange(n), rng)
    counts += (0, 0, n)
    return pd.concat([changed, new], ignore_index=True), np.concatenate([cutoff, cutoff[rows]])


def _new_ids(ids: pd.Series, n: int) -> pd.Series:
    if pd.api.types.is_integer_dtype(ids.dtype):
        return pd.Series(int(ids.max()) + 1 + np.arange(n), dtype=ids.dtype)
    longest = max(map(len, ids.astype("str")))
    return pd.Series([f"{'z' * longest}{number}" for number in range(n)], dtype=ids.dtype)


def _perturb_rows(
    table: pd.DataFrame,
    time: str,
    ids: pd.Index,
    cutoff: Micros,
    rng: np.random.Generator,
    counts: npt.NDArray[np.int64],
) -> pd.DataFrame:
    """One table with its unknown rows removed, changed and added to, all rows in another order."""
    lead = ids.get_indexer(pd.Index(table["lead_id"]))
    # Rows of a lead that has just been removed go with it.
    table, lead = table[lead >= 0].reset_index(drop=True), lead[lead >= 0]
    if len(table) == 0:
        return table
    at = cutoff[lead]
    unknown = first_known(table, time) >= at
    gone = unknown & (rng.random(len(table)) < _REMOVED)
    other = np.flatnonzero(unknown & ~gone & (rng.random(len(table)) < _CHANGED))
    changed = _move(_reword(table, other, rng), other, time, at[other], rng)
    if "valid_to" in changed:
        changed["valid_to"] = _other_ends(changed["valid_to"], at, rng)
    owner = np.tile(np.arange(len(ids)), _ADDED)
    new = table.iloc[rng.integers(0, len(table), len(owner))].reset_index(drop=True)
    new = _reword(new, np.arange(len(new)), rng)
    new["lead_id"] = pd.Series(ids[owner], index=new.index).astype(table["lead_id"].dtype)
    new = _move(new, np.arange(len(new)), time, cutoff[owner], rng, by_turns=True)
    if "valid_to" in new:
        new["valid_to"] = pd.Series(pd.NaT, index=new.index, dtype=table["valid_to"].dtype)
    counts += (len(other), int(gone.sum()), len(new))
    both = pd.concat([changed[~gone], new], ignore_index=True)
    for column in both.columns:
        if isinstance(table[column].dtype, pd.CategoricalDtype):
            both[column] = both[column].astype("category")
    return both.iloc[rng.permutation(len(both))].reset_index(drop=True)


def _move(
    table: pd.DataFrame,
    rows: npt.NDArray[np.intp],
    time: str,
    cutoff: Micros,
    rng: np.random.Generator,
    *,
    by_turns: bool = False,
) -> pd.DataFrame:
    """Other times for some rows, still unknown: at the cutoff, before it but recorded at or after it, or after it."""
    n = len(rows)
    kind = np.arange(n) * _ADDED // max(n, 1) if by_turns else rng.integers(0, 3, n)
    away = rng.integers(0, _SPREAD, n)
    happened = cutoff + np.choose(kind, [np.zeros(n, np.int64), -1 - away, away])
    recorded = np.where(kind == 1, cutoff + rng.integers(0, 2, n) * rng.integers(0, _SPREAD, n), happened)
    moved = table.copy()
    for column, values in ((time, happened), ("recorded_at", recorded)):
        all_values = column_to_microseconds(table[column])
        all_values[rows] = values
        moved[column] = microseconds_to_column(all_values, index=table.index)
    return moved


def _other_ends(ends: pd.Series, cutoff: Micros, rng: np.random.Generator) -> pd.Series:
    """Ends that lie at or after the cutoff, or nowhere yet, come at another time, or not."""
    known = column_to_microseconds(ends, missing=NEVER)
    later = known >= cutoff
    moved = np.where(later, cutoff + rng.integers(0, _SPREAD, len(ends)), known)
    moved = np.where(later & (rng.random(len(ends)) < 0.5), MISSING_TIME, moved)
    return microseconds_to_column(moved, index=ends.index)


def _reword(table: pd.DataFrame, rows: npt.NDArray[np.intp], rng: np.random.Generator) -> pd.DataFrame:
    """Other words, values and amounts for some rows. What a change of an attribute is about, stays."""
    changed = table.copy()
    for column in table.columns:
        if column not in ("lead_id", "field", "stage") and column not in _TIMES:
            changed[column] = _redraw(table[column], rows, rng, new_word=column in WORDS)
    return changed


_TIMES = ("occurred_at", "recorded_at", "valid_from", "valid_to")


def _redraw(
    values: pd.Series, rows: npt.NDArray[np.intp], rng: np.random.Generator, *, new_word: bool = False
) -> pd.Series:
    """Values of other rows for some rows; numbers also of another size, words also new."""
    if len(values) == 0 or len(rows) == 0:
        return values
    drawn = values.to_numpy(dtype=object, copy=True)
    drawn[rows] = drawn[rng.integers(0, len(drawn), len(rows))]
    if values.dtype.kind == "f":
        numbers = drawn.astype(np.float64)
        numbers[rows] *= rng.choice([1.0, -3.0, 1e6], len(rows))
        return pd.Series(numbers, index=values.index)
    if new_word:
        drawn[rows[rng.random(len(rows)) < 0.1]] = _NEW_WORD
        return pd.Series(drawn, index=values.index).astype("category")
    return pd.Series(drawn, index=values.index).astype(values.dtype)


SNAPSHOTS = 300
_LEADS = 3_000
"""The sampled accounts' leads in all are no more than this, so that one enormous account does not cost minutes."""

ROUNDS = 2
_SEED = 20_181_114


@dataclass(frozen=True)
class Moved(Result):
    """A feature that the future moved: for how many snapshots, and one of them."""

    feature: str
    """Its name."""
    snapshots: int
    """Snapshots for which it moved."""
    lead_id: str
    """The lead of one of them."""
    before: str
    """Its value for that lead."""
    after: str
    """Its value after the future was changed."""


@dataclass(frozen=True)
class PerturbationTest(Result):
    """What was tried, and what moved."""

    snapshots: int
    """Snapshots whose features were made again."""
    features: int
    """Features of each."""
    rounds: int
    """How often, each time with another future."""
    changed: int
    """Rows at or after the cutoffs that were changed, over all rounds."""
    removed: int
    """Rows removed, likewise."""
    added: int
    """Rows added, likewise."""
    moved: tuple[Moved, ...]
    """The features that moved; empty if the proof holds."""


def sample_snapshots(leads: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """A few hundred of the snapshots, drawn with a fixed seed, no two of one account.

    Two of one account would each be the other's future.

    Parameters
    ----------
    leads : DataFrame with ``lead_id`` and, where there is one, ``account_id``.
    snapshots : DataFrame with ``lead_id`` and ``cutoff_time``.

    Returns
    -------
    DataFrame with ``lead_id``, ``cutoff_time``.
    """
    account = group_leads(leads)
    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    rng = np.random.default_rng(_SEED)
    drawn = rng.permutation(len(snapshots))
    _, first = np.unique(account[lead[drawn]], return_index=True)
    drawn = drawn[np.sort(first)]
    size = np.unique(account, return_counts=True)[1][np.unique(account, return_inverse=True)[1]]
    enough = np.cumsum(size[lead[drawn]]) <= _LEADS
    enough[:1] = True
    rows = drawn[enough][:SNAPSHOTS]
    return snapshots.iloc[rows][["lead_id", "cutoff_time"]].reset_index(drop=True)


def take_leads(journeys: Journeys, snapshots: pd.DataFrame) -> Journeys:
    """The journeys of the leads that are asked for and of all others of their accounts."""
    account = group_leads(journeys.leads)
    asked = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    leads = journeys.leads[np.isin(account, account[asked])].reset_index(drop=True)
    ids = pd.Index(leads["lead_id"])

    def take(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["lead_id"].isin(ids).to_numpy()].reset_index(drop=True)

    return replace(
        journeys,
        leads=leads,
        events=take(journeys.events),
        outcomes=take(journeys.outcomes),
        history=take(journeys.history),
    )


def prove(journeys: Journeys, snapshots: pd.DataFrame, plan: FeaturePlan) -> PerturbationTest:
    """Change the future and look whether a feature moves.

    Parameters
    ----------
    journeys : of the sampled leads and their accounts, from `take_leads`.
    snapshots : from `sample_snapshots`: at most one for each account.
    plan : any plan; whatever it makes is held to the proof.
    """
    journeys = _in_order(journeys)
    account = group_leads(journeys.leads)
    asked = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    at = pd.Series(column_to_microseconds(snapshots["cutoff_time"]), index=account[asked])
    cutoff = at.reindex(account).to_numpy(np.int64)
    keep = np.isin(np.arange(len(cutoff)), asked)
    honest = build_features(journeys, snapshots, plan)
    counts = np.zeros(3, np.int64)
    moved: dict[str, Moved] = {}
    for stream in np.random.SeedSequence(_SEED).spawn(ROUNDS):
        other = perturb(journeys, cutoff, np.random.default_rng(stream), keep=keep)
        counts += (other.changed, other.removed, other.added)
        again = build_features(other.journeys, snapshots, plan)
        for found in _compare(honest, again, snapshots["lead_id"]):
            moved.setdefault(found.feature, found)
    changed, removed, added = (int(count) for count in counts)
    return PerturbationTest(
        len(snapshots), honest.shape[1], ROUNDS, changed, removed, added, tuple(moved.values())
    )


def _in_order(journeys: Journeys) -> Journeys:
    """The same rows in an order of their own: draws go by place, and must not depend on how the rows came."""

    def order(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
        return table.sort_values(["lead_id", *columns], kind="stable", ignore_index=True)

    return replace(
        journeys,
        leads=order(journeys.leads),
        events=order(journeys.events, "occurred_at", "recorded_at"),
        outcomes=order(journeys.outcomes, "occurred_at", "recorded_at"),
        history=order(journeys.history, "valid_from", "recorded_at"),
    )


def _compare(honest: pd.DataFrame, again: pd.DataFrame, lead_id: pd.Series) -> list[Moved]:
    found = []
    for name in honest.columns:
        before, after = honest[name], again[name]
        if before.equals(after):
            continue
        same = (before == after) | (before.isna() & after.isna())
        rows = np.flatnonzero(~same.to_numpy(np.bool_))
        first = int(rows[0])
        found.append(
            Moved(
                str(name),
                len(rows),
                str(lead_id.iloc[first]),
                str(before.iloc[first]),
                str(after.iloc[first]),
            )
        )
    return found


def perturbation_findings(leak_test: PerturbationTest) -> tuple[Finding, ...]:
    """A finding for each feature that moved."""
    findings = []
    for moved in leak_test.moved:
        says = (
            f"it reads the future: with other rows at or after the cutoff it is another for {moved.snapshots:,} of "
            f"{leak_test.snapshots:,} snapshots (lead {moved.lead_id}: {moved.before} became {moved.after})"
        )
        figures = {"moved": moved.snapshots, "snapshots": leak_test.snapshots}
        clue = Clue("leak_test", says, figures, "certain")
        findings.append(Finding(moved.feature, says, "refused", "certain", (clue,), "feature"))
    return tuple(findings)


def require_leak_test(leak_test: PerturbationTest | None) -> None:
    """Refuse a table with a feature that the future moves. A flat table has no proof: it has no times.

    Raises
    ------
    LeakageError
    """
    if leak_test is None or not leak_test.moved:
        return
    worst = leak_test.moved[0]
    more = f", and so do {len(leak_test.moved) - 1:,} more features" if len(leak_test.moved) > 1 else ""
    raise LeakageError(
        f"the feature {worst.feature!r} must not depend on what comes at or after the cutoff, and it does for "
        f"{worst.snapshots:,} of {leak_test.snapshots:,} snapshots tried (lead {worst.lead_id}: {worst.before} "
        f"became {worst.after}){more}. Mend or remove it; mqlml check lists them all"
    )
