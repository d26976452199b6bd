"""Reasons and points add up, match the lead's own values, and do not depend on the batch."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from mqlml.features import FAMILIES
from mqlml.features.catalogue import format_value
from mqlml.model import SigmoidCalibrator, calibrate, contribute
from mqlml.model.reasons import NOTHING_AGAINST, NOTHING_FOR
from mqlml.scoring.explain import REASON_COLUMNS, explain_scores
from tests.registry.versions import Made, make_version

POINTS = [*(f"{family}_points" for family in FAMILIES), "base_points"]
SENTENCES = [*(f"reason_{i}" for i in (1, 2, 3)), *(f"against_{i}" for i in (1, 2, 3))]


@pytest.fixture(scope="module")
def made() -> Made:
    return make_version()


@pytest.fixture(scope="module")
def explained(made: Made) -> pd.DataFrame:
    return explain_scores(made.bundle, made.features)


def test_points_sum_to_the_log_odds_of_the_probability(made: Made, explained: pd.DataFrame) -> None:
    assert tuple(explained.columns) == REASON_COLUMNS
    assert len(explained) == len(made.features)
    probability = made.bundle.calibrator.predict_proba(made.bundle.scorer.decision_function(made.features))[
        :, 1
    ]
    np.testing.assert_allclose(explained[POINTS].sum(axis=1), logit(probability), rtol=0, atol=1e-9)
    assert len(set(explained["base_points"])) == 1
    assert (explained[POINTS[:4]].std() > 0).all(), "every family contributes"


def test_the_first_reason_outweighs_the_second_and_no_two_are_alike(explained: pd.DataFrame) -> None:
    for kind in ("reason", "against"):
        columns = [explained[f"{kind}_{i}"] for i in (1, 2, 3)]
        for earlier, later in itertools.pairwise(columns):
            assert not (earlier.isna() & later.notna()).any()
            assert not (earlier == later).any()
    assert explained["reason_1"].notna().mean() > 0.5


def test_reasons_do_not_depend_on_the_batch(
    made: Made, explained: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in (0, 50, len(explained) - 1):
        single = explain_scores(made.bundle, made.features.iloc[[row]])
        pd.testing.assert_frame_equal(
            single, explained.iloc[[row]].reset_index(drop=True), check_exact=True, check_dtype=True
        )
    monkeypatch.setattr("mqlml.model.scorer._ENCODED_ROWS", 333)
    pd.testing.assert_frame_equal(explain_scores(made.bundle, made.features), explained, check_exact=True)


def test_a_reason_speaks_of_the_leads_own_value(made: Made) -> None:
    """An action counted 3 times is never reported as 4 times."""
    # The small model hardly moves the odds; a steeper calibration gives its leads reasons.
    steep = SigmoidCalibrator.from_dict({**made.bundle.calibrator.to_dict(), "slope": 4.0})
    explained = explain_scores(replace(made.bundle, calibrator=steep), made.features)
    features = made.bundle.plan.features
    found = 0
    for row in range(0, len(explained), 25):
        values = made.features.iloc[row]
        for names, speaks_for, nothing in (
            (SENTENCES[:3], True, NOTHING_FOR),
            (SENTENCES[3:], False, NOTHING_AGAINST),
        ):
            own = {
                format_value(feature, values.iloc[place], speaks_for=speaks_for)
                for place, feature in enumerate(features)
            }
            given = explained.loc[row, names].dropna()
            assert set(given) <= own | {nothing}
            found += len(set(given) - {nothing})
    assert found > 20


def test_a_lead_without_reasons_says_so_first(explained: pd.DataFrame) -> None:
    for kind, nothing in (("reason", NOTHING_FOR), ("against", NOTHING_AGAINST)):
        none = explained[f"{kind}_1"] == nothing
        assert explained[f"{kind}_1"].notna().all()
        assert explained.loc[none, f"{kind}_2"].isna().all()
        assert not (explained[[f"{kind}_2", f"{kind}_3"]] == nothing).any(axis=None)


def test_points_are_the_sums_of_their_columns(made: Made, explained: pd.DataFrame) -> None:
    found = calibrate(contribute(made.bundle.scorer, made.features), made.bundle.calibrator)
    frame = pd.DataFrame(found.added, columns=list(found.names))
    for family in FAMILIES:
        own = frame[[name for name in found.names if name.startswith(f"{family}__")]]
        np.testing.assert_allclose(explained[f"{family}_points"], own.sum(axis=1), rtol=0, atol=1e-9)
