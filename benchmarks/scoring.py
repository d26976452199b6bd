"""CPU seconds and memory of the nightly job, from files to labeled and explained scores, beside its peers.

    python benchmarks/scoring.py                                  # a million open leads, about 19 million events
    python benchmarks/scoring.py --leads 100000 --old ../before   # beside another checkout, in the same run
    python benchmarks/scoring.py --old ../before --repeats 3 --only old "in memory"   # medians of pairs
    python benchmarks/scoring.py --leads 100000 --only parts "parts, event_id"
    PYTHONPATH=. python benchmarks/scoring.py --leads 100000 --postgres   # from and to a server on this machine

A version is trained on a simulated company. Its leads that are open on the last day are then replicated, with their
accounts and events, up to the size asked for. Each run is a process of its own; CPU seconds are those of all its
threads, the peak is that of its resident memory. ``bare`` reads the columns, sorts by lead and time, predicts with
trees and writes the result, with no check and no reason: what no job of this kind can avoid. ``pandas`` does the same
work on a tenth of the leads by merge and group, scikit-learn and shap.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from mqlml.simulate import simulate

Result = TypeVar("Result")

HERE = Path(__file__).resolve().parents[1]
"""The checkout that is measured."""

BASE_LEADS = 8_000
"""Leads of the company that is simulated; its open leads are replicated."""

OWN = """
import sys
# An installed checkout must not stand in for a module that the measured one does not have.
installed = [finder for finder in sys.meta_path if getattr(finder, "__module__", "").startswith("__editable__")]
for finder in installed:
    sys.meta_path.remove(finder)
"""

JOB = (
    OWN
    + """
import contextlib, datetime as dt, json, time
try:
    from mqlml.commands.score import score_leads
    from mqlml.progress import Silent
except ModuleNotFoundError:  # a checkout of before these modules
    from mqlml.pipeline import Silent, score_leads
steps = {"start-up": time.process_time()}
class Steps(Silent):
    @contextlib.contextmanager
    def step(self, name):
        start = time.process_time()
        yield
        steps[name] = steps.get(name, 0) + time.process_time() - start
config, as_of, out = sys.argv[1:4]
more = json.loads(sys.argv[4])
if more:
    from mqlml.commands.score import ScoreOptions
    more = {"options": ScoreOptions(**more)}
now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
result = score_leads(config, as_of=as_of, out=out, now=now, progress=Steps(), **more)
leads = result["leads"] if isinstance(result, dict) else result.leads
print(json.dumps({"leads": leads, "steps": {k: round(v, 1) for k, v in steps.items()}}))
"""
)

BARE = """
import json, sys
import numpy as np, pyarrow as pa, pyarrow.dataset as ds, pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingClassifier
folder, out = sys.argv[1:3]
leads = pq.read_table(folder + "/leads.parquet", columns=["lead_id"])
events = ds.dataset(folder + "/events").to_table(columns=["lead_id", "occurred_at", "action"])
lead = events["lead_id"].to_numpy()
order = np.lexsort((events["occurred_at"].cast(pa.int64()).to_numpy(), lead))
counts = np.bincount(lead[order] - lead.min(), minlength=1)
rows = len(leads)
draw = np.random.default_rng(0)
X = np.asfortranarray(draw.normal(size=(20_000, 150)))
model = HistGradientBoostingClassifier(max_iter=120, max_leaf_nodes=8, early_stopping=False).fit(
    X, draw.random(20_000) < 0.1 + 0.2 * (X[:, 0] > 1))
matrix = np.asfortranarray(X[:4096])
raw = np.concatenate([model.decision_function(matrix[: min(4096, rows - low)]) for low in range(0, rows, 4096)])
pq.write_table(pa.table({"lead_id": leads["lead_id"], "raw_score": raw}), out, compression="zstd")
print(json.dumps({"leads": rows, "steps": {}}))
"""

PANDAS = """
import json, sys
import numpy as np, pandas as pd, shap
from sklearn.ensemble import HistGradientBoostingClassifier
folder, out, as_of, share = sys.argv[1], sys.argv[2], pd.Timestamp(sys.argv[3], tz="UTC"), float(sys.argv[4])
leads = pd.read_parquet(folder + "/leads.parquet")
leads = leads.iloc[: int(len(leads) * share)]
events = pd.read_parquet(folder + "/events", filters=[("lead_id", "<=", leads["lead_id"].max())])
events = events[(events["occurred_at"] < as_of) & (events["recorded_at"] < as_of)]
found = {"age": (as_of - leads.set_index("lead_id")["created_at"]).dt.days}
actions = events["action"].value_counts().index[:12]
for days in (7, 30, 90, 10_000):
    recent = events[events["occurred_at"] >= as_of - pd.Timedelta(days=days)]
    counts = recent.groupby(["lead_id", "action"], observed=True).size().unstack(fill_value=0)
    for action in actions:
        if action in counts:
            found[f"{action} {days}"] = counts[action]
    found[f"channels {days}"] = recent.groupby("lead_id")["channel"].nunique()
last = events.groupby(["lead_id", "action"], observed=True)["occurred_at"].max().unstack()
for action in actions:
    found[f"since {action}"] = (as_of - last[action]).dt.days
X = pd.DataFrame(found).reindex(leads["lead_id"]).astype(float)
draw = np.random.default_rng(0)
label = draw.random(len(X)) < 0.05 + 0.1 * (X["age"].rank(pct=True) < 0.2)
model = HistGradientBoostingClassifier(max_iter=120, max_leaf_nodes=8, early_stopping=False)
model.fit(X.iloc[:20_000], label[:20_000])
probability = model.predict_proba(X)[:, 1]
values = shap.TreeExplainer(model).shap_values(X.to_numpy())
strongest = np.argsort(-values, axis=1)[:, :3]
names = np.array(X.columns)
reasons = {}
for n in range(3):
    held = X.to_numpy()[np.arange(len(X)), strongest[:, n]]
    reasons[f"reason_{n + 1}"] = [f"{names[c]} is {v:g}" for c, v in zip(strongest[:, n], held)]
label = np.where(probability >= 0.2, "sql", np.where(probability >= 0.1, "mql", "unqualified"))
table = pd.DataFrame({"lead_id": X.index, "probability": probability, "label": label, **reasons})
table.sort_values("probability", ascending=False).to_parquet(out)
print(json.dumps({"leads": len(X), "steps": {}}))
"""


@dataclass(frozen=True)
class World:
    """A folder with a version, and the journeys to score on its last day."""

    folder: Path
    as_of: str
    leads: int
    events: int


def make_world(folder: Path, leads: int) -> World:
    """Simulate a company, and replicate its open leads."""
    world = simulate(BASE_LEADS, random_state=1, activity=0.53)
    as_of = f"{world.observed_until:%Y-%m-%d}"
    history = folder / "history"
    history.mkdir()
    for name, table in (("leads", world.leads), ("events", world.events), ("outcomes", world.outcomes)):
        table.to_parquet(history / f"{name}.parquet", index=False)
    closed = world.outcomes.loc[world.outcomes["stage"].isin(["closed_won", "closed_lost"]), "lead_id"]
    people = world.leads[~world.leads["lead_id"].isin(closed)].reset_index(drop=True)
    acts = world.events[world.events["lead_id"].isin(people["lead_id"])].reset_index(drop=True)
    copies = -(-leads // len(people))
    shift = int(people["lead_id"].max()) + 1
    (folder / "events").mkdir()
    (folder / "events_with_ids").mkdir()
    copied, events = [], 0
    for number in range(copies):
        more = people.copy() if number < copies - 1 else people.iloc[: leads - number * len(people)].copy()
        own = acts if len(more) == len(people) else acts[acts["lead_id"].isin(more["lead_id"])]
        more["lead_id"] += number * shift
        known = more["account_id"].notna()
        more["account_id"] = more["account_id"].where(~known, f"{number}-" + more["account_id"].astype("str"))
        copied.append(more)
        own = own.assign(lead_id=own["lead_id"] + number * shift)
        table = pa.Table.from_pandas(own, preserve_index=False)
        pq.write_table(table, folder / "events" / f"{number:04d}.parquet", compression="zstd")
        ids = pa.array(np.char.add("evt-", (events + np.arange(len(own))).astype(np.str_)))
        pq.write_table(
            table.append_column("event_id", ids), folder / "events_with_ids" / f"{number:04d}.parquet"
        )
        events += len(own)
    pd.concat(copied).to_parquet(folder / "leads.parquet", index=False)
    one = world.outcomes.iloc[:1].assign(lead_id=people["lead_id"].iloc[0])
    one.to_parquet(folder / "outcomes.parquet", index=False)
    return World(folder, as_of, leads, events)


def train_version(world: World, store: str, tree: Path | None) -> None:
    """Train a version with a checkout of mqlml, and write the configs that score with it, unless that was done."""
    folder, until = world.folder, world.as_of
    if (folder / store).exists():
        return
    write_config(folder / f"{store}-train.yml", until, "history", "history/events.parquet", store)
    write_config(folder / f"{store}-plain.yml", until, ".", "events", store)
    write_config(folder / f"{store}-ids.yml", until, ".", "events_with_ids", store)
    program = OWN + "from mqlml.cli import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        program,
        "train",
        "--config",
        str(folder / f"{store}-train.yml"),
        "--json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tree, env=environment_of(tree)
    )
    if done.returncode:
        raise SystemExit(f"the version was not trained: {done.stdout[-500:]}{done.stderr[-2000:]}")


def environment_of(tree: Path | None) -> dict[str, str]:
    """Of a run from a checkout; modules are compiled once and kept, as where mqlml is installed."""
    found = {**os.environ, "PYTHONPATH": str((tree or HERE).absolute())}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "mqlml-benchmark-modules")} | found


def write_config(
    path: Path, until: str, tables: str, events: str, store: str, url: str | None = None
) -> None:
    read = {
        "leads": {"path": f"{tables}/leads.parquet"},
        "events": {"path": events},
        "outcomes": {"path": f"{tables}/outcomes.parquet"},
    }
    if url is not None:
        read = {name: {"sql": f"SELECT * FROM {name}", "url": url} for name in read}
    config = {
        "name": "big",
        "data": {"observed_until": until, **read},
        "problem": {
            "horizon": "60d",
            "snapshots": {"ages": ["0d", "7d", "30d"]},
            "age_limits": ["0d", "4000d"],
        },
        "tracking": {"uri": f"sqlite:///{store}/mlflow.db"},
        "labels": {
            "mql": {"policy": "fixed", "value": 0.05},
            "sql": {"policy": "fixed", "value": 0.15},
        },
    }
    path.write_text(json.dumps(config), encoding="utf-8")


def measure(command: list[str], tree: Path | None = None) -> dict[str, Any]:
    """Run a command; its CPU seconds, seconds and peak of memory beside what it prints."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment_of(tree), cwd=tree)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a run ended with {process.returncode}: {printed[-1000:]}")
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    spent = used.ru_utime + used.ru_stime
    return json.loads(printed) | {"cpu": spent, "wall": time.perf_counter() - begin, "peak": peak}


def load_tables(folder: Path, url: str) -> None:
    """Write the tables of a world into a database."""
    from adbc_driver_postgresql import dbapi

    with contextlib.closing(dbapi.connect(url)) as connection:
        for name in ("leads", "outcomes", "events"):
            path = folder / (name if name == "events" else f"{name}.parquet")
            plain = [
                field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
                for field in ds.dataset(path).schema
            ]
            rows = ds.dataset(path, schema=pa.schema(plain)).scanner(batch_size=1 << 16).to_reader()
            with contextlib.closing(connection.cursor()) as cursor:
                cursor.adbc_ingest(name, rows, mode="create")
        connection.commit()


def apart(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do something in a process of its own: the system counts the peak of this one as that of the runs it starts."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


@contextlib.contextmanager
def server_of(world: World) -> Iterator[tuple[str, Path]]:
    """A PostgreSQL server with the tables of a world; its URL, and where the system counts its CPU seconds."""
    from tests.scoring.company import make_database, running_server

    with running_server() as server:
        url = make_database(server, "big")
        apart(load_tables, world.folder, url)
        write_config(world.folder / "models-postgres.yml", world.as_of, "", "", "models", url)
        postmaster = (Path(server.pgdata) / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        yield url, Path("/proc") / postmaster / "stat"


def server_seconds(stat: Path) -> float:
    """CPU seconds of the server's processes that have ended, as those of a job's connections."""
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def print_run(run: str, done: dict[str, Any]) -> None:
    steps = ", ".join(f"{step} {spent}" for step, spent in done["steps"].items())
    print(
        f"| {run} | {done['leads']:,} | {done['cpu']:.1f} | {done['cpu'] / done['leads'] * 1e6:.1f} "
        f"| {done['wall']:.0f} | {done['peak'] / 1e9:.2f} | {steps} |",
        flush=True,
    )


def print_ratios(spent: dict[str, list[float]]) -> None:
    """The median over the repeats of each run's CPU seconds, and of their ratio to the old checkout's."""
    for run, seconds in spent.items():
        old = spent.get("old, event_id" if run.endswith("event_id") else "old")
        pairs = None if old is None else [one / other for one, other in zip(seconds, old, strict=True)]
        ratio = "" if pairs is None else f", {statistics.median(pairs):.2f} of old"
        print(f"{run}: median {statistics.median(seconds):.1f} CPU s{ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--old", type=Path, help="a checkout of another version, run in the same way")
    parser.add_argument("--repeats", type=int, default=1, help="rounds, each of all runs one after another")
    parser.add_argument("--only", nargs="+", help="names of runs")
    parser.add_argument("--limit", default="1.5GB", help="memory_limit of the runs in parts")
    parser.add_argument(
        "--postgres", action="store_true", help="also from a PostgreSQL server and back to it"
    )
    parser.add_argument("--folder", type=Path, help="keep the data here, or use what is here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        described = folder / "world.json"
        if described.exists():
            world = World(folder, **json.loads(described.read_text(encoding="utf-8")))
        else:
            folder.mkdir(exist_ok=True)
            world = apart(make_world, folder, options.leads)
            described.write_text(
                json.dumps({"as_of": world.as_of, "leads": world.leads, "events": world.events}),
                encoding="utf-8",
            )
        print(f"{world.leads:,} open leads, {world.events:,} events\n")
        print("| run | leads | CPU s | CPU s a million leads | wall s | peak GB | CPU s of the steps |")
        print("|---|---|---|---|---|---|---|")
        spent: dict[str, list[float]] = {}
        for number in range(options.repeats):
            for run, (command, tree) in runs(world, options.old, options.limit).items():
                if options.only is None or run in options.only:
                    done = measure(command, tree)
                    spent.setdefault(run, []).append(done["cpu"])
                    print_run(f"{run}, {number + 1}" if options.repeats > 1 else run, done)
        print_ratios(spent)
        if options.postgres:
            with server_of(world) as (url, stat):
                for night in ("first night", "the same night again"):
                    before = server_seconds(stat)
                    more = json.dumps({"memory_limit": options.limit})
                    arguments = [str(folder / "models-postgres.yml"), world.as_of, url, more]
                    done = measure([sys.executable, "-c", JOB, *arguments])
                    name = f"PostgreSQL to PostgreSQL, {night}"
                    print_run(f"{name} (server {server_seconds(stat) - before:.1f} CPU s)", done)


def runs(world: World, old: Path | None, limit: str) -> dict[str, tuple[list[str], Path | None]]:
    """The command of each run, and the checkout it takes mqlml from."""
    folder = world.folder

    def job(config: str, store: str = "models", **more: object) -> list[str]:
        target = folder / f"{store}-{config}.scores.parquet"
        arguments = [str(folder / f"{store}-{config}.yml"), world.as_of, str(target), json.dumps(more)]
        return [sys.executable, "-c", JOB, *arguments]

    found: dict[str, tuple[list[str], Path | None]] = {}
    if old is not None:
        train_version(world, "models-old", old)
        found |= {
            "old": (job("plain", "models-old"), old.absolute()),
            "old, event_id": (job("ids", "models-old"), old.absolute()),
        }
    train_version(world, "models", None)
    found |= {
        "parts": (job("plain", memory_limit=limit), None),
        "parts, event_id": (job("ids", memory_limit=limit), None),
        "in memory": (job("plain", memory_limit="16GB"), None),
        "in memory, event_id": (job("ids", memory_limit="16GB"), None),
        "bare": ([sys.executable, "-c", BARE, str(folder), str(folder / "bare.parquet")], None),
        "pandas, a tenth": (
            [sys.executable, "-c", PANDAS, str(folder), str(folder / "pandas.parquet"), world.as_of, "0.1"],
            None,
        ),
    }
    return found


if __name__ == "__main__":
    main()
