"""Two versions that predict different outcomes, on the same snapshots: how each ranks both, and whom each would call.

Neither can be the better one, since they answer different questions. What can be said is how well each ranks the
leads by either outcome, and what becomes of the leads that one selects and the other does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import Ranking
from mqlml.results import Result
from mqlml.types import Floats, Mask, Rows

__all__ = ["CalledBy", "CalledGroup", "OutcomeRanking", "TwoOutcomes", "TwoOutcomesRows", "compare_outcomes"]

_N_BOOTSTRAP = 500


@dataclass(frozen=True)
class TwoOutcomesRows:
    """Snapshots with both outcomes and what both versions give them.

    Attributes
    ----------
    converted : two arrays of shape (n,), 0 or 1: the first version's outcome, the second's
    probability : two arrays of shape (n,), the first version's and the second's
    meets : by label that both have, lowest first: who has it or a higher one, by the first and by the second
    group : array of shape (n,), the account, or the lead without one
    """

    converted: tuple[Floats, Floats]
    probability: tuple[Floats, Floats]
    meets: Mapping[str, tuple[Mask, Mask]]
    group: Rows


@dataclass(frozen=True)
class OutcomeRanking(Result):
    """How well both versions rank snapshots by one outcome."""

    converted: int
    """Snapshots that have the outcome."""
    first: Estimate
    """The first version's ROC AUC."""
    second: Estimate
    """The second's."""
    difference: Estimate
    """The second's minus the first's, paired by account."""


@dataclass(frozen=True)
class CalledGroup(Result):
    """Snapshots that the versions agree or differ about."""

    n: int
    """How many."""
    converted: tuple[int, int]
    """Those of them with the first version's outcome, and with the second's."""


@dataclass(frozen=True)
class CalledBy(Result):
    """Who has a label or a higher one from whom."""

    both: CalledGroup
    """From both versions."""
    first_only: CalledGroup
    """From the first alone."""
    second_only: CalledGroup
    """From the second alone."""
    neither: CalledGroup
    """From none."""


@dataclass(frozen=True)
class TwoOutcomes(Result):
    """Two versions on the same snapshots, by both outcomes."""

    by_first: OutcomeRanking
    """By the outcome that the first version predicts."""
    by_second: OutcomeRanking
    """By the outcome that the second version predicts."""
    labels: dict[str, CalledBy]
    """By label that both have, lowest first."""


def compare_outcomes(rows: TwoOutcomesRows, *, random_state: int) -> TwoOutcomes:
    """Compare both versions on the rows, with intervals of a paired bootstrap over accounts.

    Raises
    ------
    PopulationError
        If all rows are of one account.
    """
    bootstrap = ClusterBootstrap(rows.group, n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    return TwoOutcomes(
        by_first=_rank(rows.converted[0], rows.probability, bootstrap),
        by_second=_rank(rows.converted[1], rows.probability, bootstrap),
        labels={label: _count(rows, *meets) for label, meets in rows.meets.items()},
    )


def _rank(y: Floats, probability: tuple[Floats, Floats], bootstrap: ClusterBootstrap) -> OutcomeRanking:
    rankings = [Ranking(y, side) for side in probability]
    whole = [float(ranking.measure(np.ones((1, len(y))))[0][0]) for ranking in rankings]
    drawn = [
        [ranking.measure(counts, bootstrap.codes)[0] for ranking in rankings] for counts in bootstrap.draws()
    ]
    first, second = np.concatenate(drawn, axis=1)
    return OutcomeRanking(
        converted=int(y.sum()),
        first=make_estimate(whole[0], first),
        second=make_estimate(whole[1], second),
        difference=make_estimate(whole[1] - whole[0], second - first),
    )


def _count(rows: TwoOutcomesRows, first: Mask, second: Mask) -> CalledBy:
    def group(members: Mask) -> CalledGroup:
        won, taken = (int(y[members].sum()) for y in rows.converted)
        return CalledGroup(int(members.sum()), (won, taken))

    return CalledBy(
        both=group(first & second),
        first_only=group(first & ~second),
        second_only=group(~first & second),
        neither=group(~first & ~second),
    )
