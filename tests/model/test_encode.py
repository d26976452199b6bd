from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqlml.errors import MqlmlError, ScorerError
from mqlml.model import TableEncoder
from mqlml.model.encode import check_table


def _words(*counts: tuple[str | None, int]) -> pd.DataFrame:
    values = [word for word, count in counts for _ in range(count)]
    return pd.DataFrame({"source": pd.Series(values, dtype="str")})


def test_codes_are_the_ranks_of_words_by_frequency_and_ties_go_by_name() -> None:
    encoder = TableEncoder(min_count=2).fit(
        _words(("mail", 3), ("ads", 5), ("blog", 3), (None, 4), ("rare", 1))
    )
    assert encoder.levels_ == {"source": ["ads", "blog", "mail"]}
    got = encoder.transform(_words(("ads", 1), ("blog", 1), ("mail", 1), ("rare", 1), ("new", 1), (None, 1)))
    np.testing.assert_array_equal(got[:, 0], [0, 1, 2, 3, 3, np.nan])


def test_a_missing_word_and_a_never_seen_one_are_different_values() -> None:
    encoder = TableEncoder(min_count=1).fit(_words(("ads", 5), ("mail", 3)))  # trained without either
    never_seen, missing = encoder.transform(_words(("fax", 1), (None, 1)))[:, 0]
    assert never_seen == 2
    assert np.isnan(missing)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([True, False, True]), [1, 0, 1]),
        (pd.Series([1, 2, 3], dtype="int8"), [1, 2, 3]),
        (pd.Series([1, None, 3], dtype="Int64"), [1, np.nan, 3]),
        (pd.Series([True, None, False], dtype="boolean"), [1, np.nan, 0]),
        (pd.Series([0.5, None, 1.5], dtype="Float32"), [0.5, np.nan, 1.5]),
        (pd.Series([0.5, None, 1.5], dtype="float32"), [0.5, np.nan, 1.5]),
        (pd.Series([1, None, 2.5], dtype=object), [1, np.nan, 2.5]),
        (pd.Series([True, None, False], dtype=object), [1, np.nan, 0]),
        (pd.Series([True, None, 2], dtype=object), [1, np.nan, 2]),
        (pd.Series([Decimal("0.5"), None, 2], dtype=object), [0.5, np.nan, 2]),
        (pd.Series(["b", "a", "b"], dtype="str"), [0, 1, 0]),
        (pd.Series(["b", pd.NA, "b"], dtype="string"), [0, np.nan, 0]),
        (pd.Series(["b", None, "b"], dtype=object), [0, np.nan, 0]),
        (pd.Series(["b", "a", "b"], dtype="category"), [0, 1, 0]),
        (pd.Series([7, 8, 7], dtype="category"), [0, 1, 0]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pd.Series) else "",
)
def test_every_usual_dtype_becomes_numbers(column: pd.Series, expected: list[float]) -> None:
    table = pd.DataFrame({"x": column})
    before = table.copy()
    np.testing.assert_array_equal(TableEncoder(min_count=1).fit(table).transform(table)[:, 0], expected)
    pd.testing.assert_frame_equal(table, before)


def test_columns_that_do_not_vary_are_left_out_of_the_matrix() -> None:
    table = pd.DataFrame(
        {
            "constant": [1.0, 1.0, 1.0],
            "missing": [np.nan] * 3,
            "word": pd.Series(["a"] * 3, dtype="str"),
            "no_word": pd.Series([None] * 3, dtype="str"),
            "x": [1.0, 2.0, 3.0],
            "sometimes": [5.0, np.nan, 5.0],
        }
    )
    encoder = TableEncoder(min_count=1).fit(table)
    assert encoder.matrix_names_ == ["x", "sometimes"]
    assert encoder.kinds_ == ["unused", "unused", "unused", "unused", "number", "number"]
    assert encoder.transform(table).shape == (3, 2)


def test_of_columns_that_no_row_tells_apart_the_last_is_used() -> None:
    table = pd.DataFrame(
        {
            "week": [0.0, 2.0, np.nan, 1.0],
            "other": [0.0, 2.0, np.nan, 3.0],
            "month": [-0.0, 2.0, np.nan, 1.0],
            "all": [0, 2, None, 1],
            "word": pd.Series(["a", "b", "c", "a"], dtype="str"),
            "same_word": pd.Series(["a", "b", "c", "a"], dtype="str"),
        }
    )
    encoder = TableEncoder(min_count=1).fit(table)
    assert encoder.matrix_names_ == ["other", "all", "word", "same_word"]
    assert encoder.kinds_ == ["unused", "number", "unused", "number", "category", "category"]
    weighed = TableEncoder(min_count=1).fit(table, sample_weight=[1, 1, 1, 0])
    assert weighed.matrix_names_ == ["all", "word", "same_word"], "only rows with a weight tell columns apart"


def test_a_table_in_which_nothing_varies_is_refused() -> None:
    with pytest.raises(
        ScorerError, match=r"at least one column must vary over the 2 training rows.*'a', 'b'"
    ):
        TableEncoder().fit(pd.DataFrame({"a": [1, 1], "b": pd.Series(["x", "y"], dtype="str")}))


def test_rows_of_weight_zero_are_as_good_as_absent() -> None:
    table = pd.DataFrame({"x": [1.0, 1.0, 9.0], "word": pd.Series(["a", "b", "c"], dtype="str")})
    encoder = TableEncoder(min_count=1).fit(table, sample_weight=[1, 1, 0])
    assert encoder.matrix_names_ == ["word"]
    assert encoder.levels_ == {"word": ["a", "b"]}


def test_the_order_of_columns_does_not_matter() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    encoder = TableEncoder().fit(table)
    np.testing.assert_array_equal(encoder.transform(table[["b", "a"]]), encoder.transform(table))


def test_a_difference_in_columns_is_shown_with_the_nearest_name() -> None:
    encoder = TableEncoder().fit(pd.DataFrame({"visits_7d": [1, 2], "visits_30d": [1, 2], "age": [1, 2]}))
    other = pd.DataFrame({"visits_7_d": [1], "age": [1], "colour": [2]})
    with pytest.raises(
        ScorerError,
        match=r"must have the 3 columns of the training; missing: 'visits_7d' \(is it 'visits_7_d'\?\), "
        r"'visits_30d'.*; unexpected: 'visits_7_d', 'colour'",
    ):
        encoder.transform(other)


def test_a_long_difference_is_shortened() -> None:
    encoder = TableEncoder().fit(pd.DataFrame({f"c{i}": [1, 2] for i in range(9)}))
    with pytest.raises(ScorerError, match=r"missing: 'c0', .*'c4' and 4 more; unexpected: 'other'"):
        encoder.transform(pd.DataFrame({"other": [1]}))


def test_an_infinity_is_refused_with_its_column_and_rows() -> None:
    table = pd.DataFrame({"ok": [1.0, 2.0, 3.0, 4.0], "rate": [0.5, np.inf, 1.0, -np.inf]})
    with pytest.raises(
        ScorerError, match=r"'rate' must be finite .* 2 of 4 rows hold an infinity.*first at row 1"
    ):
        TableEncoder().fit(table)
    good = table.assign(rate=[0.5, 1.5, 1.0, 2.0])
    encoder = TableEncoder().fit(good)
    for kind in ("float32", "float64"):
        with pytest.raises(ScorerError, match=r"'rate' must be finite .* 2 of 4 rows hold an infinity"):
            encoder.transform(table.astype(kind))


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (
            pd.to_datetime(pd.Series(["2024-01-01", "2024-01-02"])),
            ScorerError,
            r"'x' must hold numbers or text; found d",
        ),
        (
            pd.Series([{"a": 1}, {"a": 2}]),
            TypeError,
            r"'x' must hold numbers or text.*found \{'a': 1\} of type dict",
        ),
        (
            pd.Series(["a", dt.date(2024, 1, 1)]),
            TypeError,
            r"'x' must hold.*datetime.date\(2024, 1, 1\) of type date",
        ),
        (pd.Series(["a", 1]), TypeError, r"'x' must hold numbers or text, not both.*'a' and 1"),
    ],
    ids=["times", "dicts", "text and a date", "text and a number"],
)
def test_a_column_of_something_else_is_refused(
    column: pd.Series, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        TableEncoder().fit(pd.DataFrame({"x": column}))
    assert isinstance(caught.value, MqlmlError)


def test_a_column_of_another_kind_than_in_training_is_refused() -> None:
    encoder = TableEncoder(min_count=1).fit(_words(("1", 2), ("2", 3)))
    with pytest.raises(
        ScorerError, match=r"'source' was a category in training and must be one again; found int64"
    ):
        encoder.transform(pd.DataFrame({"source": [1, 2]}))


@pytest.mark.parametrize("dtype", ["float64", "object", "str", "Int64"])
def test_a_column_missing_throughout_may_have_any_dtype(dtype: str) -> None:
    encoder = TableEncoder(min_count=1).fit(
        pd.DataFrame({"n": [1.0, 2.0], "w": pd.Series(["a", "b"], dtype="str")})
    )
    empty = pd.DataFrame({"n": pd.Series([None] * 2, dtype=dtype), "w": pd.Series([None] * 2, dtype=dtype)})
    assert np.isnan(encoder.transform(empty)).all()


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ScorerError, r"a name of its own; found twice: 'a'"),
        (
            pd.DataFrame([[1, 2]], columns=["a", 1]),
            TypeError,
            r"column names must all be text; found 'str', 'int'",
        ),
        (pd.DataFrame({"a": []}), ScorerError, r"0 sample\(s\)"),
        (pd.DataFrame(index=[0, 1]), ScorerError, r"0 feature\(s\)"),
    ],
    ids=["duplicate name", "mixed names", "no rows", "no columns"],
)
def test_a_table_that_cannot_be_read_is_refused(
    table: pd.DataFrame, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_table(table)


@given(
    trained=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=2, max_size=30),
    scored=st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=10),
)
def test_a_row_is_encoded_alone_as_in_any_company(
    trained: list[str | None], scored: list[str | None]
) -> None:
    column = pd.Series(trained, dtype="str")
    encoder = TableEncoder(min_count=2).fit(pd.DataFrame({"w": column, "x": range(len(column))}))
    table = pd.DataFrame({"w": pd.Series(scored, dtype="str"), "x": 0})
    whole = encoder.transform(table)
    alone = np.concatenate([encoder.transform(table.iloc[[i]]) for i in range(len(table))])
    np.testing.assert_array_equal(whole, alone)
