"""Scores in a real PostgreSQL: whole or not at all, once, by one job at a time, and with no password in any text."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from mqlml.errors import ConfigError, DatabaseError
from mqlml.journeys.databases import connect, describe_url, retrying
from mqlml.scoring.database import MIGRATIONS, DatabaseTarget
from mqlml.scoring.dialects import Postgres
from tests.scoring.company import (
    TABLES,
    ask,
    make_company,
    make_database,
    read_table,
    restart,
    run,
    running_server,
    write_config,
)

WEEK_LATER = "2025-03-08"


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def url(server: Any, company: Path) -> str:
    """A database with two nights of scores."""
    made = make_database(server, "crm")
    run(company, made)
    run(company, made, as_of=WEEK_LATER)
    return made


def test_a_night_that_is_repeated_leaves_the_same_rows(company: Path, url: str, tmp_path: Path) -> None:
    before = read_table(url, "lead_scores")
    again = run(company, url, as_of=WEEK_LATER)
    assert read_table(url, "lead_scores").equals(before)
    run(company, tmp_path / "first.parquet")
    run(company, tmp_path / "second.parquet", as_of=WEEK_LATER, previous=tmp_path / "first.parquet")
    file = pd.read_parquet(tmp_path / "second.parquet").sort_values("lead_id", ignore_index=True)
    second = before[before["cutoff_time"] == file["cutoff_time"].iloc[0]].reset_index(drop=True)
    for name in file.columns:
        assert second[name].isna().equals(file[name].isna()), name
        if name == "first_reached":
            second[name] = second[name].map(json.dumps)
        assert (second[name] == file[name])[file[name].notna()].all(), name
    current = read_table(url, "current_scores")
    assert current["lead_id"].is_unique
    assert set(current["lead_id"]) == set(before["lead_id"])
    runs = read_table(url, "score_runs")
    assert runs["job_id"].is_unique
    assert runs.loc[runs["job_id"] == again.job_id, "labels"].iloc[0] == again.labels
    assert again.changed_labels > 5
    skipped = read_table(url, "lead_scores_skipped")
    night = skipped[skipped["cutoff_time"] == file["cutoff_time"].iloc[0]]
    assert night["reason"].value_counts().to_dict() == again.skipped
    assert not set(night["lead_id"]) & set(file["lead_id"])


def test_a_lead_that_is_no_longer_open_has_no_score_of_that_night(company: Path, url: str) -> None:
    ask(url, "UPDATE lead_scores SET lead_id = 7 WHERE lead_id = (SELECT max(lead_id) FROM lead_scores "
        "WHERE cutoff_time = '2025-03-07 23:00Z') AND cutoff_time = '2025-03-07 23:00Z'")  # fmt: skip
    run(company, url, as_of=WEEK_LATER)
    assert ask(url, "SELECT count(*) FROM lead_scores WHERE lead_id = 7") == [(0,)]


def test_a_reader_sees_the_old_night_or_the_new_one(company: Path, url: str) -> None:
    counts: set[int] = set()
    done = threading.Event()

    def read() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not done.is_set():
                row = connection.execute(
                    "SELECT count(*) FROM lead_scores WHERE cutoff_time = '2025-03-14 23:00Z'"
                ).fetchone()
                assert row is not None
                counts.add(row[0])

    reader = threading.Thread(target=read)
    reader.start()
    leads = run(company, url, as_of="2025-03-15").leads
    time.sleep(0.1)
    done.set()
    reader.join()
    assert counts == {0, leads}


def test_the_nightly_role_needs_no_right_to_create_tables(server: Any, company: Path, url: str) -> None:
    ask(url, "CREATE ROLE nightly LOGIN PASSWORD 'se%cret'")
    ask(url, "GRANT SELECT, INSERT, UPDATE, DELETE ON lead_scores, lead_scores_skipped TO nightly")
    ask(url, "GRANT SELECT, INSERT ON score_runs TO nightly; GRANT SELECT ON mqlml_schema TO nightly")
    own = server.get_uri(database="crm").replace("postgres:@", "nightly:se%25cret@")
    assert "nightly" in own
    assert run(company, own, as_of=WEEK_LATER).leads
    with pytest.raises(DatabaseError, match=r"permission denied .*42501.*; grant the rights") as caught:
        run(company, own, table="others")
    assert caught.value.exit_code == 4
    ask(url, "REVOKE INSERT ON lead_scores FROM nightly")
    before = read_table(url, "lead_scores")
    with pytest.raises(DatabaseError, match="permission denied for table lead_scores") as caught:
        run(company, own, as_of=WEEK_LATER)
    assert "se%" not in str(caught.value)
    assert "se%" not in describe_url(own)
    assert read_table(url, "lead_scores").equals(before)
    finished = list(company.parent.glob(".mqlml-work-*/parts/part-0000.parquet"))
    assert len(finished) == 1, "finished parts are kept for the next run"
    ask(url, "GRANT INSERT ON lead_scores TO nightly")
    assert run(company, own, as_of=WEEK_LATER).leads
    assert not finished[0].exists()


def test_one_job_works_and_the_other_ends_or_waits(company: Path, url: str) -> None:
    target = DatabaseTarget(Postgres(url))
    with target.holding(wait=False):
        with pytest.raises(
            DatabaseError, match="another job is writing these scores; wait for it with --wait"
        ):
            run(company, url)
        with DatabaseTarget(Postgres(url), "other_scores").holding(wait=False):
            pass
        order: list[str] = []

        def wait() -> None:
            with DatabaseTarget(Postgres(url)).holding(wait=True):
                order.append("second")

        second = threading.Thread(target=wait)
        second.start()
        time.sleep(0.3)
        order.append("first")
    second.join()
    assert order == ["first", "second"]


def test_tables_of_a_newer_release_or_other_ids_are_refused(server: Any) -> None:
    url = make_database(server, "schema")
    DatabaseTarget(Postgres(url)).prepare(integer_ids=True)
    DatabaseTarget(Postgres(url)).prepare(integer_ids=True)
    with pytest.raises(
        DatabaseError, match="lead_id is bigint there and text in the data; name another --table"
    ):
        DatabaseTarget(Postgres(url)).prepare(integer_ids=False)
    DatabaseTarget(Postgres(url), "text_scores").prepare(integer_ids=False)
    ask(url, f"UPDATE mqlml_schema SET version = {len(MIGRATIONS) + 1}")
    with pytest.raises(DatabaseError, match="made by a newer mqlml"):
        DatabaseTarget(Postgres(url)).prepare(integer_ids=True)
    with pytest.raises(ConfigError, match="--table must be NAME or SCHEMA.NAME"):
        DatabaseTarget(Postgres(url), "x; drop table y")


def test_two_first_runs_at_once_make_the_tables_once(server: Any) -> None:
    url = make_database(server, "race")
    errors: list[Exception] = []

    def prepare() -> None:
        try:
            DatabaseTarget(Postgres(url)).prepare(integer_ids=True)
        except DatabaseError as error:
            errors.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert ask(url, "SELECT version FROM mqlml_schema") == [(len(MIGRATIONS),)]


def test_what_may_pass_is_tried_again_and_what_will_not_is_not(url: str) -> None:
    waits: list[float] = []
    states = ["40P01", "08006", None]

    def fail_thrice() -> str:
        if states:
            raise DatabaseError("no", sqlstate=states.pop(0))
        return "done"

    assert retrying(fail_thrice, sleep=waits.append) == "done"
    assert [0.25 <= waits[0] <= 0.5, 0.5 <= waits[1] <= 1, 1 <= waits[2] <= 2] == [True] * 3
    waits.clear()

    def refuse() -> None:
        ask_through(url, "SELECT * FROM nowhere")

    with pytest.raises(DatabaseError, match=r'relation "nowhere" does not exist \(42P01\)'):
        retrying(refuse, sleep=waits.append)
    assert not waits
    with pytest.raises(DatabaseError, match="see that the server runs"):
        retrying(lambda: connect("postgresql://a:hidden@127.0.0.1:1/x"), attempts=3, sleep=waits.append)
    assert len(waits) == 2


def ask_through(url: str, statement: str) -> None:
    from mqlml.journeys.databases import explaining

    with explaining(url), connect(url) as connection:
        connection.execute(statement)


def test_a_cut_connection_and_a_deadlock_are_survived(company: Path, server: Any) -> None:
    """The server's own doing: it ends our session while we write, and picks us as a deadlock's victim."""
    url = make_database(server, "faults")
    run(company, url)
    ask(url, """CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        -- a sequence counts through a rollback
        IF nextval('fault_count') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid());
        ELSIF currval('fault_count') = 2 THEN RAISE EXCEPTION 'forced' USING ERRCODE = 'deadlock_detected';
        END IF; RETURN NULL; END $$""")  # fmt: skip
    ask(url, "CREATE SEQUENCE fault_count")
    ask(url, "CREATE TRIGGER fault AFTER INSERT ON score_runs FOR EACH STATEMENT EXECUTE FUNCTION fault()")
    leads = run(company, url, as_of=WEEK_LATER).leads
    assert ask(url, "SELECT last_value FROM fault_count") == [(3,)], "two attempts failed"
    night = "WHERE cutoff_time = '2025-03-07 23:00Z'"
    assert ask(url, f"SELECT count(*), count(DISTINCT lead_id) FROM lead_scores {night}") == [(leads, leads)]
    assert ask(url, f"SELECT count(*) FROM score_runs {night}") == [(1,)]


def test_a_server_that_restarts_is_waited_for(company: Path, server: Any) -> None:
    url = make_database(server, "restarts")
    run(company, url)
    stopped = threading.Thread(target=restart, args=(server,))
    stopped.start()
    leads = run(company, url, as_of=WEEK_LATER).leads
    stopped.join()
    assert ask(url, "SELECT count(*) FROM lead_scores WHERE cutoff_time = '2025-03-07 23:00Z'") == [(leads,)]


def test_tables_of_a_database_give_the_scores_of_files(
    company: Path, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_database(server, "source")
    frames = {name: pd.read_csv(company.parent / f"{name}.csv", dtype="str") for name in TABLES}
    for name, frame in frames.items():
        columns = ", ".join(
            f"{column} {'bigint' if column == 'lead_id' else 'timestamptz' if column.endswith('_at') else 'text'}"
            for column in frame.columns
        )
        ask(source, f"CREATE TABLE {name} ({columns})")
        with (
            psycopg.connect(source) as connection,
            connection.cursor() as cursor,
            cursor.copy(f"COPY {name} FROM STDIN") as copy,
        ):
            for row in frame.itertuples(index=False):
                copy.write_row([None if pd.isna(value) else value for value in row])
    ask(
        source,
        "ALTER TABLE events ADD COLUMN paid numeric(12,2), ADD COLUMN more jsonb, ADD COLUMN until timestamptz",
    )
    ask(source, "UPDATE events SET paid = 1.5, more = '{}', until = 'infinity'")
    monkeypatch.setenv("CRM_URL", source)
    tables = {name: {"sql": f"SELECT * FROM {name};", "url": "${CRM_URL}"} for name in TABLES}
    config = write_config(company.parent, tables, "database.yml")
    result = run(config, tmp_path / "database.parquet")
    expected = run(company, tmp_path / "file.parquet")
    found, files = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("database", "file"))
    pd.testing.assert_frame_equal(found, files, check_exact=True)
    assert result.skipped == expected.skipped
    leads, events = frames["leads"], frames["events"]
    is_open = leads["lead_id"].isin(found["lead_id"].astype("str"))
    shares = leads["account_id"].isin(leads.loc[is_open, "account_id"].dropna())
    needed = leads.loc[is_open | shares, "lead_id"]
    assert is_open.sum() < len(needed) < len(leads)
    sent = len(leads) + len(frames["outcomes"]) + events["lead_id"].isin(needed).sum()
    assert result.rows_read == sent, "events of leads that no open lead depends on are not read"
    assert "source" not in [path.name for path in tmp_path.iterdir()]
