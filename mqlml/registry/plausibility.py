"""Refuse stored trees, calibrators, label policies and references that no training could have produced."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from pydantic import ValidationError
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from mqlml.config import LabelRule
from mqlml.errors import BundleError, MqlmlError
from mqlml.model import SigmoidCalibrator
from mqlml.policy import UNQUALIFIED, LabelOutcome, LabelPolicy
from mqlml.types import Floats, Mask, Nodes, Rows

__all__ = [
    "LARGEST_LOG_ODDS",
    "check_trees",
    "load_calibrator",
    "load_policy",
    "load_reference",
    "require_dict",
]


LARGEST_LOG_ODDS = 1e6
"""No part of a model adds more than this; sums of finite parts then stay finite."""

_LEARNED = {
    "_baseline_prediction",
    "_bin_mapper",
    "_feature_subsample_rng",
    "_is_categorical_remapped",
    "_label_encoder",
    "_loss",
    "_n_features",
    "_predictors",
    "_preprocessor",
    "_random_seed",
    "_scorer",
    "_use_validation_data",
    "classes_",
    "do_early_stopping_",
    "is_categorical_",
    "n_features_in_",
    "n_trees_per_iteration_",
    "train_score_",
    "validation_score_",
}
_MUST_BE_NONE = (
    "_feature_subsample_rng",
    "_is_categorical_remapped",
    "_label_encoder",
    "_loss",
    "_preprocessor",
    "_scorer",
    "is_categorical_",
)
_BINS_LEARNED = {"bin_thresholds_", "is_categorical_", "missing_values_bin_idx_", "n_bins_non_missing_"}


def check_trees(trees: object) -> HistGradientBoostingClassifier:
    """Check every node of every tree and return the same object.

    Expected are trees for two classes on numeric columns; the parts that only a fit needs (loss, label encoder,
    random generator) must be None.

    Raises
    ------
    BundleError
        If anything differs from what a fit leaves; the message names the tree, the node and what is wrong.
    """
    settings = set(HistGradientBoostingClassifier().get_params())
    values = _attributes(trees, HistGradientBoostingClassifier, settings | _LEARNED, "the model")
    for name in settings:
        _require(_is_plain(values[name]), f"setting {name!r} holds {type(values[name]).__name__}")
    for name in _MUST_BE_NONE:
        _require(values[name] is None, f"{name!r} must be None; found {type(values[name]).__name__}")

    for name in ("do_early_stopping_", "_use_validation_data"):
        _require(type(values[name]) is bool, f"{name!r} is {values[name]!r}")
    for name in ("train_score_", "validation_score_"):
        _array(values[name], np.dtype(np.float64), (-1,), name)
    _require(type(values["_random_seed"]) is np.uint64, "_random_seed is no seed")

    n_features = values["n_features_in_"]
    _require(type(n_features) is int and n_features >= 1, f"n_features_in_ is {n_features!r}")
    _require(values["_n_features"] == n_features, f"_n_features is not {n_features}")
    _require(values["n_trees_per_iteration_"] == 1, "there is not one tree per iteration, as for two classes")
    _array(values["classes_"], np.dtype(np.int64), (2,), "classes_")
    _require(
        values["classes_"].tolist() == [0, 1], f"classes_ are {values['classes_'].tolist()!r}, not 0 and 1"
    )
    _array(values["_baseline_prediction"], np.dtype(np.float64), (1, 1), "_baseline_prediction")
    _require(
        bool((np.abs(values["_baseline_prediction"]) <= LARGEST_LOG_ODDS).all()),
        "_baseline_prediction is not a log-odds",
    )

    thresholds = _check_bins(values["_bin_mapper"], n_features)
    rounds = values["_predictors"]
    _require(type(rounds) is list and len(rounds) >= 1, "there is no list of trees")
    _require(len(rounds) <= values["max_iter"], f"{len(rounds)} trees are more than max_iter")
    for number, round_ in enumerate(rounds):
        _require(
            type(round_) is list and len(round_) == 1, f"iteration {number} does not hold exactly one tree"
        )
        _check_tree(round_[0], thresholds, f"tree {number}")
    assert isinstance(trees, HistGradientBoostingClassifier)
    return trees


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BundleError(
            f"the saved model is not one that training makes: {what}. Do not use this file; fetch the version "
            "again or train a new one"
        )


def _is_plain(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, str)


def _attributes(value: object, cls: type, names: Collection[str], where: str) -> dict[str, Any]:
    """The attributes of an object of exactly this class with exactly these attributes.

    An extra one could replace a method, as in ``model.predict = something``.
    """
    _require(type(value) is cls, f"{where} is a {type(value).__name__}, not a {cls.__name__}")
    found: dict[str, Any] = vars(value)
    odd = sorted(set(found) ^ set(names))
    _require(not odd, f"{where} has missing or extra attributes: {', '.join(odd[:5])}")
    return found


def _array(value: object, dtype: np.dtype[Any], shape: tuple[int, ...], what: str) -> None:
    """Require a plain numpy array of this type and shape; ``-1`` in the shape is any length."""
    _require(type(value) is np.ndarray, f"{what} is a {type(value).__name__}, not an array")
    assert isinstance(value, np.ndarray)
    _require(value.dtype == dtype, f"{what} holds {value.dtype}, not {dtype}")
    fits = value.ndim == len(shape) and all(b in (-1, a) for a, b in zip(value.shape, shape, strict=True))
    _require(fits and value.flags.c_contiguous, f"{what} has the shape {value.shape}")


def _check_bins(mapper: object, n_features: int) -> list[Floats]:
    """The thresholds between the bins of each feature, ascending and finite, with +inf after the last.

    A split on the last bin sends all that is not missing to the left; scikit-learn writes its threshold as +inf.
    """
    settings = set(_BinMapper().get_params())
    values = _attributes(mapper, _BinMapper, settings | _BINS_LEARNED, "the bin mapper")
    for name in settings - {"random_state"}:
        _require(
            _is_plain(values[name]), f"the bin mapper's setting {name!r} holds {type(values[name]).__name__}"
        )
    _require(type(values["random_state"]) is np.uint64, "the bin mapper's random_state is no seed")
    _require(values["is_categorical"] is None, "the bin mapper has categories")
    _require(values["known_categories"] is None, "the bin mapper has categories")
    n_bins = values["n_bins"]
    _require(type(n_bins) is int and 3 <= n_bins <= 256, f"n_bins is {n_bins!r}")
    _require(values["missing_values_bin_idx_"] == n_bins - 1, "the bin of missing values is not the last")
    _array(values["is_categorical_"], np.dtype(np.uint8), (n_features,), "the bin mapper's is_categorical_")
    _require(not values["is_categorical_"].any(), "the bin mapper has categories")
    _array(values["n_bins_non_missing_"], np.dtype(np.uint32), (n_features,), "n_bins_non_missing_")
    per_feature = values["bin_thresholds_"]
    _require(
        type(per_feature) is list and len(per_feature) == n_features, "bin_thresholds_ is not one per feature"
    )
    padded = []
    for feature, (edges, n_used) in enumerate(
        zip(per_feature, values["n_bins_non_missing_"].tolist(), strict=True)
    ):
        _array(edges, np.dtype(np.float64), (-1,), f"the bin thresholds of feature {feature}")
        good = (
            len(edges) + 1 == n_used <= n_bins - 1 and np.isfinite(edges).all() and (np.diff(edges) > 0).all()
        )
        _require(bool(good), f"the bin thresholds of feature {feature} do not ascend or do not fit its bins")
        padded.append(np.append(edges, np.inf))
    return padded


def _check_tree(predictor: object, thresholds: list[Floats], where: str) -> None:
    bitsets = ("binned_left_cat_bitsets", "raw_left_cat_bitsets")
    values = _attributes(predictor, TreePredictor, {"nodes", *bitsets}, where)
    for name in bitsets:  # no splits on categories, hence no sets of them
        _array(values[name], np.dtype(np.uint32), (0, 8), f"{where}: {name}")
    nodes: Nodes = values["nodes"]
    _array(nodes, PREDICTOR_RECORD_DTYPE, (-1,), f"{where}: nodes")
    _require(len(nodes) >= 1, f"{where} has no node")

    def each(holds: Mask, what: str, which: Rows | None = None) -> None:
        if not holds.all():
            first = int(np.flatnonzero(~holds)[0])
            _require(False, f"{where}, node {first if which is None else which[first]}: {what}")

    for flag in ("is_leaf", "missing_go_to_left"):
        each(nodes[flag] <= 1, f"{flag} is neither 0 nor 1")
    each((nodes["is_categorical"] == 0) & (nodes["bitset_idx"] == 0), "a split on categories")
    each(np.abs(nodes["value"]) <= LARGEST_LOG_ODDS, "its value is not a log-odds")
    each(np.isfinite(nodes["gain"]), "its gain is not finite")
    each(nodes["count"] >= 1, "no training row reached it")

    is_leaf = nodes["is_leaf"] == 1
    leaves = nodes[is_leaf]
    each((leaves["left"] == 0) & (leaves["right"] == 0), "a leaf with children", np.flatnonzero(is_leaf))
    inner = np.flatnonzero(~is_leaf)
    splits = nodes[inner]
    left, right = splits["left"].astype(np.int64), splits["right"].astype(np.int64)
    for child in (left, right):
        # Strictly downwards, so that a walk ends.
        each((child > inner) & (child < len(nodes)), "a child outside the tree, or before its parent", inner)
    reached = np.bincount(np.concatenate([left, right]), minlength=len(nodes))
    each(
        reached == np.r_[0, np.ones(len(nodes) - 1, dtype=np.intp)], "not reached from the root exactly once"
    )
    each(
        splits["count"] == nodes["count"][left] + nodes["count"][right],
        "its rows are not its children's",
        inner,
    )
    depth = nodes["depth"].astype(np.int64)
    _require(depth[0] == 0, f"{where}: the root is not at depth 0")
    each(
        (depth[left] == depth[inner] + 1) & (depth[right] == depth[inner] + 1),
        "a child's depth is wrong",
        inner,
    )

    feature = splits["feature_idx"]
    each((feature >= 0) & (feature < len(thresholds)), f"no feature among the {len(thresholds)}", inner)
    lengths = np.array([len(edges) for edges in thresholds])
    starts = np.cumsum(lengths) - lengths
    bins = splits["bin_threshold"].astype(np.int64)
    each(bins < lengths[feature], "a bin that its feature does not have", inner)
    expected = np.concatenate(thresholds)[starts[feature] + bins]
    each(splits["num_threshold"] == expected, "its threshold is not that of its bin", inner)


_RESERVED = (UNQUALIFIED, "disqualified")
_MOST_QUANTILES = 100_000


def load_calibrator(values: Any) -> SigmoidCalibrator:
    """The calibrator of ``calibrator.json``: finite, and not steeper than `LARGEST_LOG_ODDS`.

    Raises
    ------
    BundleError
        If it is not exactly what `SigmoidCalibrator.to_dict` writes, or out of bounds.
    """
    values = require_dict(values, "calibrator.json")
    calibrator = SigmoidCalibrator.from_dict(values)
    _require_same(values, calibrator.to_dict(), "calibrator.json")
    note = values["note"]
    _require_value(note is None or isinstance(note, str), "calibrator.json", f"its note is {note!r}")
    for name in ("slope", "intercept"):
        _require_value(
            _is_number(values[name]) and abs(values[name]) <= LARGEST_LOG_ODDS,
            "calibrator.json",
            f"its {name} must be a number of at most {LARGEST_LOG_ODDS:g} log-odds; found {values[name]!r}",
        )
    return calibrator


def load_policy(values: Any, labels: Iterable[str]) -> LabelPolicy:
    """The label policy of ``thresholds.json``, whose labels must be those of the version's config, in order.

    Raises
    ------
    BundleError
        If it is not exactly what `LabelPolicy.to_dict` writes, or if a name, rule, threshold, share, count or
        reference is one that training cannot produce.
    """
    values = require_dict(values, "thresholds.json")
    policy = LabelPolicy.from_dict(values)
    _require_same(values, policy.to_dict(), "thresholds.json")
    names = [outcome.label for outcome in policy.outcomes]
    _require_value(
        names == list(labels) and not set(names) & set(_RESERVED),
        "thresholds.json",
        f"its labels must be those of config.json, {', '.join(labels)}; found {names!r}",
    )
    for outcome in policy.outcomes:
        _check_outcome(outcome, set(policy.references))
    for name, quantiles in policy.references.items():
        good = name in ("fit", "engagement") and 0 < len(quantiles) <= _MOST_QUANTILES
        _require_value(
            good and bool((np.diff(quantiles) >= 0).all()),
            "thresholds.json",
            f"its reference {name!r} must be ascending quantiles of fit or engagement",
        )
    return policy


def _check_outcome(outcome: LabelOutcome, references: set[str]) -> None:
    where = f"the label {outcome.label!r}"
    try:
        rule = LabelRule.model_validate(outcome.rule)
    except ValidationError as error:
        first = error.errors()[0]
        raise _refusal("thresholds.json", f"the rule of {where} is invalid: {first['msg'].lower()}") from None
    teams = {} if outcome.teams is None else outcome.teams
    _require_value(
        (rule.teams is not None) or not teams, "thresholds.json", f"{where} has teams without a rule"
    )
    shares = {
        "threshold": outcome.threshold,
        "others": outcome.others,
        "precision": outcome.precision,
        "recall": outcome.recall,
        **{f"teams.{name}": threshold for name, threshold in teams.items()},
    }
    for name, share in shares.items():
        good = name in ("others", "precision", "recall") if share is None else _is_number(share)
        _require_value(
            good and 0 <= (share or 0) <= 1,
            "thresholds.json",
            f"{name} of {where} must be between 0 and 1; found {share!r}",
        )
    counts = (outcome.selected, outcome.converted)
    _require_value(
        all(type(count) is int for count in counts) and 0 <= outcome.converted <= outcome.selected,
        "thresholds.json",
        f"{where} has {outcome.converted!r} conversions of {outcome.selected!r} selected",
    )
    asked = {"fit": rule.min_fit, "engagement": rule.min_engagement}
    missing = {name for name, least in asked.items() if least is not None} - references
    _require_value(
        not missing, "thresholds.json", f"{where} needs the reference {', '.join(sorted(missing))}"
    )


def load_reference(values: Any) -> Floats:
    """The reference of ``reference.json``: ascending probabilities.

    Raises
    ------
    BundleError
        If it holds anything else.
    """
    good = isinstance(values, list) and 0 < len(values) <= _MOST_QUANTILES and all(map(_is_number, values))
    reference = np.array(values if good else [math.nan], dtype=np.float64)
    good = bool((np.diff(reference) >= 0).all()) and reference[0] >= 0 and reference[-1] <= 1
    _require_value(good, "reference.json", "it does not hold ascending probabilities")
    return reference


def require_dict(value: Any, name: str) -> dict[str, Any]:
    """The value itself, if it holds keys and values.

    Raises
    ------
    BundleError
        If it does not.
    """
    _require_value(isinstance(value, dict), name, f"it holds {type(value).__name__}, not keys and values")
    found: dict[str, Any] = value
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _require_same(stored: Any, written: Any, name: str) -> None:
    """Require that saving again would write what is stored: no key, type or value was passed over."""
    _require_value(_canonical(stored) == _canonical(written), name, "it is not what training writes")


def _canonical(value: Any) -> Any:
    """The value with its types, since ``True == 1 == 1.0`` in Python."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return (isinstance(value, bool), isinstance(value, str), value)


def _require_value(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise _refusal(name, what)


def _refusal(name: str, what: str) -> MqlmlError:
    return BundleError(f"{name} cannot be used: {what}. Fetch or train the version again")
