"""A ridge logistic regression on 0/1 columns, with a covariance that allows for snapshots of one account.

Snapshots of one lead share its fate, and leads of one account share theirs, so the covariance is a sandwich over
accounts. It is too small for a column without conversions, where all residuals are near 0; so no variance is taken to
be less than that of the inverse Hessian.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from mqlml.model.inputs import limit_threads
from mqlml.types import Floats, Mask, Rows

__all__ = ["RIDGE", "RidgeFit", "fit_ridge", "row_blocks", "times"]

RIDGE = 10.0
"""Half of it, times the sum of the squared weights, is added to the log loss of all snapshots together."""

_ROWS = 16_384
_MOST_STEPS = 100
_CLOSE = 1e-10


@dataclass(frozen=True)
class RidgeFit:
    """A fitted regression.

    Attributes
    ----------
    intercept : float
    weights : ndarray of float64, shape (columns,)
        Log-odds that each column adds.
    covariance : ndarray of float64, shape (columns, columns)
        Of the weights.
    log_odds : ndarray of float64, shape (n,)
    """

    intercept: float
    weights: Floats
    covariance: Floats
    log_odds: Floats


def row_blocks(n: int, size: int = _ROWS) -> Iterator[slice]:
    """Consecutive rows, some at a time, so that no second table of floats is held."""
    for low in range(0, n, size):
        yield slice(low, min(low + size, n))


def times(values: Mask, weights: Floats) -> Floats:
    """``values @ weights``; numpy alone would make floats of the whole table first."""
    return np.concatenate([values[rows].astype(np.float64) @ weights for rows in row_blocks(len(values))])


def fit_ridge(values: Mask, label: npt.NDArray[np.int8], account: Rows) -> RidgeFit:
    """Fit weights and intercept; the intercept carries no ridge.

    Parameters
    ----------
    values : ndarray of bool, shape (n, columns)
    label : ndarray of shape (n,), 0 or 1, both present
    account : ndarray of int, shape (n,)
        Equal for rows that may not be independent.
    """
    with limit_threads(1):  # sums that BLAS shares out among threads end in other last digits
        parameters, hessian = _minimize(values, label.astype(np.float64))
        log_odds = times(values, parameters[:-1]) + parameters[-1]
        inverse = np.linalg.inv(hessian)
        meat = _meat(values, label - expit(log_odds), account)
        sandwich = (inverse @ meat @ inverse)[:-1, :-1]
    variance = np.diag(sandwich)
    at_least = np.diag(inverse)[:-1]
    scale = np.sqrt(np.maximum(variance, at_least) / np.where(variance > 0, variance, at_least))
    covariance = sandwich * np.outer(scale, scale)
    covariance[np.diag_indices_from(covariance)] = np.maximum(variance, at_least)
    return RidgeFit(float(parameters[-1]), parameters[:-1], covariance, log_odds)


def _minimize(values: Mask, y: Floats) -> tuple[Floats, Floats]:
    """The parameters of least penalized loss, intercept last, and the second derivative there."""
    n, width = values.shape
    penalty = np.append(np.full(width, RIDGE), 0.0)
    share = y.mean()
    parameters = np.append(np.zeros(width), math.log(share / (1 - share)))

    def loss(log_odds: Floats, parameters: Floats) -> float:
        return float((np.logaddexp(0.0, log_odds) - y * log_odds).sum() + 0.5 * penalty @ parameters**2)

    log_odds = np.full(n, parameters[-1])
    current = loss(log_odds, parameters)
    hessian = np.diag(penalty)
    for _ in range(_MOST_STEPS):
        chance = expit(log_odds)
        gradient, hessian = penalty * parameters, np.diag(penalty)
        for rows in row_blocks(n):
            part = np.column_stack([values[rows], np.ones(rows.stop - rows.start)])
            gradient += part.T @ (chance[rows] - y[rows])
            hessian += part.T @ (part * (chance[rows] * (1 - chance[rows]))[:, None])
        step = cho_solve(cho_factor(hessian), gradient)
        along = times(values, step[:-1]) + step[-1]
        length = 1.0
        while (proposed := loss(log_odds - length * along, parameters - length * step)) > current:
            length /= 2
            if length < 1e-10:
                break
        gained, current = current - proposed, proposed
        parameters, log_odds = parameters - length * step, log_odds - length * along
        if gained <= _CLOSE:
            break
    return parameters, hessian


def _meat(values: Mask, residual: Floats, account: Rows) -> Floats:
    """The sum over accounts of the outer products of their scores."""
    order = np.argsort(account, kind="stable")
    starts = np.flatnonzero(np.diff(account[order], prepend=account[order[:1]] - 1))
    ends = np.append(starts[1:], len(order))
    width = values.shape[1] + 1
    meat = np.zeros((width, width))
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + _ROWS, side="right")))
        rows = order[starts[first] : ends[last - 1]]
        part = np.column_stack([values[rows], np.ones(len(rows))]) * residual[rows, None]
        scores = np.add.reduceat(part, starts[first:last] - starts[first], axis=0)
        meat += scores.T @ scores
        first = last
    return meat * (len(starts) / max(1, len(starts) - 1))
