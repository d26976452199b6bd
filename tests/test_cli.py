"""The commands as users and their scripts meet them: help, what they print, and what they write, run for real."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from mqlml import __version__
from mqlml.cli import app, main
from mqlml.render import results
from mqlml.results import Result, from_json_safe, json_schema, to_json_safe
from mqlml.texts import format_label
from tests.bad_input.front_door import Desk, names_in, run
from tests.bad_input.worlds import journeys_company

COMMANDS = sorted(str(command.name or command.callback.__name__) for command in app.registered_commands)
README = Path(__file__).resolve().parent.parent / "README.md"
AS_OF = "2024-04-06"
ESTIMATE = {"value", "low", "high"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help_with_an_example(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run([command, option], capsys)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: mqlml {command} ")
    words = " ".join(out.split())
    assert f"Example: mqlml {command}" in words
    assert "--json" in out


def test_every_command_stands_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["--help"], capsys)
    assert code == 0
    listed = re.findall(r"^  (\w+) {2,}\S.*\.$", out, re.MULTILINE)
    assert sorted(listed) == COMMANDS
    assert listed[0] == "demo"
    assert listed.index("check") < listed.index("train") < listed.index("score") < listed.index("report")


def test_every_command_stands_in_the_readme() -> None:
    section = README.read_text(encoding="utf-8").split("## Commands", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`mqlml (\w+)", section))
    assert named == set(COMMANDS)


def test_the_version_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], capsys) == (0, f"mqlml {__version__}\n", "")


@dataclass(frozen=True)
class Done:
    """What one command printed with ``--json``."""

    result: dict[str, Any]
    out: str
    err: str


@dataclass(frozen=True)
class Road:
    """A small company's folder, and every command run in it once, in order."""

    folder: Path
    done: dict[str, Done]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    folder = tmp_path_factory.mktemp("company")
    desk = Desk(folder)
    journeys_company(desk)
    desk.save()
    commands = {
        "check": ["check"],
        "features": ["features"],
        "backtest": ["backtest"],
        "table": ["table", "--out", "table.parquet"],
        "dry": ["train", "--dry-run"],
        "train": ["train"],
        "score": ["score", "--as-of", AS_OF, "--exact", "--out", "scores.csv"],
        "explain": ["explain", "285", "--as-of", AS_OF],
        "report": ["report"],
        "features_of_version": ["features", "--model", "leads@champion"],
    }
    done = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, arguments in commands.items():
            code, out, err = run_captured([*arguments, "--json"])
            assert code == 0, err
            done[name] = Done(json.loads(out), out, err)
    return Road(folder, done)


def run_captured(arguments: list[str]) -> tuple[int, str, str]:
    """`run` where there is no capsys: in a fixture of a module."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stopped,
    ):
        main(arguments)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    "command",
    ["check", "features", "features_of_version", "table", "backtest", "dry", "train", "score", "report"],
)
def test_json_is_one_line_and_nothing_is_said_beside_it(command: str, road: Road) -> None:
    done = road.done[command]
    assert done.out == json.dumps(done.result, ensure_ascii=False) + "\n"
    assert done.err == ""


RESULTS: dict[str, type[Result]] = {
    "check": results.CheckResult,
    "features": results.FeaturesResult,
    "features_of_version": results.FeaturesResult,
    "table": results.TableResult,
    "backtest": results.BacktestResult,
    "score": results.ScoreResult,
    "explain": results.ExplainResult,
    "report": results.ReportResult,
}


@pytest.mark.parametrize("command", RESULTS)
def test_json_is_that_of_a_typed_result(command: str, road: Road) -> None:
    found = road.done[command].result
    assert found.keys() == json_schema(RESULTS[command])["properties"].keys()
    assert to_json_safe(from_json_safe(RESULTS[command], found, where=command)) == found


def test_features_of_the_data_and_of_the_version_are_the_columns_of_the_table(road: Road) -> None:
    result, version = road.done["features"].result, road.done["features_of_version"].result
    assert result["features"] == version["features"]
    columns = list(pd.read_parquet(road.folder / "table.parquet").columns)
    assert columns == [
        "lead_id",
        "cutoff_time",
        "label",
        *(feature["name"] for feature in result["features"]),
    ]
    assert set(result["features"][0]) == {
        *("name", "family", "what", "aggregate", "window", "signal", "unit", "kind"),
        *("sentence", "source", "words"),
    }
    assert (result["version"], version["version"]) == (None, 1)
    assert all(entry["reason"] for entry in result["left_out"])
    assert "group pairs" in {entry["what"] for entry in result["left_out"]}


def test_train_prints_what_is_promised(road: Road) -> None:
    result = road.done["train"].result
    promised = {
        *(
            "model",
            "version",
            "run_id",
            "population",
            "holdout",
            "by_age",
            "baselines",
            "labels",
            "leaks",
            "gate",
        ),
        "seconds",
    }
    assert promised <= set(result)
    assert (result["model"], result["version"], result["aliases"]) == ("leads", 1, ["champion"])
    assert re.fullmatch(r"[0-9a-f]{32}", result["run_id"])
    holdout = result["holdout"]
    assert {"from", "until", "n", "leads", "positives", "brier_base_rate", "ece", "lift_top_decile"} <= set(
        holdout
    )
    assert dt.date.fromisoformat(holdout["from"]) < dt.date.fromisoformat(holdout["until"])
    for metrics in (holdout, *result["by_age"].values(), *result["baselines"].values()):
        for name in ("roc_auc", "average_precision", "log_loss", "brier", "ece", "lift_top_decile"):
            assert set(metrics[name]) == ESTIMATE
            assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]
    assert set(result["by_age"]) == {"0d"}
    assert set(result["baselines"]) == {"base_rate", "points", "logistic"}
    assert list(result["labels"]) == ["mql", "sql"]
    for label in result["labels"].values():
        assert {"threshold", "precision", "recall", "per_week"} <= set(label)
        assert set(label["recall"]) == set(label["per_week"]) == ESTIMATE
        assert (label["precision"] is None) is (label["selected"] == 0)
    assert result["labels"]["sql"]["threshold"] >= result["labels"]["mql"]["threshold"]
    assert [(leak["column"], leak["action"]) for leak in result["leaks"]] == [("lead_status", "refused")]
    assert set(result["leaks"][0]) == {"column", "kind", "reason", "action", "severity", "evidence"}
    assert (result["gate"]["passed"], result["gate"]["reasons"]) == (True, [])
    assert {"read", "features", "refit", "register"} <= set(result["seconds"])
    assert all(seconds >= 0 for seconds in result["seconds"].values())


def test_a_dry_run_says_the_same_and_registers_nothing(road: Road) -> None:
    dry, trained = dict(road.done["dry"].result), dict(road.done["train"].result)
    for result in (dry, trained):
        del result["seconds"], result["created"]
    assert (dry.pop("version"), dry.pop("run_id"), dry.pop("aliases")) == (None, None, [])
    assert trained.pop("version") == 1, "the dry run before it took no number"
    del trained["run_id"], trained["aliases"]
    assert dry == trained


def test_a_backtest_shows_each_period_and_leaves_the_last_one_closed(road: Road) -> None:
    result = road.done["backtest"].result
    trained = road.done["train"].result["holdout"]
    assert result["held_out"] == {key: trained[key] for key in ("from", "until", "n")} | {"accessed": False}
    starts = [period["from"] for period in result["periods"]]
    assert len(starts) >= 3
    assert starts == sorted(starts)
    for period in [*result["periods"], result["together"]]:
        for name in (
            "roc_auc",
            "log_loss",
            "brier",
            "log_loss_base_rate",
            "brier_base_rate",
            "overprediction",
        ):
            assert set(period[name]) == ESTIMATE
            assert period[name]["low"] <= period[name]["value"] <= period[name]["high"]
    for period in result["periods"]:
        assert period["until"] < trained["from"]
        assert period["learned_from"]["until"] < period["from"]
        assert 0 < period["learned_from"]["positives"] < period["learned_from"]["n"]
    ageing = result["ageing"]
    assert [set(step["added"]) for step in ageing["steps"]] == [ESTIMATE] * len(ageing["steps"])
    assert (ageing["found"], ageing["retrain_every"], ageing["tolerated_share"]) == (False, None, 0.1)
    assert ageing["skill"]["low"] < 0
    assert result["advice"].startswith(
        "We cannot say yet how a model ages: models that learn from as little as "
    )


def test_a_backtest_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    journeys_company(desk)
    desk.save()
    before = names_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, err = run_captured(["backtest", "--periods", "4"])
    assert (code, err) == (0, "")
    assert names_in(tmp_path) == before
    lines = out.splitlines()
    assert lines[0] == "Each period, predicted by a model trained on what was known when it began"
    assert lines[-2].startswith("We cannot say yet how a model ages")
    assert re.match(r"The held-out period, 2024-\d\d-\d\d until 2024-\d\d-\d\d, was not used$", lines[-1])
    desk.set("problem.horizon", "60d")
    desk.save()
    code, out, err = run_captured(["backtest"])
    assert (code, out) == (1, "")
    assert err.startswith("mqlml: ")


def test_other_settings_are_told_who_has_seen_the_held_out_period(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(road.folder)
    settings = yaml.safe_load((road.folder / "mqlml.yml").read_text(encoding="utf-8"))
    settings["windows"] = ["7d", "all"]
    (road.folder / "other.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    seen = road.done["train"].result["holdout"]
    assert (seen["accessed_with_other_settings"], seen["accessed_by_versions"]) == (0, [])
    code, out, _ = run_captured(["train", "--dry-run", "--config", "other.yml", "--json"])
    assert code == 0
    result = json.loads(out)
    assert (result["holdout"]["accessed_with_other_settings"], result["holdout"]["accessed_by_versions"]) == (
        1,
        [1],
    )
    assert result["holdout"]["accessed_since"].startswith(str(dt.datetime.now(dt.UTC).year))
    warned = [warning for warning in result["gate"]["warnings"] if "was used before" in warning]
    assert re.match(
        r"The held-out period was used before, with 1 other setting \(version 1\) since \d{4}-\d\d-\d\d: if these "
        r"settings were chosen by its results, its metrics are optimistic\.$",
        warned[0],
    )


def test_the_training_table_begins_with_its_keys(road: Road) -> None:
    result = road.done["table"].result
    table = pd.read_parquet(road.folder / "table.parquet")
    assert list(table.columns[:3]) == ["lead_id", "cutoff_time", "label"]
    assert len(table) == result["rows"] == road.done["check"].result["population"]["snapshots"]
    assert int(table["label"].sum()) == result["positives"]
    assert len(table.columns) - 3 == result["features"] > 0
    assert not any("lead_status" in column for column in table.columns), "it leaks"


SCORES = [
    *("lead_id", "cutoff_time", "probability", "raw_score", "score", "label", "label_reason"),
    *("reason_1", "reason_2", "reason_3", "against_1", "against_2", "against_3"),
    *("profile_points", "channel_points", "actions_points", "undesirables_points", "base_points"),
    *("model_name", "model_version", "run_id", "scored_at", "label_since"),
    *("previous_label", "previous_probability", "changed_at", "trend", "first_reached"),
]


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_scores_hold_one_row_per_open_lead(road: Road) -> None:
    rows = read_rows(road.folder / "scores.csv")
    assert list(rows[0]) == SCORES
    ended = {row["lead_id"] for row in read_rows(road.folder / "outcomes.csv") if row["occurred_at"] < AS_OF}
    week = ("2024-03-30", AS_OF)  # the default age limits end at 7 days
    leads = read_rows(road.folder / "leads.csv")
    born = {row["lead_id"] for row in leads if week[0] <= row["created_at"] <= week[1]}
    assert sorted(row["lead_id"] for row in rows) == sorted(born - ended)
    assert {row["cutoff_time"] for row in rows} == {f"{AS_OF}T00:00:00Z"}
    result = road.done["score"].result
    assert result["leads"] == len(rows)
    counts = {name: sum(row["label"] == name for row in rows) for name in result["labels"]}
    assert counts == result["labels"]
    trained = road.done["train"].result
    made_by = {(row["model_name"], row["model_version"], row["run_id"]) for row in rows}
    assert made_by == {("leads", "1", trained["run_id"])}
    thresholds = {name: label["threshold"] for name, label in trained["labels"].items()}
    for row in rows:
        reached = [name for name, threshold in thresholds.items() if float(row["probability"]) >= threshold]
        assert row["label"] == (reached[-1] if reached else "unqualified")


def test_explain_says_what_the_scores_say_and_adds_up(
    road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = road.done["explain"].result
    row = next(row for row in read_rows(road.folder / "scores.csv") if row["lead_id"] == "285")
    for name in ("probability", "raw_score", "score"):
        assert result[name] == float(row[name])
    assert (result["label"], result["label_reason"]) == (row["label"], row["label_reason"])
    odds = result["probability"] / (1 - result["probability"])
    added = result["log_odds"]["base"] + sum(reason["points"] for reason in result["reasons"])
    assert math.log(odds) == pytest.approx(added, abs=1e-9)
    change = sum(change["points"] for change in result["earlier"]["changes"])
    before = result["earlier"]["probability"]
    before = math.log(before / (1 - before))
    assert math.log(odds) - before == pytest.approx(change, abs=1e-9)
    assert [act["action"] for act in result["timeline"]] == ["visit"]

    monkeypatch.chdir(road.folder)
    code, out, err = run(["explain", "285", "--as-of", AS_OF], capsys)
    assert (code, err) == (0, "")
    assert f"score {result['score']:g}" in out.splitlines()[0]
    assert f"{format_label(row['label'])}: {row['label_reason']}" in out.splitlines()
    assert {"Speaks for it", "Speaks against it"} < set(out.splitlines())
    given = (reason["sentence"] for reason in result["reasons"] if reason["given"] and reason["points"] < 0)
    worst = next(given, "nothing in particular speaks against this lead")
    assert out.split("Speaks against it\n", 1)[1].splitlines()[0].endswith(f"  {worst}")


@pytest.mark.parametrize(
    ("arguments", "kind", "code", "says"),
    [
        (["2850", "--as-of", AS_OF], "ContractError", 1, "no lead has the id '2850' among 300; the nearest"),
        (
            ["WON", "--as-of", AS_OF],
            "PopulationError",
            1,
            "is not open at 2024-04-06: its outcome was known on",
        ),
        (["285"], "UsageError", 2, "explain needs a prediction date: add --as-of"),
        (["285", "--as-of", AS_OF, "--since", "soon"], "UsageError", 2, "--since: a time is written as"),
        (["285", "--as-of", AS_OF, "--since", "2024-05-01"], "UsageError", 2, "--since must lie before"),
    ],
    ids=["unknown", "closed", "no moment", "no time", "since in the future"],
)
def test_explain_refuses_in_words(
    road: Road,
    arguments: list[str],
    kind: str,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(road.folder)
    won = read_rows(road.folder / "outcomes.csv")[0]["lead_id"]
    arguments = [won if argument == "WON" else argument for argument in arguments]
    found, out, err = run(["explain", *arguments, "--json"], capsys)
    assert found == code
    assert json.loads(out)["error"]["kind"] == kind
    assert says in err


def test_scoring_again_changes_the_time_of_scoring_only(
    road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(road.folder)
    monkeypatch.setattr("mqlml.cli.scores.now", lambda: dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC))
    first = read_rows(road.folder / "scores.csv")
    assert run(["score", "--as-of", AS_OF, "--exact", "--out", "again.csv"], capsys)[0] == 0
    again = read_rows(road.folder / "again.csv")
    assert {row.pop("scored_at") for row in again} == {"2031-05-06T07:08:09Z"}
    assert "2031-05-06T07:08:09Z" not in {row.pop("scored_at") for row in first}
    assert again == first


def test_a_second_version_is_a_challenger_and_the_champion_goes_on_scoring(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(road.folder)
    code, out, _ = run(["train"], capsys)
    assert (code, out.splitlines()[-1]) == (0, "Registered leads version 2 as challenger")
    code, out, _ = run(["report", "--out", str(tmp_path / "page.html"), "--json"], capsys)
    assert json.loads(out)["version"] == 1
    code, out, _ = run(
        ["report", "--out", str(tmp_path / "page.html"), "--model", "leads@2", "--json"], capsys
    )
    assert json.loads(out)["version"] == 2
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_fault_of_ours_is_one_json_object_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("something else")

    monkeypatch.setattr("mqlml.commands.check.check_data", fail)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZeroDivisionError):
        main(["check", "--json"])
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["kind"] == "InternalError"
    assert "a fault in mqlml, ZeroDivisionError: something else; please report it" in error["message"]
    assert err == f"mqlml: {error['message']}\n"
    with pytest.raises(ZeroDivisionError):
        main(["check"])
    assert capsys.readouterr().out == ""
