"""Read a flat table: one row per lead with attributes, a label and an order.

It has no times, so it is taken as snapshots already made; what keeps training and test
apart is the order the config names.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.config import ColumnFormat, Config, Flat
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys.contract import FlatTable
from mqlml.journeys.parse import Parsed, parse_attribute, parse_ids, parse_numbers, plain_text
from mqlml.journeys.people import find_duplicates
from mqlml.journeys.quarantine import Ledger, Notice
from mqlml.journeys.sources import Source, read_source
from mqlml.journeys.tables import (
    DUPLICATE,
    MISSING,
    check_rows,
    doubt_notice,
    later_duplicates,
    missing_column,
    require_plain,
)
from mqlml.journeys.times import parse_times
from mqlml.times import microseconds_to_column
from mqlml.types import Mask

__all__ = ["read_flat"]

_WHERE = "data.flat"


def _same(value: object) -> str:
    """A form in which equal labels are equal: ``1``, ``1.0``, ``'1'``; ``True``, ``'true'``; ``A``, ``a``."""
    text = str(value).strip().casefold()
    try:
        return repr(float(text))
    except ValueError:
        return text


_ANSWERS = {"true": "yes", "false": "no"}
"""YAML reads a bare Yes as true; the table may hold either."""


def _meant(value: object, words: Collection[str]) -> str:
    """A configured label in the form of `_same`; a truth stands for yes or no where the table says that."""
    same = _same(value)
    answer = _ANSWERS[same] if isinstance(value, bool) else same
    return answer if answer in words and same not in words else same


def _labels(
    source: Source, spec: Flat, missing: Collection[str], *, must_win: bool
) -> npt.NDArray[np.float64]:
    text = plain_text(source.column(spec.label), missing=missing)
    encoded = pc.dictionary_encode(text).combine_chunks()
    words: list[str] = encoded.dictionary.to_pylist()
    positive = spec.positive if isinstance(spec.positive, list) else [spec.positive]
    forms = [_same(word) for word in words]
    wins = {_meant(value, forms) for value in positive}
    meaning = [float(form in wins) for form in forms]
    codes = np.asarray(pc.fill_null(encoded.indices, len(words)))
    label: npt.NDArray[np.float64] = np.array([*meaning, np.nan])[codes]
    if must_win and not (label == 1).any() and (label == 0).any():
        counts = np.bincount(codes, minlength=len(words) + 1)[:-1]
        found = ", ".join(f"{words[place]!r} ({counts[place]:,} rows)" for place in np.argsort(-counts)[:5])
        raise ContractError(
            f"{source.where}: no row's {spec.label!r} is {_WHERE}.positive, {spec.positive!r}; name the value that "
            f"means converted. Found: {found}"
        )
    return label


def _order_values(column: Any, hint: ColumnFormat | None, config: Config, where: str) -> tuple[Parsed, bool]:
    """Numbers, or times (and True), that sort as the column means: numbers where most values are, else ISO times."""
    if hint is None and not pa.types.is_temporal(column.type):
        whole = parse_ids(column)
        if whole.data.type == pa.int64() and not whole.bad.any():
            return Parsed(np.asarray(pc.fill_null(whole.data, 0)), whole.missing), False
        numbers = parse_numbers(column)
        if 2 * np.count_nonzero(numbers.bad) < len(column):
            return numbers, False
    return parse_times(column, zone=config.data.zone, hint=hint, where=where), True


def _rank(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Dense ranks of rows compared by the first column, ties by the next; equal rows share one, the lowest is 0."""
    rank = np.zeros(len(values[0]), dtype=np.int64)
    for column in values:
        distinct, place = np.unique(column, return_inverse=True)
        rank = np.unique(rank * max(len(distinct), 1) + place, return_inverse=True)[1]
    return rank


def _order_columns(spec: Flat) -> list[tuple[str, ColumnFormat | None]]:
    if isinstance(spec.order, ColumnFormat):
        return [(spec.order.column, spec.order)]
    if spec.order is None:
        return []
    return [(column, None) for column in ([spec.order] if isinstance(spec.order, str) else spec.order)]


def _check_columns(source: Source, named: dict[str, str], optional: set[str]) -> None:
    for theirs, key in named.items():
        if theirs not in source.names and theirs not in optional:
            raise missing_column(source, theirs, f"it is named by {_WHERE}.{key}")


def _refuse(ledger: Ledger, column: str, parsed: Parsed, *, required: bool) -> None:
    if required:
        ledger.refuse(parsed.missing, column=column, reason=MISSING)
    for reason, mask in parsed.problems:
        remedy = (
            f'say how it is written, as {_WHERE}.order: {{column: {column}, format: "%d/%m/%Y"}}'
            if required
            else ""
        )
        ledger.refuse(mask, column=column, reason=reason, remedy=remedy)


def _read_order(
    source: Source, order: Sequence[tuple[str, ColumnFormat | None]], ledger: Ledger, config: Config
) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.int64] | None]:
    """The values that order the rows, the first column first, and the times where that column holds times."""
    ranked: list[npt.NDArray[Any]] = [] if order else [np.arange(len(ledger.bad))]
    timed = []
    for column, hint in order:
        if column in source.names:
            where = f"{column!r} of {source.where}"
            parsed, is_time = _order_values(source.column(column), hint, config, where)
            timed.append(is_time)
            _refuse(ledger, column, parsed, required=True)
            ranked.append(parsed.data)
    return ranked, ranked[0] if timed and timed[0] else None


def _read_attributes(
    source: Source, spec: Flat, missing: Collection[str], named: Collection[str], ledger: Ledger
) -> tuple[dict[str, pd.Series], list[Notice]]:
    """The account and every column without a role, by name, and what must be said of them."""
    columns: dict[str, pd.Series] = {}
    notices: list[Notice] = []
    if spec.account_id is not None:
        account = parse_ids(source.column(spec.account_id))
        _refuse(ledger, spec.account_id, account, required=False)
        columns["account_id"] = pc.cast(account.data, pa.string()).to_pandas().astype("str")
    for name in source.names:
        if name not in named:
            attribute = parse_attribute(source.column(name), missing_words=missing, decimal=spec.decimal)
            _refuse(ledger, name, attribute, required=False)
            notices += doubt_notice(attribute, "flat", name)
            columns[f"{name}_in_source" if name in ("lead_id", "account_id") else name] = attribute.data
    return columns, notices


def read_flat(config: Config, path: str | Path | None = None) -> FlatTable:
    """Read a table with one row per lead and its label.

    Labels are compared with ``data.flat.positive`` as text and as numbers (``1``, ``1.0`` and ``"1"`` are one
    value); an empty label, or one of the words in ``missing``, is an open lead. The label and the order are no
    attributes.

    Parameters
    ----------
    config : with ``data.flat``.
    path : a file to read in place of the config's, as when new leads are scored; relative to the working
        directory. It may lack the label (all leads are open) and the order (all leads are equal in it).

    Raises
    ------
    SourceError, ContractError, QuarantineError, ConfigError
        As in `read_journeys`; a label column without a winning value is a `ContractError` too.
    """
    spec = config.data.flat
    if spec is None:
        raise ConfigError("the config describes leads, events and outcomes; read them with read_journeys")
    if path is not None:
        spec = spec.model_copy(update={"path": str(Path(path).absolute()), "sql": None})
    order = _order_columns(spec)
    ids_named = [column for column in (spec.lead_id, spec.account_id) if column is not None]
    source = read_source(spec, where=_WHERE, base=config.folder, zone=config.data.timezone, ids=ids_named)
    missing = (*config.data.missing, *spec.missing)
    named = {spec.label: "label"} | {column: "order" for column, _ in order}
    if spec.lead_id is not None:
        named[spec.lead_id] = "lead_id"
    if spec.account_id is not None:
        named[spec.account_id] = "account_id"
    _check_columns(source, named, set() if path is None else {spec.label, *(column for column, _ in order)})
    check_rows(source, source.table.num_rows + len(source.misfits))
    ledger = Ledger("flat", source)

    numbers = pa.chunked_array([pa.array(np.arange(1, len(ledger.bad) + 1))])
    ids = Parsed(numbers, np.zeros(len(ledger.bad), dtype=bool))
    if spec.lead_id is not None:
        ids = parse_ids(require_plain(source, spec.lead_id, "ids"), verbatim=True)
        _refuse(ledger, spec.lead_id, ids, required=True)
    ranked, times = _read_order(source, order, ledger, config)
    columns, notices = _read_attributes(source, spec, missing, named, ledger)
    if spec.lead_id is not None:
        ledger.refuse(later_duplicates(ids.data, ~ledger.bad), column=spec.lead_id, reason=DUPLICATE)
    ledger.check(config.data.max_quarantined)

    good: Mask = ~ledger.bad
    table = (
        pd.DataFrame(columns)[good].reset_index(drop=True)
        if columns
        else pd.DataFrame(index=range(good.sum()))
    )
    table.insert(0, "lead_id", ids.data.filter(pa.array(good)).to_pandas())
    label = np.full(len(good), np.nan)
    if spec.label in source.names:
        label = _labels(source, spec, missing, must_win=path is None)
    rank = _rank([values[good] for values in ranked]) if ranked else np.zeros(len(table), dtype=np.int64)
    return FlatTable(
        leads=table,
        label=pd.Series(label[good]),
        order=pd.Series(rank),
        quarantine=ledger.to_frame(),
        rows_read={"flat": ledger.rows_read},
        times=None if times is None else microseconds_to_column(times[good]),
        notices=(*notices, *find_duplicates(table, config.profile).notices(merged=False)),
    )
