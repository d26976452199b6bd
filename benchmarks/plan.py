"""How often the plan's interval holds the customers that came: simulated companies, then Olist by quarter.

    PYTHONPATH=. python benchmarks/plan.py coverage [--companies 200] [--first 10000] [--days 91]
    PYTHONPATH=. python benchmarks/plan.py leads [--companies 200] [--first 10000]
    PYTHONPATH=. python benchmarks/plan.py olist

``coverage``: each company has 500 to 4,000 leads in 600 days, a drift of conversion of -0.5, 0 or 0.5 a year, and
ends in a season of its own. From what was known some days before its end, customers by its end are forecast;
printed is how many of the 90% intervals hold the number that there was, how often it lies below and above, and the
mean width, beside two plain rivals: Poisson around the customers of as many days before, and that number plus or
minus 1.645 times the standard deviation of all earlier periods. ``leads`` turns it around: of the customers that
came, did the range of leads that the plan names for as many hold the number of leads that came? ``olist`` forecasts
each quarter at its start.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from mqlml.commands.check import read_data
from mqlml.commands.insight import require_journeys
from mqlml.config import Problem, read_config
from mqlml.evaluation import Estimate
from mqlml.insight.funnel.stages import LeadStages, read_stages
from mqlml.insight.plan.forecast import forecast_customers, forecast_past
from mqlml.monitoring import known_by
from mqlml.progress import Silent
from mqlml.simulate import simulate
from mqlml.times import DAY, from_microseconds, parse_instant

SIZES = (500, 1000, 2000, 4000)
DRIFTS = (0.0, 0.5, -0.5)


@dataclass(frozen=True)
class Past:
    """A company as it was known some days before its end, and as it ended."""

    size: int
    drift: float
    known: LeadStages
    ended: LeadStages


def companies(first: int, n: int, days: int) -> Iterator[Past]:
    problem = Problem.model_validate(
        {"outcome": "closed_won", "horizon": "60d", "snapshots": {"ages": ["0d"]}}
    )
    for number in range(n):
        size, drift = SIZES[number % len(SIZES)], DRIFTS[number // len(SIZES) % len(DRIFTS)]
        start = dt.date(2023, 1, 1) + dt.timedelta(days=37 * number % 365)
        whole = simulate(size, random_state=first + number, start=start, days=600, drift=drift).journeys()
        # Late colleagues of a lead are drawn to appear before the simulated time ends, and so crowd its last weeks.
        journeys = known_by(whole, whole.observed_until - dt.timedelta(days=60))
        ended = read_stages(journeys, problem)
        then = from_microseconds(ended.until - days * DAY)
        yield Past(size, drift, read_stages(known_by(journeys, then), problem), ended)


def came(past: Past) -> int:
    won = past.ended.reached["closed_won"]
    return int(((won > past.known.until) & (won <= past.ended.until)).sum())


def rivals(past: Past) -> list[tuple[float, float]]:
    span = past.ended.until - past.known.until
    edges = past.known.until - span * np.arange(
        int((past.known.until - past.known.created.min()) // span), -1, -1
    )
    counts = np.histogram(past.known.reached["closed_won"], edges)[0]
    last, spread = float(counts[-1]), float(counts.std(ddof=1)) if len(counts) > 1 else 0.0
    low, high = stats.poisson.interval(0.9, max(last, 0.5))
    return [(float(low), float(high)), (last - 1.645 * spread, last + 1.645 * spread)]


def show(name: str, rows: list[tuple[str, float, tuple[float, float]]]) -> None:
    for group in dict.fromkeys(("all", *(row[0] for row in rows))):
        own = [(value, ends) for key, value, ends in rows if group in ("all", key)]
        inside = np.mean([low <= value <= high for value, (low, high) in own])
        below = np.mean([value < low for value, (low, _) in own])
        width = np.mean([(high - low) / max(value, 1) for value, (low, high) in own])
        print(
            f"{name:<22} {group:<12} {len(own):>4} companies, inside {inside:.1%}, below {below:.1%}, "
            f"above {1 - inside - below:.1%}, width {width:.2f} of the number"
        )


def coverage(first: int, n: int, days: int) -> None:
    found: dict[str, list[tuple[str, float, tuple[float, float]]]] = {}
    for past in companies(first, n, days):
        number, group = came(past), f"{past.size} leads"
        forecast = forecast_customers(past.known, past.ended.until, n_draws=1000).expected
        ranges = {"mqlml": (forecast.low, forecast.high)}
        ranges |= dict(zip(("Poisson of the last", "spread of periods"), rivals(past), strict=True))
        for name, ends in ranges.items():
            found.setdefault(name, []).append((group if name == "mqlml" else "all", number, ends))
            if name == "mqlml":
                found.setdefault("mqlml, by drift", []).append((f"drift {past.drift:g}", number, ends))
    for name, rows in found.items():
        show(name, rows)


def leads(first: int, n: int, days: int) -> None:
    rows = []
    for past in companies(first, n, days):
        number = came(past)
        if number < 1:
            continue
        (need,) = forecast_customers(past.known, past.ended.until, (number,), n_draws=1000).needs
        new = int((past.ended.created > past.known.until).sum())
        rows.append((f"{past.size} leads", float(new), (need.leads.low, need.leads.high)))
    show("leads", rows)


def olist() -> None:
    config = read_config(Path(__file__).resolve().parents[1] / "examples" / "olist.yml")
    data = require_journeys(read_data(config, Silent(), now=parse_instant("2026-01-01", "UTC")), "plan")
    for row in forecast_past(data, config.problem):
        print(
            f"{row.quarter}: forecast {shown(row.forecast)}, came {row.customers}, {'in' if row.inside else 'out'}"
        )


def shown(forecast: Estimate) -> str:
    return f"{forecast.value:.0f} ({forecast.low:.0f} to {forecast.high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("coverage", "leads", "olist"))
    parser.add_argument("--companies", type=int, default=200)
    parser.add_argument("--first", type=int, default=10_000, help="the first company's seed")
    parser.add_argument("--days", type=int, default=91)
    arguments = parser.parse_args()
    parts: dict[str, Callable[[int, int, int], None]] = {"coverage": coverage, "leads": leads}
    if arguments.part == "olist":
        olist()
    else:
        parts[arguments.part](arguments.first, arguments.companies, arguments.days)


if __name__ == "__main__":
    main()
