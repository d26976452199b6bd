"""``backtest``: evaluates a model per period of the past, as if it had been trained at the start of each."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from mqlml.commands.check import make_table, read_data
from mqlml.config import read_config
from mqlml.errors import PopulationError
from mqlml.evaluation.ageing import TOLERATED, Ageing, measure_ageing
from mqlml.evaluation.holdout import RANDOM_STATE, HeldOut
from mqlml.evaluation.periods import Forecast, evaluate_folds, forecast_across_periods, of_one_size
from mqlml.model import LeadScorer
from mqlml.progress import Progress
from mqlml.render.results import BacktestPeriod, BacktestResult, ClosedPeriod, LearnedFrom
from mqlml.texts import format_percent
from mqlml.training import Fold, TrainingTable, describe_place, rolling_folds

__all__ = ["backtest"]

FIRST_POSITIVES = 20
FIRST_SHARE = 1 / 3
"""The first model learns from a third of the past's conversions: by less no later one could be compared with it."""


def backtest(
    config_path: str | Path, *, periods: int, now: dt.datetime, progress: Progress
) -> BacktestResult:
    """Evaluate a model per period of the past, and each on all later periods too; nothing is registered.

    The held-out last period is not opened: what is chosen by these results can still be evaluated there.

    Parameters
    ----------
    periods : int
        At most so many.

    Raises
    ------
    PopulationError
        If the history before the held-out period is too short for two periods.
    """
    config = read_config(config_path)
    data = read_data(config, progress, now=now)
    held = HeldOut(make_table(data, config, progress))
    table = held.past
    folds = _folds(table, periods)
    scorer = LeadScorer(random_state=RANDOM_STATE)

    def predict(folds: list[Fold], *, later: bool) -> tuple[Forecast, ...]:
        return forecast_across_periods(
            scorer, table.features, table.label, table.group, folds, later=later, track=progress.track
        )

    with progress.step("periods"):
        forecasts = predict(folds, later=False)
        evaluated, together = evaluate_folds(
            forecasts,
            table.label,
            table.time,
            folds,
            label_span=table.label_span,
            clusters=table.group,
            random_state=RANDOM_STATE,
        )
    ageing = None
    if table.dated:
        with progress.step("ageing"):
            ageing = measure_ageing(
                predict(of_one_size(folds), later=True),
                table.label,
                table.time,
                of_one_size(folds),
                clusters=table.group,
                random_state=RANDOM_STATE,
            )
    return BacktestResult(
        model=config.name,
        timezone=config.data.timezone,
        dated=bool(table.cutoff_time.notna().all()),
        held_out=ClosedPeriod(
            held.dates.start,
            held.dates.until,
            held.dates.n,
            accessed=False,
        ),
        periods=tuple(
            BacktestPeriod(
                **vars(found),
                start=describe_place(fold.start, table),
                until=describe_place(fold.end, table),
                learned_from=_describe_training(fold, table),
            )
            for fold, found in zip(folds, evaluated, strict=True)
        ),
        together=together,
        ageing=ageing,
        advice=advise(ageing, dated=table.dated),
    )


def _folds(table: TrainingTable, periods: int) -> list[Fold]:
    past = table.holdout.train
    positives = int(table.label[past].sum())
    folds = rolling_folds(
        table.time,
        table.label,
        table.group,
        past,
        label_span=table.label_span,
        n_folds=periods,
        min_positives=max(FIRST_POSITIVES, int(positives * FIRST_SHARE)),
        dated=table.dated,
    )
    if not folds:
        raise PopulationError(
            f"a backtest needs a period that follows a full label window after {FIRST_POSITIVES} conversions, all "
            f"before the held-out period; found {positives} conversions in {len(past):,} snapshots. Bring a longer "
            "history, shorten problem.horizon, or lower problem.holdout"
        )
    return folds


def _describe_training(fold: Fold, table: TrainingTable) -> LearnedFrom:
    times = table.time[fold.train]
    return LearnedFrom(
        start=describe_place(int(times.min()), table),
        until=describe_place(int(times.max()), table),
        n=len(fold.train),
        positives=int(table.label[fold.train].sum()),
        purged=fold.purged,
        parts=len(fold.parts),
    )


_MONTH = 30
"""Days. Outcomes of fewer days change a model little, so nobody is advised to train more often without evidence."""

_UNTIL_THEN = "Until more is known, retrain with every new month of outcomes."


def advise(ageing: Ageing | None, *, dated: bool) -> str:
    """How a model ages, how sure that is, and when to retrain."""
    if not dated:
        return "We cannot say how a model ages: the table has an order but no dates."
    if ageing is None or ageing.per_30_days is None:
        return (
            "We cannot say how a model ages: it takes at least three periods that older models can predict. "
            f"{_UNTIL_THEN}"
        )
    if not ageing.skill.low > 0 or ageing.safe_days is None:
        return (
            "We cannot say yet how a model ages: models that learn from as little as there was for the first period "
            f"gain nothing over the base rate, beyond noise. {_UNTIL_THEN}"
        )
    line, skill = ageing.per_30_days, ageing.skill.value
    share = line.value / skill
    if not ageing.found:
        return _advise_unsure(share, line.low / skill, line.high / skill, ageing.safe_days, ageing.observed)
    if ageing.retrain_every is None:
        return (
            f"A model loses about {share:.0%} of its skill over the base rate in 30 days, but at no age within the "
            f"{ageing.observed} days observed more than {TOLERATED:.0%}."
        )
    return (
        f"Retrain every {ageing.retrain_every} days or sooner: a model loses about {share:.0%} of its skill over "
        "the base rate in 30 days."
    )


def _advise_unsure(share: float, low: float, high: float, safe_days: int, observed: int) -> str:
    """Where 0 lies in the interval: separates a loss that is surely small from one that may be large or none."""
    if safe_days >= observed:
        return (
            f"No ageing that matters: with 95% confidence the {observed} days observed cost a model no more than "
            f"{TOLERATED:.0%} of its skill over the base rate. Retrain at least that often."
        )
    at_most = (
        f"with 95% confidence 30 days of age cost no more than {high:.0%} of the skill over the base rate"
    )
    if safe_days >= _MONTH:
        return (
            f"No ageing was found: {at_most}. Retraining every {safe_days} days is often enough, for by then even "
            f"that comes to no more than {TOLERATED:.0%}."
        )
    unknown = "We cannot say yet whether a model ages."
    if share < 0.005:
        return (
            f"{unknown} All ages together, older models did no worse than fresh ones, but so few conversions show no "
            f"more than that {at_most}. {_UNTIL_THEN}"
        )
    return (
        f"{unknown} All ages together, older models did worse than fresh ones: each 30 days of age cost about "
        f"{format_percent(share, 0)} of the skill over the base rate. That may be luck: with 95% confidence the cost "
        f"lies between {format_percent(low, 0)} and {format_percent(high, 0)}. {_UNTIL_THEN}"
    )
