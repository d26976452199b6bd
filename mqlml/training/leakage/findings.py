"""A finding joins the clues about one column, event type or feature and states what is done about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mqlml.results import Result

__all__ = [
    "Action",
    "Check",
    "Clue",
    "ColumnQuestion",
    "Finding",
    "Kind",
    "Severity",
    "conclude",
    "refused_actions",
    "refused_columns",
]

Check = Literal[
    "name",
    "univariate",
    "missingness",
    "fills_up",
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
"""So many independent likely signs, such as a telling name and a telling value, are certain together."""


@dataclass(frozen=True)
class Clue(Result):
    """What one check noticed."""

    check: Check
    """Which check."""
    text: str
    """A sentence with the figures; the column's name comes before it."""
    figures: Mapping[str, float | int | str]
    """The figures as values; shares are between 0 and 1, times in days."""
    severity: Severity
    """``certain`` where times prove it, ``likely`` where no honest column looks like this."""
    refuses: bool = True
    """Whether this clue alone keeps the column out of the model; otherwise it is only reported."""


@dataclass(frozen=True)
class Finding(Result):
    """A column, event type or feature that the audit reports."""

    column: str
    """The attribute's, the event type's or the feature's name, as ``kind`` says."""
    reason: str
    """What was found, with the figures."""
    action: Action
    """``refused``: kept out of the model; ``forced``: kept because the config overrules the audit and says why;
    ``noted``: still used."""
    severity: Severity = "likely"
    """The highest of its evidence, or ``certain`` where several likely signs agree."""
    evidence: tuple[Clue, ...] = ()
    """One clue for each check that noticed something."""
    kind: Kind = "column"
    """Whether ``column`` names an attribute, an event type or a feature."""


@dataclass(frozen=True)
class ColumnQuestion(Result):
    """A column that carries most of the skill: no finding, but a person must know that it is known at the cutoff."""

    column: str
    """The attribute's name."""
    text: str
    """What the user is asked, as a sentence; the column's name comes before it."""
    auc: float
    """ROC AUC with which the column alone ranks later leads."""
    auc_low: float
    """Its lower bound."""
    share_of_skill: float
    """Its share of the skill of all columns, each taken alone: between 0 and 1."""


def _severity(clues: Collection[Clue]) -> Severity:
    likely = sum(clue.severity == "likely" for clue in clues)
    if likely >= TWO_SIGNS:
        return "certain"
    return max((clue.severity for clue in clues), key=_ORDER.index)


def conclude(
    column: str, clues: Iterable[Clue], *, force: Mapping[str, str], kind: Kind = "column"
) -> Finding | None:
    """Join the clues about one column into a finding; None without clues.

    Parameters
    ----------
    force : columns that the config keeps in spite of the audit, with the reason.
    """
    found = tuple(clues)
    if not found:
        return None
    refusing = [clue for clue in found if clue.refuses]
    action: Action = "noted"
    reason = "; ".join(clue.text for clue in refusing or found)
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
