"""Bad settings and bad words at the prompt: the config and the options, each refused with the key and the remedy."""

from __future__ import annotations

import copy
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bad_input.front_door import (
    Bad,
    Desk,
    Spoil,
    file,
    judge,
    judge_words,
    names_in,
    run,
    setting,
)

SETTINGS: dict[str, Any] = {
    "name": "leads",
    "data": {
        "observed_until": "2024-12-31",
        "leads": {"path": "leads.csv"},
        "outcomes": {"path": "outcomes.csv"},
    },
    "problem": {"horizon": "3d", "snapshots": {"ages": ["0d"]}},
}
FIXED = {"policy": "fixed", "value": 0.5}


def config(content: str | bytes) -> Spoil:
    return file("mqlml.yml", content)


def no_config(id: str, spoil: Spoil, says: str) -> Bad:
    return Bad(id, spoil, says, "ConfigError")


def key(id: str, name: str, value: Any, says: str) -> Bad:
    return Bad(id, setting(name, value), rf"^mqlml: mqlml\.yml(, line \d+)?: {says}", "ConfigError")


FILES = [
    no_config(
        "missing",
        lambda _: None,
        r"there is no config file 'mqlml\.yml'; name one with --config, or write one with 'mqlml init FILES'",
    ),
    no_config("empty", config(""), r"mqlml\.yml must hold keys and values .*; found nothing\. See what"),
    no_config(
        "a-list", config("- name\n- data\n"), r"must hold keys and values .*; found \['name', 'data'\]"
    ),
    no_config(
        "open-bracket",
        config("name: [leads\ndata: {"),
        r"mqlml\.yml is not valid YAML in line 2, column 5: expected ',' or '\]', .*; see to brackets",
    ),
    no_config(
        "tabs",
        config("name: leads\ndata:\n\tleads: x\n"),
        r"not valid YAML in line 3, column 1: .*; see to .* blanks \(no tabs\)",
    ),
    no_config(
        "a-key-twice",
        config("name: leads\ndata:\n  leads: {path: a.csv}\n  leads: {path: b.csv}\n"),
        r"in line 4, column 3: the key 'leads' stands there a second time; remove one of the two",
    ),
    no_config(
        "utf-16", config("name: leads\n".encode("utf-16")), r"cannot be read as UTF-8 text; save it as UTF-8"
    ),
    no_config(
        "a-folder",
        lambda desk: desk.path("mqlml.yml").mkdir(),
        r"the config file 'mqlml\.yml' cannot be read: Is a directory; name another with --config",
    ),
]

KEYS = [
    key("unknown-key", "problm", {}, r"problm: unknown key 'problm'; did you mean 'problem'\?"),
    key(
        "unknown-key-inside", "problem.horizons", "60d", r"problem\.horizons: unknown key .* mean 'horizon'\?"
    ),
    key("unknown-key-afar", "zzz", 1, r"zzz: unknown key 'zzz'; known keys: name, data, journeys, problem"),
    key("no-name", "name", None, "name: this key is required; add it"),
    key("name-with-blanks", "name", "my leads!", "name: must be letters, digits, .*; found 'my leads!'"),
    key("no-outcomes", "data.outcomes", None, r"data: needs 'outcomes' \(or 'flat', for one table\)"),
    key("no-end", "data.observed_until", None, "data: needs 'observed_until': the moment up to which"),
    key("end-in-words", "data.observed_until", "Christmas", r"data\.observed_until: .*; found 'Christmas'$"),
    key(
        "no-unit",
        "problem.horizon",
        60,
        r"problem\.horizon: .* a number and a unit, h, d or w .*; found 60; write 60d$",
    ),
    key("unit-in-words", "problem.horizon", "60 days", r"problem\.horizon: .*; found '60 days'; write 60d$"),
    key("a-month", "problem.gap", "1m", r"problem\.gap: .* unit, h, d or w .*; found '1m'; write 30d or 4w$"),
    key("no-horizon", "problem.horizon", "0d", r"problem\.horizon: must be greater than 0; found 0$"),
    key(
        "holdout-in-percent",
        "problem.holdout",
        30,
        r"problem\.holdout: must be less than 1; found 30; write 0.3 for 30%$",
    ),
    key(
        "unknown-outcome",
        "problem.outcome",
        "won",
        r"problem\.outcome: must be one of mqlml's stages, .*; found 'won'; write closed_won,",
    ),
    key(
        "unknown-zone",
        "data.timezone",
        "Europe/Berln",
        r"data\.timezone: must be a time zone; .* mean 'Europe/Berlin'\?",
    ),
    key(
        "zone-abbreviated",
        "data.timezone",
        "CEST",
        r"data\.timezone: must be a time zone; found 'CEST'; name a place, as Europe/",
    ),
    key(
        "share-in-percent",
        "data.max_quarantined",
        "1%",
        r"data\.max_quarantined: must be a number; found '1%'; write 0.01$",
    ),
    key(
        "windows-unsorted", "windows", ["30d", "7d"], r"windows: .* shortest first.*; found \['30d', '7d'\]$"
    ),
    key("two-policies", "problem.snapshots.every", "7d", r"problem\.snapshots: needs exactly one of 'ages'"),
    key(
        "limits-reversed",
        "problem.age_limits",
        ["9d", "0d"],
        r"problem\.age_limits: .* must not be above the",
    ),
    key("one-limit", "problem.age_limits", ["9d"], r"problem\.age_limits: must hold 2 values"),
    key(
        "unknown-policy",
        "labels",
        {"mql": {"policy": "profit"}, "sql": FIXED},
        r"labels\.mql\.policy: must be 'fixed', .*; found 'profit'$",
    ),
    key(
        "policy-without-its-key",
        "labels",
        {"mql": {"policy": "capacity"}, "sql": FIXED},
        r"labels\.mql: policy 'capacity' needs 'per_week'",
    ),
    key("no-label", "labels", {}, "labels: needs at least one label, as mql"),
    key(
        "reserved-label",
        "labels",
        {"disqualified": FIXED},
        r"labels\.disqualified: 'disqualified' is what leads without",
    ),
    key(
        "precision-in-percent",
        "labels",
        {"mql": {"policy": "min_precision", "value": 15}, "sql": FIXED},
        r"labels\.mql\.value: must be less than or equal to 1; found 15; write 0.15 for 15%$",
    ),
    key(
        "variable-not-set",
        "data.leads.path",
        "${MQLML_NOT_SET_HERE}/leads.csv",
        r"data\.leads\.path: reads the environment variable MQLML_NOT_SET_HERE, which is not set; set it, or",
    ),
    key("path-and-sql", "data.leads.sql", "select 1", r"data\.leads: needs exactly one of 'path' and 'sql'"),
    key("path-not-text", "data.leads.path", 5, r"data\.leads\.path: must be text; found 5; write \"5\"$"),
    key(
        "leads-not-a-section",
        "data.leads",
        "leads.csv",
        r"data\.leads: must hold keys and values; found 'leads",
    ),
    key(
        "flat-and-leads",
        "data.flat",
        {"path": "a.csv", "lead_id": "a", "label": "b", "order": "c"},
        "data: 'flat' replaces leads, events, outcomes and history; remove one or the other",
    ),
    key(
        "flat-without-order",
        "data",
        {"flat": {"path": "a.csv", "lead_id": "a", "label": "b"}},
        r"data\.flat: needs 'order': .*; name them, or write number_rows: true",
    ),
    key(
        "stage-of-theirs",
        "data.outcomes.stages",
        {"Won": "won"},
        r"data\.outcomes\.stages\.Won: must be one of mqlml's stages, .*; write closed_won$",
    ),
    key(
        "unknown-unit",
        "data.leads.columns",
        {"created_at": {"column": "a", "unit": "minutes"}},
        r"data\.leads\.columns\.created_at\.unit: must be 'd', 's', 'ms', 'us' or 'excel'; found 'minutes'$",
    ),
    key(
        "rule-without-condition",
        "rules.disqualify",
        [{"when": {}, "reason": "all"}],
        r"rules\.disqualify\.0\.when: must not be empty; fill it, or take it away",
    ),
    key(
        "rule-without-reason",
        "rules.disqualify",
        [{"when": {"country": {"in": ["US"]}}}],
        r"rules\.disqualify\.0\.reason: this key is required; add it",
    ),
    key(
        "static-in-words",
        "profile.static",
        "country",
        r"profile\.static: must be 'auto' or a list .*; found 'c",
    ),
    key(
        "gate-too-low",
        "gate.min_positives",
        5,
        r"gate\.min_positives: must be greater than or equal to 10; found 5",
    ),
    Bad(
        "end-still-to-come",
        setting("data.observed_until", "2999-01-01"),
        r"data\.observed_until must lie in the past; found 2999-01-01, and it is .*\. Set it to the time of",
        "ConfigError",
    ),
    Bad(
        "tracking-in-a-folder",
        setting("tracking.uri", "file:///mlruns"),
        r"tracking\.uri must be a file \(sqlite:///models/mlflow\.db\), a server .*; found 'file:///mlruns'",
        "ConfigError",
    ),
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A folder with settings and small files, no config written yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MQLML_NOT_SET_HERE", raising=False)
    desk = Desk(tmp_path, copy.deepcopy(SETTINGS))
    desk.write("leads.csv", "lead_id,created_at\n1,2024-01-01\n2,2024-02-01\n")
    desk.write("outcomes.csv", "lead_id,occurred_at,stage\n1,2024-01-02,closed_won\n")
    return desk


def test_the_settings_are_good_as_they_are(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.save()
    code, out, err = run(["table", "--out", "table.csv"], capsys)
    assert (code, out.count("\n"), err) == (0, 1, "")


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.id)
def test_a_file_that_is_no_config_is_refused(
    bad: Bad, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    bad.spoil(desk)
    judge(["check"], bad, capsys)


@pytest.mark.parametrize("bad", KEYS, ids=lambda bad: bad.id)
def test_a_bad_setting_is_refused(bad: Bad, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    bad.spoil(desk)
    desk.save()
    before = names_in(desk.folder)
    judge(["train"], bad, capsys)
    assert names_in(desk.folder) == before


USAGE = {
    "unknown-command": (["trian"], "no such command 'trian'.*see 'mqlml --help'$"),
    "unknown-option": (["train", "--dryrun"], "no such option: --dryrun.*see 'mqlml train --help'$"),
    "table-to-nowhere": (["table"], "missing option '--out' / '-o'; see 'mqlml table --help'$"),
    "score-to-nowhere": (
        ["score", "--as-of", "2024-06-01"],
        "missing option '--out' / '-o'; see 'mqlml score",
    ),
    "an-extra-word": (
        ["check", "leads.csv"],
        "unexpected extra argument.*leads\\.csv.*see 'mqlml check --help'$",
    ),
    "too-few-leads": (
        ["demo", "--leads", "10"],
        "invalid value for '--leads'.*500.*see 'mqlml demo --help'$",
    ),
    "leads-in-words": (
        ["demo", "--leads", "many"],
        "invalid value for '--leads'.*integer.*'mqlml demo --help'$",
    ),
}


@pytest.mark.parametrize(("arguments", "says"), USAGE.values(), ids=USAGE.keys())
def test_bad_usage_is_told_in_one_line(
    arguments: list[str], says: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.save()
    before = names_in(desk.folder)
    judge(arguments, Bad("", lambda _: None, says, "UsageError", 2), capsys)
    assert names_in(desk.folder) == before


def test_an_option_without_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["check", "--config"], capsys)
    judge_words(err, "option '--config' requires an argument; see 'mqlml.* --help'$")
    assert (code, out) == (2, "")


def test_no_words_at_all_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run([], capsys)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: mqlml [OPTIONS] COMMAND")


def parquet_of(**columns: list[object]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


OUTPUTS = {
    "no-such-folder": (
        "there/table.csv",
        r"'there/table\.csv' cannot be written: there is no folder '.*there'; make it first",
    ),
    "a-folder-named-as-a-table": ("results.csv", r"'results\.csv' is a folder; name a file in it"),
    "unknown-suffix": (
        "table.xlsx",
        r"a table is written as \.parquet or \.csv; found 'table\.xlsx'\. Change its",
    ),
    "a-file-for-a-folder": ("leads.csv/table.csv", r"there is no folder '.*leads\.csv'; make it first"),
    "a-file-of-the-system": ("/proc/version/table.csv", "no folder '/proc/version'"),
}


@pytest.mark.parametrize(("out", "says"), OUTPUTS.values(), ids=OUTPUTS.keys())
@pytest.mark.parametrize("command", ["table", "score"])
def test_a_place_that_cannot_be_written_is_refused(
    command: str, out: str, says: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.path("results.csv").mkdir()
    desk.save()
    before = names_in(desk.folder)
    arguments = [command, "--out", out] + (["--as-of", "2024-06-01"] if command == "score" else [])
    judge(arguments, Bad("", lambda _: None, says, "OutputError", 4), capsys)
    assert names_in(desk.folder) == before


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("results", "'results' is a folder; name a file in it"),
        ("scores", r"a table is written as \.parquet or \.csv; found 'scores'"),
    ],
    ids=["a-folder", "no-suffix"],
)
def test_scores_go_to_a_file_only(
    out: str, says: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.path("results").mkdir()
    desk.save()
    before = names_in(desk.folder)
    arguments = ["score", "--out", out, "--as-of", "2024-06-01"]
    judge(arguments, Bad("", lambda _: None, says, "OutputError", 4), capsys)
    assert names_in(desk.folder) == before


FOLDERS = {
    "notes": ("notes.txt", b"mine"),
    "text-named-as-a-part": ("part-0000.parquet", b"mine"),
    "events-in-parts": ("part-0000.parquet", parquet_of(lead_id=["1"], occurred_at=["2024-01-01"])),
    "a-part-of-another-program": ("part-0.parquet", parquet_of(lead_id=["1"], cutoff_time=[0], label=[0])),
    "a-hidden-file": (".keep", b""),
}


@pytest.mark.parametrize(("name", "data"), FOLDERS.values(), ids=FOLDERS.keys())
def test_a_folder_that_is_no_earlier_table_is_left_alone(
    name: str, data: bytes, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.path("results").mkdir()
    desk.path("results").joinpath(name).write_bytes(data)
    desk.save()
    before = names_in(desk.folder)
    says = (
        f"the folder 'results' would be replaced, and holds {re.escape(repr(name))}, which is not part of a"
    )
    judge(["table", "--out", "results"], Bad("", lambda _: None, says, "OutputError", 4), capsys)
    assert names_in(desk.folder) == before
    assert desk.path("results").joinpath(name).read_bytes() == data


def test_a_table_for_a_folder_cannot_take_a_files_place(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.write("table", "mine")
    desk.save()
    says = r"'table' is a file; name a folder, or a file that ends in \.parquet or \.csv"
    judge(["table", "--out", "table"], Bad("", lambda _: None, says, "OutputError", 4), capsys)
    assert desk.path("table").read_text(encoding="utf-8") == "mine"
