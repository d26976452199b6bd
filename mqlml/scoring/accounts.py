"""One row per account: how likely any of its open leads is to convert, who is engaged, which roles are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.evaluation.accounts import join_probabilities
from mqlml.texts import format_label

__all__ = ["ACCOUNT_COLUMNS", "read_account_scores", "summarize_accounts"]

ACCOUNT_COLUMNS = (
    "account_id",
    "cutoff_time",
    "probability",
    "open_leads",
    "engaged",
    "roles",
    "missing_roles",
    "model_name",
    "model_version",
)

_NEEDED = (
    *("lead_id", "cutoff_time", "probability", "label", "channel_points", "actions_points"),
    *("model_name", "model_version"),
)
_NAMED = 10
"""Leads that a row names; an account may have thousands."""


def read_account_scores(files: Sequence[Path]) -> pd.DataFrame:
    """What accounts are made from, out of the finished parts of a run."""
    return pd.concat([pd.read_parquet(file, columns=list(_NEEDED)) for file in files], ignore_index=True)


def summarize_accounts(
    scores: pd.DataFrame, account: pd.Series, dependence: float, personas: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Put the open leads of each account together.

    Parameters
    ----------
    scores : DataFrame of one run, with at least the columns that `read_account_scores` reads, one row per lead
    account : Series of text
        The account of each lead by ``lead_id``; leads without one are left out.
    dependence : float, see `mqlml.evaluation.accounts`
    personas : DataFrame of bool, optional
        Which personas each lead is, by ``lead_id``, one column a persona.

    Returns
    -------
    DataFrame of `ACCOUNT_COLUMNS`, the likeliest account first.
        ``probability``: that any of its open leads converts within the horizon. ``engaged``: its leads with their
        labels, most engaged first (``101 (SQL), 104 (MQL)``), at most ten. ``roles``, ``missing_roles``: the personas
        that some open lead is, and that none is; missing without personas.
    """
    own = account.reindex(scores["lead_id"]).to_numpy(dtype=object)
    known = ~pd.isna(own)
    rows = scores[known].assign(
        account_id=own[known], engagement=scores["channel_points"] + scores["actions_points"]
    )
    rows = rows.sort_values(
        ["engagement", "lead_id"], ascending=[False, True], kind="stable", ignore_index=True
    )
    unit, names = pd.factorize(rows["account_id"], sort=True)
    number = np.bincount(unit, minlength=len(names))
    shown = rows["lead_id"].astype("str") + " (" + rows["label"].astype("str").map(format_label) + ")"
    place = rows.groupby(unit).cumcount()
    first = place.to_numpy() < _NAMED
    engaged = shown[first].groupby(unit[first]).agg(", ".join).reindex(range(len(names)))
    more = pd.Series(number - _NAMED)
    engaged = engaged.where(more <= 0, engaged + " and " + more.astype("str") + " more")
    table = pd.DataFrame(
        {
            "account_id": pd.Series(names, dtype="str"),
            "cutoff_time": rows["cutoff_time"].iloc[0]
            if len(rows)
            else pd.Series([], dtype="datetime64[us, UTC]"),
            "probability": join_probabilities(rows["probability"].to_numpy(np.float64), unit, dependence),
            "open_leads": number,
            "engaged": engaged.astype("str"),
            **_roles(personas, rows["lead_id"], unit, len(names)),
            "model_name": rows["model_name"].iloc[0] if len(rows) else pd.Series([], dtype="str"),
            "model_version": rows["model_version"].iloc[0] if len(rows) else pd.Series([], dtype="int64"),
        }
    )
    order = np.lexsort((np.arange(len(table)), -table["probability"].to_numpy()))
    return table.iloc[order].reset_index(drop=True)


def _roles(
    personas: pd.DataFrame | None, lead_id: pd.Series, unit: np.ndarray, n_accounts: int
) -> dict[str, pd.Series]:
    """The personas that some lead of each account is, and those that none is."""
    if personas is None or personas.empty:
        missing = pd.Series([None] * n_accounts, dtype="str")
        return {"roles": missing, "missing_roles": missing}
    are = personas.reindex(lead_id).to_numpy(dtype=bool)
    has = np.zeros((n_accounts, are.shape[1]), dtype=bool)
    np.logical_or.at(has, unit, are)
    names = np.array(list(map(str, personas.columns)), dtype=object)
    return {
        "roles": pd.Series([", ".join(names[row]) for row in has], dtype="str"),
        "missing_roles": pd.Series([", ".join(names[~row]) for row in has], dtype="str"),
    }
