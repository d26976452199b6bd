"""Sinks write all of a file or nothing, whatever goes wrong, and the same table always as the same bytes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mqlml.errors import OutputError
from mqlml.scoring import check_target, make_folder, write_table, write_text

TIME = "datetime64[us, UTC]"
NOBODY = 65534


def times(*texts: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts), format="ISO8601", utc=True)).astype(TIME)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead_id": pd.Series([7, 2**53 + 1], dtype="int64"),
            "name": pd.Series(["Zoë, Ltd", None], dtype="str"),
            "day": times("2018-11-14", None),
            "moment": times("2018-11-14T08:30:00.000001", "2018-11-14T09:30:00+01:00"),
            "version": pd.Series([3, None], dtype="Int64"),
            "p": [0.1, np.nan],
        }
    )


def leftovers(folder: Path, *expected: str) -> list[str]:
    """Files in a folder beyond the expected ones."""
    return sorted({entry.name for entry in folder.iterdir()} - set(expected))


def test_csv_says_times_in_iso_and_whole_numbers_without_a_point(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_table(frame, tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_bytes().decode() == (
        "lead_id,name,day,moment,version,p\n"
        '7,"Zoë, Ltd",2018-11-14T00:00:00Z,2018-11-14T08:30:00.000001Z,3,0.1\n'
        "9007199254740993,,,2018-11-14T08:30:00.000000Z,,\n"
    )


def test_parquet_comes_back_as_it_was(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_table(frame, tmp_path / "scores.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), frame)


def test_a_column_without_any_text_is_still_text(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"reason_1": pd.Series([None], dtype="str")}), tmp_path / "s.parquet")
    assert str(pq.read_schema(tmp_path / "s.parquet").field("reason_1").type) in ("string", "large_string")


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet", "SCORES.CSV"])
def test_the_same_table_gives_the_same_bytes(frame: pd.DataFrame, tmp_path: Path, name: str) -> None:
    write_table(frame, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    write_table(frame.copy(), tmp_path / name)
    assert (tmp_path / name).read_bytes() == first
    assert not leftovers(tmp_path, name)


def test_the_table_is_not_changed(frame: pd.DataFrame, tmp_path: Path) -> None:
    before = frame.copy()
    write_table(frame, tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(frame, before)


def test_a_table_without_rows_still_has_its_columns(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_table(frame.head(0), tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "lead_id,name,day,moment,version,p\n"
    write_table(frame.head(0), tmp_path / "s.parquet")
    assert pd.read_parquet(tmp_path / "s.parquet").dtypes.equals(frame.dtypes)


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_text("<p>≥ 0.22</p>\r\n", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == "<p>≥ 0.22</p>\r\n".encode()


def test_a_new_file_has_the_usual_rights_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    umask = os.umask(0o027)
    try:
        write_text("{}", path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    write_text("{}", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.json").write_text("old")
    (tmp_path / "a.json").symlink_to(tmp_path / "real" / "a.json")
    write_text("new", tmp_path / "a.json")
    assert (tmp_path / "a.json").is_symlink()
    assert (tmp_path / "real" / "a.json").read_text() == "new"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("scores.xlsx", r"a table is written as \.parquet or \.csv; found '.*scores\.xlsx'"),
        ("scores", r"a table is written as \.parquet or \.csv"),
        ("no/such/scores.csv", r"there is no folder '.*such'; make it first"),
        ("file.txt/scores.csv", r"there is no folder '.*file\.txt'"),
        ("folder.csv", r"'.*folder\.csv' is a folder; name a file in it"),
    ],
    ids=["other suffix", "no suffix", "no folder", "a file for a folder", "a folder"],
)
def test_a_wrong_path_is_told_before_any_work(
    frame: pd.DataFrame, tmp_path: Path, name: str, match: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(OutputError, match=match):
        check_target(tmp_path / name, suffixes=(".parquet", ".csv"))
    with pytest.raises(OutputError, match=match):
        write_table(frame, tmp_path / name)
    assert not leftovers(tmp_path, "folder.csv", "file.txt")


@contextmanager
def without_rights() -> Iterator[Path]:
    """A folder this process may not write in; root, who may write anywhere, becomes nobody for a while."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(dir="/tmp") as text:
        folder = Path(text)
        (folder / "scores.csv").write_text("earlier\n")
        folder.chmod(0o555)
        if root:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights are POSIX's")
def test_no_permission() -> None:
    with without_rights() as folder:
        with pytest.raises(OutputError, match=r"no permission to write in '.*'; allow it"):
            write_text("{}", folder / "new.json")
        assert (folder / "scores.csv").read_text() == "earlier\n"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights are POSIX's")
def test_a_protected_file_is_not_replaced() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as text:
        folder, path = Path(text), Path(text) / "scores.csv"
        path.write_text("earlier\n")
        path.chmod(0o444)
        folder.chmod(0o777)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            with pytest.raises(OutputError, match=r"scores\.csv' is write-protected"):
                write_text("new", path)
        finally:
            if root:
                os.seteuid(0)
        assert path.read_text() == "earlier\n"


FULL_DISK = """
import json, resource, signal, sys
import numpy as np, pandas as pd, pyarrow.parquet
from mqlml.errors import OutputError
from mqlml.scoring import write_table, write_text
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
frame = pd.DataFrame({"p": np.random.default_rng(0).random(100_000)})
said = {}
for path in sys.argv[1:]:
    try:
        write_text("x" * 100_000, path) if path.endswith(".html") else write_table(frame, path)
    except OutputError as error:
        said[path] = str(error)
print(json.dumps(said))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="size limits are POSIX's")
def test_a_full_disk_leaves_the_earlier_file_whole(tmp_path: Path) -> None:
    names = ("scores.csv", "scores.parquet", "report.html")
    for folder in ("earlier", "new"):
        (tmp_path / folder).mkdir()
    paths = [tmp_path / folder / name for folder in ("earlier", "new") for name in names]
    for path in paths[:3]:
        path.write_text("earlier\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    for path in paths:
        assert "no space is left for it (File too large)" in said[str(path)]
        kept = path.parent.name == "earlier"
        assert ("the earlier file is unchanged" in said[str(path)]) == kept
        assert path.exists() == kept
        assert not kept or path.read_text() == "earlier\n"
    assert leftovers(tmp_path / "earlier", *names) == leftovers(tmp_path / "new") == []


def test_a_failure_halfway_leaves_nothing_behind(tmp_path: Path) -> None:
    write_text("earlier", tmp_path / "s.parquet")
    odd = pd.DataFrame({"mixed": pd.Series([1, "a"], dtype="object")})
    with pytest.raises(Exception, match="mixed"):
        write_table(odd, tmp_path / "s.parquet")
    assert (tmp_path / "s.parquet").read_text() == "earlier"
    assert not leftovers(tmp_path, "s.parquet")


def test_a_folder_is_made_and_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b", option="--tables").is_dir()
    assert make_folder(tmp_path / "a" / "b", option="--tables") == tmp_path / "a" / "b"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--tables must name a folder to write into.*Name another folder"):
        make_folder(tmp_path / "file", option="--tables")
