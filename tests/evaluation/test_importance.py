from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from mqlml.errors import ScorerError
from mqlml.evaluation import Columns, Estimate, Importance, Resampling, measure_importance

FAMILIES = {
    "strong": "actions",
    "weak": "profile",
    "twin_1": "channel",
    "twin_2": "channel",
    "unused": "profile",
}


def _world(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    twin = rng.normal(size=n)
    table = pd.DataFrame(
        {
            "strong": rng.normal(size=n),
            "weak": rng.normal(size=n),
            "twin_1": twin,
            "twin_2": twin,
            "unused": pd.Series(rng.choice(["a", "b"], n), dtype="str"),
        }
    )
    return table, (rng.random(n) < predict(table)).astype(int)


def predict(table: pd.DataFrame) -> np.ndarray:
    """The true probability, so that importance is that of nature."""
    return expit(
        -1 + 1.2 * table["strong"] + 0.3 * table["weak"] + 0.5 * table["twin_1"] + 0.5 * table["twin_2"]
    ).to_numpy()


COLUMNS = Columns(FAMILIES)


def _measure(n: int = 3_000, *, columns: Columns = COLUMNS, **drawn: int) -> Importance:
    table, label = _world(n)
    resampling = Resampling(**{"random_state": 0, **drawn})
    return measure_importance(predict, table, label, columns, clusters=np.arange(n), resampling=resampling)


def test_features_are_in_the_order_of_the_truth_and_the_unused_is_worth_nothing() -> None:
    found = _measure()
    order = [row.name for row in found.features]
    assert order[0] == "strong"
    assert set(order[1:3]) == {"twin_1", "twin_2"}
    assert order[3:] == ["weak", "unused"]
    rows = {row.name: row for row in found.features}
    assert rows["strong"].drop.low > 0
    assert rows["unused"].drop == Estimate(0.0, 0.0, 0.0)
    assert all(row.drop.low <= row.drop.value <= row.drop.high for row in found.features)
    assert [row.drop.value for row in found.features] == sorted(
        (row.drop.value for row in found.features), reverse=True
    )
    assert rows["strong"].family == "actions"


def test_a_family_is_worth_what_its_features_are_worth_together() -> None:
    found = _measure()
    family = {row.name: row for row in found.families}
    assert set(family) == {"actions", "profile", "channel"}
    feature = {row.name: row for row in found.features}
    # Twins stand in for each other: together they are worth more than both apart.
    assert family["channel"].drop.value > feature["twin_1"].drop.value + feature["twin_2"].drop.value
    assert family["actions"].drop == feature["strong"].drop
    assert family["channel"].family == "channel"


def test_the_drop_is_the_rise_of_the_log_loss() -> None:
    table, label = _world(400)
    found = measure_importance(
        predict,
        table,
        label,
        COLUMNS,
        clusters=np.arange(400),
        resampling=Resampling(3, n_repeats=1, n_bootstrap=5),
    )
    rng = np.random.default_rng(3)
    shuffled = table.assign(strong=table["strong"].to_numpy()[rng.permutation(400)])

    def loss(chance: np.ndarray) -> float:
        return float(-np.mean(np.where(label, np.log(chance), np.log(1 - chance))))

    row = next(row for row in found.features if row.name == "strong")
    assert row.drop.value == pytest.approx(loss(predict(shuffled)) - loss(predict(table)), abs=1e-12)


def test_the_same_seed_gives_the_same_and_the_table_is_left_alone() -> None:
    table, label = _world(500)
    before = table.copy()
    settings = {"clusters": np.arange(500), "resampling": Resampling(5)}
    first = measure_importance(predict, table, label, COLUMNS, **settings)
    assert measure_importance(predict, table, label, COLUMNS, **settings) == first
    pd.testing.assert_frame_equal(table, before)


def test_many_rows_are_thinned_out_and_the_result_says_so() -> None:
    seen = []

    def counted(table: pd.DataFrame) -> np.ndarray:
        seen.append(len(table))
        return predict(table)

    table, label = _world(3_000)
    found = measure_importance(
        counted,
        table,
        label,
        COLUMNS,
        clusters=np.arange(3_000),
        resampling=Resampling(0, max_rows=800),
    )
    assert found.n == 800
    assert set(seen) == {800}
    assert found.features[0].name == "strong"
    assert _measure(700, max_rows=800).n == 700


def test_an_unused_feature_costs_one_prediction() -> None:
    calls = []

    def counted(table: pd.DataFrame) -> np.ndarray:
        calls.append(1)
        return np.where(np.arange(len(table)) < 5, 0.3, 0.6)

    table, label = _world(50)
    measure_importance(
        counted, table, label, COLUMNS, clusters=np.arange(50), resampling=Resampling(0, n_repeats=9)
    )
    assert len(calls) == 1 + len(FAMILIES) + 3


def test_any_index_will_do() -> None:
    table, label = _world(300)
    settings = {"clusters": np.arange(300), "resampling": Resampling(1)}
    moved = table.set_axis([f"lead {i % 7}" for i in range(300)], axis=0)
    assert measure_importance(predict, moved, label, COLUMNS, **settings) == measure_importance(
        predict, table, label, COLUMNS, **settings
    )


def test_a_column_without_a_family_is_refused() -> None:
    table, label = _world(50)
    families = dict.fromkeys(("strong", "weak", "unused"), "profile")
    with pytest.raises(ScorerError, match=r"every column needs a family; 2 have none, the first 'twin_1'"):
        measure_importance(
            predict, table, label, Columns(families), clusters=np.arange(50), resampling=Resampling(0)
        )


def test_a_group_is_shuffled_as_one_and_named_by_its_most_important_member() -> None:
    found = _measure(columns=Columns(FAMILIES, groups=[("weak", "strong"), ("twin_2", "twin_1")]))
    family = {row.name: row for row in found.families}
    by_members = {frozenset(group.names): group for group in found.groups}
    twins = by_members[frozenset({"twin_1", "twin_2"})]
    assert twins.drop == family["channel"].drop
    worth = {row.name: row.drop.value for row in found.features}
    assert worth[twins.names[0]] >= worth[twins.names[1]]
    assert by_members[frozenset({"strong", "weak"})].names == ("strong", "weak")
    assert [group.drop.value for group in found.groups] == sorted(
        (group.drop.value for group in found.groups), reverse=True
    )


def test_a_quicker_way_to_ask_gives_the_same() -> None:
    table, label = _world(900)
    asked = []

    def quick(rows: np.ndarray):  # type: ignore[no-untyped-def]
        used = table.iloc[rows].reset_index(drop=True)

        def ask(names: list[str], order: np.ndarray) -> np.ndarray:
            asked.append(names)
            moved = {name: used[name].to_numpy()[order] for name in names}
            return predict(used.assign(**moved))

        return ask

    settings = {"clusters": np.arange(900), "resampling": Resampling(0, max_rows=500)}
    slow = measure_importance(predict, table, label, COLUMNS, **settings)
    assert measure_importance(predict, table, label, COLUMNS, shuffled=quick, **settings) == slow
    assert ["twin_1", "twin_2"] in asked
