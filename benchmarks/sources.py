"""Do 90% intervals of a lead's value by source cover the truth? ``python benchmarks/sources.py --companies 200``.

Companies of one world are simulated, and the value of a lead from each of its eight sources is estimated for each.
The truth is the average revenue per lead of the same world over many more leads, drawn with other seeds.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
import pandas as pd

from mqlml.config import Problem
from mqlml.insight.channels.sources import Sources, value_sources
from mqlml.journeys import Journeys
from mqlml.journeys.contract import empty_table
from mqlml.simulate import simulate

PROBLEM = Problem.model_validate({"horizon": "60d"})


def make_company(n_leads: int, seed: int) -> Journeys:
    # Events cost most of the time and are not read here, so the world has few.
    made = simulate(n_leads, random_state=seed, activity=0.02).journeys()
    return dataclasses.replace(made, events=empty_table("events"))


def find_truth(n_leads: int, samples: int) -> pd.DataFrame:
    """Revenue and customers per lead by source."""
    found = [observed(make_company(n_leads, 1_000_000 + number)) for number in range(samples)]
    total = sum(found[1:], found[0])
    return total[["revenue", "customers"]].div(total["leads"], axis=0)


def observed(journeys: Journeys) -> pd.DataFrame:
    """Leads, customers within the horizon and their revenue by source, counted without the estimator's code."""
    span = pd.Timedelta(days=60)
    leads = journeys.leads[journeys.leads["created_at"] <= pd.Timestamp(journeys.observed_until) - span]
    won = journeys.outcomes[journeys.outcomes["stage"] == "closed_won"]
    both = leads.merge(won[["lead_id", "occurred_at", "amount"]], on="lead_id", how="left")
    in_time = both["occurred_at"] < both["created_at"] + span
    both = both.assign(customers=in_time.astype(float), revenue=both["amount"].where(in_time, 0.0), leads=1.0)
    return both.groupby("lead_source")[["leads", "customers", "revenue"]].sum()


def count(found: Sources, truth: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for one in found.sources:
        value, own = one.value, truth.loc[str(one.source)]
        raw = one.revenue / one.leads if one.leads else float("nan")
        rows.append(
            {
                "source": one.source,
                "leads": one.leads,
                "value": value.low <= own["revenue"] <= value.high,
                "rate": one.customer_rate.low <= own["customers"] <= one.customer_rate.high,
                "pooled_error": (value.value / own["revenue"] - 1) ** 2,
                "raw_error": (raw / own["revenue"] - 1) ** 2,
                "width": (value.high - value.low) / own["revenue"],
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=200)
    parser.add_argument("--leads", type=int, default=5000)
    parser.add_argument("--truth-leads", type=int, default=1_000_000)
    options = parser.parse_args()
    truth = find_truth(20_000, max(1, options.truth_leads // 20_000))
    found = []
    for seed in range(options.companies):
        found.append(
            count(value_sources(make_company(options.leads, seed), PROBLEM, column="lead_source"), truth)
        )
    rows = pd.concat(found)
    by_source = rows.groupby("source").agg(
        leads=("leads", "mean"), value=("value", "mean"), rate=("rate", "mean")
    )
    print(by_source.assign(truth=truth["revenue"]).round(3).to_string())
    errors = np.sqrt(rows[["pooled_error", "raw_error"]].mean())
    covered, width = rows[["value", "rate"]].mean(), rows["width"].mean()
    print(
        f"{options.companies} companies of {options.leads:,} leads, 90% intervals: value per lead covered "
        f"{covered['value']:.1%}, customers per lead {covered['rate']:.1%}; mean width {width:.2f} of the truth; "
        f"root mean square relative error {errors.iloc[0]:.3f}, without pooling {errors.iloc[1]:.3f}"
    )


if __name__ == "__main__":
    main()
