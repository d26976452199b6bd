"""Missingness: what it tells that a column is filled in for some leads and empty for others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.texts import format_percent
from mqlml.training.leakage.findings import Clue
from mqlml.training.leakage.univariate import Halves, filled_rows, lifted, lower_share, rank_later

__all__ = ["check_filling", "check_missingness"]

_SHARE, _SHARE_LOW = 0.97, 0.8
"""Thresholds for the share of winners among the filled leads and for its lower bound; lower than for a rule of
values, since there is nothing to choose, and so no best one of many that looks good by luck."""


def check_missingness(
    values: pd.Series,
    halves: Halves,
    *,
    error: float,
    reached: Mapping[str, npt.NDArray[np.bool_]] | None = None,
) -> Clue | None:
    """Whether being filled in (or empty) nearly always goes with winning or with a deal, or surely with neither.

    The first is refused. The second is noted only: a competitor's name, too, is filled in for those who never buy,
    and is known beforehand.

    Parameters
    ----------
    values : one row per lead.
    error : the chance that one of the bounds may be too high.
    reached : for each outcome short of winning, as a text that ends "leads with …", which leads have it.
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
    if ranking is not None and ranking.too_good:
        text = (
            f"it is filled in for {format_percent(of_winners)} of the winners and {format_percent(of_others)} of the "
            "others: that alone gives the outcome away"
        )
        return Clue("missingness", text, figures, "likely")
    sides = ((filled, "filled in"), (~filled, "empty"))
    counts = [(int(won[rows].sum()), int(rows.sum()), state) for rows, state in sides]
    least = max(_SHARE_LOW, lifted(winners, others))
    for hits, n, state in counts:
        if hits >= _SHARE * n and lower_share(hits, n, error=error) >= least:
            text = f"{hits:,} of the {n:,} leads for which it is {state} converted: that alone gives the outcome away"
            return Clue("missingness", text, figures, "likely")
    for outcome, rows in (reached or {}).items():
        if (clue := _check_reached(filled, outcome, rows, halves, error)) is not None:
            return clue
    least = max(_SHARE_LOW, lifted(others, winners))
    (filled_hits, filled_n, _), (empty_hits, empty_n, _) = counts
    if lower_share(filled_n - filled_hits, filled_n, error=error) >= least:
        text = (
            f"{filled_hits:,} of the {filled_n:,} leads for which it is filled in converted: is it written when "
            "one is lost?"
        )
        return Clue("missingness", text, figures, "suspicious", refuses=False)
    if lower_share(empty_n - empty_hits, empty_n, error=error) >= least:
        text = (
            f"{_winners_with_it(filled_hits, winners)}, and {empty_hits:,} of the {empty_n:,} leads without it "
            "converted: is it filled in on the way to a deal?"
        )
        return Clue("missingness", text, figures, "suspicious", refuses=False)
    return None


def _check_reached(
    filled: npt.NDArray[np.bool_], outcome: str, rows: npt.NDArray[np.bool_], halves: Halves, error: float
) -> Clue | None:
    """Whether a column is filled in for nearly all leads that reached an outcome, and for hardly any other."""
    ranking = rank_later(filled.astype(np.int64), 2, Halves(halves.early, halves.late, rows), error=error)
    of_reached, of_rest = int(filled[rows].sum()), int(filled[~rows].sum())
    if ranking is None or not ranking.too_good or of_reached * len(rows) < filled.sum() * rows.sum():
        return None
    n, rest, winners = int(rows.sum()), int((~rows).sum()), int(halves.won.sum())
    of_winners = int(filled[halves.won].sum())
    text = (
        f"{_winners_with_it(of_winners, winners)}, and so have {of_reached:,} of the {n:,} leads with {outcome} and "
        f"{of_rest:,} of the {rest:,} others: it is filled in once there is {outcome}"
    )
    figures = {
        "filled_of_reached": of_reached / n,
        "filled_of_rest": of_rest / rest,
        "filled_of_winners": of_winners / winners,
        "reached": n,
        "rest": rest,
        "auc": ranking.auc,
        "auc_low": ranking.auc_low,
    }
    return Clue("missingness", text, figures, "likely")


def _winners_with_it(n: int, winners: int) -> str:
    return "every winner has it" if n == winners else f"{n:,} of the {winners:,} winners have it"


_ENOUGH = 50
_RATIO = 1.25
"""The older leads must surely be filled in so many times as often as the youngest: less is a change of a form."""


def check_filling(
    values: pd.Series, created: npt.NDArray[np.int64], settled: npt.NDArray[np.bool_], *, error: float
) -> Clue | None:
    """Whether a column fills up over a lead's life: the youngest leads have it more rarely, the youngest most rarely.

    The youngest are those that have not had their horizon; as many leads before them, twice, are the older ones. A
    form that asks no longer empties a column at one moment, and is told apart by the younger half of the youngest.

    Parameters
    ----------
    values : one row per lead.
    created : int64 microseconds per lead.
    settled : the leads that had their whole horizon.
    """
    order = np.argsort(created, kind="stable")
    young = order[~settled[order]]
    old = order[settled[order]][-2 * len(young) :]
    if min(len(young), len(old)) < _ENOUGH:
        return None
    filled = filled_rows(values)
    hits, old_hits = int(filled[young].sum()), int(filled[old].sum())
    high = 1 - lower_share(len(young) - hits, len(young), error=error)
    if lower_share(old_hits, len(old), error=error) < _RATIO * high:
        return None
    first, second = np.array_split(young, 2)
    if filled[second].mean() >= filled[first].mean() / _RATIO or filled[first].mean() >= old_hits / len(old):
        return None
    share, old_share = hits / len(young), old_hits / len(old)
    text = (
        f"it is filled in for {format_percent(share)} of the {len(young):,} youngest leads and "
        f"{format_percent(old_share)} of the {len(old):,} before them: it fills up over a lead's life, so new "
        f"leads look different. Read it from a "
        "history (profile.history), or leave it out"
    )
    figures = {"filled_of_young": share, "filled_of_old": old_share, "young": len(young), "old": len(old)}
    return Clue("fills_up", text, figures, "suspicious", refuses=False)
