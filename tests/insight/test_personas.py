"""Personas: kinds of buyers that are there are found, others are not; names, rates and conditions hold."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from mqlml.errors import PopulationError
from mqlml.insight.personas.buyers import Personas, Profiles, find_personas, personas_as_written
from mqlml.insight.personas.profiles import ProfileColumn
from mqlml.insight.personas.rules import find_rule, find_traits
from mqlml.insight.personas.segments import Category, Measure, Space, find_segments
from mqlml.types import Rows
from tests.insight.buyers import Kind, no_kinds, similarity, three_kinds


@pytest.fixture(scope="module")
def world() -> tuple[Profiles, Rows]:
    return three_kinds(4000, seed=1)


@pytest.fixture(scope="module")
def found(world: tuple[Profiles, Rows]) -> Personas:
    return find_personas(world[0])


def test_three_kinds_are_found_and_named_by_what_sets_them_apart(
    world: tuple[Profiles, Rows], found: Personas
) -> None:
    profiles, kind = world
    won = np.flatnonzero(profiles.won & (kind >= 0))
    columns = [one.column for one in profiles.columns]
    buyers = [column.take(np.flatnonzero(profiles.won)) for column in columns]
    segments = find_segments(buyers, random_state=0)
    segment = segments.assign([column.take(won) for column in columns])
    assert min(similarity(segment, kind[won])) >= 0.85
    assert (found.finding, len(found.personas)) == ("found", 3)
    told = {frozenset(trait.text for trait in persona.traits) for persona in found.personas}
    for words in (
        {"Industry: software", "Function: it", "Seniority: c_level", "Region: north"},
        {"Industry: retail", "Function: marketing", "Seniority: vp", "Region: east"},
        {"Industry: health", "Function: finance", "Seniority: director", "Region: south"},
    ):
        assert any(words <= texts for texts in told)
    for persona in found.personas:
        assert persona.jaccard >= 0.75
        assert persona.name == ", ".join(trait.text for trait in persona.traits[:2])


def test_a_persona_counts_all_leads_that_look_alike(world: tuple[Profiles, Rows], found: Personas) -> None:
    """Of the second kind 30% are won; leads of no kind that happen to look alike are hardly ever won."""
    profiles, kind = world
    columns = [one.column for one in profiles.columns]
    segments = find_segments([one.take(np.flatnonzero(profiles.won)) for one in columns], random_state=0)
    segment = segments.assign(columns)
    for persona in found.personas:
        place = next(at for at in range(3) if int((profiles.won & (segment == at)).sum()) == persona.won)
        assert persona.leads == int((segment == place).sum())
        assert persona.conversion.value == pytest.approx(persona.won / persona.leads)
        assert persona.conversion.low < persona.conversion.value < persona.conversion.high
    assert sum(persona.won for persona in found.personas) == found.won - found.undescribed
    assert sum(persona.share_of_won for persona in found.personas) == pytest.approx(1)
    retail = next(p for p in found.personas if any(t.text == "Industry: retail" for t in p.traits))
    assert retail.conversion.value == max(persona.conversion.value for persona in found.personas)
    assert kind.max() == 2


def test_conditions_meet_the_persona_and_hardly_anybody_else(found: Personas) -> None:
    for persona in found.personas:
        assert 1 <= len(persona.conditions) <= 3
        assert persona.met_inside > 0.6
        assert persona.met_outside < 0.1
    assert list(personas_as_written(found)) == [persona.key for persona in found.personas]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_without_kinds_none_are_printed(kind: Kind) -> None:
    """A bounded form of benchmarks/personas.py: each world prints one with a probability of at most 1%."""
    printed = sum(
        bool(find_personas(no_kinds(3000, kind, seed=seed), random_state=seed).personas) for seed in range(15)
    )
    assert printed <= 1


def test_few_rows_show_segments_beyond_chance_in_one_of_a_hundred_worlds() -> None:
    """Of 60 rows, segments often explain 5% more than usual by luck; the 99 tables tell that it is luck."""
    beyond = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        columns = [Category(rng.integers(0, 3, 60).astype(np.int32)) for _ in range(3)]
        beyond += find_segments(columns, random_state=seed).beyond_chance
    assert beyond <= 2


def test_losers_do_not_matter_to_the_segments(found: Personas) -> None:
    profiles, _ = three_kinds(4000, seed=1)
    fewer = profiles.won | (np.arange(4000) % 2 == 0)
    columns = tuple(
        ProfileColumn(one.name, one.column.take(np.flatnonzero(fewer)), one.words) for one in profiles.columns
    )
    rows = np.flatnonzero(fewer)
    again = find_personas(
        Profiles(
            columns, profiles.won[rows], profiles.when[rows], profiles.account[rows], profiles.channel[rows],
            profiles.channels,
        )
    )  # fmt: skip
    assert [p.won for p in again.personas] == [p.won for p in found.personas]
    assert [p.conditions for p in again.personas] == [p.conditions for p in found.personas]


def test_an_account_that_bought_with_many_leads_counts_once() -> None:
    """Fifty copies of one buyer's lead in its account make no segment, as they would if each counted."""
    profiles = no_kinds(2000, "independent", seed=3)
    buyer = int(np.flatnonzero(profiles.won)[0])
    rows = np.concatenate([np.arange(2000), np.full(200, buyer)])
    copied = Profiles(
        columns=tuple(ProfileColumn(c.name, c.column.take(rows), c.words) for c in profiles.columns),
        won=profiles.won[rows],
        when=np.concatenate([profiles.when, np.full(200, 10**6)]),
        account=profiles.account[rows],
        channel=profiles.channel[rows],
        channels=profiles.channels,
    )
    found = find_personas(copied)
    assert found.won == int(profiles.won.sum()) + 200
    assert found.accounts == int(profiles.won.sum())
    assert not found.personas
    each = find_personas(replace(copied, account=np.arange(2200)))
    assert each.personas


def test_traits_by_hand() -> None:
    """Three of four members have 600 employees or more, the highest third of all; three are software companies."""
    industry = ProfileColumn(
        "industry", Category(np.array([0, 0, 0, 1, 1, 1, 1, -1], dtype=np.int32)), ("software", "retail")
    )
    size = ProfileColumn("employees", Measure(np.array([900.0, 500, 700, 600, 1, 2, 3, np.nan])))
    members = np.array([True] * 4 + [False] * 4)
    traits = find_traits((industry, size), members)
    assert [trait.text for trait in traits] == ["Employees: 600 or more", "Industry: software"]
    assert [trait.share for trait in traits] == [0.75, 0.75]
    assert [trait.share_of_all for trait in traits] == pytest.approx([3 / 7, 3 / 7])


def test_a_rule_by_hand() -> None:
    """Members are the software companies with 50 employees or more: two conditions tell all of them."""
    rng = np.random.default_rng(0)
    industry, size = rng.integers(0, 3, 600), rng.choice([5.0, 20, 60, 200, 900], 600)
    columns = (
        ProfileColumn("industry", Category(industry.astype(np.int32)), ("bank", "software", "toys")),
        ProfileColumn("employees", Measure(size)),
    )
    members = (industry == 1) & (size >= 50)
    rule = find_rule(columns, members, np.ones(600, dtype=bool))
    assert rule.conditions["industry"].as_written() == {"in": ["software"]}
    assert rule.conditions["employees"].as_written() == {"min": 60}
    assert (rule.holds == members).all()


def test_what_is_missing_stands_in_the_middle() -> None:
    columns = [Category(np.array([0, 1, -1, 0], dtype=np.int32)), Measure(np.array([1.0, np.nan, 3.0, 2.0]))]
    words, numbers = Space(columns).places(columns)
    assert words[2] == pytest.approx(words[[0, 1, 3]].mean(axis=0))
    assert numbers[1, 0] == pytest.approx(numbers[[0, 2, 3], 0].mean())
    assert numbers[0, 0] < numbers[3, 0] < numbers[2, 0]


def test_too_few_are_refused_with_what_is_needed() -> None:
    profiles, _ = three_kinds(200, seed=0)
    with pytest.raises(PopulationError, match="at least 50 accounts with a won lead whose profile is known"):
        find_personas(profiles)
    with pytest.raises(PopulationError, match="at least 2 attributes"):
        find_personas(replace(profiles, columns=profiles.columns[:1]))
