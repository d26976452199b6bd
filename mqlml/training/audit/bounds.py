"""Bounds: a share or an AUC that was found goes in; what it is at least, if chance did its worst, comes out.

An audit asks many questions of few rows, and a point estimate of few rows is often near-perfect by chance. Hence
every statistical check compares a one-sided lower bound, whose error is shared out among all questions asked.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import betaincinv

__all__ = ["AUDIT_ERROR", "lower_auc", "lower_share"]

AUDIT_ERROR = 0.01
"""The chance that any bound of one audit is too high, shared out evenly among its questions (Bonferroni)."""


def lower_share(hits: int, n: int, *, error: float) -> float:
    """The lower end of the exact one-sided interval for a share (Clopper and Pearson 1934).

    >>> round(lower_share(20, 20, error=0.05), 3)
    0.861
    """
    return float(betaincinv(hits, n - hits + 1, error)) if hits > 0 else 0.0


def lower_auc(auc: float, n_won: int, n_other: int, *, error: float) -> float:
    """What a ROC AUC is at least, whatever the scores' distributions, even where every pair was ranked right.

    The AUC is a two-sample U-statistic with values between 0 and 1; its tail is bounded by that of a mean of
    ``min(n_won, n_other)`` independent values (Hoeffding 1963, section 5), hence by Chernoff's
    ``exp(-k KL(auc, truth))``. The usual normal intervals have no width at an AUC of 1.

    >>> round(lower_auc(1.0, 100, 500, error=0.01), 3)
    0.955
    """
    pairs = min(n_won, n_other)
    if pairs == 0 or auc <= 0:
        return 0.0
    allowed = math.log(1 / error) / pairs
    # The divergence falls as the truth comes nearer, to 0 at the AUC itself. Of its two terms the second is at least
    # -auc, so at this far end it is more than allowed.
    far = auc * math.exp(-allowed / auc - 2)
    return float(brentq(lambda truth: _divergence(auc, truth) - allowed, far, auc)) if far > 0 else 0.0


def _divergence(p: float, q: float) -> float:
    rest = (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0
    return p * math.log(p / q) + rest
