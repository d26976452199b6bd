"""Trees that training made pass; each way a file could lie about a tree is refused before it is walked."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from mqlml.errors import BundleError
from mqlml.registry.model_file import load_trees, save_trees
from mqlml.registry.plausibility import check_trees

Trees = HistGradientBoostingClassifier
Edit = Callable[[Trees], object]


def matrix(n: int = 600, features: int = 6) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Numbers with gaps: one column has two values, one is of one value or missing (so some split is on missing)."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, features))
    X[:, 1] = rng.integers(0, 2, n)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 2] = np.where(rng.random(n) < 0.5, np.nan, 1.0)
    y = (np.nan_to_num(X[:, 0]) + np.isnan(X[:, 2]) + rng.normal(size=n) > 0.5).astype(np.int64)
    return X, y


def fit(**settings: Any) -> Trees:
    """Trees without what is not saved, as `check_trees` expects them."""
    trees = HistGradientBoostingClassifier(max_iter=12, early_stopping=False, random_state=0).set_params(
        **settings
    )
    with threadpool_limits(limits=1):  # several threads on a shared machine fit many times slower
        trees.fit(*matrix())
    trees._loss = trees._label_encoder = trees._feature_subsample_rng = None
    return trees


@pytest.fixture(scope="module")
def fitted() -> Trees:
    trees = fit()
    infinite = [np.isinf(r[0].nodes["num_threshold"]).any() for r in trees._predictors]
    assert any(infinite), "a split on missing values, with its infinite threshold, is part of what must pass"
    return trees


@pytest.fixture
def trees(fitted: Trees) -> Trees:
    return copy.deepcopy(fitted)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_iter": 1},
        {"max_leaf_nodes": 2},
        {"max_bins": 2},
        {"max_depth": 2, "learning_rate": 1.0},
        {"min_samples_leaf": 1, "max_leaf_nodes": 100},
        {"l2_regularization": 1e6},
        {"min_samples_leaf": 10_000},
        {"max_features": 0.5},
        {"class_weight": "balanced"},
    ],
    ids=lambda settings: ", ".join(f"{k}={v}" for k, v in settings.items()) or "defaults",
)
def test_whatever_training_makes_passes(settings: dict[str, Any]) -> None:
    trees = fit(**settings)
    assert check_trees(trees) is trees


def test_it_comes_back_through_a_file(fitted: Trees) -> None:
    X, _ = matrix()
    loaded = load_trees(save_trees(fitted))
    assert (loaded.decision_function(X) == fitted.decision_function(X)).all()
    assert loaded.predict_proba(X).shape == (len(X), 2)


def nodes(trees: Trees) -> np.ndarray[Any, Any]:
    return trees._predictors[3][0].nodes


def inner(trees: Trees) -> int:
    """A node with two children, not the root, that does not split on missing values."""
    splits = (nodes(trees)["is_leaf"] == 0) & np.isfinite(nodes(trees)["num_threshold"])
    return int(np.flatnonzero(splits)[1])


def leaf(trees: Trees) -> int:
    return int(np.flatnonzero(nodes(trees)["is_leaf"] == 1)[0])


def put(field: str, value: object, at: Callable[[Trees], int] = inner) -> Edit:
    def edit(trees: Trees) -> None:
        nodes(trees)[field][at(trees)] = value

    return edit


def swap_children(trees: Trees) -> None:
    """Two nodes exchange their left children: each is reached once, but rows and depths no longer fit."""
    all_nodes = nodes(trees)
    first, second = np.flatnonzero(all_nodes["is_leaf"] == 0)[[1, -1]]
    all_nodes["left"][[first, second]] = all_nodes["left"][[second, first]]


def loop(trees: Trees) -> None:
    nodes(trees)["left"][inner(trees)] = inner(trees)


def share_child(trees: Trees) -> None:
    all_nodes = nodes(trees)
    all_nodes["left"][inner(trees)] = all_nodes["right"][inner(trees)]


def replace(**values: object) -> Edit:
    def edit(trees: Trees) -> None:
        vars(trees).update(values)

    return edit


def replace_tree(**values: object) -> Edit:
    def edit(trees: Trees) -> None:
        vars(trees._predictors[3][0]).update(values)

    return edit


def replace_bins(**values: object) -> Edit:
    def edit(trees: Trees) -> None:
        vars(trees._bin_mapper).update(values)

    return edit


def other_dtype(trees: Trees) -> None:
    tree = trees._predictors[3][0]
    dtype = [(name, "<f4" if name == "value" else kind[0]) for name, kind in tree.nodes.dtype.fields.items()]
    tree.nodes = tree.nodes.astype(dtype)


def first_edges(trees: Trees) -> np.ndarray[Any, Any]:
    edges: np.ndarray[Any, Any] = trees._bin_mapper.bin_thresholds_[0]
    return edges


class Sly:
    """Something with the name of what is expected."""


DAMAGE: dict[str, tuple[Edit, str]] = {
    "child beyond the end": (put("left", 60_000), r"tree 3, node \d+: a child outside the tree"),
    "child just beyond the end": (lambda t: put("right", len(nodes(t)))(t), "a child outside the tree"),
    "child of the largest index": (put("right", 2**32 - 1), "a child outside the tree"),
    "child before its parent": (put("left", 0), "or before its parent"),
    "child is itself": (loop, "or before its parent"),
    "both children the same": (share_child, "not reached from the root exactly once"),
    "children exchanged": (swap_children, "before its parent|rows are not|depth is wrong"),
    "feature beyond the end": (put("feature_idx", 6), "no feature among the 6"),
    "feature far away": (put("feature_idx", 2**40), "no feature among the 6"),
    "feature before the start": (put("feature_idx", -1), "no feature among the 6"),
    "threshold nan": (put("num_threshold", np.nan), "its threshold is not that of its bin"),
    "threshold moved": (put("num_threshold", 0.123), "its threshold is not that of its bin"),
    "threshold infinite": (put("num_threshold", np.inf), "its threshold is not that of its bin"),
    "bin beyond the end": (put("bin_threshold", 255), "a bin that its feature does not have"),
    "leaf value nan": (put("value", np.nan, leaf), "its value is not a log-odds"),
    "leaf value infinite": (put("value", -np.inf, leaf), "its value is not a log-odds"),
    "leaf value huge": (put("value", 1e7, leaf), "its value is not a log-odds"),
    "gain nan": (put("gain", np.nan), "its gain is not finite"),
    "leaf called inner": (put("is_leaf", 0, leaf), "before its parent"),
    "inner called leaf": (put("is_leaf", 1), "a leaf with children"),
    "root called leaf": (put("is_leaf", 1, lambda _: 0), "a leaf with children"),
    "leaf flag 2": (put("is_leaf", 2), "is_leaf is neither 0 nor 1"),
    "missing flag 7": (put("missing_go_to_left", 7), "missing_go_to_left is neither 0 nor 1"),
    "leaf with a child": (put("left", 5, leaf), "a leaf with children"),
    "categorical split": (put("is_categorical", 1), "a split on categories"),
    "bitset beyond the end": (put("bitset_idx", 9), "a split on categories"),
    "count 0": (put("count", 0, leaf), "no training row reached it"),
    "count moved": (put("count", 3), "its rows are not its children's"),
    "depth moved": (put("depth", 30), "a child's depth is wrong"),
    "root not at depth 0": (put("depth", 1, lambda _: 0), "the root is not at depth 0"),
    "no node": (lambda t: replace_tree(nodes=nodes(t)[:0])(t), "tree 3 has no node"),
    "nodes cut short": (lambda t: replace_tree(nodes=nodes(t)[:-1].copy())(t), "a child outside the tree"),
    "nodes of two dimensions": (lambda t: replace_tree(nodes=nodes(t)[None])(t), r"nodes has the shape \(1, "),
    "nodes with gaps": (lambda t: replace_tree(nodes=nodes(t)[::2])(t), "nodes has the shape"),
    "nodes of another type": (other_dtype, "tree 3: nodes holds"),
    "nodes a list": (lambda t: replace_tree(nodes=nodes(t).tolist())(t), "nodes is a list, not an array"),
    "bitsets given": (replace_tree(raw_left_cat_bitsets=np.zeros((1, 8), np.uint32)), "raw_left_cat_bitsets has the"),
    "bitsets flat": (replace_tree(binned_left_cat_bitsets=np.zeros(0, np.uint32)), "binned_left_cat_bitsets has the"),
    "tree with a method of its own": (replace_tree(predict="x"), "tree 3 has missing or extra attributes: predict"),
    "two trees an iteration": (lambda t: t._predictors[2].append(t._predictors[3][0]), "iteration 2 does not hold"),
    "not a tree": (lambda t: t._predictors.__setitem__(0, [Sly()]), "tree 0 is a Sly, not a TreePredictor"),
    "no trees": (replace(_predictors=[]), "no list of trees"),
    "trees in a tuple": (lambda t: replace(_predictors=tuple(t._predictors))(t), "no list of trees"),
    "more trees than asked for": (replace(max_iter=3), "12 trees are more than max_iter"),
    "two trees per iteration said": (replace(n_trees_per_iteration_=2), "not one tree per iteration"),
    "more features said": (replace(n_features_in_=7, _n_features=7), "is_categorical_ has the shape|not one per"),
    "features do not agree": (replace(n_features_in_=5), "_n_features is not 5"),
    "features a bool": (replace(n_features_in_=True, _n_features=1), "n_features_in_ is True"),
    "no features": (replace(n_features_in_=0, _n_features=0), "n_features_in_ is 0"),
    "baseline nan": (replace(_baseline_prediction=np.array([[np.nan]])), "_baseline_prediction is not a log-odds"),
    "baseline of two": (replace(_baseline_prediction=np.zeros((1, 2))), "_baseline_prediction has the shape"),
    "baseline of objects": (replace(_baseline_prediction=np.array([[None]])), "_baseline_prediction holds object"),
    "three classes": (replace(classes_=np.arange(3)), "classes_ has the shape"),
    "other classes": (replace(classes_=np.array([1, 0])), "not 0 and 1"),
    "preprocessor": (replace(_preprocessor=BaseEstimator()), "'_preprocessor' must be None; found BaseEstimator"),
    "loss": (replace(_loss=Sly()), "'_loss' must be None; found Sly"),
    "method of its own": (replace(decision_function="x"), "missing or extra attributes: decision_function"),
    "setting not plain": (replace(learning_rate=Sly()), "setting 'learning_rate' holds Sly"),
    "seed a text": (replace(_random_seed="0"), "_random_seed is no seed"),
    "scores a list": (replace(train_score_=[]), "train_score_ is a list, not an array"),
    "flag a number": (replace(do_early_stopping_=0), "'do_early_stopping_' is 0"),
    "bin setting an object": (replace_bins(n_threads=Sly()), "the bin mapper's setting 'n_threads' holds Sly"),
    "no bin mapper": (replace(_bin_mapper=None), "the bin mapper is a NoneType"),
    "bins out of order": (lambda t: first_edges(t).__imul__(-1), "bin thresholds of feature 0 do not ascend"),
    "bin infinite": (lambda t: first_edges(t).__setitem__(-1, np.inf), "do not ascend or do not fit"),
    "one feature's bins gone": (lambda t: t._bin_mapper.bin_thresholds_.pop(), "bin_thresholds_ is not one per"),
    "more bins said": (lambda t: t._bin_mapper.n_bins_non_missing_.__setitem__(0, 9), "do not fit its bins"),
    "too many bins": (replace_bins(n_bins=10**6), "n_bins is 1000000"),
    "bin of missing values": (replace_bins(missing_values_bin_idx_=3), "bin of missing values is not the last"),
    "categories in the bins": (lambda t: t._bin_mapper.is_categorical_.__setitem__(0, 1), "the bin mapper has"),
    "known categories said": (replace_bins(known_categories=1), "bin mapper has categories"),
    "known categories": (replace_bins(known_categories=[]), "'known_categories' holds list"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "match"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_refused(trees: Trees, damage: Edit, match: str) -> None:
    damage(trees)
    with pytest.raises(BundleError, match=match):
        check_trees(trees)


def test_another_model_is_refused() -> None:
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(
        BundleError, match="the model is a LogisticRegression, not a HistGradientBoostingClassifier"
    ):
        check_trees(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))


def test_every_random_edit_of_an_index_is_refused(fitted: Trees) -> None:
    """No number but the true one may stand in a child or feature index of a split."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        trees = copy.deepcopy(fitted)
        splits = np.flatnonzero(nodes(trees)["is_leaf"] == 0)
        field = rng.choice(["left", "right", "feature_idx"])
        at = int(rng.choice(splits))
        true = int(nodes(trees)[field][at])
        false = int(rng.integers(0, 2**31))
        if rng.random() < 0.7:
            false %= len(nodes(trees)) + 5
        if false == true or (field == "feature_idx" and false < 6):
            continue  # another feature that exists reads no foreign memory; the threshold check mostly finds it
        nodes(trees)[field][at] = false
        with pytest.raises(BundleError, match="tree 3"):
            check_trees(trees)


def test_native_categories_are_refused() -> None:
    X, y = matrix()
    X[:, 1] = np.nan_to_num(X[:, 1])
    trees = HistGradientBoostingClassifier(max_iter=3, categorical_features=[1]).fit(X, y)
    trees._loss = trees._label_encoder = trees._feature_subsample_rng = None
    with pytest.raises(BundleError, match="not one that training makes"):
        check_trees(trees)
