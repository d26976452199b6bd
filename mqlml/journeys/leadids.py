"""Match rows of other tables to leads by their ids, however the tables write them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.journeys.parse import parse_ids
from mqlml.journeys.tables import TableReader
from mqlml.times import MISSING_TIME
from mqlml.types import Codes, Mask, Micros

__all__ = ["Aliases", "LeadIds", "OwnIds", "OwnRows"]


@dataclass(frozen=True)
class Aliases:
    """Ids of leads that are gone from the leads table, merged into others: the place of each and since when."""

    ids: Any
    place: Codes
    since: Micros

    def without(self, out: Mask) -> Aliases:
        """Those of the leads that stay, at their new places."""
        stay = ~out[self.place]
        place = (np.cumsum(~out) - 1)[self.place[stay]].astype(np.int32)
        return Aliases(self.ids.filter(pa.array(stay)), place, self.since[stay])


@dataclass(frozen=True)
class OwnIds:
    """The place of each row's lead (-1 none), and the rows with an id that no lead has."""

    place: Codes
    strange: Mask


@dataclass(frozen=True)
class OwnRows:
    """Which rows of a table belong to a lead: the place of each row's lead (-1 none), and since when it is known to
    be that lead's (`MISSING_TIME` for from the beginning)."""

    place: Codes
    since: Micros


@dataclass(frozen=True)
class LeadIds:
    """Ids of the leads that are kept, of those in quarantine and of those that a rule leaves out.

    Attributes
    ----------
    kept, aside, excluded : Arrow arrays of one type, int64 or text as it is written.
    excluded_reasons : why each of ``excluded`` is left out, in the same order.
    aliases : further ids of kept leads.
    gone : further ids of excluded leads; None without any.
    """

    kept: Any
    aside: Any
    excluded: Any = None
    excluded_reasons: tuple[str, ...] = ()
    aliases: Aliases | None = None
    gone: Any = None

    @property
    def left_out(self) -> pd.DataFrame:
        """``lead_id`` and ``reason`` of each lead that a rule leaves out."""
        excluded = self.kept.slice(0, 0) if self.excluded is None else self.excluded
        return pd.DataFrame(
            {"lead_id": excluded.to_pandas(), "reason": pd.Series(self.excluded_reasons, dtype="str")}
        )

    @cached_property
    def _numbers(self) -> pd.Index[Any]:
        numbers: pd.Index[Any] = pd.Index(np.asarray(self.kept))
        return numbers

    @cached_property
    def _dense(self) -> tuple[int, Codes] | None:
        """Of numbers that lie close together, as most ids do, the least, and the places of all from it on.

        Before and behind these stands -1, which is the place of what is less and what is more.
        """
        numbers = np.asarray(self.kept)
        low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, -1)
        if high - low > 4 * len(numbers) + 1_000_000:
            return None
        places = np.full(high - low + 3, -1, np.int32)
        places[numbers - low + 1] = np.arange(len(numbers), dtype=np.int32)
        return low, places

    @cached_property
    def _plain(self) -> Any:
        return parse_ids(self.kept).data

    def find(self, ids: Any) -> Codes:
        """The place of each id among the kept leads, -1 where it is not among them or missing."""
        if pa.types.is_int64(ids.type) and pa.types.is_int64(self.kept.type):
            numbers = np.asarray(pc.fill_null(ids, 0))
            if self._dense is not None:
                low, table = self._dense
                places = table.take(numbers - low + 1, mode="clip")
            else:  # the index keeps its table of hashes, which Arrow rebuilds for every batch of a long table
                places = self._numbers.get_indexer(pd.Index(numbers)).astype(np.int32)
            return np.where(np.asarray(pc.is_valid(ids)), places, np.int32(-1))
        return _place_in(ids, self.kept)

    def leave_out(self, reasons: pd.Series) -> LeadIds:
        """The ids once rules have left leads out; ``reasons`` by kept lead, missing for those that stay."""
        out = reasons.notna().to_numpy()
        if not out.any():
            return self
        gone = self.kept.filter(pa.array(out))
        return replace(
            self,
            kept=self.kept.filter(pa.array(~out)),
            excluded=gone if self.excluded is None else pa.concat_arrays([self.excluded, gone]),
            excluded_reasons=(*self.excluded_reasons, *reasons[out]),
            aliases=None if self.aliases is None else self.aliases.without(out),
        )

    def places(self, reader: TableReader, column: str = "lead_id") -> OwnIds:
        """The place of the lead that each row of another table names.

        Ids match as they are written; those that do not match so, without white space around them and without the
        ``.0`` of a column that passed through floats.
        """
        ids = reader.ids(column, verbatim=True)
        place = self.find(ids)
        strange = np.asarray(pc.is_valid(ids)) & (place < 0)
        if strange.any():
            plain = reader.plain_ids(column)
            strange &= ~_fill(place, strange, _place_in(plain, self._plain))
        return OwnIds(place, strange)

    def among_excluded(self, plain: Any) -> Mask:
        """Which ids are those of leads that a rule leaves out."""
        found = np.zeros(len(plain), dtype=bool)
        for ids in (self.excluded, self.gone):
            if ids is not None:
                found |= _place_in(plain, parse_ids(ids).data) >= 0
        return found

    def resolve(self, reader: TableReader, column: str = "lead_id") -> OwnRows:
        """The leads of another table's rows. Rows without a kept lead are set aside, those of a lead that is left out
        by a rule are left out with it."""
        found = self.places(reader, column)
        place, strange = found.place, found.strange
        since = np.full(len(place), MISSING_TIME)
        if self.aliases is not None and strange.any():
            known = _place_in(reader.plain_ids(column), self.aliases.ids)
            gone = strange & (known >= 0)
            place[gone], since[gone] = self.aliases.place[known[gone]], self.aliases.since[known[gone]]
            strange &= ~gone
        self.refuse(reader, column, strange)
        return OwnRows(place, since)

    def refuse(self, reader: TableReader, column: str, strange: Mask) -> None:
        """Set rows aside that name no lead, and leave those out whose lead is left out; others left out stay so."""
        strange = strange & ~reader.ledger.left_out
        if not strange.any():
            return
        plain = reader.plain_ids(column)
        left_out = strange & self.among_excluded(plain)
        reader.leave_out(left_out)
        strange = strange & ~left_out
        orphaned = strange & (_place_in(plain, parse_ids(self.aside).data) >= 0)
        reader.refuse(orphaned, column, "its lead is in quarantine")
        remedy = "check that data.leads holds all leads, and that lead_id is written alike in both tables"
        reader.refuse(strange & ~orphaned, column, "unknown lead", remedy)

    def column(self, place: Codes, reader: TableReader) -> pd.Series:
        """The ids of the rows that are kept, in the type that leads have."""
        series: pd.Series = self.kept.take(pa.array(place[reader.ledger.usable])).to_pandas()
        return series


def _place_in(ids: Any, among: Any) -> Codes:
    """The place of each id in another array, whatever the types; -1 where it is not in it or missing."""
    if ids.type != among.type:
        ids, among = (pc.cast(values, pa.string()) for values in (ids, among))
    among = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    found = pc.index_in(ids, value_set=among, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1), np.int32).copy()


def _fill(place: Codes, where: npt.NDArray[np.bool_], found: Codes) -> npt.NDArray[np.bool_]:
    """Write what was found into the places that lack it; where that was."""
    filled: npt.NDArray[np.bool_] = where & (found >= 0)
    place[filled] = found[filled]
    return filled
