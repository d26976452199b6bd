"""Encoding: a table of numbers and categories goes in, a float matrix with NaN for missing comes out.

A category becomes the rank of its words by frequency. A word that was never seen, or too seldom to say anything, has
the one code after the last; a missing one is NaN, which is another value.
"""

from __future__ import annotations

import difflib
import hashlib
import numbers
from collections.abc import Hashable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from mqlml.errors import PopulationError, ScorerError
from mqlml.types import Floats, Ints

__all__ = ["EmptyClassError", "NothingVariesError", "TableEncoder", "TableError", "check_table"]

_NUMERIC_OBJECTS = {"integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"}
_SHOWN = 5


class TableError(ScorerError, ValueError):
    """A `ScorerError` that scikit-learn's own tools, which expect a `ValueError`, understand as well."""


class NothingVariesError(TableError):
    """A `TableError`: all rows are alike, so there is nothing to learn from."""


class KindError(ScorerError, TypeError):
    """A `ScorerError` (a value that no column can hold) that scikit-learn's tools understand as a `TypeError`."""


class EmptyClassError(PopulationError, ValueError):
    """A `PopulationError` (nobody of one class) that scikit-learn's tools understand as a `ValueError`."""


def _names(words: Sequence[object]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(repr(word) for word in words[:_SHOWN]) + more


def check_table(X: Any, *, estimator: str = "LeadScorer") -> tuple[pd.DataFrame, bool]:
    """A table of unique columns from a DataFrame or a 2-D array, and whether its columns have names.

    Raises
    ------
    TableError
        If two columns have one name, or there is no row or column.
    KindError
        If ``X`` is sparse, or some column names are text and some are not.
    """
    if sparse.issparse(X):
        raise KindError(f"{estimator} takes a table or a dense array; found a sparse matrix. Use X.toarray()")
    if not isinstance(X, pd.DataFrame):
        array = check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator)
        return pd.DataFrame(array), False
    if X.shape[0] < 1:
        raise TableError(f"the table has 0 sample(s) (shape={X.shape}) while a minimum of 1 is required")
    if X.shape[1] < 1:
        raise TableError(f"the table has 0 feature(s) (shape={X.shape}) while a minimum of 1 is required")
    texts = [isinstance(name, str) for name in X.columns]
    if any(texts) and not all(texts):
        raise KindError(
            f"column names must all be text; found {_names([type(c).__name__ for c in X.columns])}"
        )
    if not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()].unique().tolist()
        raise TableError(
            f"each column must have a name of its own; found twice: {_names(twice)}. Drop or rename one"
        )
    return X, all(texts)


def _kind(column: pd.Series, name: Hashable) -> str:
    """``"number"`` or ``"category"``, by what the column holds."""
    dtype = column.dtype
    if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        return "number"
    if isinstance(dtype, pd.CategoricalDtype | pd.StringDtype):
        return "category"
    if types.is_object_dtype(dtype):
        held = types.infer_dtype(column, skipna=True)  # quick, where all is of one type
        if held in _NUMERIC_OBJECTS:
            return "number"
        if held == "string":
            return "category"
        present = [value for value in column if not _is_missing(value)]
        odd = [value for value in present if not isinstance(value, str | numbers.Real | Decimal | np.bool)]
        if odd:
            raise KindError(
                f"column {name!r} must hold numbers or text: argument must be a string or a number; "
                f"found {odd[0]!r} of type {type(odd[0]).__name__}"
            )
        text = next((value for value in present if isinstance(value, str)), None)
        if text is None:
            return "number"
        number = next(value for value in present if not isinstance(value, str))
        raise KindError(
            f"column {name!r} must hold numbers or text, not both; found {text!r} and {number!r}. Turn it into one"
        )
    raise TableError(
        f"column {name!r} must hold numbers or text; found {dtype}. Turn times into a number of days, "
        "and anything else into text"
    )


def _is_missing(value: object) -> bool:
    return (
        value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))
    )


def _numbers(column: pd.Series, name: Hashable) -> Floats:
    """The column as float64, NaN for missing; infinite values are refused."""
    values: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        first = int(np.flatnonzero(infinite)[0])
        raise TableError(
            f"column {name!r} must be finite (NaN means missing); {int(infinite.sum())} of {len(values)} rows hold "
            f"an infinity (inf), the first at row {first}. A ratio with a zero below is the usual cause"
        )
    return values


def _read_floats(X: pd.DataFrame) -> Iterator[tuple[list[str], Floats]]:
    """The columns of floats, those that stand side by side as one array, which is much faster than one by one."""
    names = X.columns.tolist()
    floats = [isinstance(dtype, np.dtype) and dtype.kind == "f" for dtype in X.dtypes]
    edges = [at for at in range(len(names) + 1) if at in (0, len(names)) or floats[at] != floats[at - 1]]
    for low, high in pairwise(edges):
        if floats[low]:
            yield names[low:high], X.iloc[:, low:high].to_numpy()


def _words(column: pd.Series) -> tuple[Ints, list[str]]:
    """Each row's word as a position in the list of different words; −1 for missing."""
    codes, found = pd.factorize(column)
    return codes.astype(np.int64), [str(word) for word in found]


class TableEncoder(BaseEstimator):  # type: ignore[misc]
    """A table of numbers and categories as one float matrix. It never uses the label.

    Ordered codes were measured against target encodings, cross-fitted over leads as scikit-learn's ``TargetEncoder``
    does and with three smoothings, on their own and beside the codes, on splits in time of six data sets: the codes
    had the lowest log loss on all six (one of 300 categories gained 0.01 of AUC from rates). A rate is also a place
    where a label leaks: cross-fitted, it is low exactly where the row's own label is high, and two snapshots of one
    lead share theirs.

    Parameters
    ----------
    min_count : float
        Total weight (rows) a word needs to have a code of its own; below, it shares the code of the never-seen.

    Attributes
    ----------
    feature_names_ : list of str
        The columns learned from, in their order.
    kinds_ : list of {"number", "category", "unused"}
        One per column; a column with one value throughout is unused, and one that equals a later column in every
        row. Feature tables go from short windows to long ones, so that of windows that no training row can tell
        apart the longest is used: the only one that stays the same as a lead grows older than those learned from.
    levels_ : dict of str to list of str
        For each category in use, the words with a code, most frequent first.
    matrix_names_ : list of str
        The matrix's columns: the names of those in use.
    """

    def __init__(self, *, min_count: float = 20) -> None:
        self.min_count = min_count

    def fit(self, X: pd.DataFrame, *, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Learn which columns can be used, and the words of each category.

        Parameters
        ----------
        X : DataFrame of shape (n, columns)
        sample_weight : array of shape (n,), optional
            A row of weight 0 is as good as absent.

        Raises
        ------
        ScorerError
            If a column holds something else than numbers or text, or an infinity, or no column varies.
        """
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        present = weight > 0
        self.feature_names_ = [str(name) for name in X.columns]
        self.kinds_: list[str] = []
        self.levels_: dict[str, list[str]] = {}
        seen: dict[bytes, int] = {}
        for name, column in zip(self.feature_names_, (X[label] for label in X.columns), strict=True):
            kind = _kind(column, name)
            if kind == "number":
                values = _numbers(column, name)
            else:
                codes, words = _words(column)
                count = np.bincount(codes[codes >= 0], weights=weight[codes >= 0], minlength=len(words))
                kept = sorted((-count[i], word) for i, word in enumerate(words) if count[i] >= self.min_count)
                self.levels_[name] = [word for _, word in kept]
                values = self._codes(column, name)
            if not _varies(values[present]):
                kind = "unused"
                self.levels_.pop(name, None)
            elif kind == "number":
                earlier = seen.get(key := _digest(values[present]))
                if earlier is not None:
                    self.kinds_[earlier] = "unused"
                seen[key] = len(self.kinds_)
            self.kinds_.append(kind)
        self.matrix_names_ = [
            n for n, kind in zip(self.feature_names_, self.kinds_, strict=True) if kind != "unused"
        ]
        if not self.matrix_names_:
            raise NothingVariesError(
                f"at least one column must vary over the {len(X)} training rows; all {X.shape[1]} are constant, "
                f"missing, or of words with fewer than {self.min_count:g} rows each: {_names(self.feature_names_)}. "
                "Bring more columns, or more rows"
            )
        return self

    def _codes(self, column: pd.Series, name: str) -> Floats:
        """Rank of each row's word by frequency; one more than the last for any other word; NaN for missing.

        A never-seen word stands next to the seldom ones, so a split that parts the seldom from the usual, which
        the trees do learn, takes it along.
        """
        levels = {word: code for code, word in enumerate(self.levels_[name])}
        if isinstance(column.dtype, pd.CategoricalDtype):  # the words were told apart already
            positions, words = column.cat.codes.to_numpy(), [*map(str, column.cat.categories.tolist())]
        else:
            positions, words = _words(column)
        # Missing is position −1, which picks the last entry.
        code_of = np.array([levels.get(word, len(levels)) for word in words] + [np.nan], dtype=np.float64)
        codes: Floats = code_of[positions]
        return codes

    def transform(self, X: pd.DataFrame) -> Floats:
        """The matrix, one column for each of ``matrix_names_``. Columns are found by name, so their order is free.

        Returns
        -------
        ndarray of float64, shape (n, matrix columns), Fortran order.

        Raises
        ------
        TableError
            If a column is missing, unexpected, of another kind than in training, or holds an infinity.
        """
        check_is_fitted(self, "matrix_names_")
        self.check_columns(X)
        # Fortran order: scikit-learn's trees read one column at a time when they bin, and predict faster from it.
        matrix = np.empty((len(X), len(self.matrix_names_)), dtype=np.float64, order="F")
        kinds = dict(zip(self.feature_names_, self.kinds_, strict=True))
        place = {name: position for position, name in enumerate(self.matrix_names_)}
        done = set()
        for names, values in _read_floats(X):
            for name, column in zip(names, values.T, strict=True):
                if kinds[name] == "number":
                    matrix[:, place[name]] = column
                    done.add(name)
        for position, name in enumerate(self.matrix_names_):
            kind = kinds[name]
            if name in done:
                continue
            column = X[name]
            found = _kind(column, name)
            if found != kind and not column.isna().all():
                raise TableError(
                    f"column {name!r} was a {kind} in training and must be one again; found {column.dtype}"
                )
            if kind == "number":
                matrix[:, position] = _numbers(column, name) if found == kind else np.nan
            else:
                matrix[:, position] = self._codes(column, name)
        if np.isinf(matrix).any():
            for name in done:
                _numbers(X[name], name)
        return matrix

    def check_columns(self, X: pd.DataFrame) -> None:
        """Refuse a table whose column names are not those of the training, and show the difference."""
        given, known = X.columns.tolist(), set(self.feature_names_)
        missing = sorted(known.difference(given), key=self.feature_names_.index)
        unexpected = [str(name) for name in given if name not in known]
        if not missing and not unexpected:
            return
        parts = []
        if missing:
            shown = []
            for name in missing[:_SHOWN]:
                near = difflib.get_close_matches(name, unexpected, n=1)
                shown.append(repr(name) + (f" (is it {near[0]!r}?)" if near else ""))
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            parts.append(f"missing: {', '.join(shown)}{more}")
        if unexpected:
            parts.append(f"unexpected: {_names(unexpected)}")
        raise TableError(
            f"the table must have the {len(self.feature_names_)} columns of the training; {'; '.join(parts)}. "
            "Build it with the version's own feature plan"
        )


def _varies(values: Floats) -> bool:
    """Whether a split can use the column: two different values, or one and missing."""
    missing = np.isnan(values)
    if missing.all():
        return False
    present = values[~missing]
    return bool(missing.any() or (present != present[0]).any())


def _digest(values: Floats) -> bytes:
    """A short name of a column's values, NaN included: two columns have the same only if they are equal."""
    # Adding 0 makes −0 a 0; the rewritten NaN has one bit pattern.
    return hashlib.blake2b(
        np.where(np.isnan(values), np.nan, values + 0.0).tobytes(), digest_size=16
    ).digest()
