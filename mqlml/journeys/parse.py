"""Column parsers: one Arrow column becomes values, and a mask of those that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.config.values import DecimalMark
from mqlml.journeys.numbers import PLAIN, NumberEvidence, find_number_evidence
from mqlml.types import Mask

__all__ = [
    "ISO",
    "DateEvidence",
    "Form",
    "Parsed",
    "as_text",
    "as_written",
    "find_date_evidence",
    "find_form",
    "parse_attribute",
    "parse_ids",
    "parse_numbers",
    "parse_words",
    "plain_text",
    "plain_word",
    "true_where",
]


ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?)?$"
"""A date, or a time of the day on it, as ISO 8601 and databases write them."""

_DATE = r"^(\d{4}|\d{1,2})[/.-]\d{1,2}[/.-](\d{4}|\d{1,2})(,?[ T]\d{1,2}:\d{2}(:\d{2})?( ?[AaPp][Mm])?)?$"
_SHAPE = re.compile(r"(Y|0)([/.-])0\2(Y|0)(?:(,?[ T])0:0(:0)?( ?)(P?))?")
_DAYS_OF_A_MONTH, _MONTHS = 31, 12
_MOST_SHAPES = 5


@dataclass(frozen=True)
class DateEvidence:
    """What the values of a column, or of a batch of it, say about how dates are written; joined with ``&``.

    Attributes
    ----------
    shapes : the values with ``0`` for each number, ``Y`` for one of four digits and ``P`` for AM or PM.
    first, second : the largest first and second number.
    """

    shapes: frozenset[str] = frozenset()
    first: int = 0
    second: int = 0

    def __and__(self, other: DateEvidence) -> DateEvidence:
        return DateEvidence(
            self.shapes | other.shapes, max(self.first, other.first), max(self.second, other.second)
        )

    def formats(self) -> tuple[str, ...]:
        """The strptime formats that fit all values: one if proven, two if day and month may be either."""
        if len(self.shapes) != 1:
            return ()
        match = _SHAPE.fullmatch(next(iter(self.shapes)))
        if match is None or (match[1], match[3]) == ("Y", "Y"):
            return ()
        mark = match[2]
        year = "%Y" if "Y" in (match[1], match[3]) else "%y"
        if match[1] == "Y":
            orders = [("%Y", "%m", "%d")] if self.second <= _MONTHS else []
        else:
            orders = [("%d", "%m", year)] if self.second <= _MONTHS and self.first <= _DAYS_OF_A_MONTH else []
            # With points between, the day comes first everywhere.
            if mark != "." and self.first <= _MONTHS and self.second <= _DAYS_OF_A_MONTH:
                orders.append(("%m", "%d", year))
        time = ""
        if match[4] is not None:
            seconds = ":%S" if match[5] else ""
            time = f"{match[4]}{'%I' if match[7] else '%H'}:%M{seconds}{match[6]}{'%p' if match[7] else ''}"
        return tuple(mark.join(order) + time for order in orders)


def find_date_evidence(text: Any) -> DateEvidence:
    """What a column of trimmed texts says about its dates; nothing where its first value is none, or an ISO date."""
    text = text.drop_null()
    if not len(text):
        return DateEvidence()
    first = text[0]
    if not pc.match_substring_regex(first, _DATE).as_py() or pc.match_substring_regex(first, ISO).as_py():
        return DateEvidence()
    if not pc.all(pc.match_substring_regex(text, _DATE)).as_py():
        return DateEvidence()
    shape = pc.replace_substring_regex(text, "[AaPp][Mm]", "P")
    shape = pc.replace_substring_regex(pc.replace_substring_regex(shape, r"\d{4}", "Y"), r"\d+", "0")
    shapes = pc.unique(shape).to_pylist()
    if len(shapes) > _MOST_SHAPES:
        return DateEvidence()
    fields = pc.extract_regex(text, r"^(?P<first>\d+)[/.-](?P<second>\d+)").combine_chunks()
    largest = [int(np.max(np.asarray(pc.cast(fields.field(n), "int64")))) for n in (0, 1)]
    return DateEvidence(frozenset(shapes), *largest)


_NUMBER = PLAIN.pattern
_INTEGER = r"^(0|-?[1-9]\d{0,18})$"
_TRUTH = r"^(?i:true|false)$"
_ANSWER = r"^(?i:yes|no|y|n)$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_WHOLE = r"^-?\d+(\.0+)?$"
_CODE = r"^([+].*|-?0\d.*|-?\d{16,})$"
"""Digits that are a name rather than a quantity: a sign or a zero in front, or more than a float can hold."""

_FLOAT_IS_EXACT = 2**53


NumberDoubt = Literal["ambiguous_numbers", "perhaps_thousands", "words_among_numbers"]
"""What may be read in two ways: `NumberEvidence.ambiguous` numbers, those of `perhaps_thousands`, and numbers with
words among them that may mean a missing value."""


@dataclass(frozen=True)
class Parsed:
    """One parsed column.

    Attributes
    ----------
    data : one value per row; what type, each parser says. Where a value is bad or missing it is missing.
    missing : bool array, True where the source has no value.
    problems : pairs of a reason and a bool array, True where the source's value is bad for that reason.
    doubt : what its numbers might mean besides; None where there is no doubt.
    words : those of ``words_among_numbers``.
    """

    data: Any
    missing: Mask
    problems: tuple[tuple[str, Mask], ...] = ()
    doubt: NumberDoubt | None = None
    words: tuple[str, ...] = ()

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
        # Lists, structs, UUIDs, bytes that are no UTF-8: Python knows a text for each.
        texts = [_text_of(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])


def _text_of(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return None if value is None else str(value)


@dataclass(frozen=True)
class Form:
    """What all values of a column agree in; batches of one column are joined with ``&``.

    Attributes
    ----------
    whole : they are whole numbers, some perhaps with ``.0`` behind them.
    truth : they are truths.
    integer : once that ``.0`` is gone, they are plainly written integers that int64 holds.
    verbatim : they are so written as they stand.
    numbers, dates : how their numbers and dates are written.
    """

    whole: bool = True
    truth: bool = True
    integer: bool = True
    verbatim: bool = True
    numbers: NumberEvidence = field(default_factory=NumberEvidence)
    dates: DateEvidence = field(default_factory=DateEvidence)

    @property
    def free(self) -> bool:
        """Whether words or ids of this form stand as they are, whatever the further batches hold."""
        return not (self.whole or self.truth or self.integer or self.verbatim)

    def __and__(self, other: Form) -> Form:
        return Form(
            self.whole and other.whole,
            self.truth and other.truth,
            self.integer and other.integer,
            self.verbatim and other.verbatim,
            self.numbers & other.numbers,
            self.dates & other.dates,
        )


def find_form(column: Any, known: Form | None = None, missing: Collection[str] = ()) -> Form:
    """The form of a column, or of one batch of it; no value at all agrees in everything.

    Parameters
    ----------
    known : the form of the batches before; what they do not agree in is not checked again.
    missing : the words for a missing value.
    """
    known = known or Form()
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
    if pa.types.is_integer(column.type):
        held = _int64_holds(column)
        return replace(known, truth=False, integer=known.integer and held, verbatim=known.verbatim and held)
    text = _trimmed(column, missing)
    if text.null_count == len(text):
        return known
    first = text.drop_null()[0]  # spares nearly every column the search
    whole = known.whole and _matches(first, _WHOLE) and _all(pc.match_substring_regex(text, _WHOLE))
    truth = known.truth and _matches(first, _TRUTH) and _all(pc.match_substring_regex(text, _TRUTH))
    integer = known.integer and whole
    if integer:
        bare = pc.replace_substring_regex(text, r"\.0+$", "")
        integer = _all(pc.match_substring_regex(bare, _INTEGER)) and _int64_holds(bare)
    verbatim = known.verbatim and integer and _all(pc.match_substring_regex(as_written(column), _INTEGER))
    numbers = find_number_evidence(text, known.numbers)
    return Form(whole, truth, integer, verbatim, numbers, known.dates & find_date_evidence(text))


def _matches(value: Any, pattern: str) -> bool:
    return bool(pc.match_substring_regex(value, pattern).as_py())


def _int64_holds(column: Any) -> bool:
    try:
        pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _trimmed(column: Any, missing: Collection[str] = ()) -> Any:
    """Any column as text without white space around it; empty text and words for a missing value are null."""
    text = pc.utf8_trim_whitespace(as_text(column))
    absent = pc.equal(text, "")
    if missing:
        words = pa.array(sorted({word.strip().lower() for word in missing}), pa.string())
        absent = pc.or_(absent, pc.is_in(pc.utf8_lower(text), value_set=words))
    if not _any(absent):
        return text
    return pc.if_else(absent, pa.scalar(None, pa.string()), text)


def plain_text(column: Any, form: Form | None = None, missing: Collection[str] = ()) -> Any:
    """Any column as text without white space around it; empty text is null (the module says what else changes).

    Parameters
    ----------
    form : that of the whole column, where this is a batch of it.
    missing : the words for a missing value.
    """
    text = _trimmed(column, missing)
    if text.null_count == len(text):
        return text
    whole = form is None or form.whole  # spares nearly every batch the search
    if (
        whole
        and _any(pc.match_substring(text, ".0"))
        and (form is not None or _all(pc.match_substring_regex(text, _WHOLE)))
    ):
        return pc.replace_substring_regex(text, r"\.0+$", "")
    if form is not None:
        return pc.utf8_lower(text) if form.truth else text
    first = text.drop_null()[0].as_py().lower()  # spares nearly every column the search
    if first in ("true", "false") and _all(pc.match_substring_regex(text, _TRUTH)):
        return pc.utf8_lower(text)
    return text


@lru_cache(maxsize=1 << 16)
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


def as_written(column: Any) -> Any:
    """Any column as text, white space included; blank text is null."""
    text = as_text(column)
    blank = pc.equal(pc.utf8_trim_whitespace(text), "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), text)


def parse_ids(column: Any, form: Form | None = None, *, verbatim: bool = False) -> Parsed:
    """Ids as an Arrow array of int64 if every one is a plainly written integer, else of text; never floats.

    A float column is read as the integers it holds. Fractions in it, and numbers from 2**53 on, at which a float
    has lost the id's last digits, are bad.

    Parameters
    ----------
    form : that of the whole column, where this is a batch of it.
    verbatim : whether text stays exactly as it is written, so that ids join back to their source.
    """
    if pa.types.is_floating(column.type):
        floats = np.asarray(pc.fill_null(pc.cast(column, pa.float64()), np.nan))
        missing = np.isnan(floats)
        exact = (np.abs(floats) < _FLOAT_IS_EXACT) & (np.floor(floats) == floats)
        numbers = pa.array(np.where(exact, floats, 0).astype(np.int64), mask=~exact)
        reason = "id is a number with a fraction, or too large for one stored as float"
        return Parsed(pa.chunked_array([numbers]), missing, ((reason, ~exact & ~missing),))
    if not pa.types.is_integer(column.type):
        column = as_written(column) if verbatim else plain_text(column, form)
        if form is None and not _all(pc.match_substring_regex(column, _INTEGER)):
            return Parsed(column, true_where(pc.is_null(column)))
    missing = true_where(pc.is_null(column))
    if form is not None:
        whole = form.verbatim if verbatim else form.integer
        return Parsed(pc.cast(column, pa.int64() if whole else pa.string()), missing)
    try:
        return Parsed(pc.cast(column, pa.int64()), missing)
    except pa.ArrowInvalid:  # above what int64 holds
        return Parsed(pc.cast(column, pa.string()), missing)


def parse_numbers(
    column: Any,
    form: Form | None = None,
    *,
    missing_words: Collection[str] = (),
    decimal: DecimalMark | None = None,
) -> Parsed:
    """Quantities as a float64 array, NaN where missing or bad.

    Text is read in the style that all of it is written in (`mqlml.journeys.numbers`), else as plain numbers. Text
    that is no number is bad, and so is infinity; the text ``nan`` is missing, as the float is.

    Parameters
    ----------
    form : that of the whole column, where this is a batch of it.
    missing_words : what the source writes for a missing value.
    decimal : the mark before the fraction, where the config names it.
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
        text = _trimmed(column, missing_words)
        missing = true_where(pc.is_null(text)) | true_where(pc.equal(pc.utf8_lower(text), "nan"))
        infinite = true_where(pc.match_substring_regex(text, _INFINITE))
        evidence = find_number_evidence(_without_nan(text)) if form is None else form.numbers
        style = evidence.style(decimal)
        numbers = (style or PLAIN).to_plain(text)
        good = true_where(pc.match_substring_regex(numbers, _NUMBER))
        bad = ~good & ~missing & ~infinite
        values = _floats(pc.if_else(pa.array(good), numbers, pa.scalar(None, pa.string())))
        values = np.where(infinite, np.inf, values / 100 if evidence.percent else values)
    infinite = np.isinf(values)
    values = np.where(infinite, np.nan, values)
    return Parsed(values, missing, (("not a number", bad), ("not a finite number", infinite)))


def _without_nan(text: Any) -> Any:
    unwritten = pc.match_substring_regex(text, rf"^(?i:nan)$|{_INFINITE}")
    return pc.if_else(unwritten, pa.scalar(None, pa.string()), text)


def _floats(text: Any) -> npt.NDArray[np.float64]:
    """Text that is known to hold numbers only, as float64."""
    unsigned = pc.utf8_ltrim(text, characters="+")  # Arrow reads no plus sign
    return np.asarray(pc.fill_null(pc.cast(unsigned, pa.float64()), np.nan))


def parse_words(column: Any, form: Form | None = None, missing: Collection[str] = ()) -> Parsed:
    """Words that recur, as a pandas Categorical of text; the categories that occur, sorted."""
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(as_text(column))
    array = encoded.unify_dictionaries().combine_chunks()
    words = plain_text(pa.chunked_array([array.dictionary]), form, missing).to_pylist()
    codes = np.asarray(pc.fill_null(pc.cast(array.indices, pa.int32()), len(words)))
    occurring = np.zeros(len(words) + 1, dtype=bool)
    occurring[codes] = True
    distinct = sorted(
        {word for word, occurs in zip(words, occurring, strict=False) if occurs and word is not None}
    )
    place = {word: code for code, word in enumerate(distinct)}
    lookup = np.array([*(place.get(word, -1) for word in words), -1], dtype=np.int32)
    categories = pd.Index(distinct, dtype="str")
    values = pd.Categorical.from_codes(lookup[codes], categories=categories, validate=False)
    return Parsed(values, np.asarray(values.codes == -1))


def parse_attribute(
    column: Any, *, missing_words: Collection[str] = (), decimal: DecimalMark | None = None
) -> Parsed:
    """An attribute of leads as a pandas Series: float64 if it holds numbers only, else ``str``.

    Text is read as numbers if every value that is not missing is one, all in one style, and none looks like a code: a
    zero or a plus sign in front (``01234``, ``+49…``), or 16 digits and more. Typed integers that long are text too.
    Instants and dates are ISO text, truths ``true`` and ``false``. A column without any value is float64.

    Parameters
    ----------
    missing_words : what the source writes for a missing value, as ``Select``; compared as text, whatever its case,
        and in a column of numbers as numbers.
    decimal : the mark before the fraction, where the config names it.
    """
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return _numeric(parse_numbers(column), missing_words)
    text = plain_text(column, missing=missing_words)
    evidence = find_number_evidence(_without_nan(text))
    style = evidence.style(decimal)
    if style is not None and not _any(pc.match_substring_regex(text, _CODE)):
        parsed = _numeric(parse_numbers(text, Form(numbers=evidence), decimal=decimal), missing_words)
        doubtful = decimal is None and evidence.perhaps_thousands
        return replace(parsed, doubt="perhaps_thousands") if doubtful else parsed
    texts = _one_case_of_answers(text).to_pandas().astype("str")
    doubt: NumberDoubt | None = (
        "ambiguous_numbers" if decimal is None and style is None and evidence.ambiguous else None
    )
    words = _words_among_numbers(text) if style is None and doubt is None else ()
    if words:
        doubt = "words_among_numbers"
    return Parsed(texts, true_where(pc.is_null(text)), doubt=doubt, words=words)


_HEAD = 100
_MOST_WORDS = 3


def _words_among_numbers(text: Any) -> tuple[str, ...]:
    """The few words in a column that otherwise holds numbers; empty where it holds something else."""
    text = text.drop_null()
    if not len(text) or not _any(pc.match_substring_regex(text[:_HEAD], _NUMBER)):
        return ()
    numbers = pc.match_substring_regex(text, _NUMBER)
    others = pc.unique(text.filter(pc.invert(numbers))).to_pylist()
    few = 2 * pc.sum(numbers).as_py() > len(text) and 0 < len(others) <= _MOST_WORDS
    if not few or any(letter.isdigit() for word in others for letter in word):
        return ()
    return () if _any(pc.match_substring_regex(text, _CODE)) else tuple(sorted(others))


def _one_case_of_answers(text: Any) -> Any:
    """Yes and no in several cases as yes and no; any other column as it is."""
    if text.null_count == len(text) or not _matches(text.drop_null()[0], _ANSWER):
        return text
    if _all(pc.match_substring_regex(text, _ANSWER)) and len(pc.unique(text.drop_null())) > 2:
        return pc.utf8_lower(text)
    return text


def _numeric(parsed: Parsed, missing_words: Collection[str]) -> Parsed:
    values = pd.Series(parsed.data, dtype="float64")
    codes = [word for word in missing_words if _any(pc.match_substring_regex(pa.array([word]), _NUMBER))]
    absent = np.isin(parsed.data, [float(word) for word in codes])
    return Parsed(values.mask(absent), parsed.missing | absent, parsed.problems)
