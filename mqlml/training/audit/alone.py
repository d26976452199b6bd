"""Alone: how well one column by itself tells later winners apart.

What a column's values mean is learned on the earlier half of the leads and judged on the later half, so a column with
a value of its own for every lead tells nothing. Missing is a value like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.training.audit.bounds import lower_auc, lower_share
from mqlml.training.audit.findings import Clue
from mqlml.types import Ints

__all__ = ["Halves", "check_values", "filled_rows", "lifted", "rank_later", "split_halves"]

ALONE_AUC = 0.9
"""An attribute known at creation that alone ranks later leads this well is doubted: whole models reach 0.8."""

_SURE_AUC = 0.8
"""What the AUC must be at least, if chance did its worst."""

_RULE = 0.95
"""What the share of winners among the leads of a rule must be at least, if chance did its worst. Honest rules exist
up to about 0.93: a lead whom a customer brought along is nearly a customer."""

RULE_LIFT = 10.0
"""And by how much a rule must multiply the odds: where nearly all leads win, every value is such a rule."""

_RULE_SEEN = 5
"""A value must have been seen this often, and have won this nearly always, to be part of a rule."""
_RULE_LEARNED = 0.9

_PRIOR = 10.0
"""A value's rate is drawn to the base rate as if so many average leads had it, too."""


@dataclass(frozen=True)
class Halves:
    """The leads to learn from and the later ones to judge on.

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
    """Which rows hold something; a blank text does not."""
    filled = values.notna().to_numpy(np.bool_)
    if values.dtype.kind not in "fiub":
        filled = filled & (values != "").to_numpy(np.bool_)
    return filled


def _code(values: pd.Series, early: npt.NDArray[np.intp]) -> tuple[Ints, int]:
    """Each row's value as a code from 0 (missing) up: texts as they are, numbers in bins learned early."""
    if values.dtype.kind not in "fiub":
        codes = pd.factorize(values)[0].astype(np.int64) + 1
        return codes, int(codes.max(initial=0)) + 1
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    seen = numbers[early]
    seen = seen[np.isfinite(seen)]
    edges = np.unique(np.quantile(seen, np.linspace(0.05, 0.95, 19))) if len(seen) else np.empty(0)
    # An edge is a bin of its own: where most leads hold 0, any other number may be what gives them away.
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
    auc, auc_low : its ROC AUC, and what that is at least.
    winners, others : of the later half.
    rule_rows, rule_hits : leads of the later half with a value that had nearly always won; the winners among them.
    """

    auc: float
    auc_low: float
    winners: int
    others: int
    rule_rows: int
    rule_hits: int

    @property
    def too_good(self) -> bool:
        """Whether no column known beforehand ranks so well."""
        return self.auc >= ALONE_AUC and self.auc_low >= _SURE_AUC


def rank_later(codes: Ints, size: int, halves: Halves, *, error: float) -> Ranking | None:
    """How the codes, by what each came to in the earlier half, rank the later one; None if that has one class."""
    early, late, won = halves.early, halves.late, halves.won
    seen = np.bincount(codes[early], minlength=size)
    seen_won = np.bincount(codes[early][won[early]], minlength=size)
    late_won = np.bincount(codes[late][won[late]], minlength=size)
    late_other = np.bincount(codes[late], minlength=size) - late_won
    winners, others = int(late_won.sum()), int(late_other.sum())
    if min(winners, others, len(early)) == 0:
        return None
    base = float(seen_won.sum() / seen.sum())
    auc = _auc((seen_won + _PRIOR * base) / (seen + _PRIOR), late_won, late_other)
    rule = (seen >= _RULE_SEEN) & (seen_won >= _RULE_LEARNED * seen)
    return Ranking(
        auc=auc,
        auc_low=lower_auc(auc, winners, others, error=error),
        winners=winners,
        others=others,
        rule_rows=int((late_won + late_other)[rule].sum()),
        rule_hits=int(late_won[rule].sum()),
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
    codes, size = _code(values, halves.early)
    found = rank_later(codes, size, halves, error=error)
    if found is None:
        return None
    share_low = lower_share(found.rule_hits, found.rule_rows, error=error)
    figures: dict[str, float | int] = {
        "auc": found.auc,
        "auc_low": found.auc_low,
        "judged_winners": found.winners,
        "judged_others": found.others,
    }
    if found.rule_rows:
        share = found.rule_hits / found.rule_rows
        figures |= {"rule_rows": found.rule_rows, "rule_share": share, "rule_share_low": share_low}
    if found.too_good:
        says = (
            f"it alone ranks later winners with an AUC of {found.auc:.2f} (at least {found.auc_low:.2f}; "
            f"{found.winners:,} winners): too good to be known beforehand"
        )
    elif share_low >= max(_RULE, lifted(found.winners, found.others)):
        says = (
            f"{found.rule_hits:,} of the {found.rule_rows:,} later leads with some of its values converted: too sure "
            "to be known beforehand"
        )
    else:
        return None
    return Clue("alone", says, figures, "likely")
