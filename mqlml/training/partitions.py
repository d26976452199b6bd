"""Partitions: a training table is built part by part, each from some leads and all their rows.

No lead's row depends on another lead's (an account's leads stay together), so each part can be built wherever there
is room, and the parts' rows equal those of the whole to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config, Problem
from mqlml.features import FeaturePlan, build_features
from mqlml.journeys import Journeys
from mqlml.training.snapshots import assign_labels, find_snapshots, fix_grid

__all__ = ["BuildSpec", "Shards", "assign_partitions", "build_part", "make_build_spec"]


@dataclass(frozen=True)
class BuildSpec:
    """What all parts of a table share: the problem with its grid fixed, and the features."""

    problem: Problem
    plan: FeaturePlan


def make_build_spec(leads: pd.DataFrame, config: Config, plan: FeaturePlan) -> BuildSpec:
    """The build spec for parts of ``leads``, which are all the leads of the table."""
    return BuildSpec(fix_grid(config.problem, leads), plan)


def build_part(part: Journeys, build_spec: BuildSpec) -> pd.DataFrame:
    """Build the rows of some leads: snapshots, labels and features.

    Parameters
    ----------
    part : the leads of one part with all their events, outcomes and attribute changes.

    Returns
    -------
    DataFrame with ``lead_id, cutoff_time, label`` and the features, in order of cutoff, then of the part's leads; it
    may be empty.
    """
    snapshots = find_snapshots(part, build_spec.problem).table[["lead_id", "cutoff_time"]]
    label = assign_labels(part, snapshots, build_spec.problem)
    features = build_features(part, snapshots, build_spec.plan)
    return pd.concat([snapshots.assign(label=label), features], axis=1)


def assign_partitions(leads: pd.DataFrame, parts: int) -> npt.NDArray[np.int32]:
    """The part of each lead, 0 to ``parts`` - 1, by a hash of its account, or of its id where it has none.

    An account's leads stay together, since their features may depend on each other. The assignment is the same on
    every machine and in every process.
    """
    keys = leads["lead_id"].astype("str")
    if "account_id" in leads:
        # An account and a lead may share a name; that only puts them in one part.
        keys = leads["account_id"].astype("str").where(leads["account_id"].notna(), keys)
    hashes = pd.util.hash_array(keys.to_numpy(object), categorize=False)
    return (hashes % np.uint64(parts)).astype(np.int32)


class Shards:
    """All leads with their outcomes and attribute changes, ready to be taken part by part.

    Parameters
    ----------
    journeys : their events are not used; `take` is given those of its part.
    part : the part of each lead, below ``parts``, from `assign_partitions`.
    """

    def __init__(self, journeys: Journeys, part: npt.NDArray[np.int32], parts: int) -> None:
        self._journeys = journeys
        ids = pd.Index(journeys.leads["lead_id"])
        self._tables = {
            "leads": (journeys.leads, *_sorted_by(part, parts)),
            **{
                name: (table, *_sorted_by(part[ids.get_indexer(pd.Index(table["lead_id"]))], parts))
                for name, table in (("outcomes", journeys.outcomes), ("history", journeys.history))
            },
        }

    def take(self, number: int, events: pd.DataFrame) -> Journeys:
        """The journeys of one part, in the order of the whole."""
        own = {
            name: table.take(order[edges[number] : edges[number + 1]]).reset_index(drop=True)
            for name, (table, order, edges) in self._tables.items()
        }
        return replace(
            self._journeys,
            leads=own["leads"],
            events=events,
            outcomes=own["outcomes"],
            history=own["history"],
        )


def _sorted_by(part: npt.NDArray[np.int32], parts: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Row positions sorted by part, and where each part begins and ends."""
    edges = np.zeros(parts + 1, np.int64)
    np.cumsum(np.bincount(part, minlength=parts), out=edges[1:])
    return np.argsort(part, kind="stable"), edges
