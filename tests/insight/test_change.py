"""What changed of one lead: the value before stands alone where both values follow the same label."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mqlml.features import Feature
from mqlml.features.wording import Named, counted_events, last_event
from mqlml.insight.leads.lead import Change, compare_moments
from mqlml.model import Contributions, map_features

FEATURES = (
    Feature("actions", "value", "against_usual", Named("Acts against the usual"), "ratio"),
    Feature("actions", "visit", "days_since", last_event("visit"), "days"),
    Feature("channel", "demo", "count", counted_events("demo"), "count"),
    Feature("profile", "region", "value", Named("Region"), "category", missing="not_given"),
    Feature("profile", "employees", "value", Named("Employees"), missing="not_given"),
)


def test_what_changed_is_told_with_the_value_before() -> None:
    added = np.array([[0.0, 0.0, 0.0, 0.0, 0.0], [0.5, 0.4, 0.3, 0.2, 0.0]])
    table = pd.DataFrame([[0.76, np.nan, 1.0, "a: b", 5.0], [1.43, 5.2, 1.0, "a: c", 6.0]])
    names = tuple(feature.name for feature in FEATURES)
    assert compare_moments(
        Contributions(-1.0, added, names), FEATURES, table, map_features(FEATURES, None)
    ) == [
        Change("acts against the usual: 1.43", "acts against the usual: 0.76", "0.76", 0.5, "actions"),
        Change("last visit 5 days ago", "no visit so far", "no visit so far", 0.4, "actions"),
        Change("1 demo", "1 demo", "1 demo", 0.3, "channel"),
        Change("region is a: c", "region is a: b", "region is a: b", 0.2, "profile"),
    ]


def test_a_value_that_is_missing_now_leaves_the_one_before_whole_where_the_words_differ() -> None:
    added = np.array([[0.0] * 5, [-0.5, 0.0, 0.0, 0.0, -0.4]])
    table = pd.DataFrame([[0.76, 1.0, 1.0, "x", 5.0], [np.nan, 1.0, 1.0, "x", np.nan]])
    names = tuple(feature.name for feature in FEATURES)
    first, second = compare_moments(
        Contributions(-1.0, added, names), FEATURES, table, map_features(FEATURES, None)
    )
    assert (first.now, first.value_before) == ("acts against the usual: none yet", "0.76")
    assert (second.now, second.value_before) == ("employees not given", "employees: 5")
