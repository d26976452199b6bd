"""Build one row of features per snapshot from journeys, or per row of a flat table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.errors import ContractError
from mqlml.features.families.builder import Builder, Columns, Given, Piece, Source, features_of, lay_out
from mqlml.features.families.flat import choose_flat, flat_pieces, flat_source
from mqlml.features.kernels.windows import Events, SnapshotKeys, read_snapshot_keys, scan_windows
from mqlml.features.parsers.conditions import count_met
from mqlml.features.plan import FeaturePlan, owned_pieces
from mqlml.features.vocabulary import read_words, respell
from mqlml.journeys import FlatTable, Journeys
from mqlml.times import NEVER, column_to_microseconds
from mqlml.types import Floats32


def _make_source(journeys: Journeys, snapshots: pd.DataFrame) -> Source:
    keys, position = read_snapshot_keys(snapshots, journeys.leads)
    leads = journeys.leads.take(position)
    created = column_to_microseconds(leads["created_at"], missing=NEVER)[keys.lead]
    lead_row = np.where(created <= keys.cutoff, keys.lead, -1)
    everyone = journeys.merged.separate_accounts(journeys.leads)
    return Source(leads, journeys.history, keys, lead_row, everyone, position)


def build_features(journeys: Journeys, snapshots: pd.DataFrame, plan: FeaturePlan) -> pd.DataFrame:
    """Make the features of each snapshot from what was known before its cutoff.

    An event or an attribute change counts if it occurred and was recorded before the cutoff, strictly; a lead's
    own attributes from the moment it was created. Outcomes are never read.

    Parameters
    ----------
    journeys : Journeys
    snapshots : DataFrame with ``lead_id`` and ``cutoff_time`` (``datetime64[us, UTC]``), in any order, repeated
        ones allowed.
    plan : FeaturePlan, from `plan_features`.

    Returns
    -------
    DataFrame
        A row per snapshot with its index; a column per feature, ``float32`` (NaN missing) or ``str``.

    Raises
    ------
    ContractError
        If a snapshot's lead has no row in ``journeys.leads``, or a column the plan needs is not there.
    """
    if plan.flat is not None:
        raise ContractError(
            "this feature plan was made from a flat table; use build_flat, or plan with plan_features"
        )
    source = _make_source(journeys, snapshots)
    keys = source.keys
    owned = owned_pieces(plan)
    numbers, columns = lay_out([piece for _, piece in owned], len(snapshots))
    tasks: dict[Given, list[_Task]] = {"scan": [], "leads": [], "journeys": []}
    for (builder, piece), own in zip(owned, columns, strict=True):
        tasks[piece.given].append((builder, piece, own))
    for _, piece, own in tasks["leads"]:
        piece.write(source, own)
    if tasks["scan"] or tasks["journeys"]:
        events = Events(_without(_respelled(journeys.events, plan), plan.refused_actions))
        _write_scans(tasks["scan"], events, keys, plan)
        _write_journeys(tasks["journeys"], events, source, plan)
    return _make_frame(numbers, columns, snapshots.index)


_Task = tuple[Builder, Piece, Columns]


def _write_scans(tasks: Sequence[_Task], events: Events, keys: SnapshotKeys, plan: FeaturePlan) -> None:
    """Fill what is made from events, scan by scan; a builder's pieces share what it makes of a scan."""
    families = [(builder, list(own)) for builder, own in groupby(tasks, key=lambda task: task[0])]
    windows = {window for builder, _ in families for window in builder.windows(plan.settings(builder))}
    for scan in scan_windows(events, keys, tuple(windows)) if tasks else ():
        for builder, own in families:
            assert builder.of_scan is not None
            given = builder.of_scan(scan, events, plan.settings(builder))
            for _, piece, columns in own:
                piece.write(given, columns)


def _write_journeys(tasks: Sequence[_Task], events: Events, source: Source, plan: FeaturePlan) -> None:
    """Fill what is made from leads and events together."""
    for builder, own in groupby(tasks, key=lambda task: task[0]):
        assert builder.of_journeys is not None
        given = builder.of_journeys(source, events, plan.settings(builder))
        for _, piece, columns in own:
            piece.write(given, columns)


def _respelled(events: pd.DataFrame, plan: FeaturePlan) -> pd.DataFrame:
    """The events with the plan's spelling of each action and channel."""
    columns = {
        column: respell(events[column], known) for column, known in plan.words if known and column in events
    }
    changed = {column: words for column, words in columns.items() if words is not events[column]}
    return events.assign(**changed) if changed else events


def _without(events: pd.DataFrame, actions: Collection[str]) -> pd.DataFrame:
    """The events without those of some types, as if these had never happened."""
    if not actions:
        return events
    words = read_words(events["action"])
    refused = np.array([*(text in actions for text in words.text), False])
    kept: pd.DataFrame = events[~refused[words.codes]]
    return kept


def plan_flat(
    flat: FlatTable,
    config: Config,
    *,
    refused: Collection[str] = (),
    rows: npt.NDArray[np.intp] | None = None,
) -> FeaturePlan:
    """Learn which columns of a flat table become features.

    Parameters
    ----------
    flat : FlatTable
    config : Config
    refused : columns that must not become features, as the leakage audit found.
    rows : positions of the rows to learn from; None takes all.

    Raises
    ------
    ConfigError
        If the config names a column that the table does not have.
    """
    settings, left_out = choose_flat(flat, config, refused=refused, rows=rows)
    return FeaturePlan(features=features_of(flat_pieces(settings)), left_out=tuple(left_out), flat=settings)


def build_flat(flat: FlatTable, plan: FeaturePlan) -> pd.DataFrame:
    """Make the features of each row of a flat table: the planned columns, as ``float32`` or ``str``.

    Raises
    ------
    ContractError
        If a column the plan needs is not there, or holds text where there were numbers.
    """
    if plan.flat is None:
        raise ContractError(
            "this feature plan was made from journeys; use build_features, or plan with plan_flat"
        )
    pieces = tuple(flat_pieces(plan.flat))
    numbers, columns = lay_out(pieces, len(flat.leads))
    source = flat_source(flat.leads)
    for piece, own in zip(pieces, columns, strict=True):
        piece.write(source, own)
    return _make_frame(numbers, columns, flat.leads.index)


def match_personas(data: Journeys | FlatTable, snapshots: pd.DataFrame, plan: FeaturePlan) -> pd.DataFrame:
    """Which of the plan's personas each lead is, by all that they require.

    Parameters
    ----------
    data : the events of journeys are not read.
    snapshots : DataFrame with ``lead_id``, and ``cutoff_time`` as for `build_features`, which a flat table ignores.
    plan : FeaturePlan

    Returns
    -------
    DataFrame of bool
        A row per snapshot with its index, a column per persona; none where the plan has no personas.
    """
    found = pd.DataFrame(index=snapshots.index)
    family = plan.profile if plan.flat is None else plan.flat
    if family is None or not family.derived.personas:
        return found
    if isinstance(data, Journeys):
        source = _make_source(data, snapshots)
    else:
        rows = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
        source = flat_source(data.leads.iloc[rows].reset_index(drop=True))
    for persona in family.derived.personas:
        met = count_met(source, persona.wanted, family.derived.parsing) == len(persona.wanted)
        found[persona.name] = met & (source.lead_row >= 0)
    return found


def _make_frame(numbers: Floats32, columns: Sequence[Columns], index: pd.Index) -> pd.DataFrame:
    """The table in the order of the plan; its numbers stay in the one array they were written to."""
    parts: list[pd.DataFrame] = []
    for is_category, each in groupby(columns, key=lambda own: own.is_category):
        run = list(each)
        if is_category:
            texts = {
                own.features[0].name: pd.array(list(own.texts), dtype="str").take(own.codes, allow_fill=True)
                for own in run
            }
            parts.append(pd.DataFrame(texts, columns=list(texts), index=index))
        else:
            names = [feature.name for own in run for feature in own.features]
            part = numbers[:, run[0].place.start : run[-1].place.stop]
            parts.append(pd.DataFrame(part, index=index, columns=names, copy=False))
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=index)
