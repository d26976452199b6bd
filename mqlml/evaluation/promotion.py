"""The promotion rule decides from paired losses whether a challenger may replace the champion.

Both versions predict the same later leads, and each lead gives the difference of their squared errors. A bet on the
challenger multiplies its stake by ``1 + rate * difference`` with every lead. If the challenger is not better on
average, the stake ever reaches ``1 / alpha`` with a probability of at most ``alpha``, so the comparison may be
repeated with every new export.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from mqlml.config import PromotionRule
from mqlml.errors import ScorerError
from mqlml.evaluation.paired import PairedRows
from mqlml.results import Result
from mqlml.texts import format_number, format_percent, pluralize
from mqlml.types import Floats

__all__ = [
    "NO_EVIDENCE",
    "Decision",
    "Evidence",
    "Keep",
    "KeepReason",
    "decide_promotion",
    "first_of_each",
    "make_evidence",
    "measure_stake",
]

RATES = 2.0 ** np.arange(-1.0, 6.5, 0.5)
"""How much is bet on each lead, from 0.5 to 64; the stake is divided evenly among these rates.

The squared errors of probabilities differ by about 0.001, and the rate that grows fastest is that mean divided by the
variance, which is not known beforehand.
"""


def measure_stake(champion: npt.ArrayLike, challenger: npt.ArrayLike, converted: npt.ArrayLike) -> Floats:
    """The stake of a bet that the challenger has the smaller Brier score, after each lead; it begins at 1.

    Parameters
    ----------
    champion, challenger : arrays of shape (n,)
        Probabilities of independent leads, given before the outcomes were known, in an order that later leads do not
        change.
    converted : array of shape (n,), 0 or 1

    Returns
    -------
    ndarray of float64, shape (n,)
        An e-process for the hypothesis that the challenger's mean squared error, averaged over the leads seen so far,
        is not the smaller one, at all times: its expectation at any stopping time is at most 1.

    Notes
    -----
    With ``d`` the champion's squared error minus the challenger's and a fixed rate, the product of ``1 + rate * d``
    divided by that of ``1 + rate * E[d]`` is a martingale, and the latter is at most ``exp(rate * sum of E[d])``,
    which is at most 1 under the hypothesis. A factor must not be negative, so losses must be bounded: what a lead can
    cost at most is known from its two probabilities, and a rate that could lose everything is given up before the
    outcome.

    Y. J. Choe, A. Ramdas, "Comparing sequential forecasters", Operations Research 2024 (arXiv 2110.00115), whose
    hypothesis this is; I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", 2024.
    """
    p, q, y = (np.asarray(values, dtype=np.float64) for values in (champion, challenger, converted))
    if not (p.shape == q.shape == y.shape and p.ndim == 1):
        raise ScorerError(
            f"a comparison needs two probabilities and an outcome for each lead; found shapes {p.shape}, {q.shape} "
            f"and {y.shape}"
        )
    difference = (p - y) ** 2 - (q - y) ** 2
    at_worst = -np.minimum(p**2 - q**2, (1 - p) ** 2 - (1 - q) ** 2)
    alive = np.maximum.accumulate(at_worst)[:, None] * RATES < 1
    factor = np.where(alive, 1 + RATES * difference[:, None], 1.0)
    with np.errstate(over="ignore"):  # a stake above 1e308 is as convincing as an infinite one
        stakes: Floats = np.where(alive, np.exp(np.cumsum(np.log(factor), axis=0)), 0.0).mean(axis=1)
    return stakes


def first_of_each(groups: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """The position of the first row of each account or lead, in order of the rows.

    Later snapshots of an account share its fate and are no independent news; and the first one stays the first when
    more are added.
    """
    return np.sort(np.unique(np.asarray(groups), return_index=True)[1])


@dataclass(frozen=True)
class Evidence(Result):
    """What the promotion rule reads."""

    snapshots: int
    """Snapshots that neither version learned from."""
    accounts: int
    """Accounts, or leads without one; the test takes the first snapshot of each."""
    conversions: int
    """Of these first snapshots, those that convert."""
    for_challenger: float
    """The highest stake so far of a bet that the challenger's Brier score is lower; the bet began at 1."""
    for_champion: float
    """The same of a bet that the champion's is lower."""
    open_leads: int
    """Leads that are open now and that both versions score."""
    changed: int
    """Of these, how many get another label from the challenger."""

    @property
    def changed_share(self) -> float:
        """The share of the open leads that get another label."""
        return self.changed / self.open_leads if self.open_leads else 0.0


NO_EVIDENCE = Evidence(0, 0, 0, for_challenger=1.0, for_champion=1.0, open_leads=0, changed=0)
"""Of no later snapshots and no open leads."""


def make_evidence(rows: PairedRows) -> Evidence:
    """What later snapshots tell, without the open leads."""
    first = first_of_each(rows.group)
    p, q, y = (
        values[first] for values in (rows.champion.probability, rows.challenger.probability, rows.converted)
    )
    return replace(
        NO_EVIDENCE,
        snapshots=len(rows.converted),
        accounts=len(first),
        conversions=int(y.sum()),
        for_challenger=_highest(measure_stake(p, q, y)),
        for_champion=_highest(measure_stake(q, p, y)),
    )


def _highest(stake: Floats) -> float:
    return float(min(stake.max(initial=1.0), np.finfo(np.float64).max))


Keep = Literal[
    "damaged_data",
    "nothing_to_compare",
    "few_conversions",
    "not_shown_better",
    "shown_worse",
    "changes_labels",
]
"""Why a challenger is not promoted."""


_NAMED = 3
"""Signals that are gone and are named."""


@dataclass(frozen=True)
class KeepReason(Result):
    """One reason against a promotion."""

    kind: Keep
    """Which condition does not hold."""
    text: str
    """The same as a sentence for people."""


@dataclass(frozen=True)
class Decision(Result):
    """What the promotion rule says."""

    promote: bool
    """Whether the challenger may replace the champion."""
    reasons: tuple[KeepReason, ...]
    """Why not; empty where it may."""
    alpha: float
    """``promotion.alpha``, by which it was decided."""


def decide_promotion(evidence: Evidence, rule: PromotionRule, *, gone: Sequence[str] = ()) -> Decision:
    """Apply the rule of the config's section ``promotion``.

    Parameters
    ----------
    gone : signals, as sentences, that the champion learned from and that are gone from the data since: what is
        measured on such data, or learned from it, is no reason for a change.

    Examples
    --------
    >>> found = Evidence(2000, 900, 60, for_challenger=35.0, for_champion=1.0, open_leads=400, changed=20)
    >>> decide_promotion(found, PromotionRule()).promote
    True
    >>> [reason.kind for reason in decide_promotion(found, PromotionRule(alpha=0.01)).reasons]
    ['not_shown_better']
    """
    reasons = []
    needed = 1 / rule.alpha
    if gone:
        more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
        reasons.append(
            KeepReason(
                "damaged_data",
                f"the data is damaged: hardly any lead has these signals any more: {'; '.join(gone[:_NAMED])}{more}. "
                "Fix the data and train again",
            )
        )
    if evidence.snapshots == 0:
        reasons.append(
            KeepReason(
                "nothing_to_compare",
                "there are no later snapshots with known outcomes that neither version learned from",
            )
        )
    elif evidence.conversions < rule.min_conversions:
        reasons.append(
            KeepReason(
                "few_conversions",
                f"{pluralize(evidence.conversions, 'conversion')} to compare on, and {rule.min_conversions} are "
                "needed (promotion.min_conversions)",
            )
        )
    if evidence.snapshots and evidence.for_champion >= needed:
        reasons.append(
            KeepReason(
                "shown_worse",
                f"the champion predicts better: the evidence for it is {format_number(evidence.for_champion, 1)}, "
                f"and {format_number(needed)} is enough (1 / promotion.alpha)",
            )
        )
    elif evidence.snapshots and evidence.for_challenger < needed:
        reasons.append(
            KeepReason(
                "not_shown_better",
                f"it is not shown to be better: the evidence is {format_number(evidence.for_challenger, 1)}, and "
                f"{format_number(needed)} is needed (1 / promotion.alpha)",
            )
        )
    if rule.max_changed is not None and evidence.changed_share > rule.max_changed:
        reasons.append(
            KeepReason(
                "changes_labels",
                f"{format_percent(evidence.changed_share)} of the open leads would change their label, more than "
                f"{format_percent(rule.max_changed)} (promotion.max_changed)",
            )
        )
    return Decision(not reasons, tuple(reasons), rule.alpha)
