"""How much of each part: forward log-odds of trees and of the logistic part go in, their weights come out.

Few conversions speak for a simple model, many for a rich one, none at all for the base rate; which of them is the
case is read off predictions of later leads, the only ones on which a rich model has no head start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["Blend", "choose_blend"]

FloatArray = npt.NDArray[np.float64]

# Before any evidence: half and half, and the weights are believed within about this much of it. On 40 to 60 forward
# conversions the data then say more than the belief does.
_DEFAULT = 0.5
_BELIEF = 0.35

_LEAST = 0.05
"""A part with less weight than this is left out: it would cost a fit and change hardly any score."""


@dataclass(frozen=True)
class Blend:
    """The weights, and the forward log loss (nats per row) of each part alone and of the blend.

    Each loss is that after a shift of all log-odds, as the calibration makes one; the base rate's is without.

    Attributes
    ----------
    shift : float
        That of the blend.
    """

    tree_weight: float
    linear_weight: float
    base_rate_loss: float
    tree_loss: float
    linear_loss: float
    blend_loss: float
    shift: float

    def mix(self, prior: FloatArray, trees: FloatArray, linear: FloatArray) -> FloatArray:
        """The blend's log-odds, as `LeadScorer` makes them from its parts."""
        held_back = 1.0 - self.tree_weight - self.linear_weight
        return held_back * prior + self.tree_weight * trees + self.linear_weight * linear


def choose_blend(
    prior: npt.ArrayLike,
    trees: npt.ArrayLike,
    linear: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    group: npt.ArrayLike,
) -> Blend:
    """Weights of least forward log loss, 0 or above, held towards one half each.

    The weights ``w`` minimise ``Σ loss(prior + w₁ (trees − prior) + w₂ (linear − prior) + shift) · g/n +
    |w − ½|² / (2 · 0.35²)``, a convex problem: logistic stacking with a normal prior on its weights. ``g/n`` is the
    number of accounts or leads over that of rows, so that five looks at one lead do not pass for five leads.

    D. H. Wolpert, "Stacked generalization", Neural Networks 5, 1992; L. Breiman, "Stacked regressions", Machine
    Learning 24, 1996, for weights that are not below 0.

    Parameters
    ----------
    prior, trees, linear : arrays of shape (n,)
        Log-odds for rows that no part has learned from; ``prior`` is the base rate then known.
    y : array of shape (n,), 0 or 1, both present
    group : array of shape (n,)
        The account, or else the lead, of each row.
    """
    start = np.asarray(prior, dtype=np.float64)
    moves = np.column_stack([np.asarray(part, dtype=np.float64) - start for part in (trees, linear)])
    target = np.asarray(y, dtype=np.float64)
    share = len(np.unique(np.asarray(group))) / len(target)

    def losses(weights: FloatArray, shift: float) -> FloatArray:
        log_odds = start + moves @ weights + shift
        loss: FloatArray = np.logaddexp(0.0, log_odds) - target * log_odds
        return loss

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        weights, shift = point[:2], point[2]
        error = expit(start + moves @ weights + shift) - target
        away = weights - _DEFAULT
        value = share * float(losses(weights, shift).sum()) + 0.5 * float(away @ away) / _BELIEF**2
        gradient = share * np.append(error @ moves, error.sum()) + np.append(away / _BELIEF**2, 0.0)
        return value, gradient

    def best(fixed: dict[int, float]) -> FloatArray:
        bounds = [(fixed.get(i, 0.0), fixed.get(i)) for i in range(2)]
        found: Any = minimize(
            objective,
            np.array([fixed.get(0, _DEFAULT), fixed.get(1, _DEFAULT), 0.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[*bounds, (None, None)],
            options={"ftol": 1e-12, "gtol": 1e-8},
        )
        point: FloatArray = found.x
        return point

    chosen = np.round(best({})[:2], 2)
    chosen[chosen < _LEAST] = 0.0
    alone = {name: best(dict(enumerate(w))) for name, w in (("trees", (1.0, 0.0)), ("linear", (0.0, 1.0)))}
    blended = best(dict(enumerate(chosen.tolist())))
    return Blend(
        tree_weight=float(chosen[0]),
        linear_weight=float(chosen[1]),
        base_rate_loss=float(losses(np.zeros(2), 0.0).mean()),
        tree_loss=float(losses(alone["trees"][:2], alone["trees"][2]).mean()),
        linear_loss=float(losses(alone["linear"][:2], alone["linear"][2]).mean()),
        blend_loss=float(losses(blended[:2], blended[2]).mean()),
        shift=float(blended[2]),
    )
