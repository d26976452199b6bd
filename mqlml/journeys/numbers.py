"""Recognize how a whole column of numbers is written: decimal mark, thousands separators, currency, percent.

A style is used only where every value of the column agrees with it, since ``1,234`` alone may be either number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mqlml.config.values import DecimalMark

__all__ = ["PLAIN", "NumberEvidence", "NumberStyle", "find_number_evidence"]

_SPACES = " \u00a0\u202f"
_SIGN = r"^[+-]?"
_EXPONENT = r"([eE][+-]?\d+)?$"
_GROUP = r"[1-9]\d{0,2}"


@dataclass(frozen=True)
class NumberStyle:
    """One way to write numbers.

    Attributes
    ----------
    name : of the style.
    pattern : what a number looks like once its currency or percent sign is gone.
    groups : the characters between thousands, as a regular expression; empty where there are none.
    decimal : the mark before the fraction.
    """

    name: str
    pattern: str
    groups: str
    decimal: DecimalMark

    def to_plain(self, text: Any) -> Any:
        """Numbers in this style as ``1234.5``; percents as shares. Values of another style are null."""
        bare = _bare(text)
        bare = pc.if_else(pc.match_substring_regex(bare, self.pattern), bare, pa.scalar(None, pa.string()))
        if self.groups:
            bare = pc.replace_substring_regex(bare, self.groups, "")
        return pc.replace_substring(bare, ",", ".") if self.decimal == "," else bare


PLAIN = NumberStyle("plain", rf"{_SIGN}(\d+\.?\d*|\.\d+){_EXPONENT}", "", ".")
_COMMAS = NumberStyle("1,234.5", rf"{_SIGN}({_GROUP}(,\d{{3}})+|\d{{1,3}})(\.\d+)?$", ",", ".")
_POINTS = NumberStyle("1.234,5", rf"{_SIGN}({_GROUP}(\.\d{{3}})+|\d{{1,3}})(,\d+)?$", r"\.", ",")
_STYLES = (
    PLAIN,
    _COMMAS,
    NumberStyle("1234,5", rf"{_SIGN}\d+(,\d+)?$", "", ","),
    _POINTS,
    NumberStyle("1 234,5", rf"{_SIGN}({_GROUP}([{_SPACES}]\d{{3}})+|\d{{1,3}})(,\d+)?$", f"[{_SPACES}]", ","),
    NumberStyle(
        "1 234.5", rf"{_SIGN}({_GROUP}([{_SPACES}]\d{{3}})+|\d{{1,3}})(\.\d+)?$", f"[{_SPACES}]", "."
    ),
    NumberStyle("1'234.5", rf"{_SIGN}({_GROUP}(['’]\d{{3}})+|\d{{1,3}})(\.\d+)?$", "['’]", "."),
)
_DECIMAL_COMMA = tuple(style.name for style in _STYLES if style.decimal == ",")

_CODES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|MXN|ZAR|SGD|HKD|TRY|ILS|AED|KRW"
)
_CURRENCY = rf"(?:[A-Z]{{0,3}}[$€£¥₹₽₺₩]|{_CODES}|kr|zł|Fr\.|Kč)"
_LOOSE = rf"^\(?[+-]?(?:{_CURRENCY})?\s*[+-]?\.?\d[\d.,'’{_SPACES}eE+-]*(?:{_CURRENCY}|%)?\)?$"
_DIGITS = rf"[\d.,'’{_SPACES}+()-]|[eE][+-]?\d+"
_SEPARATED = rf"\d[.,'’{_SPACES}]\d"


@dataclass(frozen=True)
class NumberEvidence:
    """What the values of a column, or of a batch of it, say about how numbers are written; joined with ``&``.

    Attributes
    ----------
    styles : names of the styles that fit all values.
    symbols : the currency or percent signs found; the empty text stands for values without one.
    bare : whether some value has no separator at all.
    separated : whether some value has one.
    """

    styles: frozenset[str] = frozenset(style.name for style in _STYLES)
    symbols: frozenset[str] = frozenset()
    bare: bool = False
    separated: bool = False

    def __and__(self, other: NumberEvidence) -> NumberEvidence:
        return NumberEvidence(
            self.styles & other.styles,
            self.symbols | other.symbols,
            self.bare or other.bare,
            self.separated or other.separated,
        )

    @property
    def percent(self) -> bool:
        """Whether all values are percents."""
        return self.symbols == {"%"}

    @property
    def ambiguous(self) -> bool:
        """Whether a column may be numbers of two kinds, and only the config can say which."""
        return self.style(None) is None and None not in (self.style(","), self.style("."))

    @property
    def perhaps_thousands(self) -> bool:
        """Whether a column that is read with decimal points may have its thousands separated by them."""
        return self.style(None) is PLAIN and self.separated and _POINTS.name in self.styles

    def style(self, decimal: DecimalMark | None) -> NumberStyle | None:
        """The one style that the whole column is written in; None where there is none, or more than one may be.

        Parameters
        ----------
        decimal : the mark before the fraction, where the config names it.
        """
        signs = self.symbols - {""}
        if len(signs) > 1 or ("%" in signs and "" in self.symbols):
            return None
        fitting = [s for s in _STYLES if s.name in self.styles and decimal in (None, s.decimal)]
        if not fitting or decimal is not None:
            return fitting[0] if fitting else None
        names = [style.name for style in fitting]
        if PLAIN.name in names:
            # Money has two decimals or none, so €1.234 has its thousands separated.
            grouped = bool(signs - {"%"}) and self.separated and _POINTS.name in names
            return _POINTS if grouped else fitting[0]
        if _COMMAS.name in names and set(names) & set(_DECIMAL_COMMA):
            return _COMMAS if self.bare else None  # three digits after each comma, but for 950 and its like
        return fitting[0]


def find_number_evidence(text: Any, known: NumberEvidence | None = None) -> NumberEvidence:
    """What a column of trimmed texts says about its numbers; no value at all says nothing.

    Parameters
    ----------
    known : what the batches before said.
    """
    known = known or NumberEvidence()
    text = text.drop_null()
    if not len(text) or not known.styles:
        return known
    nothing = NumberEvidence(styles=frozenset())
    first = text[0]  # spares nearly every column of words the search
    if not pc.match_substring_regex(first, _LOOSE).as_py() or not _all(text, _LOOSE):
        return known & nothing
    text = pc.unique(text)
    symbols = frozenset(pc.unique(pc.replace_substring_regex(text, _DIGITS, "")).to_pylist())
    if len(symbols) > 3:
        return known & nothing
    signed = symbols != {""} or _any(text, r"\(")
    bare = _bare(text) if signed else text
    fitting = frozenset(
        style.name for style in _STYLES if style.name in known.styles and _all(bare, style.pattern)
    )
    separated = pc.match_substring_regex(bare, _SEPARATED)
    some, every = bool(pc.any(separated).as_py()), bool(pc.all(separated).as_py())
    return known & NumberEvidence(fitting, symbols, bare=not every, separated=some)


def _bare(text: Any) -> Any:
    """Texts without currency and percent signs; a number in parentheses is below zero."""
    text = pc.replace_substring_regex(text, r"^\((.*)\)$", r"-\1")
    text = pc.replace_substring_regex(text, rf"^([+-]?)\s*{_CURRENCY}\s*", r"\1")
    return pc.replace_substring_regex(text, rf"\s*(?:{_CURRENCY}|%)$", "")


def _any(text: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern), min_count=0).as_py())


def _all(text: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(text, pattern), min_count=0).as_py())
