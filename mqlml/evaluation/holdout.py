"""The held-out period: gives out the past of a training table at any time, and its last period once.

Model, level and thresholds are chosen on `HeldOut.past`, which holds no row of the last period and no outcome of its
time: no choice can be made on what is not there. `HeldOut.open` gives out the period, once, to evaluate on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from mqlml.errors import HeldOutError
from mqlml.evaluation.backtest import Measure
from mqlml.evaluation.curves import FitEngagementCell, measure_fit_by_engagement
from mqlml.evaluation.importance import (
    Columns,
    Importance,
    ImportanceRow,
    Resampling,
    group_alike,
    measure_importance,
    measure_shapes,
)
from mqlml.evaluation.labels import LabelRows, ThresholdEvaluation, VolumeRows, evaluate_policy
from mqlml.evaluation.metrics import Baseline, Metrics, evaluate_baselines, evaluate_probabilities
from mqlml.model import LeadScorer, SigmoidCalibrator, make_baselines
from mqlml.model.contributions import PartialScores
from mqlml.policy import GateInputs, LabelPolicy, ThresholdData
from mqlml.times import parse_duration
from mqlml.training import TrainingTable, describe_holdout
from mqlml.types import Floats

__all__ = [
    "RANDOM_STATE",
    "Evaluated",
    "HeldOut",
    "Period",
    "PriorAccess",
    "count_on",
    "evaluate_fit_by_engagement",
    "evaluate_importance",
    "evaluate_labels",
    "evaluate_model",
    "fit_past",
    "holdout_weeks",
]


@dataclass(frozen=True)
class Period:
    """Which period of which data was held out.

    Attributes
    ----------
    start, end : int, its first and last place in time (microseconds, or ranks of an order).
    dated : bool, whether these are dates.
    rows : int
    sha256 : str
        Of its leads, cutoffs and labels: equal for the same rows with the same outcomes, whatever the features.
    """

    start: int
    end: int
    dated: bool
    rows: int
    sha256: str


@dataclass(frozen=True)
class PriorAccess:
    """How far a period is used up: who has seen it before.

    Attributes
    ----------
    settings : int
        With how many settings other than these it was opened before.
    versions : tuple of int, those trained with them.
    since : str or None, ISO time of the first such access.
    note : str or None, why this access is not on record, where it is not.
    """

    settings: int = 0
    versions: tuple[int, ...] = ()
    since: str | None = None
    note: str | None = None


Record = Callable[[Period], PriorAccess]


class HeldOut:
    """A training table in two: the past for choices, the last period to evaluate them.

    Parameters
    ----------
    table : TrainingTable
    record : function, optional
        Called with the period as it is opened; gives who opened it before.

    Attributes
    ----------
    past : TrainingTable
        The rows whose outcomes were known when the held-out period began, at the same positions as in the whole
        table; its ``holdout`` has the rows to learn from and none to evaluate on.
    period : Period
    dates : HoldoutPeriod
        The same for people.
    prior_access : PriorAccess
        Who opened the period before; nobody, as long as it was not opened here.
    """

    def __init__(self, table: TrainingTable, *, record: Record = lambda _: PriorAccess()) -> None:
        self._table: TrainingTable | None = table
        self._record = record
        self.prior_access = PriorAccess()
        self.past = _before(table)
        self.period = _describe(table)
        self.dates = describe_holdout(table)

    def open(self) -> TrainingTable:
        """The whole table, once.

        Raises
        ------
        HeldOutError
            If it was opened before.
        """
        if self._table is None:
            raise HeldOutError(
                "the held-out period may be opened once, to evaluate what was chosen before; it was opened already. "
                "Make every choice on the past, and build the table again for another model"
            )
        self.prior_access = self._record(self.period)
        table, self._table = self._table, None
        return table


def _before(table: TrainingTable) -> TrainingTable:
    """The rows whose outcomes were known when the held-out period began; they keep their positions."""
    fold = table.holdout
    # Rows are in order of time, so this is a slice, which copies nothing.
    n = int(((table.time < fold.start) & (table.time + table.label_span <= fold.start)).sum())
    nobody = np.empty(0, dtype=np.intp)
    return replace(
        table,
        lead_id=table.lead_id.iloc[:n],
        cutoff_time=table.cutoff_time.iloc[:n],
        age=None if table.age is None else table.age.iloc[:n],
        label=table.label[:n],
        features=table.features.iloc[:n],
        time=table.time[:n],
        group=table.group[:n],
        lead=table.lead[:n],
        holdout=replace(fold, test=nobody, parts=tuple((train, nobody) for train, _ in fold.parts)),
    )


def _describe(table: TrainingTable) -> Period:
    fold = table.holdout
    rows = fold.test
    lead = pd.util.hash_pandas_object(table.lead_id.iloc[rows].astype("str"), index=False).to_numpy()
    order = np.lexsort((lead, table.time[rows]))  # not that of the export
    digest = hashlib.sha256()
    for column in (lead, table.time[rows], table.label[rows]):
        digest.update(column[order].tobytes())
    return Period(fold.start, fold.end, table.dated, len(rows), digest.hexdigest())


RANDOM_STATE = 0
"""The seed of everything drawn: folds, resamples, shuffles. The same data gives the same version."""

SHAPES, SHAPE_ROWS = 15, 2_000
"""For how many features, the most important ones, and on how many leads a shape is measured."""

AGE_POSITIVES = 10
"""Fewer conversions than this at an age of the lead, and that age is left out."""


@dataclass(frozen=True)
class Evaluated:
    """The model of the past on the held-out period.

    ``prior`` is the log-odds of the base rate that each row's model knew; ``interest`` the fit and engagement of the
    rows.
    """

    metrics: Metrics
    by_age: dict[str, Metrics]
    baselines: dict[str, Baseline]
    probability: Floats
    raw: Floats
    prior: Floats
    interest: Floats


def fit_past(scorer: LeadScorer, table: TrainingTable) -> tuple[LeadScorer, ...]:
    """The models that the held-out period evaluates: one for each of its parts, mostly one."""
    return tuple(
        clone(scorer).fit(table.features.iloc[train], table.label[train]) for train, _ in table.holdout.parts
    )


def evaluate_model(
    fitted: Sequence[LeadScorer],
    calibrator: SigmoidCalibrator,
    table: TrainingTable,
    interest: Measure,
) -> Evaluated:
    """All that is measured on the held-out period, the baselines beside it; and what ``interest`` gives there."""
    past, last = table.holdout.train, table.holdout.test
    target, group = table.label[last], table.group[last]
    base_rate = float(table.label[past].mean())
    parts = table.holdout.parts
    raw = np.concatenate(
        [
            model.decision_function(table.features.iloc[test])
            for model, (_, test) in zip(fitted, parts, strict=True)
        ]
    )
    probability = calibrator.predict_proba(raw)[:, 1]
    baselines = {
        name: np.concatenate(
            [
                baseline.fit(table.features.iloc[train], table.label[train]).predict_proba(
                    table.features.iloc[test]
                )[:, 1]
                for train, test in parts
            ]
        )
        for name, baseline in make_baselines(table.plan.features).items()
    }
    return Evaluated(
        metrics=evaluate_probabilities(
            target, probability, clusters=group, base_rate=base_rate, random_state=RANDOM_STATE, score=raw
        ),
        by_age=_evaluate_by_age(table, probability, raw, base_rate),
        baselines=evaluate_baselines(
            target, probability, baselines, clusters=group, base_rate=base_rate, random_state=RANDOM_STATE
        ),
        probability=probability,
        raw=raw,
        prior=np.concatenate(
            [np.full(len(test), model.prior_) for model, (_, test) in zip(fitted, parts, strict=True)]
        ),
        interest=np.concatenate(
            [
                interest(model, table.features.iloc[test])
                for model, (_, test) in zip(fitted, parts, strict=True)
            ]
        ),
    )


def _evaluate_by_age(
    table: TrainingTable, probability: Floats, raw: Floats, base_rate: float
) -> dict[str, Metrics]:
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


def evaluate_fit_by_engagement(evaluated: Evaluated, table: TrainingTable) -> tuple[FitEngagementCell, ...]:
    """Predicted and observed conversion by thirds of fit and of engagement."""
    last = table.holdout.test
    return measure_fit_by_engagement(
        evaluated.interest[:, 0],
        evaluated.interest[:, 1],
        table.label[last],
        evaluated.probability,
        clusters=table.group[last],
    )


def evaluate_labels(
    policy: LabelPolicy,
    evaluated: Evaluated,
    table: TrainingTable,
    gate_inputs: GateInputs,
    nights: ThresholdData | None,
) -> dict[str, ThresholdEvaluation]:
    """What each label's threshold, chosen on the past, brings on the held-out period, beside what was predicted.

    ``nights`` are those of the period, with outcomes; volumes are measured on them. None for a flat table.
    """
    last = table.holdout.test
    rows = LabelRows(table.label[last], table.group[last], table.lead[last], holdout_weeks(table))
    return evaluate_policy(
        policy,
        evaluated.probability,
        rows,
        gate_inputs=gate_inputs,
        volume=None if nights is None else count_on(nights),
        random_state=RANDOM_STATE,
    )


def count_on(nights: ThresholdData) -> VolumeRows:
    """Nights with outcomes as rows to measure volumes on. Where they are of some accounts only, the leads of one week
    count for that share of a week."""
    weeks = (nights.weeks or 0.0) * nights.share
    rows = LabelRows(nights.label, nights.account, nights.lead, weeks, nights.before)
    return VolumeRows(nights.probability, rows, nights.gate_inputs)


def evaluate_importance(
    fitted: Sequence[LeadScorer], calibrator: SigmoidCalibrator, table: TrainingTable
) -> Importance:
    """What each feature, group of features and family is worth to the model on the held-out period, or on the first
    of its parts; and how the probability moves with the features that are worth most.

    Features whose shuffling changes nothing at all come last.
    """
    # Shuffling the encoded matrix says the same as shuffling the table, and encodes once instead of each time.
    model, (_, last) = fitted[0], table.holdout.parts[0]
    matrix = model.encoder_.transform(table.features.iloc[last])
    names = [str(name) for name in model.get_feature_names_out()]
    used = model.used_features_

    def shuffled(rows: npt.NDArray[np.int64]) -> Callable[[list[str], npt.NDArray[np.int64]], Floats]:
        scores = PartialScores(model, matrix[rows])
        return lambda columns, order: calibrator.predict_proba(scores.shuffle(columns, order))[:, 1]

    importance = measure_importance(
        lambda X: calibrator.predict_proba(model.predict_matrix(np.asfortranarray(X.to_numpy())))[:, 1],
        pd.DataFrame(matrix, columns=names),
        table.label[last],
        Columns(
            {feature.name: feature.family for feature in table.plan.features},
            used,
            group_alike(matrix, names, random_state=RANDOM_STATE),
        ),
        clusters=table.group[last],
        resampling=Resampling(RANDOM_STATE),
        shuffled=shuffled,
    )
    rng = np.random.default_rng(RANDOM_STATE)
    some = matrix if len(matrix) <= SHAPE_ROWS else matrix[rng.choice(len(matrix), SHAPE_ROWS, replace=False)]
    shapes = measure_shapes(
        PartialScores(model, some),
        lambda raw: calibrator.predict_proba(raw)[:, 1],
        # Those that clearly help first, as the report lists them.
        [
            row.name
            for row in sorted(importance.features, key=lambda row: row.drop.low <= 0)
            if row.name in used
        ][:SHAPES],
        model.encoder_.levels_,
    )
    shape = {found.name: found for found in shapes}
    sentences = {feature.name: feature.sentence for feature in table.plan.features}

    def described(row: ImportanceRow) -> ImportanceRow:
        with_sentence = replace(row, sentence=sentences[row.name])
        found = shape.get(row.name)
        if found is None:
            return with_sentence
        return replace(with_sentence, direction=found.direction, points=found.points)

    features = sorted(importance.features, key=lambda row: row.drop.low == row.drop.high == 0.0)
    return replace(importance, features=tuple(map(described, features)))


def holdout_weeks(table: TrainingTable) -> float | None:
    """Length of the held-out period in weeks; None for a flat table."""
    return table.weeks(table.holdout.start, table.holdout.end)
