"""The figures of signals: a ridge logistic regression, conversion with and without, and that of comparable leads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_ndtr, ndtri

from mqlml.model.inputs import limit_threads
from mqlml.model.signal_columns import Design
from mqlml.types import Floats, Mask, Rows

__all__ = [
    "RIDGE",
    "Ages",
    "Estimates",
    "RawFigures",
    "RidgeFit",
    "SignalShares",
    "Z",
    "compare_like_leads",
    "compare_raw",
    "count_ages",
    "fit_ridge",
    "row_blocks",
    "share_of_signals",
    "times",
]


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


Z = 1.959964
"""Half the width of a 95% interval, in standard errors."""

_DRAWS = 200
_ROWS_OF_DRAWS = 200
"""The draws are averaged over so many of the rows that have a column, evenly spread over their log-odds."""


class Estimates(NamedTuple):
    """One estimate for each column, with the ends of its 95% interval; probabilities, or differences of them."""

    value: Floats
    low: Floats
    high: Floats


class RawFigures(NamedTuple):
    """Conversion of snapshots with and without each column, those without weighted to the ages of those with it.

    Attributes
    ----------
    with_rate, without_rate : ndarray of float64, shape (columns,)
        NaN where no two snapshots of one age differ in it.
    difference : Estimates
    """

    with_rate: Floats
    without_rate: Floats
    difference: Estimates


class Ages(NamedTuple):
    """How often columns come, and come together, at each age.

    Attributes
    ----------
    rows : ndarray of float64, shape (ages,)
        Snapshots of each age.
    held : ndarray of float64, shape (ages, columns)
        Those that have each column.
    together : ndarray of float64, shape (ages, columns, columns)
        Those that have two of them.
    """

    rows: Floats
    held: Floats
    together: Floats

    @property
    def weights(self) -> Floats:
        """The weight of each age in the comparison of each column, shape (ages, columns): its snapshots with the
        column, at ages at which others lack it."""
        compared = np.where(self.held < self.rows[:, None], self.held, 0.0)
        total = compared.sum(axis=0)
        weights: Floats = np.divide(compared, total, out=np.zeros_like(compared), where=total > 0)
        return weights


def count_ages(values: Mask, age: Rows) -> Ages:
    """Count the columns at each age; ``age`` holds whole numbers from 0 up."""
    n_ages, width = int(age.max()) + 1, values.shape[1]
    together = np.zeros((n_ages, width, width))
    for number in range(n_ages):
        of_age = np.flatnonzero(age == number)
        for rows in row_blocks(len(of_age)):
            part = values[of_age[rows]].astype(np.float64)
            together[number] += part.T @ part
    return Ages(
        np.bincount(age, minlength=n_ages).astype(np.float64),
        np.diagonal(together, axis1=1, axis2=2).copy(),
        together,
    )


def compare_raw(
    values: Mask, label: npt.NDArray[np.int8], age: Rows, account: Rows, ages: Ages
) -> RawFigures:
    """Conversion with and without each column at the same ages; intervals allow for accounts.

    The difference is a mean over snapshots but for small terms, so its variance is that of the sum over accounts of
    what each snapshot adds to it (its influence).
    """
    width = values.shape[1]
    weights = ages.weights
    result = np.full((4, width), np.nan)
    accounts = np.unique(account, return_inverse=True)[1]
    n_accounts = int(accounts.max()) + 1
    for column in range(width):
        weight = weights[:, column]
        if not weight.any():
            continue
        has = values[:, column]
        used = weight[age] > 0
        own, others = used & has, used & ~has
        n_own = float(own.sum())
        converted = np.bincount(age[others], label[others], len(weight))
        n_others = np.bincount(age[others], minlength=len(weight)).astype(np.float64)
        rate = np.divide(converted, n_others, out=np.zeros_like(converted), where=n_others > 0)
        with_rate, without_rate = float(label[own].mean()), float(weight @ rate)
        influence = np.zeros(len(label))
        influence[own] = (label[own] - with_rate - rate[age[own]] + without_rate) / n_own
        share = np.divide(weight, n_others, out=np.zeros_like(weight), where=n_others > 0)
        influence[others] = -(label[others] - rate[age[others]]) * share[age[others]]
        of_account = np.bincount(accounts, influence, n_accounts)
        error = np.sqrt((of_account**2).sum() * n_accounts / max(1, n_accounts - 1))
        result[:, column] = with_rate, without_rate, with_rate - without_rate, error
    with_rates, without_rates, difference, errors = result
    return RawFigures(
        with_rates, without_rates, Estimates(difference, difference - Z * errors, difference + Z * errors)
    )


def compare_like_leads(
    design: Design, fit: RidgeFit, offset: Floats, comparable: Mask, random_state: int
) -> Estimates:
    """How much likelier leads convert with a column than comparable leads: who are the same in everything else.

    For an event type, the mean over those who have it of their probability less that without it; for a level, of
    their probability less that at the mix of all levels of the attribute.

    Parameters
    ----------
    design : Design
    fit : RidgeFit
        Its first weights are those of the design's columns; others, of the ages, may follow.
    offset : ndarray of float64, shape (n,)
        What all else adds to each snapshot's log-odds: the intercept and its age.
    comparable : ndarray of bool, shape (columns,)
        Whether any two snapshots of one age differ in a column; the others get NaN.
    random_state : int
        Of the 200 draws of the weights from their distribution.
    """
    width = len(design.columns)
    covariance = fit.covariance[:width, :width]
    fitted = fit.weights[:width]
    weights = np.vstack([fitted, _draw_weights(fitted, covariance, random_state)])
    mix = _mixes(design)
    contrast = weights @ mix
    blocks = _attribute_blocks(design)
    shares = design.held.mean(axis=0)
    log_odds = times(design.held, fitted) + offset
    order = _order_by(log_odds, design.held)
    value, drawn = np.empty(width), np.empty((width, len(weights) - 1))
    for block in blocks:
        for column in range(block.start, block.stop):
            has = order[design.held[order, column]]
            value[column] = _mean_effect(log_odds[has, None], weights[:1], column, block, shares)[0]
            some = _spread_evenly(has)
            of_some = design.held[some].astype(np.float64) @ weights[1:].T + offset[some, None]
            drawn[column] = _mean_effect(of_some, weights[1:], column, block, shares)
    value[~comparable] = drawn[~comparable] = np.nan
    errors = np.sqrt(np.einsum("ij,ik,kj->j", mix, covariance, mix))
    low, high = _read_intervals(drawn, contrast[1:].T, contrast[0], _half_widths(blocks) * errors)
    return Estimates(value, low, high)


def _mean_effect(log_odds: Floats, weights: Floats, column: int, block: slice, shares: Floats) -> Floats:
    """The mean effect of a column on rows that have it, under each draw of the weights, shape (draws,).

    Parameters
    ----------
    log_odds : ndarray of shape (rows, draws)
    weights : ndarray of shape (draws, columns)
    column, block : the column, and all those of its attribute.
    shares : ndarray of shape (columns,), of the snapshots that have each column.
    """
    without = log_odds - weights[:, column]
    if block.stop - block.start == 1:  # an event type
        alike = expit(without)
    else:
        alike = np.zeros_like(without)
        for level in range(block.start, block.stop):
            alike += shares[level] * expit(without + weights[:, level])
    effect: Floats = (expit(log_odds) - alike).mean(axis=0)
    return effect


def _order_by(log_odds: Floats, values: Mask) -> Rows:
    """The rows by log-odds, and those of equal ones by what they hold: the same whatever their order was."""
    packed = np.packbits(values, axis=1).astype(np.uint64)
    rng = np.random.default_rng(0)
    factors = rng.integers(1, 2**63, packed.shape[1], dtype=np.uint64)
    code = (packed * factors).sum(axis=1, dtype=np.uint64)
    return np.lexsort((code, np.rint(log_odds * 2**20)))


def _spread_evenly(rows: Rows) -> Rows:
    """So many rows that their mean effect differs from that of all by far less than one draw from the next."""
    if len(rows) <= _ROWS_OF_DRAWS:
        return rows
    return rows[((np.arange(_ROWS_OF_DRAWS) + 0.5) * len(rows) / _ROWS_OF_DRAWS).astype(np.intp)]


def _draw_weights(weights: Floats, covariance: Floats, random_state: int) -> Floats:
    """Draws from the normal distribution of the weights, the same for the same numbers."""
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root: other than a triangular one, it does not depend on the signs and order of the vectors.
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    rng = np.random.default_rng(random_state)
    normal = rng.standard_normal((_DRAWS, len(weights)))
    return np.asarray(weights + normal @ root)


def _attribute_blocks(design: Design) -> list[slice]:
    """The columns of each event type and of each attribute."""
    blocks: list[slice] = []
    for place, column in enumerate(design.columns):
        before = design.columns[place - 1].attribute if place else -1
        if column.attribute >= 0 and column.attribute == before:
            blocks[-1] = slice(blocks[-1].start, place + 1)
        else:
            blocks.append(slice(place, place + 1))
    return blocks


def _mixes(design: Design) -> Floats:
    """What each comparison is in log-odds: columns of weights, one of its own less, for a level, those of the mix."""
    width = len(design.columns)
    mix = np.eye(width)
    shares = design.held.mean(axis=0)
    for block in _attribute_blocks(design):
        if block.stop - block.start > 1:
            mix[block, block] -= shares[block, None]
    return mix


def _half_widths(blocks: list[slice]) -> Floats:
    """Half the width of each interval in standard errors.

    The levels of one attribute are read together, and with eight levels one in three attributes that say nothing has
    a level whose own 95% interval leaves out 0. So their intervals hold all together (Šidák).
    """
    sizes = np.array([block.stop - block.start for block in blocks])
    widths = ndtri(0.5 + 0.5 * 0.95 ** (1 / sizes))
    return np.asarray(np.repeat(widths, sizes))


def _read_intervals(
    effects: Floats, contrast: Floats, center: Floats, half_width: Floats
) -> tuple[Floats, Floats]:
    """The interval of each effect from its draws, shape (columns, draws).

    An effect grows with its contrast of the weights, whose distribution is known exactly. So the ends are read where
    the contrast is half a width from its center, not at the 5th and 195th draw: those would vary from one set of
    draws to the next by a fifth of a standard error.
    """
    ends = np.empty((2, len(effects)))
    for column in range(len(effects)):
        at = center[column] + half_width[column] * np.array([-1.0, 1.0])
        ends[:, column] = np.interp(at, _extend(np.sort(contrast[column])), _extend(np.sort(effects[column])))
    return ends[0], ends[1]


def _extend(ordered: Floats) -> Floats:
    """A point more at each end, as far off as the outermost tenth is wide: a few ends lie outside all 200 draws."""
    tenth = len(ordered) // 10
    low, high = 2 * ordered[0] - ordered[tenth], 2 * ordered[-1] - ordered[-1 - tenth]
    return np.concatenate([[low], ordered, [high]])


class SignalShares(NamedTuple):
    """How much each signal is responsible for.

    Attributes
    ----------
    spread : ndarray of float64, shape (signals,)
        The variance of what it adds to the log-odds, less what noise alone would make of it; negative where noise
        would make more.
    expected : ndarray of float64, shape (signals,)
        What that variance is expected to be, given its standard error and that no variance is negative.
    explained : ndarray of float64, shape (columns, signals)
        Of the difference in log-odds between snapshots with and without a column, at the same ages, what each signal
        accounts for: their sum is the difference.
    apart : ndarray of float64, shape (columns, columns)
        How much more often those with a column have another, at the same ages.
    """

    spread: Floats
    expected: Floats
    explained: Floats
    apart: Floats


def share_of_signals(design: Design, fit: RidgeFit, ages: Ages) -> SignalShares:
    """How much each signal moves the log-odds, and its part in the differences between leads.

    Notes
    -----
    The parts follow Gelbach (2016), "When do covariates matter?", Journal of Labor Economics 34: the mean difference
    of another column times its weight. They add up in log-odds, not in probabilities.

    With weights that are normal around b with covariance V, the variance b′Cb has a standard error whose square is
    2 tr(CVCV) + 4 b′CVCb. What is expected is the mean of a normal distribution of this width around the spread, cut
    off at 0: near the spread where that is sure, and otherwise the larger the less is known. So signals that noise
    explains change places less from one sample to the next than by their spreads.
    """
    width = len(design.columns)
    weights, covariance = fit.weights[:width], fit.covariance[:width, :width]
    n = ages.rows.sum()
    mean = ages.held.sum(axis=0) / n
    spread_together = ages.together.sum(axis=0) / n - np.outer(mean, mean)
    own = np.array([column.signal for column in design.columns])
    spread, error = np.empty((2, len(design.signals)))
    for signal in range(len(design.signals)):
        block = np.ix_(own == signal, own == signal)
        moved = spread_together[block] @ weights[own == signal]
        noise = spread_together[block] @ covariance[block]
        spread[signal] = weights[own == signal] @ moved - np.trace(noise)
        error[signal] = math.sqrt(2 * np.sum(noise * noise.T) + 4 * moved @ covariance[block] @ moved)
    age_weights = ages.weights
    apart = np.zeros((width, width))
    for number, rows in enumerate(ages.rows):
        held = ages.held[number]
        with_it = np.divide(
            ages.together[number], held[:, None], out=np.zeros((width, width)), where=held[:, None] > 0
        )
        lacking = rows - held
        without = np.divide(
            held - ages.together[number],
            lacking[:, None],
            out=np.zeros((width, width)),
            where=lacking[:, None] > 0,
        )
        apart += age_weights[number][:, None] * (with_it - without)
    to_signal = np.zeros((width, len(design.signals)))
    to_signal[np.arange(width), own] = weights
    return SignalShares(spread, _expect_positive(spread, error), apart @ to_signal, apart)


def _expect_positive(value: Floats, error: Floats) -> Floats:
    """The mean of each normal distribution when cut off at 0; an error of 0 leaves the value."""
    sure = error == 0
    width = np.where(sure, 1.0, error)
    share = np.exp(-0.5 * (value / width) ** 2 - log_ndtr(value / width)) / math.sqrt(2 * math.pi)
    return np.where(sure, np.maximum(value, 0.0), value + width * share)
