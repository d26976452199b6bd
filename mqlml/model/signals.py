"""What goes with converting: each signal of a training table with it, without it, and among comparable leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import PopulationError
from mqlml.features import FAMILIES, Family, Feature
from mqlml.features.vocabulary import MISSING
from mqlml.features.wording import format_word
from mqlml.journeys import FlatTable, Journeys
from mqlml.model.signal_columns import Design, SignalKey, SignalTable, make_design
from mqlml.model.signal_figures import (
    Estimates,
    RawFigures,
    SignalShares,
    compare_like_leads,
    compare_raw,
    count_ages,
    fit_ridge,
    share_of_signals,
    times,
)
from mqlml.results import Number, Result
from mqlml.times import NEVER
from mqlml.training import TrainingTable
from mqlml.training.snapshots import first_known

__all__ = [
    "Direction",
    "Explanation",
    "LeftOutSignal",
    "RawComparison",
    "SignalEstimate",
    "SignalLevel",
    "SignalName",
    "SignalReport",
    "SignalResult",
    "find_signals",
    "is_total",
    "key_of",
    "report_signals",
    "signals_from_flat",
    "signals_from_journeys",
]


Direction = Literal["more", "less", "no_clear_difference"]
"""Whether leads with something convert more or less often than those they are compared with: where the whole interval
of the difference lies on one side of 0."""

_NAMED = 2
_RARE = 0.05


@dataclass(frozen=True)
class SignalEstimate(Result):
    """A difference between two conversion rates, with its 95% interval."""

    value: Number
    """The difference, as a probability: 0.04 is 4 percentage points."""
    low: Number
    """The lower end of the 95% interval."""
    high: Number
    """The upper end of the 95% interval."""

    @property
    def direction(self) -> Direction:
        """More or less where the whole interval lies on one side of 0."""
        return "more" if self.low > 0 else "less" if self.high < 0 else "no_clear_difference"


@dataclass(frozen=True)
class SignalName(Result):
    """Which signal: one thing that is counted or known, whatever its windows and aggregates."""

    family: Family
    """The family of its features."""
    what: str
    """What is counted or known, as in the names of its features."""


@dataclass(frozen=True)
class Explanation(Result):
    """How much of a raw difference goes with another signal."""

    signal: SignalName
    """The other signal."""
    share: Number
    """Its share of the difference in log-odds between snapshots with and without."""
    more: bool | None
    """Whether those compared have the other event more often, or less often; null for an attribute."""


@dataclass(frozen=True)
class RawComparison(Result):
    """Conversion with and without something at the same ages, and what else goes with the difference."""

    with_rate: Number
    """Share of the snapshots with it that convert; null where no snapshots of the same age can be compared."""
    without_rate: Number
    """Share of the snapshots without it that convert, weighted to the ages of those with it."""
    difference: SignalEstimate
    """The difference of these two, with an interval that allows for accounts."""
    direction: Direction
    """What the difference says."""
    explained_share: Number
    """Share of the difference, in log-odds, that goes with other signals; null where there is no clear one."""
    explained_by: tuple[Explanation, ...]
    """The two signals that explain most of a clear difference; empty where there is none."""


@dataclass(frozen=True)
class SignalLevel(Result):
    """An event type, or one level of an attribute: how leads with it convert, raw and beside comparable leads."""

    name: str
    """The event type, or the attribute."""
    title: str
    """The same, for people."""
    level: str | None
    """The level of the attribute; null for an event type."""
    pooled: bool
    """Whether this is all levels together that are too rare to be evaluated alone."""
    snapshots: int
    """Snapshots that have it."""
    leads: int
    """Leads with such a snapshot."""
    reach: Number
    """These leads as a share of all leads."""
    raw: RawComparison
    """All leads with it beside all without it."""
    like_leads: SignalEstimate
    """The difference from comparable leads: alike in everything else but, for a level, at the mix of all levels."""
    direction: Direction
    """What the comparison with comparable leads says."""
    rare_but_telling: bool
    """Whether fewer than 5% of the leads have it and the raw difference is clear."""


@dataclass(frozen=True)
class SignalResult(Result):
    """One signal: an event type, or attributes that tell the same."""

    signal: SignalName
    """Which signal."""
    members: tuple[SignalName, ...]
    """All signals that are one with it because their attributes determine each other, itself first."""
    kind: Literal["event", "attribute"]
    """Whether leads do it, or have it."""
    importance: Number
    """Variance of what it adds to the log-odds of leads, less what noise alone would make of it; 0 where noise would
    make more."""
    rank_value: Number
    """What that variance is expected to be, given its standard error and that none is negative: by this, signals are
    ordered within a family."""
    levels: tuple[SignalLevel, ...]
    """The event type, or the levels."""


@dataclass(frozen=True)
class LeftOutSignal(Result):
    """An event type or an attribute that could not be evaluated."""

    name: str
    """The event type, or the attribute."""
    reason: str
    """Why."""


@dataclass(frozen=True)
class SignalReport(Result):
    """What goes with converting, and how sure that is."""

    snapshots: int
    """Snapshots whose outcome is known."""
    leads: int
    """Leads with such a snapshot."""
    converted: int
    """Leads with a snapshot that converts."""
    base_rate: Number
    """Share of the snapshots that convert."""
    signals: tuple[SignalResult, ...]
    """By family, and within a family the most important first."""
    left_out: tuple[LeftOutSignal, ...]
    """What could not be evaluated."""


def find_signals(table: SignalTable, *, random_state: int) -> SignalReport:
    """Compare leads with and without each signal, raw and with comparable leads.

    Parameters
    ----------
    table : SignalTable
        All mature snapshots.
    random_state : int
        Of the draws behind the intervals.

    Returns
    -------
    SignalReport
        The same, but for rounding, whatever the order of the rows.

    Raises
    ------
    ContractError
        If the parts of the table have different lengths.
    PopulationError
        If every snapshot converted or none, or no signal has snapshots enough.
    """
    design = make_design(table)
    _, age = np.unique(table.age, return_inverse=True)
    at_age = age[:, None] == np.arange(age.max() + 1)
    values = np.column_stack([design.held, at_age]) if at_age.shape[1] > 1 else design.held
    fit = fit_ridge(values, table.label, table.account)
    width = len(design.columns)
    offset = fit.log_odds - times(design.held, fit.weights[:width])
    ages = count_ages(design.held, age)
    raw = compare_raw(design.held, table.label, age, table.account, ages)
    like_leads = compare_like_leads(design, fit, offset, ~np.isnan(raw.with_rate), random_state)
    shares = share_of_signals(design, fit, ages)
    levels = _make_levels(table, design, raw=raw, like_leads=like_leads, shares=shares)
    return SignalReport(
        snapshots=len(table.label),
        leads=len(np.unique(table.lead)),
        converted=len(np.unique(table.lead[table.label == 1])),
        base_rate=float(table.label.mean()),
        signals=_order(design, levels, shares),
        left_out=tuple(LeftOutSignal(name, reason) for name, reason in design.left_out),
    )


def _order(design: Design, levels: Sequence[SignalLevel], shares: SignalShares) -> tuple[SignalResult, ...]:
    found = []
    for number, keys in enumerate(design.members):
        own = [place for place, column in enumerate(design.columns) if column.signal == number]
        names = tuple(SignalName(*key) for key in keys)
        found.append(
            SignalResult(
                signal=names[0],
                members=names,
                kind="event" if design.columns[own[0]].attribute < 0 else "attribute",
                importance=max(0.0, float(shares.spread[number])),
                rank_value=float(shares.expected[number]),
                levels=tuple(levels[place] for place in own),
            )
        )
    found.sort(key=lambda one: (FAMILIES.index(one.signal.family), -one.rank_value, one.signal.what))
    return tuple(found)


def _make_levels(
    table: SignalTable, design: Design, *, raw: RawFigures, like_leads: Estimates, shares: SignalShares
) -> list[SignalLevel]:
    n_leads = len(np.unique(table.lead))
    levels = []
    for place, column in enumerate(design.columns):
        has = design.held[:, place]
        leads = len(np.unique(table.lead[has]))
        difference, alike = _estimate(raw.difference, place), _estimate(like_leads, place)
        clear = difference.direction != "no_clear_difference"
        share, by = _explain(design, place, shares) if clear else (math.nan, ())
        levels.append(
            SignalLevel(
                name=column.name,
                title=table.titles.get(column.name, format_word(column.name)),
                level=column.level,
                pooled=column.pooled,
                snapshots=int(has.sum()),
                leads=leads,
                reach=leads / n_leads,
                raw=RawComparison(
                    with_rate=_number(raw.with_rate[place]),
                    without_rate=_number(raw.without_rate[place]),
                    difference=difference,
                    direction=difference.direction,
                    explained_share=share,
                    explained_by=by,
                ),
                like_leads=alike,
                direction=alike.direction,
                rare_but_telling=clear and leads / n_leads < _RARE,
            )
        )
    return levels


def _estimate(estimates: Estimates, place: int) -> SignalEstimate:
    return SignalEstimate(*(_number(values[place]) for values in estimates))


def _number(value: float) -> float:
    """The one NaN that a stored result has, too, so that a report equals itself after storage."""
    return math.nan if math.isnan(value) else float(value)


def _explain(design: Design, place: int, shares: SignalShares) -> tuple[float, tuple[Explanation, ...]]:
    """The share of a column's difference that goes with other signals, and the strongest of them."""
    total = float(shares.explained[place].sum())
    if total == 0:
        return math.nan, ()
    share = shares.explained[place] / total
    own = design.columns[place].signal
    strongest = [
        signal for signal in np.argsort(-share, kind="stable") if signal != own and share[signal] > 0
    ]
    named = []
    for signal in strongest[:_NAMED]:
        column = next(at for at, column in enumerate(design.columns) if column.signal == signal)
        is_event = design.columns[column].attribute < 0
        more = bool(shares.apart[place, column] > 0) if is_event else None
        named.append(Explanation(SignalName(*design.signals[signal]), float(share[signal]), more))
    return float(1 - share[own]), tuple(named)


_TOTALS = {
    ("profile", "lead"),
    ("profile", "age"),
    ("channel", "any"),
    ("channel", "other"),
    ("channel", "initiatives"),
    ("actions", "any"),
    ("actions", "other"),
    ("actions", "value"),
    ("actions", "campaign"),
    ("actions", "content"),
    ("actions", "high_intent"),
    ("actions", "lead_initiated"),
    ("undesirables", "any"),
    ("undesirables", "profile"),
    ("undesirables", "silence"),
}
"""What counts many things together, or tells how much is known: no signal of its own."""

_TOUCHES = {"first_touch", "last_touch"}
_ATTRIBUTES = ("leads.", "history.", "flat.")


def key_of(feature: Feature) -> SignalKey:
    """The signal that a feature tells of."""
    return SignalKey(feature.signal.family, feature.signal.what)


def is_total(feature: Feature) -> bool:
    """Whether a feature counts many things together, or tells how much is known, and so is no signal."""
    return feature.signal in _TOTALS


def report_signals(
    data: Journeys | FlatTable, table: TrainingTable, *, random_state: int
) -> SignalReport | None:
    """What goes with converting in the data that a training table was made from.

    Returns
    -------
    SignalReport or None
        None where no signal has snapshots enough, or all snapshots have the same outcome.
    """
    signals = signals_from_journeys(data, table) if isinstance(data, Journeys) else signals_from_flat(table)
    try:
        return find_signals(signals, random_state=random_state)
    except PopulationError:
        return None


def signals_from_journeys(journeys: Journeys, table: TrainingTable) -> SignalTable:
    """The signal table of journeys: events that happened and were recorded strictly before each cutoff.

    Parameters
    ----------
    journeys : Journeys
    table : TrainingTable
        Made from these journeys: its rows are the snapshots, and its features tell the attributes at each cutoff.
    """
    leads = pd.Index(journeys.leads["lead_id"])
    row = leads.get_indexer(pd.Index(table.lead_id))
    cutoff = table.time
    events = journeys.events
    lead = leads.get_indexer(pd.Index(events["lead_id"]))
    known = first_known(events)
    codes = events["action"].cat.codes.to_numpy()
    names = _event_names(table.plan.features)
    refused = set(table.plan.refused_actions)
    done: dict[str, npt.NDArray[np.bool_]] = {}
    keys: list[SignalKey] = []
    for code, action in enumerate(events["action"].cat.categories):
        rows = np.flatnonzero((codes == code) & (lead >= 0))
        if action in refused or len(rows) == 0:
            continue
        first = np.full(len(leads), NEVER)
        np.minimum.at(first, lead[rows], known[rows])
        done[action] = first[row] < cutoff
        keys.append(names.get(action, SignalKey("actions", action)))
    attributes, attribute_keys, titles = _attributes(table)
    ages = table.age if table.age is not None else pd.Series("", index=table.lead_id.index)
    return SignalTable(
        label=table.label,
        lead=table.lead,
        account=table.group,
        age=np.unique(ages.to_numpy(), return_inverse=True)[1],
        events=pd.DataFrame(done, index=range(len(table.label))),
        attributes=attributes,
        event_signals=tuple(keys),
        attribute_signals=attribute_keys,
        titles=titles,
    )


def signals_from_flat(table: TrainingTable) -> SignalTable:
    """The signal table of a flat table, which has attributes only and no times."""
    attributes, keys, titles = _attributes(table)
    return SignalTable(
        label=table.label,
        lead=table.lead,
        account=table.group,
        age=np.zeros(len(table.label), dtype=np.intp),
        events=pd.DataFrame(index=range(len(table.label))),
        attributes=attributes,
        event_signals=(),
        attribute_signals=keys,
        titles=titles,
    )


def _event_names(features: Sequence[Feature]) -> dict[str, SignalKey]:
    """The signal of each event type that has features of its own."""
    names: dict[str, SignalKey] = {}
    for feature in features:
        if "events.action" in feature.source and not is_total(feature):
            key = key_of(feature)
            names[feature.words[0] if feature.words else key.what] = key
    return names


def _attributes(table: TrainingTable) -> tuple[pd.DataFrame, tuple[SignalKey, ...], dict[str, str]]:
    """The features that are attributes at the cutoff, the signal of each, and its title for people."""
    kept = [feature for feature in table.plan.features if _is_attribute(feature)]
    columns = {feature.name: table.features[feature.name].reset_index(drop=True) for feature in kept}
    for name, values in columns.items():
        if not pd.api.types.is_numeric_dtype(values.dtype):
            columns[name] = values.where(values != MISSING)
    return (
        pd.DataFrame(columns, index=range(len(table.label))),
        tuple(key_of(feature) for feature in kept),
        {feature.name: feature.text.label for feature in kept},
    )


def _is_attribute(feature: Feature) -> bool:
    if is_total(feature):
        return False
    if any(source.startswith(_ATTRIBUTES) for source in feature.source):
        return True
    return feature.kind == "category" and key_of(feature).what in _TOUCHES
