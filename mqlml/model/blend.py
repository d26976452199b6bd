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

from mqlml.types import Floats

__all__ = ["Blend", "choose_blend"]

# Before any evidence: half and half, and the weights are believed within about this much of it. On 40 to 60 forward
# conversions the data then say more than the belief does.
_DEFAULT = 0.5
_BELIEF = 0.35

_LEAST = 0.05
"""A part with less weight than this is left out: it would cost a fit and change hardly any score."""


_FIRST_GUESS = 0.35
"""Before any evidence, the share of the log-odds that is optimism is believed to be 0, within about this much."""


@dataclass(frozen=True)
class Blend:
    """The weights, and the forward log loss (nats per row) of each part alone and of the blend.

    Each loss is that after a shift of all log-odds, as the calibration makes one; the base rate's is without.

    Attributes
    ----------
    tree_weight, linear_weight : float
        For parts that learned from endlessly many conversions; `weights` has those for as many as there are.
    optimism : float
        In conversions: parts that learned from n of them are held back by the share ``optimism / n``.
    shift : float
        That of the blend.
    """

    tree_weight: float
    linear_weight: float
    optimism: float
    base_rate_loss: float
    tree_loss: float
    linear_loss: float
    blend_loss: float
    shift: float

    def weights(self, learned: float) -> dict[str, float]:
        """What `LeadScorer` calls the weights, for parts that learn from so many conversions."""
        kept = max(0.0, 1.0 - self.optimism / learned)
        named = {"tree_weight": kept * self.tree_weight, "linear_weight": kept * self.linear_weight}
        return {name: round(weight, 3) if weight >= _LEAST else 0.0 for name, weight in named.items()}

    def mix(self, prior: Floats, trees: Floats, linear: Floats, *, learned: Floats) -> Floats:
        """The blend's log-odds, each row with the weights of a model that ``learned`` from so many conversions."""
        kept = np.maximum(0.0, 1.0 - self.optimism / learned)
        moved = self.tree_weight * (trees - prior) + self.linear_weight * (linear - prior)
        mixed: Floats = prior + kept * moved
        return mixed


def choose_blend(
    prior: npt.ArrayLike,
    trees: npt.ArrayLike,
    linear: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    group: npt.ArrayLike,
    learned: npt.ArrayLike,
) -> Blend:
    """Weights of least forward log loss, 0 or above and held towards one half each, and the parts' optimism.

    The log-odds are ``prior + (1 − c/n) (w₁ (trees − prior) + w₂ (linear − prior)) + shift``, n being the conversions
    that the row's model learned from. A model says more than later data bear out, the more so the fewer conversions
    it learned from: the share that stands is ``1 − c/n``, as in J. C. van Houwelingen, S. le Cessie, "Predictive
    value of statistical models", Statistics in Medicine 9, 1990. Early folds learn from a fraction of what the model
    that ships learns from; without c their optimism would hold that one back as well.

    ``w`` and ``c`` minimise ``Σ loss · g/n + (|w − ½|² + (c/n̄)²) / (2 · 0.35²)``, n̄ the harmonic mean of n: logistic
    stacking with a normal prior on its weights. ``g/n`` is the number of accounts or leads over that of rows, so that
    five looks at one lead do not pass for five leads.

    D. H. Wolpert, "Stacked generalization", Neural Networks 5, 1992; L. Breiman, "Stacked regressions", Machine
    Learning 24, 1996, for weights that are not below 0.

    Parameters
    ----------
    prior, trees, linear : arrays of shape (n,)
        Log-odds for rows that no part has learned from; ``prior`` is the base rate then known.
    y : array of shape (n,), 0 or 1, both present
    group : array of shape (n,)
        The account, or else the lead, of each row.
    learned : array of shape (n,), above 0
        How many conversions the row's model learned from.
    """
    start = np.asarray(prior, dtype=np.float64)
    moves = np.column_stack([np.asarray(part, dtype=np.float64) - start for part in (trees, linear)])
    target = np.asarray(y, dtype=np.float64)
    share = len(np.unique(np.asarray(group))) / len(target)
    known = np.asarray(learned, dtype=np.float64)
    typical = 1.0 / float((1.0 / known).mean())
    held = typical / known
    most = 0.9 / float(held.max())

    def log_odds(point: Floats) -> tuple[Floats, Floats, Floats]:
        moved, kept = moves @ point[:2], 1.0 - point[2] * held
        return start + kept * moved + point[3], moved, kept

    def losses(point: Floats) -> Floats:
        odds, _, _ = log_odds(point)
        loss: Floats = np.logaddexp(0.0, odds) - target * odds
        return loss

    def objective(point: Floats) -> tuple[float, Floats]:
        odds, moved, kept = log_odds(point)
        error = expit(odds) - target
        away = np.append(point[:2] - _DEFAULT, point[2])
        belief = np.array([_BELIEF, _BELIEF, _FIRST_GUESS])
        value = share * float(losses(point).sum()) + 0.5 * float(((away / belief) ** 2).sum())
        gradient = share * np.array([*((error * kept) @ moves), -(error * held) @ moved, error.sum()])
        gradient[:3] += away / belief**2
        return value, gradient

    def best(fixed: dict[int, float]) -> Floats:
        first = np.array([_DEFAULT, _DEFAULT, 0.0, 0.0])
        bounds: list[tuple[float | None, float | None]] = [
            (0.0, None),
            (0.0, None),
            (0.0, most),
            (None, None),
        ]
        for place, value in fixed.items():
            first[place], bounds[place] = value, (value, value)
        found: Any = minimize(
            objective,
            first,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-12, "gtol": 1e-8},
        )
        point: Floats = found.x
        return point

    free = best({})
    chosen = {
        place: round(float(weight), 2) if weight >= _LEAST else 0.0 for place, weight in enumerate(free[:2])
    }
    blended = best(chosen)
    trees_alone, linear_alone = best({0: 1.0, 1: 0.0}), best({0: 0.0, 1: 1.0})
    return Blend(
        tree_weight=chosen[0],
        linear_weight=chosen[1],
        optimism=float(blended[2]) * typical,
        base_rate_loss=float(losses(np.zeros(4)).mean()),
        tree_loss=float(losses(trees_alone).mean()),
        linear_loss=float(losses(linear_alone).mean()),
        blend_loss=float(losses(blended).mean()),
        shift=float(blended[3]),
    )
