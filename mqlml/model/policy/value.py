"""What a follow-up is worth: gains and costs go in, the probability from which it pays comes out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.types import Floats

__all__ = ["bayes_threshold", "payoff"]


def bayes_threshold(rule: LabelRule) -> float:
    """The probability at which following up and waiting are worth the same; infinite where it never pays.

    Following up one lead brings ``gain`` if it converts and costs ``cost`` in any case, and ``too_early`` more if it
    does not convert: the buyer was put off. Waiting costs ``too_late`` if it converts: a competitor has them. With
    probability p, following up is expected to be worth ``p·gain − cost − (1 − p)·too_early``, and waiting
    ``−p·too_late``; the first is at least the second where

        p ≥ (cost + too_early) / (gain + too_late + too_early).

    C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, equation 2, with these four entries.

    Examples
    --------
    >>> bayes_threshold(LabelRule(policy="value", gain=900, cost=60, too_late=100))
    0.06
    >>> bayes_threshold(LabelRule(policy="value", gain=900, cost=60, too_late=100, too_early=1000))
    0.53
    """
    gain, cost = rule.gain or 0.0, rule.cost or 0.0
    if cost > gain + rule.too_late:
        return math.inf
    return (cost + rule.too_early) / (gain + rule.too_late + rule.too_early)


def payoff(rule: LabelRule, label: npt.ArrayLike) -> Floats:
    """What following up each lead was worth against following up nobody, in the rule's currency.

    Parameters
    ----------
    label : array of shape (n,), 0 or 1
    """
    converted = np.asarray(label) == 1
    gain, cost = rule.gain or 0.0, rule.cost or 0.0
    return np.where(converted, gain + rule.too_late - cost, -cost - rule.too_early)
