"""Plain pandas: merge, filter, group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from engines.files import DAY, PAUSE, WINDOWS, read_plan

Table = pd.DataFrame


def with_pandas(folder: Path) -> Callable[[], Table]:
    """Merge snapshots and events on the lead, filter by the cutoff, group by snapshot."""
    plan = read_plan(folder)
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
