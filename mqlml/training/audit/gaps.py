"""Gaps: whether the mere fact that a column is filled in, or empty, gives away what became of the lead.

A column that is written when a deal is made is filled in for the winners only; one that is written when it is lost,
for none of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mqlml.training.audit.alone import Halves, filled_rows, lifted, rank_later
from mqlml.training.audit.bounds import lower_share
from mqlml.training.audit.findings import Clue

__all__ = ["check_gaps"]

_SHARE, _SHARE_LOW = 0.97, 0.8
"""What the share of winners among the filled leads must be, and be at least: less than for a rule of values, since
there is nothing to choose, and so no best one of many that looks good by luck."""


def check_gaps(values: pd.Series, halves: Halves, *, error: float) -> Clue | None:
    """Whether being filled in (or empty) nearly always goes with winning, or surely with not winning.

    The first is refused. The second is told only: a competitor's name is filled in for those who never buy, too, and
    is known beforehand.

    Parameters
    ----------
    values : one row per lead.
    error : the chance that one of the bounds may be too high.
    """
    filled = filled_rows(values)
    if filled.all() or not filled.any():
        return None
    won = halves.won
    winners, others = int(won.sum()), int((~won).sum())
    if min(winners, others) == 0:
        return None
    ranking = rank_later(filled.astype(np.int64), 2, halves, error=error)
    of_winners, of_others = float(filled[won].mean()), float(filled[~won].mean())
    figures: dict[str, float | int] = {
        "filled": int(filled.sum()),
        "filled_of_winners": of_winners,
        "filled_of_others": of_others,
        "winners": winners,
        "others": others,
    }
    if ranking is not None:
        figures |= {"auc": ranking.auc, "auc_low": ranking.auc_low}
    shares = (
        f"it is filled in for {_percent(of_winners)} of the winners and {_percent(of_others)} of the others"
    )
    if ranking is not None and ranking.too_good:
        return Clue("nulls", f"{shares}: that alone gives the outcome away", figures, "likely")
    sides = ((filled, "filled in"), (~filled, "empty"))
    counts = [(int(won[rows].sum()), int(rows.sum()), said) for rows, said in sides]
    least = max(_SHARE_LOW, lifted(winners, others))
    for hits, n, said in counts:
        if hits >= _SHARE * n and lower_share(hits, n, error=error) >= least:
            says = f"{hits:,} of the {n:,} leads for which it is {said} converted: that alone gives the outcome away"
            return Clue("nulls", says, figures, "likely")
    least = max(_SHARE_LOW, lifted(others, winners))
    for hits, n, said in counts:
        if lower_share(n - hits, n, error=error) >= least:
            says = f"{hits:,} of the {n:,} leads for which it is {said} converted: is it written when one is lost?"
            return Clue("nulls", says, figures, "suspicious", refuses=False)
    return None


def _percent(share: float) -> str:
    rounded = f"{share:.0%}"
    return f"{share:.1%}" if (rounded == "0%" and share > 0) or (rounded == "100%" and share < 1) else rounded
