from __future__ import annotations

import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from sklearn.utils.validation import validate_data

from mqlml.features import Feature
from mqlml.features.wording import Named
from mqlml.model import BaseRateBaseline, LeadScorer, LogisticBaseline, PointsBaseline, SigmoidCalibrator

DEMO = Feature("actions", "demo", "count", Named("demo requests"), "count", asks="presence", window="all")


class FirstColumnCalibrator(SigmoidCalibrator):
    """The calibrator on a table's first column.

    scikit-learn's checks hand every estimator tables and skip the ones that take one-dimensional arrays only. What is
    asked of the table itself (its shape, a sparse one, its number of columns) is answered by `validate_data` here;
    the calibrator answers for all else: labels, weights, classes, parameters, cloning, pickling, order of rows.
    """

    def fit(self, X, y, sample_weight=None):
        return super().fit(validate_data(self, X)[:, 0], y, sample_weight)

    def decision_function(self, X):
        return super().decision_function(validate_data(self, X, reset=False)[:, 0])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        tags.classifier_tags.poor_score = True  # one column of several does not tell the classes apart
        return tags


BESIDE_THE_SCORER = [
    BaseRateBaseline(),
    LogisticBaseline(),
    PointsBaseline(),  # the checks' tables have no column that gives points
    FirstColumnCalibrator(),
]


# The checks train on a few dozen rows: fewer trees keep them quick, and smaller leaves let them find something.
@parametrize_with_checks(
    [
        LeadScorer(n_trees=20, min_samples_leaf=2),
        LeadScorer(n_trees=20, min_samples_leaf=2, tree_weight=0.5, linear_weight=0.5, linear_spread=3.0),
        LeadScorer(tree_weight=0.0, linear_weight=1.0, linear_spread=10.0),
        *BESIDE_THE_SCORER,
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning", "ignore::FutureWarning:sklearn")
def test_scikit_learns_own_checks(estimator, check) -> None:
    """All of them pass but the one that is skipped."""
    check(estimator)


def test_what_is_skipped_is_what_the_docstring_says() -> None:
    scorer = LeadScorer(tree_weight=0.0, linear_weight=1.0, linear_spread=10.0)
    done = check_estimator(scorer, on_skip=None, on_fail=None)
    others = {result["check_name"] for result in done if result["status"] != "passed"}
    assert others == {"check_array_api_input"}
    assert f"One of its {len(done)} checks" in (LeadScorer.__doc__ or "")
    assert "check_array_api_input" in (LeadScorer.__doc__ or "")


def test_parameters_are_all_that_a_clone_and_a_text_keep() -> None:
    table = pd.DataFrame({DEMO.name: [0, 0, 1, 3] * 10})
    fitted = PointsBaseline([DEMO]).fit(table, [0, 0, 0, 1] * 10)
    again = clone(fitted)
    assert again.get_params() == {"features": [DEMO]}
    assert vars(again).keys() == {"features"}
    assert repr(fitted).startswith("PointsBaseline(features=[Feature(family='actions'")
    with pytest.raises(NotFittedError, match="This PointsBaseline instance is not fitted yet"):
        again.predict_proba(table)
    assert again.set_params(features=[]).fit(table, [0, 0, 0, 1] * 10).calibrator_ is None
    calibrator = SigmoidCalibrator().fit([-1.0, 0.0, 1.0], [0, 1, 1])
    assert (repr(calibrator), vars(clone(calibrator))) == ("SigmoidCalibrator()", {})
    with pytest.raises(NotFittedError, match="This SigmoidCalibrator instance is not fitted yet"):
        clone(calibrator).predict_proba([0.0])


def test_the_calibrator_says_that_it_takes_one_dimension_only() -> None:
    tags = SigmoidCalibrator().__sklearn_tags__().input_tags
    assert (tags.one_d_array, tags.two_d_array) == (True, False)
