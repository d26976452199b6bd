"""The model file: a fitted `LeadScorer` as JSON values and skops bytes, loaded back without trusting them.

Only what was learned is kept: the trees as scikit-learn holds them, the encoder's levels and the linear part's
weights as JSON. Parts that a prediction does not need (the loss, the fit's random generator) are left out, so that
few types must be trusted. They are listed here, not in the file.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
import zipfile
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import InconsistentVersionWarning
from skops import io as skops_io

from mqlml.errors import BundleError
from mqlml.model import LeadScorer
from mqlml.model.encode import TableEncoder
from mqlml.model.linear import LinearPart, NumberEffect, PairEffect, WordEffect
from mqlml.registry.plausibility import LARGEST_LOG_ODDS, check_trees

__all__ = ["load_scorer", "load_trees", "save_scorer", "save_trees"]

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"

# skops itself trusts every scikit-learn estimator and numpy function; this list replaces that.
_TRUSTED = {
    ("ObjectNode", f"{_BOOSTING}.gradient_boosting", "HistGradientBoostingClassifier"),
    ("ObjectNode", f"{_BOOSTING}.binning", "_BinMapper"),
    ("ObjectNode", f"{_BOOSTING}.predictor", "TreePredictor"),
    ("DictNode", "builtins", "dict"),
    ("ListNode", "builtins", "list"),
    ("TypeNode", "builtins", "str"),
    ("JsonNode", "builtins", "str"),
    ("NdArrayNode", "numpy", "ndarray"),
    ("NdArrayNode", "numpy", "uint64"),
}
_NOT_LEARNED = ("_loss", "_label_encoder", "_feature_subsample_rng")

_MOST_BYTES_OF_A_CLASS = 4096
_MOST_THREADS = 4096

_Setting = bool | int | float | str | None


class _Encoder(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    settings: dict[str, _Setting]
    feature_names: list[str]
    kinds: list[Literal["number", "category", "unused"]]
    levels: dict[str, list[str]]

    def wrong(self) -> str | None:
        """What does not fit together, if anything."""
        if len(set(self.feature_names)) != len(self.feature_names) or len(self.kinds) != len(
            self.feature_names
        ):
            return "its columns are not one name and one kind each"
        categories = {n for n, kind in zip(self.feature_names, self.kinds, strict=True) if kind == "category"}
        if set(self.levels) != categories:
            return "its levels are not those of its categories"
        return None

    def matrix_names(self) -> list[str]:
        """The columns of the matrix: those that a split can use."""
        return [name for name, kind in zip(self.feature_names, self.kinds, strict=True) if kind != "unused"]


class _Number(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    low: float
    high: float
    centre: float
    slope: float
    missing: float
    offset: float


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    words: list[float]
    missing: float
    offset: float


class _Pair(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    first: int
    second: int
    cells: list[list[float]]


class _Linear(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    base: float
    columns: list[str]
    effects: list[_Number | _Words]
    # Versions from before there were pairs have none.
    pairs: list[_Pair] = []

    def wrong(self, encoder: _Encoder) -> str | None:
        """What does not fit the encoder, or no prediction could use, if anything."""
        if self.columns != encoder.matrix_names() or len(self.effects) != len(self.columns):
            return "its linear part is not one effect for each matrix column"
        if not abs(self.base) <= LARGEST_LOG_ODDS:
            return f"its linear part starts from {self.base!r}"
        for name, effect in zip(self.columns, self.effects, strict=True):
            levels = encoder.levels.get(name)
            if isinstance(effect, _Number):
                fits = levels is None and effect.low <= effect.high
                ends = (effect.low - effect.centre, effect.high - effect.centre)
                parts = [effect.missing, effect.offset, *(effect.slope * end for end in ends)]
            else:
                fits = levels is not None and len(effect.words) == len(levels) + 1
                parts = [effect.missing, effect.offset, *effect.words]
            if not fits or not all(abs(part) <= LARGEST_LOG_ODDS for part in parts):
                return f"its linear part does not fit the column {name!r}"
        for pair in self.pairs:
            if not (0 <= pair.first < len(self.columns) and 0 <= pair.second < len(self.columns)):
                return f"its linear part pairs columns {pair.first} and {pair.second} of {len(self.columns)}"
            one, other = (encoder.levels.get(self.columns[place]) for place in (pair.first, pair.second))
            if one is None or other is None or len(pair.cells) != len(one) + 2:
                return f"its linear part does not fit the pair of columns {pair.first} and {pair.second}"
            if any(
                len(row) != len(other) + 2 or not all(abs(cell) <= LARGEST_LOG_ODDS for cell in row)
                for row in pair.cells
            ):
                return f"its linear part does not fit the pair of columns {pair.first} and {pair.second}"
        return None


class _Scorer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    settings: dict[str, _Setting]
    classes: list[bool | int | str]
    classes_dtype: str
    named: bool
    encoder: _Encoder
    # Versions from before the blend are trees only and have neither.
    prior: float | None = None
    linear: _Linear | None = None


def save_scorer(scorer: LeadScorer) -> dict[str, Any]:
    """All of a fitted scorer but its trees, as JSON values.

    Raises
    ------
    BundleError
        If its two classes are neither numbers nor text.
    """
    encoder = scorer.encoder_
    if scorer.classes_.dtype.kind not in "biuU":
        raise BundleError(
            f"the classes of a saved model are whole numbers, booleans or text; found {scorer.classes_.dtype}"
        )
    state = {
        "settings": _settings(scorer),
        "classes": scorer.classes_.tolist(),
        "classes_dtype": scorer.classes_.dtype.str,
        "named": hasattr(scorer, "feature_names_in_"),
        "encoder": {
            "settings": _settings(encoder),
            "feature_names": encoder.feature_names_,
            "kinds": encoder.kinds_,
            "levels": encoder.levels_,
        },
        "prior": scorer.prior_,
        "linear": None if scorer.linear_ is None else _describe(scorer.linear_),
    }
    try:
        return _Scorer.model_validate(state).model_dump()
    except ValidationError as error:
        raise BundleError(
            f"the scorer cannot be saved: {_first(error)}; fit it with plain settings"
        ) from None


def _describe(linear: LinearPart) -> dict[str, Any]:
    effects = [asdict(effect) for effect in linear.effects]
    for effect in effects:
        if "words" in effect:
            effect["words"] = list(effect["words"])
    pairs = [{**asdict(pair), "cells": [list(row) for row in pair.cells]} for pair in linear.pairs]
    return {
        "base": linear.base,
        "columns": linear.encoder.matrix_names_,
        "effects": effects,
        "pairs": pairs,
    }


def _make_linear(saved: _Linear, encoder: TableEncoder) -> LinearPart:
    effects = (
        NumberEffect(**effect.model_dump())
        if isinstance(effect, _Number)
        else WordEffect(tuple(effect.words), effect.missing, effect.offset)
        for effect in saved.effects
    )
    pairs = (PairEffect(pair.first, pair.second, tuple(map(tuple, pair.cells))) for pair in saved.pairs)
    return LinearPart(encoder, saved.base, tuple(effects), tuple(pairs))


def load_scorer(values: object, trees: HistGradientBoostingClassifier | None) -> LeadScorer:
    """The scorer of `save_scorer`, around trees that `load_trees` has checked; None for a blend without trees.

    Raises
    ------
    BundleError
        If the values are not those of a fitted scorer, or do not fit the trees.
    """
    try:
        state = _Scorer.model_validate(values)
    except ValidationError as error:
        raise _damaged(_first(error)) from None
    saved = state.encoder
    if (wrong := saved.wrong()) is not None:
        raise _damaged(wrong)
    matrix_names = saved.matrix_names()
    if trees is not None and len(matrix_names) != trees.n_features_in_:
        raise _damaged(f"{len(matrix_names)} matrix columns for trees of {trees.n_features_in_} features")
    try:
        scorer: LeadScorer = LeadScorer().set_params(**state.settings)
        encoder: TableEncoder = TableEncoder().set_params(**saved.settings)
        dtype = np.dtype(state.classes_dtype)
        if dtype.itemsize > _MOST_BYTES_OF_A_CLASS:
            raise ValueError(f"a class of {dtype.itemsize} bytes")
        classes = np.array(state.classes, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise _damaged(str(error)) from None
    if classes.dtype.kind not in "biuU" or classes.shape != (2,) or classes[0] >= classes[1]:
        raise _damaged(f"its classes are {state.classes!r}")
    if state.linear is not None and (wrong := state.linear.wrong(saved)) is not None:
        raise _damaged(wrong)
    for part, weight, held in (
        ("trees", scorer.tree_weight, trees),
        ("linear part", scorer.linear_weight, state.linear),
    ):
        bounded = isinstance(weight, int | float) and 0 <= weight <= LARGEST_LOG_ODDS
        if not bounded or (weight > 0) != (held is not None):
            raise _damaged(f"its {part} and their weight, {weight!r}, do not go together")
    threads = scorer.n_threads
    if type(threads) is not int or not 1 <= threads <= _MOST_THREADS:
        raise _damaged(f"its n_threads is {threads!r}")
    prior = state.prior
    if prior is None:
        if trees is None:
            raise _damaged("it has neither a prior nor trees to take it from")
        prior = float(trees._baseline_prediction[0, 0])
    if not abs(prior) <= LARGEST_LOG_ODDS:
        raise _damaged(f"its prior is {prior!r}")

    encoder.feature_names_ = saved.feature_names
    encoder.kinds_ = list(saved.kinds)
    encoder.levels_ = saved.levels
    encoder.matrix_names_ = matrix_names
    scorer.classes_ = classes
    scorer.n_features_in_ = len(saved.feature_names)
    if state.named:
        scorer.feature_names_in_ = np.array(saved.feature_names, dtype=object)
    scorer.encoder_ = encoder
    scorer.prior_ = prior
    scorer.trees_ = trees
    scorer.linear_ = None if state.linear is None else _make_linear(state.linear, encoder)
    return scorer


def _settings(estimator: BaseEstimator) -> dict[str, Any]:
    """An estimator's settings, with numpy numbers as Python numbers."""
    settings = estimator.get_params(deep=False)
    return {
        name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()
    }


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"at {'.'.join(str(part) for part in first['loc'])!r}, {first['msg'].lower()}"


def _damaged(what: str) -> BundleError:
    return BundleError(
        f"the saved model is not one that training makes: {what}. Fetch or train the version again"
    )


def save_trees(trees: HistGradientBoostingClassifier | None) -> bytes:
    """Fitted trees in the skops format, without what a prediction does not need; no bytes for no trees."""
    if trees is None:
        return b""
    light = copy.copy(trees)
    light.set_params(**_settings(trees))
    for name in _NOT_LEARNED:
        setattr(light, name, None)
    data: bytes = skops_io.dumps(light)
    return data


def load_trees(data: bytes) -> HistGradientBoostingClassifier | None:
    """The trees of `save_trees`, ready to predict, each node checked.

    No bytes mean no trees, as in a blend of other parts; `load_scorer` knows whether this one needs some.

    Raises
    ------
    BundleError
        If the bytes are no such file, or hold a type not listed here or a tree that training cannot make.
    """
    if not data:
        return None
    try:
        _check_types(_read_schema(data))
        with warnings.catch_warnings():
            # Of another patch release; the manifest decides about minor ones.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            loaded = skops_io.loads(data, trusted=[".".join(kind[1:]) for kind in _TRUSTED])
    except BundleError:
        raise
    except Exception as error:  # a crafted file can make zipfile, json, numpy and skops raise anything
        raise BundleError(
            f"model.skops cannot be read ({type(error).__name__}: {str(error)[:200]}); it is damaged. Fetch or "
            "train the version again"
        ) from error
    trees = check_trees(loaded)
    from sklearn._loss.loss import HalfBinomialLoss

    trees._loss = HalfBinomialLoss()
    return trees


def _read_schema(data: bytes) -> object:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # mqlml writes without compression, so the content is smaller than the file; a zip bomb is not.
        if sum(member.file_size for member in archive.infolist()) > len(data):
            raise BundleError("model.skops unpacks to more than its own size; it was not written by mqlml")
        schema: object = json.loads(archive.read("schema.json"))
        return schema


def _check_types(schema: object) -> None:
    """Refuse a file that names a type, or a way to construct one, that is not listed."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            named = tuple(part.get(key) for key in ("__loader__", "__module__", "__class__"))
            if named != (None, None, None) and named not in _TRUSTED:
                raise BundleError(
                    f"model.skops holds a {named[1]}.{named[2]} (as {named[0]}), which no version of mqlml saves; "
                    "do not use this file"
                )
