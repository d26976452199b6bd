"""The leak test: change what was not known at each cutoff at random, and check that no feature moves."""

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
    "require_leak_test",
    "run_leak_test",
    "sample_snapshots",
    "take_leads",
]

_REMOVED, _CHANGED = 0.3, 0.6
"""Shares of the unknown rows that are removed and, of the rest, changed."""

_ADDED = 3
"""Rows added for each lead and table: one exactly at the cutoff, one recorded late, one after it."""

_SPREAD = 400 * DAY
_NEW_TEXT = "a text that occurs nowhere"
_NEW_LEADS = 0.2


@dataclass(frozen=True)
class Perturbed:
    """Journeys with another future, and the number of rows changed, removed and added."""

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
    keep : leads that must stay, as those with a snapshot; leads with a known row stay, too.
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
    """Leads with a row known at the cutoff in any table, such as anonymous visits before the sign-up."""
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
    """Change or remove leads created after their account's cutoff, add others; the leads and their cutoffs."""
    future = creation_times(leads) > cutoff
    gone = future & ~kept & (rng.random(len(leads)) < _REMOVED)
    other = np.flatnonzero(future & ~gone)
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
    """One table with unknown rows removed, changed and added, in another order."""
    lead = ids.get_indexer(pd.Index(table["lead_id"]))
    # The rows of a removed lead go with it.
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
    new = _move(new, np.arange(len(new)), time, cutoff[owner], rng, evenly=True)
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
    evenly: bool = False,
) -> pd.DataFrame:
    """Other, still unknown times for some rows: at the cutoff, after it, or before it but recorded later."""
    n = len(rows)
    kind = np.arange(n) * _ADDED // max(n, 1) if evenly else rng.integers(0, 3, n)
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
    """Move or remove ends that lie at or after the cutoff, or are missing."""
    known = column_to_microseconds(ends, missing=NEVER)
    later = known >= cutoff
    moved = np.where(later, cutoff + rng.integers(0, _SPREAD, len(ends)), known)
    moved = np.where(later & (rng.random(len(ends)) < 0.5), MISSING_TIME, moved)
    return microseconds_to_column(moved, index=ends.index)


def _reword(table: pd.DataFrame, rows: npt.NDArray[np.intp], rng: np.random.Generator) -> pd.DataFrame:
    """Other texts, values and amounts for some rows; the field and the stage stay."""
    changed = table.copy()
    for column in table.columns:
        if column not in ("lead_id", "field", "stage") and column not in _TIMES:
            changed[column] = _redraw(table[column], rows, rng, new_text=column in WORDS)
    return changed


_TIMES = ("occurred_at", "recorded_at", "valid_from", "valid_to")


def _redraw(
    values: pd.Series, rows: npt.NDArray[np.intp], rng: np.random.Generator, *, new_text: bool = False
) -> pd.Series:
    """Values of other rows for some rows; numbers also of another size, texts also new."""
    if len(values) == 0 or len(rows) == 0:
        return values
    drawn = values.to_numpy(dtype=object, copy=True)
    drawn[rows] = drawn[rng.integers(0, len(drawn), len(rows))]
    if values.dtype.kind == "f":
        numbers = drawn.astype(np.float64)
        numbers[rows] *= rng.choice([1.0, -3.0, 1e6], len(rows))
        return pd.Series(numbers, index=values.index)
    if new_text:
        drawn[rows[rng.random(len(rows)) < 0.1]] = _NEW_TEXT
        return pd.Series(drawn, index=values.index).astype("category")
    return pd.Series(drawn, index=values.index).astype(values.dtype)


SNAPSHOTS = 300
_LEADS = 3_000
"""The sampled accounts have at most so many leads in all, so that one enormous account does not cost minutes."""

ROUNDS = 2
_SEED = 20_181_114


@dataclass(frozen=True)
class Moved(Result):
    """A feature that changes with the future, with one such snapshot."""

    feature: str
    """Its name."""
    snapshots: int
    """Snapshots for which it changes."""
    lead_id: str
    """The lead of one of them."""
    before: str
    """Its value for that lead."""
    after: str
    """Its value after the future was changed."""


@dataclass(frozen=True)
class PerturbationTest(Result):
    """What the leak test tried, and which features moved."""

    snapshots: int
    """Snapshots whose features were recomputed."""
    features: int
    """Features of each."""
    rounds: int
    """Repetitions, each with another future."""
    changed: int
    """Rows at or after the cutoffs that were changed, over all rounds."""
    removed: int
    """Rows removed, likewise."""
    added: int
    """Rows added, likewise."""
    moved: tuple[Moved, ...]
    """The features that moved; empty if the test passes."""


def sample_snapshots(leads: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """Draw a few hundred snapshots with a fixed seed, at most one per account.

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
    """The journeys of the sampled leads and of all other leads of their accounts."""
    account = group_leads(journeys.leads)
    sampled = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    leads = journeys.leads[np.isin(account, account[sampled])].reset_index(drop=True)
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


def run_leak_test(journeys: Journeys, snapshots: pd.DataFrame, plan: FeaturePlan) -> PerturbationTest:
    """Change the future and find the features that move.

    Parameters
    ----------
    journeys : of the sampled leads and their accounts, from `take_leads`.
    snapshots : from `sample_snapshots`: at most one for each account.
    plan : any plan; all its features are tested.
    """
    journeys = _in_order(journeys)
    account = group_leads(journeys.leads)
    sampled = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    at = pd.Series(column_to_microseconds(snapshots["cutoff_time"]), index=account[sampled])
    cutoff = at.reindex(account).to_numpy(np.int64)
    keep = np.isin(np.arange(len(cutoff)), sampled)
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
    """The same rows in a fixed order: draws go by position and must not depend on the input's order."""

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
        text = (
            f"it reads the future: other rows at or after the cutoff change it for {moved.snapshots:,} of "
            f"{leak_test.snapshots:,} snapshots (lead {moved.lead_id}: {moved.before} became {moved.after})"
        )
        figures = {"moved": moved.snapshots, "snapshots": leak_test.snapshots}
        clue = Clue("leak_test", text, figures, "certain")
        findings.append(Finding(moved.feature, text, "refused", "certain", (clue,), "feature"))
    return tuple(findings)


def require_leak_test(leak_test: PerturbationTest | None) -> None:
    """Refuse a table with a feature that the future moves; a flat table has no times, and so no leak test.

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
        f"became {worst.after}){more}. Correct or remove it; mqlml check lists them all"
    )
