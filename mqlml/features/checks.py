"""The grid of checks that every feature must pass, on a sample of journeys.

The tests apply it to mqlml's own builders; `check_own` applies it to the user's features, on a sample of the user's
journeys, before they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mqlml.errors import FeatureError, MqlmlError
from mqlml.features.build import build_features
from mqlml.features.catalogue import Feature
from mqlml.features.plan import FeaturePlan, only_parts
from mqlml.journeys import Journeys
from mqlml.journeys.contract import WORDS, empty_table
from mqlml.times import TIME_DTYPE
from mqlml.types import Ints, Mask

Make = Callable[[Journeys, pd.DataFrame], pd.DataFrame]
"""``make(journeys, snapshots)`` gives one row of features per snapshot."""

_SINGLE_LEADS = 12
"""Leads that are built one by one."""

_LATER = pd.Timedelta(days=60)


@dataclass(frozen=True)
class Trial:
    """What is checked.

    Attributes
    ----------
    make : Make
    features : the features it must give.
    journeys : a sample of journeys, small.
    snapshots : some snapshots of them.
    together : whether a lead's features may depend on the other leads of its account.
    """

    make: Make
    features: tuple[Feature, ...]
    journeys: Journeys
    snapshots: pd.DataFrame
    together: bool = False


@dataclass(frozen=True)
class Failure:
    """A feature that failed a check, at an example lead; None where the whole table is wrong."""

    check: str
    feature: str | None
    lead: object
    found: str


def _format_cell(column: pd.Series, row: int) -> str:
    value = column.iloc[row]
    return "missing" if pd.isna(value) else str(value)


def _compare(
    check: str, trial: Trial, snapshots: pd.DataFrame, found: pd.DataFrame, want: pd.DataFrame
) -> Failure | None:
    """The first feature whose values differ, and at which lead."""
    for feature in trial.features:
        one, other = found[feature.name], want[feature.name]
        same = (one.to_numpy() == other.to_numpy()) | (one.isna().to_numpy() & other.isna().to_numpy())
        if not np.asarray(same, np.bool_).all():
            row = int(np.flatnonzero(~np.asarray(same, np.bool_))[0])
            lead = snapshots["lead_id"].iloc[[row]].tolist()[0]
            return Failure(
                check, feature.name, lead, f"{_format_cell(other, row)} became {_format_cell(one, row)}"
            )
    return None


def _shape(trial: Trial) -> Failure | None:
    check = "one row per snapshot, in its order, of the right kind"
    snapshots = pd.concat([trial.snapshots, trial.snapshots.iloc[:3]])
    table = trial.make(trial.journeys, snapshots)
    names = [feature.name for feature in trial.features]
    if list(table.columns) != names:
        return Failure(check, None, None, f"columns {list(table.columns)[:5]!r}")
    if not table.index.equals(snapshots.index):
        return Failure(check, names[0], None, f"{len(table)} rows for {len(snapshots)} snapshots")
    for feature in trial.features:
        kind = table[feature.name].dtype
        right = kind == np.float32 if feature.kind == "number" else kind == pd.StringDtype(na_value=np.nan)
        if not right:
            return Failure(check, feature.name, None, f"{kind}")
    again = min(3, len(trial.snapshots))
    return _compare(
        check, trial, snapshots.iloc[:again], table.iloc[len(trial.snapshots) :], table.iloc[:again]
    )


def _repeat(trial: Trial) -> Failure | None:
    first = trial.make(trial.journeys, trial.snapshots)
    second = trial.make(trial.journeys, trial.snapshots)
    return _compare("the same a second time", trial, trial.snapshots, second, first)


def _order(trial: Trial) -> Failure | None:
    def mixed(table: pd.DataFrame, seed: int) -> pd.DataFrame:
        return table.sample(frac=1, random_state=seed).reset_index(drop=True)

    journeys = trial.journeys
    other = replace(
        journeys,
        leads=mixed(journeys.leads, 1),
        events=mixed(journeys.events, 2),
        history=mixed(journeys.history, 3),
    )
    rng = np.random.default_rng(4)
    shuffled = rng.permutation(len(trial.snapshots))
    found = trial.make(other, trial.snapshots.iloc[shuffled]).iloc[np.argsort(shuffled)]
    want = trial.make(journeys, trial.snapshots)
    return _compare("the order of rows changes nothing", trial, trial.snapshots, found, want)


def _later(table: pd.DataFrame, cutoff: pd.Timestamp, *times: str) -> Mask:
    later = np.zeros(len(table), np.bool_)
    for column in times:
        later |= (table[column] >= cutoff).to_numpy(np.bool_)
    return later


def _removed(journeys: Journeys, cutoff: pd.Timestamp) -> Journeys:
    return replace(
        journeys,
        events=journeys.events[~_later(journeys.events, cutoff, "occurred_at", "recorded_at")],
        history=journeys.history[~_later(journeys.history, cutoff, "valid_from", "recorded_at")],
    )


def _changed(journeys: Journeys, cutoff: pd.Timestamp) -> Journeys:
    rng = np.random.default_rng(5)
    events, history = journeys.events.copy(), journeys.history.copy()
    rows = _later(events, cutoff, "occurred_at", "recorded_at")
    for column in WORDS:
        if column in events:
            words = events[column].to_numpy(object).copy()
            words[rows] = rng.permutation(words[rows])
            events[column] = pd.Series(words, events.index).astype(events[column].dtype)
    if "value" in events:
        events["value"] = events["value"].mask(pd.Series(rows, events.index), 1e9)
    rows = _later(history, cutoff, "valid_from", "recorded_at")
    values = history["value"].to_numpy(object).copy()
    values[rows] = rng.permutation(values[rows])
    return replace(
        journeys, events=events, history=history.assign(value=pd.Series(values, history.index, dtype="str"))
    )


def _added(journeys: Journeys, cutoff: pd.Timestamp) -> Journeys:
    at = {"occurred_at": cutoff, "recorded_at": cutoff}
    events = [journeys.events.assign(**at), journeys.events, journeys.events.assign(recorded_at=cutoff)]
    history = [
        journeys.history.assign(valid_from=cutoff),
        journeys.history,
        journeys.history.assign(recorded_at=cutoff),
    ]
    return replace(
        journeys, events=pd.concat(events, ignore_index=True), history=pd.concat(history, ignore_index=True)
    )


def _won(journeys: Journeys, cutoff: pd.Timestamp) -> Journeys:
    won = journeys.leads[["lead_id"]].assign(stage="closed_won", occurred_at=cutoff, recorded_at=cutoff)
    return replace(journeys, outcomes=won)


def _cutoff(trial: Trial) -> Failure | None:
    """Rows at or after the cutoff, or recorded there, are removed, changed and added, and outcomes as well."""
    journeys = trial.journeys
    ids = journeys.leads["lead_id"]
    cutoffs = trial.snapshots["cutoff_time"].sort_values()
    for cutoff in cutoffs.iloc[[len(cutoffs) // 3, 2 * len(cutoffs) // 3]]:
        each = [pd.DataFrame({"lead_id": ids, "cutoff_time": time}) for time in (cutoff, cutoff + _LATER)]
        snapshots = pd.concat(each, ignore_index=True).astype({"cutoff_time": TIME_DTYPE})
        first = slice(0, len(ids))  # the later ones know more, and must not show it
        want = trial.make(journeys, snapshots).iloc[first]
        for what, alter in (("removed", _removed), ("changed", _changed), ("added", _added), ("won", _won)):
            found = trial.make(alter(journeys, cutoff), snapshots).iloc[first]
            check = f"rows at or after the cutoff change nothing ({what})"
            if failure := _compare(check, trial, snapshots.iloc[first], found, want):
                return failure
    return None


def _untouched(trial: Trial) -> Failure | None:
    journeys = trial.journeys
    given = {
        "leads": journeys.leads,
        "events": journeys.events,
        "history": journeys.history,
        "snapshots": trial.snapshots,
    }
    copies = {name: table.copy(deep=True) for name, table in given.items()}
    trial.make(journeys, trial.snapshots)
    for name, table in given.items():
        if not table.equals(copies[name]):
            return Failure(
                "input tables are not changed", trial.features[0].name, None, f"{name} was changed"
            )
    return None


def _empty(trial: Trial) -> Failure | None:
    check = "a journey without events has its row"
    ids = trial.journeys.leads["lead_id"].dtype
    history = empty_table("history", ids)
    for events in (trial.journeys.events.iloc[:0], empty_table("events", ids)):
        table = trial.make(replace(trial.journeys, events=events, history=history), trial.snapshots)
        if len(table) != len(trial.snapshots):
            return Failure(check, trial.features[0].name, None, f"{len(table)} rows")
    none = trial.make(trial.journeys, trial.snapshots.iloc[:0])
    if none.shape != (0, len(trial.features)):
        return Failure(check, trial.features[0].name, None, f"no snapshot gave the shape {none.shape}")
    return None


def _groups(trial: Trial) -> Ints:
    """A number per lead: leads with one number must stay together."""
    leads = trial.journeys.leads
    single = np.arange(len(leads))
    if not (trial.together and "account_id" in leads):
        return single
    account = pd.factorize(leads["account_id"])[0]
    return np.where(account >= 0, account, len(leads) + single)


def take_leads(journeys: Journeys, ids: Collection[object]) -> Journeys:
    """Some leads with everything that happened to them; categories of other leads' rows only are left out."""
    tables = {}
    for name in ("leads", "events", "outcomes", "history"):
        table = getattr(journeys, name)
        table = table[table["lead_id"].isin(ids)].reset_index(drop=True)
        for column in table.columns:
            if isinstance(table[column].dtype, pd.CategoricalDtype):
                table[column] = table[column].cat.remove_unused_categories()
        tables[name] = table
    return replace(journeys, **tables)


def _in_parts(trial: Trial, part: Ints, check: str) -> Failure | None:
    """Leads of one part at a time against all at once; -1 is in no part."""
    ids = trial.journeys.leads["lead_id"]
    of_snapshot = part[pd.Index(ids).get_indexer(pd.Index(trial.snapshots["lead_id"]))]
    want = trial.make(trial.journeys, trial.snapshots)
    for number in range(part.max() + 1):
        rows = np.flatnonzero(of_snapshot == number)
        if len(rows) == 0:
            continue
        some = trial.snapshots.iloc[rows]
        found = trial.make(take_leads(trial.journeys, ids[part == number].tolist()), some)
        if failure := _compare(check, trial, some, found, want.iloc[rows]):
            return failure
    return None


def _single(trial: Trial) -> Failure | None:
    groups = pd.factorize(_groups(trial))[0].astype(np.int64)
    few = np.where(groups < _SINGLE_LEADS, groups, -1)
    return _in_parts(trial, few, "a single lead is as in a batch")


def _partitions(trial: Trial) -> Failure | None:
    return _in_parts(trial, _groups(trial) % 3, "partitions are as the whole")


CHECKS: dict[str, Callable[[Trial], Failure | None]] = {
    "shape": _shape,
    "repeat": _repeat,
    "order": _order,
    "cutoff": _cutoff,
    "untouched": _untouched,
    "empty": _empty,
    "single": _single,
    "partitions": _partitions,
}
"""The grid: each gives None, or the first failure found."""


def run_checks(trial: Trial, names: Sequence[str] = tuple(CHECKS)) -> Iterator[Failure]:
    """The failures, check by check, each on a copy: a feature that writes where it reads spoils only its own."""
    for name in names:
        failure = CHECKS[name](_copied(trial))
        if failure is not None:
            yield failure


def _copied(trial: Trial) -> Trial:
    tables = {
        name: getattr(trial.journeys, name).copy(deep=True)
        for name in ("leads", "events", "outcomes", "history")
    }
    return replace(
        trial, journeys=replace(trial.journeys, **tables), snapshots=trial.snapshots.copy(deep=True)
    )


def check_own(journeys: Journeys, snapshots: pd.DataFrame, plan: FeaturePlan) -> None:
    """Check the user's own features by the grid, check by check.

    Parameters
    ----------
    journeys : some leads with everything that happened to them.
    snapshots : some of their snapshots.
    plan : the plan; one without features of the user's own passes.

    Raises
    ------
    FeatureError
        At the first failure, with the feature, the check and a lead.
    """
    own = only_parts(plan, ("custom", "functions"))
    if not own.features or len(snapshots) == 0:
        return

    def make(some: Journeys, snapshots: pd.DataFrame) -> pd.DataFrame:
        return build_features(some, snapshots, own)

    for name in CHECKS:
        try:
            failure = next(run_checks(Trial(make, own.features, journeys, snapshots), [name]), None)
        except MqlmlError as error:
            raise FeatureError(f"a feature of your own failed the check {name!r}: {error}") from error
        if failure is not None:
            lead = "" if failure.lead is None else f", for example at lead {failure.lead!r}"
            raise FeatureError(
                f"the feature {failure.feature!r} is refused: it fails the check that {failure.check}{lead}: "
                f"{failure.found}. Correct it, or remove it from features.custom or features.functions"
            )
