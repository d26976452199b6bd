"""Columns: attributes and what became of the leads go in; a finding for each that is written afterwards comes out."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Profile
from mqlml.errors import ConfigError, LeakageError
from mqlml.times import NEVER, column_to_microseconds
from mqlml.training.leakage.findings import Clue, Finding, conclude
from mqlml.training.leakage.names import check_identifier, check_name
from mqlml.training.leakage.times import Moments, check_times
from mqlml.training.leakage.univariate import (
    AUDIT_ERROR,
    Halves,
    check_gaps,
    check_values,
    lower_share,
    split_halves,
)
from mqlml.training.snapshots import first_known
from mqlml.types import Micros

__all__ = ["ChangeCounts", "audit_columns", "check_changes", "check_forced", "count_changes"]

_CHANGED = 0.01
"""A share of leads above this, surely, is more than corrections of typing errors."""

_LOADED = 0.2
"""A share of first entries above this at one instant: the history was begun then, whenever values were set."""


@dataclass(frozen=True)
class ChangeCounts:
    """How many leads each attribute was changed for. Those of several parts of a table, cut by lead, add up.

    Attributes
    ----------
    table : DataFrame, one row per attribute (the index)
        ``leads`` that the history tells of and that are looked at; ``changed`` of them after the first cutoff;
        ``won``, those of the changed that converted; ``won_after``, changed at or after their conversion.
    """

    table: pd.DataFrame

    def __add__(self, other: ChangeCounts) -> ChangeCounts:
        return ChangeCounts(self.table.add(other.table, fill_value=0).astype(np.int64))


def count_changes(
    history: pd.DataFrame,
    fields: Collection[str],
    lead: npt.NDArray[np.intp],
    looked_at: Micros,
    converted: Micros,
) -> ChangeCounts:
    """Count, for one part of the leads, the values that were set or changed after the first cutoff.

    Parameters
    ----------
    history : DataFrame of the contract.
    fields : the attributes asked for.
    lead : int array, one per row of ``history``: the lead's place in the two arrays that follow; -1 for none.
    looked_at, converted : int64 microseconds, per lead: its first cutoff, its conversion; `NEVER` where there is
        none.
    """
    rows = np.flatnonzero(history["field"].isin(list(fields)).to_numpy() & (lead >= 0))
    part = history.iloc[rows]
    who = lead[rows]
    field, names = pd.factorize(part["field"])
    value = pd.factorize(part["value"])[0]
    since = column_to_microseconds(part["valid_from"], missing=NEVER)
    known = first_known(part, "valid_from")
    order = np.lexsort((known, since, who, field))
    field, who, value, since, known = (column[order] for column in (field, who, value, since, known))
    first = np.ones(len(order), np.bool_)
    first[1:] = (field[1:] != field[:-1]) | (who[1:] != who[:-1])
    changed = np.ones(len(order), np.bool_)
    changed[1:] = first[1:] | (value[1:] != value[:-1])
    changed &= ~_loaded(field, since, first)
    asked = looked_at[who] < NEVER
    after = changed & asked & (known >= looked_at[who])
    won = converted[who] < NEVER
    counts = {
        "leads": asked & first,
        "changed": _once(after, field, who),
        "won": _once(after & won, field, who),
        "won_after": _once(after & won & (known >= converted[who]), field, who),
    }
    return ChangeCounts(
        pd.DataFrame(
            {name: np.bincount(field[mask], minlength=len(names)) for name, mask in counts.items()},
            index=pd.Index([str(name) for name in names], dtype="str"),
        )
    )


def _once(
    mask: npt.NDArray[np.bool_], field: npt.NDArray[np.intp], who: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """One row for each attribute of a lead for which the mask holds anywhere."""
    rows = np.flatnonzero(mask)
    if len(rows) == 0:
        return rows
    new = np.ones(len(rows), np.bool_)
    new[1:] = (field[rows][1:] != field[rows][:-1]) | (who[rows][1:] != who[rows][:-1])
    return rows[new]


def _loaded(
    field: npt.NDArray[np.intp], since: Micros, first: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """First entries that were all made at one instant."""
    starts = pd.DataFrame({"field": field[first], "since": since[first]})
    size = starts.groupby(["field", "since"])["since"].transform("size").to_numpy()
    total = starts.groupby("field")["since"].transform("size").to_numpy()
    loaded = np.zeros(len(field), np.bool_)
    loaded[first] = (size > 1) & (size >= _LOADED * total)
    return loaded


def check_changes(counts: ChangeCounts, *, error: float) -> dict[str, Clue]:
    """The attributes that were changed after the first cutoff for more leads than corrections explain."""
    clues = {}
    for row in counts.table.itertuples():
        name = str(row.Index)
        leads, changed, won, won_after = (int(number) for number in row[1:])
        low = lower_share(changed, leads, error=error)
        if low < _CHANGED:
            continue
        said = f", and for {won_after:,} of them at or after the conversion" if won_after else ""
        clues[name] = Clue(
            "changed",
            f"the history shows that it was set or changed for {changed:,} of {leads:,} leads after the moment at "
            f"their first snapshot{said}; read it as it was then: profile: {{history: [{name}]}}",
            {
                "leads": leads,
                "changed": changed,
                "changed_low": low,
                "winners": won,
                "winners_after": won_after,
            },
            "certain",
        )
    return clues


_QUESTIONS, _TIME_QUESTIONS = 7, 2
"""Bounds asked of a column: two of its values, five of its gaps; and two of its times, where there are any."""


def check_forced(forced: Iterable[str], there: Collection[str], where: str, what: str) -> None:
    """Refuse a config that keeps something that is not there: it was meant for something else.

    Raises
    ------
    ConfigError
        With the nearest known names.
    """
    for name in forced:
        if name not in there:
            near = difflib.get_close_matches(name, list(there), n=3, cutoff=0.6)
            found = ", ".join(map(repr, list(there)[:6])) + (", …" if len(there) > 6 else "") or "none"
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {found}"
            raise ConfigError(f"{where} names {name!r}, which is no {what}; {hint}")


def audit_columns(
    attributes: pd.DataFrame,
    label: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    profile: Profile,
    *,
    settled: npt.NDArray[np.bool_] | None = None,
    moments: Moments | None = None,
    changes: Mapping[str, Clue] | None = None,
    targets: Iterable[str] = (),
    written: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Look for columns that are written afterwards.

    Parameters
    ----------
    attributes : DataFrame, one row per lead
        The candidate columns only, as they stand now.
    label : ndarray of int8
        1 for a lead that was won.
    order : ndarray of int64
        Each lead's place in time: the audit learns on the earlier half and judges on the later one.
    profile : config section
        ``static`` (what the user named), ``history`` (read as of the cutoff, so not from here) and ``force`` (what
        overrules the audit).
    settled : ndarray of bool, optional
        The leads that had time enough to be won; the others' labels are not looked at.
    moments : Moments, optional
        The journeys' times; None for a flat table, which has none.
    changes : dict of column to Clue
        What the attribute history says of the columns.
    targets, written : as in `check_name`.

    Returns
    -------
    tuple of Finding, in the order of the columns.

    Raises
    ------
    LeakageError
        If ``profile.static`` names a column that the audit refuses and ``profile.force`` does not.
    ConfigError
        If ``profile.force`` names a column that is not there.
    """
    check_forced(profile.force, list(attributes.columns), "profile.force", "attribute of the leads")
    named: Collection[str] = () if profile.static == "auto" else profile.static
    asked = [
        column
        for column in attributes.columns
        if (profile.static == "auto" or column in named or column in profile.force)
        and column not in profile.history
    ]
    rows = np.arange(len(label)) if settled is None else np.flatnonzero(settled)
    halves = split_halves(label[rows], order[rows])
    questions = _QUESTIONS + (_TIME_QUESTIONS if moments is not None else 0)
    error = AUDIT_ERROR / max(questions * len(asked), 1)
    findings = []
    for column in asked:
        values = attributes[column]
        if _is_constant(values):
            continue  # says nothing, so it gives nothing away
        clues = [*_look(str(column), values, rows, halves, moments, error, targets, written)]
        if changes is not None and column in changes:
            clues.append(changes[column])
        finding = conclude(column, clues, force=profile.force)
        if finding is None:
            continue
        if finding.action == "refused" and column in named:
            raise LeakageError(
                f"profile.static names {column!r}, but {finding.evidence[0].says}. Remove it, or say why it is known "
                f"at the cutoff: profile: {{force: {{{column}: reason}}}}"
            )
        findings.append(finding)
    return tuple(findings)


def _is_constant(values: pd.Series) -> bool:
    filled = values.notna().to_numpy(np.bool_)
    if not filled.any() or not filled.all():
        return not filled.any()
    return bool((values == values.iloc[0]).all())


def _look(
    column: str,
    values: pd.Series,
    rows: npt.NDArray[np.intp],
    halves: Halves,
    moments: Moments | None,
    error: float,
    targets: Iterable[str],
    written: Collection[str],
) -> Iterator[Clue]:
    judged = values if len(rows) == len(values) else values.iloc[rows].reset_index(drop=True)
    gaps = check_gaps(judged, halves, error=error)
    clues = (
        check_name(column, targets=targets, written=written),
        None if moments is None else check_times(values, moments, error=error),
        gaps,
        # Its values can only repeat what its gaps have said.
        None if gaps is not None and gaps.refuses else check_values(judged, halves, error=error),
        check_identifier(values),
    )
    yield from (clue for clue in clues if clue is not None)
