"""Training learns how the leads of an account combine, on accounts as the batch job would have met them.

A lead's last snapshot knows too much: a lead that converts has no later one. So accounts are taken every four weeks,
each with the leads that are open on that date and their features on it, and predicted by models of the past that did
not learn from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from mqlml.commands.choose_model import Chosen
from mqlml.commands.count_nights import Learned, predict_others, with_rows
from mqlml.config import Problem
from mqlml.evaluation.accounts import AccountCalibration, AccountRows, evaluate_accounts
from mqlml.evaluation.holdout import Evaluated
from mqlml.features import build_features
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.model.level import solve_shift
from mqlml.times import DAY, microseconds_to_column
from mqlml.training import TrainingTable, assign_labels
from mqlml.training.nights import find_open_on
from mqlml.training.table import group_rows
from mqlml.types import Floats, Labels, Mask, Rows

__all__ = ["calibrate_accounts", "find_accounts"]

_EVERY = 28 * DAY

_MOST = 20_000
"""On all dates together at most about as many leads are taken; of a larger company, those of some accounts."""


@dataclass(frozen=True)
class _Stretch:
    """Time that some models did not learn from: its first and last moment, and the models with their rows."""

    start: int
    end: int
    learned: list[Learned]


@dataclass(frozen=True)
class _Predicted:
    """Leads at some moments: their raw scores, outcomes, accounts and moments."""

    raw: Floats
    label: Labels
    account: Rows
    moment: Rows

    def rows(self, probability: Floats) -> AccountRows:
        return AccountRows(probability, self.label, self.account, self.moment)

    def at_own_level(self) -> AccountRows:
        """Accounts with several open leads, at the level that fits these leads: what is left is dependence."""
        several = self.rows(expit(self.raw)).several()
        raw, label = self.raw[several], self.label[several]
        shift = solve_shift(raw, label.astype(np.float64)) if len(raw) else 0.0
        return AccountRows(expit(raw + shift), label, self.account[several], self.moment[several])


def calibrate_accounts(
    data: Journeys | FlatTable,
    problem: Problem,
    chosen: Chosen,
    fitted: Sequence[LeadScorer],
    calibrator: SigmoidCalibrator,
    evaluated: Evaluated,
    table: TrainingTable,
) -> AccountCalibration | None:
    """How the leads of an account combine, and how that held on the held-out period; None without accounts.

    Parameters
    ----------
    problem : who is open, and for how long outcomes count.
    chosen : with the out-of-time predictions of the past and their models.
    fitted, calibrator : the model of the past.
    evaluated : that model on the held-out period of the table.
    """
    account = find_accounts(data)
    if account.isna().all():
        return None
    if isinstance(data, Journeys):
        stretches = [*_stretches(chosen, table), _held_out(fitted, table)]
        *past, held_out = _predict(data, account, problem, stretches, table)
    else:
        past, held_out = _of_flat(data, account, chosen, evaluated, table)
    return evaluate_accounts(
        [part.at_own_level() for part in past],
        held_out.rows(calibrator.predict_proba(held_out.raw)[:, 1]),
        held_out.at_own_level(),
    )


def find_accounts(data: Journeys | FlatTable) -> pd.Series:
    """The account of each lead that the source names; missing where it has none."""
    if isinstance(data, Journeys):
        return data.merged.named_accounts(data.leads)
    return data.leads.get("account_id", pd.Series(np.nan, index=data.leads.index, dtype="str"))


def _stretches(chosen: Chosen, table: TrainingTable) -> Iterator[_Stretch]:
    """The periods of the out-of-time predictions with their models; one stretch where folds ignored time."""
    found = chosen.out_of_time
    if not chosen.folds:
        past = table.holdout.train
        learned = [(model.scorer, np.setdiff1d(found.rows, model.rows)) for model in found.models]
        yield _Stretch(int(table.time[past].min()), int(table.time[past].max()), learned)
    first = 0
    for fold in chosen.folds:
        models = found.models[first : first + len(fold.parts)]
        first += len(fold.parts)
        yield _Stretch(fold.start, fold.end, with_rows([model.scorer for model in models], fold))


def _held_out(fitted: Sequence[LeadScorer], table: TrainingTable) -> _Stretch:
    fold = table.holdout
    return _Stretch(fold.start, fold.end, with_rows(fitted, fold))


def _predict(
    journeys: Journeys,
    account: pd.Series,
    problem: Problem,
    stretches: Sequence[_Stretch],
    table: TrainingTable,
) -> list[_Predicted]:
    """The open leads with an account, every four weeks of each stretch, predicted by its models."""
    moments = np.concatenate([np.arange(one.start, one.end + 1, _EVERY, dtype=np.int64) for one in stretches])
    lead, time, _ = find_open_on(journeys, problem, moments, most=_MOST)
    kept = account.notna().to_numpy(dtype=bool)[lead]
    lead, time = lead[kept], time[kept]
    ids = journeys.leads["lead_id"].iloc[lead].reset_index(drop=True)
    snapshots = pd.DataFrame({"lead_id": ids, "cutoff_time": microseconds_to_column(time)})
    features = build_features(journeys, snapshots, table.plan)
    label = assign_labels(journeys, snapshots, problem)
    _, group = group_rows(journeys.leads, ids)
    predicted = []
    for stretch in stretches:
        rows = np.flatnonzero((time >= stretch.start) & (time <= stretch.end))
        raw = predict_others(stretch.learned, table, features.iloc[rows], group[rows])
        predicted.append(_Predicted(raw, label[rows], group[rows], time[rows]))
    return predicted


def _of_flat(
    flat: FlatTable, account: pd.Series, chosen: Chosen, evaluated: Evaluated, table: TrainingTable
) -> tuple[list[_Predicted], _Predicted]:
    """Accounts of a flat table, which has each lead once: all its leads of one period."""
    with_account = pd.Index(flat.leads.loc[account.notna(), "lead_id"])
    known: Mask = table.lead_id.isin(with_account).to_numpy(dtype=bool)
    found = chosen.out_of_time

    def gather(rows: Rows, raw: Floats, period: Rows) -> _Predicted:
        kept = known[rows]
        rows = rows[kept]
        return _Predicted(raw[kept], table.label[rows], table.group[rows], period[kept])

    last = table.holdout.test
    past = [
        gather(found.rows[of], found.raw[of], found.period[of])
        for of in (np.flatnonzero(found.period == number) for number in np.unique(found.period))
    ]
    return past, gather(last, evaluated.raw, np.full(len(last), int(found.period.max()) + 1))
