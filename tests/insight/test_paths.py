"""Paths: hand-worked journeys, a slow miner and permutation as oracles, the truth of simulated companies."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.config import Problem
from mqlml.errors import PopulationError
from mqlml.insight.paths.flows import count_flows
from mqlml.insight.paths.permutation import compare_groups
from mqlml.insight.paths.sequences import Sequences, make_sequences, mine_paths
from mqlml.insight.paths.stage_times import measure_stage_times
from mqlml.insight.paths.steps import ObservedSteps, find_paths, observe_steps, study_paths
from mqlml.journeys import Journeys
from mqlml.simulate import simulate
from mqlml.times import DAY, column_to_microseconds
from tests.insight.walks import STEPS, holds, make_company, make_patient_buyers

START = pd.Timestamp("2025-01-01", tz="UTC")


def make_problem() -> Problem:
    return Problem.model_validate({"horizon": "30d", "snapshots": {"ages": ["0d"]}})


def make_journeys(
    leads: dict[str, float], events: list[tuple[str, float, str]], outcomes: list[tuple[str, float, str]]
) -> Journeys:
    """Leads by the day of their creation, events and outcomes by day; the data end after 100 days."""

    def at(days: list[float]) -> pd.Series:
        return pd.Series([START + pd.Timedelta(days=day) for day in days], dtype="datetime64[us, UTC]")

    table = pd.DataFrame({"lead_id": list(leads), "created_at": at(list(leads.values()))})
    acts = pd.DataFrame(events, columns=["lead_id", "day", "action"])
    acts = acts.assign(occurred_at=at(acts.pop("day").tolist()))
    acts["recorded_at"] = acts["occurred_at"]
    ends = pd.DataFrame(outcomes, columns=["lead_id", "day", "stage"])
    ends = ends.assign(occurred_at=at(ends.pop("day").tolist()))
    ends["recorded_at"] = ends["occurred_at"]
    until = (START + pd.Timedelta(days=100)).to_pydatetime()
    empty = simulate(20, random_state=0).journeys()
    return Journeys(table, acts, ends, empty.history.iloc[:0], until, empty.quarantine.iloc[:0], {})


def named(sequences: Sequences) -> list[list[str]]:
    return [
        [sequences.names[code] for code in sequences.step[begin:end]]
        for begin, end in itertools.pairwise(sequences.start)
    ]


COMPANY = make_journeys(
    {"won": 0, "lost": 0, "early": 0, "open": 0, "young": 60, "late": 0},
    [
        ("won", 1, "ad"),
        ("won", 2, "ad"),
        ("won", 3, "demo"),
        ("won", 4, "ad"),
        ("won", 7, "call"),  # at the age at which leads are compared, so not before it
        ("won", 12, "call"),
        ("lost", 3, "demo"),
        ("open", 6.9, "ad"),
        ("early", 1, "demo"),
        ("young", 61, "demo"),
    ],
    [
        ("won", 20, "closed_won"),
        ("lost", 8, "closed_lost"),
        ("early", 5, "closed_won"),
        ("late", 37, "closed_won"),  # 30 days after the seventh day: the horizon has just ended
        ("young", 64, "closed_lost"),
    ],
)


def test_leads_are_compared_at_the_same_age_by_what_they_had_done() -> None:
    observed = observe_steps(COMPANY, make_problem(), step="action", within=7 * DAY)
    rows = dict(zip(["late", "lost", "open", "won"], named(observed.sequences), strict=True))
    assert rows == {"late": [], "lost": ["demo"], "open": ["ad"], "won": ["ad", "demo", "ad"]}
    assert observed.won.tolist() == [False, False, False, True]
    assert observed.early == 1


def test_steps_known_only_later_do_not_count() -> None:
    events = COMPANY.events.copy()
    events.loc[events["action"] == "demo", "recorded_at"] = START + pd.Timedelta(days=21)
    later = Journeys(**{**vars(COMPANY), "events": events})
    found = observe_steps(later, make_problem(), step="action", within=7 * DAY)
    assert named(found.sequences)[3] == ["ad"]


def test_days_and_touches_to_each_stage_by_hand() -> None:
    journeys = make_journeys(
        dict.fromkeys(("a", "b", "c", "d"), 0.0) | {"young": 75},
        [("a", 1, "x"), ("a", 3, "x"), ("b", 2, "x"), ("b", 9, "x"), ("young", 76, "x")],
        [
            ("a", 3, "mql"),
            ("a", 9, "mql"),
            ("b", 5, "mql"),
            ("c", 7, "mql"),
            ("d", 30, "mql"),
            ("young", 76, "mql"),
            ("a", 10, "closed_won"),
        ],
    )
    mql, won = measure_stage_times(journeys, make_problem())
    assert (mql.stage, mql.leads, won.stage, won.leads) == ("mql", 3, "closed_won", 1)
    assert (mql.days.low, mql.days.median, mql.days.high) == (4, 5, 6)
    assert (mql.touches.low, mql.touches.median, mql.touches.high) == (0.5, 1, 1)  # 1, 1 and 0 touches before
    assert (won.days.median, won.touches.median) == (10, 2)


def sequences_of(journeys: list[list[int]], n_names: int = 4) -> Sequences:
    names = tuple("abcdefgh"[:n_names])
    lead = np.repeat(np.arange(len(journeys)), [len(one) for one in journeys])
    code = np.array([step for one in journeys for step in one], dtype=np.int64)
    return make_sequences(names, lead, np.arange(len(lead)), code, n_journeys=len(journeys))


def mine_slowly(sequences: Sequences, least: int, longest: int) -> Counter[tuple[int, ...]]:
    """Every path of every journey, by trying all choices of its steps."""
    found: Counter[tuple[int, ...]] = Counter()
    for begin, end in itertools.pairwise(sequences.start):
        steps = sequences.step[begin:end].tolist()
        own = {
            tuple(chosen)
            for length in range(1, longest + 1)
            for chosen in itertools.combinations(steps, length)
            if all(one != other for one, other in itertools.pairwise(chosen))
        }
        found.update(own)
    return Counter({path: n for path, n in found.items() if n >= least})


JOURNEYS = st.lists(st.lists(st.integers(0, 3), max_size=7), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(JOURNEYS, st.integers(1, 3))
def test_mined_paths_are_those_of_a_slow_search(journeys: list[list[int]], least: int) -> None:
    sequences = sequences_of(journeys)
    slow = mine_slowly(sequences, least, 3)
    mined = mine_paths(sequences, min_journeys=least, longest=3)
    for path, journey in zip(mined.paths, mined.holders, strict=True):
        assert slow[path] == len(journey)
        assert np.array_equal(np.flatnonzero(holds(sequences, path)), journey)
    # What is missing is held by the same journeys as a path that is there.
    kept = {journey.tobytes() for journey in mined.holders}
    for path in slow:
        assert np.flatnonzero(holds(sequences, path)).astype(np.int32).tobytes() in kept
    support = [len(journey) for journey in mined.holders]
    assert support == sorted(support, reverse=True)


def test_at_most_so_many_paths_the_most_frequent_ones() -> None:
    sequences = make_company(2000, 1)[0].sequences
    whole = mine_paths(sequences, min_journeys=20)
    some = mine_paths(sequences, min_journeys=20, at_most=30)
    assert some.paths == whole.paths[:30]


def test_a_group_by_hand() -> None:
    """Of 10 alike leads 4 won; a group of 5 has all of them: 5 choose 4 of 10 choose 4 draws are like it."""
    won = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=np.bool_)
    found = compare_groups(
        (np.arange(5, dtype=np.int32),),
        won,
        families=np.zeros(1, np.int64),
        strata=np.zeros(10, np.int64),
        clusters=np.arange(10),
        n_permutations=4000,
        random_state=0,
    )
    assert (found.won[0], found.expected[0]) == (4, 2)
    assert found.p_value[0] == pytest.approx(2 * 5 / 210, abs=0.01)  # none of the four is as far away


def test_leads_of_an_account_swap_outcomes_as_a_whole() -> None:
    """Ten accounts of 6 leads, all won in two of them: that a group of one such account wins is no surprise."""
    clusters = np.tile(np.arange(10), 6)  # leads of an account need not stand together
    won = clusters < 2
    group = (np.flatnonzero(clusters == 0).astype(np.int32),)
    zeros = np.zeros(60, np.int64)
    options = {"families": np.zeros(1, np.int64), "strata": zeros, "n_permutations": 1000, "random_state": 0}
    assert compare_groups(group, won, clusters=clusters, **options).p_value[0] == pytest.approx(0.2, abs=0.05)  # type: ignore[arg-type]
    assert compare_groups(group, won, clusters=np.arange(60), **options).p_value[0] < 0.01  # type: ignore[arg-type]


def test_no_path_is_shown_where_none_has_an_effect() -> None:
    """The bounded form of ``benchmarks/paths.py none``: 5% of 40 are 2; 6 or more come once in 70 times."""
    shown = [bool(find_paths(make_company(1500, seed)[0], n_permutations=300).paths) for seed in range(40)]
    assert sum(shown) <= 5


def test_winners_who_stay_longer_make_no_path() -> None:
    shown, naive = 0, 0
    for seed in range(12):
        journeys = make_patient_buyers(1200, seed)
        shown += bool(study_paths(journeys, Problem(), n_permutations=300).paths)
        steps = journeys.events["action"].astype("category")
        lead = journeys.events["lead_id"].to_numpy()
        everything = make_sequences(
            tuple(steps.cat.categories),
            lead,
            column_to_microseconds(journeys.events["occurred_at"]),
            steps.cat.codes.to_numpy(),
            n_journeys=1200,
        )
        won = (journeys.outcomes["stage"] == "closed_won").to_numpy()
        mined = mine_paths(everything, min_journeys=60)
        tested = compare_groups(
            mined.holders,
            won,
            families=np.zeros(len(mined.paths), np.int64),
            strata=np.zeros(1200, np.int64),
            clusters=np.arange(1200),
            n_permutations=100,
            random_state=0,
        )
        naive += bool((tested.p_value <= 0.05).any())
    assert naive == 12  # whole journeys compared, longer ones of winners win by themselves
    assert shown <= 2


def test_a_path_with_an_effect_is_found_with_its_lift() -> None:
    target, covered = ("webinar", "demo"), []
    for seed in range(6):
        company, chance = make_company(10_000, seed, effect=1.2)
        paths = find_paths(company, n_permutations=300).paths
        first = paths[0]
        assert first.steps == target
        own = holds(company.sequences, tuple(STEPS.index(step) for step in target))
        assert first.leads == own.sum()
        assert first.won == company.won[own].sum()
        covered.append(first.lift.low <= chance[own].mean() / first.expected_rate <= first.lift.high)
        assert first.expected_rate < first.rate
        assert not any(set(path.steps) > set(target) for path in paths[1:] if path.lift.value > 1)
    assert sum(covered) >= 4


def test_neither_the_order_of_leads_nor_what_is_later_matters() -> None:
    company = simulate(1500, random_state=5)
    journeys = company.journeys()
    found = study_paths(journeys, Problem(), n_permutations=200)
    order = np.random.default_rng(0)
    tables = {
        name: getattr(journeys, name).sample(frac=1, random_state=order.integers(99)).reset_index(drop=True)
        for name in ("leads", "events", "outcomes")
    }
    assert study_paths(Journeys(**{**vars(journeys), **tables}), Problem(), n_permutations=200) == found
    end = pd.Timestamp(journeys.observed_until)
    after = journeys.events.iloc[:200].assign(
        occurred_at=end + pd.Timedelta(days=1), recorded_at=end + pd.Timedelta(days=1)
    )
    events = pd.concat([journeys.events, after], ignore_index=True)
    assert (
        study_paths(Journeys(**{**vars(journeys), "events": events}), Problem(), n_permutations=200) == found
    )


def test_flows_by_hand() -> None:
    sequences = sequences_of([[0, 1, 2], [0, 1], [1], [0, 2], []])
    flows = count_flows(sequences, np.array([1, 1, 0, 0, 0], dtype=np.bool_), places=3, shown=1)
    nodes = [(node.place, node.step, node.kind, node.won, node.others) for node in flows.nodes]
    assert nodes == [
        (1, "a", "step", 2, 1),
        (1, "b", "step", 0, 1),  # the only rarer one keeps its name
        (2, "b", "step", 2, 0),
        (2, "c", "step", 0, 1),
        (3, "c", "step", 1, 0),
    ]
    assert [(flow.source, flow.target, flow.won, flow.others) for flow in flows.flows] == [
        (0, 2, 2, 0),
        (0, 3, 0, 1),
        (2, 4, 1, 0),
    ]
    first = count_flows(sequences_of([[0], [1], [1], [2]]), np.array([1, 0, 0, 0], dtype=np.bool_), shown=1)
    assert [node.step for node in first.nodes] == ["a", ""]  # by won leads, not by all
    many = count_flows(sequences_of([[0], [1], [2], [3]]), np.array([1, 1, 1, 0], dtype=np.bool_), shown=2)
    assert [(node.step, node.kind, node.won, node.others) for node in many.nodes] == [
        ("a", "step", 1, 0),
        ("b", "step", 1, 0),
        ("", "other", 1, 1),
    ]


def test_what_cannot_be_compared_is_said() -> None:
    problem = make_problem()
    with pytest.raises(PopulationError, match=r"data\.events\.columns: channel"):
        study_paths(COMPANY, problem, step="channel")
    with pytest.raises(PopulationError, match="still open 80 days after creation"):
        study_paths(COMPANY, problem, within=80 * DAY)
    with pytest.raises(PopulationError, match="none of 4 leads that were open 21 days after creation won"):
        study_paths(make_journeys(dict.fromkeys("abcd", 0.0), [("a", 1, "x")], []), problem, within=21 * DAY)


def test_few_leads_try_no_path() -> None:
    found = study_paths(COMPANY, make_problem(), within=7 * DAY, n_permutations=10)
    assert (found.tried, found.paths, found.min_leads, found.leads) == (0, (), 30, 4)
    assert json.dumps(found.step) == '"action"'


def test_copies_of_a_lead_in_its_account_tell_nothing_new() -> None:
    company, _ = make_company(6000, 2, effect=1.5)
    one_by_one = ObservedSteps(company.sequences, company.won, np.arange(6000), 0)
    start, length = company.sequences.start[:-1], company.sequences.length
    step = np.concatenate(
        [company.sequences.step[at : at + n] for at, n in zip(start, length, strict=True) for _ in range(3)]
    )
    tripled = Sequences(STEPS, step, np.cumsum([0, *np.repeat(length, 3)]))
    copies = ObservedSteps(tripled, np.repeat(company.won, 3), np.repeat(np.arange(6000), 3), 0)
    single, several = (find_paths(given, n_permutations=200) for given in (one_by_one, copies))
    assert single.paths[0].steps == several.paths[0].steps == ("webinar", "demo")
    assert several.paths[0].leads == 3 * single.paths[0].leads
    assert several.paths[0].lift.low == pytest.approx(single.paths[0].lift.low, rel=0.02)
    assert several.paths[0].lift.high == pytest.approx(single.paths[0].lift.high, rel=0.02)
