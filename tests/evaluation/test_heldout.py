"""The seal on the held-out period: what lies before it can be had, what lies in it once."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import HeldOutError
from mqlml.evaluation.holdout import HeldOut
from mqlml.simulate import simulate
from mqlml.training import TrainingTable, build_table
from tests.commands.test_learn import config

WEEKLY = {"horizon": "30d", "snapshots": {"every": "14d"}, "age_limits": ["0d", "365d"]}


@functools.cache
def by_age() -> TrainingTable:
    return table()


def table(**keys: Any) -> TrainingTable:
    return build_table(simulate(600, random_state=5).journeys(), config(**keys))


@pytest.mark.parametrize("grid", [False, True], ids=["by age", "on a grid"])
def test_the_past_holds_nothing_of_the_period(grid: bool) -> None:
    whole = table(problem=WEEKLY) if grid else by_age()
    held = HeldOut(whole)
    past = held.past
    n = len(past.label)
    start = whole.holdout.start
    assert (past.time + past.label_span <= start).all()
    assert n == (whole.time + whole.label_span <= start).sum()
    for column in (past.lead_id, past.cutoff_time, past.age, past.features, past.group, past.lead, past.time):
        assert len(column) == n  # type: ignore[arg-type]
    assert set(whole.holdout.train) <= set(range(n))
    assert past.holdout.train.tolist() == whole.holdout.train.tolist()
    assert (past.label == whole.label[:n]).all()
    assert len(past.holdout.test) == 0
    assert [len(test) for _, test in past.holdout.parts] == [0] * len(whole.holdout.parts)
    assert whole.holdout.test.min() >= n
    assert held.open() is whole


def test_it_is_opened_once() -> None:
    held = HeldOut(by_age())
    held.open()
    with pytest.raises(HeldOutError, match="opened once.*it was opened already"):
        held.open()


def test_the_period_is_known_by_who_was_judged_and_what_became_of_them() -> None:
    whole = by_age()
    period = HeldOut(whole).period
    assert (period.start, period.end, period.rows) == (
        whole.holdout.start,
        whole.holdout.end,
        len(whole.holdout.test),
    )
    assert period.dated
    again = simulate(600, random_state=5).journeys()
    shuffled = again.leads.sample(frac=1, random_state=1).reset_index(drop=True).assign(extra=1.0)
    again = type(again)(**{**vars(again), "leads": shuffled})
    assert HeldOut(build_table(again, config())).period == period
    label = whole.label.copy()
    label[whole.holdout.test[0]] ^= 1
    other = TrainingTable(**{**vars(whole), "label": label})
    assert HeldOut(other).period.sha256 != period.sha256
    earlier = whole.label.copy()
    earlier[0] ^= 1
    assert HeldOut(TrainingTable(**{**vars(whole), "label": earlier})).period == period


def test_an_order_without_dates_says_so() -> None:
    whole = by_age()
    flat = TrainingTable(**{**vars(whole), "age": None})
    assert not HeldOut(flat).period.dated
    assert HeldOut(flat).past.age is None
    assert isinstance(HeldOut(flat).past.features, pd.DataFrame)
    assert np.shares_memory(HeldOut(flat).past.label, whole.label)
