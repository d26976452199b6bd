"""Training calibrates accounts on the leads that the batch job would have found open on common dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mqlml.commands import calibrate_accounts
from mqlml.commands.learn import train
from mqlml.config import Config
from mqlml.evaluation.accounts import AccountCalibration, AccountRows, evaluate_accounts
from mqlml.evaluation.backtest import FoldModel
from mqlml.features import build_features
from mqlml.journeys import FlatTable, Journeys
from mqlml.journeys.quarantine import empty_quarantine
from mqlml.model import LeadScorer
from mqlml.render.console import format_train
from mqlml.results import to_json_safe
from mqlml.simulate import simulate
from mqlml.times import DAY, from_microseconds
from mqlml.training import TrainingTable, open_leads
from mqlml.training.snapshots import group_leads
from tests.commands.deals import share_deals
from tests.commands.test_learn import NOW, config
from tests.render.test_console_train import trained as printed

SPAN = 60 * DAY
STEP = 28 * DAY


def settings(**keys: Any) -> Config:
    return config(gate={"min_positives": 20}, windows=["30d", "all"], **keys)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the calibration is given, and what it evaluates."""
    seen: dict[str, Any] = {}
    work = calibrate_accounts.calibrate_accounts

    def evaluate(*parts: Any) -> AccountCalibration:
        seen["past"], seen["held_out"], seen["later"] = parts
        return evaluate_accounts(*parts)

    def calibrate(*arguments: Any) -> AccountCalibration | None:
        names = ("data", "problem", "chosen", "fitted", "calibrator", "evaluated", "table")
        seen.update(zip(names, arguments, strict=True))
        return work(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(calibrate_accounts, "evaluate_accounts", evaluate)
        patch.setattr("mqlml.commands.learn.calibrate_accounts", calibrate)
        yield seen


@pytest.fixture(scope="module")
def journeys() -> Journeys:
    return simulate(1800, random_state=21).journeys()


@pytest.fixture(scope="module")
def seen(journeys: Journeys) -> dict[str, Any]:
    with watched(pytest.MonkeyPatch()) as found:
        trained = train(settings(), journeys, now=NOW)
    return {**found, "trained": trained}


def brute_force(
    seen: dict[str, Any], start: int, end: int, models: Sequence[tuple[LeadScorer, set[int]]]
) -> dict[tuple[int, str], tuple[list[float], bool]]:
    """Raw scores of the open leads of each account at each moment, and whether any of them converts in time."""
    journeys, table = seen["data"], seen["table"]
    leads = journeys.leads.set_index("lead_id")
    group = dict(zip(journeys.leads["lead_id"], group_leads(journeys.leads), strict=True))
    won = journeys.outcomes[journeys.outcomes["stage"] == "closed_won"]
    sale = won.groupby("lead_id")["occurred_at"].min().to_dict()
    found: dict[tuple[int, str], tuple[list[float], bool]] = {}
    for moment in range(start, end + 1, STEP):
        at = from_microseconds(moment)
        snapshots = open_leads(journeys, at, seen["problem"])
        features = build_features(journeys, snapshots, table.plan)
        every = [model.decision_function(features) for model, _ in models]
        for place, lead in enumerate(snapshots["lead_id"]):
            account = leads.loc[lead, "account_id"]
            if not isinstance(account, str):
                continue
            strangers = [number for number, (_, known) in enumerate(models) if group[lead] not in known]
            raw = float(every[strangers[0] if strangers else 0][place])
            converts = lead in sale and at <= sale[lead] < at + dt.timedelta(microseconds=SPAN)
            scores, any_converts = found.get((moment, account), ([], False))
            found[moment, account] = ([*scores, raw], any_converts or converts)
    return found


def units_of(rows: AccountRows) -> list[tuple[int, tuple[float, ...], bool]]:
    """Each unit's moment, probabilities and outcome, whatever numbers its accounts have."""
    table = pd.DataFrame(vars(rows))
    return sorted(
        (int(moment), tuple(sorted(unit["probability"].round(9))), bool(unit["label"].max()))
        for (moment, _), unit in table.groupby(["moment", "account"])
    )


def test_the_held_out_accounts_are_those_of_the_batch_job(seen: dict[str, Any]) -> None:
    table: TrainingTable = seen["table"]
    fold = table.holdout
    models = [
        (model, set(table.group[rows])) for model, (rows, _) in zip(seen["fitted"], fold.parts, strict=True)
    ]
    expected = brute_force(seen, fold.start, fold.end, models)
    shift = seen["calibrator"].intercept_
    units = sorted(
        (moment, tuple(sorted((1 / (1 + np.exp(-np.array(raw) - shift))).round(9))), converts)
        for (moment, _), (raw, converts) in expected.items()
    )
    assert units_of(seen["held_out"]) == units
    found = seen["trained"].result.accounts
    assert found is not None
    assert (found.all.accounts, found.all.converted) == (len(units), sum(one[2] for one in units))
    assert found.several.accounts == sum(len(one[1]) > 1 for one in units) > 20
    noisy_or = sum(1 - np.prod(1 - np.array(one[1])) for one in units)
    assert found.dependence == 0
    assert found.all.predicted == pytest.approx(noisy_or, abs=1e-5)


def test_the_past_is_predicted_by_models_that_did_not_learn_from_it(seen: dict[str, Any]) -> None:
    table, chosen = seen["table"], seen["chosen"]
    assert len(chosen.folds) > 1
    first = 0
    for fold, past in zip(chosen.folds, seen["past"], strict=True):
        own = chosen.out_of_time.models[first : first + len(fold.parts)]
        first += len(fold.parts)
        models = [
            (model.scorer, set(table.group[rows])) for model, (rows, _) in zip(own, fold.parts, strict=True)
        ]
        expected = brute_force(seen, fold.start, fold.end, models)
        several = {unit: found for unit, found in expected.items() if len(found[0]) > 1}
        assert len(several) > 10
        assert sorted(one[::2] for one in units_of(past)) == sorted(
            (moment, converts) for (moment, _), (_, converts) in several.items()
        )
        raw = np.sort(np.concatenate([found[0] for found in several.values()]))
        log_odds = np.sort(np.log(past.probability / (1 - past.probability)))
        np.testing.assert_allclose(log_odds - log_odds.mean(), raw - raw.mean(), atol=1e-6)
        assert past.moment.max() + table.label_span <= table.holdout.start, "outcomes known before"


def again(seen: dict[str, Any], journeys: Journeys) -> AccountCalibration | None:
    """The calibration by the same models on other tables."""
    names = ("problem", "chosen", "fitted", "calibrator", "evaluated", "table")
    return calibrate_accounts.calibrate_accounts(journeys, *(seen[name] for name in names))


@pytest.mark.parametrize("days", [0, -30])
def test_nothing_after_the_dates_moves_a_number(journeys: Journeys, seen: dict[str, Any], days: int) -> None:
    """Events after the last date, and outcomes after its horizon; those of a month before do."""
    end = pd.Timestamp(seen["held_out"].moment.max(), unit="us", tz="UTC") + pd.Timedelta(days, "D")
    rng = np.random.default_rng(0)
    events, outcomes = journeys.events, journeys.outcomes
    later = np.flatnonzero(events["occurred_at"] >= end)
    assert len(later) > 1000
    order = np.arange(len(events))
    order[later] = rng.permutation(later)
    moved = events.assign(
        action=events["action"].array.take(order), channel=events["channel"].array.take(order)
    )
    moved = moved.drop(index=later[::3]).reset_index(drop=True)
    known = outcomes["occurred_at"] < end + pd.Timedelta(60, "D")
    assert (~known).any()
    changed = replace(journeys, events=moved, outcomes=outcomes[known].reset_index(drop=True))
    assert (again(seen, changed) == again(seen, journeys)) == (days == 0)


def test_the_order_of_the_rows_is_no_matter(journeys: Journeys, seen: dict[str, Any]) -> None:
    one = again(seen, journeys)
    assert one is not None

    @given(seed=st.integers(0, 2**32 - 1))
    @hypothesis_settings(max_examples=8, deadline=None)
    def check(seed: int) -> None:
        rng = np.random.default_rng(seed)
        shuffled = {
            name: getattr(journeys, name).sample(frac=1, random_state=rng).reset_index(drop=True)
            for name in ("leads", "events", "outcomes")
        }
        other = again(seen, replace(journeys, **shuffled))
        assert other is not None
        assert flatten(other) == pytest.approx(flatten(one))

    check()


def flatten(found: AccountCalibration) -> dict[str, float]:
    return dict(pd.json_normalize(to_json_safe(found)).iloc[0])


def test_a_company_that_marks_all_contacts_of_a_deal_learns_that_they_share_their_fate() -> None:
    company = simulate(4000, random_state=2).journeys()
    found = train(settings(), share_deals(company), now=NOW).result.accounts
    assert found is not None
    assert found.dependence > 0.8
    assert found.several.log_loss < found.several_independent.log_loss
    assert found.several_independent.predicted > 1.3 * found.several.predicted


def test_training_prints_a_line(seen: dict[str, Any]) -> None:
    result = seen["trained"].result
    figures, several = result.accounts.all, result.accounts.several
    line = (
        f"Accounts on the held-out period: {figures.predicted:,.1f} of {figures.accounts:,} predicted to convert, "
        f"{figures.converted:,} do; with several open leads {several.predicted:,.1f} of {several.accounts:,}, "
        f"{several.converted:,} do"
    )
    assert line in format_train(printed(result)).splitlines()
    sharing = replace(result, accounts=replace(result.accounts, dependence=0.456))
    assert f"{line}; leads of one account tend to convert together (dependence 0.46 of 1)" in format_train(
        printed(sharing)
    )
    nobody = replace(result, accounts=None)
    assert "Accounts" not in format_train(printed(nobody))


def test_of_a_large_company_whole_accounts_are_drawn(
    journeys: Journeys, seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate_accounts, "_MOST", 500)
    with watched(monkeypatch) as drawn:
        again(seen, journeys)
    some, every = units_of(drawn["held_out"]), units_of(seen["held_out"])
    assert 0.2 * len(every) < len(some) < 0.6 * len(every)
    assert set(some) <= set(every)


def test_without_accounts_there_is_nothing_to_learn(journeys: Journeys, seen: dict[str, Any]) -> None:
    nameless = pd.Series(np.nan, index=journeys.leads.index, dtype="str")
    for leads in (journeys.leads.drop(columns="account_id"), journeys.leads.assign(account_id=nameless)):
        assert again(seen, replace(journeys, leads=leads)) is None


def test_a_history_too_short_for_folds_in_time_is_cut_across_it(monkeypatch: pytest.MonkeyPatch) -> None:
    company = simulate(450, random_state=4).journeys()
    with watched(monkeypatch) as found:
        trained = train(settings(), company, now=NOW)
    assert trained.result.accounts is not None
    if found["chosen"].folds:
        pytest.fail("choose a smaller company: this one has folds in time")
    (past,) = found["past"]
    models: tuple[FoldModel, ...] = found["chosen"].out_of_time.models
    assert len(models) > 1
    assert len(past.label) > 20


def test_a_flat_table_counts_its_accounts_by_period() -> None:
    rng = np.random.default_rng(1)
    n = 3000
    visits = rng.integers(0, 10, n)
    label = (rng.random(n) < 0.02 + 0.04 * visits).astype("float64")
    leads = pd.DataFrame(
        {
            "lead_id": pd.Series([f"L{i:04}" for i in range(n)], dtype="str"),
            "account_id": pd.Series([f"A{i // 20:03}{i % 10}" for i in range(n)], dtype="str"),
            "visits": visits.astype("float64"),
        }
    )
    flat = FlatTable(leads, pd.Series(label), pd.Series(np.arange(n)), empty_quarantine(), {"flat": n})
    asked = Config.model_validate(
        {
            "name": "flat",
            "data": {
                "flat": {"path": "l.csv", "lead_id": "id", "account_id": "a", "label": "won", "order": "n"}
            },
        }
    )
    found = train(asked, flat, now=NOW).result.accounts
    assert found is not None
    held = slice(int(n * 0.7), n)
    outcome = pd.Series(label[held]).groupby(leads["account_id"][held].to_numpy()).max()
    assert (found.all.accounts, found.all.converted) == (len(outcome), int(outcome.sum()))
    assert found.dependence == 0
    assert found.all.predicted == pytest.approx(found.all.converted, rel=0.15)
