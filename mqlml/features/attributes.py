"""Attributes: which columns of a table can be numbers or categories and which cannot, and the reading of both."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ConfigError, ContractError
from mqlml.features.builder import LeftOut
from mqlml.journeys.parse import plain_word

__all__ = [
    "Attributes",
    "check_columns",
    "choose_attributes",
    "is_filled",
    "is_text",
    "plain_name",
    "read_domains",
    "read_numbers",
    "read_text",
]

_FEW = 20
"""Up to this many different values a text is a category, however few the rows."""

_MANY = 1000
"""Above this many different values a text is no category, however many the rows."""

_NEARLY_ALL = 0.5
"""A text with more different values than this share of its filled rows is a name, an id or a remark."""

_PERSONAL = {
    "address",
    "birthday",
    "contact_name",
    "date_of_birth",
    "family_name",
    "fax",
    "first_name",
    "firstname",
    "full_name",
    "fullname",
    "given_name",
    "last_name",
    "lastname",
    "lead_name",
    "mobile",
    "mobile_phone",
    "name",
    "person_name",
    "phone",
    "phone_number",
    "street",
    "street_address",
    "surname",
    "telephone",
}
_IDENTIFIER = {"fax", "guid", "id", "ids", "key", "mobile", "number", "phone", "uuid"}

_OTHER = re.compile(r"[\W_]+")
_ADDRESS = re.compile(r"\S+@\S+\.\S+")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Attributes:
    """The columns that become features: as numbers and as categories, each in the table's order."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]


def plain_name(column: str) -> str:
    """A column's name in lower case, its words joined by underscores: ``JobTitle`` is ``job_title``."""
    return _OTHER.sub("_", _HUMPS.sub("_", column)).strip("_").lower()


def check_columns(named: Sequence[str], there: Sequence[str], where: str) -> None:
    """Refuse a config that names a column that is not there.

    Raises
    ------
    ConfigError
        With the nearest columns.
    """
    for column in named:
        if column not in there:
            near = difflib.get_close_matches(column, there, n=3, cutoff=0.7)
            found = ", ".join(map(repr, there[:10])) + (", …" if len(there) > 10 else "") or "nothing"
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"found {found}"
            raise ConfigError(f"{where} names {column!r}, which is not there; {hint}")


def is_text(column: pd.Series) -> bool:
    """Whether a column holds neither numbers nor times."""
    return not pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_datetime64_any_dtype(
        column.dtype
    )


def _refusal(column: str, values: pd.Series, most: int) -> str | None:
    """Why a column cannot be a feature, or None; a text may have ``most`` different values."""
    filled = int(values.notna().sum())
    if filled == 0:
        return "is empty"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "is a time"
    distinct = int(values.nunique())
    if distinct == 1 and filled == len(values):
        return "has the same value in every row"
    if plain_name(column) in _PERSONAL and distinct > 1 and is_text(values):
        return "names or locates a person"
    if not is_text(values):
        name = set(plain_name(column).split("_"))
        if distinct > max(_FEW, 0.9 * filled) and name & _IDENTIFIER:
            return f"is an identifier: {distinct:,} different numbers in {filled:,} rows"
        return None
    _, texts = read_text(pd.DataFrame({column: values}), column)
    if any(map(_ADDRESS.fullmatch, texts)):
        return "holds mail addresses"
    if distinct > max(_FEW, _NEARLY_ALL * filled):
        return f"is nearly unique: {distinct:,} different texts in {filled:,} rows"
    if distinct > most:
        return f"has too many different texts: {distinct:,}"
    return None


def choose_attributes(
    table: pd.DataFrame, columns: Sequence[str], *, most: Mapping[str, int] = MappingProxyType({})
) -> tuple[Attributes, list[LeftOut]]:
    """Sort columns into numbers, categories, and those left out with the reason.

    ``most`` says for single columns how many different texts they may hold, instead of 1,000.
    """
    numbers: list[str] = []
    categories: list[str] = []
    left_out: list[LeftOut] = []
    for column in columns:
        reason = _refusal(column, table[column], most.get(column, _MANY))
        if reason is not None:
            left_out.append((column, reason))
        elif is_text(table[column]):
            categories.append(column)
        else:
            numbers.append(column)
    return Attributes(tuple(numbers), tuple(categories)), left_out


def _column(table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        near = difflib.get_close_matches(column, list(table.columns), n=1)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise ContractError(
            f"the features were planned with the attribute {column!r}, which this table does not have{hint}. "
            "Bring the column, or train a new version without it"
        )
    return table[column]


def read_numbers(table: pd.DataFrame, column: str) -> npt.NDArray[np.float32]:
    """A column as float32; missing and infinite values are NaN, values beyond float32's range its ends.

    Raises
    ------
    ContractError
        If the column is not there, or holds text that is no number.
    """
    values = _column(table, column)
    if is_text(values):
        numbers = pd.to_numeric(values, errors="coerce")
        wrong = numbers.isna() & values.notna()
        if wrong.any():
            raise ContractError(
                f"the attribute {column!r} held numbers when the features were planned; found "
                f"{values[wrong].iloc[0]!r} ({int(wrong.sum()):,} such rows). Mend them, or train a new version"
            )
        values = numbers
    exact = values.to_numpy(np.float64, na_value=np.nan)
    limit = float(np.finfo(np.float32).max)
    return np.where(np.isfinite(exact), np.clip(exact, -limit, limit), np.nan).astype(np.float32)


def read_text(table: pd.DataFrame, column: str) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """A column as codes and different texts, without blanks around them; -1 is missing or blank.

    Numbers and truths are written in one way, so that a text is the same whatever else is in its table.

    Raises
    ------
    ContractError
        If the column is not there.
    """
    values = _column(table, column)
    codes, texts = _factorize((values.astype("str").str.strip()) if is_text(values) else values)
    plain, different = pd.factorize(np.array([*map(plain_word, texts)], dtype=object))
    return np.append(plain, -1)[codes].astype(np.int32), tuple(different)


def read_domains(table: pd.DataFrame, column: str) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """As `read_text`, but only what follows the last "@", in lower case: few texts where addresses are many."""
    values = _column(table, column).astype("str").str.strip().str.lower()
    return _factorize(values.str.replace(r"^.*@", "", regex=True))


def _factorize(texts: pd.Series) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    codes, different = pd.factorize(texts.where(texts != ""))
    return codes.astype(np.int32), tuple(str(text) for text in different)


def is_filled(table: pd.DataFrame, column: str) -> npt.NDArray[np.bool_]:
    """Which rows hold something; a blank text does not."""
    values = _column(table, column)
    filled = values.notna().to_numpy(np.bool_)
    return filled & (values.astype("str").str.strip() != "").to_numpy(np.bool_) if is_text(values) else filled
