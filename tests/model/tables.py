"""Small training tables with a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mqlml.types import Floats, Ints


def make_table(n: int, seed: int, *, noise_columns: int = 2) -> tuple[pd.DataFrame, Ints, Floats]:
    """Features of all kinds, labels, and the true log-odds they were drawn from."""
    rng = np.random.default_rng(seed)
    visits = rng.poisson(2.0, n)
    days = np.where(rng.random(n) < 0.2, np.nan, rng.exponential(10.0, n))
    source = rng.choice(["ads", "mail", "event", "referral"], n, p=[0.5, 0.3, 0.15, 0.05])
    effect = pd.Series({"ads": -0.5, "mail": 0.0, "event": 0.6, "referral": 1.2})
    log_odds = -2.0 + 0.4 * visits - 0.05 * np.nan_to_num(days, nan=30.0) + effect[source].to_numpy()
    table = pd.DataFrame(
        {
            "visits": visits.astype(np.float32),
            "days": days.astype(np.float32),
            "source": pd.Series(source).mask(rng.random(n) < 0.05).astype("str"),
            "opted_in": rng.random(n) < 0.5,
            **{f"noise_{i}": rng.normal(size=n).astype(np.float32) for i in range(noise_columns)},
        }
    )
    label = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
    return table, label, log_odds
