"""Shape: a scorer and later leads go in; how the probability moves with each feature's values comes out.

Partial dependence: one feature is set to the same value for every lead, everything else stays as it is, and the
probabilities are averaged. It is the model's opinion, not nature's: where features hang together, it asks about leads
that hardly exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mqlml.model.partial import PartialScores
from mqlml.results import Number, Result
from mqlml.types import Floats

__all__ = ["Direction", "Shape", "ShapePoint", "describe_direction", "measure_shapes"]

Direction = Literal["rises", "falls", "peaks", "dips", "differs", "flat", "varies"]

_QUANTILES = np.linspace(0.05, 0.95, 10)
_MOST_WORDS = 8
_LEAST_ROWS = 20
_FLAT = 0.05
_BACK = 0.2


@dataclass(frozen=True)
class ShapePoint(Result):
    """One value of a feature, and the mean probability if every lead had it."""

    value: float | str | None
    """A number, a category, or None for missing."""
    probability: Number
    """Mean probability if every lead had this value."""
    share: Number
    """Of the leads, those that have it, or a value up to it and above the point before."""


@dataclass(frozen=True)
class Shape:
    """How the probability moves with one feature.

    Attributes
    ----------
    name : str
    direction : str
        ``rises`` or ``falls`` with the value, ``peaks`` or ``dips`` in between, ``varies`` to and fro; ``differs``
        between words; ``flat`` where all points lie within a twentieth of the mean probability.
    points : tuple of ShapePoint, numbers in order, words the commonest first, missing last.
    """

    name: str
    direction: Direction
    points: tuple[ShapePoint, ...]


def measure_shapes(
    scores: PartialScores,
    calibrate: Callable[[Floats], Floats],
    names: Sequence[str],
    words: Mapping[str, Sequence[str]],
) -> tuple[Shape, ...]:
    """Partial dependence over the observed values of each feature.

    J. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29, 2001, section
    8.2; over quantiles, so that no lead gets a value that none has.

    Parameters
    ----------
    scores : PartialScores of some leads
    calibrate : from raw scores to probabilities
    names : the features to measure.
    words : for a category its words in the order of their codes; see `TableEncoder.levels_`.

    Returns
    -------
    tuple of Shape, in the order of ``names``; features with fewer than two values are left out.
    """
    mean = float(calibrate(scores.raw).mean())
    shapes = []
    for name in names:
        values = scores.matrix[:, scores.place[name]]
        known = values[~np.isnan(values)]
        is_words = name in words
        places = _common(known, len(words[name])) if is_words else _places(known)
        points = []
        low = -np.inf
        for place in places:
            probability = float(calibrate(scores.change({name: place})).mean())
            has = values == place if is_words else (values > low) & (values <= place)
            shown = words[name][int(place)] if is_words else float(place)
            points.append(ShapePoint(shown, probability, float(has.mean())))
            low = place
        direction: Direction = (
            _of_words(points, mean)
            if is_words
            else describe_direction([point.probability for point in points], mean)
        )
        if np.isnan(values).sum() >= _LEAST_ROWS:
            probability = float(calibrate(scores.change({name: np.nan})).mean())
            points.append(ShapePoint(None, probability, float(np.isnan(values).mean())))
        if len(points) > 1:
            shapes.append(Shape(name, direction, tuple(points)))
    return tuple(shapes)


def _places(known: Floats) -> Floats:
    """The values at the observed quantiles, or all of them where they are few."""
    found: Floats = np.unique(known)
    if len(found) > len(_QUANTILES):
        found = np.unique(np.quantile(known, _QUANTILES, method="inverted_cdf"))
    return found


def _common(codes: Floats, n_words: int) -> Floats:
    """The codes of the commonest words; the code after the last word is no word."""
    found, counts = np.unique(codes[codes < n_words], return_counts=True)
    common: Floats = found[np.argsort(-counts, kind="stable")][:_MOST_WORDS]
    return common


def _of_words(points: Sequence[ShapePoint], mean: float) -> Direction:
    chances = [point.probability for point in points]
    return "flat" if not chances or max(chances) - min(chances) <= _FLAT * mean else "differs"


def describe_direction(chances: Sequence[float], mean: float) -> Direction:
    """One word for a curve.

    Parameters
    ----------
    chances : probabilities at rising values.
    mean : float, the mean probability, which a movement is weighed against.

    Returns
    -------
    str
        ``flat`` if all lie within a twentieth of the mean. Else steps back of up to a fifth of the whole range are
        overlooked: ``rises`` or ``falls`` if no others are left, ``peaks`` or ``dips`` if the curve turns once, and
        ``varies`` if it turns more often.
    """
    if len(chances) < 2 or max(chances) - min(chances) <= _FLAT * mean:
        return "flat"
    slack = _BACK * (max(chances) - min(chances))
    turns = [chances[0]]  # the last value, then each that turns back by more than the slack
    way = 0
    for chance in chances[1:]:
        step = chance - turns[-1]
        if way == 0 or step * way >= 0:
            if abs(step) > (slack if way == 0 else 0.0):
                if way == 0:
                    turns.append(chance)
                    way = 1 if step > 0 else -1
                else:
                    turns[-1] = chance
        elif abs(step) > slack:
            turns.append(chance)
            way = -way
    first = turns[1] - turns[0]
    if len(turns) == 2:
        return "rises" if first > 0 else "falls"
    if len(turns) == 3:
        return "peaks" if first > 0 else "dips"
    return "varies"
