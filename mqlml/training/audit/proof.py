"""The proof: a sample of the user's journeys and a plan go in; whether the future moves a feature comes out.

For a few hundred snapshots everything that was not known at the cutoff is changed, removed and added to at random
(`disturb`), and the features are made anew, the user's own included. Not one may be another, to the last bit. What a
function of the user's reads elsewhere, as in a file of its own, this cannot see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mqlml.errors import LeakageError
from mqlml.features import FeaturePlan, build_features
from mqlml.journeys import Journeys
from mqlml.results import Result
from mqlml.times import column_to_microseconds
from mqlml.training.audit.disturb import disturb
from mqlml.training.audit.findings import Clue, Finding
from mqlml.training.snapshots import group_leads

__all__ = ["Moved", "Proof", "moved_findings", "prove", "require_proof", "sample_snapshots", "take_leads"]

SNAPSHOTS = 300
_LEADS = 3_000
"""The sampled accounts' leads in all are no more than this, so that one enormous account does not cost minutes."""

ROUNDS = 2
_SEED = 20_181_114


@dataclass(frozen=True)
class Moved(Result):
    """A feature that the future moved: for how many snapshots, and one of them."""

    feature: str
    snapshots: int
    lead_id: str
    before: str
    after: str


@dataclass(frozen=True)
class Proof(Result):
    """What was tried, and what moved.

    Attributes
    ----------
    snapshots, features, rounds : how many were made, and how often.
    changed, removed, added : rows at or after the cutoffs, over all rounds.
    moved : tuple of Moved; empty if the proof holds.
    """

    snapshots: int
    features: int
    rounds: int
    changed: int
    removed: int
    added: int
    moved: tuple[Moved, ...]


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


def prove(journeys: Journeys, snapshots: pd.DataFrame, plan: FeaturePlan) -> Proof:
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
        other = disturb(journeys, cutoff, np.random.default_rng(stream), keep=keep)
        counts += (other.changed, other.removed, other.added)
        again = build_features(other.journeys, snapshots, plan)
        for found in _compare(honest, again, snapshots["lead_id"]):
            moved.setdefault(found.feature, found)
    changed, removed, added = (int(count) for count in counts)
    return Proof(len(snapshots), honest.shape[1], ROUNDS, changed, removed, added, tuple(moved.values()))


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


def moved_findings(proof: Proof) -> tuple[Finding, ...]:
    """A finding for each feature that moved."""
    findings = []
    for moved in proof.moved:
        says = (
            f"it reads the future: with other rows at or after the cutoff it is another for {moved.snapshots:,} of "
            f"{proof.snapshots:,} snapshots (lead {moved.lead_id}: {moved.before} became {moved.after})"
        )
        figures = {"moved": moved.snapshots, "snapshots": proof.snapshots}
        clue = Clue("proof", says, figures, "certain")
        findings.append(Finding(moved.feature, says, "refused", "certain", (clue,), "feature"))
    return tuple(findings)


def require_proof(proof: Proof | None) -> None:
    """Refuse a table with a feature that the future moves. A flat table has no proof: it has no times.

    Raises
    ------
    LeakageError
    """
    if proof is None or not proof.moved:
        return
    worst = proof.moved[0]
    more = f", and so do {len(proof.moved) - 1:,} more features" if len(proof.moved) > 1 else ""
    raise LeakageError(
        f"the feature {worst.feature!r} must not depend on what comes at or after the cutoff, and it does for "
        f"{worst.snapshots:,} of {proof.snapshots:,} snapshots tried (lead {worst.lead_id}: {worst.before} became "
        f"{worst.after}){more}. Mend or remove it; mqlml check lists them all"
    )
