"""Partial pooling: what groups of leads are worth, small groups drawn towards what groups are usually worth.

Every draw is one set of values that the data allows, its hyperparameters included, so the spread of the draws is all
of the uncertainty: that of the groups themselves and of how much groups differ.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, expit, logit

from mqlml.types import Floats

__all__ = ["draw_amounts", "draw_rates"]

_POINTS = 40
_NEGLIGIBLE = 1e-6
"""Share of the largest density below which a grid need not reach."""

_LEAST_SHAPE = 0.5
"""Smallest first parameter of the beta distribution of rates: rates of groups vary by up to 1.4 times their mean."""

_WIDEST_SPREAD = 5.0

_PENALTY = -np.log(0.2)
"""Rate of the exponential prior of the spread between groups, relative to their mean: above 1 with 20% probability.
It penalizes complexity: groups are alike unless the data says otherwise (D. Simpson et al., "Penalising model
component complexity", Statistical Science 32, 2017)."""


def draw_rates(wins: Floats, trials: Floats, n_draws: int, rng: np.random.Generator) -> Floats:
    """Draw the rates of groups from their posterior under a beta-binomial model.

    ``wins ~ Binomial(trials, rate)`` and ``rate ~ Beta(a, a / mean - a)``, as A. Gelman et al., "Bayesian Data
    Analysis", 3rd edition, section 5.3. The prior is uniform on the mean and exponential on ``a ** -0.5``, which is
    about the spread of the rates relative to their mean.

    Parameters
    ----------
    wins, trials : arrays of shape (n_groups,)
        Need not be whole: numbers of independent leads that clustered ones are worth. A group may have none.
    n_draws : int
    rng : numpy Generator

    Returns
    -------
    array of shape (n_draws, n_groups)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rates = draw_rates(np.array([100.0, 95, 1]), np.array([1000.0, 1000, 3]), 4000, rng)
    >>> rates.mean(axis=0).round(2).tolist()  # one win in three leads is no 33%
    [0.1, 0.1, 0.12]
    """
    losses = trials - wins

    def log_density(mean: Floats, log_shape: Floats) -> Floats:
        rate, shape = expit(mean)[:, None], np.exp(log_shape)[None, :]
        rest = shape * (1 - rate) / rate
        spread = shape**-0.5
        found = np.log(rate * (1 - rate) * spread) - _PENALTY * spread
        for won, lost in zip(wins.tolist(), losses.tolist(), strict=True):
            if won or lost:
                found += betaln(shape + won, rest + lost) - betaln(shape, rest)
        return np.asarray(found)

    middle = float(logit((wins.sum() + 0.5) / (trials.sum() + 1)))
    means = np.linspace(middle - 5, middle + 5, _POINTS)
    shapes = np.linspace(np.log(_LEAST_SHAPE), np.log(trials.sum() + 10) + 3, _POINTS)
    for _ in range(4):  # the grid closes in on where the density is
        density = log_density(means, shapes)
        density = np.exp(density - density.max())
        means, shapes = _narrow(means, density.max(axis=1)), _narrow(shapes, density.max(axis=0))
    density = log_density(means, shapes)
    density = np.exp(density - density.max())
    cell = rng.choice(density.size, n_draws, p=(density / density.sum()).ravel())
    row, column = np.unravel_index(cell, density.shape)
    # A draw lies anywhere in its cell.
    rate = expit(_spread(means, row, rng))[:, None]
    shape = np.exp(np.maximum(_spread(shapes, column, rng), np.log(_LEAST_SHAPE)))[:, None]
    return np.asarray(rng.beta(shape + wins, shape * (1 - rate) / rate + losses))


def draw_amounts(
    mean_log: Floats, sales: Floats, variance: float, freedom: float, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Draw the means of groups' log amounts from their posterior under a normal model.

    ``mean_log ~ Normal(group, variance / sales)`` and ``group ~ Normal(middle, spread)``, as A. Gelman et al.,
    "Bayesian Data Analysis", 3rd edition, section 5.4, with an exponential prior of the spread.

    Parameters
    ----------
    mean_log : array of shape (n_groups,)
        Read where a group has sales.
    sales : array of shape (n_groups,)
        Number of independent sales; at least one group has some.
    variance, freedom : the variance of log amounts within groups, and its degrees of freedom.

    Returns
    -------
    array of shape (n_draws, n_groups)
    """
    known = sales > 0
    seen, number = mean_log[known], sales[known]
    spreads = np.linspace(0, _WIDEST_SPREAD, 500)
    precision = 1 / (variance / number[None, :] + spreads[:, None] ** 2)
    total = precision.sum(axis=1)
    middle = (precision * seen).sum(axis=1) / total
    density = (
        0.5 * np.log(precision).sum(axis=1)
        - 0.5 * np.log(total)
        - 0.5 * (precision * (seen - middle[:, None]) ** 2).sum(axis=1)
        - _PENALTY * spreads
    )
    weight = np.exp(density - density.max())
    at = rng.choice(len(spreads), n_draws, p=weight / weight.sum())
    step = spreads[1] - spreads[0]
    spread = np.abs(spreads[at] + step * (rng.random(n_draws) - 0.5))[:, None]
    within = (variance * freedom / rng.chisquare(freedom, n_draws))[:, None]
    precision = 1 / (within / number[None, :] + spread**2)
    total = precision.sum(axis=1, keepdims=True)
    centre = (precision * seen).sum(axis=1, keepdims=True) / total
    centre = centre + rng.standard_normal((n_draws, 1)) / np.sqrt(total)
    own = np.where(known, sales, 0.0)[None, :] / within
    prior = 1 / np.maximum(spread, 1e-9) ** 2
    value = (own * np.where(known, mean_log, 0.0) + prior * centre) / (own + prior)
    return np.asarray(value + rng.standard_normal(value.shape) / np.sqrt(own + prior))


def _narrow(points: Floats, density: Floats) -> Floats:
    inside = np.flatnonzero(density > _NEGLIGIBLE)
    low, high = max(inside[0] - 1, 0), min(inside[-1] + 1, len(points) - 1)
    return np.linspace(points[low], points[high], _POINTS)


def _spread(points: Floats, at: np.ndarray, rng: np.random.Generator) -> Floats:
    return np.asarray(points[at] + (points[1] - points[0]) * (rng.random(len(at)) - 0.5))
