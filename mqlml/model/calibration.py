"""Calibration: raw log-odds go in, a probability that means what it says comes out.

A version's calibrator keeps the model's log-odds and moves their level only (`SigmoidCalibrator.at_shift`, see
`mqlml.model.level`). For a score in other units, such as points, `fit` learns a slope and a level.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_array, check_is_fitted

from mqlml.errors import ScorerError
from mqlml.model.encode import EmptyClassError, TableError
from mqlml.model.inputs import check_labels, pick_class, two_classes
from mqlml.types import Floats

__all__ = ["SigmoidCalibrator"]

# Beyond this the sigmoid rounds to exactly 1 in float64, which would claim certainty.
_LARGEST_LOG_ODDS = 36.0
_MOST_STEPS = 100


class SigmoidCalibrator(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """``probability = 1 / (1 + exp(−(slope · raw + intercept)))``, fitted by maximum likelihood.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels in sorted order; the second is the one whose probability is meant.
    slope_, intercept_ : float
    note_ : str or None
        Set where higher scores went with fewer conversions. The slope is then 0 and everyone gets the base rate: a
        negative slope would call the noise of an unskilled score skill.

    Notes
    -----
    A scikit-learn classifier whose one feature is the raw score, taken as an array of shape (n,) only.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", 1999: the sigmoid, and the smoothed targets that
    keep it from certainty with few conversions. H.-T. Lin, C.-J. Lin, R. C. Weng, "A note on Platt's probabilistic
    outputs for support vector machines", Machine Learning 68, 2007: Newton's method with backtracking for it.

    Examples
    --------
    >>> calibrator = SigmoidCalibrator().fit([-3.0, -2.0, -1.0, 0.0], [0, 0, 1, 1])
    >>> calibrator.predict_proba([-3.0, 0.0])[:, 1].round(2).tolist()
    [0.2, 0.8]
    """

    classes_: npt.NDArray[Any]
    slope_: float
    intercept_: float
    note_: str | None

    @classmethod
    def at_shift(cls, shift: float) -> Self:
        """The calibrator of a version, for the classes 0 and 1: it adds ``shift`` to the log-odds."""
        return cls.from_dict({"kind": "sigmoid", "slope": 1.0, "intercept": shift, "note": None})

    def fit(self, raw: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Learn slope and intercept.

        Parameters
        ----------
        raw : array of shape (n,)
            Log-odds of leads the model was not trained on.
        y : array of shape (n,)
            Two different values; the greater one is the conversion.
        sample_weight : array of shape (n,), optional

        Raises
        ------
        ScorerError
            If the scores are not finite, or all equal.
        PopulationError
            If nobody, or everybody, converted.
        """
        scores = _finite(raw)
        labels = check_labels(self, y)
        weight = (
            np.ones(len(scores)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        )
        if weight.ndim != 1 or not (weight >= 0).all() or not weight.any():
            raise TableError(
                "weights must be numbers from 0 up, one per lead, not all of them zero; found shape "
                f"{weight.shape} with {int((weight > 0).sum())} above 0"
            )
        if not len(scores) == len(labels) == len(weight):
            raise TableError(
                "raw scores, labels and weights must be of one length; found "
                f"{len(scores)}, {len(labels)} and {len(weight)}"
            )
        classes = np.unique(labels)
        # With one class only, its own truth value shows which of the two it is.
        target = (labels == classes[-1] if len(classes) == 2 else labels.astype(bool)).astype(np.float64)
        converted = float(weight @ target)
        rest = float(weight.sum()) - converted
        if converted <= 0 or rest <= 0:
            raise EmptyClassError(
                f"calibration needs leads that converted and leads that did not; found {converted:g} and {rest:g}, "
                "which is one class. Take a longer history, another outcome, or a longer horizon"
            )
        used = weight > 0
        if np.ptp(scores[used]) == 0:
            raise TableError(
                f"calibration needs scores that differ; all {int(used.sum())} are {scores[used][0]!r}. "
                "The model has learned nothing from its features"
            )
        smoothed = np.where(target > 0, (converted + 1) / (converted + 2), 1 / (rest + 2))
        # In standard units both parameters have one scale, so Newton's matrix is well conditioned for any scores.
        centre = float(np.average(scores, weights=weight))
        spread = math.sqrt(float(np.average((scores - centre) ** 2, weights=weight)))
        slope, intercept = _fit_sigmoid((scores - centre) / spread, smoothed, weight)
        self.classes_ = classes
        self.note_ = None
        if slope <= 0:
            base_rate = float(np.average(smoothed, weights=weight))
            self.note_ = (
                "higher scores went with fewer conversions on later data, so every lead gets the base rate"
            )
            self.slope_, self.intercept_ = 0.0, math.log(base_rate / (1 - base_rate))
        else:
            self.slope_, self.intercept_ = slope / spread, intercept - slope / spread * centre
        return self

    def decision_function(self, raw: npt.ArrayLike) -> Floats:
        """Calibrated log-odds, which are linear in the raw ones; shape (n,)."""
        check_is_fitted(self, "slope_")
        return self.slope_ * _finite(raw) + self.intercept_

    def predict_proba(self, raw: npt.ArrayLike) -> Floats:
        """Calibrated probabilities of both classes; shape (n, 2), rows sum to one.

        They are never exactly 0 or 1, and keep the order of the raw scores.
        """
        return two_classes(expit(np.clip(self.decision_function(raw), -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)))

    def predict(self, raw: npt.ArrayLike) -> npt.NDArray[Any]:
        """The likelier class of each score."""
        return pick_class(self, self.decision_function(raw) > 0)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; `from_dict` gives the same calibrator to the bit, for the classes 0 and 1."""
        return {"kind": "sigmoid", "slope": self.slope_, "intercept": self.intercept_, "note": self.note_}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The calibrator that `to_dict` described.

        Raises
        ------
        ScorerError
            If the values are not those of a sigmoid.
        """
        made = cls()
        made.classes_ = np.array([0, 1])
        try:
            made.slope_, made.intercept_ = float(values["slope"]), float(values["intercept"])
        except (KeyError, TypeError, ValueError):
            made.slope_ = math.nan
        if (
            values.get("kind") != "sigmoid"
            or not made.slope_ >= 0
            or not math.isfinite(made.slope_ + made.intercept_)
        ):
            raise ScorerError(
                "a stored calibrator must be of kind 'sigmoid', with a slope of 0 or more and an intercept; "
                f"found {values!r}"
            )
        made.note_ = values.get("note")
        return made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _finite(raw: npt.ArrayLike) -> Floats:
    try:
        scores: Floats = check_array(
            raw, dtype=np.float64, ensure_2d=False, ensure_min_samples=0, ensure_all_finite=False
        )
    except (TypeError, ValueError) as error:
        raise TableError(f"raw scores must be finite numbers, one per lead: {error}") from None
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise TableError(
            f"raw scores must be finite numbers (no NaN, no inf), one per lead; found shape {scores.shape} with "
            f"{int((~np.isfinite(scores)).sum())} values that are not"
        )
    return scores


def _fit_sigmoid(scores: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Slope and intercept of least log loss, by Newton's method with backtracking.

    The loss is convex, and has a finite minimum since every smoothed target lies strictly between 0 and 1.
    """
    design = np.column_stack([scores, np.ones_like(scores)])
    base_rate = float(np.average(target, weights=weight))
    parameters = np.array([0.0, math.log(base_rate / (1 - base_rate))])

    def loss(parameters: Floats) -> float:
        log_odds = design @ parameters
        return float(weight @ (np.logaddexp(0.0, log_odds) - target * log_odds))

    current = loss(parameters)
    for _ in range(_MOST_STEPS):
        probability = expit(design @ parameters)
        gradient = design.T @ (weight * (probability - target))
        curvature = (design.T * (weight * probability * (1 - probability))) @ design
        # The trace keeps the matrix invertible where nearly every probability is 0.
        step = np.linalg.solve(curvature + 1e-12 * np.trace(curvature) * np.eye(2), gradient)
        length = 1.0
        while (proposed := loss(parameters - length * step)) > current and length > 1e-10:
            length /= 2
        if current - proposed <= 1e-14 * abs(current):
            # A last full step costs nothing and halves the digits that are still wrong.
            return (float(parameters[0] - length * step[0]), float(parameters[1] - length * step[1]))
        parameters, current = parameters - length * step, proposed
    return float(parameters[0]), float(parameters[1])
