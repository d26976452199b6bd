"""Columns: each piece fills its own and no other's, whatever is switched on beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from mqlml.config.features import Groups
from mqlml.errors import BundleError
from mqlml.features import Feature, FeaturePlan, build_features, plan_features
from mqlml.features.families.builder import Columns, Piece, features_of, lay_out
from mqlml.features.plan import BUILDERS, owned_pieces
from mqlml.features.wording import Named
from tests.features.worlds import make_config_of, make_world, spread_snapshots

WORLD = make_world(21, leads=25, events=600)
SNAPSHOTS = spread_snapshots(WORLD, 3, 40)
GROUPS = sorted(Groups.model_fields)


def plan_with(groups: set[str]) -> FeaturePlan:
    config = make_config_of(
        windows=["1d", "30d", "all"],
        features={
            "groups": {name: name in groups for name in GROUPS},
            "max_actions": 3,
            "max_channels": 2,
            "half_lives": ["2d", "9d"],
        },
        personas={"buyer": {"size": {"min": 2}}},
        profile={"history": ["plan"]},
    )
    return plan_features(WORLD, config, before=None)


@pytest.fixture(scope="module")
def everything() -> pd.DataFrame:
    """With every group on; no column of it is like the one beside it, else a shift could not be seen."""
    table = build_features(WORLD, SNAPSHOTS, plan_with(set(GROUPS)))
    assert table.shape[1] > 150
    return table


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_has_the_columns_that_it_has_among_all(everything: pd.DataFrame, group: str) -> None:
    alone = build_features(WORLD, SNAPSHOTS, plan_with({group}))
    assert_frame_equal(alone, everything[list(alone)])


def test_every_group_adds_columns(everything: pd.DataFrame) -> None:
    bare = set(build_features(WORLD, SNAPSHOTS, plan_with(set())))
    each = {group: set(build_features(WORLD, SNAPSHOTS, plan_with({group}))) - bare for group in GROUPS}
    assert all(each.values()), {group for group, added in each.items() if not added}
    assert bare | set().union(*each.values()) == set(everything)


@settings(max_examples=12, deadline=None)
@given(groups=st.sets(st.sampled_from(GROUPS)))
def test_any_groups_together_have_the_columns_that_they_have_among_all(groups: set[str]) -> None:
    table = build_features(WORLD, SNAPSHOTS, plan_with(groups))
    among = build_features(WORLD, SNAPSHOTS, plan_with(set(GROUPS)))
    assert_frame_equal(table, among[list(table)])


def test_a_feature_added_in_the_middle_of_a_group_moves_no_other(
    everything: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new piece after every piece of every family: the old columns stay what they are."""

    def write(_given: Any, columns: Columns) -> None:
        columns.fill(slice(None), np.full(len(SNAPSHOTS), 7.0))

    def with_more(builder: Any) -> Any:
        def pieces(settings: Any) -> Any:
            for place, piece in enumerate(builder.pieces(settings)):
                yield piece
                new = Feature("actions", f"new_{builder.part}_{place}", "value", Named("New"))
                yield Piece((new,), write, piece.given)

        return replace(builder, pieces=pieces)

    plan = plan_with(set(GROUPS))
    monkeypatch.setattr("mqlml.features.plan.BUILDERS", tuple(map(with_more, BUILDERS)))
    table = build_features(WORLD, SNAPSHOTS, plan)
    new = [name for name in table if name.startswith("actions__new_")]
    assert len(new) == table.shape[1] - everything.shape[1] > 50
    assert (table[new] == 7.0).all(axis=None)
    assert_frame_equal(table.drop(columns=new), everything)


@pytest.mark.parametrize("change", [-1, 1], ids=["one feature fewer", "one feature more"])
def test_what_fills_a_piece_must_fill_as_many_columns_as_there_are_features(
    change: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every piece of numbers, one after another, gets a feature more or loses one: its writer refuses."""
    plan = plan_with(set(GROUPS))
    pieces = [piece for _, piece in owned_pieces(plan)]
    extra = Feature("actions", "extra", "value", Named("Extra"))
    tried = 0
    for place, piece in enumerate(pieces):
        numbers = all(feature.kind == "number" for feature in piece.features)
        if not numbers or len(piece.features) + change < 1:
            continue
        features = (*piece.features, extra) if change > 0 else piece.features[:-1]
        counter = iter(range(len(pieces)))

        def changed(
            builder: Any, place: int = place, features: Any = features, counter: Any = counter
        ) -> Any:
            def made(settings: Any) -> Any:
                for own in builder.pieces(settings):
                    yield replace(own, features=features) if next(counter) == place else own

            return replace(builder, pieces=made)

        with monkeypatch.context() as patch:
            patch.setattr("mqlml.features.plan.BUILDERS", tuple(map(changed, BUILDERS)))
            with pytest.raises(ValueError, match=rf"columns are written for {len(features)} features"):
                build_features(WORLD, SNAPSHOTS, plan)
        tried += 1
    assert tried > 20


def test_columns_are_handed_out_in_the_order_of_the_features() -> None:
    def piece(what: str, *aggregates: str, category: bool = False) -> Piece:
        unit: Any = "category" if category else "number"
        features = (Feature("actions", what, name, Named(name), unit) for name in aggregates)
        return Piece(tuple(features), lambda given, columns: columns.fill(slice(None), given))

    pieces = [piece("a", "x", "y"), piece("b", "z", category=True), piece("c", "x")]
    numbers, (first, second, third) = lay_out(pieces, 4)
    assert numbers.shape == (4, 3)
    assert [feature.name for feature in features_of(pieces)] == [
        *("actions__a__x", "actions__a__y", "actions__b__z", "actions__c__x")
    ]
    first.fill(np.array([2, 0]), np.array([1.0, 2.0]), np.array([[3.0], [4.0]]))
    third.fill(slice(None), np.arange(4.0))
    second.fill_category(np.array([1]), np.array([0], np.int32), ("word",))
    nan = np.nan
    expected = [[2, 4, 0], [nan, nan, 1], [1, 3, 2], [nan, nan, 3]]
    np.testing.assert_array_equal(numbers, np.array(expected, np.float32))
    assert second.codes.tolist() == [-1, 0, -1, -1]
    assert third.target(1)[1] == 2
    with pytest.raises(ValueError, match="2 columns are written for 1 features: actions__c__x"):
        third.target(2)
    with pytest.raises(ValueError, match="1 columns are written for 1 features: actions__b__z"):
        second.fill(slice(None), np.zeros(4))
    with pytest.raises(ValueError, match="'actions__c__x' are no category"):
        third.fill_category(np.array([1]), np.array([0], np.int32), ("word",))


def test_a_plan_stored_by_an_earlier_mqlml_is_refused() -> None:
    """Its features had a name and a sentence, and no parts."""
    stored = plan_with(set(GROUPS)).to_dict()
    assert FeaturePlan.from_dict(stored).features[0].name == stored["features"][0]["name"]
    kept = ("name", "family", "sentence", "window", "source", "words")
    earlier = [{key: feature[key] for key in kept} for feature in stored["features"]]
    with pytest.raises(BundleError, match=r"cannot be read: features\.0\.what: .*train a new version"):
        FeaturePlan.from_dict({**stored, "features": earlier})
