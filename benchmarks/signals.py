"""Do signals say the truth? Companies with a known truth are simulated, and what is said of them is set beside it.

    python benchmarks/signals.py [--seeds 201 202 203] [--sizes 4000 20000] [--cache DIR] [--quick]

Printed: each acceptance figure of the method beside what was reached. Truths are computed from the simulator as
`signal_truth` describes. A thing whose true like-leads effect is under 0.3 percentage points is *without effect*; a
direction of one with an effect is wrong if its sign is not the true one. ``--quick`` runs one small company with few
bootstraps, to see that everything runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau
from signal_cases import (
    HORIZON,
    NO_EFFECT,
    THINGS,
    Case,
    make_case,
    named,
    true_event_effects,
    true_importance,
    true_level_effect,
)
from signal_reasons import SHIPPED, Reasons, measure_demo, measure_reasons

from mqlml.model.signal_columns import SignalTable
from mqlml.model.signals import SignalReport, find_signals, signals_from_journeys
from mqlml.render.report.signals import format_explanation


def sign(direction: str) -> int:
    return {"more": 1, "less": -1}.get(direction, 0)


@dataclass
class Counts:
    """How many directions were said, and how many of them are wrong or about nothing."""

    with_effect: int = 0
    said: int = 0
    wrong: int = 0
    nothing: int = 0
    said_of_nothing: int = 0
    signs: int = 0

    def add(self, effect: float, estimate: float, direction: int) -> None:
        if abs(effect) < NO_EFFECT:
            self.nothing += 1
            self.said_of_nothing += direction != 0
            return
        self.with_effect += 1
        self.signs += np.sign(estimate) == np.sign(effect)
        self.said += direction != 0
        self.wrong += direction != 0 and direction != np.sign(effect)


def order_tau(one: dict[str, float], other: dict[str, float], things: Sequence[str]) -> float:
    both = [thing for thing in things if thing in one and thing in other]
    return float(kendalltau([one[thing] for thing in both], [other[thing] for thing in both]).statistic)


def bootstrap(signals: SignalTable, seed: int) -> SignalTable:
    """Accounts drawn with replacement; one that is drawn twice is two."""
    rng = np.random.default_rng(seed)
    order = np.argsort(signals.account, kind="stable")
    starts = np.flatnonzero(np.diff(signals.account[order], prepend=-1))
    groups = np.split(order, starts[1:])
    drawn = rng.integers(0, len(groups), len(groups))
    rows = np.concatenate([groups[number] for number in drawn])
    return SignalTable(
        signals.label[rows],
        signals.lead[rows],
        np.repeat(np.arange(len(drawn)), [len(groups[number]) for number in drawn]),
        signals.age[rows],
        signals.events.iloc[rows].reset_index(drop=True),
        signals.attributes.iloc[rows].reset_index(drop=True),
        signals.event_signals,
        signals.attribute_signals,
    )


def values_of(report: SignalReport, things: Sequence[str]) -> dict[str, float]:
    return {what: one.rank_value for what, one in named(report).items() if what in things}


@dataclass
class Order:
    """How well signals are ordered: against the truth, between companies and between bootstraps of accounts."""

    taus: list[float] = field(default_factory=list)
    hits: list[int] = field(default_factory=list)
    bootstraps: list[float] = field(default_factory=list)
    top_bootstraps: list[float] = field(default_factory=list)
    orders: list[dict[str, float]] = field(default_factory=list)
    tops: list[list[str]] = field(default_factory=list)

    def add(self, case: Case, signals: SignalTable, report: SignalReport, n_bootstrap: int) -> None:
        truth = true_importance(case)
        order = values_of(report, list(truth))
        ranked = sorted((thing for thing in truth if thing in order), key=lambda thing: -truth[thing])
        self.taus.append(order_tau(truth, order, ranked[:10]))
        self.hits.append(len(set(ranked[:5]) & set(sorted(order, key=lambda thing: -order[thing])[:5])))
        for draw in range(n_bootstrap):
            again = values_of(find_signals(bootstrap(signals, draw), random_state=0), list(order))
            self.bootstraps.append(order_tau(order, again, list(order)))
            self.top_bootstraps.append(order_tau(order, again, ranked[:10]))
        self.orders.append(order)
        self.tops.append(ranked[:10])

    def between(self, *, top: bool) -> float:
        """Mean tau between two companies, over all things or over the ten that truly matter most."""
        taus = [
            order_tau(self.orders[one], self.orders[other], self.tops[one] if top else list(self.orders[one]))
            for one, other in itertools.combinations(range(len(self.orders)), 2)
        ]
        return float(np.mean(taus or [np.nan]))


def measure_size(
    n_leads: int, seeds: Sequence[int], cache: Path | None, *, n_bootstrap: int, quick: bool
) -> dict[str, float]:
    """What was reached with companies of one size."""
    events, levels, order = Counts(), Counts(), Order()
    seconds, nil, ratios = [], 0, []
    for seed in seeds:
        case = make_case(n_leads, seed, cache)
        signals = signals_from_journeys(case.world.journeys(), case.table)
        begin = time.process_time()
        report = find_signals(signals, random_state=0)
        seconds.append(time.process_time() - begin)
        found = named(report)
        for event, effect in true_event_effects(case, signals).items():
            if event in found:
                level = found[event].levels[0]
                events.add(effect, level.like_leads.value, sign(level.direction))
                if abs(effect) >= NO_EFFECT:
                    ratios.append((level.raw.difference.value / effect, level.like_leads.value / effect))
        for thing in THINGS:
            for level in found[thing].levels if thing in found else ():
                if not level.pooled:
                    effect = true_level_effect(case, thing, level)
                    levels.add(effect, level.like_leads.value, sign(level.direction))
        nil += sign(found["email_sent"].levels[0].direction) != 0
        nil += any(sign(level.direction) for level in found["landing_page"].levels)
        order.add(case, signals, report, n_bootstrap)
        if quick:
            show(report)
    raw_times, like_times = np.median(ratios, axis=0)
    return {
        "events with an effect": events.with_effect,
        "event signs right": events.signs,
        "events said": events.said,
        "events wrong": events.wrong,
        "events without effect": events.nothing,
        "events said without effect": events.said_of_nothing,
        "levels with an effect": levels.with_effect,
        "levels said": levels.said,
        "levels wrong": levels.wrong,
        "levels said without effect": levels.said_of_nothing,
        "tau top 10": float(np.mean(order.taus)),
        "top-5 hits": float(np.mean(order.hits)),
        "tau between seeds": order.between(top=False),
        "tau between seeds, true top 10": order.between(top=True),
        "tau of bootstraps": float(np.mean(order.bootstraps or [np.nan])),
        "tau of bootstraps, true top 10": float(np.mean(order.top_bootstraps or [np.nan])),
        "nil said": nil,
        "nil chances": 2 * len(seeds),
        "raw over true": float(raw_times),
        "like leads over true": float(like_times),
        "seconds": float(np.mean(seconds)),
    }


def show(report: SignalReport) -> None:
    print(
        f"{report.leads:,} leads; {100 * report.base_rate:.1f} of 100 snapshots convert within {HORIZON} days.\n"
    )
    for one in report.signals:
        for level in one.levels:
            alike = level.like_leads
            points = [100 * end for end in (alike.value, alike.low, alike.high)]
            print(
                f"{one.signal.family:12} {level.name:34} {level.level or '':22} "
                f"{level.leads:6,} ({level.reach:.1%})  "
                f"{level.raw.with_rate:.1%} -> {level.raw.without_rate:.1%}  {level.direction}, "
                f"{points[0]:+.1f} ({points[1]:.1f} to {points[2]:.1f})"
            )


def measure_reversed(sizes: Sequence[int], seeds: Sequence[int], cache: Path | None) -> dict[str, float]:
    """How often a direction is said of events that are frequent among the curious and rare among buyers."""
    chances = said = raw_more = explained = 0
    effects = []
    for n_leads, seed in itertools.product(sizes, seeds):
        case = make_case(n_leads, seed, cache, reverse=True)
        signals = signals_from_journeys(case.world.journeys(), case.table)
        found = named(find_signals(signals, random_state=0))
        for event, effect in true_event_effects(case, signals).items():
            level = found[event].levels[0]
            effects.append(100 * effect)
            chances += 1
            said += level.direction != "no_clear_difference"
            raw_more += level.raw.direction == "more"
            explained += level.raw.direction == "more" and "mostly because" in format_explanation(level)
    print("true like-leads effects of the reversed events, points:", ", ".join(f"{e:+.2f}" for e in effects))
    return {"chances": chances, "said": said, "raw more": raw_more, "explained": explained}


def line(name: str, wanted: str, reached: str) -> None:
    print(f"| {name} | {wanted} | {reached} |")


def print_figures(
    reached: Sequence[dict[str, float]], reverse: dict[str, float], reasons: Sequence[dict[str, Reasons]]
) -> None:
    """Each acceptance figure beside what was reached."""

    def figures(name: str, form: str = "g") -> str:
        return " / ".join(f"{one[name]:{form}}" for one in reached)

    print("| figure | to reach | reached |\n|---|---|---|")
    line("events: wrong directions", "at most 1", figures("events wrong"))
    said = f"{figures('events said')} of {figures('events with an effect')}"
    line("events: directions said", "at least 15 / 27", said)
    of_nothing = f"{figures('events said without effect')} of {figures('events without effect')}"
    line("events without effect: said", "at most 2", of_nothing)
    line("levels: wrong directions", "at most 1", figures("levels wrong"))
    line("tau with the truth, true top 10", ">= .40 / .70", figures("tau top 10", ".2f"))
    line("top-5 hits", ">= 4 / 4.5", figures("top-5 hits", ".1f"))
    for what, wanted in (("tau between seeds", ">= .40 / .70"), ("tau of bootstraps", ">= .55 / .80")):
        line(f"{what}, all things", wanted, figures(what, ".2f"))
        line(f"{what}, true top 10", wanted, figures(f"{what}, true top 10", ".2f"))
    nil, chances = (sum(one[name] for one in reached) for name in ("nil said", "nil chances"))
    line("landing page and e-mail sent: said", "at most 2 of 12", f"{nil:g} of {chances:g}")
    line("reversed events: said", "at most 1 of 12", f"{reverse['said']:g} of {reverse['chances']:g}")
    explained = f"{reverse['explained']:g} of {reverse['raw more']:g}"
    line("reversed events: “mostly because” where raw says more", "all", explained)
    for name in reasons[0] if reasons else ():
        of_name = [found[name] for found in reasons]
        wanted_of = ("<= 13 / 6%", "<= 11 / 10%", "<= 35 / 10%") if name == SHIPPED else ("", "", "")
        for what, limit, shares in (
            ("opposite", wanted_of[0], [one.opposite / max(1, one.evaluated) for one in of_name]),
            ("leads with one", wanted_of[1], [one.with_one / one.leads for one in of_name]),
            ("leads without a reason", wanted_of[2], [one.without / one.leads for one in of_name]),
        ):
            line(f"reasons, {name}: {what}", limit, " / ".join(f"{share:.1%}" for share in shares))
        counts = " / ".join(f"{one.leads:,}, {one.evaluated:,}, {one.about_nothing:,}" for one in of_name)
        line(f"reasons, {name}: leads, evaluated reasons, those about nothing", "", counts)
    print("\nNot accepted on, but worth knowing:")
    for name in ("event signs right", "levels said", "levels with an effect", "levels said without effect"):
        print(f"  {name}: {figures(name)}")
    for name in ("raw over true", "like leads over true", "seconds"):
        print(f"  {name}: {figures(name, '.2f')}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202, 203])
    parser.add_argument("--sizes", type=int, nargs="+", default=[4_000, 20_000])
    parser.add_argument("--bootstraps", type=int, default=10)
    parser.add_argument("--cache", type=Path, help="where companies, truths and models are kept")
    parser.add_argument("--quick", action="store_true", help="one small company, to see that everything runs")
    parser.add_argument("--no-reasons", action="store_true")
    asked = parser.parse_args()
    seeds, sizes, n_bootstrap = asked.seeds, asked.sizes, asked.bootstraps
    if asked.quick:
        seeds, sizes, n_bootstrap = seeds[:1], [2_000], 2
    if asked.cache:
        asked.cache.mkdir(parents=True, exist_ok=True)
    begin = time.process_time()
    reached = []
    for n in sizes:
        reached.append(measure_size(n, seeds, asked.cache, n_bootstrap=n_bootstrap, quick=asked.quick))
        print(f"{n:,} leads:", {name: round(value, 3) for name, value in reached[-1].items()})
    reverse = measure_reversed(sizes, seeds, asked.cache)
    reasons = []
    for n in [] if asked.no_reasons else sizes:
        reasons.append(measure_reasons(n, seeds, asked.cache))
        print(f"{n:,} leads:", reasons[-1])
    print(f"\nSeeds {', '.join(map(str, seeds))}; {' / '.join(f'{n:,}' for n in sizes)} leads\n")
    print_figures(reached, reverse, reasons)
    for name, number in ({} if asked.no_reasons or asked.quick else measure_demo(asked.cache)).items():
        print(f"  demo: leads with “{name}” as a reason against: {number}")
    print(f"  CPU seconds in all: {time.process_time() - begin:.0f}")


if __name__ == "__main__":
    main()
