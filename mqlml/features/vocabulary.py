"""Vocabularies: the words (category values) of a column that get features of their own, and their codes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.journeys.cleaning import spelling_key
from mqlml.types import Codes, Ints, Mask

OTHER = "other"
MISSING = "missing"


@dataclass(frozen=True)
class Words:
    """A column of words: one code for each row (-1 missing) and the text behind each code."""

    codes: npt.NDArray[np.integer]
    text: tuple[str, ...]

    def ranks(self) -> Ints:
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


def respell(column: pd.Series, known: Collection[str]) -> pd.Series:
    """Words as they were spelled when the features were planned, where they differ only in case or spacing.

    Parameters
    ----------
    column : words, one per row.
    known : the words of the plan, one spelling each.
    """
    words = read_words(column)
    planned = frozenset(known)
    strange = [text for text in words.text if text not in planned]
    if not strange:
        return column
    spellings = {spelling_key(word): word for word in known}
    changed = {text: spellings[key] for text in strange if (key := spelling_key(text)) in spellings}
    if not changed:
        return column
    texts = [changed.get(text, text) for text in words.text]
    distinct = sorted(set(texts))
    place = {text: code for code, text in enumerate(distinct)}
    codes = np.array([*(place[text] for text in texts), -1], np.int32)[words.codes]
    respelled = pd.Categorical.from_codes(codes, categories=pd.Index(distinct, dtype="str"))
    return pd.Series(respelled, index=column.index)


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
        """The word of each slot. The words "other" and "missing" themselves have no further slot."""
        return (*self.words, OTHER, *((MISSING,) if self.missing else ()))

    def look_up(self, words: Words, counts: Callable[[str], bool] = lambda _: True) -> Codes:
        """Slot of each code, the last entry that of a missing word; -1 for words that do not count here."""
        slot = {word: i for i, word in enumerate(self.slots)}
        other = slot[OTHER]
        table = [slot.get(text, other) if counts(text) else -1 for text in words.text]
        return np.array([*table, slot.get(MISSING, other)], np.int32)


@dataclass(frozen=True)
class WordCounts:
    """How many rows hold each word, and how many hold none. Those of several parts of a table add up."""

    seen: dict[str, int]
    missing: int

    def __add__(self, other: WordCounts) -> WordCounts:
        seen = dict(self.seen)
        for word, number in other.seen.items():
            seen[word] = seen.get(word, 0) + number
        return WordCounts(seen, self.missing + other.missing)


def count_words(column: pd.Series, rows: Mask) -> WordCounts:
    """The words of a column among ``rows``; those that no such row holds are left out."""
    words = read_words(column)
    codes = words.codes[rows]
    seen = np.bincount(codes[codes >= 0], minlength=len(words.text)).tolist()
    missing = len(codes) - sum(seen)
    return WordCounts(
        {text: number for text, number in zip(words.text, seen, strict=True) if number}, missing
    )


def learn_vocabulary(
    counts: WordCounts, *, most: int, include: Callable[[str], bool] = lambda _: True
) -> Vocabulary:
    """The ``most`` frequent words, of those that are included."""
    ranked = sorted(
        (-number, text)
        for text, number in counts.seen.items()
        if include(text) and text not in (OTHER, MISSING)
    )
    return Vocabulary(tuple(text for _, text in ranked[:most]), counts.missing > 0 or MISSING in counts.seen)
