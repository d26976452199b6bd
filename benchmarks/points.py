"""Points tables on simulated companies: ``python benchmarks/points.py few|model [--companies 100] [--first 0]``.

``few``: companies with 10 to 49 conversions to learn from. Points from their own rates beside the base rate, on the
held-out later period; ``--ridge`` tries another one. ``model``: companies of 4,000 leads. Points distilled from a
model beside it: how much of the model's gain over the base rate they keep, and how many of the leads with a label are
the same.
"""

from __future__ import annotations

import argparse
import datetime as dt

import numpy as np
import numpy.typing as npt

from mqlml.commands import points
from mqlml.commands.learn import train
from mqlml.config import Config
from mqlml.errors import GateRefused, PopulationError
from mqlml.insight import PointsTable
from mqlml.progress import Silent
from mqlml.simulate import simulate
from mqlml.times import format_instant
from mqlml.training import build_table

FEW = (10, 49)
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def make_points(n_leads: int, seed: int, *, few: bool) -> PointsTable | None:
    """The points table of one company; None where it has other than 10 to 49 conversions, or no model."""
    company = simulate(n_leads, random_state=seed)
    config = Config(
        name="leads",
        data={
            "observed_until": format_instant(company.observed_until),
            "leads": {"path": "leads.csv"},
            "outcomes": {"path": "deals.csv"},
        },
        problem={"horizon": "60d", "snapshots": {"ages": ["0d", "7d", "30d"]}},
        windows=["7d", "30d", "all"],
        labels={
            "mql": {"policy": "min_recall", "value": 0.6},
            "sql": {"policy": "min_recall", "value": 0.25},
        },
    )
    journeys = company.journeys()
    try:
        table = build_table(journeys, config)
        conversions = int(table.label[table.holdout.train].sum())
        if few and not FEW[0] <= conversions <= FEW[1]:
            return None
        bundle = None if few else train(config, journeys, now=NOW).bundle
    except (GateRefused, PopulationError):
        return None
    if not few and bundle is None:
        return None
    return points.compute_points(config, journeys, table, bundle, Silent())


def show(name: str, values: npt.ArrayLike, digits: int = 4) -> None:
    """The mean of companies with its standard error."""
    found = np.asarray(values, dtype=np.float64)
    print(f"{name}: {found.mean():.{digits}f} ± {found.std(ddof=1) / np.sqrt(len(found)):.{digits}f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["few", "model"])
    parser.add_argument("--companies", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--ridge", type=float, default=points.RIDGE)
    given = parser.parse_args()
    few = given.what == "few"
    points.RIDGE = given.ridge
    tables: list[PointsTable] = []
    seed = given.first
    while len(tables) < given.companies:
        leads = int(np.random.default_rng(seed).integers(150, 700)) if few else 4_000
        if (found := make_points(leads, seed, few=few)) is not None:
            tables.append(found)
        seed += 1
    gains = np.array([one.evaluation.beside_base_rate.log_loss_difference.value for one in tables])
    print(f"{len(tables)} companies, seeds {given.first} to {seed - 1}")
    show("log loss of the points minus that of the base rate", gains)
    print(f"points better in {(gains < 0).mean():.0%}; rows {np.mean([len(one.rows) for one in tables]):.1f}")
    show("AUC of the points", [one.evaluation.roc_auc.value for one in tables], 3)
    if few:
        wins = np.array([one.more_wins.conversions for one in tables if one.more_wins])
        for low, high in ((10, 19), (20, 34), (35, 49)):
            inside = (wins >= low) & (wins <= high)
            if inside.sum() < 2:
                continue
            show(f"  {low} to {high} wins, {inside.sum()} companies", gains[inside])
        return
    beside = [one.evaluation.beside_model for one in tables if one.evaluation.beside_model]
    lost = np.array([one.log_loss_difference.value for one in beside])
    show("log loss of the points minus that of the model", lost)
    print(
        f"share of the model's gain over the base rate that points keep: {gains.sum() / (gains - lost).sum():.0%}"
    )
    show("AUC of the model", [one.roc_auc for one in beside], 3)
    for label in ("mql", "sql"):
        labels = [one.evaluation.labels[label] for one in tables]
        show(f"leads in common among those called {label}", [one.overlap.value for one in labels], 3)
        won = sum(one.converted for one in labels), sum(one.points_converted for one in labels)
        print(f"  of these the model's convert {won[0]:,}, the points' {won[1]:,.0f}")


if __name__ == "__main__":
    main()
