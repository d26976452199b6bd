"""Building: journeys, snapshots and a plan go in; one row of features per snapshot comes out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.errors import ContractError
from mqlml.features.builder import Block, Builder, Part, Source
from mqlml.features.catalogue import Feature
from mqlml.features.flat import choose_flat, describe_flat, fill_flat
from mqlml.features.plan import BUILDERS, FeaturePlan
from mqlml.features.vocabulary import read_words
from mqlml.features.windows import Events, make_walks, read_asked
from mqlml.journeys import FlatTable, Journeys
from mqlml.times import NEVER, column_to_microseconds

__all__ = ["build_features", "build_flat", "plan_flat"]


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
    asked, position = read_asked(snapshots, journeys.leads)
    leads = journeys.leads.take(position)
    created = column_to_microseconds(leads["created_at"], missing=NEVER)[asked.lead]
    born = np.where(created <= asked.cutoff, asked.lead, -1)
    source = Source(leads, journeys.history, asked, born, journeys.leads, position)
    active = [builder for builder in BUILDERS if plan.settings(builder) is not None]
    features = {builder.part: builder.describe(plan.settings(builder)) for builder in active}
    numbers, blocks = _make_blocks(len(snapshots), active, features)
    for builder in active:
        if builder.from_leads is not None:
            builder.from_leads(source, plan.settings(builder), blocks[builder.part])
    reading = [builder for builder in active if builder.from_events is not None]
    windows = {window for builder in reading for window in builder.windows(plan.settings(builder))}
    whole = [builder for builder in active if builder.from_accounts or builder.from_journeys]
    if reading or whole:
        events = Events(_without(journeys.events, plan.refused_actions))
        for walk in make_walks(events, asked, tuple(windows)) if reading else ():
            for builder in reading:
                assert builder.from_events is not None
                builder.from_events(walk, events, plan.settings(builder), blocks[builder.part])
        for builder in whole:
            for fill in (builder.from_accounts, builder.from_journeys):
                if fill is not None:
                    fill(source, events, plan.settings(builder), blocks[builder.part])
    return _make_frame(plan.features, numbers, list(blocks.values()), snapshots.index)


def _without(events: pd.DataFrame, actions: Collection[str]) -> pd.DataFrame:
    """The events but for those of some types, for which they are as if they had never happened."""
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
    return FeaturePlan(features=describe_flat(settings), left_out=tuple(left_out), flat=settings)


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
    numeric = sum(feature.kind == "number" for feature in plan.features)
    block = Block(np.empty((len(flat.leads), numeric), np.float32))
    fill_flat(flat.leads, plan.flat, block)
    return _make_frame(plan.features, block.numbers, [block], flat.leads.index)


def _make_blocks(
    rows: int, builders: Sequence[Builder], features: dict[Part, tuple[Feature, ...]]
) -> tuple[npt.NDArray[np.float32], dict[Part, Block]]:
    """One array for all numbers, and each builder's part of it."""
    widths = [sum(f.kind == "number" for f in features[builder.part]) for builder in builders]
    numbers: npt.NDArray[np.float32] = np.full((rows, sum(widths)), np.nan, np.float32)
    firsts = np.cumsum([0, *widths])
    return numbers, {
        builder.part: Block(numbers, int(first)) for builder, first in zip(builders, firsts[:-1], strict=True)
    }


def _make_frame(
    features: Sequence[Feature], numbers: npt.NDArray[np.float32], blocks: Sequence[Block], index: pd.Index
) -> pd.DataFrame:
    """The table in the order of the plan; its numbers stay in the one array they were written to."""
    categories = {name: (block.codes[name], block.words[name]) for block in blocks for name in block.codes}
    missing: tuple[npt.NDArray[np.int32], tuple[str, ...]] = (np.full(len(index), -1, np.int32), ())
    pieces: list[pd.DataFrame] = []
    first = 0
    for kind, run in groupby(features, key=lambda feature: feature.kind):
        names = [feature.name for feature in run]
        if kind == "number":
            part = numbers[:, first : first + len(names)]
            pieces.append(pd.DataFrame(part, index=index, columns=names, copy=False))
            first += len(names)
        else:
            texts = {name: _texts(*categories.get(name, missing)) for name in names}
            pieces.append(pd.DataFrame(texts, columns=names).set_axis(index))
    return pd.concat(pieces, axis=1) if pieces else pd.DataFrame(index=index)


def _texts(codes: npt.NDArray[np.int32], words: Sequence[str]) -> pd.Series:
    return pd.Series(pd.array(list(words), dtype="str").take(codes, allow_fill=True))
