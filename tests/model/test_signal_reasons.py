"""Reasons by signal: one a signal, none that is weak, and what was done only as it counts among comparable leads."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.features import FAMILIES, Family, Feature
from mqlml.features.wording import Named
from mqlml.model import Contributions, family_points
from mqlml.model.reasons import (
    ReasonSignals,
    SignalReasons,
    choose_signal_reasons,
    find_done,
    map_features,
)
from mqlml.model.signal_columns import SignalKey
from mqlml.model.signals import (
    Direction,
    RawComparison,
    SignalEstimate,
    SignalLevel,
    SignalName,
    SignalReport,
    SignalResult,
)

EVENTS = ("events.action", "events.occurred_at")
FEATURES = (
    Feature("profile", "size", "value", Named("Size"), "category", source=("leads.size",)),
    Feature("profile", "staff", "value", Named("Staff"), source=("leads.staff",)),
    Feature("actions", "demo", "count", Named("Demos"), "count", window="7d", source=EVENTS),
    Feature("actions", "demo", "days_since", Named("Days since the last demo"), "days", source=EVENTS),
    Feature("actions", "visit", "count", Named("Visits"), "count", window="all", source=EVENTS),
    Feature("actions", "fair", "count", Named("Fairs"), "count", window="all", source=EVENTS),
    Feature("actions", "any", "count", Named("Events"), "count", window="all", source=EVENTS),
    Feature("undesirables", "bounce", "count", Named("Bounces"), "count", window="all", source=EVENTS),
)
NAMES = tuple(feature.name for feature in FEATURES)
SIZE, DEMO, VISIT, FAIR, TOTAL, BOUNCE = range(6)


def result(
    family: Family, what: str, kind: Literal["event", "attribute"], direction: Direction, *members: str
) -> SignalResult:
    estimate = SignalEstimate(0.0, -0.1, 0.1)
    level = SignalLevel(
        what, what, None if kind == "event" else "big", False, 90, 80, 0.1,
        RawComparison(0.1, 0.1, estimate, "no_clear_difference", 0.0, ()), estimate, direction, False,
    )  # fmt: skip
    names = tuple(SignalName(family, name) for name in (what, *members))
    return SignalResult(names[0], names, kind, 0.1, 0.1, (level,))


REPORT = SignalReport(
    100,
    90,
    9,
    0.1,
    (
        result("profile", "size", "attribute", "less", "staff"),
        result("actions", "demo", "event", "more"),
        result("actions", "visit", "event", "no_clear_difference"),
        result("undesirables", "bounce", "event", "less"),
    ),
    (),
)


def choose(
    added: list[list[float]], done: list[list[bool]], *, number: int = 3
) -> list[tuple[list[int], list[int]]]:
    """Signals for and against each row."""
    signals = map_features(FEATURES, REPORT)
    contributions = Contributions(-2.0, np.array(added), NAMES)
    found = choose_signal_reasons(contributions, signals, np.array(done), number=number)
    return [
        ([at for at in good if at >= 0], [at for at in bad if at >= 0])
        for good, bad in zip(found.speaks_for.tolist(), found.speaks_against.tolist(), strict=True)
    ]


def test_features_find_their_signals() -> None:
    signals = map_features(FEATURES, REPORT)
    assert [key.what for key in signals.signals] == ["size", "demo", "visit", "fair", "any", "bounce"]
    assert signals.group == (SIZE, SIZE, DEMO, DEMO, VISIT, FAIR, TOTAL, BOUNCE)
    assert signals.is_total == (False, False, False, False, True, False)
    assert signals.is_event == (False, True, True, True, True, True)
    assert signals.direction == (0, 1, 0, 0, 0, -1), "a fair was not evaluated"
    assert isinstance(signals.signals[0], SignalKey)


def test_what_was_done_is_read_from_the_features() -> None:
    table = pd.DataFrame(
        [["big", 5, 0, 41.5, 0, 0, 7, 0], [None, 9, 0, np.nan, 2, np.nan, 2, 1]], columns=NAMES
    )
    done = find_done(table, map_features(FEATURES, REPORT))
    assert done.tolist() == [
        [False, True, False, False, False, False],
        [False, False, True, False, False, True],
    ]


NO = [False] * 6


@pytest.mark.parametrize(
    ("added", "done", "expected"),
    [
        ([0.1, 0.11, 0, 0, 0, 0, 0, 0], NO, ([SIZE], [])),
        ([0.1, 0.09, 0, 0, 0, 0, 0, 0], NO, ([], [])),
        ([0.5, -0.4, 0, 0, 0, 0, 0, 0], NO, ([], [])),
        ([0, 0, -0.2, -0.1, 0, 0, 0, 0], NO, ([], [DEMO])),
        ([0, 0, -0.2, -0.1, 0, 0, 0, 0], [False, True, False, False, False, False], ([], [])),
        ([0, 0, 0.4, -0.1, 0, 0, 0, 0], [False, True, False, False, False, False], ([DEMO], [])),
        ([0, 0, 0, 0, 0.9, 0.9, 0, 0], [False, False, True, True, False, False], ([], [])),
        ([0, 0, 0, 0, 0, 0, 0, -0.3], [False, False, False, False, False, True], ([], [BOUNCE])),
        ([0, 0, 0, 0, 0, 0, 0, 0.3], [False, False, False, False, False, True], ([], [])),
        ([0, 0, 0, 0, 0, 0, 5.0, 0], NO, ([], [])),
        ([-0.3, 0, 0.2, 0.2, 0.9, -0.2, 0, 0], NO, ([VISIT, DEMO], [SIZE, FAIR])),
    ],
    ids=[
        "two attributes that are one add up",
        "a weak sum is no reason",
        "what cancels is no reason",
        "no demo so far speaks against",
        "a demo that was done never does",
        "a demo that was done speaks for",
        "done, but no clear difference or not evaluated",
        "a bounce speaks against",
        "a bounce never speaks for",
        "a total is no reason",
        "the strongest first",
    ],
)
def test_reasons_by_hand(added: list[float], done: list[bool], expected: tuple[list[int], list[int]]) -> None:
    assert choose([added], [done]) == [expected]


def test_the_feature_is_the_one_that_contributes_most_that_way() -> None:
    signals = map_features(FEATURES, REPORT)
    added = np.array([[0.1, 0.3, -0.5, 0.1, 0, 0, 0, 0]])
    found = choose_signal_reasons(Contributions(0.0, added, NAMES), signals, np.array([NO]), number=2)
    assert found.feature_for.tolist() == [[1, -1]]
    assert found.feature_against.tolist() == [[2, -1]]


def slow(
    added: np.ndarray, done: np.ndarray, signals: ReasonSignals, number: int, least: float
) -> SignalReasons:
    """Row by row, by plain sorting."""
    out = np.full((4, len(added), number), -1, dtype=np.int64)
    for row in range(len(added)):
        sums = [0.0] * len(signals.signals)
        for column, own in enumerate(signals.group):
            if not signals.is_total[own]:
                sums[own] += added[row, column]
        for way, sign in enumerate((1, -1)):
            fit = [
                signal
                for signal, total in enumerate(sums)
                if sign * total >= least
                and not (signals.is_event[signal] and done[row, signal] and signals.direction[signal] != sign)
            ]
            fit.sort(key=lambda signal: -sign * sums[signal])
            for turn, signal in enumerate(fit[:number]):
                members = [column for column, own in enumerate(signals.group) if own == signal]
                out[way, row, turn] = signal
                out[2 + way, row, turn] = max(members, key=lambda column: sign * added[row, column])
    return SignalReasons(*out)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), number=st.integers(1, 7), n=st.integers(1, 30))
def test_the_choice_is_that_of_plain_sorting(seed: int, number: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    signals = map_features(FEATURES, REPORT)
    added = rng.normal(scale=0.3, size=(n, len(NAMES))).round(2)
    done = rng.random((n, 6)) < 0.5
    contributions = Contributions(0.0, added, NAMES)
    before = family_points(contributions, [feature.family for feature in FEATURES])
    found = choose_signal_reasons(contributions, signals, done, number=number)
    wanted = slow(added, done, signals, number, 0.20)
    for field in dataclasses.fields(SignalReasons):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(wanted, field.name), field.name)
    assert not (set(found.speaks_for.ravel()) - {-1}) - {SIZE, DEMO, VISIT, FAIR, BOUNCE}
    for good, bad in zip(found.speaks_for, found.speaks_against, strict=True):
        both = [at for at in (*good, *bad) if at >= 0]
        assert len(both) == len(set(both)), "never two reasons about one signal"
    after = family_points(contributions, [feature.family for feature in FEATURES])
    np.testing.assert_array_equal(before, after)
    assert after.shape == (n, len(FAMILIES))
