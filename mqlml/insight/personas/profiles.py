"""What is known of each lead's profile: the attributes that may describe a buyer, as columns of all leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mqlml.evaluation.slices import tells_source
from mqlml.features import FeaturePlan
from mqlml.features.families.flat import flat_source
from mqlml.features.parsers.attributes import Attribute, Attributes, read_numbers, read_text
from mqlml.features.parsers.conditions import ParsedAttribute, Parsing, read_parsed_attribute
from mqlml.features.parsers.job_title import Roles
from mqlml.insight.personas.segments import Category, Column, Measure
from mqlml.journeys import FlatTable, Journeys
from mqlml.types import Codes, Floats

__all__ = ["ProfileColumn", "read_profiles", "read_source"]

_FEW = 8
"""Numbers of so few different values are words: a yes or no, a rating."""

_SAME = 0.9
"""A column says the same as another that leaves it so little freedom: its share of determined variation."""

_PARSED: tuple[tuple[str, ParsedAttribute], ...] = (
    ("seniority", "seniority"),
    ("function", "function"),
    ("mail_kind", "mail_kind"),
)
_ROLE_OF = {"seniority": "job_title", "function": "job_title", "mail_kind": "email"}


@dataclass(frozen=True)
class ProfileColumn:
    """One attribute of all leads.

    Attributes
    ----------
    name : as a condition of the config calls it.
    column : its values.
    words : of a category, its different values; empty for a number.
    """

    name: str
    column: Column
    words: tuple[str, ...] = ()


def read_profiles(data: Journeys | FlatTable, plan: FeaturePlan) -> tuple[ProfileColumn, ...]:
    """The profile columns of all leads, in the order of ``data.leads``.

    They are the static attributes that features are made from, so nothing that the leakage audit refuses or that
    must not profile a person; job titles, email addresses and company sizes are read as seniority, function, kind of
    address and employees. Where the lead came from is no part of its profile. Of columns that say the same, the first
    stays.
    """
    columns: list[ProfileColumn] = []
    for one in _columns(data, plan):
        if one.column.known.any() and not any(_say_the_same(kept.column, one.column) for kept in columns):
            columns.append(one)
    return tuple(columns)


def _columns(data: Journeys | FlatTable, plan: FeaturePlan) -> Iterator[ProfileColumn]:
    static, roles, parsing = _static(plan)
    size = roles.company_size
    if size is not None and size.table != "history":
        codes, texts = read_parsed_attribute(flat_source(data.leads), size, "employees", parsing)
        yield ProfileColumn(size.name, Measure(np.array([*map(float, texts), np.nan])[codes]))
    for name, parsed in _PARSED:
        attribute: Attribute | None = getattr(roles, _ROLE_OF[name])
        if attribute is not None and attribute.table != "history":
            coded = read_parsed_attribute(flat_source(data.leads), attribute, parsed, parsing)
            yield ProfileColumn(name, *_sort_words(*coded))
    read = [one.name for one in (roles.company_size, roles.job_title, roles.email, roles.phone) if one]
    for name in static.numbers:
        values = read_numbers(data.leads, name).astype(np.float64)
        few = len(np.unique(values[~np.isnan(values)])) <= _FEW
        if name not in read and not few:
            yield ProfileColumn(name, Measure(values))
        elif name not in read:
            yield ProfileColumn(name, *_category(data, name))
    for name in static.categories:
        if name not in read and not tells_source(name):
            yield ProfileColumn(name, *_category(data, name))


def _category(data: Journeys | FlatTable, name: str) -> tuple[Category, tuple[str, ...]]:
    return _sort_words(*read_text(data.leads, name))


def _sort_words(codes: Codes, words: tuple[str, ...]) -> tuple[Category, tuple[str, ...]]:
    """The words in alphabetical order, so that their codes do not depend on the order of the rows."""
    order = sorted(range(len(words)), key=words.__getitem__)
    place = np.append(np.argsort(order), -1).astype(np.int32)
    return Category(place[codes]), tuple(words[at] for at in order)


def _static(plan: FeaturePlan) -> tuple[Attributes, Roles, Parsing]:
    if plan.flat is not None:
        own = [name for name, family in plan.flat.families.items() if family == "profile"]
        columns = plan.flat.columns
        static = Attributes(
            tuple(name for name in columns.numbers if name in own),
            tuple(name for name in columns.categories if name in own),
        )
        return static, plan.flat.derived.roles, plan.flat.derived.parsing
    assert plan.profile is not None
    return plan.profile.static, plan.profile.derived.roles, plan.profile.derived.parsing


def read_source(data: Journeys | FlatTable, plan: FeaturePlan) -> tuple[Codes, tuple[str, ...]] | None:
    """Where each lead came from, by the first attribute that says so; None where there is none."""
    static, _, _ = _static(plan)
    name = next((name for name in static.categories if tells_source(name)), None)
    return None if name is None else read_text(data.leads, name)


def _say_the_same(kept: Column, other: Column) -> bool:
    """Whether one column hardly leaves the other any freedom."""
    both = kept.known & other.known
    if both.sum() < 2:
        return False
    one, two = kept.take(both), other.take(both)
    if isinstance(one, Measure) and isinstance(two, Measure):
        ranks = np.corrcoef(_ranks(one.numbers), _ranks(two.numbers))
        return bool(abs(ranks[0, 1]) >= _SAME)
    if isinstance(one, Category) and isinstance(two, Category):
        return max(_determined(one.codes, two.codes), _determined(two.codes, one.codes)) >= _SAME
    word, number = (one, two) if isinstance(one, Category) else (two, one)
    assert isinstance(word, Category)
    assert isinstance(number, Measure)
    ranks = _ranks(number.numbers)
    size = np.bincount(word.codes)
    means = np.bincount(word.codes, weights=ranks) / np.maximum(size, 1)
    return bool(np.var(means[word.codes]) >= _SAME * np.var(ranks))


def _ranks(values: Floats) -> Floats:
    ordered = np.sort(values)
    ranks: Floats = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / 2.0
    return ranks


def _determined(by: Codes, what: Codes) -> float:
    """Which share of the entropy of one column another takes away (Theil's U)."""
    _, pair = np.unique(by.astype(np.int64) * (int(what.max()) + 1) + what, return_inverse=True)
    whole = _entropy(what)
    return 1.0 - (_entropy(pair) - _entropy(by)) / whole if whole > 0 else 0.0


def _entropy(codes: Codes | np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
    numbers = np.bincount(codes)
    share = numbers[numbers > 0] / numbers.sum()
    return float(-(share * np.log(share)).sum())
