"""Parts: some leads with everything that happened to them go in, their rows of the training table come out.

No lead's row depends on another lead's (an account's leads stay in one part), so a table can be cut into parts by
lead, and each part made wherever there is room: the parts' rows are those of the whole, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config, Problem
from mqlml.features import FeaturePlan, build_features
from mqlml.journeys import Journeys
from mqlml.training.labels import assign_labels
from mqlml.training.snapshots import find_snapshots, fix_grid

__all__ = ["Recipe", "build_part", "deal_leads", "make_recipe"]


@dataclass(frozen=True)
class Recipe:
    """What all parts of one table have in common: the problem, its grid written down, and the features."""

    problem: Problem
    plan: FeaturePlan


def make_recipe(leads: pd.DataFrame, config: Config, plan: FeaturePlan) -> Recipe:
    """The recipe for parts of ``leads``, which are all the leads of the table."""
    return Recipe(fix_grid(config.problem, leads), plan)


def build_part(part: Journeys, recipe: Recipe) -> pd.DataFrame:
    """The rows of some leads: their snapshots, labels and features.

    Parameters
    ----------
    part : the leads of one part, and all events, outcomes and attribute changes of theirs.

    Returns
    -------
    DataFrame with ``lead_id, cutoff_time, label`` and the features, in order of cutoff, then of the part's leads; it
    may be empty.
    """
    snapshots = find_snapshots(part, recipe.problem).table[["lead_id", "cutoff_time"]]
    label = assign_labels(part, snapshots, recipe.problem)
    features = build_features(part, snapshots, recipe.plan)
    return pd.concat([snapshots.assign(label=label), features], axis=1)


def deal_leads(leads: pd.DataFrame, parts: int) -> npt.NDArray[np.int32]:
    """The part of each lead, 0 to ``parts`` - 1, by a hash of its account, or of its id where it has none.

    An account's leads stay together, whose features may tell of each other. The same leads are dealt alike on every
    machine and in every process.
    """
    keys = leads["lead_id"].astype("str")
    if "account_id" in leads:
        # An account and a lead may share a name; that puts them in one part and does no harm.
        keys = leads["account_id"].astype("str").where(leads["account_id"].notna(), keys)
    hashes = pd.util.hash_array(keys.to_numpy(object), categorize=False)
    return (hashes % np.uint64(parts)).astype(np.int32)
