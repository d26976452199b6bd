"""Columns: attributes and what became of the leads go in; a finding for each that is written afterwards comes out."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Profile
from mqlml.errors import ConfigError, LeakageError
from mqlml.training.audit.alone import Halves, check_values, split_halves
from mqlml.training.audit.bounds import AUDIT_ERROR
from mqlml.training.audit.findings import Clue, Finding, conclude
from mqlml.training.audit.gaps import check_gaps
from mqlml.training.audit.identifiers import check_identifier
from mqlml.training.audit.names import check_name
from mqlml.training.audit.times import Moments, check_times

__all__ = ["audit_columns", "check_forced"]

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
