"""Rank metrics for many weightings at once: one sort of the scores goes in, ROC AUC and average precision come out.

Rows of equal score form one step: nothing in the score tells them apart, so no order among them is assumed.
"""

from __future__ import annotations

import numpy as np

from mqlml.types import Floats

__all__ = ["Ranking"]


class Ranking:
    """Scores in falling order, with the first row of each step of equal scores.

    Parameters
    ----------
    y : array of shape (n,), 0 or 1
    score : array of shape (n,)
    """

    def __init__(self, y: Floats, score: Floats) -> None:
        self.order = np.argsort(-score, kind="stable")
        falling = score[self.order]
        self._starts = np.flatnonzero(np.append(True, falling[1:] != falling[:-1]))
        self._converted = y[self.order]

    def measure(self, weight: Floats) -> tuple[Floats, Floats]:
        """ROC AUC and average precision under each row of weights.

        Parameters
        ----------
        weight : ndarray of shape (weightings, n)
            Not negative, in the order of the constructor's arrays.

        Returns
        -------
        Two ndarrays of shape (weightings,); NaN where one class has no weight. Both as scikit-learn defines them: the
        AUC counts a tie as half, the average precision is the step-wise sum without interpolation.
        """
        ordered = weight[:, self.order]
        rows = np.add.reduceat(ordered, self._starts, axis=1)
        wins = np.add.reduceat(ordered * self._converted, self._starts, axis=1)
        losses = rows - wins
        total_wins, total_losses = wins.sum(axis=1), losses.sum(axis=1)
        below = total_losses[:, None] - np.cumsum(losses, axis=1)
        selected = np.cumsum(rows, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            auc = (wins * (below + losses / 2)).sum(axis=1) / (total_wins * total_losses)
            # A step before the first weight has neither rows nor wins, and adds nothing.
            precision = np.cumsum(wins, axis=1) / np.where(selected > 0, selected, 1.0)
            average_precision = (wins * precision).sum(axis=1) / total_wins
        one_class = (total_wins <= 0) | (total_losses <= 0)
        return np.where(one_class, np.nan, auc), np.where(one_class, np.nan, average_precision)
