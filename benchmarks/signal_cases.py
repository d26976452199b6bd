"""Simulated companies with the truth about their signals, kept in a cache folder."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from signal_truth import EVENTS, REVERSED, delete_event, equalize_event, replace_attribute, simulate_company

from mqlml.config import Config, make_config
from mqlml.model.signal_columns import SignalTable
from mqlml.model.signals import SignalLevel, SignalReport, SignalResult
from mqlml.simulate import Simulation
from mqlml.times import DAY
from mqlml.training import TrainingTable, build_table

Floats = npt.NDArray[np.float64]

HORIZON = 60
NO_EFFECT = 0.003
"""A true like-leads effect under this has no direction."""

EVALUATED = 0.02
"""A reason is evaluated if the truth about its thing moves the lead's log-odds by at least this."""

THINGS = {
    "country": ("country",),
    "industry": ("industry",),
    "company_size": ("company_size",),
    "job_title": ("seniority", "function"),
    "mail_domain": ("mail_domain",),
    "lead_source": ("lead_source",),
    "landing_page": (),
    "annual_revenue": (),
}
"""The attributes whose truth is known, and what they are in the simulator; the last two say nothing."""


@dataclass(frozen=True)
class Case:
    """A company, its snapshots, and the truth about them.

    Attributes
    ----------
    truth : of each snapshot the true probability.
    without : of each snapshot and thing the true probability without the thing.
    deleted : of each snapshot and event type the true probability with the lead's own events of it deleted.
    """

    world: Simulation
    config: Config
    table: TrainingTable
    truth: Floats
    without: dict[str, Floats]
    deleted: dict[str, Floats]


def make_settings(until: Any) -> Config:
    return make_config(
        {
            "name": "signals",
            "data": {
                "observed_until": until.date().isoformat(),
                "leads": {"path": "leads.csv"},
                "outcomes": {"path": "outcomes.csv"},
            },
            "problem": {
                "horizon": f"{HORIZON}d",
                "snapshots": {"ages": ["0d", "7d", "30d"]},
                "age_limits": ["0d", "37d"],
            },
            "windows": ["7d", "30d", "all"],
        },
        folder=Path(),
    )


def remember(cache: Path | None, name: str, make: Callable[[], Any]) -> Any:
    """What was made before under this name, or is made now."""
    if cache is None:
        return make()
    file = cache / f"{name}.pkl"
    if not file.exists():
        made = make()
        file.write_bytes(pickle.dumps(made))
    return pickle.loads(file.read_bytes())


def know(world: Simulation, snapshots: pd.DataFrame, events: Sequence[str], things: Sequence[str]) -> Any:
    """The truth about snapshots: as it is, without each thing, and with each event type deleted."""
    ask = {"horizon": HORIZON * DAY}
    truth = world.truth.probability(snapshots, **ask)
    without = {event: equalize_event(world.truth, event).probability(snapshots, **ask) for event in events}
    for thing in things:
        names = THINGS[thing]
        changed = replace_attribute(world.truth, *names) if names else world.truth
        without[thing] = changed.probability(snapshots, **ask)
    deleted = {}
    for event in events:
        done = done_before(world, snapshots, event)
        deleted[event] = truth.copy()
        deleted[event][done] = delete_event(world.truth, event).probability(snapshots[done], **ask)
    return truth, without, deleted


def done_before(world: Simulation, snapshots: pd.DataFrame, event: str) -> npt.NDArray[np.bool_]:
    """Whether each snapshot's lead had done a thing, and the company knew: to all others its deletion is nothing."""
    own = world.events[world.events["action"] == event]
    known = own[["occurred_at", "recorded_at"]].max(axis=1).groupby(own["lead_id"]).min()
    first = snapshots["lead_id"].map(known)
    return (first < snapshots["cutoff_time"]).to_numpy()


def make_case(n_leads: int, seed: int, cache: Path | None, *, reverse: bool = False) -> Case:
    """A company and its truth, from the cache if they were made before."""
    name = f"{'reversed' if reverse else 'case'}-{n_leads}-{seed}"
    return Case(*remember(cache, name, lambda: _make_case(n_leads, seed, reverse)))


def _make_case(n_leads: int, seed: int, reverse: bool) -> tuple[Any, ...]:
    world = simulate_company(n_leads, seed, reverse=REVERSED if reverse else None)
    config = make_settings(world.observed_until)
    table = build_table(world.journeys(), config)
    snapshots = pd.DataFrame({"lead_id": table.lead_id, "cutoff_time": table.cutoff_time})
    events = tuple(REVERSED) if reverse else EVENTS
    things = () if reverse else tuple(THINGS)
    return (world, config, table, *know(world, snapshots, events, things))


def named(report: SignalReport) -> dict[str, SignalResult]:
    return {one.signal.what: one for one in report.signals}


def divergence(one: Floats, other: Floats) -> float:
    return float(np.mean(one * np.log(one / other) + (1 - one) * np.log((1 - one) / (1 - other))))


def true_importance(case: Case) -> dict[str, float]:
    return {name: divergence(case.truth, without) for name, without in case.without.items()}


def true_event_effects(case: Case, signals: SignalTable) -> dict[str, float]:
    effects = {}
    for event, deleted in case.deleted.items():
        if event in signals.events:
            done = signals.events[event].to_numpy()
            if done.any():
                effects[event] = float((case.truth - deleted)[done].mean())
    return effects


def true_level_effect(case: Case, thing: str, level: SignalLevel) -> float:
    values = case.table.features[level.name]
    if pd.api.types.is_numeric_dtype(values.dtype):
        return 0.0  # the bands of annual revenue
    has = (
        (values.isna() | (values == "missing")) if level.level == "missing" else values == level.level
    ).to_numpy()
    return float((case.truth - case.without[thing])[has].mean())
