"""DuckDB: a FILTER clause for every feature, and the long form that groups by snapshot and word, then pivots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from engines.files import DAY, PAUSE, WINDOWS, read_plan

MICROS = "epoch_us({})"


def _case(column: str, words: list[str]) -> str:
    """The slot of a word: its place among the kept ones, or the one after the last."""
    arms = " ".join(f"when '{word}' then {slot}" for slot, word in enumerate(words))
    return f"(case {column} {arms} else {len(words)} end)::tinyint"


def _rows(folder: Path, actions: list[str], channels: list[str]) -> str:
    """Every act that a snapshot may look at, with its age and the act before it."""
    return f"""
    with asked as (
        select row_number() over () - 1 as row, lead_id, cutoff_time from '{folder}/snapshots.parquet'
    ), acts as (
        select lead_id, occurred_at, recorded_at, value, channel,
               {_case("action", actions)} as action_slot, {_case("channel", channels)} as channel_slot
        from '{folder}/events.parquet'
    )
    select row, {MICROS.format("cutoff_time")} - {MICROS.format("occurred_at")} as age,
           {MICROS.format("occurred_at")} as time, value, channel, action_slot, channel_slot
    from asked join acts using (lead_id)
    where occurred_at < cutoff_time and recorded_at < cutoff_time
    """


def _ranked(rows: str) -> str:
    return f"""
    select *, lag(time) over act as before, lag(age) over act as age_before
    from ({rows}) window act as (partition by row order by time)
    """


def _within(length: int | None, age: str = "age") -> str:
    return "true" if length is None else f"{age} <= {length}"


def _totals() -> Iterator[tuple[str, str]]:
    """Columns that look at all of a snapshot's acts together, by name."""
    for window, length in WINDOWS.items():
        inside = _within(length)
        opens = "before is null" if length is None else f"(before is null or age_before > {length})"
        yield f"actions__any__count__{window}", f"count(*) filter ({inside})"
        yield (
            f"actions__any__active_days__{window}",
            f"count(*) filter ({inside} and ({opens} or before // {DAY} != time // {DAY}))",
        )
        yield (
            f"actions__any__sessions__{window}",
            f"count(*) filter ({inside} and ({opens} or time - before > {PAUSE}))",
        )
        yield f"actions__value__sum__{window}", f"coalesce(sum(value) filter ({inside}), 0)"
        yield f"actions__value__mean__{window}", f"avg(value) filter ({inside})"
        yield f"channel__any__distinct__{window}", f"count(distinct channel) filter ({inside})"
    fortnight = f"count(*) filter (age <= {14 * DAY})"
    week = f"count(*) filter (age <= {7 * DAY})"
    yield "actions__any__pace", f"(2 * {week} - {fortnight}) / nullif({fortnight}, 0)::double"
    yield "actions__any__days_since", f"min(age) / {DAY}::double"
    yield "undesirables__silence__days", f"min(age) / {DAY}::double"


def _touches(channels: list[str]) -> Iterator[tuple[str, str]]:
    texts = "[" + ", ".join(f"'{word}'" for word in [*channels, "other"]) + "]"
    for which, pick in (("first", "arg_min"), ("last", "arg_max")):
        yield f"channel__{which}_touch__value", f"{texts}[{pick}(channel_slot, time) + 1]"


def _finish(folder: Path, names: list[str], columns: dict[str, str], joined: str) -> str:
    """The asked columns, a row per snapshot in the order of the file; snapshots without an act have zeros."""
    zero = ("__count__", "__active_days__", "__sessions__", "__sum__", "__distinct__")
    chosen = []
    for name in names:
        if name == "profile__lead__age":
            age = f"({MICROS.format('asked.cutoff_time')} - {MICROS.format('leads.created_at')}) / {DAY}::double"
            chosen.append(f'({age})::float as "{name}"')
        elif name.endswith("_touch__value"):
            chosen.append(f'{columns[name]} as "{name}"')
        else:
            value = f"coalesce({columns[name]}, 0)" if any(part in name for part in zero) else columns[name]
            chosen.append(f'({value})::float as "{name}"')
    return f"""
    select {", ".join(chosen)}
    from (select row_number() over () - 1 as row, lead_id, cutoff_time from '{folder}/snapshots.parquet') asked
    join '{folder}/leads.parquet' leads using (lead_id)
    {joined}
    order by asked.row
    """


def _connect() -> Any:
    import duckdb

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
    return connection


def with_duckdb_filters(folder: Path) -> Callable[[], pa.Table]:
    """One grouping by snapshot, and a FILTER clause for every feature."""
    plan = read_plan(folder)
    names = [feature["name"] for feature in plan["features"]]
    actions = plan["actions"]["actions"]["words"]
    channels = plan["channel"]["channels"]["words"]
    aggregates = dict([*_totals(), *_touches(channels)])
    for family, words in (("actions", actions), ("channel", channels)):
        slot = "action_slot" if family == "actions" else "channel_slot"
        for place, word in enumerate([*words, "other"]):
            for window, length in WINDOWS.items():
                aggregates[f"{family}__{word}__count__{window}"] = (
                    f"count(*) filter ({slot} = {place} and {_within(length)})"
                )
            if family == "actions":
                aggregates[f"actions__{word}__days_since"] = (
                    f"min(age) filter ({slot} = {place}) / {DAY}::double"
                )
    columns = {name: f'"{name}"' for name in aggregates}
    for word in [*channels, "other"]:
        for window in WINDOWS:
            columns[f"channel__{word}__share__{window}"] = (
                f'"channel__{word}__count__{window}" / nullif("actions__any__count__{window}", 0)::double'
            )
    made = ", ".join(f'{value} as "{name}"' for name, value in aggregates.items())
    acts = _ranked(_rows(folder, actions, channels))
    grouped = f"left join (select row, {made} from ({acts}) group by row) using (row)"
    query = _finish(folder, names, columns, grouped)

    def run() -> pa.Table:
        with _connect() as connection:
            return connection.execute(query).to_arrow_table()

    return run


def with_duckdb_long(folder: Path) -> Callable[[], pa.Table]:
    """Counts and recency grouped by snapshot and word, pivoted by a second grouping of the far fewer rows."""
    plan = read_plan(folder)
    names = [feature["name"] for feature in plan["features"]]
    actions = plan["actions"]["actions"]["words"]
    channels = plan["channel"]["channels"]["words"]
    counts = ", ".join(
        f"count(*) filter ({_within(length)}) as count_{window}" for window, length in WINDOWS.items()
    )
    columns: dict[str, str] = {}
    joined = []
    for family, slot, words in (
        ("actions", "action_slot", actions),
        ("channel", "channel_slot", channels),
    ):
        wide = []
        for place, word in enumerate([*words, "other"]):
            for window in WINDOWS:
                name = f"{family}__{word}__count__{window}"
                wide.append(f'coalesce(max(count_{window}) filter ({slot} = {place}), 0) as "{name}"')
                columns[name] = f'"{name}"'
                if family == "channel":
                    columns[f"channel__{word}__share__{window}"] = (
                        f'"{name}" / nullif("actions__any__count__{window}", 0)::double'
                    )
            if family == "actions":
                name = f"actions__{word}__days_since"
                wide.append(f'max(since) filter ({slot} = {place}) / {DAY}::double as "{name}"')
                columns[name] = f'"{name}"'
        long = f"select row, {slot}, min(age) as since, {counts} from acts group by row, {slot}"
        joined.append(f"left join (select row, {', '.join(wide)} from ({long}) group by row) using (row)")
    overall = dict([*_totals(), *_touches(channels)])
    distinct = {
        name: overall.pop(name) for name in list(overall) if name.startswith("channel__any__distinct")
    }
    made = ", ".join(f'{value} as "{name}"' for name, value in overall.items())
    joined.append(f"left join (select row, {made} from ({_ranked('from acts')}) group by row) using (row)")
    by_window = ", ".join(
        f'count(*) filter ({_within(length, "since")}) as "channel__any__distinct__{window}"'
        for window, length in WINDOWS.items()
    )
    touched = "select row, channel, min(age) as since from acts group by row, channel"
    joined.append(f"left join (select row, {by_window} from ({touched}) group by row) using (row)")
    columns |= {name: f'"{name}"' for name in [*overall, *distinct]}
    query = _finish(folder, names, columns, "\n".join(joined))

    def run() -> pa.Table:
        with _connect() as connection:
            connection.execute(f"create temp table acts as {_rows(folder, actions, channels)}")
            return connection.execute(query).to_arrow_table()

    return run
