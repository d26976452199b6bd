"""``mqlml personas``: from files to kinds of buyers, as text, as JSON and as YAML that a config takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mqlml.commands.check import read_data
from mqlml.commands.features import learn_features
from mqlml.config import read_config
from mqlml.features import build_features
from mqlml.insight.personas.buyers import find_personas, read_leads
from mqlml.insight.personas.segments import Category, Measure
from mqlml.journeys import Journeys
from mqlml.progress import Silent
from mqlml.times import parse_instant
from tests.bad_input.front_door import run
from tests.insight.buyers import WORDS, three_kinds

NOW = parse_instant("2025-06-01", "UTC")
TITLES = {"c_level": "Chief {} Officer", "vp": "VP {}", "director": "{} Director", "manager": "{} Manager",
          "specialist": "{} Specialist"}  # fmt: skip
CONFIG = """
name: kinds
data:
  observed_until: 2025-01-01
  leads: {path: leads.csv, columns: {lead_id: id, created_at: created}}
  events: {path: events.csv, columns: {lead_id: id, occurred_at: at}}
  outcomes: {path: deals.csv, stage: closed_won, columns: {lead_id: id, occurred_at: won_at}}
problem: {horizon: 30d, snapshots: {ages: [0d]}}
"""


def write_company(folder: Path, *, order: np.ndarray | None = None) -> None:
    """Leads of three kinds as a CRM has them, with a column that must not profile a person."""
    profiles, kind = three_kinds(3000, seed=2, purity=0.8)
    text = {
        one.name: [one.words[code] if code >= 0 else "" for code in one.column.codes]
        for one in profiles.columns
        if isinstance(one.column, Category)
    }
    names = {"it": "IT", "hr": "HR"}
    title = [
        TITLES[level].format(names.get(function, function.title())) if level and function else ""
        for level, function in zip(text["seniority"], text["function"], strict=True)
    ]
    (size,) = (one.column for one in profiles.columns if isinstance(one.column, Measure))
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(3000) * 2.9, unit="h")
    leads = pd.DataFrame(
        {
            "id": np.arange(3000) + 1,
            "created": created,
            "industry": text["industry"],
            "region": text["region"],
            "job_title": title,
            "employees": size.numbers,
            "gender": np.where(kind == 0, "f", "m"),
        }
    )
    leads.iloc[slice(None) if order is None else order].to_csv(folder / "leads.csv", index=False)
    won = leads[profiles.won]
    won.assign(won_at=won["created"] + pd.Timedelta(days=5))[["id", "won_at"]].to_csv(
        folder / "deals.csv", index=False
    )
    first = leads.assign(at=leads["created"] + pd.Timedelta(hours=1), action="visit", channel="web")
    after = won.assign(at=won["created"] + pd.Timedelta(days=9), action="visit", channel="onboarding")
    late = leads.assign(
        at=leads["created"] + pd.Timedelta(days=1), action="visit", channel=np.where(kind == 1, "ads", "mail")
    )
    seen = leads["id"] % 10 > 0  # one in ten is first seen after the sale
    events = pd.concat([first[seen & (kind != 1)], late[seen], after])[["id", "at", "action", "channel"]]
    events.to_csv(folder / "events.csv", index=False)
    (folder / "mqlml.yml").write_text(CONFIG, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kinds")
    write_company(made)
    return made


def test_text_json_and_yaml_say_the_same_and_the_config_takes_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    code, out, _ = run(["personas", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["model"], found["outcome"], found["finding"]) == (0, "kinds", "closed_won", "found")
    assert len(found["personas"]) == 3
    assert found["leads"] == int((336 * 24 / 2.9) // 1) + 1, (
        "created 30 days or more before the end of the data"
    )
    assert set(found["attributes"]) == {"employees", "seniority", "function", "industry", "region"}, (
        "no gender"
    )
    assert [sorted(one["channel"] for one in p["channels"]) for p in found["personas"]].count(["ads"]) <= 1
    assert not any(one["channel"] == "onboarding" for p in found["personas"] for one in p["channels"])
    code, text, _ = run(["personas"], capsys)
    for persona in found["personas"]:
        assert persona["name"] in text
    code, written, _ = run(["personas", "--yaml"], capsys)
    section = yaml.safe_load(written)
    assert section == {
        "personas": {
            p["key"]: {
                name: {key: value for key, value in condition.items() if value is not None}
                for name, condition in p["conditions"].items()
            }
            for p in found["personas"]
        }
    }

    (folder / "with.yml").write_text(CONFIG + written, encoding="utf-8")
    config = read_config(folder / "with.yml")
    assert list(config.personas) == [p["key"] for p in found["personas"]]
    data = read_data(config, Silent(), now=NOW)
    assert isinstance(data, Journeys)
    plan, _ = learn_features(data, config)
    snapshots = data.leads[["lead_id"]].assign(cutoff_time=data.leads["created_at"])
    features = build_features(data, snapshots, plan)
    old = data.leads["created_at"] <= pd.Timestamp("2024-12-02", tz="UTC")
    won = (data.leads["lead_id"].isin(data.outcomes["lead_id"]) & old).to_numpy()
    for persona in found["personas"]:
        match = features[f"profile__persona_{persona['key']}__match"].to_numpy() == 1
        assert match[won].sum() == pytest.approx(
            persona["met_inside"] * persona["won"] + persona["met_outside"] * (found["won"] - persona["won"]),
            abs=0.5,
        )


def test_neither_order_nor_copies_of_rows_nor_what_comes_after_the_end_matters(
    folder: Path, tmp_path: Path
) -> None:
    def compute(at: Path) -> object:
        config = read_config(at / "mqlml.yml")
        data = read_data(config, Silent(), now=NOW)
        plan, _ = learn_features(data, config)
        return find_personas(read_leads(data, config, plan))

    write_company(tmp_path, order=np.random.default_rng(0).permutation(3000))
    events = pd.read_csv(tmp_path / "events.csv")
    pd.concat([events.sample(frac=1, random_state=1), events.head(99)]).to_csv(
        tmp_path / "events.csv", index=False
    )
    deals = pd.read_csv(tmp_path / "deals.csv")
    lost = sorted(set(range(1, 200)) - set(deals["id"]))
    pd.concat([deals, pd.DataFrame({"id": lost, "won_at": "2025-02-01"})]).to_csv(
        tmp_path / "deals.csv", index=False
    )
    assert compute(tmp_path) == compute(folder)


def test_without_kinds_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flat table will do; its numbers are drawn at random."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame({name: rng.choice(words, 900) for name, words in WORDS.items()})
    table.assign(id=range(900), won=rng.integers(0, 2, 900), n=range(900)).to_csv(
        tmp_path / "leads.csv", index=False
    )
    (tmp_path / "mqlml.yml").write_text(
        "name: flat\ndata: {flat: {path: leads.csv, lead_id: id, label: won, positive: 1, order: n}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    code, text, _ = run(["personas"], capsys)
    assert code == 0
    assert "No stable segments: buyers do not fall into distinct groups." in text
    code, text, _ = run(["personas", "--yaml"], capsys)
    assert yaml.safe_load(text) == {"personas": {}}


def test_a_real_table_runs(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.conftest import ROOT

    monkeypatch.setenv("MQLML_REAL_DATA", str(real_data))
    (tmp_path / "mqlml.yml").write_text((ROOT / "examples" / "xeducation.yml").read_text(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(["personas", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["won"], found["leads"], found["outcome"]) == (0, 3561, 9240, None)
