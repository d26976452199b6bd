"""Companies whose leads walk from step to step, with a known effect of paths, or none."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from mqlml.insight.paths.sequences import Sequences, make_sequences
from mqlml.insight.paths.steps import ObservedSteps
from mqlml.journeys import Journeys
from mqlml.simulate import simulate

STEPS = ("ad_click", "blog", "demo", "email", "pricing", "web_visit", "webinar", "whitepaper")


def holds(sequences: Sequences, path: tuple[int, ...]) -> np.ndarray:
    """Whether each journey has the steps in order, by a plain loop."""
    found = []
    for begin, end in zip(sequences.start[:-1], sequences.start[1:], strict=True):
        rest = iter(sequences.step[begin:end].tolist())
        found.append(all(step in rest for step in path))
    return np.array(found)


def walk(n: int, rng: np.random.Generator, account: np.ndarray) -> Sequences:
    """Journeys whose number of steps the leads of an account share in part."""
    active = rng.gamma(2, 1.5, n)[account] * rng.gamma(4, 0.25, n)
    length = rng.poisson(active)
    journey = np.repeat(np.arange(n), length)
    code = rng.choice(len(STEPS), len(journey), p=np.array([18, 12, 5, 20, 10, 20, 8, 7]) / 100)
    return make_sequences(STEPS, journey, np.arange(len(journey)), code, n_journeys=n)


def make_company(
    n: int, seed: int, *, effect: float = 0.0, base: float = -3.0, path: tuple[int, ...] = (6, 2)
) -> tuple[ObservedSteps, np.ndarray]:
    """Leads whose accounts and numbers of steps matter; ``effect`` is what ``path`` adds to the log-odds.

    Returns
    -------
    ObservedSteps
    chance : array of shape (n,), the true probability of each lead to be won, given its journey and its account.
    """
    rng = np.random.default_rng(seed)
    size = rng.choice([1, 1, 1, 2, 3, 5], n)
    account = np.repeat(np.arange(n), size)[:n]
    sequences = walk(n, rng, account)
    score = base + 0.5 * np.log1p(sequences.length) + rng.normal(0, 0.7, n)[account]
    if effect:
        score = score + effect * holds(sequences, path)
    chance = 1 / (1 + np.exp(-score))
    return ObservedSteps(sequences, rng.random(n) < chance, account, 0), chance


def make_patient_buyers(n: int, seed: int) -> Journeys:
    """Leads with events at a steady pace until they leave: losers soon, winners late, whatever their steps.

    Their steps have no effect, yet whoever stays longer has more of them.
    """
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2025-01-01", tz="UTC")
    created = day + pd.to_timedelta(rng.uniform(0, 100, n), unit="D")
    won = rng.random(n) < 0.15
    stay = np.where(won, rng.uniform(5, 50, n), rng.exponential(12, n))
    number = rng.poisson(stay * 0.4)
    lead = np.repeat(np.arange(n), number)
    when = created[lead] + pd.to_timedelta(rng.uniform(0, 1, len(lead)) * stay[lead], unit="D")
    events = pd.DataFrame(
        {
            "lead_id": lead,
            "occurred_at": when,
            "recorded_at": when,
            "action": rng.choice(STEPS[:5], len(lead)),
        }
    )
    ended = created + pd.to_timedelta(stay, unit="D")
    outcomes = pd.DataFrame(
        {
            "lead_id": np.arange(n),
            "stage": np.where(won, "closed_won", "closed_lost"),
            "occurred_at": ended,
            "recorded_at": ended,
        }
    )
    until: dt.datetime = (day + pd.Timedelta(days=200)).to_pydatetime()
    empty = simulate(20, random_state=0).journeys()
    leads = pd.DataFrame({"lead_id": np.arange(n), "created_at": created})
    return Journeys(leads, events, outcomes, empty.history.iloc[:0], until, empty.quarantine.iloc[:0], {})
