"""The history of champions: who, when and why, in a chain that shows every change by hand; and two at once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from mqlml.commands.promote import show_history
from mqlml.errors import PromotionConflict, TrackingError, VersionError
from mqlml.evaluation.promotion import Evidence
from mqlml.registry import (
    ChampionChange,
    Registration,
    Store,
    change_champion,
    find_rollback,
    find_version,
    make_store,
    promotions,
    read_history,
    register_bundle,
)
from mqlml.render.console.versions import format_history
from mqlml.scoring import SERVED_MODEL
from tests.registry.versions import make_version

CREATED = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
EVIDENCE = Evidence(900, 400, 50, 31.5, 1.0, 120, 7)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of three versions; to be copied."""
    folder = tmp_path_factory.mktemp("versions")
    store = make_store("sqlite:///models/mlflow.db", folder=folder)
    for _ in range(3):
        bundle = dataclasses.replace(make_version().bundle, name="leads")
        register_bundle(store, bundle, Registration(created=CREATED, code=SERVED_MODEL, by="ann"))
    return folder


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Store:
    """The same store, to change: only the database and the history are copied, since no bundle is loaded here."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("mlflow.db", "mlflow.champions.leads.jsonl"):
        (folder / name).write_bytes((filled / "models" / name).read_bytes())
    return make_store("sqlite:///models/mlflow.db", folder=tmp_path)


def change(version: int, **keys: Any) -> ChampionChange:
    given: dict[str, Any] = {
        "number": 0,
        "model": "leads",
        "at": "2026-02-01T08:00:00Z",
        "by": "bob",
        "action": "promoted",
        "version": version,
        "previous": None,
        "reason": "it is better",
        "evidence": EVIDENCE,
        "bundle_sha256": "0" * 64,
    }
    return ChampionChange(**{**given, **keys})


def history_file(store: Store) -> Path:
    assert store.file is not None
    return store.file.with_name("mlflow.champions.leads.jsonl")


def rewrite(store: Store, *lines: str) -> None:
    history_file(store).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_the_first_version_begins_the_history(store: Store) -> None:
    history = read_history(store, "leads")
    (first,) = history.changes
    assert (first.action, first.version, first.previous, first.by) == ("first", 1, None, "ann")
    assert first.at == "2026-01-05T12:00:00Z"
    assert first.bundle_sha256 == find_version(store, "leads", "1").digest
    assert history.champion is not None
    assert (history.champion.version, history.moved_by_hand) == (1, None)


def test_a_promotion_moves_the_alias_and_is_recorded(store: Store) -> None:
    made = change_champion(store, change(3), seen=1)
    assert (made.number, made.previous, made.version, made.evidence) == (2, 1, 3, EVIDENCE)
    assert find_version(store, "leads", "champion").version == 3
    assert find_version(store, "leads", "champion").aliases == ("champion",), "no challenger to itself"
    changes = read_history(store, "leads").changes
    assert changes[1] == made
    assert made.before == changes[0].sha256


def test_of_two_promotions_one_wins_and_the_other_is_told(store: Store) -> None:
    told: list[str] = []
    start = threading.Barrier(2)

    def promote(version: int) -> None:
        start.wait()
        try:
            change_champion(store, change(version, by=f"user {version}"), seen=1)
        except PromotionConflict as error:
            told.append(str(error))

    threads = [threading.Thread(target=promote, args=(version,)) for version in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = read_history(store, "leads")
    assert history.length == 2
    assert history.champion is not None
    winner = history.changes[-1].version
    assert history.champion.version == winner
    (message,) = told
    assert f"version {winner} since 2026-02-01T08:00:00Z, by user {winner}" in message


def test_rollbacks_go_back_one_promotion_each(store: Store) -> None:
    with pytest.raises(VersionError, match="no earlier one in the history"):
        find_rollback(read_history(store, "leads"), "leads")
    change_champion(store, change(2), seen=1)
    change_champion(store, change(3), seen=2)
    assert find_rollback(read_history(store, "leads"), "leads") == 2
    change_champion(store, change(2, action="rolled_back"), seen=3)
    assert find_rollback(read_history(store, "leads"), "leads") == 1
    change_champion(store, change(1, action="rolled_back"), seen=4)
    with pytest.raises(VersionError, match="no earlier one"):
        find_rollback(read_history(store, "leads"), "leads")


def test_a_change_that_was_interrupted_and_repeated_is_taken_back_once(store: Store) -> None:
    change_champion(store, change(2), seen=1)
    change_champion(store, change(2), seen=2)
    assert find_rollback(read_history(store, "leads"), "leads") == 1


def test_an_alias_that_was_moved_by_hand_is_seen_and_can_be_taken_back(store: Store) -> None:
    from mlflow import MlflowClient

    change_champion(store, change(2), seen=1)
    MlflowClient(tracking_uri=store.uri, registry_uri=store.uri).set_registered_model_alias(
        "leads", "champion", "3"
    )
    history = read_history(store, "leads")
    assert history.moved_by_hand == 3
    assert find_rollback(history, "leads") == 2


def test_changed_removed_reordered_and_added_entries_are_found(store: Store) -> None:
    for number, version in enumerate((2, 3), start=1):
        change_champion(store, change(version), seen=number)
    lines = history_file(store).read_text(encoding="utf-8").splitlines()
    other = {**json.loads(lines[1]), "by": "eve"}
    unsealed = change(2, number=4, before=json.loads(lines[2])["sha256"])
    forged = [
        [lines[0], json.dumps(other), lines[2]],
        [lines[0], lines[2]],
        [lines[1], lines[2]],
        [lines[0], lines[2], lines[1]],
        lines[:2],
        [],
        [*lines, json.dumps({**json.loads(lines[2]), "sha256": unsealed.sha256})],
        [*lines, "{}"],
        [*lines, "no JSON"],
    ]
    for lines_now in forged:
        rewrite(store, *lines_now)
        with pytest.raises(TrackingError, match="must be the one that mqlml wrote"):
            read_history(store, "leads")
        assert find_version(store, "leads").version == 3, "scoring goes on"
    rewrite(store, *lines)
    assert read_history(store, "leads").length == 3


def test_every_field_is_under_the_seal() -> None:
    sealed = change(2).sealed()
    assert sealed.is_whole
    others = {"number": 7, "action": "forced", "version": 9, "previous": 4, "evidence": None}
    for field in dataclasses.fields(ChampionChange):
        if field.name != "sha256":
            value = others.get(field.name, "other")
            assert not dataclasses.replace(sealed, **{field.name: value}).is_whole, field.name


def test_an_entry_that_a_kill_cut_off_was_never_made(store: Store) -> None:
    with history_file(store).open("a", encoding="utf-8") as file:
        file.write('{"number": 2, "mod')
    assert read_history(store, "leads").length == 1
    change_champion(store, change(2), seen=1)
    assert [found.version for found in read_history(store, "leads").changes] == [1, 2]


def test_a_kill_between_entry_and_alias_leaves_a_readable_history(store: Store) -> None:
    """The entry is written, neither tag nor alias follow."""
    (first,) = read_history(store, "leads").changes
    entry = change(2, number=2, before=first.sha256, previous=1).sealed()
    with history_file(store).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(json.loads(_to_json(entry)))}\n")
    history = read_history(store, "leads")
    assert (history.length, history.moved_by_hand) == (2, 1)
    change_champion(store, change(2), seen=2)
    assert read_history(store, "leads").moved_by_hand is None


@pytest.mark.parametrize("failing", ["set_registered_model_alias", "_write_line"])
def test_a_change_whose_alias_does_not_move_leaves_no_entry(
    store: Store, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def fail(*_: object) -> None:
        raise MlflowException("(sqlite3.OperationalError) database or disk is full")

    before = history_file(store).read_bytes()
    with monkeypatch.context() as patch:
        target: Any = MlflowClient if failing.startswith("set") else promotions
        patch.setattr(target, failing, fail)
        with pytest.raises(TrackingError, match="disk is full"):
            change_champion(store, change(2), seen=1)
    assert history_file(store).read_bytes() == before
    history = read_history(store, "leads")
    assert (history.length, history.moved_by_hand) == (1, None)
    change_champion(store, change(2), seen=1)
    assert find_version(store, "leads", "champion").version == 2


def interrupt(store: Store, version: int) -> None:
    """Write the entry of a change whose alias never moves."""
    history = read_history(store, "leads")
    assert history.champion is not None
    last = history.changes[-1]
    entry = change(version, number=last.number + 1, before=last.sha256, previous=history.champion.version)
    with history_file(store).open("a", encoding="utf-8") as file:
        file.write(f"{_to_json(entry.sealed())}\n")


def test_an_interrupted_change_made_nobody_the_champion(store: Store) -> None:
    interrupt(store, 2)
    assert [found.version for found in read_history(store, "leads").made] == [1]
    with pytest.raises(VersionError, match="no earlier one"):
        find_rollback(read_history(store, "leads"), "leads")
    interrupt(store, 2)
    change_champion(store, change(3), seen=3)
    history = read_history(store, "leads")
    assert [found.version for found in history.changes] == [1, 2, 2, 3]
    assert [found.version for found in history.made] == [1, 3]
    assert find_rollback(history, "leads") == 1


def test_history_names_the_champion_that_the_alias_meant(store: Store, tmp_path: Path) -> None:
    tables = {"leads": {"path": "l.csv"}, "events": {"path": "e.csv"}, "outcomes": {"path": "o.csv"}}
    config = tmp_path / "mqlml.yml"
    config.write_text(json.dumps({"name": "leads", "data": {"observed_until": "2026-01-01", **tables}}))
    interrupt(store, 2)
    shown = format_history(show_history(config))
    assert "was interrupted: version 1 is still the champion. To repeat it: mqlml promote 2" in shown
    assert show_history(config, at="2026-03-01").champion == 1
    change_champion(store, change(3, at="2026-04-01T08:00:00Z"), seen=2)
    assert show_history(config, at="2026-03-01").champion == 1
    assert show_history(config, at="2026-05-01").champion == 3


def _to_json(entry: ChampionChange) -> str:
    from mqlml.results import to_json_safe

    return json.dumps(to_json_safe(entry))


def test_an_unknown_version_changes_nothing(store: Store) -> None:
    with pytest.raises(VersionError, match="no version '9'"):
        change_champion(store, change(9), seen=1)
    assert read_history(store, "leads").length == 1
