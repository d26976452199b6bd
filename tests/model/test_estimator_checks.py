from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mqlml.model import LeadScorer


# The checks train on a few dozen rows: fewer trees keep them quick, and smaller leaves let them find something.
@parametrize_with_checks(
    [
        LeadScorer(n_trees=20, min_samples_leaf=2),
        LeadScorer(n_trees=20, min_samples_leaf=2, tree_weight=0.5, linear_weight=0.5, linear_spread=3.0),
        LeadScorer(tree_weight=0.0, linear_weight=1.0, linear_spread=10.0),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning", "ignore::FutureWarning:sklearn")
def test_scikit_learns_own_checks(estimator, check) -> None:
    """All of them pass; the one that is skipped needs SCIPY_ARRAY_API, for arrays that are not numpy's."""
    check(estimator)
