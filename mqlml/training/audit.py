"""Leakage audit: which columns say what happened afterwards; attributes and outcomes go in, findings come out.

Columns that are filled in after the outcome are the commonest leak in lead scoring. Two kinds of evidence are
looked at: the name (sales writes owners, stages, reasons, tags and quality grades), and how well the column alone
tells winners apart on later rows than it was learned on.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Profile
from mqlml.errors import ConfigError, LeakageError

__all__ = ["Finding", "audit_columns", "refused_columns"]

_AFTERWARDS = {
    "last": "is overwritten as the journey goes on",
    "stage": "is moved by sales",
    "status": "is moved by sales",
    "owner": "is given out by sales",
    "reason": "is written when a deal ends",
    "amount": "is written when a deal is made",
    "revenue": "is written when a deal is made",
    "deal": "exists once there is a deal",
    "opportunity": "exists once there is a deal",
    "close": "is written when a deal ends",
    "closed": "is written when a deal ends",
    "closing": "is written when a deal ends",
    "convert": "is written at conversion",
    "converted": "is written at conversion",
    "conversion": "is written at conversion",
    "won": "is the outcome",
    "lost": "is the outcome",
    "outcome": "is the outcome",
    "disposition": "is written by sales",
    "tag": "is written by sales",
    "tags": "is written by sales",
    "quality": "is a grade given by sales",
    "rating": "is a grade given by sales",
    "grade": "is a grade given by sales",
    "profile": "is a grade given by sales",
    "score": "is a score kept up to date afterwards",
    "index": "is a score kept up to date afterwards",
}
"""Words in a column's name that mean it is written after the journey began, and why."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

ALONE_AUC = 0.9
"""An attribute known at creation that alone ranks later leads this well is doubted: whole models reach 0.8."""

_MIN_CLASS = 30
"""Fewer winners or others than this, and a near-perfect column is a coincidence as soon as a leak."""


@dataclass(frozen=True)
class Finding:
    """One column the audit has something to say about.

    Attributes
    ----------
    column : str
    reason : str
        What gives it away, with the figures.
    action : {"refused", "forced"}
        ``forced`` where the config overrules the audit by name, with its reason.
    """

    column: str
    reason: str
    action: Literal["refused", "forced"]


def _name_reason(column: str) -> str | None:
    words = _WORDS.findall(column)
    lower = [word.lower() for word in words]
    for word in words:
        if word.lower() == "last" and "name" in lower:
            continue  # a surname
        if word.lower() == "revenue" and {"annual", "company", "yearly"} & set(lower):
            continue  # the company's size, not the deal's
        if (why := _AFTERWARDS.get(word.lower())) is not None:
            return f"the name says {word!r}: such a column {why}"
    return None


def _ranks_later(
    values: pd.Series, label: npt.NDArray[np.int8], order: npt.NDArray[np.int64]
) -> float | None:
    """ROC AUC on the later half of rows of the column's own smoothed rates, learned on the earlier half.

    None where either half has too few winners or others to tell. Missing counts as a value, so a column that is
    filled in only after a win shows as well.
    """
    rows = np.argsort(order, kind="stable")
    early, late = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    for half in (early, late):
        wins = int(label[half].sum())
        if min(wins, len(half) - wins) < _MIN_CLASS:
            return None
    if pd.api.types.is_numeric_dtype(values):
        edges = np.unique(values.iloc[early].dropna().quantile(np.linspace(0.05, 0.95, 19)))
        codes = np.searchsorted(edges, values.to_numpy(dtype="float64"), side="right")
        codes = np.where(values.isna(), -1, codes)
    else:
        codes = pd.factorize(values)[0]
    base = label[early].mean()
    rate = pd.Series(label[early]).groupby(codes[early]).agg(["sum", "count"])
    smoothed = (rate["sum"] + 10 * base) / (rate["count"] + 10)
    told = pd.Series(codes[late]).map(smoothed).fillna(base).to_numpy()
    ranks = pd.Series(told).rank().to_numpy()
    winners = label[late] == 1
    n_win, n_other = int(winners.sum()), int((~winners).sum())
    return float((ranks[winners].sum() - n_win * (n_win + 1) / 2) / (n_win * n_other))


def audit_columns(
    attributes: pd.DataFrame,
    label: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    profile: Profile,
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
        ``static`` (what the user named) and ``force`` (what overrules the audit).

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
    if unknown := sorted(set(profile.force) - set(attributes.columns)):
        raise ConfigError(
            f"profile.force names {unknown[0]!r}, which is no attribute of the leads; "
            f"they have {', '.join(map(str, attributes.columns[:12]))}"
        )
    named: Collection[str] = () if profile.static == "auto" else profile.static
    findings = []
    for column in attributes.columns:
        if profile.static != "auto" and column not in named and column not in profile.force:
            continue
        if attributes[column].nunique(dropna=False) < 2:
            continue  # says nothing, so it gives nothing away
        reason = _name_reason(str(column))
        if reason is None:
            auc = _ranks_later(attributes[column], label, order)
            if auc is not None and auc >= ALONE_AUC:
                reason = (
                    f"it alone ranks later winners with an AUC of {auc:.2f}: too good to be known beforehand"
                )
        if reason is None:
            continue
        if column in profile.force:
            findings.append(Finding(column, f"{reason}. Kept because: {profile.force[column]}", "forced"))
            continue
        if column in named:
            raise LeakageError(
                f"profile.static names {column!r}, but {reason}. Remove it, or say why it is known at the "
                f"cutoff: profile: {{force: {{{column}: reason}}}}"
            )
        findings.append(Finding(column, reason, "refused"))
    return tuple(findings)


def refused_columns(findings: Collection[Finding]) -> set[str]:
    """The columns that must not become features."""
    return {finding.column for finding in findings if finding.action == "refused"}
