"""The audit of what the user brought: journeys and their snapshots, or a flat table, go in; all findings come out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.features.vocabulary import read_words
from mqlml.journeys import Journeys
from mqlml.times import NEVER, column_to_microseconds, to_microseconds
from mqlml.training.leakage.columns import audit_columns, check_changes, count_changes
from mqlml.training.leakage.findings import Finding
from mqlml.training.leakage.names import split_words
from mqlml.training.leakage.times import Moments, audit_creation
from mqlml.training.leakage.univariate import AUDIT_ERROR
from mqlml.training.snapshots import conversion_times, creation_times

__all__ = ["audit_flat", "audit_journeys"]

_NOT_ATTRIBUTES = ("lead_id", "created_at", "account_id", "recorded_at")
_OUTCOME_COLUMNS = ("stage", "occurred_at", "amount", "reason")


def _looked_at(leads: pd.DataFrame, snapshots: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The first cutoff of each lead, `NEVER` where it has none."""
    first = np.full(len(leads), NEVER)
    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    np.minimum.at(first, lead, column_to_microseconds(snapshots["cutoff_time"]))
    return first


def _columns_of_fields(history: pd.DataFrame, columns: Iterable[str]) -> dict[str, str]:
    """The column of the leads that each field of the history tells of: ``LeadSource`` is ``lead_source``."""
    plain = {tuple(word.lower() for word in split_words(column)): column for column in columns}
    said = {
        field: tuple(word.lower() for word in split_words(field))
        for field in read_words(history["field"]).text
    }
    return {field: plain[words] for field, words in said.items() if words in plain}


def audit_journeys(journeys: Journeys, snapshots: pd.DataFrame, config: Config) -> tuple[Finding, ...]:
    """Look for what was written afterwards in the leads.

    All leads are looked at, those of the held-out period too: a refusal only ever takes away what looks too good, so
    that period judges no model better for it.

    Parameters
    ----------
    snapshots : DataFrame with ``lead_id`` and ``cutoff_time``, the ones that are learned from.

    Raises
    ------
    LeakageError, ConfigError
        As in `audit_columns`.
    """
    leads, problem = journeys.leads, config.problem
    created = creation_times(leads)
    converted = conversion_times(journeys, problem)
    until = to_microseconds(journeys.observed_until)
    moments = Moments(created, _looked_at(leads, snapshots), converted, until, config.data.zone)
    attributes = leads.drop(columns=list(_NOT_ATTRIBUTES), errors="ignore")
    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(journeys.history["lead_id"]))
    columns = _columns_of_fields(journeys.history, attributes.columns)
    counts = count_changes(journeys.history, columns, lead, moments.looked_at, converted)
    changes = check_changes(counts, error=AUDIT_ERROR / max(len(counts.table), 1))
    outcomes = config.data.outcomes
    findings = audit_columns(
        attributes,
        (converted < NEVER).astype(np.int8),
        created,
        config.profile,
        # A lead that has not had its horizon yet is neither won nor lost, and younger leads are less filled in.
        settled=created <= until - problem.gap - problem.horizon,
        moments=moments,
        changes={columns[field]: clue for field, clue in changes.items()},
        targets=(problem.outcome,),
        written=set() if outcomes is None else {outcomes.column(name) for name in _OUTCOME_COLUMNS},
    )
    return (*findings, *audit_creation(moments))


def audit_flat(
    attributes: pd.DataFrame, label: npt.NDArray[np.int8], order: npt.NDArray[np.int64], config: Config
) -> tuple[Finding, ...]:
    """Look for what was written afterwards in a flat table, which has no times to hold its columns against."""
    flat = config.data.flat
    return audit_columns(
        attributes, label, order, config.profile, targets=() if flat is None else (flat.label,)
    )
