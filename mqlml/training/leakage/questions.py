"""Questions: a column that carries most of the skill is no finding, but somebody must know when it is written."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Profile
from mqlml.texts import format_percent
from mqlml.training.leakage.columns import audited_columns
from mqlml.training.leakage.findings import ColumnQuestion, Finding
from mqlml.training.leakage.univariate import AUDIT_ERROR, Ranking, code_values, rank_later, split_halves

__all__ = ["ask_about"]

_MOST = 0.5
"""A column with more than this share of the skill of all columns, each alone, carries most of it."""

_TELLS, _TELLS_LOW = 0.65, 0.6
"""Below this ROC AUC, or lower bound, there is hardly any skill to carry."""

_STRONG, _STRONG_LOW = 0.85, 0.8
"""A column this good is asked about whatever the others do: two copies of one leak halve each other's share."""


def ask_about(
    attributes: pd.DataFrame,
    label: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    profile: Profile,
    *,
    findings: Collection[Finding] = (),
    settled: npt.NDArray[np.bool_] | None = None,
) -> tuple[ColumnQuestion, ...]:
    """The columns that carry most of the skill and that no one has vouched for.

    Parameters
    ----------
    attributes, label, order, profile, settled : as in `audit_columns`.
    findings : of the audit: what it refused is not used, and what the config forces has its reason already.

    Returns
    -------
    tuple of ColumnQuestion, in the order of the columns.
    """
    answered = {found.column for found in findings if found.kind == "column" and found.action != "noted"}
    columns = [column for column in audited_columns(attributes, profile) if column not in answered]
    rows = np.arange(len(label)) if settled is None else np.flatnonzero(settled)
    halves = split_halves(label[rows], order[rows])
    error = AUDIT_ERROR / max(len(columns), 1)
    rankings: dict[str, Ranking] = {}
    for column in columns:
        codes, size = code_values(attributes[column].iloc[rows].reset_index(drop=True), halves.early)
        ranking = rank_later(codes, size, halves, error=error)
        if ranking is not None and ranking.skill > 0:
            rankings[column] = ranking
    total = sum(ranking.skill for ranking in rankings.values())
    return tuple(
        _ask(column, ranking, ranking.skill / total)
        for column, ranking in rankings.items()
        if column not in profile.force and _carries_most(ranking, ranking.skill / total)
    )


def _carries_most(ranking: Ranking, share: float) -> bool:
    most = share > _MOST and ranking.auc >= _TELLS and ranking.auc_low >= _TELLS_LOW
    return most or (ranking.auc >= _STRONG and ranking.auc_low >= _STRONG_LOW)


def _ask(column: str, ranking: Ranking, share: float) -> ColumnQuestion:
    text = (
        f"is it known at the cutoff? It alone ranks later winners with an AUC of {ranking.auc:.2f} and carries "
        f"{format_percent(share)} of the skill of all columns. If so, say why: "
        f"profile: {{force: {{{column}: reason}}}}; otherwise leave it out of the leads"
    )
    return ColumnQuestion(column, text, ranking.auc, ranking.auc_low, share)
