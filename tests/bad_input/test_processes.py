"""What the system does to a process: no rights, a full disk, Ctrl-C, no git, no temporary folder, a closed pipe."""

from __future__ import annotations

import importlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.front_door import EARLIER, Desk, judge_words, leave_result, names_in, run
from tests.bad_input.worlds import flat_company

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights, limits and signals are POSIX's")

NOBODY = 65534


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path)
    flat_company(desk)
    desk.save()
    return desk


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the process puts its temporary files; empty before and, if all is well, afterwards."""
    return tmp_path_factory.mktemp("temporary")


def environment(temporary: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def start(*arguments: str, desk: Desk, temporary: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run mqlml in a process of its own; ``before`` is Python that runs first, as to lower a limit."""
    code = f"{before}\nfrom mqlml.cli import main\nmain({list(arguments)!r})"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=desk.folder,
        env=environment(temporary),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def without_rights(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """The same files in a folder that may only be read; root, whom no right stops, becomes nobody."""
    for command in (["check"], ["train", "--dry-run"]):  # so that all is imported that nobody may not read
        assert run(command, capsys)[0] == 0
    importlib.import_module("mqlml.simulate")
    folder = Path("/tmp") / f"mqlml-rights-{os.getpid()}"  # pytest's own folders are closed to nobody
    shutil.copytree(desk.folder, folder)
    closed = Desk(folder, desk.settings)
    leave_result(closed, "table.csv")
    folder.chmod(0o555)
    try:
        yield closed
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["table", "--out", "new.csv"],
            "'new.csv' cannot be written: no permission to write in '.*'; allow it, or",
        ),
        (
            ["table", "--out", "table.csv"],
            "'table.csv' cannot be written: no permission to write in '.*'; allow it, or",
        ),
        (
            ["train"],
            r"cannot create the store 'mlflow\.db' in '.*': no permission to write there; allow it, or",
        ),
        (["demo", "try"], "'try' cannot be made or written in: Permission denied; name another folder"),
    ],
    ids=["a-new-file", "an-earlier-file", "the-store", "the-demo"],
)
def test_no_permission(
    arguments: list[str],
    says: str,
    without_rights: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(without_rights.folder)
    before = names_in(without_rights.folder)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        code, out, err = run(arguments, capsys)
    finally:
        if root:
            os.seteuid(0)
    assert (code, out) == (4, "")
    judge_words(err, says)
    assert without_rights.path("table.csv").read_bytes() == EARLIER
    assert names_in(without_rights.folder) == before


def full(limit: int) -> str:
    """A disk that takes ``limit`` bytes a file: writing more fails, as it does where no space is left."""
    return (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    )


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_full_disk_leaves_the_earlier_table(name: str, desk: Desk, temporary: Path) -> None:
    earlier = leave_result(desk, name)
    before = names_in(desk.folder)
    done = start("table", "--out", name, desk=desk, temporary=temporary, before=full(1000))
    assert (done.returncode, done.stdout) == (4, "")
    judge_words(
        done.stderr, f"{name}' cannot be written: no space is left .*; the earlier file is unchanged. .* free"
    )
    assert earlier.read_bytes() == EARLIER
    assert names_in(desk.folder) == before


@pytest.mark.parametrize("limit", [20_000, 600_000], ids=["for the store", "for the tables of the store"])
def test_a_full_disk_registers_nothing_and_spoils_nothing(
    limit: int, desk: Desk, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = start("train", "--json", desk=desk, temporary=temporary, before=full(limit))
    assert done.returncode == 4
    says = "the MLflow store .* cannot be written: the disk is full or failing; free some space on it"
    message = judge_words(done.stderr, says)
    assert json.loads(done.stdout)["error"]["message"] == message
    assert not list(temporary.iterdir())
    assert not [name for name in names_in(desk.folder) if name.endswith((".part", "-journal"))]
    assert run(["report"], capsys)[0] == 1  # there is no version
    code, out, err = run(["train", "--json"], capsys)
    assert (code, err, json.loads(out)["version"]) == (0, "", 1)


def test_no_folder_for_temporary_files(desk: Desk, temporary: Path) -> None:
    lost = "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/proc/none']"
    done = start("train", desk=desk, temporary=temporary, before=lost)
    assert done.returncode == 4
    judge_words(
        done.stderr, "the system refused: No usable temporary directory found in .*; check that the disk"
    )


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "terminated"]
)
def test_a_signal_leaves_nothing_behind(sent: signal.Signals, code: int, desk: Desk, temporary: Path) -> None:
    flat_company(desk, n=60_000)  # so that training is still going when the key is pressed
    desk.save()
    # What a shell starts in the background, and all that it starts, would ignore the key.
    at_a_terminal = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{at_a_terminal}; from mqlml.__main__ import main; main()",
            "train",
        ],
        cwd=desk.folder,
        env=environment(temporary),
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    try:
        while b"features:" not in shown:  # on a terminal each step is told when it is done
            shown += os.read(master, 4096)
        process.send_signal(sent)
        shown = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
            shown += part
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(master)
    assert process.returncode == code
    assert out == b""
    last = shown.decode().replace("\r", "\n").split("\n")
    assert [line for line in last if line.strip()][
        -1
    ] == "mqlml: stopped; nothing half-written was left behind"
    assert b"Traceback" not in shown
    assert not list(temporary.iterdir())
    assert names_in(desk.folder) == {"flat.csv", "mqlml.yml"}


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "terminated"]
)
@pytest.mark.parametrize("after", [0.0, 0.2])
def test_a_signal_in_the_first_moments(
    sent: signal.Signals, code: int, after: float, desk: Desk, temporary: Path
) -> None:
    """From when the entry point has begun: before that there is only Python itself."""
    announced = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    announced += "import sys; sys.argv[1:] = ['train']; import mqlml.__main__ as entry\n"
    announced += "real = entry.signal.signal\n"
    announced += "entry.signal.signal = lambda *a: (real(*a), a[0] == 15 and print('begun', flush=True))\n"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{announced}entry.main()"],
        cwd=desk.folder,
        env=environment(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    time.sleep(after)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in err
    assert not list(temporary.iterdir())


def test_git_is_not_needed(
    desk: Desk,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tools = tmp_path_factory.mktemp("tools")
    for name in ("cat", "lscpu"):  # joblib counts cores with one of them
        if (found := shutil.which(name)) is not None:
            (tools / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))
    assert shutil.which("git") is None
    code, out, err = run(["train", "--json"], capsys)
    assert (code, err, json.loads(out)["version"]) == (0, "", 1)
    (manifest,) = desk.folder.glob("models/artifacts/models/*/artifacts/artifacts/bundle/manifest.json")
    assert json.loads(manifest.read_text())["git_commit"] is None


def test_a_reader_who_leaves_early_is_no_error_of_ours(desk: Desk, temporary: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from mqlml.cli import main; main(['check'])"],
        cwd=desk.folder,
        env=environment(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) in (0, 1)
    assert b"Traceback" not in err


def test_output_onto_a_full_device(desk: Desk, temporary: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as device:
        done = subprocess.run(
            [sys.executable, "-c", "from mqlml.cli import main; main(['check'])"],
            cwd=desk.folder,
            env=environment(temporary),
            stdout=device,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4
    judge_words(done.stderr, "the system refused: No space left on device; check that the disk")
