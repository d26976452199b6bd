"""The config: what is written is what is read, and what cannot be read says where and what would help."""

from __future__ import annotations

import copy
import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from mqlml.config import Config, describe_config, make_config, read_config
from mqlml.errors import ConfigError
from mqlml.times import DAY, HOUR

LEAST: dict[str, Any] = {
    "name": "leads",
    "data": {
        "observed_until": "2018-11-14",
        "leads": {"path": "leads.csv"},
        "outcomes": {"path": "deals.csv", "stage": "closed_won"},
    },
}


def config(**changes: Any) -> Config:
    return make_config({**copy.deepcopy(LEAST), **changes}, folder=Path("there"), where="mqlml.yml")


def test_the_least_config_has_good_defaults() -> None:
    found = config()
    assert found.problem.horizon == 60 * DAY
    assert found.problem.snapshots.ages == [0, 7 * DAY, 30 * DAY]
    assert found.windows == [7 * DAY, 30 * DAY, 90 * DAY, "all"]
    assert list(found.labels) == ["mql", "sql"]
    assert found.data.observed_until == dt.datetime(2018, 11, 14, tzinfo=dt.UTC)


def test_the_config_of_the_interface_reads(tmp_path: Path) -> None:
    text = """
name: lead-conversion
data:
  timezone: Europe/Berlin
  observed_until: 2018-11-14
  max_quarantined: 0.01
  leads:
    path: leads.csv
    columns: {lead_id: mql_id, created_at: {column: signup_date, format: "%m/%d/%y"}, account_id: org}
  events:
    path: events.parquet
    columns: {lead_id: lead_id, occurred_at: ts, recorded_at: loaded_at, action: action, value: seconds}
  outcomes:
    path: deals.csv
    columns: {lead_id: mql_id, occurred_at: won_date, amount: revenue}
    stages: {Won: closed_won, Lost: closed_lost}
  history: {path: field_history.parquet}
problem:
  outcome: closed_won
  horizon: 90d
  gap: 12h
  snapshots: {every: 7d, from: 2017-06-01, until: 2018-05-31}
  age_limits: [0d, 365d]
profile: {static: [origin, landing_page_id], history: []}
windows: [7d, 30d, 90d, all]
labels:
  sql: {policy: capacity, per_week: 40}
  mql: {policy: min_precision, value: 0.15}
rules:
  disqualify:
    - {when: {country: {not_in: [US, CA]}}, reason: outside our region}
    - {when: {mail_domain: {in: competitors.txt}}, reason: competitor}
gate: {min_positives: 50}
tracking: {uri: "sqlite:///models/mlflow.db"}
"""
    (tmp_path / "mqlml.yml").write_text(text)
    found = read_config(tmp_path / "mqlml.yml")
    assert found.data.observed_until == dt.datetime(2018, 11, 13, 23, tzinfo=dt.UTC)
    assert found.problem.gap == 12 * HOUR
    assert list(found.labels) == ["mql", "sql"]  # lowest first, whatever the order in the file
    assert found.data.leads is not None
    assert found.data.leads.column("created_at") == "signup_date"
    assert found.data.leads.column("country") == "country"
    assert found.path("leads.csv") == tmp_path / "leads.csv"


def test_the_ends_of_a_grid_are_in_the_config_s_zone() -> None:
    data = {**LEAST["data"], "timezone": "Europe/Berlin"}
    grid = {"every": "7d", "from": "2017-06-01", "until": "2018-05-31T12:00:00Z"}
    found = config(data=data, problem={"snapshots": grid, "age_limits": ["0d", "90d"]}).problem.snapshots
    assert found.from_ == dt.datetime(2017, 5, 31, 22, tzinfo=dt.UTC)
    assert found.until == dt.datetime(2018, 5, 31, 12, tzinfo=dt.UTC)


def test_what_a_config_says_can_be_written_and_read_again() -> None:
    found = config(windows=["3d", "all"], problem={"horizon": "36h", "snapshots": {"ages": ["14d"]}})
    again = make_config(
        yaml.safe_load(found.model_dump_json(by_alias=True, exclude_none=True)), folder=Path("there")
    )
    assert again.model_dump() == found.model_dump()


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM", "a: b # not YAML")
    leads = {"path": "${CRM}/${NOT_SET_ANYWHERE:-export}.csv"}
    found = config(data={**LEAST["data"], "leads": leads})
    assert found.data.leads is not None
    assert found.data.leads.path == "a: b # not YAML/export.csv"


def test_a_version_keeps_what_came_from_the_environment_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("HORIZON", "36h")
    disqualify = [{"when": {"country": {"not_in": ["${SECRET}"]}}, "reason": "${SECRET}"}]
    found = config(rules={"disqualify": disqualify}, problem={"horizon": "${HORIZON}"})
    described = describe_config(found)
    assert found.rules.disqualify[0].reason == "s3cret"
    assert described["rules"]["disqualify"][0]["reason"] == "${SECRET}"
    assert "s3cret" not in str(described)
    assert make_config({**LEAST, "problem": described["problem"]}, folder=Path()).problem.horizon == 36 * HOUR


def test_a_tracking_uri_in_the_wrong_place_is_not_shown() -> None:
    with pytest.raises(ConfigError) as error:
        config(tracking="postgresql://me:s3cret@db/mlflow")
    assert "tracking" in str(error.value)
    assert "s3cret" not in str(error.value)


def put(path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(LEAST)
    at = changed
    *parents, last = path.split(".")
    for part in parents:
        at = at.setdefault(part, {})
    at[last] = value
    return changed


MISTAKES = {
    "unknown key": (put("windos", ["7d"]), r"windos: unknown key 'windos'; did you mean 'windows'\?"),
    "unknown key, deep": (
        put("data.leads.columns", {"created_at": {"column": "d", "fromat": "%d"}}),
        r"data\.leads\.columns\.created_at\.fromat: unknown key 'fromat'; did you mean 'format'\?",
    ),
    "unknown key, nothing near": (
        put("gate", {"zzz": 1}),
        "gate.zzz: unknown key 'zzz'; known keys: min_positives",
    ),
    "unknown key in a rule": (
        put("rules", {"disqualify": [{"when": {"country": {"in": ["US"], "notin": 1}}, "reason": "r"}]}),
        r"rules\.disqualify\.0\.when\.country\.notin: unknown key 'notin'; did you mean 'not_in'\?",
    ),
    "no unit": (put("problem.horizon", 60), r"problem\.horizon: a duration is a number and a unit.*found 60"),
    "wrong unit": (put("problem.horizon", "60m"), r"problem\.horizon: a duration is .* found '60m'"),
    "no horizon": (put("problem.horizon", "0d"), r"problem\.horizon: must be greater than 0"),
    "unknown stage": (
        put("problem.outcome", "won"),
        r"problem\.outcome: must be one of mqlml's stages, .* found 'won'; write closed_won, ",
    ),
    "two snapshot policies": (
        put("problem.snapshots", {"ages": ["0d"], "every": "7d"}),
        r"problem\.snapshots: needs exactly one of 'ages' .* and 'every'",
    ),
    "age limits reversed": (
        put("problem.age_limits", ["9d", "1d"]),
        r"age_limits.*must not be above the second",
    ),
    "windows out of order": (put("windows", ["30d", "7d"]), "windows: .*shortest first"),
    "no end of observation": (put("data.observed_until", None), "needs 'observed_until': .*never guessed"),
    "not a time": (put("data.observed_until", "soon"), r"a time is written as .* found 'soon'"),
    "unknown zone": (
        put("data.timezone", "Europe/Brelin"),
        r"must be a time zone.*did you mean 'Europe/Berlin'\?",
    ),
    "no leads": (put("data.leads", None), r"data: needs 'leads' \(or 'flat'"),
    "flat beside leads": (
        put("data.flat", {"path": "f.csv", "lead_id": "id", "label": "y", "order": "n"}),
        "'flat' replaces leads, events, outcomes and history",
    ),
    "two sources": (
        put("data.leads", {"path": "l.csv", "sql": "select 1"}),
        "data.leads: needs exactly one of 'path' and 'sql'",
    ),
    "unknown policy": (
        put("labels", {"mql": {"policy": "capacty"}, "sql": {"policy": "fixed", "value": 0.5}}),
        r"labels\.mql\.policy: .*found 'capacty'",
    ),
    "policy without its key": (
        put("labels", {"mql": {"policy": "capacity"}, "sql": {"policy": "fixed", "value": 0.5}}),
        r"labels\.mql: policy 'capacity' needs 'per_week'",
    ),
    "policy with another's key": (
        put(
            "labels",
            {"mql": {"policy": "fixed", "value": 0.1, "gain": 3}, "sql": {"policy": "fixed", "value": 0.5}},
        ),
        r"labels\.mql: policy 'fixed' does not read 'gain'",
    ),
    "no label": (put("labels", {}), "labels: needs at least one label, as mql"),
    "a label that is none": (
        put("labels", {"unqualified": {"policy": "fixed", "value": 0.5}}),
        r"labels\.unqualified: 'unqualified' is what leads without a label are called; choose another name",
    ),
    "a label in capitals": (
        put("labels", {"MQL": {"policy": "fixed", "value": 0.5}}),
        r"labels\.MQL: a label is lower-case letters, digits and '_'; found 'MQL'; write mql",
    ),
    "usual labels upside down among others": (
        put("labels", {name: {"policy": "fixed", "value": 0.5} for name in ("sql", "hot", "mql")}),
        "labels: labels are written lowest first, so 'mql' before 'sql'",
    ),
    "a cost that is no key": (
        put("labels", {"mql": {"policy": "value", "gain": 9, "cost": 1, "too_lat": 2}}),
        r"labels\.mql\.too_lat: unknown key 'too_lat'; did you mean 'too_late'\?",
    ),
    "teams without a capacity": (
        put("labels", {"mql": {"policy": "capacity", "teams": {"column": "region", "per_week": {}}}}),
        r"labels\.mql\.teams\.per_week: ",
    ),
    "teams of another policy": (
        put(
            "labels",
            {
                "mql": {
                    "policy": "fixed",
                    "value": 0.1,
                    "teams": {"column": "region", "per_week": {"EMEA": 3}},
                }
            },
        ),
        r"labels\.mql: policy 'fixed' (needs 'value'|does not read 'teams')",
    ),
    "a probability above 1": (
        put("labels", {"mql": {"policy": "fixed", "value": 15}, "sql": {"policy": "fixed", "value": 0.5}}),
        r"labels\.mql\.value: must be less than or equal to 1; found 15",
    ),
    "static is a word": (put("profile.static", "all"), "profile.static: must be 'auto' or a list of columns"),
    "variable not set": (
        put("data.leads.path", "${MQLML_NOT_SET}/l.csv"),
        "data.leads.path: reads .*MQLML_NOT_SET",
    ),
    "no name": ({"data": LEAST["data"]}, "name: this key is required"),
    "a name that is a path": (put("name", "../x"), "name: must be letters, digits"),
    "not a mapping": (["name"], "must hold keys and values"),
}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["sql", "iql", "mql"], ["iql", "mql", "sql"]),
        (["mql"], ["mql"]),
        (["warm", "hot"], ["warm", "hot"]),
        (["iql", "warm", "sql", "hot"], ["iql", "warm", "sql", "hot"]),
    ],
    ids=["usual", "one", "own", "mixed"],
)
def test_levels_are_lowest_first(written: list[str], read: list[str]) -> None:
    labels = {name: {"policy": "fixed", "value": 0.5} for name in written}
    assert list(config(labels=labels).labels) == read


@pytest.mark.parametrize(("values", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(values, folder=Path("there"), where="mqlml.yml")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no config file .*mqlml init FILES"):
        read_config(tmp_path / "mqlml.yml")
    (tmp_path / "mqlml.yml").write_text("name: [")
    with pytest.raises(ConfigError, match="is not valid YAML"):
        read_config(tmp_path / "mqlml.yml")
    (tmp_path / "mqlml.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8"):
        read_config(tmp_path / "mqlml.yml")


LEAST_TEXT = (
    "name: w\ndata:\n  observed_until: 2025-06-30\n  leads: {path: a.csv}\n  outcomes: {path: d.csv}\n"
)


def test_all_problems_of_a_file_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = LEAST_TEXT.replace("2025-06-30", "2025-06-31").replace("d.csv", "d.csv, stage: won")
    text += "problem:\n  horizon: 60\n  outcome: Customer\n  gap: 2 months\n"
    text += "labels:\n  mql: {policy: Fixed, value: 60%}\n"
    (tmp_path / "mqlml.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "mqlml.yml")
    first, *others = str(caught.value).replace(str(tmp_path / "mqlml.yml"), "mqlml.yml").splitlines()
    assert first == "mqlml.yml: 7 settings must be corrected"
    ends = [
        ("  line 3: data.observed_until: ", "found '2025-06-31'"),
        ("  line 5: data.outcomes.stage: ", "found 'won'; write closed_won"),
        ("  line 7: problem.horizon: ", "found 60; write 60d"),
        ("  line 8: problem.outcome: ", "as data.outcomes.stages: {Customer: closed_won}"),
        ("  line 9: problem.gap: ", "found '2 months'; write 60d or 8w"),
        ("  line 11: labels.mql.policy: ", "found 'Fixed'; write fixed"),
        ("  line 11: labels.mql.value: ", "found '60%'; write 0.6"),
    ]
    for line, (start, end) in zip(others, ends, strict=True):
        assert line.startswith(start)
        assert line.endswith(end)


UNBOUND = {
    "an alias of itself": ("x: &a [*a]\n", "line 6: the anchor holds an alias of itself"),
    "an alias bomb": (
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{key}: &{key} [{','.join(['*' + before] * 10)}]\n" for before, key in pairwise("abcdefghij")
        ),
        "aliases stand for more than 100,000 values",
    ),
    "brackets without end": ("x: " + "[" * 3000 + "\n", "line 6: must not nest deeper than 50 levels"),
    "a number without end": ("gate: {min_positives: " + "9" * 5000 + "}\n", "gate.min_positives: must be a"),
    "a length without end": (
        "problem: {horizon: 99999999999999999999d}\n",
        "horizon: must be at most 36500d",
    ),
    "no number": (
        "labels: {mql: {policy: fixed, value: .nan}}\n",
        "value: must be a finite number; found nan",
    ),
    "a section that stands twice": ("data: {}\n", "the key 'data' stands there a second time"),
    "another's home": (
        "spare: 1\n",
        r"(?s)data\.leads\.path: must not begin with a user .*spare: unknown key",
    ),
}


@pytest.mark.parametrize(("more", "message"), UNBOUND.values(), ids=UNBOUND.keys())
def test_values_without_bounds_are_refused_in_words(more: str, message: str, tmp_path: Path) -> None:
    text = LEAST_TEXT.replace("a.csv", "~nobody-of-this-name/a.csv") if "spare" in more else LEAST_TEXT
    (tmp_path / "mqlml.yml").write_text(text + more)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "mqlml.yml")
