"""Columns: every check of an attribute, and one finding for each column that is written afterwards."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Profile
from mqlml.errors import ConfigError, LeakageError
from mqlml.training.leakage.findings import Clue, Finding, conclude
from mqlml.training.leakage.missingness import check_filling, check_missingness
from mqlml.training.leakage.names import check_identifier, check_name
from mqlml.training.leakage.times import Moments, check_times
from mqlml.training.leakage.univariate import AUDIT_ERROR, Halves, check_values, split_halves

__all__ = ["Evidence", "audit_columns", "audited_columns", "check_forced"]

_BOUNDS, _TIME_BOUNDS = 7, 6
"""Bounds computed for a column: two for its values, five for its missingness. Where leads have times, four for its
times, two for its missingness by age; and one for each other outcome (`Evidence.reached`)."""


@dataclass(frozen=True)
class Evidence:
    """What is known beside the columns and the labels.

    Attributes
    ----------
    settled : ndarray of bool or None
        The leads that had time enough to convert; the others' labels are not used. None means all.
    moments : Moments or None
        The journeys' times; None for a flat table, which has none.
    reached : for each outcome short of winning, as a text, which leads reached it.
    changes : clues of the attribute history, by column.
    targets, written : as in `check_name`.
    """

    settled: npt.NDArray[np.bool_] | None = None
    moments: Moments | None = None
    reached: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    changes: Mapping[str, Clue] = field(default_factory=dict)
    targets: Collection[str] = ()
    written: Collection[str] = ()


def check_forced(forced: Iterable[str], there: Collection[str], where: str, what: str) -> None:
    """Refuse a config that forces a column or event type that does not exist.

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


def audited_columns(attributes: pd.DataFrame, profile: Profile) -> list[str]:
    """The columns that may become static features, or would if they were not refused."""
    static = profile.static
    return [
        column
        for column in attributes.columns
        if (static == "auto" or column in static or column in profile.force) and column not in profile.history
    ]


def audit_columns(
    attributes: pd.DataFrame,
    label: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    profile: Profile,
    evidence: Evidence | None = None,
) -> tuple[Finding, ...]:
    """Find columns that are written afterwards.

    Parameters
    ----------
    attributes : DataFrame, one row per lead
        The candidate columns only, with their present values.
    label : ndarray of int8
        1 for a lead that converted.
    order : ndarray of int64
        Each lead's place in time: the audit learns on the earlier half and evaluates on the later one.
    profile : config section
        ``static`` (columns the user named), ``history`` (read as of the cutoff, so not audited here) and ``force``
        (columns kept in spite of the audit).

    Returns
    -------
    tuple of Finding, in the order of the columns.

    Raises
    ------
    LeakageError
        If ``profile.static`` names a column that the audit refuses and ``profile.force`` does not.
    ConfigError
        If ``profile.force`` names a column that does not exist.
    """
    evidence = evidence or Evidence()
    check_forced(profile.force, list(attributes.columns), "profile.force", "attribute of the leads")
    named: Collection[str] = () if profile.static == "auto" else profile.static
    audited = audited_columns(attributes, profile)
    rows = np.arange(len(label)) if evidence.settled is None else np.flatnonzero(evidence.settled)
    halves = split_halves(label[rows], order[rows])
    bounds = _BOUNDS + len(evidence.reached) + (_TIME_BOUNDS if evidence.moments is not None else 0)
    error = AUDIT_ERROR / max(bounds * len(audited), 1)
    findings = []
    for column in audited:
        values = attributes[column]
        if _is_constant(values):
            continue  # no information, so no leak
        clues = [*_check_column(str(column), values, rows, halves, evidence, error)]
        finding = conclude(column, clues, force=profile.force)
        if finding is None:
            continue
        if finding.action == "refused" and column in named:
            raise LeakageError(
                f"profile.static names {column!r}, but {finding.evidence[0].text}. Remove it, or say why it is known "
                f"at the cutoff: profile: {{force: {{{column}: reason}}}}"
            )
        findings.append(finding)
    return tuple(findings)


def _is_constant(values: pd.Series) -> bool:
    filled = values.notna().to_numpy(np.bool_)
    if not filled.any() or not filled.all():
        return not filled.any()
    return bool((values == values.iloc[0]).all())


def _check_column(
    column: str,
    values: pd.Series,
    rows: npt.NDArray[np.intp],
    halves: Halves,
    evidence: Evidence,
    error: float,
) -> Iterator[Clue]:
    settled = values if len(rows) == len(values) else values.iloc[rows].reset_index(drop=True)
    reached = {outcome: which[rows] for outcome, which in evidence.reached.items()}
    missingness = check_missingness(settled, halves, error=error, reached=reached)
    moments, filling = evidence.moments, None
    if moments is not None and evidence.settled is not None:
        filling = check_filling(values, moments.created, evidence.settled, error=error)
    clues = (
        check_name(column, targets=evidence.targets, written=evidence.written),
        None if moments is None else check_times(values, moments, error=error),
        missingness,
        # The values can only repeat what their absence has shown.
        None
        if missingness is not None and missingness.refuses
        else check_values(settled, halves, error=error),
        filling,
        check_identifier(values),
        evidence.changes.get(column),
    )
    yield from (clue for clue in clues if clue is not None)
