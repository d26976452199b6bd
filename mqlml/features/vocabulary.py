"""Vocabularies: which words of a column get features of their own; a categorical column goes in, codes come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["MISSING", "OTHER", "Vocabulary", "Words", "learn_vocabulary", "read_words"]

OTHER = "other"
MISSING = "missing"


@dataclass(frozen=True)
class Words:
    """A column of words: one code for each row (-1 missing) and the text behind each code."""

    codes: npt.NDArray[np.integer]
    text: tuple[str, ...]

    def ranks(self) -> npt.NDArray[np.int64]:
        """Place of each code in the order of the texts, from 1; the last entry, 0, is for a missing word.

        Codes depend on how the table was read or cut; these do not change an order between rows.
        """
        ranks = np.zeros(len(self.text) + 1, np.int64)
        ranks[sorted(range(len(self.text)), key=self.text.__getitem__)] = np.arange(1, len(self.text) + 1)
        return ranks


def read_words(column: pd.Series) -> Words:
    """The codes and texts of a column, whether it is categorical yet or not."""
    words = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
    return Words(words.cat.codes.to_numpy(), tuple(str(text) for text in words.cat.categories))


@dataclass(frozen=True)
class Vocabulary:
    """The words with a slot of their own, in order; every further word shares the slot ``other``.

    Attributes
    ----------
    words : tuple of str
        Most frequent first, equal ones in alphabetical order.
    missing : bool
        Whether rows without a word have a slot too (after ``other``), or fall into ``other``.
    """

    words: tuple[str, ...]
    missing: bool

    @property
    def slots(self) -> tuple[str, ...]:
        """The word of each slot. The words "other" and "missing" themselves never have another one."""
        return (*self.words, OTHER, *((MISSING,) if self.missing else ()))

    def look_up(self, words: Words, counts: Callable[[str], bool] = lambda _: True) -> npt.NDArray[np.int32]:
        """Slot of each code, the last entry that of a missing word; -1 for words that do not count here."""
        slot = {word: i for i, word in enumerate(self.slots)}
        other = slot[OTHER]
        table = [slot.get(text, other) if counts(text) else -1 for text in words.text]
        return np.array([*table, slot.get(MISSING, other)], np.int32)


def learn_vocabulary(
    words: Words,
    rows: npt.NDArray[np.bool_] | None,
    *,
    most: int,
    counts: Callable[[str], bool] = lambda _: True,
) -> Vocabulary:
    """The ``most`` frequent words among ``rows`` (all where None), of those that count here."""
    codes = words.codes if rows is None else words.codes[rows]
    seen = np.bincount(codes[codes >= 0], minlength=len(words.text))
    ranked = sorted(
        (-int(number), text)
        for number, text in zip(seen, words.text, strict=True)
        if number and counts(text) and text not in (OTHER, MISSING)
    )
    missing = bool((codes < 0).any()) or any(
        number and text == MISSING for number, text in zip(seen, words.text, strict=True)
    )
    return Vocabulary(tuple(text for _, text in ranked[:most]), missing)
