"""The model over time: its out-of-time predictions and its evaluation go in; the error period by period comes out."""

from __future__ import annotations

import numpy as np

from mqlml.evaluation import Estimate, OverTimePeriod, PeriodLosses, evaluate_losses
from mqlml.evaluation.ahead import Forecast
from mqlml.pipeline.choose_model import Chosen
from mqlml.pipeline.judge import RANDOM_STATE, Evaluated
from mqlml.times import format_instant, from_microseconds
from mqlml.training import TrainingTable

__all__ = ["describe_place", "evaluate_over_time"]


def evaluate_over_time(
    chosen: Chosen, evaluated: Evaluated, table: TrainingTable
) -> tuple[OverTimePeriod, ...]:
    """The log loss of each out-of-time period and of the held-out one, beside that of the base rate known before it.

    Empty where the history was too short to go forward in time.
    """
    if not chosen.folds:
        return ()
    ends = np.cumsum([len(fold.test) for fold in chosen.folds])[:-1]
    raw = np.split(chosen.forward.raw, ends)
    forecasts = [
        Forecast(number, number, fold.test, part)
        for number, (fold, part) in enumerate(zip(chosen.folds, raw, strict=True))
    ]
    losses = evaluate_losses(
        forecasts,
        table.label,
        table.time,
        chosen.folds,
        reach=table.reach,
        clusters=table.group,
        random_state=RANDOM_STATE,
    )
    base = evaluated.baselines["base_rate"]
    worse = base.log_loss_difference
    held = PeriodLosses(
        n=evaluated.metrics.n,
        positives=evaluated.metrics.positives,
        log_loss=evaluated.metrics.log_loss,
        log_loss_base_rate=base.log_loss,
        gain=Estimate(-worse.value, -worse.high, -worse.low),
    )
    return tuple(
        OverTimePeriod(
            **vars(found),
            start=describe_place(fold.start, table),
            until=describe_place(fold.end, table),
            held_out=fold is table.holdout,
        )
        for fold, found in [*zip(chosen.folds, losses, strict=True), (table.holdout, held)]
    )


def describe_place(time: int, table: TrainingTable) -> str:
    """A moment as text, or a place in an order as it is."""
    return str(time) if table.age is None else format_instant(from_microseconds(time))
