"""Event types that occur only after a conversion, or with it.

Windows end before the cutoff, so a model of open leads never sees a row after the conversion. An event type that
occurs only afterwards is useless to it, takes a place among the most frequent types, and its few rows that are
dated too early (a day without an hour, a form filled in later) give the outcome away. Hence it is refused. So is a
type whose rows bear the second of the conversion, which is the conversion itself, and a type that nearly only
winners have beforehand: it was written at the deal and dated back. A type that occurs in the last hour before most
conversions is a step of them and was known beforehand; it is noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config, Problem
from mqlml.features.kernels.windows import match_ids
from mqlml.features.vocabulary import read_words
from mqlml.journeys import Journeys
from mqlml.times import HOUR, NEVER, to_microseconds
from mqlml.training.leakage.columns import check_forced
from mqlml.training.leakage.findings import Clue, Finding, conclude
from mqlml.training.leakage.names import check_action_name
from mqlml.training.leakage.univariate import AUDIT_ERROR, lifted, lower_share
from mqlml.training.snapshots import conversion_times, creation_times, first_known

__all__ = ["EventCounts", "audit_events", "count_events"]

_SECOND = 1_000_000
_CLOSE = HOUR
_ROWS = 2_000_000
"""Rows counted at a time, which bounds the memory."""

_BOUNDS = 4

_AFTER, _AFTER_LOW = 0.95, 0.8
_WITH_LOW = 0.5
_BEFORE_LOW = 0.95
_CLOSE_LOW = 0.8
"""Thresholds for the shares and their lower bounds."""


@dataclass(frozen=True)
class EventCounts:
    """How the event types lie around the conversions; the counts of a table's partitions add up.

    Leads are counted, not rows: the rows of one lead are not independent.

    Attributes
    ----------
    table : DataFrame of int64, one row per event type (the index)
        ``rows``; ``before``, leads that have it before their conversion or without one; ``after``, winners that have
        it at their conversion or later; ``with_it``, winners that have it within a second of their conversion;
        ``settled``, those of ``before`` that had their whole horizon; ``settled_won``, how many of these converted;
        ``won_before``, those of ``before`` that converted; ``won_close``, winners that have it within the last hour
        before their conversion.
    """

    table: pd.DataFrame

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(self.table.add(other.table, fill_value=0).astype(np.int64))


def count_events(part: Journeys, problem: Problem) -> EventCounts:
    """Count how event types lie around the conversions of some leads.

    A row counts from when it was known: occurred and recorded.

    Parameters
    ----------
    part : the leads of one partition, or all, with all their events and outcomes.
    """
    leads, events = part.leads, part.events
    converted = conversion_times(part, problem)
    until = to_microseconds(part.observed_until)
    settled = creation_times(leads) <= until - problem.gap - problem.horizon
    words = read_words(events["action"])
    size = max(len(words.text), 1)
    ids = pd.Index(leads["lead_id"])
    rows = np.zeros(size, np.int64)
    seen: dict[str, list[npt.NDArray[np.int64]]] = {"before": [], "after": [], "with_it": [], "close": []}
    for start in range(0, len(events), _ROWS):
        part_rows = slice(start, start + _ROWS)
        some = events.iloc[part_rows]
        lead = match_ids(some["lead_id"], ids)
        code = words.codes[part_rows].astype(np.int64)
        known = first_known(some)
        there = (lead >= 0) & (code >= 0)
        lead, code, known = lead[there], code[there], known[there]
        rows += np.bincount(code, minlength=size)
        key = lead.astype(np.int64) * size + code
        win = converted[lead]
        wait = np.where(win < NEVER, win - known, NEVER)
        for name, mask in (
            ("before", wait > 0),
            ("after", wait <= 0),
            ("with_it", np.abs(wait) < _SECOND),
            ("close", (wait > 0) & (wait <= _CLOSE)),
        ):
            seen[name].append(np.unique(key[mask]))
    pairs = {name: np.unique(np.concatenate([np.empty(0, np.int64), *keys])) for name, keys in seen.items()}
    lead, code = np.divmod(pairs["before"], size)
    won = converted[lead] < NEVER

    def count(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.bincount(codes, minlength=size)

    sums = {
        "rows": rows,
        "before": count(code),
        "after": count(pairs["after"] % size),
        "with_it": count(pairs["with_it"] % size),
        "settled": count(code[settled[lead]]),
        "settled_won": count(code[settled[lead] & won]),
        "won_before": count(code[won]),
        "won_close": count(pairs["close"] % size),
    }
    table = pd.DataFrame(sums).iloc[: len(words.text)].set_axis(pd.Index(words.text, dtype="str"))
    return EventCounts(table[table["rows"] > 0])


def audit_events(counts: EventCounts, config: Config) -> tuple[Finding, ...]:
    """A finding for each event type that belongs to the conversion or follows it.

    Parameters
    ----------
    counts : of all leads.
    config : with ``features.force``: event types that are kept in spite of the audit, with the reason.

    Raises
    ------
    ConfigError
        If ``features.force`` names an event type that does not exist.
    """
    table = counts.table
    force = config.features.force
    check_forced(force, table.index.tolist(), "features.force", "event type of the events")
    error = AUDIT_ERROR / max(_BOUNDS * len(table), 1)
    rows = {
        str(action): dict(zip(table.columns, map(int, row), strict=True))
        for action, *row in table.sort_index().itertuples()
    }
    totals = {name: sum(row[name] for row in rows.values()) for name in table.columns}
    findings = []
    for action, row in rows.items():
        others = {name: totals[name] - number for name, number in row.items()}
        clues = [*_check_counts(row, others, error)]
        if (clue := check_action_name(action)) is not None:
            clues.append(clue)
        if (finding := conclude(action, clues, force=force, kind="action")) is not None:
            findings.append(finding)
    return tuple(findings)


def _check_counts(row: dict[str, int], others: dict[str, int], error: float) -> Iterator[Clue]:
    """Compare the counts of one event type with those of all others together."""

    def surely(hits: str, n: int, low: float, others_n: int) -> bool:
        least = max(low, lifted(others[hits], others_n - others[hits]))
        return lower_share(row[hits], n, error=error) >= least

    after, before, with_it = row["after"], row["before"], row["with_it"]
    any_time, others_any_time = after + before, others["after"] + others["before"]
    if surely("with_it", any_time, _WITH_LOW, others_any_time):
        text = f"{with_it:,} winners have it in the second of their conversion: it is the conversion itself"
        yield Clue("with_conversion", text, dict(row), "certain")
    elif after >= _AFTER * any_time and surely("after", any_time, _AFTER_LOW, others_any_time):
        text = (
            f"{after:,} winners have it at their conversion or later, and {before:,} leads before one: it "
            "follows from the conversion"
        )
        yield Clue("after_conversion", text, dict(row), "certain")
    if surely("settled_won", row["settled"], _BEFORE_LOW, others["settled"]):
        text = (
            f"{row['settled_won']:,} of the {row['settled']:,} leads that have it before a conversion convert: it is "
            "backdated, or it is the deal"
        )
        yield Clue("before_conversion", text, dict(row), "likely")
    if surely("won_close", row["won_before"], _CLOSE_LOW, others["won_before"]):
        text = (
            f"{row['won_close']:,} of {row['won_before']:,} winners with it have it in the hour before they convert: "
            "it is a step of the conversion, too late for a nightly score"
        )
        yield Clue("before_conversion", text, dict(row), "suspicious", refuses=False)
