"""Write simulated tables as raw exports: CSV with ISO times, or Parquet; on request with rows that are no good."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mqlml.errors import ConfigError
from mqlml.times import format_column

__all__ = ["write_export"]

_UNREADABLE = ("31/02/2024", "yesterday", "0000-00-00", "", "2024-13-01T00:00:00Z")
_STRANGER = -1


def write_export(
    tables: dict[str, pd.DataFrame], folder: Path, *, format: Literal["csv", "parquet"], bad_rows: float
) -> dict[str, Path]:
    """Write each table to ``folder`` as ``<name>.csv`` or ``<name>.parquet``.

    Parameters
    ----------
    tables : in the contract's columns, with integer lead ids.
    folder : made where it does not exist; files of these names are replaced.
    bad_rows : share of rows, between 0 and 1, added to events and outcomes at even distances: every second one
        of a lead that does not exist, the others with a time that cannot be read (in Parquet: none at all).

    Returns
    -------
    dict of table name to path

    Raises
    ------
    ConfigError
        If the format is unknown or the share is not one.
    """
    if format not in ("csv", "parquet"):
        raise ConfigError(f"an export's format must be 'csv' or 'parquet'; found {format!r}")
    if not 0 <= bad_rows <= 1:
        raise ConfigError(f"bad_rows must be a share between 0 and 1; found {bad_rows!r}")
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, table in tables.items():
        raw = _raw_text(table) if format == "csv" else table
        if name != "leads" and bad_rows and len(table):
            raw = _spoil(raw, max(round(len(table) * bad_rows), 1))
        paths[name] = folder / f"{name}.{format}"
        if format == "csv":
            raw.to_csv(paths[name], index=False, lineterminator="\n", encoding="utf-8")
        else:
            raw.to_parquet(paths[name], index=False)
    return paths


def _raw_text(table: pd.DataFrame) -> pd.DataFrame:
    """Times as ISO text in whole seconds, whole numbers without a decimal point."""
    raw = table.copy()
    for column in raw.columns:
        values = raw[column]
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            raw[column] = format_column(values, whole_seconds=True)
        elif values.dtype == "float64" and (values.dropna() % 1 == 0).all():
            raw[column] = values.astype("Int64")
    return raw


def _spoil(raw: pd.DataFrame, n_bad: int) -> pd.DataFrame:
    """The table with bad copies of its rows in between; the good rows stay as they are."""
    picked = np.linspace(0, len(raw) - 1, n_bad).astype(int)
    bad = raw.iloc[picked].reset_index(drop=True)
    number = np.arange(n_bad)
    bad.loc[number % 2 == 0, "lead_id"] = _STRANGER
    if isinstance(bad["occurred_at"].dtype, pd.DatetimeTZDtype):
        bad.loc[number % 2 == 1, "occurred_at"] = pd.NaT
    else:
        for row in range(1, n_bad, 2):
            bad.loc[row, "occurred_at"] = _UNREADABLE[row // 2 % len(_UNREADABLE)]
    place = np.concatenate([np.arange(len(raw)), picked])
    return pd.concat([raw, bad], ignore_index=True).iloc[np.argsort(place, kind="stable")]
