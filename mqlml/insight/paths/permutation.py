"""Which of many groups of leads win more or less often than comparable leads, with one error rate for all groups.

Outcomes are permuted: those of leads without company among leads of the same stratum, those of an account's leads as
a whole among accounts with as many leads. What is expected is counted again in each permutation, since accounts mix
strata. The largest statistic over all groups in each permutation says how extreme chance alone gets (maxT:
P. Westfall, S. Young, "Resampling-based multiple testing", 1993), so that the more groups are tried, the more each of
them must show. Families of groups share the error rate equally, so that a small family need not pay for a large one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mqlml.compiled import compiled
from mqlml.types import Codes, Floats, Ints, Mask, Rows

__all__ = ["GroupComparison", "compare_groups"]


@dataclass(frozen=True)
class GroupComparison:
    """Groups against comparable leads; arrays of shape (n_groups,).

    Attributes
    ----------
    won : how many of its leads won.
    expected : how many would have, had each won as often as the leads of its stratum.
    statistic : how far both are apart, in about standard deviations.
    p_value : share of permutations in which any group of its family gets so far, the observed outcomes included,
        times the number of families.
    """

    won: Floats
    expected: Floats
    statistic: Floats
    p_value: Floats


@dataclass(frozen=True)
class _Block:
    """Leads that may swap outcomes: shape (accounts, leads of each), and the outcomes of the accounts with a win."""

    leads: Rows
    wins: Mask

    def draw(self, rng: np.random.Generator) -> Rows:
        to = rng.choice(len(self.leads), len(self.wins), replace=False)
        return self.leads[to][self.wins]


def compare_groups(
    holders: tuple[Codes, ...],
    won: Mask,
    *,
    families: Ints,
    strata: Ints,
    clusters: Rows,
    n_permutations: int,
    random_state: int,
) -> GroupComparison:
    """Compare the wins of groups of leads with those of all leads of the same strata.

    Parameters
    ----------
    holders : the leads of each group, ascending.
    won : bool array of shape (n_leads,)
    families : int64 array of shape (n_groups,), from 0; what share of the error rate each group draws on.
    strata : int64 array of shape (n_leads,), from 0; leads of one are alike.
    clusters : array of shape (n_leads,), the account of each lead.
    n_permutations : int
    random_state : int
    """
    n, m = len(won), len(holders)
    start = np.cumsum([0, *(len(leads) for leads in holders)])
    held = sparse.csr_array(
        (np.ones(start[-1], dtype=np.int8), np.concatenate([np.empty(0, np.int32), *holders]), start),
        shape=(m, n),
    ).tocsc()
    group, of_lead = held.indices.astype(np.int32), held.indptr.astype(np.int64)
    size = np.bincount(strata)
    inside = np.zeros((m, len(size)))
    for number, leads in enumerate(holders):
        inside[number] = np.bincount(strata[leads], minlength=len(size))
    vary = inside * (1 - inside / np.maximum(size, 1))

    def measure(winners: Rows) -> tuple[Floats, Floats, Floats]:
        wins = np.zeros(m, dtype=np.int64)
        _count_groups(winners, of_lead, group, wins)
        rate = np.bincount(strata[winners], minlength=len(size)) / np.maximum(size, 1)
        expected = inside @ rate
        return wins.astype(np.float64), expected, _distance(wins, expected, vary @ (rate * (1 - rate)))

    observed = measure(np.flatnonzero(won))
    rng = np.random.default_rng(random_state)
    blocks = _make_blocks(won, strata, clusters)
    extreme = np.ones(m)
    n_families = len(np.unique(families))
    for _ in range(n_permutations):
        drawn = measure(np.concatenate([np.empty(0, np.intp), *(block.draw(rng) for block in blocks)]))
        largest = np.zeros(int(families.max(initial=0)) + 1)
        np.maximum.at(largest, families, np.abs(drawn[2]))
        extreme += largest[families] >= np.abs(observed[2])
    return GroupComparison(*observed, np.minimum(1.0, n_families * extreme / (n_permutations + 1)))


@compiled
def _count_groups(leads: Rows, of_lead: Ints, group: Codes, counts: Ints) -> None:
    """Add the leads to the counts of the groups that hold them."""
    for lead in leads:
        for i in range(of_lead[lead], of_lead[lead + 1]):
            counts[group[i]] += 1


def _distance(won: Ints, expected: Floats, spread: Floats) -> Floats:
    """The signed root of the Poisson deviance, whose tails stay near the normal one where few wins are expected.

    It is scaled from the Poisson's variance to that of a draw without replacement.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = 2 * (np.where(won > 0, won * np.log(won / expected), 0.0) - (won - expected))
        root = np.sign(won - expected) * np.sqrt(np.maximum(deviance, 0.0) * expected / spread)
    return np.where((spread > 1e-9) & (expected > 0), root, 0.0)


def _make_blocks(won: Mask, strata: Ints, clusters: Rows) -> list[_Block]:
    """Leads without company by stratum, accounts by their number of leads; blocks without a win are left out."""
    account, number = np.unique(clusters, return_inverse=True, return_counts=True)[1:]
    together = number[account]
    found: list[Rows] = []
    for stratum in np.unique(strata[together == 1]).tolist():
        found.append(np.flatnonzero((together == 1) & (strata == stratum))[:, None])
    for many in np.unique(together[together > 1]).tolist():
        leads = np.flatnonzero(together == many)
        # Within an account by stratum, so that leads of like strata swap outcomes.
        found.append(leads[np.lexsort((leads, strata[leads], account[leads]))].reshape(-1, many))
    return [_Block(leads, won[leads][won[leads].any(axis=1)]) for leads in found if won[leads].any()]
