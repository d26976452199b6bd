"""Chosen leads: a file that lists some leads goes in, their ids come out, as when only these are to be scored."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from mqlml.config import Config, Table
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys.parse import parse_ids
from mqlml.journeys.sources import read_source
from mqlml.journeys.tables import missing_column

__all__ = ["read_lead_ids"]


def read_lead_ids(config: Config, path: str | Path) -> list[str]:
    """The ids in a file, each once, as text; a file of the same columns as the leads table will do.

    Parameters
    ----------
    config : for what the leads table calls its column of ids.
    path : CSV or Parquet, relative to the working directory.

    Raises
    ------
    SourceError, ContractError
        If the file cannot be read, has no such column, or names nobody.
    """
    leads = config.data.leads
    if leads is None:
        raise ConfigError("the config describes a flat table; its new rows are read with read_flat")
    spec = Table(path=str(Path(path).absolute()), delimiter=leads.delimiter, encoding=leads.encoding)
    column = leads.column("lead_id")
    source = read_source(
        spec, where="--leads", base=config.folder, zone=config.data.timezone, wanted=[column]
    )
    if column not in source.names:
        raise missing_column(source, column, "it is what data.leads calls lead_id")
    ids = pc.unique(parse_ids(source.column(column)).data).to_pylist()
    named = [str(value) for value in ids if value not in (None, "")]
    if not named:
        raise ContractError(
            f"{source.where} must name leads to score, and names none; fill its column {column!r}"
        )
    return named
