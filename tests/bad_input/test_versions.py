"""Versions that cannot be found or trusted, moments and leads that cannot be scored: earlier results stay."""

from __future__ import annotations

import copy
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mqlml.cli import main
from tests.bad_input.front_door import (
    EARLIER,
    Bad,
    Desk,
    Spoil,
    every,
    file,
    gone,
    judge,
    leave_result,
    names_in,
    run,
    setting,
    swap,
)
from tests.bad_input.worlds import flat_company, journeys_company

AS_OF = ("--as-of", "2024-04-06")
SCORE = ("score", *AS_OF, "--out", "scores.csv")


def store_becomes(content: bytes) -> Spoil:
    return lambda desk: desk.write("models/mlflow.db", content)


def no_store(desk: Desk) -> None:
    shutil.rmtree(desk.path("models"))


def store_is_a_folder(desk: Desk) -> None:
    desk.path("models/mlflow.db").unlink()
    desk.path("models/mlflow.db").mkdir()


def store_cut_off(desk: Desk) -> None:
    desk.write("models/mlflow.db", desk.path("models/mlflow.db").read_bytes()[:5000])


def store_scrambled(desk: Desk) -> None:
    data = bytearray(desk.path("models/mlflow.db").read_bytes())
    for place in range(8192, len(data), 97):
        data[place] ^= 0xFF
    desk.write("models/mlflow.db", bytes(data))


def bundle(desk: Desk) -> Path:
    (found,) = desk.folder.glob("models/artifacts/models/*/artifacts/artifacts/bundle")
    return found


def flip(name: str) -> Spoil:
    def spoil(desk: Desk) -> None:
        path = bundle(desk) / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))

    return spoil


def remove(name: str) -> Spoil:
    return lambda desk: (bundle(desk) / name).unlink()


def manifest(change: str, to: str) -> Spoil:
    def spoil(desk: Desk) -> None:
        path = bundle(desk) / "manifest.json"
        changed = re.sub(change, to, path.read_text(), count=1)
        assert changed != path.read_text()
        path.write_text(changed)

    return spoil


def version(id: str, spoil: Spoil, says: str, *more: str) -> tuple[Bad, tuple[str, ...]]:
    return Bad(id, spoil, says, "VersionError"), (*SCORE, *more)


def store(id: str, spoil: Spoil, says: str, *command: str) -> tuple[Bad, tuple[str, ...]]:
    return Bad(id, spoil, says, "TrackingError", 4), command or SCORE


def damaged(id: str, spoil: Spoil, says: str, *command: str) -> tuple[Bad, tuple[str, ...]]:
    return Bad(id, spoil, f"the bundle of leads version 1 {says}", "BundleError"), command or SCORE


def scored(id: str, spoil: Spoil, says: str, kind: str, *more: str) -> tuple[Bad, tuple[str, ...]]:
    return Bad(id, spoil, says, kind, 2 if kind == "UsageError" else 1), (*SCORE, *more)


def nothing(_: Desk) -> None:
    """The files are good; the words at the prompt are not."""


def some_closed(desk: Desk) -> None:
    desk.write(
        "who.csv", "lead_id\n" + desk.path("outcomes.csv").read_text().splitlines()[1].split(",")[0] + "\n"
    )


BAD = [
    version(
        "no-store",
        no_store,
        r"there is no store '.*mlflow\.db' yet; run 'mqlml train' first, or see tracking",
    ),
    version(
        "store-without-models",
        store_becomes(b""),
        r"there is no store '.*mlflow\.db' yet; run 'mqlml train' first",
    ),
    version(
        "another-name",
        setting("name", "deals"),
        r"there is no model 'deals' in .*; it has 'leads'\. Name one of these, or run 'mqlml",
    ),
    version("unknown-model", nothing, r"there is no model 'leeds' in .*; it has 'leads'", "--model", "leeds"),
    version(
        "unknown-alias",
        nothing,
        r"'leads' has no version 'challenger'; its versions: 1; its aliases: champion\. Name one of these",
        "--model",
        "leads@challenger",
    ),
    version(
        "unknown-version",
        nothing,
        r"'leads' has no version '7'; its versions: 1; .*\. Name",
        "--model",
        "leads@7",
    ),
    store(
        "store-no-database",
        store_becomes(b"no database at all"),
        r"is not an MLflow store \(not a SQLite file\)",
    ),
    store(
        "store-a-folder",
        store_is_a_folder,
        r"mlflow\.db' is a folder; tracking\.uri names the database file in it",
    ),
    store(
        "store-cut-off",
        store_cut_off,
        r"the MLflow store .* database disk image is malformed; see tracking\.uri$",
    ),
    store(
        "store-scrambled",
        store_scrambled,
        r"the MLflow store .* (refused|cannot be read): .*; see tracking\.uri$",
    ),
    store(
        "train-into-no-database", store_becomes(b"no database"), r"is not an MLflow store .*; see", "train"
    ),
    store(
        "train-into-a-file",
        every(no_store, file("models", "a file")),
        r"cannot create the store 'mlflow\.db' in '.*models': it is no folder; allow it, or see tracking\.uri",
        "train",
    ),
    store(
        "no-server",
        setting("tracking.uri", "http://127.0.0.1:9"),
        r"the MLflow server http://127\.0\.0\.1:9 does not answer \(Connection refused\); start it, or correct",
    ),
    damaged(
        "byte-flipped", flip("model.skops"), r"cannot be used: model\.skops is not the file .*Fetch or train"
    ),
    damaged(
        "file-removed", remove("thresholds.json"), r"cannot be used: thresholds\.json is missing\. Fetch or"
    ),
    damaged(
        "manifest-gone",
        remove("manifest.json"),
        r"cannot be used: manifest\.json is missing\. Fetch or train",
    ),
    damaged(
        "manifest-edited",
        manifest('"bytes": ', '"bytes": 1'),
        r"is not the one that was registered: .* the version's tag says [0-9a-f]{64}\. Put the version's own files",
    ),
    damaged(
        "result-damaged",
        flip("result.json"),
        r"cannot be used: result\.json is not",
        "report",
        "-o",
        "page.html",
    ),
    store(
        "bundle-gone",
        lambda desk: shutil.rmtree(bundle(desk)),
        r"the files of leads version 1 are missing from .*; put them back, or train",
    ),
    (
        Bad("as-of-left-out", nothing, "add --as-of, as in --as-of 2018-06-01", "UsageError", 2),
        ("score", "--out", "scores.csv"),
    ),
    (
        Bad(
            "as-of-in-words", nothing, r"--as-of: a time is written as .*; found 'tomorrow'", "UsageError", 2
        ),
        ("score", "--as-of", "tomorrow", "--out", "scores.csv"),
    ),
    (
        Bad(
            "as-of-before-any-lead",
            nothing,
            r"no lead is open at 2010-01-01: .*from 2024-01-01 to 2024-04-10\)\. Check that --as-of lies",
            "PopulationError",
        ),
        ("score", "--as-of", "2010-01-01", "--out", "scores.csv"),
    ),
    scored(
        "leads-missing",
        nothing,
        r"--leads: there is no file '.*who\.csv'; correct",
        "SourceError",
        "--leads",
        "who.csv",
    ),
    scored(
        "leads-without-ids",
        file("who.csv", "id\n1\n"),
        r"--leads \(who\.csv\) has no column 'lead_id'; it is what data\.leads calls lead_id\.\nColumns found: id",
        "ContractError",
        "--leads",
        "who.csv",
    ),
    scored(
        "leads-unknown",
        file("who.csv", "lead_id\n1\n999\nabc\n"),
        r"every lead to score must be in the data; 2 of 3 are not: '999', 'abc'\. Leave them out, or bring",
        "ContractError",
        "--leads",
        "who.csv",
    ),
    scored(
        "leads-of-nobody",
        file("who.csv", "lead_id\n"),
        r"--leads \(who\.csv\) must name leads to score, and names none; fill its column 'lead_id'",
        "ContractError",
        "--leads",
        "who.csv",
    ),
    scored(
        "leads-all-closed",
        some_closed,
        r"none of the 1 leads named is open at 2024-04-06: each .*\. Name others, or another moment",
        "PopulationError",
        "--leads",
        "who.csv",
    ),
    scored(
        "attribute-renamed",
        swap("leads.csv", "country", "region"),
        r"planned with the attribute 'country', which this table does not have\. Bring the column, or train",
        "ContractError",
    ),
    scored("data-gone", gone("leads.csv"), r"data\.leads: there is no file", "SourceError"),
    scored(
        "rule-of-an-unknown-column",
        setting("rules.disqualify", [{"when": {"contry": {"in": ["DE"]}}, "reason": "far"}]),
        r"names the lead attribute 'contry', which is unknown; did you mean 'country'\?",
        "ConfigError",
    ),
    (
        Bad(
            "report-into-a-folder",
            lambda desk: desk.path("out").mkdir(),
            "'out' is a folder",
            "OutputError",
            4,
        ),
        ("report", "--out", "out"),
    ),
    (
        Bad(
            "report-with-another-suffix", nothing, r"found 'page\.pdf'\. Change its ending", "OutputError", 4
        ),
        ("report", "--out", "page.pdf"),
    ),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A company with one registered version. It has moved since: MLflow's own paths lead nowhere."""
    made = tmp_path_factory.mktemp("made") / "company"
    made.mkdir()
    desk = Desk(made)
    journeys_company(desk)
    desk.save()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        with pytest.raises(SystemExit) as stopped:
            main(["train", "--json"])
    assert stopped.value.code == 0
    kept = made.with_name("kept")
    made.rename(kept)
    return Desk(kept, desk.settings)


@pytest.fixture
def desk(trained: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    folder = tmp_path / "company"
    shutil.copytree(trained.folder, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return Desk(folder, copy.deepcopy(trained.settings))


@pytest.mark.parametrize(("bad", "command"), BAD, ids=[bad.id for bad, _ in BAD])
def test_what_cannot_be_scored_leaves_the_earlier_result(
    bad: Bad, command: tuple[str, ...], desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    bad.spoil(desk)
    desk.save()
    earlier = [leave_result(desk, name) for name in ("scores.csv", "page.html")]
    before = names_in(desk.folder) | {"models/mlflow.db.lock"}
    judge([*command], bad, capsys)
    assert [path.read_bytes() for path in earlier] == [EARLIER, EARLIER]
    assert names_in(desk.folder) <= before


def test_a_store_that_moved_is_scored_with(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run([*SCORE], capsys)
    assert (code, err) == (0, "")
    assert desk.path("scores.csv").read_text().startswith("lead_id,cutoff_time,probability")


def test_a_refused_training_leaves_the_store_as_it_was(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.set("gate.min_positives", 500)
    desk.save()

    def versions() -> list[tuple[object, ...]]:
        with sqlite3.connect(desk.path("models/mlflow.db")) as database:
            return database.execute("select name, version from model_versions").fetchall()

    before, files = versions(), names_in(desk.folder)
    assert run(["train"], capsys)[0] == 3
    assert versions() == before == [("leads", 1)]
    assert names_in(desk.folder) == files


def test_a_demo_of_too_few_leads_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    says = "500 simulated leads are too few for a model that passes the gate; take more, as --leads 4000"
    judge(["demo", "try", "--leads", "500"], Bad("", nothing, says, "GateRefused", 3), capsys)


DEMO: dict[str, tuple[Callable[[Desk], object], str, str]] = {
    "a-folder-of-the-user": (
        file("x/thesis.txt", "precious"),
        "x",
        "'x' exists and is not an unchanged earlier demo",
    ),
    "the-users-own-project": (
        nothing,
        ".",
        r"'\.' exists and is not an unchanged earlier demo; name a new folder",
    ),
    "a-file": (nothing, "leads.csv", r"'leads\.csv' exists and is not an unchanged earlier demo"),
    "a-folder-of-the-system": (
        nothing,
        "/proc/demo",
        "'/proc/demo' cannot be made or written in: .*; name another",
    ),
}


@pytest.mark.parametrize(("spoil", "folder", "says"), DEMO.values(), ids=DEMO.keys())
def test_the_demo_touches_nobodys_files(
    spoil: Spoil,
    folder: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path)
    flat_company(desk)
    desk.write("leads.csv", "lead_id,created_at\n")
    spoil(desk)
    desk.save()
    before = {name: desk.path(name).read_bytes() for name in names_in(tmp_path)}
    judge(["demo", folder, "--leads", "500"], Bad("", nothing, says, "OutputError", 4), capsys)
    assert {name: desk.path(name).read_bytes() for name in names_in(tmp_path)} == before
