"""The truth about signals in simulated companies: how much each matters, and what it says of like leads.

The *true importance* of a thing is the mean KL divergence between the true probability and the true probability
without the thing: for an event type with its rates made equal in all hidden states, for an attribute with its effect
replaced by its mean. The *true like-leads effect* of an event is the true probability minus the true probability with
that lead's events of the type deleted and the rest kept; of a level, minus the true probability with the attribute's
effect replaced by its mean. Both are averaged over those who have it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from unittest import mock

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from mqlml.simulate import Simulation, Truth, simulate
from mqlml.simulate import population as people
from mqlml.simulate import simulation as simulation_module
from mqlml.simulate.behavior import SimulatedEvents
from mqlml.simulate.population import Population
from mqlml.simulate.truth import ForwardFilter
from mqlml.simulate.world import ACTIONS, PAGE_VIEW, Floats, Ints, World, make_world

__all__ = [
    "ATTRIBUTES",
    "EVENTS",
    "REVERSED",
    "attribute_codes",
    "delete_event",
    "equalize_event",
    "replace_attribute",
    "simulate_company",
]

EVENTS = tuple(action for action in ACTIONS if action != "signup_form")
"""The event types; the sign-up form only marks a lead's creation."""

REVERSED = {"webinar_attended": (5.0, 0.8), "case_study_view": (6.0, 0.7)}
"""Event types that a company can have reversed, and what the rates of the curious and of the evaluating are
multiplied by: their true like-leads effect is then near 0, and the raw rates say "more"."""


def simulate_company(
    n_leads: int, seed: int, *, reverse: dict[str, tuple[float, float]] | None = None
) -> Simulation:
    """A company, some of whose event types are frequent among the curious and rare among those who evaluate."""

    def make(**options: float) -> World:
        world = make_world(**options)  # type: ignore[arg-type]
        rates = world.rates.copy()
        for name, factor in (reverse or {}).items():
            rates[ACTIONS.index(name)] *= [1.0, *factor, 1.0]
        return dataclasses.replace(world, rates=rates)

    with mock.patch.object(simulation_module, "make_world", make):
        return simulate(n_leads, random_state=seed)


def equalize_event(truth: Truth, event: str) -> Truth:
    """The truth for someone to whom how often leads do a thing says nothing."""
    world, place = truth.world, ACTIONS.index(event)
    if place == PAGE_VIEW:
        return dataclasses.replace(
            truth,
            world=dataclasses.replace(
                world, page_views=np.full_like(world.page_views, world.page_views.mean())
            ),
        )
    rates = world.rates.copy()
    rates[place] = rates[place].mean()
    return dataclasses.replace(truth, world=dataclasses.replace(world, rates=rates))


@dataclass(frozen=True)
class _Deleted(Truth):
    """As `Truth`, but a lead's own events are ``kept`` only; its colleagues' are all there."""

    kept: SimulatedEvents | None = None
    own: dict[int, ForwardFilter] = field(default_factory=dict)

    def _believe(self, forward: ForwardFilter, leads: Ints, cutoff: Ints) -> Floats:
        assert self.kept is not None
        account = self.population.account
        if id(forward) not in self.own:
            self.own.clear()
            wanted = np.zeros(len(account), dtype=bool)
            wanted[forward.leads] = True
            kept = self.kept.take(np.flatnonzero(wanted[self.kept.lead]))
            self.own[id(forward)] = ForwardFilter(
                self.world, self.population, self.exits, kept, forward.leads, forward.last
            )
        accounts = account[forward.leads]
        low = np.searchsorted(accounts, account[leads], side="left")
        size = np.searchsorted(accounts, account[leads], side="right") - low
        snapshot = np.repeat(np.arange(len(leads)), size)
        colleague = np.arange(int(size.sum())) + np.repeat(low - np.cumsum(size) + size, size)
        exists = self.population.created[forward.leads[colleague]] <= cutoff[snapshot]
        snapshot, colleague = snapshot[exists], colleague[exists]
        is_self = forward.leads[colleague] == leads[snapshot]
        joint = forward.finish(colleague, cutoff[snapshot])
        own = np.empty((len(leads), *joint.shape[1:]))
        own[snapshot[is_self]] = self.own[id(forward)].finish(colleague[is_self], cutoff[snapshot[is_self]])
        evidence = np.log(joint.sum(axis=2))
        evidence[is_self] = 0.0
        prior = self.population.in_market[account[leads]]
        market = np.log(np.column_stack([1 - prior, prior]))
        for column in range(market.shape[1]):
            market[:, column] += np.bincount(snapshot, evidence[:, column], len(leads))
        belief = own * np.exp(market - market.max(axis=1, keepdims=True))[:, :, None]
        return np.asarray(belief / belief.sum(axis=(1, 2), keepdims=True))


def delete_event(truth: Truth, event: str) -> Truth:
    """The truth about each lead had its own events of one type not been recorded, all else the same."""
    kept = truth.events.take(np.flatnonzero(truth.events.action != ACTIONS.index(event)))
    return _Deleted(truth.world, truth.population, truth.events, truth.exits, truth.end, kept=kept)


@dataclass(frozen=True)
class _Effects:
    """What an attribute adds for each lead: to its fit, its company's, its intent and its being a misfit."""

    fit: Floats
    company: Floats
    intent: Floats
    junk: Floats


def _values(table: tuple[tuple[str | None, float, float], ...]) -> tuple[list[str | None], Floats, Floats]:
    return [row[0] for row in table], np.array([row[1] for row in table]), np.array([row[2] for row in table])


def attribute_codes(leads: pd.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    """Each attribute's place in the simulator's tables; -1 where the record does not show it (function only)."""
    codes = {}
    for name, table in (
        ("country", people._COUNTRY),
        ("industry", people._INDUSTRY),
        ("company_size", people._SIZE),
    ):
        words, _, _ = _values(table)
        place = {word: number for number, word in enumerate(words)}
        shown = leads[name].astype(object).where(leads[name].notna(), None)
        codes[name] = np.array([place[word] for word in shown], dtype=np.int64)
    titles: dict[str | None, tuple[int, int]] = {}
    for row, (level, _, _) in enumerate(people._SENIORITY):
        for column, (function, _, _) in enumerate(people._FUNCTION):
            for form in people._TITLES[level] if level else ():
                title = form.format(function, people._CHIEFS[column])
                titles[title] = (row, -1 if level == "student" else column)
    titles[None] = (len(people._SENIORITY) - 1, -1)
    shown = leads["job_title"].astype(object).where(leads["job_title"].notna(), None)
    codes["seniority"], codes["function"] = np.array([titles[title] for title in shown], dtype=np.int64).T
    domain = leads["email"].str.split("@").str[1]
    free = {name for name, _ in people._DOMAINS}
    codes["mail_domain"] = np.where(
        domain == people._DISPOSABLE, 2, np.where(domain.isin(free), 1, 0)
    ).astype(np.int64)
    sources = {name: number for number, name in enumerate(simulation_sources())}
    codes["lead_source"] = leads["lead_source"].map(sources).to_numpy(dtype=np.int64)
    return codes


def simulation_sources() -> tuple[str, ...]:
    """The acquisition channels in the simulator's order."""
    return people.CHANNELS


ATTRIBUTES = ("country", "industry", "company_size", "seniority", "function", "mail_domain", "lead_source")


def _effects(name: str, code: npt.NDArray[np.int64], codes: dict[str, npt.NDArray[np.int64]]) -> _Effects:
    """What an attribute would add for each lead if its codes were these; its interactions count as its own."""
    none = np.zeros(len(code))

    def chief(seniority: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> Floats:
        top = seniority <= 1
        return 0.7 * (top & (size <= 1)) - 0.9 * (top & (size >= 3) & (size <= 5))

    if name == "country":
        return _Effects(_values(people._COUNTRY)[2][code], none, none, none)
    if name == "industry":
        effect = 0.8 * _values(people._INDUSTRY)[2][code]
        return _Effects(effect, effect, none, none)
    if name == "company_size":
        effect = 0.8 * _values(people._SIZE)[2][code]
        return _Effects(effect + chief(codes["seniority"], code), effect, none, none)
    if name == "seniority":
        effect = _values(people._SENIORITY)[2][code] + chief(code, codes["company_size"])
        return _Effects(effect, none, none, 1.9 * ((code >= 5) & (code <= 6)))
    if name == "function":
        effect = np.where(code >= 0, _values(people._FUNCTION)[2][code], 0.0)
        return _Effects(effect, none, none, none)
    if name == "mail_domain":
        return _Effects(np.array([0.0, -0.55, -1.2])[code], none, none, np.array([0.0, 0.6, 1.8])[code])
    intent = np.array([effect for _, effect in people._SOURCE])[code]
    return _Effects(none, none, intent, 0.5 * (code == 2))


def replace_attribute(truth: Truth, *names: str) -> Truth:
    """The truth for someone to whom some attributes say nothing: each has its mean effect for every lead."""
    population = truth.population
    codes = attribute_codes(population.leads)
    change = np.zeros((4, len(population.created)))
    for name in names:
        code = codes[name]
        own = _effects(name, code, codes)
        shown = code >= 0
        levels, counts = np.unique(code[shown], return_counts=True)
        for level, count in zip(levels, counts, strict=True):
            assumed = _effects(name, np.where(shown, level, code), codes)
            for row, part in enumerate(dataclasses.fields(_Effects)):
                share = count / counts.sum()
                change[row] += share * (getattr(assumed, part.name) - getattr(own, part.name))
    fit, company, intent, junk = change
    log_state = np.log(population.first_state)
    log_state[:, :, 2] += (1.5 * fit + intent)[:, None]
    log_state[:, :, 3] += junk[:, None]
    first_state = np.exp(log_state - log_state.max(axis=2, keepdims=True))
    of_account = np.zeros(len(population.in_market))
    of_account[population.account] = company
    changed: Population = dataclasses.replace(
        population,
        fit=population.fit + fit,
        first_state=first_state / first_state.sum(axis=2, keepdims=True),
        in_market=expit(logit(population.in_market) + 1.3 * of_account),
    )
    return dataclasses.replace(truth, population=changed)
