"""Reasons: different matters, the strongest first, said once for all rows, and none that hardly counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.features import Feature
from mqlml.features.catalogue import over_windows
from mqlml.features.wording import Counted, Last, Named, counted_events, last_event
from mqlml.model import Contributions, choose_reasons, group_signals, sum_signals
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


def table_of(*rows: tuple[object, ...]) -> pd.DataFrame:
    table = pd.DataFrame(dict(zip(NAMES, zip(*rows, strict=True), strict=True)))
    return table.astype(dict.fromkeys(NAMES[1:], "float32")).astype({NAMES[0]: "str"})


def say(added: list[list[float]], table: pd.DataFrame, number: int = 3) -> list[tuple[list[str], list[str]]]:
    """What is said for and against each row."""
    found = choose_reasons(Contributions(-2.0, np.array(added), NAMES), FEATURES, table, number=number)
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
            0.01,
            0.0,
            0.9,
        ],  # demos sum to 0.8, and 30 days says most of it; ads hardly count
        [-0.1, -0.2, 0.1, -0.3, 0.05, -1.0, -0.2],
    ]
    assert say(added, table) == [
        (["4 visits in the last 7 days", "3 demos in the last 30 days", "country is DE"], []),
        (
            ["2 touches through ads in the last 7 days"],
            ["no activity for 41 days", "no demo so far", "no visits in the last 7 days"],
        ),
    ]


def test_of_equals_the_first_column_wins() -> None:
    table = table_of(("DE", 1, 1, 2.5, 1, 2.5, 1))
    ((good, _),) = say([[0.1, 0.0, 0.1, 0.0, 0.1, 0.1, 0.1]], table, number=2)
    assert good == ["country is DE", "1 demo in the last 30 days"]


def test_a_row_without_reasons_has_none() -> None:
    table = table_of(("DE", 1, 1, 2.5, 1, 2.5, 1))
    assert say([[0.019, 0.5, -0.5, 0.0, 0.0, -0.019, 0.0]], table) == [([], [])]


def test_ideas_and_base_sum_to_the_total() -> None:
    rng = np.random.default_rng(0)
    contributions = Contributions(-1.0, rng.normal(size=(20, len(NAMES))), NAMES)
    signals = group_signals(FEATURES)
    assert [idea.what for idea in signals] == ["country", "demo", "ads", "silence", "visit"]
    total = -1.0 + sum_signals(contributions, signals).sum(axis=1)
    np.testing.assert_allclose(total, contributions.total, rtol=0, atol=1e-12)


def by_sorting(added: np.ndarray, number: int, sign: float) -> list[int]:
    """The strongest member of each of the strongest ideas, by plain sorting."""
    strength = [(sign * sum(added[list(idea.members)]), idea) for idea in group_signals(FEATURES)]
    strong = sorted((pair for pair in strength if pair[0] >= 0.02), key=lambda pair: -pair[0])[:number]
    return [max(idea.members, key=lambda member: sign * added[member]) for _, idea in strong]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), number=st.integers(1, 6), n=st.integers(1, 40))
def test_the_choice_is_that_of_plain_sorting(seed: int, number: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    added = rng.normal(scale=0.1, size=(n, len(NAMES))).round(2)
    # Every value of every column is said in another sentence, so a sentence tells which was chosen.
    table = table_of(*((f"land {row}", *(10 + row * 7 + np.arange(6))) for row in range(n)))
    words = say(added.tolist(), table, number=number)
    for row in range(n):
        alone = say(added[[row]].tolist(), table.iloc[[row]].reset_index(drop=True), number=number)
        assert words[row] == alone[0], "a row's reasons do not depend on the others"
        for said, sign in zip(words[row], (1.0, -1.0), strict=True):
            expected = by_sorting(added[row], number, sign)
            assert len(said) == len(expected)
            for sentence, column in zip(said, expected, strict=True):
                value = table.iloc[row, column]
                assert str(value if isinstance(value, str) else int(value)) in sentence
