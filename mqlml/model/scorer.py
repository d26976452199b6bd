"""The model: a table of what was known about each lead goes in, the log-odds of conversion come out.

`LeadScorer` is an ordinary scikit-learn classifier: gradient-boosted trees, a logistic regression, or a blend of
both. Its defaults are for the few hundred to few hundred thousand leads a company has, chosen on out-of-time
predictions of several data sets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils.validation import check_is_fitted

from mqlml.model.encode import TableEncoder, TableError
from mqlml.model.inputs import check_new_rows, check_training_rows, limit_threads, pick_class, two_classes
from mqlml.model.linear import LinearPart
from mqlml.model.linear_fit import draw_rows, fit_linear, take_rows
from mqlml.types import Floats, Objects, Rows

__all__ = ["LeadScorer"]

# Trees predict a matrix in Fortran order five times faster than one in C order, and in slices that fit the cache a
# tenth faster still (20,000 rows, 150 columns). Encoding takes larger steps, since its cost is per column; with still
# larger ones the system must hand over new memory for each matrix, which costs up to a third of explaining.
_ENCODED_ROWS = 8_192
_PREDICTED_ROWS = 4_096


class LeadScorer(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gradient-boosted trees and a logistic regression on a table of numbers and categories, blended in log-odds.

    ``raw = prior_ + tree_weight · (trees − prior_) + linear_weight · (logistic − prior_)``, where ``prior_`` is the
    log-odds of the training's base rate. By default it is the trees alone; versions have both parts at one half
    each. Weights that add up to less than 1 shrink the score towards the base rate.

    The trees' defaults were chosen by log loss on out-of-time folds of four real data sets (without their held-out
    periods) and three simulated ones, 90 to 20,000 training rows each: few small trees with a strong ridge. Their log
    loss is 4 to 50% below that of 31 leaves, no ridge and a learning rate of 0.1. Still smaller (4 leaves, or 60
    trees) gains up to 6% where there are under 50 conversions, and loses 1 to 2% where there are thousands.

    Parameters
    ----------
    learning_rate : float
        Weight of each tree.
    n_trees : int
        Number of trees; none is dropped by an early stop, whose random validation rows would leak over time.
    max_leaf_nodes : int
        Leaves per tree.
    min_samples_leaf : int
        Rows in a leaf, at least.
    l2_regularization : float
        Ridge on the leaves' values.
    max_features : float, above 0 and at most 1
        Share of the columns, drawn anew, that each split may choose from.
    min_category_count : float
        Rows a category's word needs to be told apart; see `TableEncoder`.
    tree_weight, linear_weight : float, 0 or above
        Shares of trees and logistic regression in the raw score; a part of weight 0 is not fitted.
    linear_spread : float
        How far apart the logistic regression believes leads to be before it has seen them; see `fit_linear`.
    n_threads : int
        Threads of fit and predict. Predictions are the same to the bit for any number.
    random_state : int
        Which rows the trees' bins are cut from, where there are more than 200,000; which columns a split may choose
        from, where ``max_features`` is below 1; which rows the logistic regression sees, where there are more than
        100,000.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels in sorted order; the second is the one whose probability is meant.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if the training table had text column names.
    encoder_ : TableEncoder
    prior_ : float
        Log-odds of the share of the second class in training.
    trees_ : HistGradientBoostingClassifier or None
        Fitted on the encoder's matrix; None if its weight is 0.
    linear_ : LinearPart or None
        Fitted on the same matrix; None if its weight is 0.

    Notes
    -----
    It passes scikit-learn's ``check_estimator`` as trees, as logistic regression and as a blend. One of its 62 checks
    is skipped, ``check_array_api_input``: it needs ``SCIPY_ARRAY_API`` set, and asks about arrays that are not
    numpy's, which a table of words and numbers is not. The tags say what else is taken: two classes only, missing
    values, text and categories.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"visits": [0, 1, 6, 9] * 20, "source": ["ads", None, "mail", "mail"] * 20})
    >>> scorer = LeadScorer().fit(X, [0, 0, 1, 1] * 20)
    >>> bool(scorer.predict_proba(X)[3, 1] > 0.9)
    True
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.05,
        n_trees: int = 120,
        max_leaf_nodes: int = 8,
        min_samples_leaf: int = 20,
        l2_regularization: float = 10.0,
        max_features: float = 1.0,
        min_category_count: float = 20,
        tree_weight: float = 1.0,
        linear_weight: float = 0.0,
        linear_spread: float = 1.0,
        n_threads: int = 1,
        random_state: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.n_trees = n_trees
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.min_category_count = min_category_count
        self.tree_weight = tree_weight
        self.linear_weight = linear_weight
        self.linear_spread = linear_spread
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn from rows whose outcome is known.

        Parameters
        ----------
        X : DataFrame of shape (n, columns), or 2-D array of numbers
            Numeric, bool and nullable columns (NaN or NA means missing); ``str`` and ``category`` columns.
        y : array of shape (n,)
            Two different values; the greater one is the conversion.
        sample_weight : array of shape (n,), optional
            Not negative, not all 0.

        Raises
        ------
        ScorerError
            If a column cannot be used, or none varies, or a weight of the blend is below 0.
        PopulationError
            If ``y`` holds one class only.
        """
        rows = check_training_rows(self, X, y, sample_weight)
        table, target, weight = rows.table, rows.target, rows.weight
        for name in ("tree_weight", "linear_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise TableError(f"{name} must be a number from 0 up; found {getattr(self, name)!r}")
        self.prior_ = float(logit(np.average(target, weights=weight)))
        self.encoder_ = TableEncoder(min_count=self.min_category_count)
        matrix = self.encoder_.fit(table, sample_weight=weight).transform(table)
        self.trees_ = self._fit_trees(matrix, target, weight) if self.tree_weight else None
        self.linear_: LinearPart | None = None
        if self.linear_weight:
            drawn = draw_rows(len(matrix), self.random_state)
            if drawn is not None:  # taken here, so that the whole matrix is not kept beside them
                matrix, target = take_rows(matrix, drawn), target[drawn]
                weight = None if weight is None else weight[drawn]
            self.linear_ = fit_linear(
                self.encoder_, matrix, target, sample_weight=weight, spread=self.linear_spread
            )
        return self

    def _fit_trees(
        self, matrix: Floats, target: Rows, weight: Floats | None
    ) -> HistGradientBoostingClassifier:
        trees = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.n_trees,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            max_features=self.max_features,
            early_stopping=False,
            random_state=self.random_state,
        )
        with limit_threads(self.n_threads):
            return trees.fit(matrix, target, sample_weight=weight)

    def decision_function(self, X: Any) -> Floats:
        """Raw log-odds of conversion, before any calibration; shape (n,).

        Raises
        ------
        ScorerError
            If the columns are not those of the training; the message shows the difference.
        """
        return self.blend(self.predict_parts(X))

    def predict_parts(self, X: Any) -> Floats:
        """Log-odds by the trees and by the logistic regression, from one encoding; shape (n, 2).

        A part that is not fitted gives ``prior_``.
        """
        return np.concatenate([self._parts_of(matrix) for matrix in self.encode_in_parts(X)])

    def blend(self, parts: Floats) -> Floats:
        """Raw log-odds from those of the parts, see `predict_parts`; shape (n,)."""
        # Written so that the trees alone, at weight 1, come out as they are to the bit.
        shrunk = (1.0 - self.tree_weight - self.linear_weight) * self.prior_
        raw: Floats = shrunk + self.tree_weight * parts[:, 0] + self.linear_weight * parts[:, 1]
        return raw

    def encode_in_parts(self, X: Any) -> Iterator[Floats]:
        """The matrices of consecutive rows of a table, for `predict_matrix`.

        Raises
        ------
        ScorerError
            If the columns are not those of the training; the message shows the difference.
        """
        check_is_fitted(self, "prior_")
        table = check_new_rows(self, X)
        # The different words of a column are found once, not once for each matrix.
        texts = {
            str(name): table[name].astype("category")
            for name, dtype in table.dtypes.items()
            if isinstance(dtype, pd.StringDtype)
        }
        table = table.assign(**texts)
        for start in range(0, len(table), _ENCODED_ROWS):
            yield self.encoder_.transform(table.iloc[start : start + _ENCODED_ROWS])

    def predict_matrix(self, matrix: Floats) -> Floats:
        """Raw log-odds of rows that are encoded already; see `TableEncoder.transform`.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, columns of `get_feature_names_out`), Fortran order for speed.
        """
        return self.blend(self._parts_of(matrix))

    def _parts_of(self, matrix: Floats) -> Floats:
        parts = np.full((len(matrix), 2), self.prior_, order="F")
        with limit_threads(self.n_threads):
            for low in range(0, len(matrix), _PREDICTED_ROWS):
                rows = slice(low, low + _PREDICTED_ROWS)
                if self.trees_ is not None:
                    parts[rows, 0] = self.trees_.decision_function(matrix[rows])
                if self.linear_ is not None:
                    parts[rows, 1] = self.linear_.predict_matrix(matrix[rows])
        return parts

    @property
    def used_features_(self) -> frozenset[str]:
        """The columns that a tree splits on or that carry a weight; no other can move a prediction."""
        check_is_fitted(self, "prior_")
        used = self.linear_.used_features if self.linear_ is not None else frozenset()
        if self.trees_ is None:
            return used
        names = self.encoder_.matrix_names_
        splits = (
            tree.nodes["feature_idx"][tree.nodes["is_leaf"] == 0]
            for trees in self.trees_._predictors
            for tree in trees
        )
        return used | {names[index] for part in splits for index in np.unique(part)}

    def predict_proba(self, X: Any) -> Floats:
        """Uncalibrated probabilities of both classes; shape (n, 2), rows sum to one."""
        return two_classes(expit(self.decision_function(X)))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The likelier class of each row."""
        return pick_class(self, self.decision_function(X) > 0)

    def get_feature_names_out(self, input_features: Any = None) -> Objects:
        """Names of the columns of the matrix that both parts see: those of the training that vary.

        Parameters
        ----------
        input_features : array of str, optional
            Checked against the training's names if given, as scikit-learn's pipelines do.
        """
        check_is_fitted(self, "prior_")
        if input_features is not None and [str(n) for n in input_features] != self.encoder_.feature_names_:
            raise TableError("input_features must be the column names of the training, in their order")
        return np.asarray(self.encoder_.matrix_names_, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags
