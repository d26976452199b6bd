"""Earlier scores give each lead's last label and since when it has had it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.errors import SourceError
from mqlml.scoring.sinks import FORMULA
from mqlml.times import TIME_DTYPE, column_to_microseconds, to_microseconds

__all__ = ["NO_SCORES", "last_labels", "read_open_leads", "read_scores"]

NO_SCORES = pd.DataFrame(
    {
        "lead_id": pd.Series(dtype="str"),
        "cutoff_time": pd.Series(dtype=TIME_DTYPE),
        "label": pd.Series(dtype="str"),
        "label_since": pd.Series(dtype=TIME_DTYPE),
        "probability": pd.Series(dtype="float64"),
        "changed_at": pd.Series(dtype=TIME_DTYPE),
    }
)
"""The scores of a first run."""

_TIMES = ("cutoff_time", "label_since", "changed_at")


def read_scores(path: str | Path) -> pd.DataFrame:
    """Lead, cutoff, label, since when, and probability, from scores in Parquet or CSV, of one run or of several.

    Scores of a release that did not write ``label_since`` or ``changed_at`` yet count from their cutoff.

    Raises
    ------
    SourceError
        If the file cannot be read or holds no scores.
    """
    return _read(Path(path), list(NO_SCORES.columns), option="--previous")


def read_open_leads(path: str | Path) -> pd.DataFrame:
    """Cutoff, probability and label of each open lead, from scores in Parquet or CSV.

    Raises
    ------
    SourceError
        If the file cannot be read or holds no scores.
    """
    found = _read(Path(path), ["cutoff_time", "probability", "label"], option="--scores")
    if found.empty:
        raise SourceError(
            f"--scores must hold at least one lead; {str(path)!r} holds none. Name another file"
        )
    return found


def _read(path: Path, columns: list[str], *, option: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_csv(path, dtype="str")
        if "label_since" not in frame and "cutoff_time" in frame:
            frame["label_since"] = frame["cutoff_time"]
        if "changed_at" not in frame and "label_since" in frame:
            frame["changed_at"] = frame["label_since"]
        if "probability" not in frame:
            frame["probability"] = float("nan")
        found = frame[columns].copy()
        for name in found:
            if name in _TIMES:
                found[name] = pd.to_datetime(found[name], utc=True, format="ISO8601").dt.as_unit("us")
            elif name == "probability":
                found[name] = pd.to_numeric(found[name])
            else:
                found[name] = found[name].astype("str")
        if "lead_id" in found:
            found["lead_id"] = _as_written(found["lead_id"])
    except (OSError, KeyError, ValueError) as error:
        raise SourceError(
            f"{option} must be scores that mqlml wrote (.parquet or .csv, with lead_id, cutoff_time and label); "
            f"{str(path)!r} cannot be read as such: {_format_cause(error)}"
        ) from None
    return found


def _as_written(ids: pd.Series) -> pd.Series:
    """Ids without the apostrophe that a CSV for people has before what a spreadsheet would run."""
    return ids.where(~ids.str.match(rf"'{FORMULA.pattern}").fillna(False).astype(bool), ids.str[1:])


def _format_cause(error: Exception) -> str:
    """The cause as text: a system's message without its number, a missing column by its name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error.args[0]) if isinstance(error, KeyError) else str(error)


def last_labels(scores: pd.DataFrame, lead_id: pd.Series, as_of: dt.datetime) -> pd.DataFrame:
    """The label of each lead when it was last scored before a moment.

    Scores of that moment or later are ignored, so that a repeated run, or one for an earlier day, gives the same
    labels.

    Parameters
    ----------
    scores : as by `read_scores`
    lead_id : Series of the leads to look up
    as_of : datetime with a zone

    Returns
    -------
    DataFrame with a row for each lead: ``label`` (missing if it was not scored), ``since`` and ``changed``, int64
    microseconds, and ``probability``.
    """
    earlier = scores[scores["cutoff_time"] < pd.Timestamp(as_of)].sort_values("cutoff_time", kind="stable")
    latest = earlier.drop_duplicates("lead_id", keep="last").set_index("lead_id")
    found = latest.reindex(lead_id.astype("str"))
    now = to_microseconds(as_of)
    since, changed = (column_to_microseconds(found[name]) for name in ("label_since", "changed_at"))
    known = found["label"].notna().to_numpy() & found["label_since"].notna().to_numpy()
    return pd.DataFrame(
        {
            "label": found["label"].astype(object).where(known, None).to_numpy(),
            "since": np.where(known, np.minimum(since, now), now),
            "changed": np.where(known & found["changed_at"].notna(), np.minimum(changed, now), now),
            "probability": found["probability"].to_numpy(),
        }
    )
