"""Findings: what the checks noticed about one thing goes in; one finding, with what is done about it, comes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mqlml.results import Result

__all__ = [
    "Action",
    "Check",
    "Clue",
    "Finding",
    "Kind",
    "Severity",
    "conclude",
    "refused_actions",
    "refused_columns",
]

Check = Literal[
    "name",
    "alone",
    "nulls",
    "identifier",
    "changed",
    "time",
    "after_conversion",
    "with_conversion",
    "before_conversion",
    "leak_test",
]
Kind = Literal["column", "action", "feature"]
Severity = Literal["certain", "likely", "suspicious"]
Action = Literal["refused", "forced", "noted"]

_ORDER: tuple[Severity, ...] = ("suspicious", "likely", "certain")

TWO_SIGNS = 2
"""Independent likely signs, as a telling name and a telling value, that are taken for certain together."""


@dataclass(frozen=True)
class Clue(Result):
    """What one check noticed."""

    check: Check
    """Which check."""
    says: str
    """The figures in words, as the end of a sentence that begins with the column's name."""
    figures: Mapping[str, float | int | str]
    """The figures as values; shares are between 0 and 1, times in days."""
    severity: Severity
    """``certain`` where times prove it, ``likely`` where no honest column known to us looks so."""
    refuses: bool = True
    """Whether this alone keeps the thing out of the model; otherwise it is only told."""


@dataclass(frozen=True)
class Finding(Result):
    """One thing the audit has something to say about."""

    column: str
    """The attribute's, the event type's or the feature's name, as ``kind`` says."""
    reason: str
    """What gives it away, with the figures."""
    action: Action
    """``refused`` where it is kept out of the model, ``forced`` where the config overrules that by name, with its
    reason, ``noted`` where nothing is done."""
    severity: Severity = "likely"
    """That of its strongest evidence, or ``certain`` where several likely signs agree."""
    evidence: tuple[Clue, ...] = ()
    """What each check noticed."""
    kind: Kind = "column"
    """What ``column`` names: an attribute, an event type or a feature."""


def _severity(clues: Collection[Clue]) -> Severity:
    likely = sum(clue.severity == "likely" for clue in clues)
    if likely >= TWO_SIGNS:
        return "certain"
    return max((clue.severity for clue in clues), key=_ORDER.index)


def conclude(
    column: str, clues: Iterable[Clue], *, force: Mapping[str, str], kind: Kind = "column"
) -> Finding | None:
    """One finding of all that was noticed about one thing; None if nothing was.

    Parameters
    ----------
    force : what the config keeps in spite of the audit, and why.
    """
    found = tuple(clues)
    if not found:
        return None
    refusing = [clue for clue in found if clue.refuses]
    action: Action = "noted"
    reason = "; ".join(clue.says for clue in refusing or found)
    if refusing:
        action = "forced" if column in force else "refused"
    if action == "forced":
        reason = f"{reason}. Kept because: {force[column]}"
    return Finding(column, reason, action, _severity(refusing or found), found, kind)


def refused_columns(findings: Iterable[Finding]) -> set[str]:
    """The columns that must not become features."""
    return {found.column for found in findings if found.action == "refused" and found.kind == "column"}


def refused_actions(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The event types that features must not see, in alphabetical order."""
    return tuple(
        sorted(found.column for found in findings if found.action == "refused" and found.kind == "action")
    )
