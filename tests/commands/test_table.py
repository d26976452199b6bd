"""Tables made in parts are those made in memory, whatever the source; killed at any moment, they are made later."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from mqlml.commands import check, table
from mqlml.commands import partitioned_table as parted
from mqlml.commands.partitioned_table import identify, working_in
from mqlml.commands.table import write_training_table
from mqlml.config import Table, read_config
from mqlml.errors import ConfigError, OutputError, UsageError
from mqlml.journeys.read import read_around_events
from mqlml.journeys.stream import fingerprint_query
from mqlml.progress import Silent
from mqlml.render.results import TableResult
from mqlml.simulate import simulate
from mqlml.training import table as training_table

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LIMIT = "30MB"
"""Far below what the table takes, so that it is cut into many parts."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated journeys as messy CSV files, with a config beside them."""
    folder = tmp_path_factory.mktemp("company")
    world = simulate(1500, random_state=3)
    world.write(folder, format="csv", bad_rows=0.002)
    config = {
        "name": "company",
        "data": {
            "observed_until": world.observed_until.isoformat(),
            **{name: {"path": f"{name}.csv"} for name in ("leads", "events", "outcomes")},
        },
        "problem": {"horizon": "60d", "snapshots": {"ages": ["0d", "7d"]}, "age_limits": ["0d", "37d"]},
        "features": {"max_actions": 5},
        "windows": ["7d", "all"],
    }
    (folder / "mqlml.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def make(company: Path, out: Path, limit: str | None = LIMIT) -> TableResult:
    return write_training_table(company / "mqlml.yml", out, memory_limit=limit, now=NOW, progress=Silent())


@pytest.fixture(scope="module")
def whole(company: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table made in memory."""
    out = tmp_path_factory.mktemp("whole") / "table.parquet"
    assert make(company, out, None).parts == 1
    return pd.read_parquet(out)


def test_a_file_made_in_parts_is_the_file_made_in_memory(
    company: Path, whole: pd.DataFrame, tmp_path: Path
) -> None:
    result = make(company, tmp_path / "table.parquet")
    assert result.parts > 5
    assert result.rows == len(whole)
    assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), whole, check_exact=True)
    make(company, tmp_path / "parts.csv")
    make(company, tmp_path / "memory.csv", None)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "memory.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["memory.csv", "parts.csv", "table.parquet"]


@pytest.mark.parametrize("limit", [None, LIMIT], ids=["in memory", "in parts"])
def test_rows_are_chosen_and_rules_are_tried_once(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None
) -> None:
    calls = Counter[str]()

    def count(module: ModuleType, name: str) -> None:
        work = getattr(module, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return work(*arguments, **named)

        monkeypatch.setattr(module, name, counted)

    count(table, "choose_rows")
    count(training_table, "choose_rows")
    count(check, "match_rules")
    make(company, tmp_path / "table.parquet", limit)
    assert calls == {"choose_rows": 1, "match_rules": 1}


def test_a_folder_holds_the_rows_by_part_and_time(company: Path, whole: pd.DataFrame, tmp_path: Path) -> None:
    result = make(company, tmp_path / "table")
    files = sorted((tmp_path / "table").iterdir())
    assert len(files) == result.parts > 5
    for file in files:
        assert pd.read_parquet(file, columns=["cutoff_time"])["cutoff_time"].is_monotonic_increasing
    keys = ["cutoff_time", "lead_id"]
    together = pd.read_parquet(tmp_path / "table").sort_values(keys, ignore_index=True)
    assert_frame_equal(together, whole.sort_values(keys, ignore_index=True), check_exact=True)
    assert make(company, tmp_path / "table", None).parts == 1  # in memory, over the parts of before
    assert [file.name for file in (tmp_path / "table").iterdir()] == ["part-0000.parquet"]


RUN = """
import datetime as dt, sys
from mqlml.commands.table import write_training_table\nfrom mqlml.progress import Silent
write_training_table(sys.argv[1], sys.argv[2], memory_limit=sys.argv[3],
                     now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), progress=Silent())
"""


def finished(work: Path) -> dict[str, int]:
    """The finished parts in a work folder, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (work / "parts").glob("part-*.parquet")}


def start(company: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(company / "mqlml.yml"), str(out), LIMIT], stderr=subprocess.PIPE
    )


def test_killed_at_any_moment_it_is_finished_later(company: Path, tmp_path: Path) -> None:
    """Killed as soon as each of these is there, or goes; then a run to the end. Nothing finished is made again."""
    make(company, tmp_path / "at once.parquet")
    out, work = tmp_path / "table.parquet", tmp_path / ".table.parquet.mqlml-work"
    moments = ("key.json", "events/events-0000.bin", "events/events.json", "parts/part-0001.parquet",
               "parts/part-0004.parquet")  # fmt: skip
    before: dict[str, int] = {}
    for moment in moments:
        process = start(company, out)
        while not (work / moment).exists():
            assert process.poll() is None, process.communicate()[1].decode()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        after = finished(work)
        assert before.items() <= after.items()
        assert not out.exists()
        before = after
    assert len(before) >= 4
    make(company, out)
    assert out.read_bytes() == (tmp_path / "at once.parquet").read_bytes()
    assert not work.exists()


def test_killed_at_random_moments_it_is_finished_later(company: Path, tmp_path: Path) -> None:
    """Three kills at moments drawn from the length of a run, then a run to the end: the same bytes, nothing left."""
    begin = time.monotonic()
    process = start(company, tmp_path / "at once.parquet")
    errors = process.communicate()[1]
    assert process.returncode == 0, errors.decode()
    length = time.monotonic() - begin
    expected = (tmp_path / "at once.parquet").read_bytes()
    moments = np.random.default_rng(5).uniform(0.2, length, 3)
    out = tmp_path / "table.parquet"
    for moment in moments:
        process = start(company, out)
        try:
            errors = process.communicate(timeout=moment)[1]
            assert process.returncode == 0, errors.decode()
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert not out.exists() or out.read_bytes() == expected
    make(company, out)
    assert out.read_bytes() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at once.parquet", "table.parquet"]


def test_finished_parts_are_not_made_again(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    really = parted._make

    def count(part: Any, build_spec: Any, file: Path, group: int | None) -> None:
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(file.name)
        really(part, build_spec, file, group)

    monkeypatch.setattr(parted, "_make", count)
    with pytest.raises(KeyboardInterrupt):
        make(company, tmp_path / "table")
    assert finished(tmp_path / ".table.mqlml-work").keys() == set(made)
    first = set(made)
    # What a kill leaves of a part that is being written.
    (tmp_path / ".table.mqlml-work" / "parts" / ".0123456789ab.part").touch()
    made[:] = ["so that none stops it"] * 5
    make(company, tmp_path / "table")
    assert first.isdisjoint(made)
    assert first | set(made[5:]) == {file.name for file in (tmp_path / "table").iterdir()}


@pytest.mark.parametrize("change", ["config", "events", "leads", "limit"])
def test_what_was_made_of_other_data_is_not_used(company: Path, tmp_path: Path, change: str) -> None:
    for name in ("mqlml.yml", "leads.csv", "events.csv", "outcomes.csv"):
        (tmp_path / name).write_bytes((company / name).read_bytes())
    journeys, _ = read_around_events(read_config(tmp_path / "mqlml.yml"))
    config = read_config(tmp_path / "mqlml.yml")
    key = identify(config, journeys)
    assert identify(config, journeys) == key
    if change == "config":
        text = (
            (tmp_path / "mqlml.yml").read_text(encoding="utf-8").replace("max_actions: 5", "max_actions: 6")
        )
        (tmp_path / "mqlml.yml").write_text(text, encoding="utf-8")
    elif change == "limit":
        config = config.model_copy(update={"data": config.data.model_copy(update={"memory_limit": 1})})
        assert identify(config, journeys) != key
        return
    else:
        path = tmp_path / f"{change}.csv"
        path.write_bytes(path.read_bytes().rstrip(b"\n").rpartition(b"\n")[0] + b"\n")
    config = read_config(tmp_path / "mqlml.yml")
    assert identify(config, read_around_events(config)[0]) != key


def test_a_query_is_known_by_its_rows(company: Path, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_bytes((company / "events.csv").read_bytes())
    spec = Table(sql="select * from read_csv('e.csv', all_varchar = true, ignore_errors = true)")

    def key() -> str:
        return fingerprint_query(spec, where="data.events", base=tmp_path, zone="UTC")

    first = key()
    assert key() == first
    with (tmp_path / "e.csv").open("a", encoding="utf-8") as file:
        file.write((company / "events.csv").read_text(encoding="utf-8").splitlines()[1] + "\n")
    assert key() != first


def stop(work: Path, key: str) -> set[str]:
    """What a work folder holds for a task of that key, which ends with an error after it has finished one thing."""
    found: set[str] = set()
    with contextlib.suppress(ZeroDivisionError), working_in(work, key):
        found = {path.name for path in work.iterdir()} - {"lock", "key.json"}
        (work / "folder").mkdir(exist_ok=True)
        (work / "done").touch()
        raise ZeroDivisionError
    return found


def test_a_work_folder_of_another_key_is_emptied(tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert stop(work, "a") == set()
    assert stop(work, "a") == {"done", "folder"}
    assert stop(work, "b") == set()
    with working_in(work, "b"):
        assert (work / "done").exists()
    assert not work.exists()


def test_two_do_not_share_a_work_folder(tmp_path: Path) -> None:
    second = working_in(tmp_path / "work", "a")
    with (
        working_in(tmp_path / "work", "a"),
        pytest.raises(OutputError, match="another process is building the same result"),
    ):
        second.__enter__()


def test_limits_that_cannot_be_kept_are_refused(company: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must hold leads, outcomes .* found 5MB. Raise it to"):
        make(company, tmp_path / "table.parquet", "5MB")
    with pytest.raises(UsageError, match="--memory-limit: a size is a number above 0 and a unit.* found '5'"):
        make(company, tmp_path / "table.parquet", "5")


def test_a_folder_with_other_things_in_it_is_left_alone(company: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(OutputError, match="holds 'thesis.txt', which is not part of a training table"):
        make(company, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
