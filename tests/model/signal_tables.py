"""Signal tables for tests, and slow plain-loop versions of what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from mqlml.features import Family
from mqlml.model.signal_columns import Design, SignalKey, SignalTable

Floats = npt.NDArray[np.float64]


def table_of(
    label: Sequence[int] | npt.NDArray[Any],
    *,
    events: dict[str, Any] | None = None,
    attributes: dict[str, Any] | None = None,
    age: Any = None,
    account: Any = None,
    lead: Any = None,
) -> SignalTable:
    """A table whose events are actions and whose attributes are the profile; each row a lead without an account."""
    n = len(label)
    event_frame = pd.DataFrame(events or {}, index=range(n)).astype(bool)
    attribute_frame = pd.DataFrame(attributes or {}, index=range(n))
    return SignalTable(
        label=np.asarray(label, dtype=np.int8),
        lead=np.arange(n) if lead is None else np.asarray(lead),
        account=np.arange(n) if account is None else np.asarray(account),
        age=np.zeros(n, dtype=np.intp) if age is None else np.asarray(age),
        events=event_frame,
        attributes=attribute_frame,
        event_signals=keys_of("actions", event_frame),
        attribute_signals=keys_of("profile", attribute_frame),
    )


def keys_of(family: Family, frame: pd.DataFrame) -> tuple[SignalKey, ...]:
    return tuple(SignalKey(family, str(name)) for name in frame.columns)


def take(table: SignalTable, rows: npt.NDArray[np.intp]) -> SignalTable:
    """Some rows of a table, in an order."""
    return SignalTable(
        table.label[rows],
        table.lead[rows],
        table.account[rows],
        table.age[rows],
        table.events.iloc[rows].reset_index(drop=True),
        table.attributes.iloc[rows].reset_index(drop=True),
        table.event_signals,
        table.attribute_signals,
    )


def random_table(seed: int, n: int = 900) -> SignalTable:
    """Two ages, accounts of three snapshots, two event types that go together, one text and one number."""
    rng = np.random.default_rng(seed)
    account = rng.integers(0, n // 3, n)
    age = rng.integers(0, 2, n)
    keen = rng.normal(size=n // 3)[account]
    visit = rng.random(n) < expit(keen + 0.5 * age - 0.5)
    demo = rng.random(n) < expit(1.5 * keen + visit - 2)
    source = rng.choice(["ads", "fair", "web"], n, p=[0.5, 0.3, 0.2])
    size = rng.lognormal(3, 1, n).round()
    size[rng.random(n) < 0.2] = np.nan
    label = rng.random(n) < expit(-2 + keen + 0.8 * visit + 0.7 * (source == "fair"))
    label[:2] = 0, 1
    return table_of(
        label.astype(np.int8),
        events={"visit": visit, "demo": demo},
        attributes={"source": source, "size": size},
        age=age,
        account=account,
        lead=np.arange(n) // 2,
    )


def slow_raw(has: Floats, label: Floats, age: Floats, account: Floats) -> tuple[float, float, float]:
    """Rates with and without, and the standard error of their difference: each account's influence by plain loops."""
    doers = {a: [i for i in range(len(has)) if has[i] and age[i] == a] for a in set(age)}
    others = {a: [i for i in range(len(has)) if not has[i] and age[i] == a] for a in set(age)}
    used = [a for a in sorted(doers) if doers[a] and others[a]]
    n = sum(len(doers[a]) for a in used)
    with_rate = sum(label[i] for a in used for i in doers[a]) / n
    rate = {a: sum(label[i] for i in others[a]) / len(others[a]) for a in used}
    without = sum(len(doers[a]) * rate[a] for a in used) / n
    influence: dict[float, float] = dict.fromkeys(account.tolist(), 0.0)
    for a in used:
        for i in doers[a]:
            influence[account[i]] += (label[i] - with_rate) / n - (rate[a] - without) / n
        for i in others[a]:
            influence[account[i]] -= len(doers[a]) / n * (label[i] - rate[a]) / len(others[a])
    g = len(influence)
    return with_rate, without, float(np.sqrt(sum(v * v for v in influence.values()) * g / (g - 1)))


def slow_like_leads(design: Design, weights: Floats, offset: Floats) -> list[float]:
    """Each column's mean difference from comparable leads, one snapshot after the other."""
    effects = []
    for place, column in enumerate(design.columns):
        total, number = 0.0, 0
        for row in range(len(offset)):
            if not design.held[row, place]:
                continue
            log_odds = offset[row] + sum(weights[design.held[row]])
            if column.attribute < 0:
                alike = expit(log_odds - weights[place])
            else:
                alike = 0.0
                for other, another in enumerate(design.columns):
                    if another.attribute == column.attribute:
                        share = design.held[:, other].mean()
                        alike += share * expit(log_odds - weights[place] + weights[other])
            total += expit(log_odds) - alike
            number += 1
        effects.append(total / number)
    return effects
