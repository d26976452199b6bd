"""``score --accounts``: one row per account, of the open leads that were scored."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from mqlml.cli import main
from mqlml.commands.inputs import find_store
from mqlml.commands.score import ScoreOptions, check_score
from mqlml.commands.train import train_version
from mqlml.config import read_config
from mqlml.errors import LabelChangeRefused, OutputError, UsageError
from mqlml.evaluation import TrainingResult
from mqlml.evaluation.accounts import AccountCalibration, AccountFigures
from mqlml.features import build_features, match_personas
from mqlml.progress import Silent
from mqlml.registry import Registration, register_bundle
from mqlml.render.console.common import format_score
from mqlml.render.results import ScoreResult
from mqlml.results import from_json_safe, to_json_safe
from mqlml.scoring import SERVED_MODEL
from mqlml.scoring.accounts import ACCOUNT_COLUMNS, summarize_accounts
from mqlml.simulate import simulate
from mqlml.training import build_table, open_leads
from tests.commands.test_learn import config as learn_config
from tests.registry.versions import make_version
from tests.scoring import company as companies
from tests.scoring.company import AS_OF, NOW, SMALL, make_company

EARLIER, LATEST = "simulated@1", "simulated@2"
FIGURES = AccountFigures(accounts=10, converted=2, predicted=2.5, log_loss=0.5)
LEARNED = AccountCalibration(
    dependence=0.25, learned_from=20, all=FIGURES, several=FIGURES, several_independent=FIGURES
)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose version 1 knows nothing of accounts, and version 2 does."""
    config = make_company(tmp_path_factory.mktemp("company"))
    made = make_version().bundle
    learned = replace(made, result=replace(made.result, accounts=LEARNED))
    register_bundle(find_store(read_config(config)), learned, Registration(NOW, SERVED_MODEL))
    return config


def run(config: Path, out: Path | str, model: str = LATEST, **options: Any) -> ScoreResult:
    return companies.run(config, out, model=model, **options)


def by_hand(scores: pd.DataFrame, leads: pd.DataFrame) -> dict[str, tuple[float, int, object, str]]:
    """Each account's probability, open leads, best lead and engaged leads, in plain loops."""
    account = dict(zip(leads["lead_id"], leads["account_id"], strict=True))
    found = {}
    for name in sorted({account[lead] for lead in scores["lead_id"] if isinstance(account[lead], str)}):
        own = [row for row in scores.itertuples() if account[row.lead_id] == name]
        none = float(np.prod([1 - row.probability for row in own]))
        highest = max(row.probability for row in own)
        best = min(own, key=lambda row: (row.label == "disqualified", -row.raw_score, row.lead_id))
        active = [
            (-(row.channel_points + row.actions_points), row.lead_id)
            for row in own
            if row.channel_points + row.actions_points > 0 and row.label != "disqualified"
        ]
        text = ", ".join(str(lead) for _, lead in sorted(active)[:10])
        found[name] = (0.75 * (1 - none) + 0.25 * highest, len(own), best.lead_id, text)
    return found


def test_accounts_are_those_of_plain_loops(company: Path, tmp_path: Path) -> None:
    result = run(company, tmp_path / "s.parquet", accounts=tmp_path / "a.parquet")
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert tuple(table.columns) == ACCOUNT_COLUMNS
    scores = pd.read_parquet(tmp_path / "s.parquet")
    leads = pd.read_csv(company.parent / "leads.csv")
    expected = by_hand(scores, leads)
    assert set(table["account_id"]) == set(expected)
    assert table["probability"].is_monotonic_decreasing
    assert (table["open_leads"] > 1).sum() > 10
    for row in table.itertuples():
        probability, n, best, engaged = expected[row.account_id]
        assert row.probability == pytest.approx(probability)
        assert (row.open_leads, row.best_lead) == (n, best)
        without_labels = ", ".join(part.partition(" (")[0] for part in row.engaged.split(", "))
        assert without_labels == engaged
        assert row.engaged_leads == (engaged.count(",") + 1 if engaged else 0)
    assert table["missing_roles"].isna().all(), "no personas are configured"
    assert result.accounts is not None
    assert result.accounts.accounts == len(table)
    own = leads.set_index("lead_id")["account_id"].loc[scores["lead_id"]]
    assert result.accounts.leads_without_account == own.isna().sum() > 0
    assert result.accounts.expected == pytest.approx(table["probability"].sum())
    assert f"{len(table):,} accounts, {result.accounts.expected:,.1f} of which are expected" in format_score(
        result
    )


def test_parts_and_a_database_give_the_accounts_of_the_whole(company: Path, tmp_path: Path) -> None:
    run(company, tmp_path / "s.parquet", accounts=tmp_path / "whole.parquet")
    whole = pd.read_parquet(tmp_path / "whole.parquet")
    parts = run(company, tmp_path / "s.parquet", accounts=tmp_path / "parts.parquet", memory_limit=SMALL)
    assert parts.parts > 3
    assert_frame_equal(pd.read_parquet(tmp_path / "parts.parquet"), whole, check_exact=True)
    run(company, f"sqlite:///{tmp_path / 'crm.db'}", accounts=tmp_path / "database.parquet")
    assert_frame_equal(pd.read_parquet(tmp_path / "database.parquet"), whole, check_exact=True)
    few = run(company, tmp_path / "few.csv", accounts=tmp_path / "a.csv", columns=("lead_id",), exact=True)
    assert few.accounts is not None
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(whole)


def test_a_version_of_an_earlier_release_scores_and_refuses_accounts_only(
    company: Path, tmp_path: Path
) -> None:
    stored = to_json_safe(make_version().bundle.result)
    del stored["accounts"]
    assert from_json_safe(TrainingResult, stored, where="an earlier result").accounts is None
    assert run(company, tmp_path / "s.csv", EARLIER).leads
    before = (tmp_path / "s.csv").read_bytes()
    (tmp_path / "a.csv").write_text("the last accounts")
    for refused in (
        lambda: run(company, tmp_path / "s.csv", model=EARLIER, accounts=tmp_path / "a.csv"),
        lambda: check_score(
            company,
            as_of=AS_OF,
            out=tmp_path / "s.csv",
            now=NOW,
            progress=Silent(),
            options=ScoreOptions(model=EARLIER, accounts=tmp_path / "a.csv"),
        ),
    ):
        with pytest.raises(UsageError, match=r"by an earlier release, .* Train a new version"):
            refused()
    assert (tmp_path / "s.csv").read_bytes() == before
    assert (tmp_path / "a.csv").read_text() == "the last accounts"


def test_what_cannot_be_is_refused_before_leads_are_scored(
    company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s.csv"
    with pytest.raises(UsageError, match="--accounts needs all open leads of an account; leave --leads out"):
        run(company, out, accounts=tmp_path / "a.csv", leads=company.parent / "leads.csv")
    with pytest.raises(UsageError, match="--accounts and --out name the same file"):
        run(company, out, accounts=tmp_path / "." / "s.csv")
    with pytest.raises(OutputError, match=r"a\.xlsx"):
        run(company, out, accounts=tmp_path / "a.xlsx")
    with pytest.raises(OutputError, match="no folder"):
        run(company, out, accounts=tmp_path / "nowhere" / "a.csv")
    values = yaml.safe_load(company.read_text(encoding="utf-8"))
    leads = pd.read_csv(company.parent / "leads.csv").drop(columns="account_id")
    leads.to_csv(company.parent / "alone.csv", index=False)
    values["data"]["leads"] = {"path": "alone.csv"}
    alone = company.with_name("alone.yml")
    alone.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"none has one; map them, as data\.leads\.columns: \{account_id: …\}"
    ):
        run(alone, out, accounts=tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
    command = ["score", "--config", str(alone), "--as-of", AS_OF, "--out", str(out), "--model", LATEST]
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--json", "--accounts", str(tmp_path / "a.csv")])
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "UsageError"


def test_refused_scores_leave_the_last_accounts(company: Path, tmp_path: Path) -> None:
    run(company, tmp_path / "first.parquet", as_of="2025-01-01")
    labels = pd.read_parquet(tmp_path / "first.parquet")
    labels.assign(label="nothing like it").to_parquet(tmp_path / "first.parquet")
    (tmp_path / "a.csv").write_text("the last accounts")
    with pytest.raises(LabelChangeRefused):
        run(
            company,
            tmp_path / "s.csv",
            accounts=tmp_path / "a.csv",
            previous=tmp_path / "first.parquet",
            max_change=0.1,
        )
    assert (tmp_path / "a.csv").read_text() == "the last accounts"


def test_ids_and_texts_of_all_kinds(company: Path, tmp_path: Path) -> None:
    """Leading zeros stay, formulas are neutralized, and a rule's lead is neither best nor engaged."""
    leads = pd.read_csv(company.parent / "leads.csv")
    account = leads["account_id"].dropna().unique()
    names = {
        name: f"{number:05}" if number % 3 else f"=cmd|' /C calc'!A{number}"
        for number, name in enumerate(account)
    }
    renamed = leads.assign(
        account_id=leads["account_id"].map(names), lead_id="00" + leads["lead_id"].astype("str")
    )
    for name in ("events", "outcomes"):
        table = pd.read_csv(company.parent / f"{name}.csv", dtype="str")
        table.assign(lead_id="00" + table["lead_id"]).to_csv(tmp_path / f"{name}.csv", index=False)
    renamed.to_csv(tmp_path / "leads.csv", index=False)
    values = yaml.safe_load(company.read_text(encoding="utf-8"))
    for name in ("leads", "events", "outcomes"):
        values["data"][name] = {"path": str(tmp_path / f"{name}.csv")}
    values["rules"] = {"disqualify": [{"when": {"country": {"in": ["US"]}}, "reason": "elsewhere"}]}
    config = company.with_name("zeros.yml")
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    run(config, tmp_path / "s.parquet", accounts=tmp_path / "a.csv", as_of="2025-05-01")
    table = pd.read_csv(tmp_path / "a.csv", dtype={"account_id": "str", "best_lead": "str"})
    assert table["best_lead"].str.startswith("001").all()
    own = table["account_id"].dropna()
    assert own.str.fullmatch(r"\d{5}|'=cmd.*").all()
    assert own.str.match("00").any()
    assert own.str.startswith("'=").any()
    scores = pd.read_parquet(tmp_path / "s.parquet").set_index("lead_id")
    disqualified = scores.index[scores["label"] == "disqualified"]
    assert len(disqualified) > 20
    engaged = table["engaged"].fillna("")
    assert not any(lead in text for lead in disqualified[:20] for text in engaged)
    rest = table[table["best_label"] == "disqualified"]
    assert (rest["engaged_leads"] == 0).all()
    whole = renamed.set_index("lead_id").loc[scores.index].assign(label=scores["label"])
    only = whole.groupby("account_id")["label"].agg(lambda labels: set(labels) == {"disqualified"})
    expected = set(only.index[only])
    assert {name.removeprefix("'") for name in rest["account_id"]} == expected
    assert expected, "an account of disqualified leads only keeps its row"


def scored(**columns: object) -> pd.DataFrame:
    values = {
        "lead_id": ["d", "a", "b", "c"],
        "cutoff_time": pd.Timestamp("2025-03-01", tz="UTC"),
        "probability": [0.9, 0.2, 0.5, 0.1],
        "raw_score": [2.0, -1.5, 0.0, -2.0],
        "label": ["disqualified", "mql", "sql", "unqualified"],
        "channel_points": [1.0, 0.2, -0.3, 0.0],
        "actions_points": [1.0, 0.2, 0.2, 0.0],
        "model_name": "m",
        "model_version": 3,
    }
    return pd.DataFrame({**values, **columns})


ROLES = pd.DataFrame({"buyer": [True, False, True, False], "it": [True, False, False, False]})


def test_an_account_by_hand() -> None:
    account = pd.Series(["X", "X", "X", None], dtype="str")
    table = summarize_accounts(scored(), account, 0.0, ROLES)
    (row,) = table.to_dict("records")
    assert row["probability"] == pytest.approx(1 - 0.1 * 0.8 * 0.5)
    assert (row["open_leads"], row["best_lead"], row["best_label"]) == (3, "b", "sql")
    assert (row["engaged_leads"], row["engaged"]) == (1, "a (MQL)")
    assert (row["roles"], row["missing_roles"]) == ("buyer", "it")
    assert (row["model_name"], row["model_version"]) == ("m", 3)
    alone = summarize_accounts(scored(), pd.Series([None, None, None, "Y"], dtype="str"), 0.0, ROLES)
    assert (alone["roles"][0], alone["missing_roles"][0], alone["engaged"][0]) == ("", "buyer, it", "")


def test_no_more_than_ten_leads_are_named() -> None:
    n = 13
    scores = pd.concat([scored().iloc[[1]]] * n, ignore_index=True)
    scores["lead_id"] = [f"{number:02}" for number in range(n)]
    scores["actions_points"] = np.arange(n) + 1.0
    table = summarize_accounts(
        scores, pd.Series(["X"] * n, dtype="str"), 1.0, pd.DataFrame(index=scores.index)
    )
    assert table["engaged"][0].startswith("12 (MQL), 11 (MQL), ")
    assert table["engaged"][0].endswith("03 (MQL) and 3 more")
    assert (table["engaged_leads"][0], table["probability"][0]) == (13, pytest.approx(0.2))


def test_nobody_with_an_account_gives_a_table_without_rows() -> None:
    table = summarize_accounts(scored(), pd.Series([None] * 4, dtype="str"), 0.0, ROLES)
    assert tuple(table.columns) == ACCOUNT_COLUMNS
    assert table.empty


def test_the_order_of_the_scores_is_no_matter() -> None:
    account = pd.Series(["X", "Y", "X", "Y"], dtype="str")
    order = [2, 0, 3, 1]
    one = summarize_accounts(scored(), account, 0.3, ROLES)
    other = summarize_accounts(*(part.iloc[order].reset_index(drop=True) for part in (scored(), account)), 0.3,
                               ROLES.iloc[order].reset_index(drop=True))  # fmt: skip
    assert_frame_equal(one, other)


PERSONAS = {
    "us_marketer": {"country": {"in": ["US"]}, "function": {"in": ["marketing"]}},
    "large": {"employees": {"min": 200}},
}


def test_a_lead_is_a_persona_if_it_meets_all_of_it() -> None:
    journeys = simulate(400, random_state=3).journeys()
    plan = build_table(journeys, learn_config(personas=PERSONAS)).plan
    snapshots = open_leads(journeys, dt.datetime(2025, 2, 1, tzinfo=dt.UTC), learn_config().problem)
    found = match_personas(journeys, snapshots, plan)
    leads = journeys.leads.set_index("lead_id").loc[snapshots["lead_id"]]
    np.testing.assert_array_equal(found["large"], leads["employees"] >= 200)
    features = build_features(journeys, snapshots, plan)
    np.testing.assert_array_equal(found["us_marketer"], features["profile__persona_us_marketer__match"] == 1)
    assert found["us_marketer"].any()
    assert not found["us_marketer"].all()
    assert match_personas(journeys, snapshots, build_table(journeys, learn_config()).plan).empty


def test_a_flat_table_gets_accounts_and_roles(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    n = 1500
    employees = rng.integers(1, 400, n)
    won = (rng.random(n) < 0.02 + employees / 1000).astype("float64")
    won[-60:] = np.nan
    leads = pd.DataFrame(
        {
            "id": [f"0{number:04}" for number in range(n)],
            "org": [f"00{number // 3}" if number % 7 else None for number in range(n)],
            "employees": employees,
            "won": pd.Series(won).map({1.0: "yes", 0.0: "no"}),
        }
    )
    leads.to_csv(tmp_path / "leads.csv", index=False)
    values = {
        "name": "flat",
        "data": {
            "flat": {
                "path": "leads.csv",
                "lead_id": "id",
                "account_id": "org",
                "label": "won",
                "positive": "yes",
                "order": "id",
            }
        },
        "personas": {"large": {"employees": {"min": 200}}},
    }
    config = tmp_path / "mqlml.yml"
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    trained = train_version(config, now=NOW, progress=Silent())
    assert trained.accounts is not None
    companies.run(config, tmp_path / "s.csv", accounts=tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv", dtype="str").set_index("account_id")
    new = leads[leads["won"].isna() & leads["org"].notna()]
    assert set(table.index) == set(new["org"])
    for name, row in table.iterrows():
        own = new.loc[new["org"] == name, "employees"]
        assert row["open_leads"] == str(len(own))
        assert (row["roles"] == "large") == (own >= 200).any()
        assert (row["missing_roles"] == "large") == (own < 200).all()
    assert (table["engaged_leads"] == "0").all(), "a flat table has no channels and no actions"
