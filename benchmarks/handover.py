"""How many leads a week a nightly job hands over for each one that a capacity allows, on simulated companies.

    python benchmarks/handover.py --first 920 --companies 30 [--keep FOLDER]

Each company is cut 90 days before its end. A version learns from what was known then, with capacities of 15 MQLs and
4 SQLs a week; the ten weeks after are scored every night, and a lead counts on the first night on which it has the
label. Printed: the ratio of leads a week to those ordered (median, 5% to 95% of companies); how often the forecast's
90% interval holds; and how many arrived for each one of the eight weeks before, which is no fault of a threshold's.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml import train
from mqlml.config import Config
from mqlml.features import build_features
from mqlml.journeys import Journeys
from mqlml.journeys.read import known_by
from mqlml.registry import Bundle
from mqlml.simulate import simulate
from mqlml.training import open_leads

NOW = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
ORDERED = {"mql": 15.0, "sql": 4.0}
WEEKS, RUN_IN = 10, 42


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
) -> dict[str, float]:
    """Leads a week that first have each label, or a higher one, at or after ``start``."""
    keys = snapshots[["lead_id", "cutoff_time"]].sort_values("cutoff_time", ignore_index=True)
    raw = bundle.scorer.decision_function(build_features(journeys, keys, bundle.plan))
    meets = bundle.policy.meets_thresholds(bundle.calibrator.predict_proba(raw)[:, 1])
    found = {}
    for place, name in enumerate(bundle.policy.thresholds):
        first = keys[meets[:, place]].groupby("lead_id")["cutoff_time"].min()
        found[name] = float((first >= start).sum()) / WEEKS
    return found


def evaluate(seed: int) -> list[dict[str, object]]:
    """One row for each label; none for a company whose model is refused."""
    whole = simulate(4000, random_state=seed, days=600).journeys()
    cut = pd.Timestamp(whole.observed_until) - pd.Timedelta(days=90)
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
        labels={name: {"policy": "capacity", "per_week": count} for name, count in ORDERED.items()},
    )
    bundle = train(config, known_at(whole, cut), now=NOW).bundle
    if bundle is None:
        return []
    days = [cut + pd.Timedelta(days=day) for day in range(-RUN_IN, 7 * WEEKS)]
    nights = pd.concat([open_leads(whole, day.to_pydatetime(), config.problem) for day in days])
    every_night = count_new(bundle, whole, nights, cut)
    created = whole.leads["created_at"]
    before = created.between(cut - pd.Timedelta(weeks=8), cut).sum() / 8
    after = created.between(cut, cut + pd.Timedelta(weeks=WEEKS)).sum() / WEEKS
    rows: list[dict[str, object]] = []
    for outcome in bundle.policy.outcomes:
        name, interval = outcome.label, outcome.predictions.get("per_week")
        count = every_night[name]
        rows.append(
            {
                "label": name,
                "nightly": count / ORDERED[name],
                "arrivals": after / before,
                "within": None if interval is None else bool(interval.low <= count <= interval.high),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=920, help="the first seed")
    parser.add_argument("--companies", type=int, default=30)
    parser.add_argument(
        "--keep", type=Path, help="a folder that keeps each company's figures for the next run"
    )
    chosen = parser.parse_args()
    rows: list[dict[str, object]] = []
    for seed in range(chosen.first, chosen.first + chosen.companies):
        file = None if chosen.keep is None else chosen.keep / f"{seed}.json"
        if file is not None and file.exists():
            rows += json.loads(file.read_text())
            continue
        found = evaluate(seed)
        rows += found
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(found))
    frame = pd.DataFrame(rows)
    for name, group in frame.groupby("label"):
        for what in ("nightly", "arrivals"):
            low, middle, high = np.quantile(group[what].astype(float), [0.05, 0.5, 0.95])
            print(f"{name}, {what}: {middle:.2f} ({low:.2f} to {high:.2f})")
        known = group["within"].dropna()
        print(
            f"{name}: within the interval {known.mean():.2f} of {len(known)}; no interval {len(group) - len(known)}"
        )


if __name__ == "__main__":
    main()
