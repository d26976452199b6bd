"""``score --accounts``: the table of accounts beside the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mqlml.errors import UsageError
from mqlml.features import match_personas
from mqlml.journeys import FlatTable, Journeys
from mqlml.registry import Bundle
from mqlml.render.results import AccountsWritten
from mqlml.scoring import check_target, write_table
from mqlml.scoring.accounts import read_account_scores, summarize_accounts
from mqlml.scoring.sinks import TABLE_SUFFIXES, CsvStyle

__all__ = ["AccountsJob", "check_accounts", "write_accounts"]


@dataclass(frozen=True)
class AccountsJob:
    """Where the table of accounts goes, and how it is made.

    Attributes
    ----------
    path : a ``.parquet`` or ``.csv`` file.
    dependence : how the leads of an account combine, as the version learned.
    style : how a CSV is written for people; as data if None.
    """

    path: str
    dependence: float
    style: CsvStyle | None


def check_accounts(path: str | Path, bundle: Bundle, *, style: CsvStyle | None) -> AccountsJob:
    """Refuse what cannot be written, before leads are scored.

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If the version was not trained for accounts.
    """
    check_target(path, suffixes=TABLE_SUFFIXES)
    calibration = bundle.result.accounts
    if calibration is None:
        raise UsageError(
            "--accounts needs a version that learned how the leads of an account combine; this one was trained by an "
            "earlier release, or without data.leads.columns: account_id. Train a new version"
        )
    return AccountsJob(str(path), calibration.dependence, style)


def write_accounts(
    job: AccountsJob,
    files: Sequence[Path],
    data: Journeys | FlatTable,
    bundle: Bundle,
) -> AccountsWritten:
    """Put the scores of the open leads of each account together and write them, the likeliest account first.

    Raises
    ------
    UsageError
        If the leads have no accounts.
    OutputError
        If the file cannot be written; an earlier one stays whole.
    """
    if "account_id" not in data.leads:
        raise UsageError(
            "--accounts needs the account of each lead; map it, as data.leads.columns: {account_id: …}"
        )
    scores = read_account_scores(files)
    account = data.leads["account_id"].set_axis(pd.Index(data.leads["lead_id"]))
    personas = None
    if isinstance(data, Journeys):
        found = match_personas(data, scores[["lead_id", "cutoff_time"]], bundle.plan)
        personas = found.set_axis(pd.Index(scores["lead_id"]))
    table = summarize_accounts(scores, account, job.dependence, personas)
    write_table(table, job.path, style=job.style)
    return AccountsWritten(
        out=job.path,
        accounts=len(table),
        leads_without_account=int(account.reindex(scores["lead_id"]).isna().sum()),
        expected=float(table["probability"].sum()),
    )
