"""``score --accounts``: the table of accounts beside the scores."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mqlml.commands.calibrate_accounts import find_accounts
from mqlml.config import expand_text
from mqlml.errors import UsageError
from mqlml.features import match_personas
from mqlml.journeys import FlatTable, Journeys
from mqlml.registry import Bundle
from mqlml.render.results import AccountsWritten
from mqlml.scoring import check_target, write_table
from mqlml.scoring.accounts import read_account_scores, summarize_accounts
from mqlml.scoring.sinks import TABLE_SUFFIXES, CsvStyle

__all__ = ["AccountTable", "check_accounts", "make_accounts", "read_accounts", "write_accounts"]


@dataclass(frozen=True)
class AccountTable:
    """The accounts of one run.

    Attributes
    ----------
    rows : DataFrame, as by `summarize_accounts`.
    without_account : number of open leads that are in no row.
    """

    rows: pd.DataFrame
    without_account: int


def check_accounts(path: str | Path, out: str | Path, bundle: Bundle) -> str:
    """Refuse what cannot be written, before leads are scored; the path, with ``${NAME}`` read.

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If it is the file of the scores, or the version was not trained for accounts.
    """
    path = expand_text(str(path), "--accounts")
    target = check_target(path, suffixes=TABLE_SUFFIXES)
    if os.path.realpath(expand_text(str(out), "--out")) == os.path.realpath(target):
        raise UsageError(f"--accounts and --out name the same file, {path!r}; name another for the accounts")
    if bundle.result.accounts is None:
        raise UsageError(
            "--accounts needs a version that has learned how the leads of an account combine; this one was trained "
            "by an earlier release, or on leads without account_id. Train a new version"
        )
    return path


def read_accounts(data: Journeys | FlatTable) -> pd.Series:
    """The account of each lead, before leads are scored.

    Raises
    ------
    UsageError
        If no lead has one.
    """
    account = find_accounts(data)
    if account.isna().all():
        key = "data.leads.columns: {account_id: …}" if data.dated else "data.flat: {account_id: …}"
        raise UsageError(f"--accounts needs the accounts of leads, and none has one; map them, as {key}")
    return account


def make_accounts(
    files: tuple[Path, ...], data: Journeys | FlatTable, account: pd.Series, bundle: Bundle
) -> AccountTable:
    """Put the scores of the open leads of each account together.

    Parameters
    ----------
    files : the finished parts of the run.
    data : the leads and what is known of them; the events of journeys are not read.
    account : of each of these leads, from `read_accounts`.
    bundle : a version that `check_accounts` let pass.
    """
    calibration = bundle.result.accounts
    assert calibration is not None
    scores = read_account_scores(files)
    place = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(scores["lead_id"]))
    own = account.iloc[place].reset_index(drop=True)
    personas = match_personas(data, scores[["lead_id", "cutoff_time"]], bundle.plan)
    rows = summarize_accounts(scores, own, calibration.dependence, personas)
    return AccountTable(rows, int(own.isna().sum()))


def write_accounts(table: AccountTable, path: str, *, style: CsvStyle | None) -> AccountsWritten:
    """Write the accounts; a CSV for people with a style, else as data.

    Raises
    ------
    OutputError
        If the file cannot be written; an earlier one stays whole.
    """
    write_table(table.rows, path, style=style)
    return AccountsWritten(
        out=path,
        accounts=len(table.rows),
        leads_without_account=table.without_account,
        expected=float(table.rows["probability"].sum()),
    )
