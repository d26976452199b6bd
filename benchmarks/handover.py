"""How many leads a week a nightly job hands over for each one that a capacity allows, on simulated companies.

    python benchmarks/handover.py --first 1000 --companies 30 [--leads 4000] [--one-model] [--keep FOLDER]

Each company starts in some month, so that all seasons are met, and is cut 180 days before its end, as a simulation
crowds leads into its last weeks. A version learns from 510 days, with capacities that are the same share of the leads
in companies of every size (of 4,000 leads: 15 MQLs and 4 SQLs a week). The ten weeks after are scored every night,
and a lead counts on the first night on which it has the label. With ``--one-model`` all companies are scored by the
version of one, and only thresholds and forecasts are their own: counting without learning, in a tenth of the time.
Printed, as median and 5% to 95% of companies:

- ratio: leads a week for each one ordered; and the range that chance alone gives where nothing changes, with a
  threshold set by the leads of eight weeks, and leads of one account that come together.
- arrivals: leads a week that arrived for each one that was expected.
- reached: the ratio for each such lead, so the share of arrivals that reached the label against the expected share.
- how often the forecast's 90% interval held.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from mqlml import train
from mqlml.commands import choose_thresholds
from mqlml.config import Config
from mqlml.features import build_features
from mqlml.journeys import Journeys
from mqlml.monitoring import known_by
from mqlml.policy import (
    ArrivalForecast,
    LabelPolicy,
    add_prediction_intervals,
    choose_policy,
    forecast_arrivals,
    make_volume_data,
)
from mqlml.policy.threshold_data import HALF_LIFE
from mqlml.registry import Bundle
from mqlml.simulate import simulate
from mqlml.times import DAY, to_microseconds
from mqlml.training import assign_labels, build_nights, open_leads
from mqlml.training.snapshots import creation_times
from mqlml.types import Floats

NOW = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
ORDERED = {"mql": 15 / 4000, "sql": 4 / 4000}
"""A week, for each lead of the simulation."""
DAYS, LATER = 690, 180
WINDOW, WEEKS, RUN_IN = 8, 10, 42
WEEK = 7 * DAY


def known_at(journeys: Journeys, moment: pd.Timestamp) -> Journeys:
    """What an export of that moment would have had."""
    past = known_by(journeys, moment.to_pydatetime())
    leads = past.leads[past.leads["created_at"] < moment].reset_index(drop=True)
    tables = {
        name: table[table["lead_id"].isin(leads["lead_id"])].reset_index(drop=True)
        for name, table in (("events", past.events), ("outcomes", past.outcomes), ("history", past.history))
    }
    return replace(past, leads=leads, observed_until=moment.to_pydatetime(), **tables)


def count_new(
    bundle: Bundle, journeys: Journeys, snapshots: pd.DataFrame, start: pd.Timestamp
) -> dict[str, tuple[float, float]]:
    """Leads a week that first have each label, or a higher one, at or after ``start``; and how many times the
    variance of as many independent leads that number has, as leads of an account come together."""
    accounts = journeys.leads.set_index("lead_id")["account_id"]
    keys = snapshots[["lead_id", "cutoff_time"]].sort_values("cutoff_time", ignore_index=True)
    raw = bundle.scorer.decision_function(build_features(journeys, keys, bundle.plan))
    meets = bundle.policy.meets_thresholds(bundle.calibrator.predict_proba(raw)[:, 1])
    found = {}
    for place, name in enumerate(bundle.policy.thresholds):
        first = keys[meets[:, place]].groupby("lead_id")["cutoff_time"].min()
        new = first.index[first >= start]
        per_account = accounts[new].fillna(pd.Series(new, new).astype("str")).value_counts().to_numpy()
        found[name] = len(new) / WEEKS, float(per_account @ per_account / max(len(new), 1))
    return found


def expect_arrivals(created: pd.Series, cut: pd.Timestamp, forecast: ArrivalForecast) -> float:
    """Leads a week after the cut, by those of the weeks before, recent weeks weighted more as in a capacity."""
    ago = (cut - created) / pd.Timedelta(weeks=1)
    rate = math.log(2) / HALF_LIFE
    weeks = (1 - math.exp(-rate * WINDOW)) / rate
    return forecast.factor * float(np.exp(-rate * ago[(ago > 0) & (ago <= WINDOW)]).sum()) / weeks


@functools.lru_cache(maxsize=1)
def make_company(seed: int, leads: int) -> tuple[Journeys, pd.Timestamp, Config]:
    """All that happens, the moment at which a version learns, and what it is asked for."""
    start = f"2023-{1 + seed % 12:02d}-01"
    whole = simulate(leads, random_state=seed, days=DAYS, start=start).journeys()
    cut = pd.Timestamp(whole.observed_until) - pd.Timedelta(days=LATER)
    ordered = {name: max(1.0, round(share * leads)) for name, share in ORDERED.items()}
    config = Config(
        name="company",
        data={
            "observed_until": str(cut.date()),
            "leads": {"path": "leads"},
            "outcomes": {"path": "outcomes"},
        },
        problem={
            "horizon": "60d",
            "snapshots": {"ages": ["0d", "7d", "30d"]},
            "age_limits": ["0d", "37d"],
        },
        windows=["7d", "30d", "all"],
        labels={name: {"policy": "capacity", "per_week": count} for name, count in ordered.items()},
    )
    return whole, cut, config


def learn(seed: int, leads: int) -> tuple[Bundle | None, ArrivalForecast]:
    """The version that a company trains, and its forecast of arrivals."""
    whole, cut, config = make_company(seed, leads)
    forecasts = []

    def record(*arguments: Any) -> ArrivalForecast:
        forecasts.append(forecast_arrivals(*arguments))
        return forecasts[-1]

    with mock.patch.object(choose_thresholds, "forecast_arrivals", record):
        bundle = train(config, known_at(whole, cut), now=NOW).bundle
    return bundle, forecasts[-1]


def order_from(bundle: Bundle, seed: int, leads: int) -> tuple[Bundle, ArrivalForecast]:
    """A version of another company with thresholds from this one's nights, which it did not learn from."""
    whole, cut, config = make_company(seed, leads)
    end = to_microseconds(cut.to_pydatetime())
    start = end - WINDOW * WEEK
    nights = build_nights(known_at(whole, cut), config, bundle.plan, start=start, end=end)
    assert nights is not None
    raw = bundle.scorer.decision_function(nights.features)
    probability = bundle.calibrator.predict_proba(raw)[:, 1]
    inside = nights.time >= start
    highest = np.zeros(nights.lead.max() + 1)
    np.maximum.at(highest, nights.lead[~inside], probability[~inside])
    latest = (start / WEEK, end / WEEK)
    volume = make_volume_data(
        probability[inside],
        lead=nights.lead[inside],
        time=nights.time[inside] / WEEK,
        period=latest,
        account=nights.group[inside],
        before=highest[nights.lead[inside]],
        share=nights.share,
    )
    created = whole.leads["created_at"]
    account = whole.leads["account_id"].fillna(whole.leads["lead_id"].astype("str"))
    arrived = creation_times(whole.leads)[created < cut] / WEEK
    codes = np.unique(account[created < cut], return_inverse=True)[1]
    volume = replace(volume, arrivals=forecast_arrivals(arrived, codes, latest, float(WEEKS)))
    label = assign_labels(whole, nights.snapshots[inside], config.problem).astype(np.float64)
    known = replace(volume, label=label, before=None)
    policy: LabelPolicy = add_prediction_intervals(
        choose_policy(known, config.labels, recent=volume),
        known,
        config.labels,
        length=float(WEEKS),
        learned=1.0,
        recent=volume,
    )
    return replace(bundle, policy=policy), volume.arrivals


def evaluate(bundle: Bundle, forecast: ArrivalForecast, seed: int, leads: int) -> list[dict[str, object]]:
    """One row for each label."""
    whole, cut, config = make_company(seed, leads)
    days = [cut + pd.Timedelta(days=day) for day in range(-RUN_IN, 7 * WEEKS)]
    nights = pd.concat([open_leads(whole, day.to_pydatetime(), config.problem) for day in days])
    every_night = count_new(bundle, whole, nights, cut)
    created = whole.leads["created_at"]
    arrived = created.between(cut, cut + pd.Timedelta(weeks=WEEKS)).sum() / WEEKS
    arrivals = float(arrived / expect_arrivals(created, cut, forecast))
    rows: list[dict[str, object]] = []
    for outcome in bundle.policy.outcomes:
        name, interval = outcome.label, outcome.predictions.get("per_week")
        ordered, (came, design) = config.labels[name].per_week or 1.0, every_night[name]
        rows.append(
            {
                "label": name,
                "ordered": ordered,
                "ratio": came / ordered,
                "design": design,
                "arrivals": arrivals,
                "reached": came / ordered / arrivals,
                "interval": None if interval is None else [interval.low, interval.value, interval.high],
                "within": None if interval is None else bool(interval.low <= came <= interval.high),
            }
        )
    return rows


def chance_alone(ordered: float, design: float) -> Floats:
    """The 5, 50 and 95% quantiles of the ratio where nothing changes: the rate that a threshold lets through is Gamma
    distributed, as it was set by a number of leads, and the number in the weeks after is Poisson."""
    rng = np.random.default_rng(0)
    before, after = WINDOW * ordered / design, WEEKS * ordered / design
    rate = rng.gamma(before, 1 / before, 100_000)
    return np.quantile(rng.poisson(after * rate) / after, [0.05, 0.5, 0.95])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    parser.add_argument("--companies", type=int, default=30)
    parser.add_argument("--leads", type=int, default=4000, help="of each company, in 690 days")
    parser.add_argument(
        "--one-model", action="store_true", help="score all companies by one version, of 8,000 leads"
    )
    parser.add_argument(
        "--keep", type=Path, help="a folder that keeps each company's figures for the next run"
    )
    chosen = parser.parse_args()
    rows: list[dict[str, object]] = []
    one, kind = None, "one-" if chosen.one_model else ""
    for seed in range(chosen.first, chosen.first + chosen.companies):
        file = None if chosen.keep is None else chosen.keep / f"{kind}{chosen.leads}-{seed}.json"
        if file is not None and file.exists():
            rows += json.loads(file.read_text())
            continue
        if chosen.one_model:
            one = one or learn(1, 8000)[0]
            assert one is not None
            bundle, forecast = order_from(one, seed, chosen.leads)
        else:
            bundle, forecast = learn(seed, chosen.leads)
        found = [] if bundle is None else evaluate(bundle, forecast, seed, chosen.leads)
        rows += found
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(found))
    for name, group in pd.DataFrame(rows).groupby("label"):
        ordered = float(group["ordered"].iloc[0])
        print(f"{name}: {ordered:g} a week ordered, {len(group)} companies")
        for what in ("ratio", "arrivals", "reached"):
            low, middle, high = np.quantile(group[what].astype(float), [0.05, 0.5, 0.95])
            print(f"  {what}: {middle:.2f} ({low:.2f} to {high:.2f})")
        low, middle, high = chance_alone(ordered, float(group["design"].mean()))
        print(f"  chance alone: {middle:.2f} ({low:.2f} to {high:.2f})")
        known = group["within"].dropna()
        print(
            f"  within the interval: {known.mean():.2f} of {len(known)}; no interval: {len(group) - len(known)}"
        )


if __name__ == "__main__":
    main()
