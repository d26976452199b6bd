"""The model over time: its forward predictions and its judgement go in; the error period by period comes out."""

from __future__ import annotations

from typing import Any

import numpy as np

from mqlml.evaluation import Estimate
from mqlml.evaluation.ahead import Forecast
from mqlml.evaluation.periods import judge_losses
from mqlml.pipeline.choose_model import Chosen
from mqlml.pipeline.judge import RANDOM_STATE, Judged
from mqlml.times import format_instant, from_microseconds
from mqlml.training import TrainingTable

__all__ = ["describe_place", "judge_over_time"]


def judge_over_time(chosen: Chosen, judged: Judged, table: TrainingTable) -> list[dict[str, Any]]:
    """The log loss of each forward period and of the held-out one, beside that of the base rate known before it.

    Returns
    -------
    list of dict
        ``from``, ``until``, ``held_out``, ``n``, ``positives``; ``log_loss``, ``log_loss_base_rate`` and ``gain``,
        how much lower the former is (paired), with 95 % intervals. Empty where the history was too short to go
        forward.
    """
    if not chosen.folds:
        return []
    ends = np.cumsum([len(fold.test) for fold in chosen.folds])[:-1]
    raw = np.split(chosen.forward.raw, ends)
    forecasts = [
        Forecast(number, number, fold.test, part)
        for number, (fold, part) in enumerate(zip(chosen.folds, raw, strict=True))
    ]
    losses = judge_losses(
        forecasts,
        table.label,
        table.time,
        chosen.folds,
        reach=table.reach,
        clusters=table.group,
        random_state=RANDOM_STATE,
    )
    base = judged.baselines["base_rate"]
    worse: Estimate = base["log_loss_difference"]
    held = {
        "n": judged.metrics["n"],
        "positives": judged.metrics["positives"],
        "log_loss": judged.metrics["log_loss"],
        "log_loss_base_rate": base["log_loss"],
        "gain": Estimate(-worse.value, -worse.high, -worse.low),
    }
    periods = [*((fold, found, False) for fold, found in zip(chosen.folds, losses, strict=True))]
    return [
        {
            "from": describe_place(fold.start, table),
            "until": describe_place(fold.end, table),
            "held_out": is_held,
            **found,
        }
        for fold, found, is_held in [*periods, (table.holdout, held, True)]
    ]


def describe_place(time: int, table: TrainingTable) -> str:
    """A moment as text, or a place in an order as it is."""
    return str(time) if table.age is None else format_instant(from_microseconds(time))
