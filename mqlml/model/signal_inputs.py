"""Signal tables from a training table: what each snapshot's lead had done and was, as known at its cutoff."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import PopulationError
from mqlml.features import Feature
from mqlml.features.vocabulary import MISSING
from mqlml.journeys import FlatTable, Journeys
from mqlml.model.signal_columns import SignalKey, SignalTable
from mqlml.model.signals import SignalReport, find_signals
from mqlml.times import NEVER
from mqlml.training import TrainingTable
from mqlml.training.snapshots import first_known

__all__ = ["is_total", "key_of", "report_signals", "signals_from_flat", "signals_from_journeys"]

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
