"""Counts the files of mqlml that work on one event row, and on one ``train``.

A file counts where one of its functions is called (importing it does not count). Run as::

    python benchmarks/trace.py            # this tree
    python benchmarks/trace.py TREE       # another checkout, for comparison

On this tree it takes about two minutes; ``--list`` names the files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def touched(work: Callable[[], object]) -> list[str]:
    """The files of mqlml with a function that is called while ``work`` runs, in this and other threads."""
    import threading

    import mqlml

    package = str(Path(mqlml.__file__).parent) + os.sep
    seen: set[str] = set()

    def note(frame: object, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code  # type: ignore[attr-defined]
            if code.co_filename.startswith(package) and code.co_name != "<module>":
                seen.add(code.co_filename.removeprefix(package))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return sorted(seen)


def run(*arguments: str) -> None:
    from mqlml.cli import main

    with (
        contextlib.suppress(SystemExit),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        main(list(arguments))


def trace_event(config_path: Path) -> list[str]:
    """The files between the events file and a finished feature table: reading, planning, building."""
    from mqlml.config import read_config
    from mqlml.features import build_features, plan_features
    from mqlml.journeys import read_journeys
    from mqlml.training import build_snapshots

    config = read_config(config_path)

    def work() -> None:
        journeys = read_journeys(config)
        snapshots = build_snapshots(journeys, config.problem).table
        plan = plan_features(journeys, config, before=journeys.observed_until)
        build_features(journeys, snapshots, plan)

    return touched(work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tree", type=Path, nargs="?", default=HERE)
    parser.add_argument("--list", action="store_true", help="name the files")
    asked = parser.parse_args()
    if Path(os.environ.get("MQLML_TRACED", "")) != asked.tree.resolve():
        known = {
            **os.environ,
            "MQLML_TRACED": str(asked.tree.resolve()),
            "PYTHONPATH": str(asked.tree.resolve()),
        }
        sys.exit(subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=known, check=False).returncode)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "demo" / "mqlml.yml"
        run("demo", str(config.parent))
        for name, files in (
            ("an event row, from CSV to feature value", trace_event(config)),
            ("one train", touched(lambda: run("train", "--config", str(config)))),
        ):
            print(f"{name}: {len(files)} files")
            if asked.list:
                print("".join(f"  {file}\n" for file in files), end="")


if __name__ == "__main__":
    main()
