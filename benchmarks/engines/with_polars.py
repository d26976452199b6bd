"""Polars: join, filter and sort lazily, then several groupings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from engines.files import DAY, PAUSE, START, WINDOWS, read_plan

Table = pd.DataFrame


def with_polars(folder: Path) -> Callable[[], Table]:
    """Join, filter and sort lazily, then group by snapshot and slot for counts and recency (and pivot), by snapshot
    for the rest.

    Tried and slower: one plan for all groupings, the streaming engine, a conditional sum for each feature, a sort by
    two columns (twice as long as by one number), sorted events and a join that keeps their order, filters inside the
    aggregations.
    """
    import polars as pl

    plan = read_plan(folder)
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
