"""Versions in a real MLflow store and behind a real MLflow server: whole, aliased, quiet, safe from each other."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mqlml.errors import BundleError, ConfigError, TrackingError
from mqlml.evaluation.holdout import Period
from mqlml.registry import (
    Store,
    Version,
    fetch_bundle,
    find_version,
    list_versions,
    load_version,
    log_version,
    make_holdout_access,
    make_store,
    record_holdout_access,
    save_bundle,
)
from tests.registry.versions import make_version

CREATED = dt.datetime(2025, 6, 24, 12, tzinfo=dt.UTC)
DEFAULT = "sqlite:///models/mlflow.db"


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "made"
    save_bundle(make_version().bundle, folder)
    return folder


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them, which takes MLflow two seconds to make."""
    from mqlml.registry.tracking import connected

    store = make_store(DEFAULT, folder=tmp_path_factory.mktemp("empty"))
    with connected(store, create=True):
        assert store.file is not None
        return store.file


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Store:
    """A store without versions, to write to."""
    return copy_store(empty_store, tmp_path / "project")


def copy_store(empty_store: Path, folder: Path) -> Store:
    store = make_store(DEFAULT, folder=folder)
    assert store.file is not None
    store.file.parent.mkdir(parents=True)
    shutil.copy(empty_store, store.file)
    return store


@pytest.fixture(scope="module")
def filled(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two versions of ``leads`` and one of ``other``; for reading only."""
    store = make_store(DEFAULT, folder=tmp_path_factory.mktemp("my project #1"))
    for name in ("leads", "leads", "other"):
        log(store, bundle_folder, name=name)
    return store


def log(store: Store, bundle_folder: Path, **keys: Any) -> Version:
    given: dict[str, Any] = {
        "name": "leads",
        "created": CREATED,
        "params": {"n_trees": 25, "labels": "x" * 9000},
        "metrics": {
            "holdout": {"roc_auc": {"value": 0.7, "low": None}, "brier": float("nan")},
            "n": 12,
            "ok": True,
        },
        "tags": {"git_commit": "0123abc"},
        "texts": {"report.html": "<p>≥</p>"},
    }
    return log_version(store, bundle_folder=bundle_folder, **{**given, **keys})


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (DEFAULT, "sqlite:////srv/leads/models/mlflow.db"),
        ("sqlite:////var/lib/m.db", "sqlite:////var/lib/m.db"),
        ("sqlite:///../m.db", "sqlite:////srv/m.db"),
        ("http://mlflow.example:5000/", "http://mlflow.example:5000"),
        ("https://mlflow.example/base", "https://mlflow.example/base"),
        ("postgresql+psycopg://u:p@db/mlflow", "postgresql+psycopg://u:p@db/mlflow"),
    ],
)
def test_uris(uri: str, expected: str) -> None:
    assert make_store(uri, folder=Path("/srv/leads")).uri == expected


def test_files_lie_beside_the_store_and_a_server_keeps_its_own() -> None:
    folder = Path("/srv/leads")
    assert make_store(DEFAULT, folder=folder).artifacts == Path("/srv/leads/models/artifacts")
    assert make_store("postgresql://db/mlflow", folder=folder).artifacts == Path(
        "/srv/leads/models/artifacts"
    )
    assert make_store("http://host", folder=folder).artifacts is None


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        (
            "models/mlflow.db",
            r"must be a file \(sqlite:///models/mlflow\.db\), a server .* found 'models/mlflow\.db'",
        ),
        ("file:///tmp/mlruns", "must be a file"),
        ("sqlite://", "must be a file"),
        ("sqlite:///", "must be a file"),
        ("http://", "must be a file"),
        ("ftp://u:secret@host", r"found 'ftp://\*\*\*@host'"),
        ("sqlite:///a%20b/m.db", r"must not hold %; found '/srv/a%20b/m\.db'"),
        ("sqlite:///m.db?timeout=3", r"must not hold \?"),
    ],
)
def test_uris_that_are_no_store(uri: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        make_store(uri, folder=Path("/srv"))


def test_a_password_is_not_shown() -> None:
    store = make_store("postgresql://me:secret@db/mlflow", folder=Path("/srv"))
    assert str(store) == "postgresql://***@db/mlflow"


def test_the_first_is_champion_and_later_ones_challenge_it(filled: Store) -> None:
    assert [(v.version, v.aliases) for v in list_versions(filled, "leads")] == [
        (2, ("challenger",)),
        (1, ("champion",)),
    ]
    assert [(v.version, v.aliases) for v in list_versions(filled, "other")] == [(1, ("champion",))]
    assert find_version(filled, "leads") == find_version(filled, "leads", "1")
    assert find_version(filled, "leads", "challenger").version == 2


def test_a_third_takes_over_the_challenge(bundle_folder: Path, store: Store) -> None:
    logged = [log(store, bundle_folder) for _ in range(3)]
    assert [version.aliases for version in logged] == [("champion",), ("challenger",), ("challenger",)]
    assert [v.aliases for v in list_versions(store, "leads")] == [("challenger",), (), ("champion",)]


def test_a_version_comes_back_as_the_bundle_it_was(filled: Store) -> None:
    made = make_version()
    bundle, version = load_version(filled, "leads")
    raw = made.bundle.scorer.decision_function(made.features)
    assert (bundle.scorer.decision_function(made.features) == raw).all()
    assert version == find_version(filled, "leads", "champion")
    assert dict(version.tags) == {"git_commit": "0123abc"}


def test_what_mlflow_s_own_client_sees(filled: Store) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=filled.uri, registry_uri=filled.uri)
    version = client.get_model_version_by_alias("leads", "champion")
    assert version.status == "READY"
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.start_time == CREATED.timestamp() * 1000
    assert run.data.metrics == {"holdout.roc_auc.value": 0.7, "n": 12.0}
    assert run.data.params["n_trees"] == "25"
    assert len(run.data.params["labels"]) == 500
    assert run.data.params["labels"].endswith("x…")
    assert run.data.tags["mlflow.source.git.commit"] == "0123abc"
    assert {file.path for file in client.list_artifacts(version.run_id)} == {"bundle", "report.html"}
    assert "bundle/manifest.json" in {file.path for file in client.list_artifacts(version.run_id, "bundle")}
    experiments = {e.name: e.artifact_location for e in client.search_experiments()}
    assert filled.artifacts is not None
    assert experiments["leads"] == filled.artifacts.as_uri()
    assert experiments["Default"].startswith(filled.artifacts.as_uri()), (
        "never ./mlruns where one happens to be"
    )


def test_many_parameters_and_metrics(bundle_folder: Path, store: Store) -> None:
    from mlflow import MlflowClient

    params = {f"p{i}": i for i in range(250)}
    metrics = {f"m{i}": i for i in range(120)}
    version = log(store, bundle_folder, params=params, metrics=metrics)
    run = MlflowClient(tracking_uri=store.uri).get_run(version.run_id)
    assert run.data.params == {key: str(value) for key, value in params.items()}
    assert run.data.metrics == metrics


@pytest.mark.parametrize(
    ("name", "which", "match"),
    [
        (
            "leads",
            "best",
            r"'leads' has no version 'best'; its versions: 2, 1; its aliases: challenger, champion\. Name one",
        ),
        ("leads", "3", r"'leads' has no version '3'"),
        (
            "lead",
            "champion",
            r"no model 'lead' in sqlite:.*; it has 'leads', 'other'\. Name one of these, or run 'mqlml train' first",
        ),
        ("it's", "champion", r'no model "it\'s" in'),
    ],
    ids=["alias", "number", "model", "quote"],
)
def test_unknown_ones_name_the_known(filled: Store, name: str, which: str, match: str) -> None:
    with pytest.raises(TrackingError, match=match):
        find_version(filled, name, which)


def test_reading_makes_no_store(tmp_path: Path) -> None:
    store = make_store(DEFAULT, folder=tmp_path)
    with pytest.raises(TrackingError, match=r"there is no store '.*mlflow\.db' yet; run 'mqlml train' first"):
        load_version(store, "leads")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_moved_still_gives_and_takes(
    bundle_folder: Path, empty_store: Path, tmp_path: Path
) -> None:
    log(copy_store(empty_store, tmp_path / "here"), bundle_folder)
    (tmp_path / "here").rename(tmp_path / "there")
    store = make_store(DEFAULT, folder=tmp_path / "there")
    assert load_version(store, "leads")[1].version == 1
    assert log(store, bundle_folder).version == 2
    assert log(store, bundle_folder).version == 3
    assert load_version(store, "leads", "3")[1].aliases == ("challenger",)
    assert not (tmp_path / "here").exists()


def test_files_that_are_gone_or_damaged(bundle_folder: Path, store: Store, tmp_path: Path) -> None:
    version = log(store, bundle_folder)
    assert store.artifacts is not None
    kept = store.artifacts / version.run_id / "artifacts" / "bundle"
    (kept / "scorer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"scorer\.json is not the file the manifest lists"):
        load_version(store, "leads")
    shutil.rmtree(kept)
    with pytest.raises(TrackingError, match=r"the files of leads version 1 are missing from .*bundle; put"):
        fetch_bundle(store, version, tmp_path)


def test_a_failure_while_logging_registers_nothing(bundle_folder: Path, store: Store) -> None:
    from mlflow import MlflowClient

    with pytest.raises(TrackingError, match="Invalid parameter name|Names may only contain"):
        log(store, bundle_folder, params={"n\u00a7": 1})
    runs = MlflowClient(tracking_uri=store.uri).search_runs(["1"])
    assert [run.info.status for run in runs] == ["FAILED"]
    with pytest.raises(TrackingError, match="there is no model 'leads'"):
        list_versions(store, "leads")


def test_files_that_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, whatever it is called")
    (tmp_path / "folder.db").mkdir()
    for name, match in (("text.db", r"'.*text\.db' is not an MLflow store"), ("folder.db", "is a folder")):
        with pytest.raises(TrackingError, match=match):
            list_versions(make_store(f"sqlite:///{name}", folder=tmp_path), "leads")
    (tmp_path / "file").write_text("")
    with pytest.raises(
        TrackingError, match=r"cannot create the folder '.*file': File exists|Not a directory"
    ):
        log(make_store("sqlite:///file/m.db", folder=tmp_path), tmp_path)


def test_a_store_of_another_mlflow(store: Store) -> None:
    assert store.file is not None
    with sqlite3.connect(store.file) as database:
        database.execute("update alembic_version set version_num = 'older'")
    database.close()
    with pytest.raises(
        TrackingError, match=r"was made by another MLflow; back it up and run 'mlflow db upgrade sqlite"
    ):
        list_versions(store, "leads")


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    store = make_store(f"http://me:secret@127.0.0.1:{port}", folder=tmp_path)
    with pytest.raises(
        TrackingError, match=rf"server http://\*\*\*@127\.0\.0\.1:{port} does not answer \(Connection ref"
    ):
        list_versions(store, "leads")


# Children come from a server process that has imported MLflow once, so that four of them start in a second.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["mlflow", "mqlml.registry"])


def run_first(folder: Path, bundle_folder: Path, barrier: Any, results: Any) -> None:
    barrier.wait(60)
    version = log(make_store(DEFAULT, folder=folder), bundle_folder)
    results.put((version.version, version.aliases))


def test_four_first_starts_at_once(bundle_folder: Path, tmp_path: Path) -> None:
    barrier, results = PROCESSES.Barrier(4), PROCESSES.Queue()
    children = [
        PROCESSES.Process(target=run_first, args=(tmp_path, bundle_folder, barrier, results))
        for _ in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0, 0, 0]
    versions = sorted(results.get(timeout=10) for _ in children)
    assert [number for number, _ in versions] == [1, 2, 3, 4]
    assert sorted(alias for _, aliases in versions for alias in aliases) == ["challenger"] * 3 + ["champion"]
    assert versions[0][1] == ("champion",)


def run_until(method: str, store: Store, bundle_folder: Path) -> None:
    from mlflow import MlflowClient

    setattr(MlflowClient, method, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    log(store, bundle_folder)


@pytest.mark.parametrize(
    ("method", "versions"),
    [
        ("log_batch", None),
        ("log_artifacts", None),
        ("create_model_version", 0),
        ("set_registered_model_alias", 1),
    ],
)
def test_a_kill_leaves_no_half_version_under_an_alias(
    bundle_folder: Path, store: Store, method: str, versions: int | None
) -> None:
    child = PROCESSES.Process(target=run_until, args=(method, store, bundle_folder))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    if versions is None:
        with pytest.raises(TrackingError, match="there is no model 'leads'"):
            list_versions(store, "leads")
    else:
        assert [version.aliases for version in list_versions(store, "leads")] == [()] * versions
        with pytest.raises(
            TrackingError, match=r"no version 'champion'; its versions: .*; its aliases: none"
        ):
            find_version(store, "leads")
    again = log(store, bundle_folder)
    assert (again.version, again.aliases) == ((versions or 0) + 1, ("champion",))
    assert load_version(store, "leads")[1] == again


QUIET = """
import sys
from pathlib import Path
from tests.registry.test_tracking import DEFAULT, log
from mqlml.registry import load_version, make_store
store = make_store(DEFAULT, folder=Path(sys.argv[1]))
log(store, Path(sys.argv[2]))
load_version(store, "leads")
"""


def test_nothing_on_the_terminal_and_nothing_where_it_was_started(
    bundle_folder: Path, tmp_path: Path
) -> None:
    for name in ("project", "elsewhere"):
        (tmp_path / name).mkdir()
    root = Path(__file__).resolve().parents[2]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")} | {
        "PYTHONPATH": str(root)
    }
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(tmp_path / "project"), str(bundle_folder)],
        cwd=tmp_path / "elsewhere",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["models"]
    assert {path.name for path in (tmp_path / "project" / "models").iterdir()} == {
        "artifacts", "mlflow.db", "mlflow.db.lock"
    }  # fmt: skip


@pytest.fixture
def server(empty_store: Path, tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on a free port of this machine, that keeps the files itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    shutil.copy(empty_store, tmp_path / "server.db")
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination": str(tmp_path / "kept"),
    }
    command = [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (tmp_path / "log.txt").open("w") as output:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        for _ in range(720):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            try:
                with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:
                    assert answer.status == 200
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise AssertionError((tmp_path / "log.txt").read_text())
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.mark.skipif(sys.platform == "win32", reason="stops the server by its process group")
def test_a_real_server(server: str, bundle_folder: Path, tmp_path: Path) -> None:
    store = make_store(server, folder=tmp_path)
    with pytest.raises(TrackingError, match=rf"there is no model 'leads' in {server}; it has none"):
        load_version(store, "leads")
    assert log(store, bundle_folder).aliases == ("champion",)
    assert log(store, bundle_folder).aliases == ("challenger",)
    made = make_version()
    bundle, version = load_version(store, "leads", "challenger")
    assert version.version == 2
    raw = made.bundle.scorer.decision_function(made.features)
    assert (bundle.scorer.decision_function(made.features) == raw).all()
    # What MLflow's own pages list.
    with urllib.request.urlopen(f"{server}/api/2.0/mlflow/registered-models/search", timeout=10) as answer:
        models = json.load(answer)["registered_models"]
    assert [model["name"] for model in models] == ["leads"]
    assert {(a["alias"], a["version"]) for a in models[0]["aliases"]} == {
        ("champion", "1"),
        ("challenger", "2"),
    }
    assert models[0]["latest_versions"][0]["status"] == "READY"
    # Who opened which held-out period, for all who share the server; other models' are theirs.
    period = Period(start=1, end=9, dated=False, rows=4, sha256="a" * 64)
    accesses = [
        make_holdout_access(period, model=name, settings=settings, now=CREATED)
        for name, settings in (("leads", "one"), ("other", "one"), ("leads", "two"))
    ]
    assert [record_holdout_access(store, access) for access in accesses] == [(), (), (accesses[0],)]
