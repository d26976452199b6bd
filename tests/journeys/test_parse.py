"""Ids, numbers, words and attributes: what each column becomes, from text and from typed columns alike."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.journeys.parse import parse_attribute, parse_ids, parse_numbers, parse_words, plain_text


def column(values: Any, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", None], [1, 2, None]),
        ([" 7 ", "", "  "], [7, None, None]),
        (["0", "-5", "9223372036854775807"], [0, -5, 2**63 - 1]),
        (["10803.0", "316.0", ""], [10803, 316, None]),
        (["10803.0", "316"], [10803, 316]),
        ([10803.0, None, math.nan], [10803, None, None]),
        ([Decimal("12"), None], [12, None]),
        (np.array([3, 4], dtype="uint8"), [3, 4]),
    ],
    ids=["text", "white space and empty", "bounds", "through floats", "mixed", "floats", "decimals", "small"],
)
def test_ids_that_are_integers(values: Any, expected: list[int | None]) -> None:
    parsed = parse_ids(column(values))
    assert parsed.data.type == pa.int64()
    assert parsed.data.to_pylist() == expected
    assert parsed.missing.tolist() == [value is None for value in expected]
    assert not parsed.bad.any()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["007", "8"], ["007", "8"]),
        (["+7", "8"], ["+7", "8"]),
        (["-0"], ["-0"]),
        (["9223372036854775808"], ["9223372036854775808"]),
        (["1e5", "2"], ["1e5", "2"]),
        (["1.5", "2.0"], ["1.5", "2.0"]),
        (["a ", None], ["a", None]),
        (np.array([2**64 - 1], dtype="uint64"), [str(2**64 - 1)]),
        ([uuid.UUID(int=5).bytes], [uuid.UUID(int=5).bytes]),
    ],
    ids=[
        "leading zero",
        "plus",
        "minus zero",
        "above int64",
        "exponent",
        "fraction",
        "word",
        "uint64",
        "bytes",
    ],
)
def test_ids_that_are_text(values: Any, expected: list[str | None]) -> None:
    parsed = parse_ids(column(values))
    assert parsed.data.type == pa.string()
    assert parsed.data.to_pylist() == [
        value.decode() if isinstance(value, bytes) else value for value in expected
    ]


def test_float_ids_that_have_lost_digits_are_bad() -> None:
    parsed = parse_ids(column([1.0, 2.5, float(2**53), float(2**53 - 1), math.inf, None]))
    assert parsed.data.to_pylist() == [1, None, None, 2**53 - 1, None, None]
    assert parsed.bad.tolist() == [False, True, True, False, True, False]
    assert parsed.missing.tolist() == [False] * 5 + [True]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=10))
def test_integer_ids_survive_every_spelling(ids: list[int | None]) -> None:
    texts = column([None if value is None else str(value) for value in ids], pa.string())
    assert parse_ids(texts).data.to_pylist() == ids
    assert parse_ids(column(ids, pa.int64())).data.to_pylist() == ids


def test_numbers() -> None:
    numbers, missing = ["1", " -2.5 ", "+3", ".5", "4.", "1e3"], ["", None, "nan", "NaN"]
    words, infinite = ["1,5", "1 000", "0x10", "x"], ["inf", "-Infinity", "1e999"]
    texts = [*numbers, *missing, *words, *infinite]
    parsed = parse_numbers(column(texts))
    assert parsed.data[:6].tolist() == [1, -2.5, 3, 0.5, 4, 1000]
    assert np.isnan(parsed.data[6:]).all()
    assert parsed.missing.tolist() == [6 <= place < 10 for place in range(len(texts))]
    found = {reason: [texts[place] for place in np.flatnonzero(mask)] for reason, mask in parsed.problems}
    assert found == {"not a number": words, "not a finite number": infinite}


@pytest.mark.parametrize(
    "values",
    [np.array([1, 2], dtype="int16"), [1.0, 2.0], [Decimal("1"), Decimal("2")], ["1", "2.0"]],
    ids=["int16", "float", "decimal", "text"],
)
def test_numbers_of_any_type(values: Any) -> None:
    assert parse_numbers(column(values)).data.tolist() == [1.0, 2.0]


def test_truths_are_no_numbers() -> None:
    assert parse_numbers(column([True, None])).bad.tolist() == [True, False]


def test_words_are_sorted_stripped_and_only_those_that_occur() -> None:
    plain = column([" visit", "demo", "", "visit ", None, "Demo"])
    parsed = parse_words(plain)
    assert parsed.data.tolist() == ["visit", "demo", np.nan, "visit", np.nan, "Demo"]
    assert parsed.data.categories.tolist() == ["Demo", "demo", "visit"]
    assert parsed.data.categories.dtype == "str"
    assert parsed.missing.tolist() == [False, False, True, False, True, False]

    codes = pa.array([2, 0, None], pa.int8())
    encoded = pa.DictionaryArray.from_arrays(codes, pa.array(["b", "unused", "a"]))
    chunks = pa.chunked_array([encoded, pa.array(["c", "b "]).dictionary_encode().cast(encoded.type)])
    parsed = parse_words(chunks)
    assert parsed.data.tolist() == ["a", "b", np.nan, "c", "b"]
    assert parsed.data.categories.tolist() == ["a", "b", "c"]


def test_words_may_be_numbers() -> None:
    for values in ([1, 2, None], [1.0, 2.0, None], ["1.0", "2.0", ""], ["1", "2", None]):
        assert parse_words(column(values)).data.tolist() == ["1", "2", np.nan]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2.5", "", None, "nan"], [1, 2.5, np.nan, np.nan, np.nan]),
        (["0.5", "-3", "0"], [0.5, -3, 0]),
        ([None, ""], [np.nan, np.nan]),
        (["01234", "90210"], ["01234", "90210"]),
        (["+4930", "4940"], ["+4930", "4940"]),
        (["1234567890123456", "1"], ["1234567890123456", "1"]),
        (["True", "FALSE", None], ["true", "false", np.nan]),
        (["1", "two"], ["1", "two"]),
        (["2024-01-15", ""], ["2024-01-15", np.nan]),
        ([" a ", "a"], ["a", "a"]),
        ([1, 2, None], [1, 2, np.nan]),
        ([1234567890123456, 1], ["1234567890123456", "1"]),
        ([True, False, None], ["true", "false", np.nan]),
        ([Decimal("1.50")], [1.5]),
        ([dt.date(2024, 1, 15)], ["2024-01-15"]),
        ([dt.datetime(2024, 1, 15, 10, 30, tzinfo=dt.UTC)], ["2024-01-15 10:30:00Z"]),
        ([[1, 2], None], ["[1, 2]", np.nan]),
    ],
    ids=["numbers", "signs", "nothing", "postcode", "phone", "long digits", "truths", "mixed", "dates", "spaces",
         "integers", "long integers", "booleans", "decimals", "typed dates", "timestamps", "lists"],
)  # fmt: skip
def test_attributes(values: Any, expected: list[Any]) -> None:
    parsed = parse_attribute(column(values))
    numeric = all(isinstance(value, int | float) for value in expected)
    assert parsed.data.dtype == ("float64" if numeric else "str")
    pd.testing.assert_series_equal(parsed.data, pd.Series(expected, dtype=parsed.data.dtype))
    assert not parsed.bad.any()


def test_an_infinite_attribute_is_bad_in_text_and_as_float() -> None:
    for values in (["1", "inf"], [1.0, math.inf]):
        assert parse_attribute(column(values)).bad.tolist() == [False, True]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Select", "India", " Select "], [np.nan, "India", np.nan]),
        (["Select", "7", "-1"], [np.nan, 7, np.nan]),
        ([7, -1, None], [7, np.nan, np.nan]),
        ([7.5, -1.0, None], [7.5, np.nan, np.nan]),
        (["select", "x"], [np.nan, "x"]),
    ],
    ids=["text", "numbers in text", "integers", "floats", "whatever their case"],
)
def test_words_for_missing(values: Any, expected: list[Any]) -> None:
    parsed = parse_attribute(column(values), missing_words=["Select", "-1"])
    pd.testing.assert_series_equal(parsed.data, pd.Series(expected, dtype=parsed.data.dtype))


def test_plain_text_of_several_chunks_and_of_none() -> None:
    chunks = pa.chunked_array([pa.array(["1.0"]), pa.array(["x", ""])])
    assert plain_text(chunks).to_pylist() == ["1.0", "x", None]
    assert plain_text(pa.chunked_array([], pa.string())).to_pylist() == []
    assert plain_text(pa.chunked_array([], pa.large_string())).to_pylist() == []
