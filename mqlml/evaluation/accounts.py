"""Accounts: how likely it is that any of an account's open leads converts, learned from later leads.

Leads of one account share its fate, so their probabilities do not multiply as if they were independent. With
dependence d, the probability that any converts lies between that of independent leads, 1 - (1 - p1)(1 - p2)…, at
d = 0, and a bound of Fréchet's: the largest p at d = 1 (whenever one converts, the likeliest does too), or the sum
of all p, at most 1, at d = -1 (at most one converts). An account with one open lead has that lead's probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from mqlml.results import Number, Result
from mqlml.types import Floats, Ints, Labels, Rows

__all__ = [
    "AccountCalibration",
    "AccountRows",
    "evaluate_accounts",
    "fit_dependence",
    "join_probabilities",
    "latest_rows",
]

_SPREAD = 0.5
"""Standard deviation of the prior of the dependence: with hardly any accounts to learn from it stays near 0."""

_CLOSEST = 1e-9


@dataclass(frozen=True)
class AccountCalibration(Result):
    """How the probabilities of an account's leads combine, and how that held on the held-out period."""

    dependence: float
    """How much leads of one account share their fate: 0 not at all, 1 as far as they can; below 0, they exclude each
    other. Of the version that ships."""
    learned_from: int
    """Accounts with several open leads that it was learned from."""
    accounts: int
    """Accounts with several open leads in the held-out period."""
    converted: int
    """Those of them of which a lead converts."""
    predicted: Number
    """How many the model of the past predicts, with the dependence learned before the period."""
    predicted_independent: Number
    """How many it predicts if leads of one account are taken for independent."""
    log_loss: Number
    """Log loss of the predictions, nats per account."""
    log_loss_independent: Number
    """Log loss if leads are taken for independent."""


@dataclass(frozen=True)
class AccountRows:
    """Leads of accounts at one time each.

    Attributes
    ----------
    probability : ndarray of float64, of each lead
    label : ndarray, 1 where it converts
    unit : ndarray of int, 0, 1, …: the account, and the period if there are several, of each lead
    """

    probability: Floats
    label: Labels
    unit: Rows

    @property
    def outcome(self) -> Floats:
        """1 for each unit of which a lead converts."""
        return (np.bincount(self.unit, self.label) > 0).astype(np.float64)

    def only_several(self) -> AccountRows:
        """The units of more than one lead."""
        several = np.bincount(self.unit)[self.unit] > 1 if len(self.unit) else np.zeros(0, np.bool_)
        return AccountRows(
            self.probability[several],
            self.label[several],
            np.unique(self.unit[several], return_inverse=True)[1],
        )


def join_probabilities(probability: Floats, unit: Rows, dependence: float) -> Floats:
    """The probability that any lead of each unit converts.

    Parameters
    ----------
    probability : array of shape (n,), calibrated, of each lead.
    unit : array of shape (n,), the unit of each lead: 0, 1, …, each with a lead.
    dependence : float between -1 and 1

    Examples
    --------
    >>> import numpy as np
    >>> chances, unit = np.array([0.5, 0.2, 0.3]), np.array([0, 0, 1])
    >>> [join_probabilities(chances, unit, d).round(3).tolist() for d in (0, 1, -1)]
    [[0.6, 0.3], [0.5, 0.3], [0.7, 0.3]]
    """
    n = int(unit.max()) + 1 if len(unit) else 0
    independent = -np.expm1(np.bincount(unit, np.log1p(-probability), n))
    if dependence >= 0:
        bound = np.zeros(n)
        np.maximum.at(bound, unit, probability)
    else:
        bound = np.minimum(np.bincount(unit, probability, n), 1.0)
    joined: Floats = independent + abs(dependence) * (bound - independent)
    return joined


def fit_dependence(rows: AccountRows) -> float:
    """The dependence under which the outcomes of accounts with several leads are likeliest; 0 without any."""
    rows = rows.only_several()
    if not len(rows.unit):
        return 0.0
    outcome = rows.outcome

    def loss(dependence: float) -> float:
        joined = join_probabilities(rows.probability, rows.unit, dependence)
        return float(_log_losses(outcome, joined).sum()) + (dependence / _SPREAD) ** 2 / 2

    # The likelihood has a bend at 0, so each side is searched for itself.
    sides = [minimize_scalar(loss, bounds=side, method="bounded") for side in ((-1.0, 0.0), (0.0, 1.0))]
    best = min(sides, key=lambda side: float(side.fun))
    return float(best.x) if best.fun < loss(0.0) else 0.0


def latest_rows(time: Ints, lead: Ints, group: Ints, period: Rows, span: int) -> tuple[Rows, Rows]:
    """The last snapshot of each lead in each period, as far as it lies within ``span`` of its account's last one.

    Parameters
    ----------
    time, lead, group, period : of each snapshot; the group is the account, or the lead where it has none.

    Returns
    -------
    rows : positions of these snapshots.
    unit : of each of them, its account and period: 0, 1, …
    """
    order = np.lexsort((time, lead, period))
    last = np.ones(len(time), dtype=np.bool_)
    same = (lead[order][1:] == lead[order][:-1]) & (period[order][1:] == period[order][:-1])
    last[:-1] = ~same
    kept = order[last]
    _, unit = np.unique(np.stack([group[kept], period[kept]]), axis=1, return_inverse=True)
    unit = unit.ravel()
    newest = np.full(int(unit.max()) + 1 if len(unit) else 0, np.iinfo(time.dtype).min)
    np.maximum.at(newest, unit, time[kept])
    near = time[kept] > newest[unit] - span
    return kept[near], np.unique(unit[near], return_inverse=True)[1]


def evaluate_accounts(past: AccountRows, held_out: AccountRows, later: AccountRows) -> AccountCalibration:
    """Learn the dependence on the past, evaluate it on the held-out period, and learn it from both for the version.

    Parameters
    ----------
    past : out-of-time predictions, each period at its own level, which is no matter of dependence.
    held_out : as the model of the past predicts it.
    later : the held-out period at its own level, to learn from.
    """
    rows = held_out.only_several()
    together = AccountRows(
        np.concatenate([past.probability, later.probability]),
        np.concatenate([past.label, later.label]),
        np.concatenate([past.unit, later.unit + (int(past.unit.max()) + 1 if len(past.unit) else 0)]),
    )
    outcome = rows.outcome
    joined = join_probabilities(rows.probability, rows.unit, fit_dependence(past))
    independent = join_probabilities(rows.probability, rows.unit, 0.0)
    return AccountCalibration(
        dependence=fit_dependence(together),
        learned_from=len(together.only_several().outcome),
        accounts=len(outcome),
        converted=int(outcome.sum()),
        predicted=float(joined.sum()),
        predicted_independent=float(independent.sum()),
        log_loss=_mean_loss(outcome, joined),
        log_loss_independent=_mean_loss(outcome, independent),
    )


def _mean_loss(outcome: Floats, probability: Floats) -> float:
    return float(_log_losses(outcome, probability).mean()) if len(outcome) else float("nan")


def _log_losses(outcome: Floats, probability: Floats) -> Floats:
    chance = np.clip(probability, _CLOSEST, 1 - _CLOSEST)
    losses: Floats = -(outcome * np.log(chance) + (1 - outcome) * np.log1p(-chance))
    return losses
