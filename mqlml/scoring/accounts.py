"""One row per account: how likely any of its open leads is to convert, who is engaged, which roles are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.evaluation.accounts import join_probabilities
from mqlml.scoring.batches import read_batches
from mqlml.scoring.labels import DISQUALIFIED
from mqlml.texts import format_label
from mqlml.types import Mask, Rows

__all__ = ["ACCOUNT_COLUMNS", "read_account_scores", "summarize_accounts"]

ACCOUNT_COLUMNS = (
    "account_id",
    "cutoff_time",
    "probability",
    "open_leads",
    "best_lead",
    "best_label",
    "engaged_leads",
    "engaged",
    "roles",
    "missing_roles",
    "model_name",
    "model_version",
)
"""The columns of the table of accounts, in their order."""

_NEEDED = (
    *("lead_id", "cutoff_time", "probability", "raw_score", "label", "channel_points", "actions_points"),
    *("model_name", "model_version"),
)

_NAMED = 10
"""Leads that a row names; an account may have thousands."""


def read_account_scores(files: tuple[Path, ...]) -> pd.DataFrame:
    """What accounts are made from, out of the finished parts of a run."""
    scores: pd.DataFrame = read_batches(files, _NEEDED).read_pandas()
    return scores


def summarize_accounts(
    scores: pd.DataFrame, account: pd.Series, dependence: float, personas: pd.DataFrame
) -> pd.DataFrame:
    """Put the open leads of each account together.

    Parameters
    ----------
    scores : DataFrame
        The columns that `read_account_scores` reads, one row per open lead.
    account : Series, the account of each row of ``scores``; rows without one are left out.
    dependence : float, see `mqlml.evaluation.accounts`
    personas : DataFrame of bool
        Which personas the lead of each row is, one column a persona.

    Returns
    -------
    DataFrame of `ACCOUNT_COLUMNS`, the likeliest account first.
        ``probability``: that any of its open leads converts within the horizon, disqualified ones included.
        ``best_lead``: the likeliest, of those that are not disqualified where there are any. ``engaged``: the leads
        whose channels and actions speak for them, most engaged first with their labels (``101 (SQL), 104 (MQL)``),
        at most ten. ``roles``, ``missing_roles``: the personas that some open lead is, and that none is; missing
        without personas. A disqualified lead is neither engaged nor in a role.
    """
    known = np.flatnonzero(account.notna())
    rows = scores.iloc[known].reset_index(drop=True)
    unit, names = pd.factorize(account.iloc[known], sort=True)
    n = len(names)
    counts = (rows["label"] != DISQUALIFIED).to_numpy(dtype=bool)
    engagement = rows["channel_points"] + rows["actions_points"]
    rows = rows.assign(unit=unit, counts=counts, engagement=engagement)
    best = rows.sort_values(
        ["unit", "counts", "raw_score", "lead_id"], ascending=[True, False, False, True]
    ).drop_duplicates("unit")
    chosen = rows[counts & (engagement > 0).to_numpy()]
    chosen = chosen.sort_values(["engagement", "lead_id"], ascending=[False, True])
    is_role = personas.to_numpy(dtype=bool)[known] & counts[:, None]
    table = pd.DataFrame(
        {
            "account_id": pd.Series(names),
            "probability": join_probabilities(rows["probability"].to_numpy(np.float64), unit, dependence),
            "open_leads": np.bincount(unit, minlength=n),
            "best_lead": best["lead_id"].reset_index(drop=True),
            "best_label": best["label"].reset_index(drop=True),
            "engaged_leads": np.bincount(chosen["unit"], minlength=n),
            "engaged": _name(chosen, n),
            **_name_roles(is_role, unit, n, list(map(str, personas.columns))),
            **{
                name: best[name].reset_index(drop=True)
                for name in ("cutoff_time", "model_name", "model_version")
            },
        }
    )
    likeliest = np.argsort(-table["probability"].to_numpy(), kind="stable")
    return table.iloc[likeliest][list(ACCOUNT_COLUMNS)].reset_index(drop=True)


def _name(chosen: pd.DataFrame, n: int) -> pd.Series:
    """The first of the chosen leads of each account with their labels, as one text."""
    text = chosen["lead_id"].astype("str") + " (" + chosen["label"].astype("str").map(format_label) + ")"
    first = chosen.groupby("unit").cumcount() < _NAMED
    named = text[first].groupby(chosen.loc[first, "unit"]).agg(", ".join).reindex(range(n), fill_value="")
    more = pd.Series(np.bincount(chosen["unit"], minlength=n) - _NAMED)
    named = named.where(more <= 0, named + " and " + more.astype("str") + " more")
    return named.astype("str")


def _name_roles(is_role: Mask, unit: Rows, n: int, names: list[str]) -> dict[str, pd.Series]:
    """The personas that some lead of each account is, and those that none is."""
    if not names:
        nothing = pd.Series([None] * n, dtype="str")
        return {"roles": nothing, "missing_roles": nothing}
    has = np.zeros((n, len(names)), dtype=bool)
    np.logical_or.at(has, unit, is_role)
    each = np.array(names, dtype=object)
    return {
        "roles": pd.Series([", ".join(each[row]) for row in has], dtype="str"),
        "missing_roles": pd.Series([", ".join(each[~row]) for row in has], dtype="str"),
    }
