"""Records what mqlml computes on the demo and on the real sets, and compares two recordings.

A change of the code that must not change results is recorded before and after::

    python benchmarks/record.py record before
    python benchmarks/record.py record after
    python benchmarks/record.py compare before after

For each set a folder holds ``table.json`` (the type and the SHA-256 of every column of the training table),
``holdout.parquet`` (the held-out predictions), ``train.json`` (what ``train --json`` prints, thresholds included)
and, where a version was registered, ``scores.csv``. The real sets are found at ``$MQLML_REAL_DATA`` or in
``../shared/data``; one that is absent is left out, saying so.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import hashlib
import io
import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mqlml import cli
from mqlml.commands import learn

ROOT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("MQLML_REAL_DATA", ROOT.parent / "shared" / "data"))
NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)

SETS = {
    "demo": "2025-06-24",
    "olist": "2018-06-01",
    "relax": "2014-06-06",
    "codecademy": None,
    "xeducation": None,
}
SETS |= {"dbt_crm": None}
"""Each set, and as of when its open leads are scored; a flat table has no such moment."""

TOLERANCE = 1e-9

VARIES = re.compile(r"(^|\.)(seconds|run_id|git_commit|sha256|out|folder)(\.|$)")
"""Paths in the JSON that differ from run to run."""

RENAMED: dict[str, str] = {
    # Numbers with an interval are one estimate everywhere.
    r"^((?:holdout|by_age\.[^.]+|baselines\.[^.]+)\.(?:ece|lift_top_decile))$": r"\1.value",
    r"^((?:holdout|by_age\.[^.]+|baselines\.[^.]+)\.(?:ece|lift_top_decile))_(low|high)$": r"\1.\2",
    r"^(labels\.[^.]+\.(?:precision|recall|per_week|value)|promoted\.\d+\.precision)$": r"\1.value",
    r"^(labels\.[^.]+\.(?:precision|recall|per_week|value)|promoted\.\d+\.precision)_(low|high)$": r"\1.\2",
    r"^(importance\.(?:families|features|groups)\.\d+)\.drop$": r"\1.drop.value",
    r"^(importance\.(?:families|features|groups)\.\d+)\.(low|high)$": r"\1.drop.\2",
    # Standard terms.
    r"^(labels\.[^.]+)\.promised\.": r"\1.predicted.",
    r"^(labels\.[^.]+)\.kept\.": r"\1.within_range.",
    r"^(labels\.[^.]+)\.judged_at$": r"\1.evaluated_at",
    r"^placements\.": "fit_by_engagement.",
    r"^(slices\.\d+|fit_by_engagement\.\d+|calibration\.periods\.\d+)\.promised$": r"\1.predicted",
    r"^(calibration\.periods\.\d+)\.came$": r"\1.observed",
    r"^(slices\.\d+)\.too_much\.": r"\1.overprediction.",
    r"^choice\.forward_log_loss\.": "choice.out_of_time_log_loss.",
    r"^(choice\.trials\.\d+)\.forward_log_loss$": r"\1.out_of_time_log_loss",
}
"""Paths (patterns) in the JSON of the older recording, and what they are called now."""


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command in this process; its exit code and the JSON that it printed."""
    out = io.StringIO()
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            cli.main([*arguments, "--json"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, json.loads(out.getvalue())


@contextlib.contextmanager
def held_out(target: Path) -> Iterator[None]:
    """Keep the held-out predictions of whatever is trained meanwhile."""
    evaluate = learn.evaluate_model

    def keeping(fitted: Any, calibrator: Any, table: Any, interest: Any) -> Any:
        evaluated = evaluate(fitted, calibrator, table, interest)
        last = table.holdout.test
        frame = pd.DataFrame(
            {
                "lead_id": table.lead_id.iloc[last].astype(str).to_numpy(),
                "time": table.time[last],
                "label": np.asarray(table.label[last], np.int64),
                "raw": evaluated.raw,
                "probability": evaluated.probability,
            }
        )
        frame.to_parquet(target)
        return evaluated

    learn.evaluate_model = keeping
    try:
        yield
    finally:
        learn.evaluate_model = evaluate


def hash_columns(path: Path) -> dict[str, Any]:
    """Rows, and type and SHA-256 of every column, of a table in a Parquet file."""
    table = pd.read_parquet(path)
    columns = {}
    for name in table:
        values = table[name]
        if pd.api.types.is_numeric_dtype(values.dtype):
            content = np.ascontiguousarray(values.to_numpy()).tobytes()
        else:
            content = "\n".join(values.astype("str").fillna("\0").tolist()).encode()
        columns[str(name)] = [str(values.dtype), hashlib.sha256(content).hexdigest()]
    return {"rows": len(table), "columns": columns}


def record(folder: Path, names: list[str]) -> None:
    """Record the named sets into a folder, one subfolder each."""
    cli.data.now = cli.model.now = cli.scores.now = lambda: NOW
    os.environ["MQLML_REAL_DATA"] = str(REAL)
    for name in names:
        if name != "demo" and not (REAL / name).is_dir():
            print(f"{name}: not in {REAL}, left out")
            continue
        target = folder / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            if name == "demo":
                run("demo", str(place / "made"))
                config = place / "demo" / "mqlml.yml"  # the same company with a store of its own
                shutil.copytree(place / "made" / "data", config.parent / "data")
                shutil.copy(place / "made" / "mqlml.yml", config)
            else:
                config = place / f"{name}.yml"
                shutil.copy(ROOT / "examples" / config.name, config)
            run("table", "--config", str(config), "--out", str(place / "table.parquet"))
            (target / "table.json").write_text(json.dumps(hash_columns(place / "table.parquet"), indent=1))
            with held_out(target / "holdout.parquet"):
                code, trained = run("train", "--config", str(config))
            (target / "train.json").write_text(json.dumps({"exit": code, **trained}, indent=1))
            if code == 0:
                moment = [] if SETS[name] is None else ["--as-of", str(SETS[name])]
                failed, scored = run(
                    "score", "--config", str(config), "--out", str(target / "scores.csv"), *moment
                )
                if failed:  # a flat table without open leads has nobody to score
                    print(f"{name}: not scored, {scored['error']['message']}")
        print(f"{name}: recorded, train ended with {code}", flush=True)


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value under its path, but for nulls: a value that is missing may have no key either."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from flatten(inner, f"{path}.{place}")
    elif value is not None:
        yield path, value


def rename(path: str) -> str:
    """A path of the older recording as it is called now."""
    for pattern, replacement in RENAMED.items():
        path = re.sub(pattern, replacement, path)
    return path


def same(before: Any, after: Any) -> bool:
    """Whether two values are equal: numbers within the tolerance, times by the instant."""
    numbers = (int, float)
    if isinstance(before, numbers) and isinstance(after, numbers) and not isinstance(before, bool):
        both_missing = math.isnan(before) and math.isnan(after)
        return both_missing or abs(before - after) <= TOLERANCE * max(1.0, abs(before))
    return bool(before == after)


def differ_json(before: Path, after: Path, *, texts: bool) -> list[str]:
    old = {rename(path): value for path, value in flatten(json.loads(before.read_text()))}
    new = dict(flatten(json.loads(after.read_text())))
    found = []
    for path in sorted(old.keys() | new.keys()):
        if VARIES.search(path):
            continue
        if path not in new:
            found.append(f"gone: {path} = {old[path]!r}")
        elif path not in old:
            found.append(f"new: {path} = {new[path]!r}")
        elif not same(old[path], new[path]) and (texts or not isinstance(old[path], str)):
            found.append(f"{path}: {old[path]!r} -> {new[path]!r}")
    return found


def differ_tables(
    before: Path, after: Path, read: Callable[[Path], pd.DataFrame], *, texts: bool
) -> list[str]:
    old, new = read(before), read(after)
    if list(old) != list(new) or len(old) != len(new):
        return [f"{before.name}: {len(old)} x {list(old)} -> {len(new)} x {list(new)}"]
    found = []
    for name in old:
        if VARIES.search(str(name)) or (not texts and re.match(r"(reason|against)_|label_reason", str(name))):
            continue
        if pd.api.types.is_float_dtype(old[name].dtype):
            equal = np.isclose(old[name], new[name], rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        else:
            equal = (old[name].eq(new[name]) | (old[name].isna() & new[name].isna())).to_numpy()
        if not equal.all():
            row = int(np.flatnonzero(~equal)[0])
            found.append(
                f"{before.name} {name}: {(~equal).sum()} of {len(old)} rows, as row {row}: "
                f"{old[name].iloc[row]!r} -> {new[name].iloc[row]!r}"
            )
    return found


def compare(before: Path, after: Path, *, texts: bool) -> int:
    """Print what differs, set by set; the number of differences."""
    total = 0
    for old in sorted(folder for folder in before.iterdir() if (after / folder.name).is_dir()):
        new = after / old.name
        found = []
        for name in sorted({path.name for path in (*old.iterdir(), *new.iterdir())}):
            if not (old / name).exists() or not (new / name).exists():
                found.append(f"{name} is in one recording only")
            elif name == "holdout.parquet":
                found += differ_tables(old / name, new / name, pd.read_parquet, texts=texts)
            elif name == "scores.csv":
                found += differ_tables(old / name, new / name, pd.read_csv, texts=texts)
            else:
                found += differ_json(old / name, new / name, texts=texts)
        print(f"{old.name}: {len(found)} differences")
        for line in found:
            print(f"  {line}")
        total += len(found)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record into FOLDER")
    recording.add_argument("folder", type=Path)
    recording.add_argument("names", nargs="*", default=list(SETS), help="only these sets")
    comparing = commands.add_parser("compare", help="print what differs between two recordings")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--texts", action="store_true", help="compare texts for people, too")
    asked = parser.parse_args()
    if asked.command == "record":
        record(asked.folder, asked.names)
    else:
        sys.exit(1 if compare(asked.before, asked.after, texts=asked.texts) else 0)


if __name__ == "__main__":
    main()
