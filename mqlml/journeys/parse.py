"""Column parsers: one Arrow column becomes values, and a mask of those that cannot be used.

Text and typed columns of the same table give the same values, whichever format it was exported in: white
space around text does not count, empty text is missing, a column of whole numbers that passed through floats
(``10803.0``, as a column with gaps does) loses the ``.0``, a column of truths is ``true`` and ``false``.
All of it runs on whole columns; no function here loops over rows. Where a column comes in batches, what all of its
values must agree in is found out first, as its `Form`, and given to the parser of each batch.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.types import Mask

__all__ = [
    "Form",
    "Parsed",
    "as_text",
    "find_form",
    "parse_attribute",
    "parse_ids",
    "parse_numbers",
    "parse_words",
    "plain_text",
    "plain_word",
    "true_where",
]

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^(0|-?[1-9]\d{0,18})$"
_TRUTH = r"^(?i:true|false)$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_WHOLE = r"^-?\d+(\.0+)?$"
_CODE = r"^([+].*|-?0\d.*|-?\d{16,})$"
"""Digits that are a name rather than a quantity: a sign or a zero in front, or more than a float can hold."""

_FLOAT_IS_EXACT = 2**53


@dataclass(frozen=True)
class Parsed:
    """One parsed column.

    Attributes
    ----------
    data : one value per row; what type, each parser says. Where a value is bad or missing it is missing.
    missing : bool array, True where the source has no value.
    problems : pairs of a reason and a bool array, True where the source's value is bad for that reason.
    """

    data: Any
    missing: Mask
    problems: tuple[tuple[str, Mask], ...] = ()

    @property
    def bad(self) -> Mask:
        """True where the source's value is bad, for whatever reason."""
        bad = np.zeros(len(self.missing), dtype=bool)
        for _, mask in self.problems:
            bad |= mask
        return bad


def true_where(array: Any) -> Mask:
    """An Arrow array of truths as numpy's; null is False."""
    return np.asarray(pc.fill_null(array, False), dtype=bool)


def _all(array: Any) -> bool:
    """Whether every non-null value holds; true of none at all."""
    return bool(pc.all(array, min_count=0).as_py())


def _any(array: Any) -> bool:
    return bool(pc.any(array, min_count=0).as_py())


def as_text(column: Any) -> Any:
    """Any column as text, as exactly as its type allows; instants in ISO form."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        text = pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz), safe=False), pa.string())
        return pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1")
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        # Lists, structs, UUIDs, bytes: Python knows a text for each.
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])


@dataclass(frozen=True)
class Form:
    """What all values of a column agree in; batches of one column are joined with ``&``.

    Attributes
    ----------
    whole : they are whole numbers, some perhaps with ``.0`` behind them.
    truth : they are truths.
    integer : once that ``.0`` is gone, they are plainly written integers that int64 holds.
    """

    whole: bool = True
    truth: bool = True
    integer: bool = True

    def __and__(self, other: Form) -> Form:
        return Form(self.whole and other.whole, self.truth and other.truth, self.integer and other.integer)


def find_form(column: Any, known: Form | None = None) -> Form:
    """The form of a column, or of one batch of it; no value at all agrees in everything.

    Parameters
    ----------
    known : the form of the batches before; what they do not agree in is not checked again.
    """
    known = known or Form()
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
    if pa.types.is_integer(column.type):
        return Form(known.whole, False, known.integer and _int64_holds(column))
    text = _trimmed(column)
    if text.null_count == len(text):
        return known
    first = text.drop_null()[0]  # spares nearly every column the search
    whole = known.whole and _matches(first, _WHOLE) and _all(pc.match_substring_regex(text, _WHOLE))
    truth = known.truth and _matches(first, _TRUTH) and _all(pc.match_substring_regex(text, _TRUTH))
    integer = known.integer and whole
    if integer:
        bare = pc.replace_substring_regex(text, r"\.0+$", "")
        integer = _all(pc.match_substring_regex(bare, _INTEGER)) and _int64_holds(bare)
    return Form(whole, truth, integer)


def _matches(value: Any, pattern: str) -> bool:
    return bool(pc.match_substring_regex(value, pattern).as_py())


def _int64_holds(column: Any) -> bool:
    try:
        pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _trimmed(column: Any) -> Any:
    """Any column as text without white space around it; empty text is null."""
    text = pc.utf8_trim_whitespace(as_text(column))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def plain_text(column: Any, form: Form | None = None) -> Any:
    """Any column as text without white space around it; empty text is null (the module says what else changes).

    Parameters
    ----------
    form : that of the whole column, where this is a batch of it.
    """
    text = _trimmed(column)
    if text.null_count == len(text):
        return text
    if _any(pc.match_substring(text, ".0")) and (
        _all(pc.match_substring_regex(text, _WHOLE)) if form is None else form.whole
    ):
        return pc.replace_substring_regex(text, r"\.0+$", "")
    if form is not None:
        return pc.utf8_lower(text) if form.truth else text
    first = text.drop_null()[0].as_py().lower()  # spares nearly every column the search
    if first in ("true", "false") and _all(pc.match_substring_regex(text, _TRUTH)):
        return pc.utf8_lower(text)
    return text


def plain_word(text: str) -> str:
    """The form that a text takes in a column of its kind: ``1.0`` is ``1``, ``True`` is ``true``.

    A column's form depends on what else is in it, and a file of a few new leads holds less than the one that was
    learned from. Where words are compared between two files, both are brought to this form.
    """
    if re.match(_TRUTH, text):
        return text.lower()
    if re.match(_NUMBER, text) and not re.match(_CODE, text):
        number = float(text)
        return str(int(number)) if number.is_integer() else str(number)
    return text


def parse_ids(column: Any, form: Form | None = None) -> Parsed:
    """Ids as an Arrow array of int64 if every one is a plainly written integer, else of text; never floats.

    A float column is read as the integers it holds. Fractions in it, and numbers from 2**53 on, at which a float
    has lost the id's last digits, are bad.
    """
    if pa.types.is_floating(column.type):
        floats = np.asarray(pc.fill_null(pc.cast(column, pa.float64()), np.nan))
        missing = np.isnan(floats)
        exact = (np.abs(floats) < _FLOAT_IS_EXACT) & (np.floor(floats) == floats)
        numbers = pa.array(np.where(exact, floats, 0).astype(np.int64), mask=~exact)
        reason = "id is a number with a fraction, or too large for one stored as float"
        return Parsed(pa.chunked_array([numbers]), missing, ((reason, ~exact & ~missing),))
    if not pa.types.is_integer(column.type):
        column = plain_text(column, form)
        if form is None and not _all(pc.match_substring_regex(column, _INTEGER)):
            return Parsed(column, true_where(pc.is_null(column)))
    missing = true_where(pc.is_null(column))
    if form is not None:
        return Parsed(pc.cast(column, pa.int64() if form.integer else pa.string()), missing)
    try:
        return Parsed(pc.cast(column, pa.int64()), missing)
    except pa.ArrowInvalid:  # above what int64 holds
        return Parsed(pc.cast(column, pa.string()), missing)


def parse_numbers(column: Any, form: Form | None = None) -> Parsed:
    """Quantities as a float64 array, NaN where missing or bad.

    Text that is no number is bad, and so is infinity; the text ``nan`` is missing, as the float is.
    """
    if pa.types.is_boolean(column.type):
        column = as_text(column)
    if (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_decimal(column.type)
    ):
        values = np.asarray(pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan))
        missing, bad = np.isnan(values), np.zeros(len(values), dtype=bool)
    else:
        text = plain_text(column, form)
        missing = true_where(pc.is_null(text)) | true_where(pc.equal(pc.utf8_lower(text), "nan"))
        infinite = true_where(pc.match_substring_regex(text, _INFINITE))
        good = true_where(pc.match_substring_regex(text, _NUMBER))
        bad = ~good & ~missing & ~infinite
        values = _floats(pc.if_else(pa.array(good), text, pa.scalar(None, pa.string())))
        values = np.where(infinite, np.inf, values)
    infinite = np.isinf(values)
    values = np.where(infinite, np.nan, values)
    return Parsed(values, missing, (("not a number", bad), ("not a finite number", infinite)))


def _floats(text: Any) -> npt.NDArray[np.float64]:
    """Text that is known to hold numbers only, as float64."""
    unsigned = pc.utf8_ltrim(text, characters="+")  # Arrow reads no plus sign
    return np.asarray(pc.fill_null(pc.cast(unsigned, pa.float64()), np.nan))


def parse_words(column: Any, form: Form | None = None) -> Parsed:
    """Words that recur, as a pandas Categorical of text; the categories that occur, sorted."""
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(as_text(column))
    array = encoded.unify_dictionaries().combine_chunks()
    words = plain_text(pa.chunked_array([array.dictionary]), form).to_pylist()
    codes = np.asarray(pc.fill_null(pc.cast(array.indices, pa.int64()), len(words)))
    occurring = np.zeros(len(words) + 1, dtype=bool)
    occurring[codes] = True
    distinct = sorted(
        {word for word, occurs in zip(words, occurring, strict=False) if occurs and word is not None}
    )
    place = {word: code for code, word in enumerate(distinct)}
    lookup = np.array([*(place.get(word, -1) for word in words), -1], dtype=np.int32)
    values = pd.Categorical.from_codes(lookup[codes], categories=pd.Index(distinct, dtype="str"))
    return Parsed(values, np.asarray(values.codes == -1))


def parse_attribute(column: Any, *, missing_words: Collection[str] = ()) -> Parsed:
    """An attribute of leads as a pandas Series: float64 if it holds numbers only, else ``str``.

    Text is read as numbers if every value that is not missing is one and none looks like a code: a zero or a plus
    sign in front (``01234``, ``+49…``), or 16 digits and more. Typed integers that long are text too. Instants and
    dates are ISO text, truths ``true`` and ``false``. A column without any value is float64.

    Parameters
    ----------
    missing_words : what the source writes for a missing value, as ``Select``; compared as text and, in a column of
        numbers, as numbers.
    """
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return _numeric(parse_numbers(column), missing_words)
    text = plain_text(column)
    if missing_words:
        absent = pc.is_in(text, pa.array([*missing_words], pa.string()), skip_nulls=True)
        text = pc.if_else(absent, pa.scalar(None, pa.string()), text)
    numeric = rf"^(?i:nan)$|{_INFINITE}|{_NUMBER}"
    if _all(pc.match_substring_regex(text, numeric)) and not _any(pc.match_substring_regex(text, _CODE)):
        return _numeric(parse_numbers(text), missing_words)
    return Parsed(text.to_pandas().astype("str"), true_where(pc.is_null(text)))


def _numeric(parsed: Parsed, missing_words: Collection[str]) -> Parsed:
    values = pd.Series(parsed.data, dtype="float64")
    codes = [word for word in missing_words if _any(pc.match_substring_regex(pa.array([word]), _NUMBER))]
    absent = np.isin(parsed.data, [float(word) for word in codes])
    return Parsed(values.mask(absent), parsed.missing | absent, parsed.problems)
