"""How the rows of one file tell which lead of another they belong to, by the ids that two columns share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mqlml.draft.columns import Column
from mqlml.draft.exports import Export
from mqlml.draft.names import sounds_like_id, sounds_like_person
from mqlml.texts import normalize_name

__all__ = ["Bridge", "Link", "find_bridge", "find_link", "is_shared", "may_be_ids"]

_MOST_SHARED = 0.5
"""Ids of two columns are the same ids if at least this share of the smaller column is in the other."""

_FEWEST = 3
_DIVIDERS = (";", ",", "|")

_LONGEST_COUNT = 7
"""Digits of numbers that count rows; a longer number is unlikely to be another table's by chance."""


@dataclass(frozen=True)
class Bridge:
    """A file whose rows name their leads at once, in ``column``."""

    export: Export
    column: str


@dataclass(frozen=True)
class Link:
    """How the rows of a file tell which lead they belong to.

    Attributes
    ----------
    column : the file's column.
    via : the column of the leads, or of ``bridge``, that has the same ids; None if that is the lead's id.
    bridge : a file between, as contacts name the leads that they were; None if there is none.
    divider : what stands between the ids where a row belongs to several leads.
    """

    column: str
    via: str | None = None
    bridge: Bridge | None = None
    divider: str | None = None

    @property
    def is_direct(self) -> bool:
        """Whether the column holds one id of a lead in each row."""
        return self.via is None and self.divider is None


def may_be_ids(column: Column) -> bool:
    """Whether a column is called like one of ids and holds no times."""
    return column.time is None and sounds_like_id(column.short)


def _are_counts(texts: frozenset[str]) -> bool:
    """Whether all values are short numbers, like those that count rows."""
    return all(text.isdigit() and len(text) <= _LONGEST_COUNT for text in texts)


def is_shared(some: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two columns hold the same ids."""
    fewer = min(len(some), len(other))
    return fewer >= _FEWEST and len(some & other) >= _MOST_SHARED * fewer


def find_link(export: Export, leads: Export, key: Column) -> Link | None:
    """How a file points to the leads, whose ids are ``key``, without a file between; None if it does not."""
    columns = [column for column in export.columns if may_be_ids(column)]
    columns.sort(
        key=lambda column: (sounds_like_person(column.short), len(column.texts & key.texts)), reverse=True
    )
    for column in columns:
        if is_shared(column.texts, key.texts) and not _is_own_count(column):
            return Link(column.name)
    if not _are_counts(key.texts):  # no other column has such ids by chance, whatever it is called
        for column in export.columns:
            if column.time is None and is_shared(column.texts, key.texts):
                return Link(column.name)
    for via in leads.columns:
        if via is not key and may_be_ids(via):
            for column in columns:
                if is_shared(column.texts, via.texts) and _may_point(via, column, export):
                    return Link(column.name, via=via.name)
    for column in columns:
        for divider in _DIVIDERS:
            if any(divider in text for text in column.texts):
                parts = frozenset(part.strip() for text in column.texts for part in text.split(divider))
                if is_shared(parts, key.texts):
                    return Link(column.name, divider=divider)
    return None


def _is_own_count(column: Column) -> bool:
    """Whether a column counts the file's own rows; such numbers are those of leads by chance."""
    return column.is_key and not sounds_like_person(column.short) and _are_counts(column.texts)


def _may_point(via: Column, column: Column, export: Export) -> bool:
    """Whether a column elsewhere can mean this one; where this one counts rows, its name must say so."""
    words = normalize_name(via.short).split("_")
    return not _is_own_count(column) or any(len(word) > 3 and word[:6] in export.stem for word in words)


def find_bridge(export: Export, exports: Sequence[Export], links: Mapping[str, Link]) -> Link | None:
    """A link through a file in between, whose rows name their leads at once."""
    columns = [column for column in export.columns if may_be_ids(column)]
    for between in exports:
        link = links.get(between.key)
        if between is export or link is None or not link.is_direct:
            continue
        for via in between.columns:
            if via.name != link.column and may_be_ids(via):
                for column in columns:
                    if is_shared(column.texts, via.texts) and _may_point(via, column, export):
                        return Link(column.name, via=via.name, bridge=Bridge(between, link.column))
    return None
