"""Reasons of single leads beside the truth: how many point the wrong way, by each way to choose them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from signal_cases import EVALUATED, THINGS, Case, Floats, know, make_case, make_settings, remember
from signal_truth import EVENTS

from mqlml.commands.train import train
from mqlml.features import build_features
from mqlml.model import calibrate, contribute
from mqlml.model.reasons import ReasonSignals, choose_signal_reasons, find_done, map_features
from mqlml.model.signals import find_signals, signals_from_journeys
from mqlml.simulate import Simulation, simulate
from mqlml.training import build_table, open_leads

SHIPPED = "like leads agree"
"""The way that is to be shipped: merged, at least 0.20, like leads agree, no totals."""


@dataclass
class Reasons:
    """Reasons of one way to choose them: evaluated, opposite to the truth; leads with an opposite one, with none."""

    evaluated: int = 0
    opposite: int = 0
    leads: int = 0
    with_one: int = 0
    without: int = 0
    about_nothing: int = 0

    def add(self, columns: npt.NDArray[np.int64], effect: Floats) -> None:
        """``columns`` hold positions of things, for in the first half and against in the second; -1 none."""
        number = columns.shape[1] // 2
        way = np.repeat([1.0, -1.0], number)
        place = np.where(columns >= 0, columns, 0)
        value = np.where(columns >= 0, np.take_along_axis(effect, place, axis=1), np.nan)
        evaluated = np.abs(value) >= EVALUATED
        opposite = evaluated & (np.sign(value) != way)
        self.evaluated += int(evaluated.sum())
        self.about_nothing += int((np.abs(value) < EVALUATED).sum())
        self.opposite += int(opposite.sum())
        self.leads += len(columns)
        self.with_one += int(opposite.any(axis=1).sum())
        self.without += int((columns < 0).all(axis=1).sum())


def thing_of(what: str) -> str | None:
    if what in EVENTS or what in THINGS:
        return what
    return {"employees": "company_size", "first_touch": "lead_source"}.get(what)


def known_effects(
    whats: Sequence[str],
    done: npt.NDArray[np.bool_],
    truth: Floats,
    without: dict[str, Floats],
    deleted: dict[str, Floats],
) -> Floats:
    """What each thing truly adds to each lead's log-odds; NaN where the truth is not known.

    For an event type that the lead did, against these events deleted; else against its rates made equal.
    """
    effect = np.full((len(truth), len(whats)), np.nan)
    for place, what in enumerate(whats):
        thing = thing_of(what)
        if thing in without:
            effect[:, place] = logit(truth) - logit(without[thing])
        if thing in deleted:
            own = done[:, place]
            effect[own, place] = (logit(truth) - logit(deleted[thing]))[own]
    return effect


def with_totals(own: ReasonSignals) -> ReasonSignals:
    """Totals as reasons of their own."""
    return dataclasses.replace(own, is_total=(False,) * len(own.signals))


def unmerged(features: Sequence[Any]) -> ReasonSignals:
    """Totals as reasons, attributes that tell the same apart, and no check against like leads."""
    alone = map_features(features, None)
    return dataclasses.replace(with_totals(alone), is_event=(False,) * len(alone.signals))


def measure_reasons(n_leads: int, seeds: Sequence[int], cache: Path | None) -> dict[str, Reasons]:
    """Reasons of the leads that are scored at the end, by each way to choose them."""
    found = {
        name: Reasons()
        for name in ("before signals", "merged", "at least 0.20", "like leads agree, with totals", SHIPPED)
    }
    for seed in seeds:
        case = make_case(n_leads, seed, cache)
        world = case.world

        def make(case: Case = case, world: Simulation = world) -> Any:
            bundle = train(case.config, world.journeys(), now=world.observed_until).bundle
            assert bundle is not None, "a simulated company of this size passes the gate"
            snapshots = open_leads(world.journeys(), world.observed_until, case.config.problem)
            rows = build_features(world.journeys(), snapshots, bundle.plan)
            values = calibrate(contribute(bundle.scorer, rows), bundle.calibrator)
            return bundle.plan.features, rows, values, know(world, snapshots, EVENTS, tuple(THINGS))

        features, table, values, (truth, without, deleted) = remember(
            cache, f"reasons-{n_leads}-{seed}", make
        )
        signals = signals_from_journeys(world.journeys(), case.table)
        report = find_signals(signals, random_state=0)
        own = map_features(features, report)
        merged = with_totals(own)
        unchecked = dataclasses.replace(merged, is_event=(False,) * len(own.signals))
        for name, mapping, doers, least in (
            ("before signals", unmerged(features), map_features(features, None), 0.02),
            ("merged", unchecked, own, 0.02),
            ("at least 0.20", unchecked, own, 0.20),
            ("like leads agree, with totals", merged, own, 0.20),
            (SHIPPED, own, own, 0.20),
        ):
            done = find_done(table, doers)
            chosen = choose_signal_reasons(values, mapping, done, number=3, least=least)
            effect = known_effects([what for _, what in mapping.signals], done, truth, without, deleted)
            found[name].add(np.hstack([chosen.speaks_for, chosen.speaks_against]), effect)
    return found


def measure_demo(cache: Path | None) -> dict[str, int]:
    """How often the demo's open leads have a reason against them that is about interest shown."""

    def make() -> Any:
        world = simulate(4000, random_state=7, leaky_columns=True)
        config = make_settings(world.observed_until)
        bundle = train(config, world.journeys(), now=world.observed_until).bundle
        assert bundle is not None, "the demo passes the gate"
        table = build_table(world.journeys(), config)
        snapshots = open_leads(world.journeys(), world.observed_until, config.problem)
        rows = build_features(world.journeys(), snapshots, bundle.plan)
        values = calibrate(contribute(bundle.scorer, rows), bundle.calibrator)
        return world.journeys(), table, bundle.plan.features, rows, values

    journeys, table, features, rows, values = remember(cache, "demo", make)
    report = find_signals(signals_from_journeys(journeys, table), random_state=0)
    mapping = map_features(features, report)
    done = find_done(rows, mapping)
    chosen = choose_signal_reasons(values, mapping, done, number=3)
    against = {}
    for what in ("webinar_attended", "demo_request", "trial_start"):
        place = [signal.what for signal in mapping.signals].index(what)
        against[what] = int(((chosen.speaks_against == place).any(axis=1) & done[:, place]).sum())
        against[f"no {what}"] = int(((chosen.speaks_against == place).any(axis=1) & ~done[:, place]).sum())
    return against
