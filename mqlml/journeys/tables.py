"""Read one table of the contract: parse its columns, and enter bad rows in the ledger."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mqlml.config import ColumnFormat, Config, Outcomes, Table
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys.contract import IDS, OPTIONAL, REQUIRED, WORDS
from mqlml.journeys.parse import (
    Form,
    Parsed,
    find_date_evidence,
    parse_attribute,
    parse_ids,
    parse_numbers,
    parse_words,
    plain_text,
)
from mqlml.journeys.quarantine import Ledger, Notice
from mqlml.journeys.sources import Source, read_source
from mqlml.journeys.times import OUT_OF_RANGE, guess_format, guess_unit, parse_times
from mqlml.times import MISSING_TIME, NEVER, to_microseconds
from mqlml.types import Mask, Micros, Rows

__all__ = [
    "DUPLICATE",
    "MISSING",
    "TableReader",
    "check_columns",
    "check_mapping",
    "check_rows",
    "doubt_notice",
    "known_columns",
    "later_duplicates",
    "make_keys",
    "missing_column",
    "read_table",
    "require_plain",
    "share_key",
]

MISSING = "required value is missing"
DUPLICATE = "duplicate key"


def later_duplicates(ids: Any, usable: Mask) -> Mask:
    """Which usable rows repeat the id of a usable row before them; a missing id repeats nothing.

    Texts are compared by a hash of 64 bits first, and only those that share one by themselves: a dictionary of all
    ids costs six times as much, and unifying the dictionaries of many batches takes quadratic time.
    """
    repeated = np.zeros(len(ids), dtype=bool)
    places = np.flatnonzero(usable & np.asarray(ids.is_valid()))
    places = places[share_key(make_keys(ids)[places])]
    same = pd.Series(ids.take(pa.array(places)).to_pylist(), dtype="object")
    repeated[places] = same.duplicated().to_numpy()
    return repeated


def make_keys(ids: Any) -> npt.NDArray[np.uint64]:
    """A number for each id of an Arrow array, the same for equal ids; that of a missing one means nothing."""
    if pa.types.is_int64(ids.type):
        return np.asarray(ids.fill_null(-1)).view(np.uint64)
    return hash_texts(ids)


def share_key(keys: npt.NDArray[np.uint64]) -> Rows:
    """The rows whose key another row has, too, in their order."""
    ordered = np.sort(keys)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return np.flatnonzero(np.isin(keys, shared)) if len(shared) else np.empty(0, np.intp)


def require_plain(source: Source, column: str, what: str) -> Any:
    """A column that is no list and no record, as one of ids or words must be.

    Raises
    ------
    ContractError
    """
    values = source.column(column)
    if pa.types.is_nested(values.type):
        raise ContractError(
            f"{column!r} of {source.where} must hold {what} and holds {values.type}; write one text or number a row, "
            "or name another column"
        )
    return values


def doubt_notice(parsed: Parsed, table: str, column: str) -> list[Notice]:
    """What to tell people of a column whose numbers may be read in two ways."""
    if parsed.doubt is None:
        return []
    n = int((~parsed.missing).sum())
    return [Notice(parsed.doubt, table, column, n, n, parsed.words)]


def hash_texts(texts: Any) -> npt.NDArray[np.uint64]:
    """A hash of 64 bits of each text of an Arrow array; equal texts have equal hashes."""
    if pa.types.is_dictionary(texts.type):
        texts = texts.cast(texts.type.value_type)
    rows = pa.table({"text": texts})
    with _hasher(os.getpid()).cursor() as cursor:
        found: npt.NDArray[np.uint64] = cursor.sql("SELECT hash(text) AS h FROM rows").fetchnumpy()["h"]
    assert len(found) == len(rows)
    return found


@cache
def _hasher(_process: int) -> duckdb.DuckDBPyConnection:
    """The database of this process, opened once, since that takes as long as hashing 400,000 texts."""
    return duckdb.connect(config={"threads": 1})


class Described(Protocol):
    """What a message needs to name a source."""

    @property
    def where(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...


def check_rows(source: Described, rows: int) -> None:
    """Refuse a table without rows: most often an export that broke off, and never something to learn from."""
    if rows == 0:
        raise ContractError(
            f"{source.where} has a header and no rows; export it again, or take the table out of the config"
        )


def missing_column(source: Described, theirs: str, remedy: str) -> ContractError:
    """The error for a column that the config or the contract names and the source does not have."""
    near = difflib.get_close_matches(theirs, source.names, n=1) or [
        name for name in source.names if name.casefold() == theirs.casefold()
    ]
    shown = ", ".join(source.names[:12]) + (
        f" and {len(source.names) - 12} more" if len(source.names) > 12 else ""
    )
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ContractError(f"{source.where} has no column {theirs!r}; {hint}{remedy}.\nColumns found: {shown}")


def known_columns(name: str, *, given: Collection[str] = ()) -> list[str]:
    """Our columns of one of the four tables, without those that come from elsewhere than the source."""
    return [column for column in (*REQUIRED[name], *OPTIONAL[name]) if column not in given]


def check_mapping(name: str, spec: Table, known: Sequence[str], where: str) -> None:
    """Refuse a section that maps a column its table does not have, or gives a constant to one that is no word.

    Raises
    ------
    ConfigError
    """
    for column in spec.columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it reads {', '.join(known)}"
            raise ConfigError(f"{where}.columns: {name} have no column {column!r}; {hint}")
        if spec.constant(column) is not None and column not in WORDS:
            raise ConfigError(
                f"{where}.columns.{column} must name a column; a constant can stand for {', '.join(WORDS[:4])} only"
            )


def check_columns(
    name: str, spec: Table, source: Described, where: str, *, given: Collection[str] = ()
) -> None:
    """Refuse a source without a column that is mapped or required.

    Raises
    ------
    ContractError
    """
    required = [column for column in REQUIRED[name] if column not in given]
    for column in dict.fromkeys((*spec.columns, *required)):
        theirs = spec.column(column)
        if theirs not in source.names and spec.constant(column) is None:
            remedy = (
                f"it is mapped to {column} in {where}.columns, so correct it there"
                if column in spec.columns
                else f"say which column it is, as {where}.columns: {{{column}: …}}"
            )
            if name == "events" and column == "action":
                remedy += (
                    f", or give all rows one action, as {where}.columns: {{action: {{constant: touch}}}}"
                )
            if name == "outcomes" and column == "stage":
                remedy += f", or what every row of the table means, as {where}.stage: closed_won"
            raise missing_column(source, theirs, remedy)


def read_table(
    name: str,
    spec: Table,
    config: Config,
    *,
    given: Collection[str] = (),
    further: Collection[str] = (),
    where: str | None = None,
) -> TableReader:
    """Read one of the four tables whole.

    Parameters
    ----------
    name : ``leads``, ``events``, ``outcomes`` or ``history``.
    spec : its section of the config.
    given : required columns that come from elsewhere than the source.
    further : the source's names of more columns to read, which it must have.
    where : the section's place in the config, where that is not ``data`` and the table's name.

    Raises
    ------
    ConfigError
        If the section maps a column this table does not have.
    ContractError
        If the source lacks a mapped or required column, or has no rows.
    SourceError
        If the source cannot be read.
    """
    where = where or f"data.{name}"
    known = known_columns(name, given=given)
    if name != "leads":
        check_mapping(name, spec, known, where)
    source = read_source(
        spec,
        where=where,
        base=config.folder,
        zone=config.data.timezone,
        wanted=None if name == "leads" else [*(spec.column(column) for column in known), *further],
        words=[spec.column(column) for column in known if column in WORDS],
        ids=[spec.column(column) for column in known if column in IDS],
    )
    check_columns(name, spec, source, where, given=given)
    for theirs in further:
        if theirs not in source.names:
            raise missing_column(source, theirs, f"it is named in {where}.stage_dates, so correct it there")
    check_rows(source, source.table.num_rows + len(source.misfits))
    return TableReader(name, spec, config, source, where=where)


class TableReader:
    """The columns of one of the four tables, or of a batch of its rows, under our names.

    Parameters
    ----------
    name : ``leads``, ``events``, ``outcomes`` or ``history``.
    spec : its section of the config.
    source : its rows.
    forms : for a batch: what the whole of each text column agrees in, by the source's names.
    where : the section's place in the config, where that is not ``data`` and the table's name.

    Attributes
    ----------
    notices : what to tell people about it.
    known_before : ``data.data_as_of`` in microseconds, or `NEVER`; what was known only later is left out.
    """

    def __init__(
        self,
        name: str,
        spec: Table,
        config: Config,
        source: Source,
        *,
        forms: Mapping[str, Form] | None = None,
        where: str | None = None,
    ) -> None:
        self.name, self.spec, self.where = name, spec, where or f"data.{name}"
        self.zone = config.data.zone
        as_of = config.data.data_as_of
        self.known_before = NEVER if as_of is None else to_microseconds(as_of)
        self.missing = tuple(config.data.missing)
        self.source = source
        self.ledger = Ledger(name, source)
        self.notices: list[Notice] = []
        self._forms = forms or {}

    def _form(self, column: str) -> Form | None:
        return self._forms.get(self.spec.column(column))

    def has(self, column: str) -> bool:
        """Whether the source has our column, or the config a constant for it."""
        return self.spec.constant(column) is not None or self.spec.column(column) in self.source.names

    def _raw(self, column: str) -> Any:
        return self.source.column(self.spec.column(column))

    def refuse(self, mask: Mask, column: str, reason: str, remedy: str = "") -> None:
        """Set rows aside because of our column."""
        self.ledger.refuse(mask, column=self.spec.column(column), reason=reason, remedy=remedy)

    def leave_out(self, mask: Mask) -> None:
        """Leave rows out that nothing is wrong with."""
        self.ledger.left_out |= mask

    def leave_out_later(self, *times: Micros) -> None:
        """Leave out the rows of which one of these times is not before ``data.data_as_of``."""
        for moment in times:
            self.leave_out(moment >= self.known_before)

    def _enter(self, column: str, parsed: Parsed, *, required: bool, remedy: str = "") -> None:
        if required:
            self.refuse(parsed.missing, column, MISSING, self._remedy_of_gaps(column))
        for reason, mask in parsed.problems:
            # A year such as 9999 was read well, and a hint how to read it would not help.
            plain = reason == OUT_OF_RANGE and self.spec.format(column) is None
            self.refuse(mask, column, reason, "" if plain else remedy)

    def _remedy_of_gaps(self, column: str) -> str:
        """What to write where a required value is missing in some rows."""
        theirs = self.spec.column(column)
        if isinstance(self.spec, Outcomes) and self.spec.stage is not None and column == "occurred_at":
            stage = f"stage_dates: {{{theirs}: {self.spec.stage}}}"
            return f"if an empty date means not reached, write {self.where}.{stage} in place of stage and occurred_at"
        rows = f"'{self.spec.path}'" if self.spec.path is not None else f"({self.spec.sql})"
        return f'keep the rows that have one, as {self.where}.sql: select * from {rows} where "{theirs}" is not null'

    def times(self, column: str, *, required: bool = True) -> npt.NDArray[np.int64]:
        """Instants in microseconds since 1970; `MISSING_TIME` where missing or bad."""
        theirs, hint = self.spec.column(column), self.spec.format(column)
        place = f"{self.where}.columns.{column}"
        if hint is not None and hint.unit is not None and hint.format is not None:
            raise ConfigError(f"{place} takes 'format' or 'unit', not both; remove the one that is wrong")
        parsed = parse_times(
            self._raw(column),
            zone=self.zone,
            hint=hint,
            where=f"{theirs!r} of {self.source.where}",
            form=self._form(column),
            missing=self.missing,
        )
        remedy = f"correct the hint in {place}" if hint is not None else self._time_remedy(column, parsed)
        self._enter(column, parsed, required=required, remedy=remedy)
        values: npt.NDArray[np.int64] = parsed.data
        return values

    def _time_remedy(self, column: str, parsed: Parsed) -> str:
        """What to write where a column holds times that are no ISO times."""
        if not parsed.bad.any():
            return ""
        form = self._form(column)
        text = plain_text(self._raw(column), form, self.missing)
        theirs = self.spec.column(column)
        place = f"say how times are written, as {self.where}.columns.{column}: {{column: {theirs}"
        if not parse_numbers(text).bad.any():
            return f"{place}, unit: {guess_unit(text)}}}"
        whole = (find_date_evidence(text) if form is None else form.dates).formats()
        formats = whole or (guess_format(text[int(np.argmax(parsed.bad))].as_py()),)
        if len(formats) > 1:
            either = f'"{formats[0]}" or "{formats[1]}": no day above 12 shows which'
        else:
            either = f'"{formats[0]}"'
        return f"{place}, format: {either}}}"

    def stage_dates(self, column: str, hint: ColumnFormat | None) -> npt.NDArray[np.int64]:
        """The instants of a column of ``stage_dates``, by the source's name; `MISSING_TIME` where there is none."""
        raw = self.source.column(column)
        where = f"{column!r} of {self.source.where}"
        parsed = parse_times(raw, zone=self.zone, hint=hint, where=where, missing=self.missing)
        formats = find_date_evidence(plain_text(raw, missing=self.missing)).formats() or ("%d/%m/%Y",)
        place = f"{self.where}.stage_dates"
        remedy = f'say how times are written, as {place}: {{{column}: {{stage: …, format: "{formats[0]}"}}}}'
        for reason, mask in parsed.problems:
            self.ledger.refuse(mask, column=column, reason=reason, remedy=remedy)
        values: npt.NDArray[np.int64] = parsed.data
        return values

    def recorded(self, happened: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """When each row was known: ``recorded_at``, or the time it happened where the source does not say.

        A row recorded before it happened is kept as it is: it counts once both times have passed.
        """
        if not self.has("recorded_at"):
            return happened
        values = self.times("recorded_at", required=False)
        recorded: npt.NDArray[np.int64] = np.where(values == MISSING_TIME, happened, values)
        return recorded

    def ids(self, column: str, *, required: bool = True, verbatim: bool = False) -> Any:
        """Ids, an Arrow array of int64 or of text, which is as it is written where ``verbatim``."""
        values = require_plain(self.source, self.spec.column(column), "ids")
        parsed = parse_ids(values, self._form(column), verbatim=verbatim)
        self._enter(column, parsed, required=required)
        return parsed.data

    def plain_ids(self, column: str) -> Any:
        """As `ids`, without white space around them and the ``.0`` of a column that passed through floats."""
        return parse_ids(self._raw(column), self._form(column)).data

    def words(self, column: str, *, required: bool = False) -> pd.Categorical:
        """Words as categories; missing ones have none."""
        if (constant := self.spec.constant(column)) is not None:
            codes = np.zeros(self.source.table.num_rows, dtype=np.int8)
            return pd.Categorical.from_codes(codes, categories=pd.Index([constant], dtype="str"))
        values = require_plain(self.source, self.spec.column(column), "words")
        parsed = parse_words(values, self._form(column), self.missing)
        self._enter(column, parsed, required=required)
        words: pd.Categorical = parsed.data
        return words

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Quantities, NaN where missing or bad."""
        hint = self.spec.format(column)
        decimal = (hint.decimal if hint is not None else None) or self.spec.decimal
        parsed = parse_numbers(
            self._raw(column), self._form(column), missing_words=self.missing, decimal=decimal
        )
        theirs = self.spec.column(column)
        remedy = (
            f'say how numbers are written, as {self.where}.columns.{column}: {{column: {theirs}, decimal: ","}}, add '
            "words that stand for a missing value to data.missing, or map another column"
        )
        self._enter(column, parsed, required=False, remedy=remedy)
        values: npt.NDArray[np.float64] = parsed.data
        return values

    def text(self, column: str) -> pd.Series:
        """Free text."""
        series: pd.Series = plain_text(self._raw(column)).to_pandas().astype("str")
        return series

    def attributes(self) -> dict[str, pd.Series]:
        """Every further column, under the name the config gives it or else the source's, in the source's order.

        A column that is called like one of ours and is not mapped to it gets ``_in_source`` behind its name.
        """
        known = (*REQUIRED[self.name], *OPTIONAL[self.name])
        renamed = {self.spec.column(ours): ours for ours in self.spec.columns if ours not in known}
        used = {self.spec.column(ours) for ours in known}
        taken = {*known, *renamed.values()}
        columns: dict[str, pd.Series] = {}
        for theirs in self.source.names:
            if theirs in used and theirs not in renamed:
                continue
            ours = renamed.get(theirs) or (f"{theirs}_in_source" if theirs in taken else theirs)
            parsed = parse_attribute(
                self.source.column(theirs), missing_words=self.missing, decimal=self.spec.decimal
            )
            for reason, mask in parsed.problems:
                self.ledger.refuse(mask, column=theirs, reason=reason)
            self.notices += doubt_notice(parsed, self.name, theirs)
            columns[ours] = parsed.data
        return columns

    def keep(self, columns: dict[str, Any]) -> pd.DataFrame:
        """The good rows of parsed columns, numbered from 0; categories that only bad rows had are gone."""
        frame = pd.DataFrame(columns, index=range(self.source.table.num_rows))
        usable = self.ledger.usable
        if not usable.all():
            frame = frame[usable].reset_index(drop=True)
            for name in frame.columns[frame.dtypes == "category"]:
                frame[name] = frame[name].cat.remove_unused_categories()
        return frame
