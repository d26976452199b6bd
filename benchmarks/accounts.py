"""Is the probability of an account calibrated on later dates? Simulated companies, scored after their training.

    PYTHONPATH=. python benchmarks/accounts.py [--companies 30] [--first 300] [--deals shared] [--drift 0.5]

Each company has 6,000 leads in 780 days; an account is in the market or not, which its leads share unseen. The
version knows 540 days. At its end and 4, 8 and 12 weeks later all open leads are scored as by ``mqlml score
--accounts``; each account counts once on each date, and converts if any of these leads does within 60 days. With
``--deals shared`` the first sale of an account closes its other open leads as won, too, as many CRMs do.

Printed for all accounts and for those with several open leads: how many convert and how many were predicted, by
mqlml, by the noisy-or, by the highest probability of a lead and by the base rate (the share of these accounts that
converts, which nobody knew); the slope of a logistic regression of the outcome on the log-odds (1 is ideal), and the
log loss. Intervals (95%) are over companies. "leads" are the leads themselves, whose level the accounts share.
"""

from __future__ import annotations

import argparse
import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logit
from scipy.stats import t

from mqlml.commands.learn import train
from mqlml.config import Config
from mqlml.evaluation.metrics import log_losses
from mqlml.journeys import Journeys
from mqlml.monitoring import known_by
from mqlml.scoring.accounts import summarize_accounts
from mqlml.scoring.batch import score
from mqlml.simulate import simulate
from mqlml.training import assign_labels
from mqlml.types import Floats
from tests.commands.deals import share_deals

LEADS, DAYS, KNOWN, DATES = 6_000, 780, 540, 4


@dataclass(frozen=True)
class Company:
    """The accounts of one company on the later dates, and what its leads were predicted and did."""

    accounts: pd.DataFrame
    dependence: float
    leads: tuple[float, int]


def make_config(until: dt.datetime) -> Config:
    return Config.model_validate(
        {
            "name": "leads",
            "data": {
                "observed_until": until.isoformat(),
                "leads": {"path": "leads.csv"},
                "outcomes": {"path": "outcomes.csv"},
            },
            "problem": {"horizon": "60d", "snapshots": {"ages": ["0d", "7d", "30d"]}},
            "windows": ["7d", "30d", "all"],
        }
    )


def score_later(journeys: Journeys, then: dt.datetime) -> Company:
    config = make_config(then)
    bundle = train(config, known_by(journeys, then), now=then).bundle
    assert bundle is not None
    assert bundle.result.accounts is not None
    dependence = bundle.result.accounts.dependence
    account = journeys.leads.set_index("lead_id")["account_id"]
    tables, predicted, converted = [], 0.0, 0
    for number in range(DATES):
        as_of = then + dt.timedelta(weeks=4 * number)
        scores = score(bundle, journeys, config, as_of=as_of, scored_at=as_of)
        scores["converts"] = assign_labels(journeys, scores[["lead_id", "cutoff_time"]], config.problem)
        own = account.reindex(scores["lead_id"]).reset_index(drop=True)
        tables.append(_accounts(scores, own, dependence))
        predicted += float(scores["probability"].sum())
        converted += int(scores["converts"].sum())
    return Company(pd.concat(tables, ignore_index=True), dependence, (predicted, converted))


def _accounts(scores: pd.DataFrame, account: pd.Series, dependence: float) -> pd.DataFrame:
    """Each account's outcome and its probability by each way."""
    ways = {"mqlml": dependence, "noisy-or": 0.0, "maximum": 1.0}
    nobody = pd.DataFrame(index=scores.index)
    found = {
        name: summarize_accounts(scores, account, way, nobody).set_index("account_id")
        for name, way in ways.items()
    }
    table = pd.DataFrame({name: one["probability"] for name, one in found.items()})
    converts = scores["converts"].groupby(account).max()
    return table.assign(open_leads=found["mqlml"]["open_leads"], converts=converts)


def interval(values: Floats) -> str:
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return f"{values.mean() - half:.5f} to {values.mean() + half:.5f}"


def slope(outcome: Floats, chance: Floats) -> float:
    x = logit(np.clip(chance, 1e-9, 1 - 1e-9))

    def loss(line: Floats) -> float:
        log_odds = line[0] + line[1] * x
        return float((np.logaddexp(0.0, log_odds) - outcome * log_odds).sum())

    return float(minimize(loss, [0.0, 1.0]).x[1])


def show(name: str, companies: list[Company], several: bool) -> None:
    tables = [one.accounts[one.accounts["open_leads"] > several] for one in companies]
    rate = float(pd.concat(tables)["converts"].mean())
    tables = [table.assign(**{"base rate": rate}) for table in tables]
    whole = pd.concat(tables)
    outcome = whole["converts"].to_numpy(np.float64)
    print(f"{name}: {len(whole):,} accounts on {DATES} dates, {outcome.sum():,.0f} convert")
    for way in ("mqlml", "noisy-or", "maximum", "base rate"):
        chance = whole[way].to_numpy()
        excess = np.array([table["converts"].sum() - table[way].sum() for table in tables])
        half = float(t.ppf(0.975, len(excess) - 1) * excess.std(ddof=1) * np.sqrt(len(excess)))
        more = np.array([np.mean(_losses(table, way) - _losses(table, "mqlml")) for table in tables])
        line = "" if way == "base rate" else f", slope {slope(outcome, chance):.2f}"
        print(
            f"  {way:<10} predicts {chance.sum():,.0f}; {excess.sum():+,.0f} (± {half:,.0f}) convert beyond that"
            f"{line}; log loss {_losses(whole, way).mean():.4f}, above mqlml's by {interval(more)}"
        )


def _losses(table: pd.DataFrame, way: str) -> Floats:
    return log_losses(table["converts"].to_numpy(np.float64), table[way].to_numpy())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--companies", type=int, default=30)
    parser.add_argument("--first", type=int, default=300, help="the first company's seed")
    parser.add_argument("--deals", choices=("own", "shared"), default="own")
    parser.add_argument("--drift", type=float, default=0.0)
    options = parser.parse_args()
    companies = []
    for seed in range(options.first, options.first + options.companies):
        world = simulate(LEADS, random_state=seed, days=DAYS, drift=options.drift)
        journeys = world.journeys() if options.deals == "own" else share_deals(world.journeys())
        companies.append(score_later(journeys, world.observed_until - dt.timedelta(days=DAYS - KNOWN)))
    dependence = np.array([one.dependence for one in companies])
    print(
        f"dependence: {np.mean(dependence > 0):.0%} of the companies above 0, mean {dependence.mean():.2f}, "
        f"from {dependence.min():.2f} to {dependence.max():.2f}"
    )
    predicted, converted = np.array([one.leads for one in companies]).sum(axis=0)
    print(f"leads: {predicted:,.0f} predicted, {converted:,.0f} convert")
    show("all accounts", companies, several=False)
    show("accounts with several open leads", companies, several=True)


if __name__ == "__main__":
    main()
