"""The batch job: parts equal the whole, a stopped run resumes, and files are safe to open."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from mqlml.cli import main
from mqlml.commands.score import check_score
from mqlml.errors import LabelChangeRefused, OutputError, StoppedError, UsageError
from mqlml.progress import Silent
from mqlml.render.console.common import format_score_check
from mqlml.scoring import job, read_scores
from tests.scoring.company import AS_OF, NOW, SMALL, make_company, run


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def whole(company: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The scores made in memory."""
    out = tmp_path_factory.mktemp("whole") / "scores.parquet"
    assert run(company, out).parts == 1
    return pd.read_parquet(out)


class StopAfter(Silent):
    """A progress that raises, or sends a signal, after so many parts."""

    def __init__(self, parts: int, stop: Any) -> None:
        self._parts, self._stop = parts, stop

    def track_rows(self, items: Sequence[Any], _rows: Sequence[int], _name: str, /) -> Iterable[Any]:
        for number, item in enumerate(items):
            if number == self._parts:
                self._stop()
            yield item


def fail() -> None:
    raise KeyboardInterrupt


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_parts_give_the_scores_of_the_whole(company: Path, whole: pd.DataFrame, tmp_path: Path) -> None:
    result = run(company, tmp_path / "scores.parquet", memory_limit=SMALL)
    assert result.parts > 3
    assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), whole, check_exact=True)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"], "no work folder is left"
    leads = pd.read_csv(company.parent / "leads.csv")
    assert result.leads == len(whole)
    assert result.leads + sum(result.skipped.values()) == len(leads), "every lead has a score or a reason"
    assert result.rows_read > len(leads)


@pytest.mark.parametrize("stop", [fail, terminate], ids=["interrupted", "SIGTERM"])
def test_a_stopped_run_resumes_with_the_parts_it_had_finished(
    company: Path, whole: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    made: list[int] = []
    work = job.score_open

    def counted(*arguments: Any) -> pd.DataFrame:
        made.append(1)
        return work(*arguments)

    monkeypatch.setattr(job, "score_open", counted)
    out = tmp_path / "scores.parquet"
    out.write_bytes(b"the last scores")
    error = KeyboardInterrupt if stop is fail else StoppedError
    with pytest.raises(error) as caught:
        run(company, out, memory_limit=SMALL, progress=StopAfter(2, stop))
    assert out.read_bytes() == b"the last scores"
    finished = len(made)
    if stop is terminate:
        assert isinstance(caught.value, StoppedError)
        assert caught.value.exit_code == 143
        assert "after part 3 of" in str(caught.value)
    result = run(company, out, memory_limit=SMALL)
    assert len(made) == result.parts > finished > 1
    assert_frame_equal(pd.read_parquet(out), whole, check_exact=True)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


def test_a_second_job_on_one_file_ends(company: Path, tmp_path: Path) -> None:
    def again() -> None:
        with pytest.raises(OutputError, match="another process is building the same result") as caught:
            run(company, tmp_path / "scores.parquet", memory_limit=SMALL)
        assert caught.value.exit_code == 4

    assert run(company, tmp_path / "scores.parquet", memory_limit=SMALL, progress=StopAfter(1, again)).leads


def test_what_changed_since_the_last_scores_is_told_and_bounded(company: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    run(company, first)
    result = run(company, second, as_of="2025-03-08", previous=first)
    before, now = (pd.read_parquet(path).set_index("lead_id") for path in (first, second))
    both = now.index.intersection(before.index)
    assert (now.loc[both, "previous_label"] == before.loc[both, "label"]).all()
    assert (now.loc[both, "previous_probability"] == before.loc[both, "probability"]).all()
    assert now.loc[now.index.difference(both), "previous_label"].isna().all()
    changed = now["label"] != now["previous_label"]
    assert result.changed_labels == (changed & now["previous_label"].notna()).sum() > 5
    assert (now.loc[changed, "changed_at"] == pd.Timestamp("2025-03-07 23:00", tz="UTC")).all()
    assert (now.loc[~changed, "changed_at"] == pd.Timestamp("2025-02-28 23:00", tz="UTC")).all()
    kept = second.read_bytes()
    share = result.changed_labels / len(both)
    with pytest.raises(LabelChangeRefused, match="nothing was written") as caught:
        run(company, second, as_of="2025-03-08", previous=first, max_change=share - 0.01)
    assert caught.value.exit_code == 3
    assert second.read_bytes() == kept
    assert run(company, second, as_of="2025-03-08", previous=first, max_change=share + 0.01).leads == len(now)


def test_a_check_tries_everything_and_writes_nothing(company: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    found = check_score(company, as_of=AS_OF, out=out, now=NOW, progress=Silent())
    assert not list(tmp_path.iterdir())
    assert found.leads == run(company, out).leads
    assert found.rows_read["leads"] == len(pd.read_csv(company.parent / "leads.csv"))
    assert found.newest_fact is not None
    assert found.newest_fact < found.as_of == "2025-02-28T23:00:00Z"
    assert found.hours_old is not None
    assert 0 < found.hours_old < 72
    assert "Ready: simulated version 1 would score" in format_score_check(found)
    with pytest.raises(OutputError, match="there is no folder"):
        check_score(company, as_of=AS_OF, out=tmp_path / "none" / "a.csv", now=NOW, progress=Silent())


def test_a_csv_is_safe_and_readable_and_exact_where_asked(company: Path, tmp_path: Path) -> None:
    people, exact = tmp_path / "people.csv", tmp_path / "exact.csv"
    run(company, people, columns=("lead_id", "probability", "label", "cutoff_time", "job_title"))
    text = people.read_text(encoding="utf-8").splitlines()
    assert text[0] == "lead_id,probability,label,cutoff_time,job_title"
    assert text[1].split(",")[3] == "2025-03-01 00:00:00+01:00", "the zone of the config"
    assert len(text[1].split(",")[1]) <= len("0.1234")
    run(company, exact, exact=True)
    run(company, tmp_path / "scores.parquet")
    data = pd.read_parquet(tmp_path / "scores.parquet")
    assert pd.read_csv(exact)["raw_score"].to_list() == data["raw_score"].to_list()
    assert pd.read_csv(exact)["cutoff_time"].iloc[0] == "2025-02-28T23:00:00Z"
    with pytest.raises(
        UsageError, match="'jobtitle', which neither scores nor leads have; did you mean 'job_title'"
    ):
        run(company, people, columns=("lead_id", "jobtitle"))
    with pytest.raises(UsageError, match="--table names a table of a database"):
        run(company, people, table="scores")
    with pytest.raises(UsageError, match="--out reads the environment variable NOT_THERE, which is not set"):
        run(company, "${NOT_THERE}")


def test_text_that_a_spreadsheet_would_run_is_neutralized_and_read_back(tmp_path: Path) -> None:
    from mqlml.scoring.sinks import CsvStyle, to_arrow, write_batches

    ids = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "  =x", "a=b", "'x", "7"]
    frame = pd.DataFrame(
        {
            "lead_id": pd.Series(ids, dtype="str"),
            "cutoff_time": pd.Series([pd.Timestamp(AS_OF, tz="UTC").as_unit("us")] * len(ids)),
            "label": "mql",
            "label_since": pd.Series([pd.Timestamp(AS_OF, tz="UTC").as_unit("us")] * len(ids)),
        }
    )
    write_batches(
        iter([to_arrow(frame)]), tmp_path / "s.csv", whole_seconds=True, style=CsvStyle("Europe/Berlin")
    )
    written = pd.read_csv(tmp_path / "s.csv", dtype="str")["lead_id"].tolist()
    assert written == [*(f"'{value}" for value in ids[:6]), *ids[6:]]
    assert read_scores(tmp_path / "s.csv")["lead_id"].tolist() == ids
    write_batches(iter([to_arrow(frame)]), tmp_path / "exact.csv", whole_seconds=True)
    assert pd.read_csv(tmp_path / "exact.csv", dtype="str")["lead_id"].tolist() == ids


def test_leads_that_a_rule_leaves_out_are_listed_with_its_reason(company: Path, tmp_path: Path) -> None:
    leads = pd.read_csv(company.parent / "leads.csv")
    kind = leads["country"].value_counts().index[0]
    values = yaml.safe_load(company.read_text(encoding="utf-8"))
    values["rules"] = {"exclude": [{"when": {"country": {"in": [kind]}}, "reason": "objected"}]}
    config = company.with_name("rules.yml")
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    result = run(config, url)
    assert result.skipped["objected"] == (leads["country"] == kind).sum() > 50
    assert result.leads + sum(result.skipped.values()) == len(leads)
    with contextlib.closing(sqlite3.connect(tmp_path / "crm.db")) as connection:
        found = pd.read_sql("SELECT lead_id FROM lead_scores_skipped WHERE reason = 'objected'", connection)
        scored = pd.read_sql("SELECT lead_id FROM lead_scores", connection)
    assert sorted(found["lead_id"]) == sorted(leads.loc[leads["country"] == kind, "lead_id"])
    assert not set(found["lead_id"]) & set(scored["lead_id"])


def test_only_changed_leads_are_exported_where_that_is_asked(company: Path, tmp_path: Path) -> None:
    first, second, changed = (tmp_path / f"{name}.parquet" for name in ("first", "second", "changed"))
    run(company, first)
    run(company, second, as_of="2025-03-08", previous=first)
    result = run(company, changed, as_of="2025-03-08", previous=first, changed=True)
    every = pd.read_parquet(second)
    other = every["previous_label"].isna() | (every["previous_label"] != every["label"])
    assert result.leads == len(every), "all are scored"
    assert_frame_equal(pd.read_parquet(changed), every[other].reset_index(drop=True))
    assert 5 < other.sum() < len(every)
    with pytest.raises(UsageError, match="--changed needs the last scores to compare with"):
        run(company, changed, changed=True)


def test_trends_and_first_times_follow_from_earlier_nights(company: Path, tmp_path: Path) -> None:
    days = ("2025-03-01", "2025-03-04", "2025-03-08")
    for day in days:
        run(
            company,
            tmp_path / f"{day}.parquet",
            as_of=day,
            previous=tmp_path / "*.parquet" if day > days[0] else None,
        )
    first, _, last = (pd.read_parquet(tmp_path / f"{day}.parquet").set_index("lead_id") for day in days)
    both = last.index.intersection(first.index)
    odds = {
        name: (f["probability"] / (1 - f["probability"]))[both]
        for name, f in (("last", last), ("first", first))
    }
    ratio = odds["last"] / odds["first"]
    trend = last.loc[both, "trend"]
    assert (trend[ratio >= 1.25] == "improving").all()
    assert (trend[ratio <= 0.8] == "declining").all()
    assert (trend[(ratio > 0.81) & (ratio < 1.24)] == "steady").all()
    assert {"improving", "steady"} <= set(trend) or {"declining", "steady"} <= set(trend)
    assert (last.loc[last.index.difference(both), "trend"] == "not enough information").all()
    kept = first["label"].isin(["mql", "sql"]) & first.index.isin(both)
    for lead in first.index[kept]:
        reached = json.loads(last.loc[lead, "first_reached"])
        assert reached["mql"] == "2025-02-28T23:00:00Z"
    run(company, tmp_path / "people.csv", as_of=days[0])
    people = pd.read_csv(tmp_path / "people.csv")["first_reached"]
    assert people.str.contains("2025-03-01T00:00:00+01:00", regex=False).any(), "the zone of the config"
    assert len(read_scores(tmp_path / "people.csv")) == len(people)


def test_a_log_is_json_lines_with_the_id_of_the_run(
    company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "score",
        "-c",
        str(company),
        "--as-of",
        AS_OF,
        "--log",
        "json",
        "--json",
        "--memory-limit",
        SMALL,
    ]
    file = tmp_path / "crm.db"
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", f"sqlite:///{file}"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    lines = [json.loads(line) for line in err.splitlines()]
    assert {line["run"] for line in lines} == {result["job_id"]}
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT job_id FROM score_runs").fetchall() == [(result["job_id"],)]
    assert {line["level"] for line in lines} == {"info"}
    assert lines[-1]["event"] == "done"
    assert lines[-1]["result"] == result
    progress = [line for line in lines if line["event"] == "progress" and line["what"] == "leads"]
    assert len(progress) == result["parts"]
    assert progress[-1]["done"] == progress[-1]["of"] == result["leads"]
    assert progress[-1]["seconds_left"] == 0
    assert all(line["rows_per_second"] > 0 for line in progress if line["done"])
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "none" / "scores.parquet")])
    out, err = capsys.readouterr()
    assert ended.value.code == 4
    line = json.loads(err)
    assert (line["event"], line["level"], line["kind"], line["exit_code"]) == (
        "failed",
        "error",
        "OutputError",
        4,
    )
    assert json.loads(out)["error"]["message"] == line["message"]
