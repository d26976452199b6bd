"""Signal tables of companies: only what was known before the cutoff, and directions that agree with the truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.config import make_config
from mqlml.journeys import FlatTable, Journeys, empty_quarantine
from mqlml.model.signal_columns import SignalKey
from mqlml.model.signals import find_signals, signals_from_flat, signals_from_journeys
from mqlml.simulate import Simulation, simulate
from mqlml.simulate.world import ACTIONS
from mqlml.times import DAY
from mqlml.training import TrainingTable, build_table

CONFIG = {
    "name": "signals",
    "data": {"observed_until": "2025-06-24", "leads": {"path": "l.csv"}, "outcomes": {"path": "o.csv"}},
    "problem": {"horizon": "60d", "snapshots": {"ages": ["0d", "7d", "30d"]}},
    "windows": ["30d", "all"],
}


def company(n_leads: int, seed: int) -> tuple[Simulation, TrainingTable]:
    world = simulate(n_leads, random_state=seed)
    return world, build_table(world.journeys(), make_config(CONFIG, folder=Path(), where="test"))


def with_events(journeys: Journeys, extra: pd.DataFrame) -> Journeys:
    rows = [
        journeys.events,
        *([extra.astype(journeys.events.dtypes[extra.columns].to_dict())] if len(extra) else []),
    ]
    return dataclasses.replace(journeys, events=pd.concat(rows, ignore_index=True))


def extra_events(table: TrainingTable, occurred: int, recorded: int) -> pd.DataFrame:
    """A demo request of each lead so many microseconds after its last cutoff."""
    last = table.cutoff_time.groupby(table.lead_id.to_numpy()).max()
    return pd.DataFrame(
        {
            "lead_id": last.index,
            "occurred_at": (last + pd.Timedelta(occurred, "us")).to_numpy(),
            "recorded_at": (last + pd.Timedelta(recorded, "us")).to_numpy(),
            "action": "demo_request",
        }
    ).assign(
        occurred_at=lambda frame: pd.to_datetime(frame["occurred_at"], utc=True),
        recorded_at=lambda frame: pd.to_datetime(frame["recorded_at"], utc=True),
    )


def test_only_what_was_known_strictly_before_the_cutoff_counts() -> None:
    world, table = company(400, 3)
    journeys = world.journeys()
    before = signals_from_journeys(journeys, table).events
    for occurred, recorded in ((0, 0), (1, 1), (-1, 0), (-DAY, 5)):
        later = signals_from_journeys(with_events(journeys, extra_events(table, occurred, recorded)), table)
        pd.testing.assert_frame_equal(later.events, before)
    sooner = signals_from_journeys(with_events(journeys, extra_events(table, -1, -1)), table).events
    last = (
        table.cutoff_time.to_numpy()
        == table.cutoff_time.groupby(table.lead_id.to_numpy()).transform("max").to_numpy()
    )
    assert sooner["demo_request"].to_numpy()[last].all()
    np.testing.assert_array_equal(
        sooner["demo_request"].to_numpy()[~last], before["demo_request"].to_numpy()[~last]
    )


def test_events_of_a_company_are_those_of_a_plain_loop() -> None:
    world, table = company(150, 4)
    signals = signals_from_journeys(world.journeys(), table)
    events = world.events
    for row in range(0, len(table.label), 7):
        own = events[events["lead_id"] == table.lead_id.iloc[row]]
        cutoff = table.cutoff_time.iloc[row]
        known = own[(own["occurred_at"] < cutoff) & (own["recorded_at"] < cutoff)]
        assert set(signals.events.columns[signals.events.iloc[row]]) == set(known["action"])
    assert SignalKey("undesirables", "careers_page_visit") in signals.event_signals
    assert SignalKey("actions", "page_view") in signals.event_signals
    whats = {key.what for key in signals.attribute_signals}
    assert {"country", "job_title", "company_size", "first_touch", "last_touch", "mail_domain"} <= whats
    assert not whats & {"lead", "age", "silence", "any", "value"}, "totals are no signals"


def test_refused_event_types_are_no_signals() -> None:
    world, table = company(150, 4)
    plan = dataclasses.replace(table.plan, refused_actions=("page_view",))
    signals = signals_from_journeys(world.journeys(), dataclasses.replace(table, plan=plan))
    assert "page_view" not in signals.events
    assert len(signals.events.columns) == len(signals.event_signals)


def test_a_simulated_companys_truth() -> None:
    """No direction of an event is wrong, some are said, and what comes first truly matters more."""
    world, table = company(3000, 11)
    signals = signals_from_journeys(world.journeys(), table)
    report = find_signals(signals, random_state=0)
    snapshots = pd.DataFrame({"lead_id": table.lead_id, "cutoff_time": table.cutoff_time})
    truth = world.true_probability(snapshots, horizon=60 * DAY)
    said, effects, ranks = 0, [], []
    for event in signals.events.columns:
        done = signals.events[event].to_numpy()
        found = [one for one in report.signals if one.signal.what == event]
        if not found:
            continue
        kept = world.truth.events.take(np.flatnonzero(world.truth.events.action != ACTIONS.index(event)))
        without = dataclasses.replace(world.truth, events=kept).probability(snapshots[done], horizon=60 * DAY)
        effect = float((truth[done] - without).mean())
        direction = {"more": 1, "less": -1}.get(found[0].levels[0].direction, 0)
        said += direction != 0
        assert direction in (0, np.sign(effect)), event
        effects.append(abs(effect) * np.sqrt(done.mean() * (1 - done.mean())))
        ranks.append(found[0].rank_value)
    assert said >= 2
    order = np.argsort(ranks)[::-1]
    assert np.mean(np.array(effects)[order[:5]]) > 2 * np.mean(np.array(effects)[order[5:]])
    by_name = {one.signal.what: one for one in report.signals}
    assert by_name["email_sent"].levels[0].direction == "no_clear_difference"
    assert {"job_title", "company_size", "industry"} <= {
        one.signal.what for one in sorted(report.signals, key=lambda one: -one.rank_value)[:6]
    }


def test_a_flat_table_has_attributes_only() -> None:
    rng = np.random.default_rng(6)
    n = 800
    country = rng.choice(["DE", "US"], n)
    leads = pd.DataFrame(
        {
            "lead_id": np.arange(n),
            "country": pd.Series(country, dtype="str"),
            "budget": rng.normal(size=n),
        }
    )
    label = (rng.random(n) < np.where(country == "DE", 0.4, 0.1)).astype(float)
    flat = FlatTable(leads, pd.Series(label), pd.Series(np.arange(n)), empty_quarantine(), {"flat": n})
    settings = {
        "name": "flat",
        "data": {"flat": {"path": "f.csv", "lead_id": "id", "label": "y", "order": "n"}},
    }
    table = build_table(flat, make_config(settings, folder=Path(), where="test"))
    report = find_signals(signals_from_flat(table), random_state=0)
    assert [one.signal.what for one in report.signals] == ["country", "budget"]
    directions = [one.direction for one in report.signals[0].levels]
    assert directions == ["more", "less"]
    assert {one.direction for one in report.signals[1].levels} == {"no_clear_difference"}
