"""Judging: the model of the past and the held-out period go in; metrics, baselines and importance come out.

Nothing is chosen here: the model, its calibration and its thresholds come from before that period.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from mqlml.evaluation import (
    Importance,
    evaluate_baselines,
    evaluate_policy,
    evaluate_probabilities,
    measure_importance,
)
from mqlml.evaluation.backtest import Measure
from mqlml.evaluation.groups import group_alike
from mqlml.evaluation.placement import Placement, measure_placements
from mqlml.evaluation.shape import Shape, measure_shapes
from mqlml.model import LabelPolicy, LeadScorer, SigmoidCalibrator, Traits, make_baselines
from mqlml.model.partial import PartialScores
from mqlml.timeutil import parse_duration
from mqlml.training import TrainingTable

__all__ = [
    "RANDOM_STATE",
    "Judged",
    "fit_past",
    "holdout_weeks",
    "judge_importance",
    "judge_model",
    "judge_placements",
    "judge_policy",
]

Floats = npt.NDArray[np.float64]

RANDOM_STATE = 0
"""The seed of everything drawn: folds, resamples, shuffles. The same data gives the same version."""

SHAPES, SHAPE_ROWS = 15, 2_000
"""For how many features, the most important ones, and on how many leads a shape is measured."""

AGE_POSITIVES = 10
"""Fewer conversions than this at an age of the lead, and nothing is said about that age."""


@dataclass(frozen=True)
class Judged:
    """The model of the past on the held-out period; ``interest`` is the fit and engagement of its rows, ``prior`` and
    ``parts`` see `mqlml.evaluation.backtest.Forward`."""

    metrics: dict[str, Any]
    by_age: dict[str, dict[str, Any]]
    baselines: dict[str, dict[str, Any]]
    probability: Floats
    raw: Floats
    prior: Floats
    parts: Floats
    interest: Floats


def fit_past(scorer: LeadScorer, table: TrainingTable) -> tuple[LeadScorer, ...]:
    """The models that the held-out period judges: one for each of its parts, mostly one."""
    return tuple(
        clone(scorer).fit(table.features.iloc[train], table.label[train]) for train, _ in table.holdout.parts
    )


def judge_model(
    fitted: Sequence[LeadScorer],
    calibrator: SigmoidCalibrator,
    table: TrainingTable,
    interest: Measure,
) -> Judged:
    """All that is measured on the held-out period, the baselines beside it; and what ``interest`` gives there."""
    past, last = table.holdout.train, table.holdout.test
    target, group = table.label[last], table.group[last]
    base_rate = float(table.label[past].mean())
    parts = table.holdout.parts
    said = [
        model.predict_parts(table.features.iloc[test]) for model, (_, test) in zip(fitted, parts, strict=True)
    ]
    apart = np.concatenate(said)
    prior = np.concatenate([np.full(len(of), model.prior_) for model, of in zip(fitted, said, strict=True)])
    weights = np.array([fitted[0].tree_weight, fitted[0].linear_weight])
    raw = (1.0 - weights.sum()) * prior + apart @ weights
    probability = calibrator.predict(raw)
    baselines = {
        name: np.concatenate(
            [
                baseline.fit(table.features.iloc[train], table.label[train]).predict(
                    table.features.iloc[test]
                )
                for train, test in parts
            ]
        )
        for name, baseline in make_baselines(table.plan.features).items()
    }
    return Judged(
        metrics=evaluate_probabilities(
            target, probability, clusters=group, base_rate=base_rate, random_state=RANDOM_STATE, score=raw
        ),
        by_age=_judge_by_age(table, probability, raw, base_rate),
        baselines=evaluate_baselines(
            target, probability, baselines, clusters=group, base_rate=base_rate, random_state=RANDOM_STATE
        ),
        probability=probability,
        raw=raw,
        prior=prior,
        parts=apart,
        interest=np.concatenate(
            [
                interest(model, table.features.iloc[test])
                for model, (_, test) in zip(fitted, parts, strict=True)
            ]
        ),
    )


def _judge_by_age(
    table: TrainingTable, probability: Floats, raw: Floats, base_rate: float
) -> dict[str, dict[str, Any]]:
    """The same metrics for each age of the lead that has conversions enough to tell anything."""
    if table.age is None:
        return {}
    last = table.holdout.test
    age = table.age.iloc[last].to_numpy()
    found = {}
    for name in sorted(set(age), key=parse_duration):
        rows = np.flatnonzero(age == name)
        wins = int(table.label[last][rows].sum())
        if min(wins, len(rows) - wins) >= AGE_POSITIVES:
            found[str(name)] = evaluate_probabilities(
                table.label[last][rows],
                probability[rows],
                clusters=table.group[last][rows],
                base_rate=base_rate,
                random_state=RANDOM_STATE,
                score=raw[rows],
            )
    return found


def judge_placements(judged: Judged, table: TrainingTable) -> tuple[Placement, ...]:
    """Promised and realised conversion by thirds of fit and of engagement."""
    last = table.holdout.test
    return measure_placements(
        judged.interest[:, 0],
        judged.interest[:, 1],
        table.label[last],
        judged.probability,
        clusters=table.group[last],
    )


def judge_policy(
    policy: LabelPolicy, judged: Judged, table: TrainingTable, traits: Traits
) -> dict[str, dict[str, Any]]:
    """What each label's threshold, chosen on the past, gives on the held-out period, beside what it promised."""
    last = table.holdout.test
    return evaluate_policy(
        policy,
        judged.probability,
        table.label[last],
        weeks=holdout_weeks(table),
        leads=table.lead[last],
        traits=traits,
        clusters=table.group[last],
        random_state=RANDOM_STATE,
    )


def judge_importance(
    fitted: Sequence[LeadScorer], calibrator: SigmoidCalibrator, table: TrainingTable
) -> tuple[Importance, tuple[Shape, ...]]:
    """What each feature, group of features and family is worth to the model on the held-out period, or on the first
    of its parts; and how the probability moves with the features that are worth most."""
    # Shuffling the encoded matrix says the same as shuffling the table, and encodes once instead of each time.
    model, (_, last) = fitted[0], table.holdout.parts[0]
    matrix = model.encoder_.transform(table.features.iloc[last])
    names = [str(name) for name in model.get_feature_names_out()]
    used = model.used_features_

    def shuffled(rows: npt.NDArray[np.int64]) -> Callable[[list[str], npt.NDArray[np.int64]], Floats]:
        scores = PartialScores(model, matrix[rows])
        return lambda columns, order: calibrator.predict(scores.shuffle(columns, order))

    importance = measure_importance(
        lambda X: calibrator.predict(model.predict_matrix(np.asfortranarray(X.to_numpy()))),
        pd.DataFrame(matrix, columns=names),
        table.label[last],
        {feature.name: feature.family for feature in table.plan.features},
        clusters=table.group[last],
        random_state=RANDOM_STATE,
        used=used,
        groups=group_alike(matrix, names, random_state=RANDOM_STATE),
        shuffled=shuffled,
    )
    asked = np.random.default_rng(RANDOM_STATE)
    some = (
        matrix if len(matrix) <= SHAPE_ROWS else matrix[asked.choice(len(matrix), SHAPE_ROWS, replace=False)]
    )
    shapes = measure_shapes(
        PartialScores(model, some),
        calibrator.predict,
        # Those that clearly help first, as the report lists them.
        [row.name for row in sorted(importance.features, key=lambda row: row.low <= 0) if row.name in used][
            :SHAPES
        ],
        model.encoder_.levels_,
    )
    return importance, shapes


def holdout_weeks(table: TrainingTable) -> float | None:
    """Length of the held-out period in weeks; None for a flat table."""
    return table.weeks(table.holdout.start, table.holdout.end)
