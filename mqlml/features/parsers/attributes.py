"""Attributes of leads: which columns can become features, dates in text, and values as known at each cutoff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from mqlml.config import ColumnFormat
from mqlml.errors import ConfigError, ContractError
from mqlml.features.families.builder import LeftOut, Source
from mqlml.features.kernels.windows import match_ids
from mqlml.journeys.parse import plain_word
from mqlml.journeys.times import guess_format, parse_times
from mqlml.texts import normalize_name
from mqlml.times import MISSING_TIME, NEVER, column_to_microseconds
from mqlml.types import Codes, Floats32, Ints, Mask, Micros

__all__ = ["holds_dates", "read_dates"]


_SAMPLED = 200
_MOSTLY_DATES = 0.95
_DATED = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d).*", re.DOTALL)
_UTC = ZoneInfo("UTC")


def _formats(texts: list[str]) -> Iterator[ColumnFormat | None]:
    yield None  # ISO
    seen = dict.fromkeys(guess_format(text) for text in texts)
    # A day above 12 settles which comes first.
    for form in sorted(seen, key=lambda form: form[:2] == "%d"):
        yield ColumnFormat(column="", format=form)


def _sample(filled: pd.Series) -> list[str]:
    texts: list[str] = filled.iloc[:: max(len(filled) // _SAMPLED, 1)].astype("str").tolist()
    return texts


def read_dates(filled: pd.Series, zone: ZoneInfo) -> Micros | None:
    """Read texts as instants, `MISSING_TIME` where one is no date; None if they are not dates, nearly all of them.

    Parameters
    ----------
    filled : texts without missing ones, at least one.
    zone : of times without an offset.
    """
    if (
        _DATED.fullmatch(str(filled.iloc[0]).strip()) is None
        and _DATED.fullmatch(str(filled.iloc[-1]).strip()) is None
    ):
        return None  # as in most columns, at a hundredth of the cost
    texts = _sample(filled)
    if sum(_DATED.fullmatch(text.strip()) is not None for text in texts) < _MOSTLY_DATES * len(texts):
        return None
    codes, distinct = pd.factorize(filled)
    column = pa.chunked_array([pa.array([str(text) for text in distinct], type=pa.string())])
    for hint in _formats(texts):
        parsed: Micros = parse_times(column, zone=zone, hint=hint, where="an attribute").data
        if np.count_nonzero(parsed != MISSING_TIME) >= _MOSTLY_DATES * len(parsed):
            return parsed[codes]
    return None


def holds_dates(values: pd.Series) -> bool:
    """Whether the filled texts of a column are dates, nearly all of them."""
    filled = values[values.notna() & (values != "")]
    return len(filled) > 0 and read_dates(filled, _UTC) is not None


_FEW = 20
"""Up to this many different values a text is a category, however few the rows."""

_MANY = 1000
"""Above this many different values a text is no category, however many the rows."""

_NEARLY_ALL = 0.5
"""A text with more different values than this share of its filled rows is a name, an id or a remark."""

_PERSONAL = {
    "address", "birthday", "contact_name", "date_of_birth", "family_name", "fax", "first_name", "firstname",
    "full_name", "fullname", "given_name", "last_name", "lastname", "lead_name", "mobile", "mobile_phone",
    "name", "person_name", "phone", "phone_number", "street", "street_address", "surname", "telephone",
}  # fmt: skip
_PROTECTED = {
    "birth", "birthdate", "birthday", "birthyear", "born", "dob", "gender", "sex", "salutation", "nationality",
    "ethnicity", "ethnic", "race", "religion", "religious", "disability", "disabled", "pregnant", "pregnancy",
    "ssn", "iban", "passport",
}  # fmt: skip
_PROTECTED_PAIRS = (
    {"national", "id"}, {"national", "number"}, {"tax", "id"}, {"tax", "number"}, {"social", "security"},
    {"bank", "account"}, {"account", "number"}, {"credit", "card"}, {"card", "number"}, {"marital", "status"},
    {"driver", "license"}, {"drivers", "license"}, {"driving", "licence"}, {"identity", "card"},
    {"sexual", "orientation"}, {"political", "party"}, {"trade", "union"}, {"union", "member"},
)  # fmt: skip
"""Words of what identifies a person beyond doubt, or what nobody may be profiled by."""

_IDENTIFIER = {"fax", "guid", "id", "ids", "key", "mobile", "number", "phone", "uuid"}

_ADDRESS = re.compile(r"\S+@\S+\.\S+")


@dataclass(frozen=True)
class Attributes:
    """The columns that become features: as numbers and as categories, each in the table's order."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]


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


def _is_protected(column: str) -> bool:
    words = {*normalize_name(column).split("_")}
    return bool(words & _PROTECTED) or any(pair <= words for pair in _PROTECTED_PAIRS)


def _refusal(column: str, values: pd.Series, most: int, *, named: bool) -> str | None:
    """The reason that a column cannot be a feature, or None; a text may have ``most`` different values."""
    filled = int(values.notna().sum())
    if filled == 0:
        return "is empty"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "is a time"
    if is_text(values) and holds_dates(values):
        return "holds dates"
    if not named and _is_protected(column):
        return "identifies or profiles a person: used only if profile.static names it"
    distinct = int(values.nunique())
    if distinct == 1 and filled == len(values):
        return "has the same value in every row"
    if not named and normalize_name(column) in _PERSONAL and distinct > 1 and is_text(values):
        return "names or locates a person"
    if not is_text(values):
        name = set(normalize_name(column).split("_"))
        if distinct > max(_FEW, 0.9 * filled) and name & _IDENTIFIER:
            return f"is an identifier: {distinct:,} different numbers in {filled:,} rows"
        return None
    _, texts = read_text(pd.DataFrame({column: values}), column)
    if any(map(_ADDRESS.fullmatch, texts)):
        return "holds email addresses"
    if distinct > max(_FEW, _NEARLY_ALL * filled):
        return f"nearly unique: {distinct:,} different values in {filled:,} rows"
    if distinct > most:
        return f"ignored: {distinct:,} different values"
    return None


def choose_attributes(
    table: pd.DataFrame,
    columns: Sequence[str],
    *,
    most: Mapping[str, int] = MappingProxyType({}),
    named: Collection[str] = (),
) -> tuple[Attributes, list[LeftOut]]:
    """Sort columns into numbers, categories, and those left out with the reason.

    Parameters
    ----------
    most : for single columns how many different texts they may hold, instead of 1,000.
    named : columns that the config names: they are used even if they identify or profile a person.
    """
    numbers: list[str] = []
    categories: list[str] = []
    left_out: list[LeftOut] = []
    for column in columns:
        reason = _refusal(column, table[column], most.get(column, _MANY), named=column in named)
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


def read_numbers(table: pd.DataFrame, column: str) -> Floats32:
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
                f"{values[wrong].iloc[0]!r} ({int(wrong.sum()):,} such rows). Correct them, or train a new version"
            )
        values = numbers
    exact = values.to_numpy(np.float64, na_value=np.nan)
    limit = float(np.finfo(np.float32).max)
    return np.where(np.isfinite(exact), np.clip(exact, -limit, limit), np.nan).astype(np.float32)


def read_text(table: pd.DataFrame, column: str) -> tuple[Codes, tuple[str, ...]]:
    """A column as codes and different texts, without blanks around them; -1 is missing or blank.

    Numbers and truths are written in one way, so that a text is the same whatever else is in its table.

    Raises
    ------
    ContractError
        If the column is not there.
    """
    codes, found = pd.factorize(_column(table, column))
    texts = [plain_word(str(value).strip()) for value in found]  # of each different value once
    written, different = pd.factorize(np.array([text or None for text in texts], dtype=object))
    return np.append(written, -1)[codes].astype(np.int32), tuple(different)


def read_domains(table: pd.DataFrame, column: str) -> tuple[Codes, tuple[str, ...]]:
    """As `read_text`, but only what follows the last "@", in lower case: few texts where addresses are many."""
    values = _column(table, column).astype("str").str.strip().str.lower()
    return _factorize(values.str.replace(r"^.*@", "", regex=True))


def _factorize(texts: pd.Series) -> tuple[Codes, tuple[str, ...]]:
    codes, different = pd.factorize(texts.where(texts != ""))
    return codes.astype(np.int32), tuple(str(text) for text in different)


def is_filled(table: pd.DataFrame, column: str) -> Mask:
    """Which rows hold something; a blank text does not."""
    values = _column(table, column)
    filled = values.notna().to_numpy(np.bool_)
    return filled & (values.astype("str").str.strip() != "").to_numpy(np.bool_) if is_text(values) else filled


_PAIRS = 4_000_000
"""Pairs of a snapshot and a change of its lead that are compared at a time."""


def rows_as_of(source: Source, field: str) -> tuple[pd.DataFrame, Ints]:
    """The changes of one attribute, and for each snapshot the row that held at its cutoff (-1 none).

    A change holds if it was valid and recorded before the cutoff and had not ended by then. Of several, the one
    that became valid last, then the one recorded last, then the last in alphabetical order.
    """
    history, keys = source.history, source.keys
    changes = history[(history["field"] == field).to_numpy()].reset_index(drop=True)
    lead = match_ids(changes["lead_id"], keys.ids)
    valid = column_to_microseconds(changes["valid_from"], missing=NEVER)
    known = np.maximum(valid, column_to_microseconds(changes["recorded_at"], missing=NEVER))
    ended = column_to_microseconds(changes["valid_to"], missing=NEVER)
    rank = changes["value"].astype("str").rank(method="dense").fillna(0).to_numpy()
    order = np.lexsort((rank, known, valid, lead))
    order = order[lead[order] >= 0]
    begin = np.searchsorted(lead[order], np.arange(len(keys.ids) + 1))
    number = np.diff(begin)[keys.lead]
    held = np.full(len(keys.lead), -1, np.int64)
    batches = np.flatnonzero(np.diff(np.cumsum(number) // _PAIRS)) + 1
    for snapshots in np.split(np.arange(len(keys.lead)), batches):
        each = number[snapshots]
        snapshot = np.repeat(snapshots, each)
        within = np.arange(len(snapshot)) - np.repeat(np.cumsum(each) - each, each)
        row = order[begin[keys.lead[snapshot]] + within]
        cutoff = keys.cutoff[snapshot]
        holds = (known[row] < cutoff) & (ended[row] >= cutoff)
        held[snapshot[holds]] = row[holds]  # rows of a snapshot are in order, so the last one stays
    return changes, held


CodedTexts = tuple[Codes, tuple[str, ...]]
"""One code per snapshot, -1 where nothing is known, and the texts."""


@dataclass(frozen=True)
class Attribute:
    """An attribute's name and its table: static ones stand in leads (or flat), changing ones in history."""

    name: str
    table: Literal["leads", "history", "flat"] = "leads"

    @property
    def source(self) -> str:
        """As the catalogue names it."""
        return f"{self.table}.{self.name}"


def _locate(source: Source, attribute: Attribute) -> tuple[pd.DataFrame, Ints]:
    """A table with the attribute as a column, and each snapshot's row in it; -1 where nothing is known."""
    if attribute.table != "history":
        return source.leads, source.lead_row
    changes, held = rows_as_of(source, attribute.name)
    return pd.DataFrame({attribute.name: changes["value"]}), np.where(source.lead_row >= 0, held, -1)


def read_known_numbers(source: Source, attribute: Attribute) -> Floats32:
    """One number per snapshot, NaN where none is known."""
    table, row = _locate(source, attribute)
    return np.append(read_numbers(table, attribute.name), np.float32(np.nan))[row]


def read_known_text(source: Source, attribute: Attribute) -> CodedTexts:
    """One code per snapshot, and the texts."""
    table, row = _locate(source, attribute)
    codes, texts = read_text(table, attribute.name)
    return np.append(codes, np.int32(-1))[row], texts


def parse_known(
    source: Source,
    attribute: Attribute,
    parse: Callable[[str], str | None],
    *,
    read: Callable[[pd.DataFrame, str], CodedTexts] = read_text,
) -> CodedTexts:
    """What each text is parsed to; -1 where nothing is known or ``parse`` gives None. Each text is parsed once."""
    table, row = _locate(source, attribute)
    codes, texts = read(table, attribute.name)
    parsed = [*map(parse, texts), None]
    kinds = tuple(sorted({kind for kind in parsed if kind is not None}))
    place = {kind: number for number, kind in enumerate(kinds)}
    found = np.array([-1 if kind is None else place[kind] for kind in parsed], np.int32)
    return found[np.append(codes, np.int32(-1))[row]], kinds


def which_filled(source: Source, attribute: Attribute) -> Mask:
    """Which snapshots know a value of it; a blank text is none."""
    table, row = _locate(source, attribute)
    return np.append(is_filled(table, attribute.name), False)[row]


def when_known(source: Source, attribute: Attribute) -> Ints:
    """Since when each snapshot's value has been known, in microseconds; meaningless where none is."""
    if attribute.table != "history":
        return np.append(column_to_microseconds(source.leads["created_at"]), 0)[source.lead_row]
    changes, held = rows_as_of(source, attribute.name)
    valid, recorded = (
        column_to_microseconds(changes[time], missing=NEVER) for time in ("valid_from", "recorded_at")
    )
    return np.append(np.maximum(valid, recorded), 0)[held]
