"""Join words that differ only in case or spacing, so that ``Demo``, ``demo`` and ``demo `` are one action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.journeys.notices import Notice

__all__ = ["choose_spellings", "join_spellings", "spelling_key"]

_SHOWN = 5


def spelling_key(word: str) -> str:
    """A form that is equal for words that differ only in case or spacing.

    >>> spelling_key("Page  View") == spelling_key("pageview")
    True
    """
    return "".join(word.split()).casefold()


def choose_spellings(words: Sequence[str]) -> list[str]:
    """For each word the plainest of its spellings: that with the fewest capitals, then the shortest.

    How often each occurs does not count, or another table, or a part of this one, would choose another.
    """
    spellings: dict[str, list[str]] = {}
    for word in words:
        spellings.setdefault(spelling_key(word), []).append(word)
    best = {
        key: " ".join(min(several, key=_plainness).split()) if len(several) > 1 else several[0]
        for key, several in spellings.items()
    }
    return [best[spelling_key(word)] for word in words]


def _plainness(word: str) -> tuple[int, int, str]:
    return sum(letter.isupper() for letter in word), len(word), word


def join_spellings(
    words: pd.Categorical, table: str, column: str, lead: npt.NDArray[np.int32]
) -> tuple[pd.Categorical, Notice | None]:
    """The words with one spelling each, and what was joined.

    Parameters
    ----------
    lead : a number for the lead of each row.
    """
    texts = [str(text) for text in words.categories]
    codes = np.asarray(words.codes)
    chosen = choose_spellings(texts)
    if chosen == texts:
        return words, None
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    distinct = sorted(set(chosen))
    place = {text: code for code, text in enumerate(distinct)}
    lookup = np.array([*(place[text] for text in chosen), -1], dtype=np.int32)
    other = np.array([*(a != b for a, b in zip(texts, chosen, strict=True)), False])[codes]
    joined = sorted(
        (-count, text) for text, new, count in zip(texts, chosen, counts.tolist(), strict=True) if text != new
    )
    notice = Notice(
        "spellings",
        table,
        column,
        int(other.sum()),
        len(np.unique(lead[other])),
        tuple(text for _, text in joined[:_SHOWN]),
    )
    return pd.Categorical.from_codes(lookup[codes], categories=pd.Index(distinct, dtype="str")), notice
