"""Versions in a real MLflow store and behind a real MLflow server: whole, aliased, quiet, safe from each other."""

from __future__ import annotations

import contextlib
import dataclasses
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
import traceback
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mqlml.errors import BundleError, ConfigError, PromotionConflict, TrackingError, VersionError
from mqlml.evaluation.holdout import Period
from mqlml.registry import (
    ChampionChange,
    Registration,
    Store,
    Version,
    change_champion,
    check_store,
    fetch_bundle,
    find_version,
    list_versions,
    load_version,
    make_holdout_access,
    make_store,
    promotions,
    read_history,
    record_holdout_access,
    register_bundle,
    tracking,
)
from mqlml.registry.store import hide_secrets
from mqlml.scoring import SERVED_MODEL
from tests.registry.versions import make_version

CREATED = dt.datetime(2025, 6, 24, 12, tzinfo=dt.UTC)
DEFAULT = "sqlite:///models/mlflow.db"


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them, which takes MLflow two seconds to make."""
    from mqlml.registry.store import connected

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
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two versions of ``leads`` and one of ``other``; for reading only."""
    store = make_store(DEFAULT, folder=tmp_path_factory.mktemp("my project #1"))
    for name in ("leads", "leads", "other"):
        log(store, name=name)
    return store


def log(store: Store, *, name: str = "leads", **keys: Any) -> Version:
    given: dict[str, Any] = {
        "created": CREATED,
        "code": SERVED_MODEL,
        "params": {"n_trees": 25, "labels": "x" * 9000},
        "tags": {"git_commit": "0123abc"},
        "files": {"report.html": "<p>≥</p>", "figures/deciles.svg": "<svg/>"},
        "description": "Three sentences.",
        "about": "What the model is for.",
        "by": "ann",
    }
    bundle = dataclasses.replace(make_version().bundle, name=name)
    return register_bundle(store, bundle, Registration(**{**given, **keys}))


def files_of(store: Store, version: Version) -> Path:
    """The folder of a version's bundle."""
    assert store.artifacts is not None
    return store.artifacts / "models" / version.model_id / "artifacts" / "artifacts" / "bundle"


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


@pytest.mark.parametrize(
    ("uri", "shown", "secrets"),
    [
        ("postgresql://me:s3cret@db/mlflow", "postgresql://***@db/mlflow", ("s3cret",)),
        ("postgresql://me:s3@c/r:et@db/mlflow", "postgresql://***@db/mlflow", ("s3@c/r:et",)),
        ("postgresql://me:s3%40cret@db/mlflow", "postgresql://***@db/mlflow", ("s3%40cret", "s3@cret")),
        (
            "postgresql://db/mlflow?user=me&password=s3cret&sslmode=require",
            "postgresql://db/mlflow?***",
            ("s3cret",),
        ),
        ("postgresql://me:s3c#ret?x@db/mlflow?a=b4c", "postgresql://***@db/mlflow?***", ("s3c#ret?x", "b4c")),
        ("http://t0ken@host:5000", "http://***@host:5000", ("t0ken",)),
        ("https://host/base?token=t0ken", "https://host/base?***", ("t0ken",)),
    ],
    ids=["plain", "@ and / in it", "encoded", "a query", "every sign", "a token", "a token in a query"],
)
def test_a_password_is_never_shown(uri: str, shown: str, secrets: tuple[str, ...]) -> None:
    store = make_store(uri, folder=Path("/srv"))
    assert str(store) == shown
    assert not any(secret in repr(store) for secret in secrets)
    for told in (uri, *secrets):
        text = hide_secrets(store, f"cannot reach {told!r} (as {told}): {uri}")
        assert not any(secret in text for secret in secrets)
    with pytest.raises(ConfigError) as error:
        make_store(uri.replace("postgresql", "oracle").replace("http", "ftp"), folder=Path("/srv"))
    assert not any(secret in str(error.value) for secret in secrets)


def test_a_store_s_error_holds_no_password_and_no_cause(tmp_path: Path) -> None:
    store = make_store("mysql+nodriver://me:s3cret@db/mlflow?password=s3cret", folder=tmp_path)
    with pytest.raises(TrackingError) as error:
        list_versions(store, "leads")
    assert "s3cret" not in "".join(traceback.format_exception(error.value))


def test_the_first_is_champion_and_later_ones_challenge_it(filled: Store) -> None:
    assert [(v.version, v.aliases) for v in list_versions(filled, "leads")] == [
        (2, ("challenger",)),
        (1, ("champion",)),
    ]
    assert [(v.version, v.aliases) for v in list_versions(filled, "other")] == [(1, ("champion",))]
    assert find_version(filled, "leads") == find_version(filled, "leads", "1")
    assert find_version(filled, "leads", "challenger").version == 2


def test_a_third_takes_over_the_challenge(store: Store) -> None:
    logged = [log(store) for _ in range(3)]
    assert [version.aliases for version in logged] == [("champion",), ("challenger",), ("challenger",)]
    assert [v.aliases for v in list_versions(store, "leads")] == [("challenger",), (), ("champion",)]


def test_versions_are_the_same_with_and_without_mlflow(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    for _ in range(3):
        log(store)
    MlflowClient(store.uri, store.uri).delete_model_version("leads", "2")
    assert store.file is not None
    direct = tracking._read_versions(store.file, "leads")
    assert [version.version for version in direct] == [3, 1]  # none: the installed MLflow has other tables
    assert direct == list_versions(store, "leads")
    monkeypatch.setattr(tracking, "_read_versions", lambda *_: ())
    assert direct == list_versions(store, "leads")


def test_a_version_comes_back_as_the_bundle_it_was(filled: Store) -> None:
    made = make_version()
    bundle, version = load_version(filled, "leads")
    raw = made.bundle.scorer.decision_function(made.features)
    assert (bundle.scorer.decision_function(made.features) == raw).all()
    assert version == find_version(filled, "leads", "champion")
    assert dict(version.tags).keys() == {"git_commit", "bundle_sha256", "model_id"}


def test_what_mlflow_s_own_client_sees(filled: Store) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=filled.uri, registry_uri=filled.uri)
    version = client.get_model_version_by_alias("leads", "champion")
    run = client.get_run(version.run_id)
    experiments_page = f"#/experiments/{run.info.experiment_id}/runs"
    described = (
        f"Three sentences.\n\n[Open the run]({experiments_page}/{version.run_id}?workflowType=machine_learning) "
        "(Model training)"
    )
    assert (version.status, version.description) == ("READY", described)
    assert client.get_registered_model("leads").description == (
        f"What the model is for.\n\n[All runs]({experiments_page}?workflowType=machine_learning) (Model training)"
    )
    assert (run.info.status, run.info.start_time) == ("FINISHED", CREATED.timestamp() * 1000)
    assert run.data.params["n_trees"] == "25"
    assert len(run.data.params["labels"]) == 500
    assert run.data.params["labels"].endswith("x…")
    assert run.data.tags["mlflow.source.git.commit"] == "0123abc"
    assert run.data.tags["mlflow.note.content"] == described
    assert run.data.tags["mlflow.user"] == "ann"
    assert run.data.tags["bundle_sha256"] == version.tags["bundle_sha256"]
    assert {file.path for file in client.list_artifacts(version.run_id)} == {
        "figures", "metrics.json", "report.html"
    }  # fmt: skip
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    experiments = {e.name: e.artifact_location for e in client.search_experiments()}
    assert filled.artifacts is not None
    assert experiments["leads"] == filled.artifacts.as_uri()
    assert experiments["Default"].startswith(filled.artifacts.as_uri()), (
        "never ./mlruns where one happens to be"
    )


def test_metrics_belong_to_the_model_and_its_datasets(filled: Store) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=filled.uri, registry_uri=filled.uri)
    version = client.get_model_version_by_alias("leads", "champion")
    run = client.get_run(version.run_id)
    holdout = make_version().bundle.result.holdout
    assert run.data.metrics["holdout/roc_auc"] == holdout.roc_auc.value
    assert run.data.metrics["holdout/n"] == holdout.n
    assert 5 <= len(run.data.metrics) <= 25
    model = client.get_logged_model(version.tags["model_id"])
    assert (model.name, model.status.value, model.source_run_id) == ("leads", "READY", version.run_id)
    assert model.params == run.data.params
    assert model.tags["git_commit"] == "0123abc"
    assert model.tags["mlflow.note.content"] == version.description
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "leads", "version": "1"}]
    assert {metric.key for metric in model.metrics} == set(run.data.metrics)
    assert {metric.dataset_name for metric in model.metrics} == {"leads held-out period"}
    used = {item.dataset.name: item for item in run.inputs.dataset_inputs}
    assert set(used) == {"leads history", "leads held-out period"}
    assert {metric.dataset_digest for metric in model.metrics} == {
        used["leads held-out period"].dataset.digest
    }
    assert {tag.key: tag.value for tag in used["leads history"].tags}["mlflow.data.context"] == "training"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    names = {file.path for file in client.list_logged_model_artifacts(model.model_id)}
    assert {
        "MLmodel",
        "artifacts",
        "figures",
        "input_example.json",
        "report.html",
        "served_model.py",
    } <= names
    assert not [name for name in names if name.endswith(".pkl")]


def test_many_parameters(store: Store) -> None:
    from mlflow import MlflowClient

    params = {f"p{i}": i for i in range(250)}
    run = MlflowClient(tracking_uri=store.uri).get_run(log(store, params=params).run_id)
    assert run.data.params == {key: str(value) for key, value in params.items()}


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


@pytest.mark.parametrize("tables", [(), ("contacts",), ("alembic_version", "experiments")])
def test_another_sqlite_file_is_refused_and_stays_as_it_was(tmp_path: Path, tables: tuple[str, ...]) -> None:
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("create table filler (x)")
        for table in tables:
            database.execute(f"create table {table} (x)")
    before = file.read_bytes()
    store = make_store(DEFAULT, folder=tmp_path)
    for use in (
        lambda: list_versions(store, "leads"),
        lambda: load_version(store, "leads"),
        lambda: check_store(store),
        lambda: log(store),
    ):
        with pytest.raises(TrackingError, match="is a SQLite file, but not an MLflow store: it has no table"):
            use()
    assert file.read_bytes() == before
    assert list(tmp_path.rglob("*")) == [file.parent, file]


def test_reading_changes_nothing_and_needs_no_lock(store: Store) -> None:
    log(store)
    assert store.file is not None
    lock = store.file.with_name("mlflow.db.lock")
    lock.unlink()
    lock.mkdir()  # nobody can lock this
    before = {path: path.stat().st_mtime_ns for path in store.file.parent.rglob("*")}
    assert load_version(store, "leads")[1].version == 1
    assert {path: path.stat().st_mtime_ns for path in store.file.parent.rglob("*")} == before
    with pytest.raises(TrackingError, match=r"lock file '.*mlflow\.db\.lock' cannot be written"):
        log(store)


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in (".mlflow.db.0123456789ab.part", ".mlflow.db.0123456789ab.part-journal"):
        (tmp_path / "models" / name).write_bytes(b"half a database")
    (tmp_path / "models" / ".0123456789ab.part").write_text("scores that another command is writing")
    log(make_store(DEFAULT, folder=tmp_path))
    assert {path.name for path in (tmp_path / "models").iterdir()} == {
        ".0123456789ab.part", "artifacts", "mlflow.champions.leads.jsonl", "mlflow.db", "mlflow.db.lock"
    }  # fmt: skip


def test_a_folder_for_artifacts_that_takes_none_is_found_before_training(store: Store) -> None:
    check_store(store)
    assert store.artifacts is not None
    assert not store.artifacts.exists(), "nothing is left of the trial"
    store.artifacts.write_text("a file")
    with pytest.raises(TrackingError, match="the artifact folder '.*artifacts' cannot be written: Not a dir"):
        check_store(store)


def test_a_store_that_was_moved_still_gives_and_takes(empty_store: Path, tmp_path: Path) -> None:
    log(copy_store(empty_store, tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    store = make_store(DEFAULT, folder=tmp_path / "there")
    assert load_version(store, "leads")[1].version == 1
    assert log(store).version == 2
    assert log(store).version == 3
    assert load_version(store, "leads", "3")[1].aliases == ("challenger",)
    assert not (tmp_path / "here").exists()


def test_files_that_are_gone_or_damaged(store: Store, tmp_path: Path) -> None:
    version = log(store)
    kept = files_of(store, version)
    (kept / "scorer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"scorer\.json is not the file the manifest lists"):
        load_version(store, "leads")
    shutil.rmtree(kept)
    with pytest.raises(TrackingError, match=r"files of leads version 1 are missing from .*bundle'; put"):
        fetch_bundle(store, version, tmp_path / "copy")


def test_another_model_s_bundle_in_a_version_s_place(store: Store) -> None:
    """Each is whole in itself and passes every check of its own; only the tag tells whose it is."""
    first, other, second = log(store), log(store, name="other"), log(store, params={"n_trees": 7})
    kept = files_of(store, first)
    for stranger, match in (
        (other, "bundle of leads version 1 is not the one that was registered"),
        (second, "bundle of leads version 1 is not the one that was registered"),
    ):
        shutil.rmtree(kept)
        shutil.copytree(files_of(store, stranger), kept)
        if stranger is second:  # the same model once more, with one more space in its manifest
            (kept / "manifest.json").write_bytes((kept / "manifest.json").read_bytes() + b" ")
        with pytest.raises(BundleError, match=match):
            load_version(store, "leads")
    assert load_version(store, "leads", "2")[1] == second


def test_only_regular_files_of_the_store_are_copied(store: Store, tmp_path: Path) -> None:
    version = log(store)
    kept = files_of(store, version)
    (kept / "notes.txt").write_text("")
    with pytest.raises(BundleError, match=r"holds files that no bundle has: 'notes\.txt'"):
        fetch_bundle(store, version, tmp_path / "copy")
    (kept / "notes.txt").unlink()
    (kept / "config.json").rename(tmp_path / "config.json")
    (kept / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(BundleError, match=r"config\.json is a link or folder"):
        fetch_bundle(store, version, tmp_path / "copy")
    kept.rename(tmp_path / "bundle")
    kept.symlink_to(tmp_path / "bundle")
    with pytest.raises(BundleError, match="leads out of it by a link"):
        fetch_bundle(store, version, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("model_id", ["", "../../../etc", "m-0123/../..", "m-" + "0" * 31])
def test_a_model_s_id_cannot_lead_out_of_the_store(tmp_path: Path, model_id: str) -> None:
    version = Version("leads", 1, "0" * 32, tags=(("model_id", model_id),))
    with pytest.raises(TrackingError, match="has no logged model with a bundle"):
        fetch_bundle(make_store(DEFAULT, folder=tmp_path), version, tmp_path / "copy")


def test_a_version_without_a_tag_is_refused(store: Store) -> None:
    from mlflow import MlflowClient

    log(store)
    MlflowClient(registry_uri=store.uri, tracking_uri=store.uri).delete_model_version_tag(
        "leads", "1", "bundle_sha256"
    )
    with pytest.raises(BundleError, match="leads version 1 has no tag 'bundle_sha256' that ties it"):
        load_version(store, "leads")


@pytest.mark.parametrize(
    "method",
    ["log_model_artifacts", "log_inputs", "log_batch", "create_model_version", "set_registered_model_alias"],
)
def test_a_failure_in_the_middle_registers_nothing(
    store: Store, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, method, fail)
        with pytest.raises(KeyboardInterrupt):
            log(store)
    client = MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
    experiment = client.get_experiment_by_name("leads")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]
    models = client.search_logged_models([experiment.experiment_id])
    assert [model.status.value for model in models] == ["FAILED"]
    assert client.search_registered_models() == []
    assert log(store).aliases == ("champion",)


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
        log(make_store("sqlite:///file/m.db", folder=tmp_path))


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
PROCESSES.set_forkserver_preload(["mlflow.pyfunc", "tests.registry.preloaded"])


def run_first(folder: Path, barrier: Any, results: Any) -> None:
    barrier.wait(600)
    version = log(make_store(DEFAULT, folder=folder))
    results.put((version.version, version.aliases))


def test_ten_first_starts_at_once(tmp_path: Path) -> None:
    barrier, results = PROCESSES.Barrier(10), PROCESSES.Queue()
    children = [PROCESSES.Process(target=run_first, args=(tmp_path, barrier, results)) for _ in range(10)]
    for child in children:
        child.start()
    for child in children:
        child.join(600)
    assert [child.exitcode for child in children] == [0] * 10
    versions = sorted(results.get(timeout=10) for _ in children)
    assert [number for number, _ in versions] == list(range(1, 11))
    assert sorted(alias for _, aliases in versions for alias in aliases) == ["challenger"] * 9 + ["champion"]
    store = make_store(DEFAULT, folder=tmp_path)
    assert find_version(store, "leads").version == versions[0][0] == 1
    assert [load_version(store, "leads", str(number))[1].version for number in (1, 10)] == [1, 10]


def run_until(method: str, store: Store) -> None:
    from mlflow import MlflowClient

    setattr(MlflowClient, method, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    log(store)


@pytest.mark.parametrize(
    ("method", "versions"),
    [
        ("log_model_artifacts", None),
        ("log_batch", 0),
        ("create_model_version", 0),
        ("set_registered_model_alias", 1),
    ],
)
def test_a_kill_leaves_no_half_version_under_an_alias(
    store: Store, method: str, versions: int | None
) -> None:
    child = PROCESSES.Process(target=run_until, args=(method, store))
    child.start()
    child.join(240)
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
    again = log(store)
    assert (again.version, again.aliases) == ((versions or 0) + 1, ("champion",))
    assert load_version(store, "leads")[1] == again


QUIET = """
import sys
from pathlib import Path
from tests.registry.test_tracking import DEFAULT, log
from mqlml.registry import load_version, make_store
store = make_store(DEFAULT, folder=Path(sys.argv[1]))
log(store)
load_version(store, "leads")
"""


def test_nothing_on_the_terminal_and_nothing_where_it_was_started(tmp_path: Path) -> None:
    for name in ("project", "elsewhere"):
        (tmp_path / name).mkdir()
    root = Path(__file__).resolve().parents[2]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")} | {
        "PYTHONPATH": str(root)
    }
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(tmp_path / "project")],
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
        "artifacts", "mlflow.champions.leads.jsonl", "mlflow.db", "mlflow.db.lock"
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
def test_a_real_server(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(server, folder=tmp_path)
    with pytest.raises(TrackingError, match=rf"there is no model 'leads' in {server}; it has none"):
        load_version(store, "leads")
    assert log(store).aliases == ("champion",)
    assert log(store).aliases == ("challenger",)
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
    # Who is the champion. A server has no lock: both of two promotions may read the history before either writes.
    change = ChampionChange(
        number=0,
        model="leads",
        at="2026-02-01",
        by="bob",
        action="forced",
        version=2,
        previous=None,
        reason="first",
        evidence=None,
        bundle_sha256=version.digest,
    )
    before = read_history(store, "leads").changes
    assert [found.action for found in before] == ["first"]
    made_first = change_champion(store, change, seen=1)
    assert (made_first.number, made_first.previous) == (2, 1)
    answers = [before]
    whole = promotions._read
    monkeypatch.setattr(
        promotions, "_read", lambda *arguments: answers.pop() if answers else whole(*arguments)
    )
    with pytest.raises(PromotionConflict, match="in the meantime: version 2 since 2026-02-01, by bob"):
        change_champion(store, dataclasses.replace(change, version=1, reason="second"), seen=1)
    history = read_history(store, "leads")
    assert history.changes == (*before, made_first)
    assert history.champion is not None
    assert history.champion.version == 2


KILLED = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("pragma cache_size = 1")
database.execute("begin")
database.executemany(
    "insert into experiment_tags (key, value, experiment_id) values (?, ?, 0)",
    [(str(number), "x" * 1000) for number in range(2000)],
)
os._exit(9)
"""


def test_a_writer_killed_in_a_transaction_does_not_stop_reading(store: Store) -> None:
    assert store.file is not None
    subprocess.run([sys.executable, "-c", KILLED, str(store.file)], check=False)
    journal = store.file.with_name(f"{store.file.name}-journal")
    assert journal.stat().st_size  # the transaction had begun to change the file
    with pytest.raises(VersionError, match="it has none"):
        list_versions(store, "leads")
    with contextlib.closing(sqlite3.connect(store.file)) as database:
        assert database.execute(
            "select count(*) from experiment_tags where value like 'xxx%'"
        ).fetchone() == (0,)
