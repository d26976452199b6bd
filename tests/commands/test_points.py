"""``mqlml points``: distilled from a version, or from own rates where there are too few wins for one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mqlml.cli import main
from mqlml.commands.check import make_table, read_data
from mqlml.commands.inputs import load_model
from mqlml.commands.points import compute_points
from mqlml.config import read_config
from mqlml.insight.points.table import PointsTable
from mqlml.progress import Silent
from mqlml.training import TrainingTable
from tests.bad_input.front_door import run
from tests.commands.company import write_company

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_company(tmp_path_factory.mktemp("company"), 2000, seed=5)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--config", str(folder / "mqlml.yml"), "--json"])
    assert ended.value.code == 0
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_company(tmp_path_factory.mktemp("small"), 450, seed=5)


def compute(folder: Path, change: object = None) -> PointsTable:
    config = read_config(folder / "mqlml.yml")
    data = read_data(config, Silent(), now=NOW)
    table = make_table(data, config, Silent())
    bundle, _ = load_model(config, None)
    if callable(change):
        table = change(table)
    return compute_points(config, data, table, bundle, Silent())


def test_the_model_beside_the_points_is_the_one_that_training_measured(trained: Path) -> None:
    """The past is trained again as `train` did it, so both have the same loss on the held-out period."""
    bundle, _ = load_model(read_config(trained / "mqlml.yml"), None)
    found = compute(trained).evaluation
    assert found.beside_model is not None
    assert found.beside_model.log_loss == pytest.approx(bundle.result.holdout.log_loss.value, rel=1e-12)
    assert found.beside_model.roc_auc == pytest.approx(bundle.result.holdout.roc_auc.value, rel=1e-12)
    assert found.log_loss.value < found.beside_base_rate.log_loss


def test_nothing_of_the_held_out_period_moves_the_points(trained: Path) -> None:
    def overturn(table: TrainingTable) -> TrainingTable:
        label, features = table.label.copy(), table.features.copy()
        label[table.holdout.test] = 1 - label[table.holdout.test]
        numbers = features.columns[[pd.api.types.is_numeric_dtype(dtype) for dtype in features.dtypes]]
        features.loc[features.index[table.holdout.test], numbers] = np.float32(3)
        return dataclasses.replace(table, label=label, features=features)

    before, after = compute(trained), compute(trained, overturn)
    assert before.rows == after.rows
    assert [(step.points, step.probability) for step in before.scale] == [
        (step.points, step.probability) for step in after.scale
    ]
    assert before.evaluation != after.evaluation


def test_text_json_and_files_say_the_same(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    code, out, _ = run(["points", "--json", "--out", "points.csv"], capsys)
    found = json.loads(out)
    assert (code, found["source"], found["version"], found["more_wins"]) == (0, "model", 1, None)
    assert list(found["evaluation"]["labels"]) == ["mql", "sql"]
    written = pd.read_csv("points.csv")
    assert written["condition"].tolist() == [row["condition"] for row in found["rows"]]
    assert written["points"].tolist() == [row["points"] for row in found["rows"]]
    assert all(isinstance(row["points"], int) and row["points"] != 0 for row in found["rows"])
    code, text, _ = run(["points", "--out", "points.md"], capsys)
    assert text.startswith("Points distilled from demo-leads version 1")
    markdown = Path("points.md").read_text(encoding="utf-8")
    for row in found["rows"]:
        assert row["condition"] in text
        assert row["condition"] in markdown
    sql = found["evaluation"]["labels"]["sql"]
    assert f"SQL from {sql['from_points']} point" in text


def test_few_wins_get_points_of_their_own_rates(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small)
    code, out, _ = run(["points", "--json"], capsys)
    found = json.loads(out)
    assert (code, found["source"], found["version"]) == (0, "own_rates", None)
    assert found["evaluation"]["beside_model"] is None
    wins = found["more_wins"]
    assert wins["missing"] == 50 - wins["conversions"] > 0
    assert wins["months"]["low"] < wins["months"]["value"] < wins["months"]["high"]
    assert found["signals"]["signals"]
    _, text, _ = run(["points"], capsys)
    assert f"You have {wins['conversions']} conversions of {wins['leads']} leads to learn from" in text
    assert "there is no model behind them" in text


def test_training_on_few_wins_says_what_to_do(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small)
    code, _, err = run(["train"], capsys)
    assert code == 3
    assert "converting leads a month, that will take about" in err
    assert "mqlml points" in err


def test_a_version_named_for_too_few_wins_is_refused(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small)
    code, out, err = run(["points", "--model", "demo-leads@1"], capsys)
    assert (code, out) == (2, "")
    assert "--model needs at least 50 conversions" in err


def test_another_suffix_is_refused_before_anything_is_read(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small)
    code, _, err = run(["points", "--out", "points.xlsx"], capsys)
    assert code == 4
    assert ".csv" in err


def test_the_report_has_the_chapter(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    code, _, _ = run(["report", "--insight", "--out", "report.html", "--tables", "tables"], capsys)
    assert code == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert 'id="pays"' in page
    assert "Which points could your CRM use?" in page
    assert {"attribution.csv", "points.csv", "points_scale.csv"} <= {
        path.name for path in Path("tables").iterdir()
    }


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flat")
    rng = np.random.default_rng(0)
    size, country = rng.integers(1, 500, 900), rng.choice(["US", "DE"], 900)
    won = rng.random(900) < 0.05 + 0.3 * (size > 250) + 0.2 * (country == "US")
    table = pd.DataFrame({"id": range(900), "Size": size, "Country": country, "won": won.astype(int)})
    table.to_csv(folder / "leads.csv", index=False)
    (folder / "mqlml.yml").write_text(
        "name: flat\ndata: {flat: {path: leads.csv, lead_id: id, label: won, positive: 1, order: id}}\n"
        "labels: {sql: {policy: min_recall, value: 0.4}}\n",
        encoding="utf-8",
    )
    with pytest.raises(SystemExit) as ended:
        main(["train", "--config", str(folder / "mqlml.yml"), "--json"])
    assert ended.value.code == 0
    return folder


def test_a_flat_table_has_points_and_is_told_what_does_not_apply(
    flat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(flat)
    _, out, _ = run(["points", "--json"], capsys)
    found = json.loads(out)
    conditions = [row["condition"] for row in found["rows"]]
    assert any(text.startswith("Size: ") for text in conditions)
    assert any(text.startswith("Country is ") for text in conditions)
    assert found["evaluation"]["beside_base_rate"]["log_loss_difference"]["high"] < 0
    code, _, _ = run(["report", "--insight", "--out", "report.html"], capsys)
    page = Path("report.html").read_text(encoding="utf-8")
    assert code == 0
    assert "Which points could your CRM use?" in page
    assert "needs tables of leads, events and outcomes" in page
