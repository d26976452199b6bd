"""Univariate checks: how well the values of one column alone rank later leads.

An audit tests many columns on few rows, and a point estimate of few rows is often near-perfect by chance. Hence every
statistical check compares a one-sided lower bound, whose error is shared out among all bounds of the audit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import betaincinv

from mqlml.training.leakage.findings import Clue
from mqlml.types import Ints

__all__ = [
    "AUDIT_ERROR",
    "Halves",
    "check_values",
    "code_values",
    "filled_rows",
    "lifted",
    "lower_auc",
    "lower_share",
    "rank_later",
    "split_halves",
]

AUDIT_ERROR = 0.01
"""The chance that any bound of one audit is too high, shared out evenly among its bounds (Bonferroni)."""


def lower_share(hits: int, n: int, *, error: float) -> float:
    """The lower end of the exact one-sided interval for a share (Clopper and Pearson 1934).

    >>> round(lower_share(20, 20, error=0.05), 3)
    0.861
    """
    return float(betaincinv(hits, n - hits + 1, error)) if hits > 0 else 0.0


def lower_auc(auc: float, n_won: int, n_other: int, *, error: float) -> float:
    """A lower bound of a ROC AUC for any distribution of the scores, also where every pair is ranked right.

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


UNIVARIATE_AUC = 0.9
"""No attribute known at creation alone ranks later leads this well: whole models reach 0.8."""

_SURE_AUC = 0.8
"""The lower bound of the AUC must reach this."""

_RULE = 0.95
"""The lower bound of the share of winners among the leads of a rule must reach this. Honest rules exist up to about
0.93: a lead whom a customer brought along is nearly a customer."""

RULE_LIFT = 10.0
"""A rule must multiply the odds by this, too: where nearly all leads win, every value is such a rule."""

_RULE_SEEN = 5
"""A value must occur at least this often, and win in at least the next share, to be part of a rule."""
_RULE_LEARNED = 0.9

_PRIOR = 10.0
"""A value's rate is shrunk to the base rate as if so many average leads had it, too."""


@dataclass(frozen=True)
class Halves:
    """The leads to learn from and the later ones to evaluate on.

    Attributes
    ----------
    early, late : row positions.
    won : ndarray of bool, for all rows.
    """

    early: npt.NDArray[np.intp]
    late: npt.NDArray[np.intp]
    won: npt.NDArray[np.bool_]


def split_halves(label: npt.NDArray[np.int8], order: npt.NDArray[np.int64]) -> Halves:
    """The earlier and the later half of the rows."""
    rows = np.argsort(order, kind="stable")
    return Halves(rows[: len(rows) // 2], rows[len(rows) // 2 :], label == 1)


def filled_rows(values: pd.Series) -> npt.NDArray[np.bool_]:
    """Which rows are filled; a blank text is not."""
    filled = values.notna().to_numpy(np.bool_)
    if values.dtype.kind not in "fiub":
        filled = filled & (values != "").to_numpy(np.bool_)
    return filled


def code_values(values: pd.Series, early: npt.NDArray[np.intp]) -> tuple[Ints, int]:
    """Each row's value as a code from 0 (missing) up: texts as they are, numbers in bins learned early."""
    if values.dtype.kind not in "fiub":
        codes = pd.factorize(values)[0].astype(np.int64) + 1
        return codes, int(codes.max(initial=0)) + 1
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    seen = numbers[early]
    seen = seen[np.isfinite(seen)]
    edges = np.unique(np.quantile(seen, np.linspace(0.05, 0.95, 19))) if len(seen) else np.empty(0)
    # An edge is a bin of its own: where most leads hold 0, any other number may be the leak.
    codes = np.searchsorted(edges, numbers, side="left") + np.searchsorted(edges, numbers, side="right") + 1
    return np.where(np.isnan(numbers), 0, codes), 2 * len(edges) + 2


def _auc(rate: npt.NDArray[np.float64], won: Ints, other: Ints) -> float:
    """ROC AUC of scores that many rows share: a score per code, and how many winners and others have it."""
    place = np.unique(rate, return_inverse=True)[1]
    wins, losses = np.bincount(place, won), np.bincount(place, other)
    below = np.cumsum(losses) - losses
    return float((wins * (below + losses / 2)).sum() / (wins.sum() * losses.sum()))


@dataclass(frozen=True)
class Ranking:
    """How a coded column ranks the later half.

    Attributes
    ----------
    auc, auc_low : its ROC AUC, and the lower bound.
    winners, others : of the later half.
    rule_rows, rule_hits : leads of the later half with a value that had nearly always won; the winners among them.
    skill : log loss of the earlier half's base rate less that of the values' rates, per row of the later half.
    """

    auc: float
    auc_low: float
    winners: int
    others: int
    rule_rows: int
    rule_hits: int
    skill: float

    @property
    def too_good(self) -> bool:
        """Whether no column known beforehand ranks so well."""
        return self.auc >= UNIVARIATE_AUC and self.auc_low >= _SURE_AUC


def rank_later(codes: Ints, size: int, halves: Halves, *, error: float) -> Ranking | None:
    """How the codes, by their rates in the earlier half, rank the later one; None if that has one class."""
    early, late, won = halves.early, halves.late, halves.won
    seen = np.bincount(codes[early], minlength=size)
    seen_won = np.bincount(codes[early][won[early]], minlength=size)
    late_won = np.bincount(codes[late][won[late]], minlength=size)
    late_other = np.bincount(codes[late], minlength=size) - late_won
    winners, others = int(late_won.sum()), int(late_other.sum())
    if min(winners, others, len(early)) == 0:
        return None
    base = float(seen_won.sum() / seen.sum())
    rate = (seen_won + _PRIOR * base) / (seen + _PRIOR)
    auc = _auc(rate, late_won, late_other)
    # Without a winner or a loser in the earlier half a rate of 0 or 1 would make any later row infinitely unlikely.
    low = 0.5 / (len(early) + 1)
    likely, usual = np.clip(rate, low, 1 - low), min(max(base, low), 1 - low)
    gain = late_won * np.log(likely / usual) + late_other * np.log((1 - likely) / (1 - usual))
    rule = (seen >= _RULE_SEEN) & (seen_won >= _RULE_LEARNED * seen)
    return Ranking(
        auc=auc,
        auc_low=lower_auc(auc, winners, others, error=error),
        winners=winners,
        others=others,
        rule_rows=int((late_won + late_other)[rule].sum()),
        rule_hits=int(late_won[rule].sum()),
        skill=float(gain.sum()) / len(late),
    )


def lifted(winners: int, others: int) -> float:
    """The share whose odds are `RULE_LIFT` times those of the winners."""
    odds = RULE_LIFT * winners / max(others, 1)
    return odds / (1 + odds)


def check_values(values: pd.Series, halves: Halves, *, error: float) -> Clue | None:
    """Whether a column by itself ranks the later half nearly perfectly, or has values that nearly always win.

    Parameters
    ----------
    values : one row per lead.
    error : the chance that one of the bounds may be too high.
    """
    codes, size = code_values(values, halves.early)
    found = rank_later(codes, size, halves, error=error)
    if found is None:
        return None
    share_low = lower_share(found.rule_hits, found.rule_rows, error=error)
    figures: dict[str, float | int] = {
        "auc": found.auc,
        "auc_low": found.auc_low,
        "later_winners": found.winners,
        "later_others": found.others,
    }
    if found.rule_rows:
        share = found.rule_hits / found.rule_rows
        figures |= {"rule_rows": found.rule_rows, "rule_share": share, "rule_share_low": share_low}
    if found.too_good:
        text = (
            f"it alone ranks later winners with an AUC of {found.auc:.2f} (at least {found.auc_low:.2f}; "
            f"{found.winners:,} winners): too accurate to have been known in advance"
        )
    elif share_low >= max(_RULE, lifted(found.winners, found.others)):
        text = (
            f"{found.rule_hits:,} of the {found.rule_rows:,} later leads with some of its values converted: too "
            "accurate to have been known in advance"
        )
    else:
        return None
    return Clue("univariate", text, figures, "likely")
