"""``mqlml compare`` of two models, of wins and of what sales accepts: one config file each, the same leads."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mqlml.cli import main
from mqlml.commands.compare import compare_versions
from mqlml.commands.train import train_version
from mqlml.errors import UsageError
from mqlml.evaluation.two_outcomes import TwoOutcomesRows, compare_outcomes
from mqlml.progress import Silent
from mqlml.render.console.outcomes import format_outcomes
from mqlml.render.version_results import OutcomesCompareResult
from tests.bad_input.front_door import Desk
from tests.bad_input.worlds import journeys_company

EARLY, LATE = "2024-02-25", "2024-04-05"
NOW = dt.datetime(2024, 4, 6, 8, tzinfo=dt.UTC)
PAIR = ("leads@champion", "sales@champion")


def ask(desk: Desk, name: str, outcome: str, until: str, **problem: object) -> Path:
    """The config of one of the two models."""
    desk.settings["name"] = name
    desk.settings["data"]["observed_until"] = until
    desk.settings["problem"] = {"outcome": outcome, "horizon": "7d", "snapshots": {"ages": ["0d"]}, **problem}
    desk.save()
    return desk.path("mqlml.yml")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """US leads buy; sales accepts those from DE the day after they came in."""
    desk = Desk(tmp_path_factory.mktemp("company"))
    journeys_company(desk)
    leads = pd.read_csv(desk.path("leads.csv"))
    taken = np.random.default_rng(1).random(len(leads)) < np.where(leads["country"] == "DE", 0.7, 0.1)
    days = pd.to_datetime(leads["created_at"]) + pd.Timedelta(1, "D")
    rows = [
        f"{lead},{day:%Y-%m-%d},sql" for lead, day in zip(leads["lead_id"][taken], days[taken], strict=True)
    ]
    with desk.path("outcomes.csv").open("a", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    for name, outcome in (("leads", "closed_won"), ("sales", "sql")):
        train_version(ask(desk, name, outcome, EARLY), now=NOW, progress=Silent())
    return desk


def compare(config: Path) -> OutcomesCompareResult:
    found = compare_versions(config, *PAIR, now=NOW, progress=Silent())
    assert isinstance(found, OutcomesCompareResult)
    return found


def test_each_ranks_its_own_outcome_and_calls_other_leads(desk: Desk) -> None:
    found = compare(ask(desk, "leads", "closed_won", LATE))
    assert (found.first.outcome, found.second.outcome) == ("closed_won", "sql")
    assert (found.later.since, found.later.n, found.later.leads) == (EARLY, 102, 102)
    assert found.comparison is not None
    won, taken = found.comparison.by_first, found.comparison.by_second
    assert won.first.low > 0.5 > won.second.high
    assert taken.second.low > 0.5 > taken.first.high
    outcomes = pd.read_csv(desk.path("outcomes.csv"), parse_dates=["occurred_at"])
    created = pd.read_csv(desk.path("leads.csv"), parse_dates=["created_at"])
    later = created[created["created_at"].between(EARLY, "2024-03-29")]["lead_id"]
    stages = outcomes[outcomes["lead_id"].isin(later)].groupby("stage")["lead_id"].nunique()
    assert (won.converted, taken.converted) == (stages["closed_won"], stages["sql"])
    for called in found.comparison.labels.values():
        groups = (called.both, called.first_only, called.second_only, called.neither)
        assert sum(group.n for group in groups) == found.later.n
        assert sum(group.converted[1] for group in groups) == taken.converted
    text = format_outcomes(found)
    assert text.startswith(
        "leads 1 predicts closed won within 7 days, sales 1 predicts SQL within 7 days\nNeither can"
    )
    assert "Compared on 102 snapshots of 102 leads open for both, 2024-02-25 until 2024-03-29" in text
    assert "Open leads on 2024-04-05: " in text


def test_the_open_leads_that_one_alone_calls_are_named(desk: Desk) -> None:
    found = compare(ask(desk, "leads", "closed_won", LATE)).open_leads
    assert found is not None
    country = pd.read_csv(desk.path("leads.csv")).set_index("lead_id")["country"]
    assert {country[lead.lead_id] for lead in found.first_higher} == {"US"}
    assert {country[lead.lead_id] for lead in found.second_higher} == {"DE"}
    for called in found.labels.values():
        assert called.both + called.first_only + called.second_only + called.neither == found.leads


def test_without_common_snapshots_it_says_why(desk: Desk) -> None:
    early = compare(ask(desk, "leads", "closed_won", EARLY))
    assert (early.later.n, early.comparison, early.later.first_known) == (0, None, "2024-03-03")
    assert "both outcomes of the first from 2024-02-25 on are known on 2024-03-03" in format_outcomes(early)


def test_a_model_of_another_outcome_replaces_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    config = ask(desk, "leads", "sql", LATE)
    with pytest.raises(SystemExit) as ended:
        main(["retrain", "--config", str(config), "--out", str(desk.path("report.html"))])
    assert ended.value.code == UsageError.exit_code
    assert "neither can replace the other" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["compare", *PAIR, "--config", str(config), "--json"])
    assert ended.value.code == 0
    assert '"outcome": "sql"' in capsys.readouterr().out


def test_ranking_and_groups_by_hand() -> None:
    won, taken = np.array([1.0, 0, 0, 1, 0, 0]), np.array([0.0, 1, 0, 0, 1, 0])
    first, second = np.array([0.9, 0.1, 0.2, 0.8, 0.3, 0.4]), np.array([0.1, 0.9, 0.2, 0.5, 0.4, 0.3])
    rows = TwoOutcomesRows(
        converted=(won, taken),
        probability=(first, second),
        meets={"mql": (first >= 0.4, second >= 0.4)},
        group=np.arange(6),
    )
    found = compare_outcomes(rows, random_state=0)
    # Of the eight pairs of one that has the outcome and one that does not, those in the right order.
    assert (found.by_first.first.value, found.by_first.second.value) == (1.0, 3 / 8)
    assert (found.by_second.first.value, found.by_second.second.value) == (1 / 8, 7 / 8)
    assert found.by_second.difference.value == 6 / 8
    called = found.labels["mql"]
    assert (called.both.n, called.both.converted) == (1, (1, 0))
    assert (called.first_only.n, called.first_only.converted) == (2, (1, 0))
    assert (called.second_only.n, called.second_only.converted) == (2, (0, 2))
    assert (called.neither.n, called.neither.converted) == (1, (0, 0))
