"""The audit runs every leakage check on what the user brought: journeys and their snapshots, or a flat table."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config, Problem
from mqlml.features.families.accounts import enough_accounts
from mqlml.features.vocabulary import read_words
from mqlml.journeys import Journeys
from mqlml.times import MISSING_TIME, NEVER, column_to_microseconds, to_microseconds
from mqlml.training.leakage.columns import Evidence, ask_about, audit_columns
from mqlml.training.leakage.findings import ColumnQuestion, Finding
from mqlml.training.leakage.names import split_words
from mqlml.training.leakage.times import Moments, audit_creation, check_changes, count_changes
from mqlml.training.leakage.univariate import AUDIT_ERROR
from mqlml.training.snapshots import conversion_times, creation_times
from mqlml.types import Micros

__all__ = ["ask_flat", "ask_journeys", "audit_flat", "audit_journeys"]

_DEALS = {"opportunity", "closed_won", "closed_lost"}
_NOT_ATTRIBUTES = ("lead_id", "created_at", "account_id", "recorded_at")
_OUTCOME_COLUMNS = ("stage", "occurred_at", "amount", "reason")


def _first_cutoffs(leads: pd.DataFrame, snapshots: pd.DataFrame) -> Micros:
    """The first cutoff of each lead, `NEVER` where it has none."""
    first = np.full(len(leads), NEVER)
    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    np.minimum.at(first, lead, column_to_microseconds(snapshots["cutoff_time"]))
    return first


def _match_fields(history: pd.DataFrame, columns: Iterable[str]) -> dict[str, str]:
    """The column of the leads that each field of the history means: ``LeadSource`` is ``lead_source``."""

    def words(name: str) -> tuple[str, ...]:
        return tuple(word.lower() for word in split_words(name))

    known = {words(column): column for column in columns}
    fields = read_words(history["field"]).text
    return {field: known[words(field)] for field in fields if words(field) in known}


def _reached(journeys: Journeys, problem: Problem, converted: Micros) -> dict[str, npt.NDArray[np.bool_]]:
    """Which leads reached a deal, and which any outcome, where others than the winners did."""
    rows = journeys.outcomes
    deals = rows["stage"].isin({*_DEALS, problem.outcome})
    leads, won = journeys.leads["lead_id"], converted < NEVER
    dealt_with = leads.isin(rows["lead_id"]).to_numpy(np.bool_)
    with_deal = leads.isin(rows.loc[deals, "lead_id"]).to_numpy(np.bool_)
    sides = {"a deal": with_deal}
    if not np.array_equal(dealt_with, with_deal):
        sides["an outcome"] = dealt_with
    return {text: which for text, which in sides.items() if not np.array_equal(which, won)}


def _end(journeys: Journeys) -> int:
    """The end of the data: `observed_until`, or a later creation or outcome."""
    columns = (journeys.leads["created_at"], journeys.outcomes["occurred_at"])
    last = [int(column_to_microseconds(times).max(initial=MISSING_TIME)) for times in columns]
    return max(to_microseconds(journeys.observed_until), *last)


def audit_journeys(journeys: Journeys, snapshots: pd.DataFrame, config: Config) -> tuple[Finding, ...]:
    """Find attributes of the leads that were written afterwards.

    All leads are audited, those of the held-out period too: a refusal only takes away what looks too good, so it
    cannot improve the evaluation on that period.

    Parameters
    ----------
    snapshots : DataFrame with ``lead_id`` and ``cutoff_time``, the ones to learn from.

    Raises
    ------
    LeakageError, ConfigError
        As in `audit_columns`.
    """
    leads, problem = journeys.leads, config.problem
    created = creation_times(leads)
    converted = conversion_times(journeys, problem)
    moments = Moments(created, _first_cutoffs(leads, snapshots), converted, _end(journeys), config.data.zone)
    attributes = _attributes(journeys)
    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(journeys.history["lead_id"]))
    columns = _match_fields(journeys.history, attributes.columns)
    counts = count_changes(journeys.history, columns, lead, moments.first_cutoff, converted)
    changes = check_changes(counts, error=AUDIT_ERROR / max(len(counts.table), 1))
    outcomes = config.data.outcomes
    evidence = Evidence(
        settled=_settled(journeys, problem),
        moments=moments,
        reached=_reached(journeys, problem, converted),
        changes={columns[field]: clue for field, clue in changes.items()},
        targets=(problem.outcome,),
        written=set()
        if outcomes is None
        else {*(outcomes.column(name) for name in _OUTCOME_COLUMNS), *outcomes.stage_dates},
    )
    label = (converted < NEVER).astype(np.int8)
    return (
        *audit_columns(_with_account(attributes, journeys, config), label, created, config.profile, evidence),
        *audit_creation(moments),
    )


def _attributes(journeys: Journeys) -> pd.DataFrame:
    return journeys.leads.drop(columns=list(_NOT_ATTRIBUTES), errors="ignore")


def _with_account(attributes: pd.DataFrame, journeys: Journeys, config: Config) -> pd.DataFrame:
    """The attributes, and whether the account is known: an export without its date may have it from the sale on."""
    leads = journeys.merged.separate_accounts(journeys.leads)
    if not enough_accounts(leads, config):
        return attributes
    return attributes.assign(account_id=leads["account_id"].where(leads["account_id"].isna(), "known"))


def _settled(journeys: Journeys, problem: Problem) -> npt.NDArray[np.bool_]:
    """The leads that had their horizon; another is neither won nor lost yet, and less filled in."""
    end = to_microseconds(journeys.observed_until) - problem.gap - problem.horizon
    return np.asarray(creation_times(journeys.leads) <= end)


def ask_journeys(
    journeys: Journeys, config: Config, findings: Collection[Finding]
) -> tuple[ColumnQuestion, ...]:
    """The attributes of the leads that carry most of the skill, as `ask_about`."""
    return ask_about(
        _attributes(journeys),
        (conversion_times(journeys, config.problem) < NEVER).astype(np.int8),
        creation_times(journeys.leads),
        config.profile,
        findings=findings,
        settled=_settled(journeys, config.problem),
    )


def ask_flat(
    attributes: pd.DataFrame,
    label: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    config: Config,
    findings: Collection[Finding],
) -> tuple[ColumnQuestion, ...]:
    """The columns of a flat table that carry most of the skill, as `ask_about`."""
    return ask_about(attributes, label, order, config.profile, findings=findings)


def audit_flat(
    attributes: pd.DataFrame, label: npt.NDArray[np.int8], order: npt.NDArray[np.int64], config: Config
) -> tuple[Finding, ...]:
    """Find attributes of a flat table that were written afterwards; it has no times to compare them with."""
    flat = config.data.flat
    targets = () if flat is None else (flat.label,)
    return audit_columns(attributes, label, order, config.profile, Evidence(targets=targets))
