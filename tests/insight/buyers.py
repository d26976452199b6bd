"""Leads with known kinds of buyers among the won ones, or without any."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mqlml.insight.personas.buyers import Profiles
from mqlml.insight.personas.profiles import ProfileColumn
from mqlml.insight.personas.segments import Category, Measure
from mqlml.types import Floats, Rows

WORDS = {
    "industry": ("software", "retail", "health", "finance", "public"),
    "function": ("it", "marketing", "finance", "hr", "sales"),
    "seniority": ("c_level", "vp", "director", "manager", "specialist"),
    "region": ("north", "east", "south", "west", "overseas"),
}
"""A kind of buyer has one word of each column: the first kind the first, and so on."""

SIZES = (20.0, 200.0, 2000.0)
"""The usual number of employees of each kind."""

Kind = Literal["independent", "rising_together", "accounts"]


def _profiles(words: dict[str, Rows], numbers: dict[str, Floats], won: Rows, account: Rows) -> Profiles:
    rng = np.random.default_rng(int(won.sum()))
    columns = [
        ProfileColumn(name, Category(codes.astype(np.int32)), WORDS[name]) for name, codes in words.items()
    ]
    columns += [ProfileColumn(name, Measure(values)) for name, values in numbers.items()]
    return Profiles(
        columns=tuple(columns),
        won=won.astype(bool),
        when=rng.permutation(len(won)),
        account=account,
        channel=rng.integers(-1, 3, len(won)).astype(np.int32),
        channels=("ads", "mail", "web"),
    )


def three_kinds(n: int, *, seed: int, purity: float = 0.7) -> tuple[Profiles, Rows]:
    """Leads of three kinds and of none, and each lead's kind (-1 none).

    Of the kinds 10 to 30% are won, of none hardly any. In each column a lead of a kind has its kind's word with the
    probability ``purity``, else any; one in twenty values is missing.
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice([-1, 0, 1, 2], n, p=[0.4, 0.25, 0.2, 0.15])
    typical = (kind >= 0) & (rng.random((len(WORDS), n)) < purity)
    words = {
        name: np.where(own, kind, rng.integers(0, 5, n)) for name, own in zip(WORDS, typical, strict=True)
    }
    for codes in words.values():
        codes[rng.random(n) < 0.05] = -1
    size = np.where(kind >= 0, np.array(SIZES)[kind], 10 ** rng.uniform(1, 3.5, n))
    employees = np.round(size * rng.lognormal(0, 0.6, n)) + 1
    won = rng.random(n) < np.array([0.15, 0.3, 0.1, 0.002])[kind]
    return _profiles(words, {"employees": employees}, won, np.arange(n)), kind


def no_kinds(n: int, kind: Kind, *, seed: int) -> Profiles:
    """Leads without kinds of buyers, a tenth of them won.

    Their columns are independent; or three numbers rise together, as size and revenue do; or leads of one account, up
    to ten, share their company's columns and their fate.
    """
    rng = np.random.default_rng(seed)
    account = (
        np.repeat(np.arange(n), rng.choice([1, 2, 10], n, p=[0.7, 0.2, 0.1]))[:n]
        if kind == "accounts"
        else np.arange(n)
    )
    shares = [0.5, 0.2, 0.15, 0.1, 0.05]
    words = {name: rng.choice(5, n, p=shares) for name in WORDS}
    common = rng.normal(size=n)
    load = 0.8 if kind == "rising_together" else 0.0
    numbers = {
        name: np.exp(4 + load * common + np.sqrt(1 - load**2) * rng.normal(size=n))
        for name in ("employees", "revenue", "visits")
    }
    won = rng.random(n) < 0.1
    if kind == "accounts":
        for name in ("industry", "region"):
            words[name] = words[name][account]
        numbers["employees"] = numbers["employees"][account]
        won = won[account]
    return _profiles(words, numbers, won.astype(np.intp), account)


def similarity(found: Rows, truth: Rows, kinds: int = 3) -> list[float]:
    """The Jaccard similarity of each true kind with the most similar segment found."""
    best = []
    for kind in range(kinds):
        own = truth == kind
        pairs = [(found == place, own) for place in range(found.max(initial=-1) + 1)]
        best.append(max((float((a & b).sum() / (a | b).sum()) for a, b in pairs), default=0.0))
    return best
