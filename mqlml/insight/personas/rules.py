"""What sets a segment of leads apart: its name in words, and conditions that a config can hold it to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from mqlml.features.wording import format_word, upper_first
from mqlml.insight.personas.profiles import ProfileColumn
from mqlml.insight.personas.segments import Category
from mqlml.results import Number, Result
from mqlml.texts import normalize_name
from mqlml.types import Mask

__all__ = ["PersonaCondition", "PersonaTrait", "Rule", "find_rule", "find_traits", "make_key", "name_persona"]

_LEAST_SHARE, _LEAST_RATIO = 0.25, 1.2
"""A trait holds for at least this share of a persona's leads, and that many times the share of all leads."""

_NAMED = 2
"""Traits that make up a name."""

_MOST_CONDITIONS, _MOST_WORDS = 3, 8
_LEAST_GAIN = 0.01


@dataclass(frozen=True)
class PersonaTrait(Result):
    """Something more frequent in a persona than among all leads."""

    attribute: str
    """The attribute, as a condition of the config calls it."""
    text: str
    """It and its value in words: ``Function: it``."""
    key: str
    """The same as a part of the persona's key: ``it``, or ``employees_up_to_50``."""
    share: Number
    """The share of the persona's won leads with a known value for which it holds."""
    share_of_all: Number
    """The same among all leads."""


@dataclass(frozen=True)
class PersonaCondition(Result):
    """What one attribute must be: one of some words, or within a range."""

    in_: Annotated[tuple[str, ...] | None, Field(alias="in")] = None
    """The words; null for a range."""
    min: float | None = None
    """The least number; null where there is none."""
    max: float | None = None
    """The greatest number; null where there is none."""

    def as_written(self) -> dict[str, Any]:
        """The condition as the config has it."""
        if self.in_ is not None:
            return {"in": list(self.in_)}
        ends = {"min": self.min, "max": self.max}
        return {key: _plain(float(value)) for key, value in ends.items() if value is not None}


def _plain(number: float) -> float | int:
    return int(number) if number.is_integer() else number


@dataclass(frozen=True)
class Rule:
    """Conditions that all must hold, and for which leads they do."""

    conditions: dict[str, PersonaCondition]
    holds: Mask


def find_traits(columns: Sequence[ProfileColumn], members: Mask) -> tuple[PersonaTrait, ...]:
    """What is more frequent among the members than among all leads, by how much it sets them apart.

    An attribute has one trait at most. The order is by share times log of the ratio of shares, so that a trait that
    few have comes after one that nearly all have.
    """
    found: list[tuple[float, PersonaTrait]] = []
    for one in columns:
        known = one.column.known
        best: tuple[float, PersonaTrait] | None = None
        for text, holds in _candidates(one):
            share = float(holds[members & known].mean()) if (members & known).any() else 0.0
            among_all = float(holds[known].mean())
            if share < _LEAST_SHARE or share < _LEAST_RATIO * among_all:
                continue
            weight = share * float(np.log(share / among_all))
            trait = PersonaTrait(one.name, f"{_title(one)}: {text}", _key(one, text), share, among_all)
            if best is None or weight > best[0]:
                best = weight, trait
        if best is not None:
            found.append(best)
    return tuple(trait for _, trait in sorted(found, key=lambda pair: (-pair[0], pair[1].attribute)))


def _title(one: ProfileColumn) -> str:
    return upper_first(format_word(one.name))


def _key(one: ProfileColumn, text: str) -> str:
    """A word speaks for itself; a number needs its attribute."""
    return normalize_name(text if isinstance(one.column, Category) else f"{one.name}_{text}")


def _candidates(one: ProfileColumn) -> Iterator[tuple[str, Mask]]:
    """Each word, or the lowest and the highest third of all leads."""
    if isinstance(one.column, Category):
        for code in np.unique(one.column.codes[one.column.known]).tolist():
            yield one.words[code], one.column.codes == code
        return
    values = one.column.numbers
    low, high = np.nanquantile(values, (1 / 3, 2 / 3))
    with np.errstate(invalid="ignore"):
        yield f"up to {_round(low):,g}", values <= _round(low)
        yield f"{_round(high):,g} or more", values >= _round(high)


def _round(number: float) -> float:
    """Two significant digits, as people state thresholds."""
    return float(f"{number:.2g}")


def name_persona(traits: Sequence[PersonaTrait]) -> str:
    """The traits that set it apart most, in words."""
    return ", ".join(trait.text for trait in traits[:_NAMED]) or "Like the average lead"


def make_key(traits: Sequence[PersonaTrait], taken: Sequence[str]) -> str:
    """A name that a config takes, made of the same traits; another than those taken."""
    words = "_".join(trait.key for trait in traits[:_NAMED])
    plain = "".join(letter for letter in words if letter.isascii() and (letter.isalnum() or letter == "_"))
    key = plain if plain[:1].isalpha() else f"persona_{plain}".rstrip("_")
    number, unique = 1, key
    while unique in taken:
        number += 1
        unique = f"{key}_{number}"
    return unique


def find_rule(columns: Sequence[ProfileColumn], members: Mask, among: Mask) -> Rule:
    """Up to three conditions that tell the members from other leads: each is the one that does so best.

    Parameters
    ----------
    members, among : bool arrays of shape (n_leads,)
        The segment, and the leads from which it is to be told.
    """
    holds, conditions, reached = among.copy(), dict[str, PersonaCondition](), members.sum() / among.sum()
    for _ in range(_MOST_CONDITIONS):
        best: tuple[float, str, PersonaCondition, Mask] | None = None
        for one in columns:
            if one.name in conditions:
                continue
            for condition, meets in _conditions(one, members, among):
                both = holds & meets
                similarity = float((both & members).sum() / (both | members).sum())
                if best is None or similarity > best[0]:
                    best = similarity, one.name, condition, both
        if best is None or best[0] < reached + _LEAST_GAIN:
            break
        reached, name, condition, holds = best
        conditions[name] = condition
    return Rule(conditions, holds)


def _conditions(one: ProfileColumn, members: Mask, among: Mask) -> Iterator[tuple[PersonaCondition, Mask]]:
    """Conditions that may tell members: their typical words, those most their own first; or their usual range."""
    inside, outside = members & one.column.known, among & ~members & one.column.known
    if not inside.any():
        return
    if isinstance(one.column, Category):
        own = np.bincount(one.column.codes[inside], minlength=len(one.words)) / inside.sum()
        rest = np.bincount(one.column.codes[outside], minlength=len(one.words)) / max(outside.sum(), 1)
        order = np.argsort(-(own / (own + rest + 1e-12)), kind="stable")
        order = order[own[order] > 0][:_MOST_WORDS]
        for number in range(1, len(order) + 1):
            codes = order[:number]
            words = tuple(sorted(one.words[code] for code in codes))
            yield PersonaCondition(in_=words), np.isin(one.column.codes, codes)
        return
    values = one.column.numbers
    low, high = (_round(end) for end in np.quantile(values[inside], (0.05, 0.95)))
    with np.errstate(invalid="ignore"):
        above, below = values >= low, values <= high
    yield PersonaCondition(min=low), above
    yield PersonaCondition(max=high), below
    if low <= high:
        yield PersonaCondition(min=low, max=high), above & below
