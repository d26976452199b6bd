"""The batch job: parts equal the whole, a stopped run resumes, and files are safe to open."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mqlml.errors import LabelChangeRefused, OutputError, StoppedError, UsageError
from mqlml.progress import Silent
from mqlml.scoring import job, read_scores
from tests.scoring.company import AS_OF, SMALL, make_company, run


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

    def track(self, items: Sequence[Any], _name: str, /) -> Iterable[Any]:
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
