"""Accounts: how likely it is that any of an account's open leads converts, and whether later accounts bore that out.

If leads converted independently, that would be 1 - (1 - p1)(1 - p2)…, the noisy-or. They need not: a company may
mark all contacts of an account as won with its one deal, and then an account converts as often as its likeliest lead.
The dependence, one number between 0 and 1, says how far the probability lies from the noisy-or to the highest p. It
is 0 unless outcomes of the past show it beyond noise. An account with one open lead has that lead's probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from mqlml.evaluation.metrics import log_losses
from mqlml.results import Number, Result
from mqlml.types import Floats, Labels, Mask, Rows

__all__ = [
    "AccountCalibration",
    "AccountFigures",
    "AccountRows",
    "evaluate_accounts",
    "fit_dependence",
    "join_probabilities",
]

_NOISE = 0.05
"""What accounts with independent leads show with at most this probability is beyond noise."""

_LEAST = 1e-12
"""Of a variance: many likely leads make a noisy-or that rounds to 1."""


@dataclass(frozen=True)
class AccountFigures(Result):
    """Predicted and actual conversions of some accounts."""

    accounts: int
    """Accounts with an open lead; an account counts once on each date."""
    converted: int
    """Those of them of which a lead converts within the horizon."""
    predicted: Number
    """How many the model of the past predicts."""
    log_loss: Number
    """Log loss of these predictions, nats per account."""


@dataclass(frozen=True)
class AccountCalibration(Result):
    """How the probabilities of an account's leads combine, and how that held on the held-out period."""

    dependence: float
    """How far leads of one account share their fate: 0 not at all, 1 entirely. Of the version that ships."""
    learned_from: int
    """Accounts with several open leads that it was learned from; an account counts once on each date."""
    all: AccountFigures
    """All accounts of the held-out period, by the dependence learned before it."""
    several: AccountFigures
    """Those with several open leads."""
    several_independent: AccountFigures
    """The same, predicted as if their leads were independent."""


@dataclass(frozen=True)
class AccountRows:
    """Leads that were open at some moments.

    Attributes
    ----------
    probability : ndarray of float64
    label : ndarray, 1 where the lead converts.
    account : ndarray of int
    moment : ndarray of int
    """

    probability: Floats
    label: Labels
    account: Rows
    moment: Rows

    @classmethod
    def join(cls, parts: Sequence[AccountRows]) -> AccountRows:
        """The leads of all parts."""
        columns = zip(
            *((part.probability, part.label, part.account, part.moment) for part in parts), strict=True
        )
        return cls(*(np.concatenate(column) for column in columns))

    @property
    def unit(self) -> Rows:
        """A number for each account at each moment: 0, 1, …"""
        moment = np.unique(self.moment, return_inverse=True)[1]
        pair = moment * (int(self.account.max(initial=0)) + 1) + self.account
        unit: Rows = np.unique(pair, return_inverse=True)[1]
        return unit

    def several(self) -> Mask:
        """Which leads are of an account with several open leads at the moment."""
        unit = self.unit
        found: Mask = np.bincount(unit)[unit] > 1
        return found

    def take(self, rows: Rows | Mask) -> AccountRows:
        """Some of the leads."""
        return AccountRows(self.probability[rows], self.label[rows], self.account[rows], self.moment[rows])


def join_probabilities(probability: Floats, unit: Rows, dependence: float) -> Floats:
    """The probability that any lead of each unit converts.

    Parameters
    ----------
    probability : array of shape (n,), calibrated, of each lead.
    unit : array of shape (n,), the unit of each lead: 0, 1, …, each with a lead.
    dependence : float between 0 and 1

    Examples
    --------
    >>> import numpy as np
    >>> chances, unit = np.array([0.5, 0.2, 0.3]), np.array([0, 0, 1])
    >>> [join_probabilities(chances, unit, d).round(3).tolist() for d in (0, 0.5, 1)]
    [[0.6, 0.3], [0.55, 0.3], [0.5, 0.3]]
    """
    independent, highest = _bounds(probability, unit)
    joined: Floats = independent + dependence * (highest - independent)
    return joined


def _bounds(probability: Floats, unit: Rows) -> tuple[Floats, Floats]:
    """The noisy-or and the highest probability of each unit."""
    highest = np.zeros(int(unit.max(initial=-1)) + 1)
    np.maximum.at(highest, unit, probability)
    return -np.expm1(np.bincount(unit, np.log1p(-probability), len(highest))), highest


def fit_dependence(rows: AccountRows) -> float:
    """The dependence under which the outcomes are likeliest; 0 unless they show one beyond noise.

    Parameters
    ----------
    rows : AccountRows
        With probabilities that add up to as many conversions as there were: a level that is wrong is no dependence.

    Notes
    -----
    The test is that of the score at 0, one-sided, with the accounts as the independent units: an account that is
    open at several moments tells hardly more than at one.
    """
    rows = rows.take(rows.several())
    independent, highest = _bounds(rows.probability, rows.unit)
    outcome = _outcome(rows)
    _, first = np.unique(rows.unit, return_index=True)
    variance = np.maximum(independent * (1 - independent), _LEAST)
    slope = (highest - independent) * (outcome - independent) / variance
    per_account = np.bincount(rows.account[first], slope)
    if per_account.sum() <= norm.isf(_NOISE) * math.sqrt(float(per_account @ per_account)):
        return 0.0

    def loss(dependence: float) -> float:
        return float(log_losses(outcome, independent + dependence * (highest - independent)).sum())

    # The loss is convex, so the search finds its least value.
    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)


def evaluate_accounts(
    past: Sequence[AccountRows], held_out: AccountRows, later: AccountRows
) -> AccountCalibration:
    """Learn the dependence on the past, evaluate it on the held-out period, and learn it from both for the version.

    Parameters
    ----------
    past : at least one, out-of-time predictions, each period at its own level.
    held_out : as the model of the past predicts it.
    later : the same leads at the period's own level, to learn from.
    """
    several = held_out.take(held_out.several())
    dependence = fit_dependence(AccountRows.join(past))
    together = AccountRows.join([*past, later])
    return AccountCalibration(
        dependence=fit_dependence(together),
        learned_from=len(np.unique(together.unit[together.several()])),
        all=_evaluate(held_out, dependence),
        several=_evaluate(several, dependence),
        several_independent=_evaluate(several, 0.0),
    )


def _evaluate(rows: AccountRows, dependence: float) -> AccountFigures:
    outcome, chance = _outcome(rows), join_probabilities(rows.probability, rows.unit, dependence)
    loss = float(log_losses(outcome, chance).mean()) if len(outcome) else math.nan
    return AccountFigures(len(outcome), int(outcome.sum()), float(chance.sum()), loss)


def _outcome(rows: AccountRows) -> Floats:
    """1 for each unit of which a lead converts."""
    return (np.bincount(rows.unit, rows.label) > 0).astype(np.float64)
