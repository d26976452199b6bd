"""Reasons as sentences: different signals, the strongest first, and a text where none is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from mqlml.features import Feature
from mqlml.features.catalogue import over_windows
from mqlml.features.wording import Counted, Last, Named, counted_events, last_event
from mqlml.model import (
    Contributions,
    choose_signal_reasons,
    find_done,
    format_reasons,
    map_features,
    sum_signals,
)
from mqlml.model.reasons import NOTHING_AGAINST, NOTHING_FOR
from mqlml.times import DAY

TOUCHES = Counted("touch through ads", "touches through ads")
FEATURES = (
    Feature("profile", "country", "value", Named("Country"), "category", missing="not_given"),
    *over_windows(Feature("actions", "demo", "count", counted_events("demo"), "count"), (7 * DAY, 30 * DAY)),
    Feature("actions", "demo", "days_since", last_event("demo"), "days"),
    *over_windows(Feature("channel", "ads", "count", TOUCHES, "count"), (7 * DAY,)),
    Feature("undesirables", "silence", "days", Last("activity"), "days"),
    *over_windows(Feature("actions", "visit", "count", counted_events("visit"), "count"), (7 * DAY,)),
)
NAMES = tuple(feature.name for feature in FEATURES)


SIGNALS = map_features(FEATURES, None)
SIGNALS = replace(SIGNALS, is_event=(False,) * len(SIGNALS.signals), is_total=(False,) * len(SIGNALS.signals))
"""All of them signals, none held to what comparable leads say: that is tested in test_signal_reasons."""


def table_of(*rows: tuple[object, ...]) -> pd.DataFrame:
    table = pd.DataFrame(dict(zip(NAMES, zip(*rows, strict=True), strict=True)))
    return table.astype(dict.fromkeys(NAMES[1:], "float32")).astype({NAMES[0]: "str"})


def say(added: list[list[float]], table: pd.DataFrame, number: int = 3) -> list[tuple[list[str], list[str]]]:
    """What is said for and against each row."""
    contributions = Contributions(-2.0, np.array(added), NAMES)
    chosen = choose_signal_reasons(contributions, SIGNALS, find_done(table, SIGNALS), number=number)
    found = format_reasons(chosen, FEATURES, table)
    return [
        ([found.sentences[at] for at in good if at >= 0], [found.sentences[at] for at in bad if at >= 0])
        for good, bad in zip(found.speaks_for, found.speaks_against, strict=True)
    ]


def test_reasons_of_a_lead_by_hand() -> None:
    table = table_of(("DE", 1, 3, 2.5, 0, 2.5, 4), (None, 0, 0, np.nan, 2, 41.3, 0))
    added = [
        [
            0.2,
            0.3,
            0.4,
            0.1,
            0.19,
            0.0,
            0.9,
        ],  # demos sum to 0.8, and 30 days says most of it; ads hardly count
        [-0.1, -0.2, 0.1, -0.3, 0.25, -1.0, -0.2],
    ]
    assert say(added, table) == [
        (["4 visits in the last 7 days", "3 demos in the last 30 days", "country is DE"], [NOTHING_AGAINST]),
        (
            ["2 touches through ads in the last 7 days"],
            ["no activity for 41 days", "no demo so far", "no visits in the last 7 days"],
        ),
    ]


def test_of_equals_the_first_column_wins() -> None:
    table = table_of(("DE", 1, 1, 2.5, 1, 2.5, 1))
    ((good, _),) = say([[0.3, 0.0, 0.3, 0.0, 0.3, 0.3, 0.3]], table, number=2)
    assert good == ["country is DE", "1 demo in the last 30 days"]


def test_a_row_without_reasons_says_so() -> None:
    table = table_of(("DE", 1, 1, 2.5, 1, 2.5, 1))
    assert say([[0.19, 0.5, -0.5, 0.0, 0.0, -0.19, 0.0]], table) == [([NOTHING_FOR], [NOTHING_AGAINST])]


def test_signals_and_base_sum_to_the_total() -> None:
    rng = np.random.default_rng(0)
    contributions = Contributions(-1.0, rng.normal(size=(20, len(NAMES))), NAMES)
    assert [signal.what for signal in SIGNALS.signals] == ["country", "demo", "ads", "silence", "visit"]
    total = -1.0 + sum_signals(contributions, SIGNALS).sum(axis=1)
    np.testing.assert_allclose(total, contributions.total, rtol=0, atol=1e-12)
