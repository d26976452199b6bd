"""Scores in SQLite and DuckDB files: the tables, the history and the rows that PostgreSQL would have."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from mqlml.errors import DatabaseError, OutputError, StoppedError, UsageError
from mqlml.journeys.databases import TRANSIENT
from mqlml.progress import Silent
from mqlml.scoring import database
from mqlml.scoring.database import MIGRATIONS, DatabaseTarget
from mqlml.scoring.dialects import Dialect, DuckDBFile, SQLiteFile
from tests.scoring.company import SMALL, TABLES, make_company, read_file, run, write_config

WEEK_LATER = "2025-03-08"
KINDS = ("sqlite", "duckdb")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def nights(company: Path, tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame]:
    """Two nights in files, the second with the first as its previous scores."""
    folder = tmp_path_factory.mktemp("nights")
    run(company, folder / "first.parquet")
    run(company, folder / "second.parquet", as_of=WEEK_LATER, previous=folder / "first.parquet")
    return [pd.read_parquet(folder / f"{name}.parquet") for name in ("first", "second")]


def ask(kind: str, file: Path, statement: str) -> list[tuple[Any, ...]]:
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            return connection.execute(statement).fetchall()
    with duckdb.connect(file) as other:
        return other.execute(statement).fetchall()


def dialect(kind: str, file: Path) -> Dialect:
    return SQLiteFile(file) if kind == "sqlite" else DuckDBFile(file)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_holds_what_the_nights_in_files_hold(
    company: Path, nights: list[pd.DataFrame], tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "crm.db"
    url = f"{kind}:///{file}"
    run(company, url)
    run(company, url, as_of=WEEK_LATER)
    before = read_file(kind, file, "lead_scores")
    again = run(company, url, as_of=WEEK_LATER)
    pd.testing.assert_frame_equal(read_file(kind, file, "lead_scores"), before)
    expected = pd.concat(nights).sort_values(["lead_id", "cutoff_time"], ignore_index=True)
    assert list(before.columns) == list(expected.columns)
    for name in expected.columns:
        assert before[name].isna().equals(expected[name].isna()), name
        known = expected[name].notna()
        assert (before[name] == expected[name])[known].all(), name
    current = read_file(kind, file, "current_scores")
    assert current["lead_id"].is_unique
    assert set(current["lead_id"]) == set(before["lead_id"])
    last = before.drop_duplicates("lead_id", keep="last").reset_index(drop=True)
    pd.testing.assert_frame_equal(current, last)
    runs = read_file(kind, file, "score_runs")
    assert len(runs) == 3
    skipped = read_file(kind, file, "lead_scores_skipped")
    night = skipped[skipped["cutoff_time"] == nights[1]["cutoff_time"].iloc[0]]
    assert night["reason"].value_counts().to_dict() == again.skipped
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crm.db"], "no work folder is left"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lead_that_is_no_longer_open_has_no_score_of_that_night(
    company: Path, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "crm.db"
    run(company, f"{kind}:///{file}")
    rows = len(read_file(kind, file, "lead_scores"))
    ask(
        kind,
        file,
        "UPDATE lead_scores SET lead_id = 7 WHERE lead_id = (SELECT max(lead_id) FROM lead_scores)",
    )
    run(company, f"{kind}:///{file}")
    assert ask(kind, file, "SELECT count(*) FROM lead_scores") == [(rows,)]
    assert ask(kind, file, "SELECT count(*) FROM lead_scores WHERE lead_id = 7") == [(0,)]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_are_migrated_and_newer_ones_refused(
    company: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "crm.db"
    with monkeypatch.context() as first:
        first.setattr(database, "MIGRATIONS", MIGRATIONS[:1])
        first.setattr(database, "SCORE_COLUMNS", database.SCORE_COLUMNS[:-2])
        DatabaseTarget(dialect(kind, file)).prepare(integer_ids=True)
    assert "trend" not in read_file(kind, file, "current_scores")
    run(company, f"{kind}:///{file}")
    assert read_file(kind, file, "current_scores")["trend"].unique().tolist() == ["not enough information"]
    assert ask(kind, file, "SELECT version FROM mqlml_schema") == [(len(MIGRATIONS),)]
    with pytest.raises(DatabaseError, match="lead_id is bigint there and text in the data"):
        DatabaseTarget(dialect(kind, file)).prepare(integer_ids=False)
    ask(kind, file, f"UPDATE mqlml_schema SET version = {len(MIGRATIONS) + 1}")
    with pytest.raises(DatabaseError, match="made by a newer mqlml"):
        run(company, f"{kind}:///{file}")


class StopAt(Silent):
    """Does something before the part of a number."""

    def __init__(self, part: int, act: Any) -> None:
        self._part, self._act = part, act

    def track_rows(self, items: Sequence[Any], _rows: Sequence[int], _name: str, /) -> Iterable[Any]:
        for number, item in enumerate(items):
            if number == self._part:
                self._act()
            yield item


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_job_resumes_and_a_second_one_ends(company: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "crm.db"
    url = f"{kind}:///{file}"
    with pytest.raises(StoppedError):
        run(
            company, url, memory_limit=SMALL, progress=StopAt(2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        )
    assert ask(kind, file, "SELECT count(*) FROM lead_scores") == [(0,)]

    def second() -> None:
        with pytest.raises(OutputError, match="another process is building the same result") as caught:
            run(company, url, memory_limit=SMALL)
        assert caught.value.exit_code == 4

    leads = run(company, url, memory_limit=SMALL, progress=StopAt(1, second)).leads
    assert ask(kind, file, "SELECT count(*), count(DISTINCT lead_id) FROM lead_scores") == [(leads, leads)]


def test_a_file_that_another_process_writes_is_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "crm.db"
    DatabaseTarget(SQLiteFile(file)).prepare(integer_ids=True)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(DatabaseError, match="database is locked; wait until the other process") as caught,
            SQLiteFile(file).session(),
        ):
            pass
        assert str(caught.value.sqlstate).startswith(TRANSIENT)
        other.execute("ROLLBACK")
    DatabaseTarget(SQLiteFile(file)).prepare(integer_ids=True)


class FullDisk(Silent):
    """From a step on, no file may grow beyond a size: writing fails in the calls where a full disk lets it fail."""

    def __init__(self, step: str, size: int) -> None:
        self._step, self._size = step, size

    @contextlib.contextmanager
    def step(self, name: str, /) -> Iterator[None]:
        if name != self._step:
            yield
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize(
    ("out", "step"),
    [("s.parquet", "score"), ("s.parquet", "write"), ("s.csv", "write"), ("sqlite:///crm.db", "write")],
)
def test_a_full_disk_leaves_what_was_there_and_the_next_run_resumes(
    company: Path, tmp_path: Path, out: str, step: str
) -> None:
    file = tmp_path / out.rpartition("/")[2]
    target = f"sqlite:///{file}" if "sqlite" in out else str(file)
    run(company, target)
    before = file.read_bytes()
    size = len(before) + 4096 if "sqlite" in out else 5000
    with pytest.raises((OutputError, DatabaseError), match="no space is left|full|disk I/O") as caught:
        run(company, target, as_of=WEEK_LATER, progress=FullDisk(step, size))
    assert caught.value.exit_code == 4
    if "sqlite" in out:
        assert ask("sqlite", file, "SELECT count(DISTINCT cutoff_time) FROM lead_scores") == [(1,)]
    else:
        assert file.read_bytes() == before
    parts = list(tmp_path.glob(".*mqlml-work/parts/part-*.parquet"))
    assert len(parts) == (step == "write"), "what is finished is kept"
    assert run(company, target, as_of=WEEK_LATER).leads
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_a_file_give_the_scores_of_csv(
    company: Path, nights: list[pd.DataFrame], tmp_path: Path, kind: str
) -> None:
    """Events of unrelated leads are not read, those under an untidy id are."""
    file = tmp_path / "crm.db"
    frames = {name: pd.read_csv(company.parent / f"{name}.csv", dtype="str") for name in TABLES}
    frames["events"]["lead_id"] = frames["events"]["lead_id"].where(
        frames["events"].index % 3 > 0, " " + frames["events"]["lead_id"] + " "
    )
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(file)))
            for name, table in frames.items():
                table.to_sql(name, connection, index=False)
        else:
            other = stack.enter_context(duckdb.connect(file))
            for name, table in frames.items():
                other.register("given", table)
                other.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    tables = {name: {"sql": f"SELECT * FROM {name}", "url": f"{kind}:///{file}"} for name in TABLES}
    config = write_config(company.parent, tables, f"{kind}.yml")
    result = run(config, tmp_path / "scores.parquet")
    made = pd.read_parquet(tmp_path / "scores.parquet")
    made["lead_id"] = made["lead_id"].astype(nights[0]["lead_id"].dtype)
    keys = ["raw_score", "lead_id"]
    pd.testing.assert_frame_equal(
        made.sort_values(keys, ignore_index=True), nights[0].sort_values(keys, ignore_index=True)
    )
    assert result.rows_read < sum(map(len, frames.values())), "not all events are read"


def test_options_that_are_for_files_are_refused(company: Path, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'crm.db'}"
    with pytest.raises(UsageError, match="--columns is for files"):
        run(company, url, columns=("lead_id",))
    with pytest.raises(UsageError, match="select from current_scores where changed_at = cutoff_time"):
        run(company, url, changed=True, previous="x.parquet")
    with pytest.raises(OutputError, match="there is no folder"):
        run(company, f"duckdb:///{tmp_path / 'none' / 'crm.db'}")
