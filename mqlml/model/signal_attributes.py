"""Attributes as levels: which levels an attribute has, and which attributes tell the same.

Attributes that determine each other (number of employees and size of the company) are one signal, and one of them
speaks for all: a text before a number, and what is known of more leads before what is known of fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from mqlml.features import Family
from mqlml.types import Floats, Mask, Rows

__all__ = ["LEAST_SNAPSHOTS", "Attribute", "SignalKey", "find_levels", "group_attributes", "read_attribute"]

LEAST_SNAPSHOTS = 50
"""An event type or a level that fewer snapshots have is not evaluated alone."""

_BANDS = 5
"""A number is cut into this many bands of equally many snapshots."""

_FEW_VALUES = 6
"""A number with up to this many different values has each of them as a level."""

_NEARLY_ALL = 0.98
"""One attribute determines another if it saves this share of the errors of always guessing the commonest level."""

OTHER, MISSING = "other", "missing"


class SignalKey(NamedTuple):
    """Which signal: the family of its features, and what is counted or known."""

    family: Family
    what: str


@dataclass(frozen=True)
class Attribute:
    """An attribute as codes of its levels (-1 missing), most frequent texts first, numbers from low to high."""

    name: str
    key: SignalKey
    codes: Rows
    levels: tuple[str, ...]
    number: Floats | None

    @property
    def missing(self) -> int:
        return int((self.codes < 0).sum())


def read_attribute(name: str, key: SignalKey, values: pd.Series) -> Attribute:
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        codes, levels = _band(numbers)
        return Attribute(name, key, codes, levels, numbers)
    codes, texts = pd.factorize(values, sort=True)
    return Attribute(name, key, codes.astype(np.intp), tuple(str(text) for text in texts), None)


def _band(numbers: Floats) -> tuple[Rows, tuple[str, ...]]:
    """Bands of equally many snapshots, or single values where there are few."""
    known = ~np.isnan(numbers)
    different = np.unique(numbers[known])
    codes = np.full(len(numbers), -1, dtype=np.intp)
    if len(different) <= _FEW_VALUES:
        codes[known] = np.searchsorted(different, numbers[known])
        return codes, tuple(f"{value:g}" for value in different)
    edges = np.unique(
        np.quantile(numbers[known], np.arange(1, _BANDS) / _BANDS, method="inverted_cdf")
    )  # the upper end of each band but the last
    codes[known] = np.searchsorted(edges, numbers[known], side="left")
    lowest = [
        float(different[0]),
        *(float(different[np.searchsorted(different, e, "right")]) for e in edges if e < different[-1]),
    ]
    highest = [*(float(edge) for edge in edges[: len(lowest) - 1]), float(different[-1])]
    return codes, tuple(f"{low:.4g} to {high:.4g}" for low, high in zip(lowest, highest, strict=True))


def find_levels(attribute: Attribute) -> Iterator[tuple[str, bool, Mask]]:
    """Each level with snapshots enough, what is missing as one of them, and the others together."""
    codes = np.where(attribute.codes < 0, len(attribute.levels), attribute.codes)
    counts = np.bincount(codes, minlength=len(attribute.levels) + 1)
    names = (*attribute.levels, MISSING)
    for code in np.flatnonzero(counts >= LEAST_SNAPSHOTS):
        yield names[code], False, codes == code
    rare = counts < LEAST_SNAPSHOTS
    if counts[rare].sum() > 0:
        yield OTHER, True, rare[codes]


def group_attributes(
    attributes: Sequence[Attribute],
) -> tuple[list[tuple[tuple[SignalKey, ...], list[Attribute]]], list[str]]:
    """The signals of attributes, as keys and the attributes that speak for them; and the names of constant ones."""
    ranked = sorted(
        attributes, key=lambda one: (one.number is not None, one.missing, one.key, one.name)
    )  # who speaks: a text before a number, what is known of more leads before others
    constant = [one.name for one in ranked if len(list(find_levels(one))) < 2]
    ranked = [one for one in ranked if one.name not in constant]
    speaker = list(range(len(ranked)))
    for later in range(len(ranked)):
        for earlier in range(later):
            if speaker[earlier] != speaker[later] and _same(ranked[earlier], ranked[later]):
                low, high = sorted((speaker[earlier], speaker[later]))
                speaker = [low if place == high else place for place in speaker]
    # Signals of the same key belong together, and so do those that an attribute of each ties to one another.
    first: dict[SignalKey, SignalKey] = {}
    for place, one in enumerate(ranked):
        own, other = _root(first, ranked[speaker[place]].key), _root(first, one.key)
        first[other] = first[own] = own
    groups: dict[SignalKey, tuple[list[SignalKey], list[Attribute]]] = {}
    for place, one in enumerate(ranked):
        keys, speakers = groups.setdefault(_root(first, one.key), ([_root(first, one.key)], []))
        if one.key not in keys:
            keys.append(one.key)
        if speaker[place] == place and not any(
            _saved_errors(other.codes, one.codes) >= _NEARLY_ALL for other in speakers if other.key == one.key
        ):
            speakers.append(one)
    return [
        (tuple(keys), speakers) for keys, speakers in sorted(groups.values(), key=lambda group: group[0][0])
    ], constant


def _root(first: dict[SignalKey, SignalKey], key: SignalKey) -> SignalKey:
    while first.get(key, key) != key:
        key = first[key]
    return key


def _same(one: Attribute, other: Attribute) -> bool:
    """Whether two attributes determine each other, where both are known of most leads that have either."""
    both = (one.codes >= 0) & (other.codes >= 0)
    least = min(len(both) - one.missing, len(both) - other.missing)
    if both.sum() < max(LEAST_SNAPSHOTS, least / 2):
        return False
    if one.number is None and other.number is None:
        return (
            min(_saved_errors(one.codes, other.codes), _saved_errors(other.codes, one.codes)) >= _NEARLY_ALL
        )
    if one.number is not None and other.number is not None:
        ranks = pd.DataFrame({"one": one.number[both], "other": other.number[both]}).rank()
        return bool(abs(ranks["one"].corr(ranks["other"])) >= 1 - (1 - _NEARLY_ALL) / 2)
    number, codes = (one.number, other.codes) if one.number is not None else (other.number, one.codes)
    assert number is not None, "one of the two is a number"
    return _is_banding(number[both], codes[both])


def _saved_errors(known: Rows, guessed: Rows) -> float:
    """How much better one attribute's level is guessed from another's: Goodman and Kruskal's lambda, 0 to 1."""
    both = (known >= 0) & (guessed >= 0)
    if not both.any():
        return 0.0
    width = int(guessed.max()) + 1
    counts = np.bincount(known[both] * width + guessed[both], minlength=(int(known.max()) + 1) * width)
    table = counts.reshape(-1, width)
    errors = both.sum() - table.sum(axis=0).max()
    return 0.0 if errors == 0 else float(1 - (both.sum() - table.max(axis=1).sum()) / errors)


def _is_banding(number: Floats, codes: Rows) -> bool:
    """Whether each level of a text is a stretch of the number that no other level reaches into."""
    spans = pd.DataFrame({"number": number, "level": codes}).groupby("level")["number"].agg(["min", "max"])
    spans = spans.sort_values(["min", "max"])
    return len(spans) > 1 and bool((spans["max"].to_numpy()[:-1] < spans["min"].to_numpy()[1:]).all())
