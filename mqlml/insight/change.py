"""Change: one lead's features at two moments go in, what each idea has moved its log-odds by comes out.

The base is the same at both, so the changes of all ideas sum to the change of the log-odds, but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.features import Family, Feature
from mqlml.features.sentences import describe_value
from mqlml.model import Contributions, group_ideas, sum_ideas
from mqlml.results import Result

__all__ = ["Change", "compare_moments"]


@dataclass(frozen=True)
class Change(Result):
    """What one idea has moved the log-odds by."""

    now: str
    """What is said of the feature that moved most."""
    before: str
    """What was said of it before; the same where another feature put it in another light."""
    value_before: str
    """What it was, in few words: the value alone where both are said under the same label."""
    points: float
    """Log-odds now less log-odds before."""
    family: Family
    """The family of that feature."""


def compare_moments(
    contributions: Contributions, features: Sequence[Feature], table: pd.DataFrame
) -> list[Change]:
    """The ideas that moved, the largest change first.

    Parameters
    ----------
    contributions : Contributions
        Calibrated, of two rows: before and now.
    features : sequence of Feature
    table : DataFrame of two rows
        The values that the contributions speak of.
    """
    ideas = group_ideas(features)
    sums = sum_ideas(contributions, ideas)
    moved = sums[1] - sums[0]
    changes = []
    for place in np.argsort(-np.abs(moved), kind="stable"):
        if moved[place] == 0:
            break
        members = np.array(ideas[place].members)
        each = (contributions.added[1, members] - contributions.added[0, members]) * np.sign(moved[place])
        member = members[np.argmax(each)]
        before, now = (
            describe_value(features[member], value, speaks_for=bool(moved[place] > 0))
            for value in table.iloc[:, member]
        )
        alone = before.value if before.label == now.label else None
        value_before = before.text if alone is None else alone
        family = features[member].family
        changes.append(Change(now.text, before.text, value_before, float(moved[place]), family))
    return changes
