"""Write down what the company knows: the events and outcomes tables of its CRM.

Sales moves a lead to ``mql``, ``sql`` and ``opportunity`` on what it did on the web and by mail, after delays that
depend on nothing else, so a move shows no more about the lead than its events do. Moves that a won lead never had
are filled in when the deal is closed, as sales teams do: they are dated earlier but recorded then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mqlml.simulate.behavior import Exits, SimulatedEvents, uploaded_at
from mqlml.simulate.population import Population
from mqlml.simulate.world import ACTIONS, CHANNELS, EXITS, OFFLINE, action_code
from mqlml.times import DAY, HOUR, NEVER, column_to_microseconds, microseconds_to_column, months_since_1970
from mqlml.types import Ints

_STAGES = ("mql", "sql", "opportunity", *EXITS)
_MQL = ("form_submit", "buying_guide_download", "demo_request", "trial_start")
_SQL = ("demo_request", "trial_start")
_BY_COMPANY = ("email_sent", "email_bounce", "call_connected")
_CAMPAIGN_CHANNELS = ("paid_search", "paid_social", "email", "event", "partner")
_CONTENTS = {
    "blog_view": 24,
    "case_study_view": 9,
    "content_download": 12,
    "buying_guide_download": 2,
    "webinar_attended": 6,
}
"""How many pieces there are of what can be read, taken or watched; which one it is shows nothing about the lead."""
_LOST_REASONS = ("price", "competitor", "no budget", "no decision", "timing")
_REFUSED_REASONS = ("not a buyer", "student", "job seeker", "wrong region", "invalid contact")
_OWNERS = ("A. Ames", "B. Boyd", "C. Cole", "D. Diaz", "E. Ek", "F. Fry")


def _category(codes: NDArray[np.integer[Any]], words: tuple[str, ...] | list[str]) -> pd.Series:
    categories = pd.Index(words, dtype="str")
    return pd.Series(pd.Categorical.from_codes(codes.astype(np.int16), categories=categories))


def _campaigns(rng: np.random.Generator, events: SimulatedEvents) -> pd.Series:
    """A campaign for events through a channel that runs them: three a quarter for each."""
    quarter = months_since_1970(events.time) // 3
    first = int(quarter.min())
    n_quarters = int(quarter.max()) - first + 1
    place = np.full(len(CHANNELS), -1)
    place[[CHANNELS.index(channel) for channel in _CAMPAIGN_CHANNELS]] = np.arange(len(_CAMPAIGN_CHANNELS))
    words = [
        f"{channel}-{1970 + number // 4}q{number % 4 + 1}-{variant}"
        for channel in _CAMPAIGN_CHANNELS
        for number in range(first, first + n_quarters)
        for variant in "abc"
    ]
    variant = rng.integers(0, 3, len(events.time))
    code = (place[events.channel] * n_quarters + quarter - first) * 3 + variant
    return _category(np.where(place[events.channel] < 0, -1, code), words)


def _contents(rng: np.random.Generator, events: SimulatedEvents) -> pd.Series:
    """The piece of content behind each event that has one."""
    words = [f"{name}-{number + 1:02}" for name, pieces in _CONTENTS.items() for number in range(pieces)]
    first = dict(zip(_CONTENTS, np.cumsum([0, *_CONTENTS.values()]).tolist(), strict=False))
    pieces = np.array([_CONTENTS.get(name, 0) for name in ACTIONS])[events.action]
    offset = np.array([first.get(name, 0) for name in ACTIONS])[events.action]
    piece = np.floor(rng.random(len(events.time)) * pieces).astype(np.int64)
    return _category(np.where(pieces > 0, offset + piece, -1), words)


def make_events(
    rng: np.random.Generator, contents: np.random.Generator, population: Population, events: SimulatedEvents
) -> pd.DataFrame:
    """The events table, by time, in the contract's columns; ``contents`` draws the pieces of content only."""
    recorded = np.where(OFFLINE[events.action], uploaded_at(events.time), events.time)
    by_company = np.isin(np.arange(len(ACTIONS)), [action_code(name) for name in _BY_COMPANY])
    seconds = events.seconds.astype(float)
    seconds[events.seconds == 0] = np.nan
    return pd.DataFrame(
        {
            "lead_id": population.leads["lead_id"].to_numpy()[events.lead],
            "occurred_at": microseconds_to_column(events.time),
            "recorded_at": microseconds_to_column(recorded),
            "action": _category(events.action, ACTIONS),
            "channel": _category(events.channel, CHANNELS),
            "value": seconds,
            "campaign": _campaigns(rng, events),
            "content": _contents(contents, events),
            "initiated_by": _category(by_company[events.action].astype(np.int64), ("lead", "company")),
        }
    )


def _first(events: SimulatedEvents, names: tuple[str, ...], n_leads: int) -> Ints:
    """When each lead first did one of these; `NEVER` if it did not."""
    wanted = np.isin(events.action, [action_code(name) for name in names])
    time = np.full(n_leads, NEVER)
    time[events.lead[wanted][::-1]] = events.time[wanted][::-1]  # the earliest is written last, and stays
    return time


def _delay(rng: np.random.Generator, mean: int, n: int) -> Ints:
    return np.asarray(rng.exponential(mean / 1e6, n).astype(np.int64) * 1_000_000)


def _after(time: Ints, delay: Ints, kept: NDArray[np.bool_] | bool = True) -> Ints:
    happens = (time < NEVER) & kept
    return np.where(happens, np.where(happens, time, 0) + delay, NEVER)


def make_outcomes(
    rng: np.random.Generator, population: Population, events: SimulatedEvents, exits: Exits, *, end: int
) -> pd.DataFrame:
    """The outcomes table, by time, in the contract's columns; nothing in it was recorded at ``end`` or later."""
    n = len(population.created)
    mql = _after(_first(events, _MQL, n), _delay(rng, 6 * HOUR, n))
    sql = _after(np.maximum(mql, _first(events, _SQL, n)), _delay(rng, 2 * DAY, n))
    opportunity = _after(sql, _delay(rng, 5 * DAY, n), rng.random(n) < 0.6)

    won = (exits.time < NEVER) & (exits.kind == 0)
    before = population.created  # of a won lead: its creation, then the move before
    moves = []
    for stage, moved in enumerate((mql, sql, opportunity)):
        recorded = _after(moved, _delay(rng, 10 * HOUR, n))
        late = won & (moved >= exits.time)
        halfway = before + (np.where(late, exits.time, before) - before) // 2_000_000 * 1_000_000
        moved = np.where(late, halfway, moved)
        recorded = np.where(late, exits.time, recorded)
        lead = np.flatnonzero((late | (moved < exits.time)) & (recorded < end))
        moves.append((lead, np.full(len(lead), stage), moved[lead], recorded[lead]))
        before = np.where(won, moved, before)
    lead = np.flatnonzero(exits.time < NEVER)
    moves.append((lead, 3 + exits.kind[lead], exits.time[lead], exits.time[lead]))
    lead, stage_code, occurred, recorded = (np.concatenate(column) for column in zip(*moves, strict=True))
    order = np.lexsort((stage_code, lead, occurred))
    lead, stage_code, occurred, recorded = lead[order], stage_code[order], occurred[order], recorded[order]

    size = population.leads["employees"].fillna(60.0).to_numpy()[lead]
    amount = np.round(np.exp(rng.normal(7.6, 0.5, len(lead))) * size**0.3, 2)
    amount[stage_code != 3] = np.nan
    words = np.array([None, *_LOST_REASONS, *_REFUSED_REASONS], dtype=object)
    pick = 1 + rng.integers(0, 5, len(lead)) + 5 * (stage_code == 5)
    return pd.DataFrame(
        {
            "lead_id": population.leads["lead_id"].to_numpy()[lead],
            "stage": _category(stage_code, _STAGES),
            "occurred_at": microseconds_to_column(occurred),
            "recorded_at": microseconds_to_column(recorded),
            "amount": amount,
            "reason": pd.Series(words[np.where(stage_code >= 4, pick, 0)], dtype="str"),
        }
    )


def add_afterwards(
    rng: np.random.Generator, leads: pd.DataFrame, events: pd.DataFrame, outcomes: pd.DataFrame, *, end: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leads and events with what sales wrote once it knew the end: the leaks that an audit must find."""
    last_stage = outcomes.drop_duplicates("lead_id", keep="last").set_index("lead_id")
    lead_id = leads["lead_id"]
    status = lead_id.map(last_stage["stage"].astype("str"))
    handled = lead_id.isin(
        outcomes.loc[outcomes["stage"].isin(["sql", "opportunity", "closed_won"]), "lead_id"]
    )
    owner = np.where(
        handled, np.array(_OWNERS, dtype=object)[rng.integers(0, len(_OWNERS), len(leads))], "queue"
    )
    last = events.drop_duplicates("lead_id", keep="last").set_index("lead_id")["occurred_at"]
    leads = leads.assign(
        lead_status=status.astype("str").fillna("new"),
        owner=pd.Series(owner, dtype="str"),
        last_activity_date=lead_id.map(last).dt.strftime("%Y-%m-%d").astype("str"),
        closed_amount=lead_id.map(last_stage["amount"]).astype(float),
        lost_reason=lead_id.map(last_stage["reason"]).astype("str"),
    )

    deals = outcomes.loc[outcomes["stage"] == "closed_won"]
    wait = _delay(rng, 3 * DAY, len(deals)) + HOUR
    call = deals["occurred_at"] + pd.to_timedelta(wait, unit="us")
    known = column_to_microseconds(call) < end
    calls = deals[["lead_id"]].assign(
        occurred_at=call,
        recorded_at=call,
        action="onboarding_call",
        channel="direct",
        value=np.nan,
        campaign=None,
        content=None,
        initiated_by="company",
    )[known]
    for column in ("action", "channel", "campaign", "content", "initiated_by"):
        words = events[column].cat.categories
        both = [*words, "onboarding_call"] if column == "action" else words
        dtype = pd.CategoricalDtype(pd.Index(both, dtype="str"))
        events = events.assign(**{column: events[column].astype(dtype)})
        calls[column] = calls[column].astype(dtype)
    return leads, pd.concat([events, calls], ignore_index=True).sort_values(
        "occurred_at", kind="stable", ignore_index=True
    )
