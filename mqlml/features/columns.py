"""Columns: features and what fills their columns go together as a piece, and a piece is handed its own columns only.

Where a piece's columns begin follows from the features of the pieces before it, so nobody counts them by hand; and
what fills them must fill as many as there are features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mqlml.features.catalogue import Feature
from mqlml.types import Codes, Floats32, Ints

__all__ = ["Columns", "Given", "Piece", "features_of", "lay_out"]

Given = Literal["walk", "leads", "journeys"]
"""What a piece is made from: the events of one walk, leads and history, or leads and events together."""


@dataclass(frozen=True)
class Piece:
    """Some features, and what fills their columns.

    Attributes
    ----------
    features : in the order of the columns: numbers, or one category.
    write : ``write(given, columns)`` fills the columns of all features.
    given : what ``write`` is given: what the builder makes of a walk or of the journeys, or for leads the `Source`.
    """

    features: tuple[Feature, ...]
    write: Callable[[Any, Columns], None]
    given: Given = "walk"


class Columns:
    """The columns of one piece, to be filled.

    Attributes
    ----------
    place : slice
        Where they stand among the numbers; empty for a category.
    codes : int32 array (snapshots,)
        Of a category, positions in ``words``; -1 is missing.
    words : tuple of str
        Of a category, the texts.
    """

    def __init__(self, features: tuple[Feature, ...], numbers: Floats32, place: slice) -> None:
        self.features = features
        self.place = place
        self.codes: Codes = np.full(len(numbers) if self.is_category else 0, -1, np.int32)
        self.words: tuple[str, ...] = ()
        self._numbers = numbers

    @property
    def is_category(self) -> bool:
        """Whether these are the column of one category."""
        return [feature.kind for feature in self.features] == ["category"]

    def fill(self, rows: Ints | slice, *values: npt.NDArray[np.number]) -> None:
        """Write the columns of some snapshots: ``values`` have one row for each, and stand side by side.

        Raises
        ------
        ValueError
            If they are not as many columns as features.
        """
        widths = [1 if part.ndim == 1 else part.shape[1] for part in values]
        self._check(sum(widths))
        edges = pairwise(accumulate(widths, initial=self.place.start))
        for part, (low, high) in zip(values, edges, strict=True):
            self._numbers[rows, low:high] = part[:, np.newaxis] if part.ndim == 1 else part

    def target(self, width: int) -> tuple[Floats32, int]:
        """Where a compiled function writes: the numbers of all features, and the first column of these.

        Raises
        ------
        ValueError
            If the ``width`` that it fills is not the number of features.
        """
        self._check(width)
        return self._numbers, self.place.start

    def fill_category(self, rows: Ints | npt.NDArray[np.bool_], codes: Codes, words: tuple[str, ...]) -> None:
        """Write the category of some snapshots; ``words`` are the same in every call.

        Raises
        ------
        ValueError
            If these are not the column of one category.
        """
        if not self.is_category:
            raise ValueError(f"the columns of {self.features[0].name!r} are no category")
        self.codes[rows] = codes
        self.words = words

    def _check(self, width: int) -> None:
        if any(feature.kind == "category" for feature in self.features) or width != len(self.features):
            names = ", ".join(feature.name for feature in self.features[:3])
            raise ValueError(f"{width} columns are written for {len(self.features)} features: {names}, …")


def features_of(pieces: Iterable[Piece]) -> tuple[Feature, ...]:
    """The features of some pieces in order."""
    return tuple(feature for piece in pieces for feature in piece.features)


def lay_out(pieces: Sequence[Piece], rows: int) -> tuple[Floats32, list[Columns]]:
    """One array for the numbers of all pieces, all missing, and each piece's columns of it."""
    widths = [sum(feature.kind == "number" for feature in piece.features) for piece in pieces]
    numbers: Floats32 = np.full((rows, sum(widths)), np.nan, np.float32)
    edges = pairwise(accumulate(widths, initial=0))
    places = [slice(low, high) for low, high in edges]
    return numbers, [
        Columns(piece.features, numbers, place) for piece, place in zip(pieces, places, strict=True)
    ]
