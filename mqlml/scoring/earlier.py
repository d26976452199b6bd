"""Earlier scores, read from files, tell each lead's last label, the labels it has reached, and its trend."""

from __future__ import annotations

import datetime as dt
import glob
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.errors import ContractError, SourceError
from mqlml.scoring.sinks import as_written
from mqlml.times import (
    DAY,
    MISSING_TIME,
    TIME_DTYPE,
    column_to_microseconds,
    from_microseconds,
    to_microseconds,
)
from mqlml.types import Floats, Ints, Objects

__all__ = [
    "NO_SCORES",
    "TREND_AGES",
    "find_scores",
    "first_reached",
    "last_labels",
    "read_open_leads",
    "read_scores",
    "trends",
]

NO_SCORES = pd.DataFrame(
    {
        "lead_id": pd.Series(dtype="str"),
        "cutoff_time": pd.Series(dtype=TIME_DTYPE),
        "label": pd.Series(dtype="str"),
        "label_since": pd.Series(dtype=TIME_DTYPE),
        "probability": pd.Series(dtype="float64"),
        "changed_at": pd.Series(dtype=TIME_DTYPE),
        "first_reached": pd.Series(dtype="str"),
    }
)
"""The scores of a first run."""

TREND_AGES = (7 * DAY, 35 * DAY)
"""How old the score is, at least and at most, that a trend compares with: from one night to the next, windows and
ages move the odds of a lead that did nothing."""

_CLEAR = np.log(1.25)
"""The change of the log-odds that makes a trend: odds a quarter up, or as much down."""

_TIMES = ("cutoff_time", "label_since", "changed_at")


def read_scores(path: str | Path) -> pd.DataFrame:
    """The columns of `NO_SCORES` from scores in Parquet or CSV, of one run or of several.

    Scores of a release that did not write ``label_since`` or ``changed_at`` yet count from their cutoff.

    Parameters
    ----------
    path : a file, or a pattern with ``*`` that names several.

    Raises
    ------
    SourceError
        If a file cannot be read or holds no scores, or no file has such a name.
    """
    columns = list(NO_SCORES.columns)
    read = [_read(file, columns, option="--previous") for file in find_scores(path)]
    return pd.concat(read, ignore_index=True)


def find_scores(path: str | Path) -> list[Path]:
    """The files that a path or a pattern with ``*`` names.

    Raises
    ------
    SourceError
        If no file matches a pattern.
    """
    if "*" not in str(path):
        return [Path(path)]
    files = sorted(map(Path, glob.glob(str(path))))
    if not files:
        raise SourceError(f"--previous must name scores; no file matches {str(path)!r}. Correct the pattern")
    return files


def read_open_leads(path: str | Path) -> pd.DataFrame:
    """Lead, cutoff, probability and label of each open lead, from scores in Parquet or CSV.

    Raises
    ------
    SourceError
        If the file cannot be read or holds no scores.
    """
    found = _read(Path(path), ["lead_id", "cutoff_time", "probability", "label"], option="--scores")
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
        if "first_reached" not in frame:
            frame["first_reached"] = pd.Series([None] * len(frame), dtype="str")
        found = frame[columns].copy()
        for name in found:
            if name in _TIMES:
                found[name] = pd.to_datetime(found[name], utc=True, format="ISO8601").dt.as_unit("us")
            elif name == "probability":
                found[name] = pd.to_numeric(found[name])
            else:
                found[name] = found[name].astype("str")
        if "lead_id" in found:
            found["lead_id"] = as_written(found["lead_id"])
    except (OSError, KeyError, ValueError) as error:
        raise SourceError(
            f"{option} must be scores that mqlml wrote (.parquet or .csv, with lead_id, cutoff_time and label); "
            f"{str(path)!r} cannot be read as such: {_format_cause(error)}"
        ) from None
    return found


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
    microseconds, ``probability``, ``first_reached`` as it was written, and ``compared``, the probability that a trend
    compares with (missing where no score is as old as `TREND_AGES` asks).
    """
    ids, now = lead_id.astype("str"), to_microseconds(as_of)
    found = _latest(scores, ids, now - 1, MISSING_TIME + 1)
    since, changed = (column_to_microseconds(found[name]) for name in ("label_since", "changed_at"))
    known = found["label"].notna().to_numpy() & found["label_since"].notna().to_numpy()
    youngest, oldest = TREND_AGES
    return pd.DataFrame(
        {
            "label": found["label"].astype(object).where(known, None).to_numpy(),
            "since": np.where(known, np.minimum(since, now), now),
            "changed": np.where(known & found["changed_at"].notna(), np.minimum(changed, now), now),
            "probability": found["probability"].to_numpy(),
            "first_reached": found["first_reached"].astype(object).where(known, None).to_numpy(),
            "compared": _latest(scores, ids, now - youngest, now - oldest)["probability"].to_numpy(),
        }
    )


def _latest(scores: pd.DataFrame, ids: pd.Series, last: int, first: int) -> pd.DataFrame:
    """Each lead's last scores from one moment to another (microseconds, both included)."""
    cutoff = column_to_microseconds(scores["cutoff_time"])
    within = scores[(first <= cutoff) & (cutoff <= last)].sort_values("cutoff_time", kind="stable")
    if within.empty:
        return within.reset_index(drop=True).reindex(range(len(ids)))
    return within.drop_duplicates("lead_id", keep="last").set_index("lead_id").reindex(ids)


def trends(probability: Floats, compared: Floats) -> Objects:
    """``improving``, ``declining`` or ``steady``, by the odds now and then.

    Parameters
    ----------
    compared : the probability then; missing where none is known: ``not enough information``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log(probability / (1 - probability)) - np.log(compared / (1 - compared))
    names = ["not enough information", "improving", "declining"]
    found = np.select([np.isnan(compared), change >= _CLEAR, change <= -_CLEAR], names, default="steady")
    return found.astype(object)


def first_reached(last: pd.DataFrame, labels: Objects, levels: Sequence[str], now: int) -> Objects:
    """When each lead first had each label or a higher one, as JSON: ``{"mql": "2025-03-01T00:00:00Z"}``.

    Parameters
    ----------
    last : from `last_labels`. Where it tells a label but not when that was reached, as scores of an earlier release,
        its ``since`` counts.
    labels : the labels now.
    levels : the labels of the policy, lowest first; a lead that reaches one has reached those before it.
    now : int, microseconds
    """
    places = {name: place for place, name in enumerate(levels, start=1)}
    had, has = (pd.Series(each).map(places).fillna(0).to_numpy(np.int64) for each in (last["label"], labels))
    code, texts = pd.factorize(last["first_reached"])
    known = [_parse(text) for text in texts]
    times = np.full((len(last), len(levels)), MISSING_TIME)
    for column, name in enumerate(levels):
        told = np.array([*(each.get(name, MISSING_TIME) for each in known), MISSING_TIME], np.int64)[code]
        own = np.where((told == MISSING_TIME) & (had > column), last["since"].to_numpy(), told)
        times[:, column] = np.where((own == MISSING_TIME) & (has > column), now, own)
    # Few rows differ, so each is formatted once.
    row = np.zeros(len(last), np.int64)
    for column in range(len(levels)):
        row = pd.factorize(row * (len(last) + 1) + pd.factorize(times[:, column])[0])[0]
    _, places_of_rows, row = np.unique(row, return_index=True, return_inverse=True)
    return np.array([_format(times[place], levels) for place in places_of_rows], dtype=object)[row]


def _parse(text: str) -> dict[str, int]:
    try:
        moments: dict[str, str] = json.loads(text)
        return {name: to_microseconds(dt.datetime.fromisoformat(moment)) for name, moment in moments.items()}
    except (ValueError, TypeError, AttributeError):
        raise ContractError(
            f'first_reached of earlier scores must be JSON, as {{"mql": "2025-03-01T00:00:00Z"}}; found {text!r}. '
            "Leave the column out, or restore it"
        ) from None


def _format(times: Ints, levels: Sequence[str]) -> str:
    reached = {
        name: from_microseconds(time).isoformat().replace("+00:00", "Z")
        for name, time in zip(levels, times.tolist(), strict=True)
        if time != MISSING_TIME
    }
    return json.dumps(reached, ensure_ascii=False)
