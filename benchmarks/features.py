"""How fast features are made: mqlml against plain pandas and Polars, from Parquet files to a table in memory.

Every engine makes the same features of the same snapshots from the same files, in a process of its own, once to
warm up and then ``--repeats`` times; the median of its CPU seconds (all threads) and of its wall seconds are shown,
and its table is compared with the others'. ``python benchmarks/features.py --help`` lists the sizes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000
START = 1_640_995_200_000_000  # 2022-01-01 in microseconds
WINDOWS = {"7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "all": None}
PAUSE = DAY // 48
KEPT_ACTIONS = 12
KEPT_CHANNELS = 4

SIZES = {
    "tiny": (500, 10_000, 1_500),
    "small": (10_000, 500_000, 15_000),
    "issue": (100_000, 5_000_000, 150_000),
    "many": (10_000, 500_000, 200_000),
    "twice the events": (100_000, 10_000_000, 150_000),
    "twice the leads": (200_000, 5_000_000, 150_000),
    "twice the snapshots": (100_000, 5_000_000, 300_000),
    "a year of weeks": (10_000, 500_000, 520_000),
}
"""Leads, events, snapshots."""

Table = pd.DataFrame


def make_files(folder: Path, leads: int, events: int, snapshots: int, *, seed: int) -> None:
    """Journeys from a seed: a log in order of time, 20 actions, 6 channels, visits of several acts, 2 % late rows."""
    rng = np.random.default_rng(seed)
    created = START + rng.integers(0, 365 * DAY, leads)
    lead = rng.choice(leads, events, p=rng.dirichlet(np.full(leads, 2.0)))
    occurred = created[lead] + (rng.exponential(45 * DAY, events)).astype(np.int64)
    follows = rng.random(events) < 0.4  # an act a few minutes after another of the same lead
    earlier = np.lexsort((occurred, lead))
    after = np.roll(occurred[earlier], 1) + rng.integers(1, 40 * 60_000_000, events)
    same = np.roll(lead[earlier], 1) == lead[earlier]
    occurred[earlier] = np.where(follows & same, after, occurred[earlier])
    late = (rng.random(events) < 0.02) * rng.integers(0, 3 * DAY, events)
    order = np.argsort(occurred, kind="stable")
    weights = rng.dirichlet(np.full(20, 2.0))
    columns = {
        "lead_id": lead[order],
        "occurred_at": pa.array(occurred[order], pa.timestamp("us", "UTC")),
        "recorded_at": pa.array((occurred + late)[order], pa.timestamp("us", "UTC")),
        "action": _words("act", 20, rng.choice(20, events, p=weights)),
        "channel": _words("channel", 6, rng.choice(6, events)),
        "value": pa.array(np.round(rng.gamma(2.0, 30.0, events), 2), mask=rng.random(events) < 0.3),
    }
    pq.write_table(pa.table(columns), folder / "events.parquet")
    pq.write_table(
        pa.table({"lead_id": np.arange(leads), "created_at": pa.array(created, pa.timestamp("us", "UTC"))}),
        folder / "leads.parquet",
    )
    asked = np.concatenate(
        [np.arange(min(leads, snapshots)), rng.integers(0, leads, max(0, snapshots - leads))]
    )
    cutoff = created[asked] + rng.integers(0, 180 * DAY, snapshots)
    place = rng.permutation(snapshots)
    pq.write_table(
        pa.table(
            {"lead_id": asked[place], "cutoff_time": pa.array(cutoff[place], pa.timestamp("us", "UTC"))}
        ),
        folder / "snapshots.parquet",
    )


def _words(stem: str, number: int, codes: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int8)), [f"{stem}_{i}" for i in range(number)]
    )


# mqlml -------------------------------------------------------------------------------------------------------------


def _read_journeys(folder: Path) -> tuple[Any, Table]:
    from mqlml.journeys import Journeys
    from mqlml.journeys.contract import empty_table

    events = pq.read_table(folder / "events.parquet", read_dictionary=["action", "channel"]).to_pandas()
    journeys = Journeys(
        leads=pq.read_table(folder / "leads.parquet").to_pandas(),
        events=events,
        outcomes=empty_table("outcomes"),
        history=empty_table("history"),
        observed_until=pd.Timestamp("2030-01-01", tz="UTC").to_pydatetime(),
        quarantine=pd.DataFrame(),
        rows_read={},
    )
    return journeys, pq.read_table(folder / "snapshots.parquet").to_pandas()


def write_plan(folder: Path) -> None:
    """Learn once which words are kept; all engines are given the same ones."""
    from mqlml.config import make_config
    from mqlml.features import plan_features

    config = make_config(
        {
            "name": "benchmark",
            "data": {
                "observed_until": "2030-01-01",
                "leads": {"path": "leads.parquet"},
                "outcomes": {"path": "none", "stage": "closed_won"},
            },
            "windows": list(WINDOWS),
            "features": {"max_actions": KEPT_ACTIONS, "max_channels": KEPT_CHANNELS},
        },
        folder=folder,
    )
    plan = plan_features(_read_journeys(folder)[0], config, before=None)
    (folder / "plan.json").write_text(json.dumps(plan.to_dict()))


def _plan(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return plan


def with_mqlml(folder: Path) -> Callable[[], Table]:
    """Read, then build."""
    from mqlml.features import FeaturePlan, build_features

    plan = FeaturePlan.from_dict(_plan(folder))
    return lambda: build_features(*_read_journeys(folder), plan)


def with_mqlml_in_memory(folder: Path) -> Callable[[], Table]:
    """Build only, from journeys already in memory."""
    from mqlml.features import FeaturePlan, build_features

    plan = FeaturePlan.from_dict(_plan(folder))
    journeys, snapshots = _read_journeys(folder)
    return lambda: build_features(journeys, snapshots, plan)


def with_floor(folder: Path) -> Callable[[], Table]:
    """What cannot be saved: read the columns and sort the rows by lead and time."""

    def run() -> Table:
        journeys, _ = _read_journeys(folder)
        lead = journeys.events["lead_id"].to_numpy()
        time_ = journeys.events["occurred_at"].astype("int64").to_numpy()
        order = np.argsort(time_, kind="stable")
        low, high = lead[order].astype(np.uint16), (lead[order] >> 16).astype(np.uint16)
        first = np.argsort(low, kind="stable")
        order[first][np.argsort(high[first], kind="stable")]
        return pd.DataFrame()

    return run


# pandas ------------------------------------------------------------------------------------------------------------


def with_pandas(folder: Path) -> Callable[[], Table]:
    """Merge snapshots and events on the lead, filter by the cutoff, group by snapshot."""
    plan = _plan(folder)
    names = [feature["name"] for feature in plan["features"]]
    actions = plan["actions"]["actions"]["words"]
    channels = plan["channel"]["channels"]["words"]

    def run() -> Table:
        events = pq.read_table(folder / "events.parquet", read_dictionary=["action", "channel"]).to_pandas()
        leads = pd.read_parquet(folder / "leads.parquet")
        snapshots = pd.read_parquet(folder / "snapshots.parquet")
        for column, words in (("action", actions), ("channel", channels)):
            slots = [words.index(w) if w in words else len(words) for w in events[column].cat.categories]
            events[f"{column}_slot"] = np.array(slots, np.int8)[events[column].cat.codes]
            events[column] = events[column].cat.codes
        snapshots = snapshots.rename_axis("row").reset_index()
        rows = snapshots.merge(events[events["lead_id"].isin(snapshots["lead_id"])], on="lead_id")
        rows = rows[(rows["occurred_at"] < rows["cutoff_time"]) & (rows["recorded_at"] < rows["cutoff_time"])]
        rows = rows.sort_values(["row", "occurred_at"])
        rows["age"] = (rows["cutoff_time"] - rows["occurred_at"]).astype("int64")
        time_ = rows["occurred_at"].astype("int64")
        first = rows["row"].diff() != 0
        rows["day"] = (first | ((time_ // DAY).diff() != 0)).cumsum()
        rows["session"] = (first | (time_.diff() > PAUSE)).cumsum()
        out: dict[str, Any] = {}
        index = snapshots["row"]
        touches: dict[str, pd.Series] = {}
        for window, length in WINDOWS.items():
            inside = rows if length is None else rows[rows["age"] <= length]
            by_row = inside.groupby("row", sort=True)
            total = by_row.size().reindex(index, fill_value=0)
            touches[window] = total
            out[f"actions__any__count__{window}"] = total
            for what, rank in (("active_days", "day"), ("sessions", "session")):
                last, early = by_row[rank].last(), by_row[rank].first()
                out[f"actions__any__{what}__{window}"] = (last - early + 1).reindex(index, fill_value=0)
            out[f"actions__value__sum__{window}"] = by_row["value"].sum().reindex(index, fill_value=0)
            out[f"actions__value__mean__{window}"] = by_row["value"].mean().reindex(index)
            for family, column, words in (("actions", "action", actions), ("channel", "channel", channels)):
                counts = inside.groupby(["row", f"{column}_slot"]).size().unstack(fill_value=0)  # noqa: PD010 (pivot_table is slower)
                counts = counts.reindex(index=index, columns=range(len(words) + 1), fill_value=0)
                for slot, word in enumerate([*words, "other"]):
                    out[f"{family}__{word}__count__{window}"] = counts[slot]
                    if family == "channel":
                        out[f"channel__{word}__share__{window}"] = counts[slot] / total
            pairs = inside[["row", "channel"]].drop_duplicates()
            out[f"channel__any__distinct__{window}"] = (
                pairs.groupby("row").size().reindex(index, fill_value=0)
            )
        since = rows.groupby(["row", "action_slot"])["age"].min().unstack()  # noqa: PD010 (pivot_table is slower)
        since = since.reindex(index) / DAY
        for slot, word in enumerate([*actions, "other"]):
            out[f"actions__{word}__days_since"] = since[slot]
        last_age = since.min(axis=1)
        out["actions__any__days_since"] = out["undesirables__silence__days"] = last_age
        week = touches["7d"]
        fortnight = rows[rows["age"] <= 14 * DAY].groupby("row").size().reindex(index, fill_value=0)
        out["actions__any__pace"] = (2 * week - fortnight) / fortnight
        words = np.array([*channels, "other"], object)
        by_row = rows.groupby("row")["channel_slot"]
        for which, slots in (("first", by_row.first()), ("last", by_row.last())):
            texts = pd.Series(words[slots.to_numpy()], index=slots.index, dtype="str")
            out[f"channel__{which}_touch__value"] = texts.reindex(index)
        created = snapshots["lead_id"].map(leads.set_index("lead_id")["created_at"])
        out["profile__lead__age"] = (snapshots["cutoff_time"] - created) / pd.Timedelta(days=1)
        numbers = [name for name in names if not name.endswith("_touch__value")]
        table = pd.DataFrame({name: np.asarray(out[name], np.float32) for name in numbers})
        for name in names:
            if name not in table:
                table[name] = out[name].array
        return table[names]

    return run


# Polars ------------------------------------------------------------------------------------------------------------


def with_polars(folder: Path) -> Callable[[], Table]:
    """Join, filter and sort lazily, then group by snapshot and slot for counts and recency (and pivot), by snapshot
    for the rest.

    Tried and slower: one plan for all groupings, the streaming engine, a conditional sum for each feature, a sort by
    two columns (twice as long as by one number), sorted events and a join that keeps their order, filters inside the
    aggregations.
    """
    import polars as pl

    plan = _plan(folder)
    names = [feature["name"] for feature in plan["features"]]
    actions = plan["actions"]["actions"]["words"]
    channels = plan["channel"]["channels"]["words"]

    def slot(events: pl.LazyFrame, column: str, words: list[str]) -> pl.Expr:
        seen = events.select(pl.col(column).unique().alias("word")).with_columns(
            code=pl.col("word").to_physical()
        )
        codes = {code: words.index(word) for word, code in seen.collect().iter_rows() if word in words}
        physical = pl.col(column).to_physical()
        return physical.replace_strict(codes, default=len(words), return_dtype=pl.Int8).alias(
            f"{column}_slot"
        )

    def within(length: int | None) -> pl.Expr:
        return pl.lit(True) if length is None else pl.col("age") <= length

    def count(length: int | None) -> pl.Expr:
        return pl.len() if length is None else within(length).sum()

    def run() -> Table:
        events = pl.scan_parquet(folder / "events.parquet")
        snapshots = pl.scan_parquet(folder / "snapshots.parquet").with_row_index("row")
        leads = pl.scan_parquet(folder / "leads.parquet")
        slots = [
            slot(events, "action", actions),
            slot(events, "channel", channels),
            pl.col("channel").to_physical().alias("channel"),
        ]
        time_ = pl.col("occurred_at").to_physical()
        rows = (
            snapshots.join(events.with_columns(slots).drop("action"), on="lead_id")
            .filter(
                pl.col("occurred_at") < pl.col("cutoff_time"), pl.col("recorded_at") < pl.col("cutoff_time")
            )
            .with_columns(age=pl.col("cutoff_time").to_physical() - time_, time=time_)
            .select("row", "age", "time", "value", "channel", "action_slot", "channel_slot")
            # one number in the order of (row, time), the time to 16 microseconds
            .sort(
                pl.col("row").cast(pl.UInt64) * 2**44 + (pl.col("time") // 16 - START // 16).cast(pl.UInt64)
            )
            .with_columns(new=pl.col("row").diff().fill_null(1) != 0)
            .with_columns(
                day=(pl.col("new") | ((pl.col("time") // DAY).diff() != 0)).cum_sum(),
                session=(pl.col("new") | (pl.col("time").diff() > PAUSE)).cum_sum(),
            )
            .drop("time", "new")
            .collect()
            .lazy()
        )
        overall = [
            pl.col("channel_slot").first().alias("first"),
            pl.col("channel_slot").last().alias("last"),
            pl.col("age").min().alias("silence"),
            count(14 * DAY).alias("fortnight"),
        ]
        masked = []
        for window, length in WINDOWS.items():
            for column in ("day", "session", "value"):
                masked.append(pl.when(within(length)).then(pl.col(column)).alias(f"{column}_{window}"))
            overall += [
                count(length).alias(f"total_{window}"),
                (pl.col("day").last() - pl.col(f"day_{window}").min() + 1).alias(f"active_days_{window}"),
                (pl.col("session").last() - pl.col(f"session_{window}").min() + 1).alias(
                    f"sessions_{window}"
                ),
                pl.col(f"value_{window}").sum().alias(f"sum_{window}"),
                pl.col(f"value_{window}").mean().alias(f"mean_{window}"),
            ]
        counts = [count(length).alias(f"count_{window}") for window, length in WINDOWS.items()]
        queries = [
            rows.with_columns(masked).group_by("row").agg(overall),
            rows.group_by("row", "action_slot").agg(*counts, pl.col("age").min()),
            rows.group_by("row", "channel_slot").agg(counts),
            rows.group_by("row", "channel").agg(pl.col("age").min()).group_by("row").agg(
                [count(length).alias(f"distinct_{window}") for window, length in WINDOWS.items()]
            ),
            snapshots.join(leads, on="lead_id", how="left", maintain_order="left").select(
                "row",
                (pl.col("cutoff_time") - pl.col("created_at")).dt.total_microseconds().alias("age") / DAY,
            ),
        ]  # fmt: skip
        overall_, by_action, by_channel, distinct, table = pl.collect_all(queries)
        out: list[pl.Expr] = []
        for part, frame, words in (("action", by_action, actions), ("channel", by_channel, channels)):
            wide = frame.pivot(f"{part}_slot", index="row")  # noqa: PD010 (this is Polars)
            family = "actions" if part == "action" else "channel"
            missing = [f"{c}_{s}" for s in range(len(words) + 1) for c in (f"count_{w}" for w in WINDOWS)]
            wide = wide.with_columns(pl.lit(0).alias(c) for c in missing if c not in wide.columns)
            wide = wide.rename({c: f"{part}_{c}" for c in wide.columns if c != "row"})
            table = table.join(wide, on="row", how="left", maintain_order="left")
            for i, word in enumerate([*words, "other"]):
                for window in WINDOWS:
                    number = pl.col(f"{part}_count_{window}_{i}").fill_null(0)
                    out.append(number.alias(f"{family}__{word}__count__{window}"))
                    if part == "channel":
                        share = pl.when(pl.col(f"total_{window}") > 0).then(
                            number / pl.col(f"total_{window}")
                        )
                        out.append(share.alias(f"channel__{word}__share__{window}"))
                if part == "action":
                    out.append((pl.col(f"action_age_{i}") / DAY).alias(f"actions__{word}__days_since"))
        table = table.join(overall_, on="row", how="left", maintain_order="left")
        table = table.join(distinct, on="row", how="left", maintain_order="left")
        for window in WINDOWS:
            filled = {
                "actions__any__count": "total",
                "actions__any__active_days": "active_days",
                "actions__any__sessions": "sessions",
                "actions__value__sum": "sum",
                "channel__any__distinct": "distinct",
            }
            out += [pl.col(f"{c}_{window}").fill_null(0).alias(f"{n}__{window}") for n, c in filled.items()]
            out.append(pl.col(f"mean_{window}").alias(f"actions__value__mean__{window}"))
        pace = pl.when(pl.col("fortnight") > 0).then(
            (2 * pl.col("total_7d").cast(pl.Int64) - pl.col("fortnight")) / pl.col("fortnight")
        )
        texts = dict(enumerate([*channels, "other"]))
        out += [
            pace.alias("actions__any__pace"),
            (pl.col("silence") / DAY).alias("actions__any__days_since"),
            (pl.col("silence") / DAY).alias("undesirables__silence__days"),
            pl.col("age").alias("profile__lead__age"),
            *(
                pl.col(which)
                .replace_strict(texts, return_dtype=pl.String)
                .alias(f"channel__{which}_touch__value")
                for which in ("first", "last")
            ),
        ]
        chosen = table.lazy().select(out).select(names)
        return chosen.cast({pl.selectors.numeric(): pl.Float32}).collect()

    return run


ENGINES: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "mqlml": with_mqlml,
    "mqlml, journeys in memory": with_mqlml_in_memory,
    "floor": with_floor,
    "polars": with_polars,
    "pandas": with_pandas,
}


def run_engine(engine: str, folder: Path, repeats: int) -> None:
    """Measure one engine; called in a process of its own."""
    run = ENGINES[engine](folder)
    start = time.process_time()
    table = run()
    cold = time.process_time() - start
    cpu, wall = [], []
    for _ in range(repeats):
        table = None
        begin, start = time.perf_counter(), time.process_time()
        table = run()
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - begin)
    memory = peak_memory()
    if not isinstance(table, pd.DataFrame):
        table = table.to_pandas()
    table.to_parquet(folder / f"{engine}.parquet")
    print(json.dumps({"cold": cold, "cpu": cpu, "wall": wall, "memory": memory, "columns": table.shape[1]}))


def peak_memory() -> float:
    """Most memory this process ever held, in GB.

    ``ru_maxrss`` starts from the parent's peak, which made the files; Linux's own count starts at the program's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def compare(folder: Path, engine: str) -> None:
    """Stop unless an engine's table equals mqlml's: numbers to float32's precision, texts exactly."""
    ours = pd.read_parquet(folder / "mqlml.parquet")
    theirs = pd.read_parquet(folder / f"{engine}.parquet")
    if list(ours.columns) != list(theirs.columns) or len(ours) != len(theirs):
        sys.exit(f"{engine} makes other columns or rows than mqlml")
    for name in ours:
        if pd.api.types.is_numeric_dtype(ours[name].dtype):
            same = np.allclose(
                ours[name], theirs[name].to_numpy(np.float32), rtol=1e-5, atol=1e-4, equal_nan=True
            )
        else:
            same = ours[name].fillna("").tolist() == theirs[name].fillna("").tolist()
        if not same:
            sys.exit(f"{engine} disagrees with mqlml about {name}")


def measure(size: str, engines: list[str], repeats: int, seed: int) -> None:
    """Run the engines on one size and print a table of them."""
    leads, events, snapshots = SIZES[size]
    print(f"\n{size}: {leads:,} leads, {events:,} events, {snapshots:,} snapshots")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, leads, events, snapshots, seed=seed)
        write_plan(folder)
        ours: float | None = None
        print(
            "| engine | CPU s | wall s | peak GB | first call, CPU s | CPU against mqlml |\n|---|---|---|---|---|---|"
        )
        for engine in engines:
            command = [
                sys.executable,
                __file__,
                "--engine",
                engine,
                "--folder",
                name,
                "--repeats",
                str(repeats),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{engine} failed:\n{done.stderr}")
            found = json.loads(done.stdout.splitlines()[-1])
            cpu, wall = statistics.median(found["cpu"]), statistics.median(found["wall"])
            ours = cpu if engine == "mqlml" else ours
            if found["columns"] and engine != "mqlml":
                compare(folder, engine)
            ratio = f"{cpu / ours:.1f}" if ours else ""
            print(
                f"| {engine} ({found['columns']} features) | {cpu:.2f} | {wall:.2f} | {found['memory']:.1f} "
                f"| {found['cold']:.2f} | {ratio} |",
                flush=True,
            )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, action="append", help="default: issue and many")
    parser.add_argument("--only", choices=ENGINES, action="append", help="default: all engines")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        run_engine(arguments.engine, arguments.folder, arguments.repeats)
        return
    for size in arguments.size or ["issue", "many"]:
        measure(size, arguments.only or list(ENGINES), arguments.repeats, arguments.seed)


if __name__ == "__main__":
    main()
