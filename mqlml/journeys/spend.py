"""Read the table of spend: what each source cost, day by day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mqlml.config import Config
from mqlml.journeys.tables import MISSING, read_table
from mqlml.times import DAY, to_clock

__all__ = ["read_spend"]


def read_spend(config: Config) -> pd.DataFrame | None:
    """The rows of ``spend``; None where the config has none.

    Returns
    -------
    DataFrame with ``source`` (text), ``day`` (int64, days since 1970 in the config's zone) and ``cost`` (a credit is
    negative), in the order of the source.

    Raises
    ------
    ConfigError, SourceError, ContractError
        As for the other tables. A single row that cannot be used is an error: with it, a sum would be wrong.
    """
    if config.spend is None:
        return None
    reader = read_table("spend", config.spend, config, where="spend")
    source = reader.words("source", required=True)
    day = reader.times("day")
    cost = reader.numbers("cost")
    reader.refuse(np.isnan(cost) & reader.ledger.usable, "cost", MISSING)
    reader.ledger.check(0.0)
    return pd.DataFrame(
        {
            "source": pd.Series(source).astype("str"),
            "day": to_clock(day, config.data.timezone) // DAY,
            "cost": cost,
        }
    )
