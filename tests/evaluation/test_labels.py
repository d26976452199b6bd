from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from mqlml.config import LabelRule
from mqlml.errors import PopulationError
from mqlml.evaluation import evaluate_policy
from mqlml.model import choose_thresholds


def _policy(mql: float, sql: float):
    rules = {"mql": LabelRule(policy="fixed", value=mql), "sql": LabelRule(policy="fixed", value=sql)}
    return choose_thresholds([0.1, 0.9], [0, 1], rules, weeks=1)


def test_what_each_label_gave_by_hand() -> None:
    found = evaluate_policy(
        _policy(0.4, 0.8),
        [0.4, 0.5, 0.8, 0.1, 0.3],
        [0, 1, 1, 0, 1],
        weeks=2,
        clusters=[1, 2, 3, 4, 5],
        random_state=0,
    )
    assert list(found) == ["mql", "sql"]
    mql = found["mql"]
    assert (mql["threshold"], mql["selected"], mql["converted"], mql["per_week"]) == (0.4, 3, 2, 1.5)
    assert mql["precision"] == pytest.approx(2 / 3)
    assert mql["recall"] == pytest.approx(2 / 3)
    assert found["sql"]["precision"] == 1.0
    assert all(
        mql[f"{what}_low"] <= mql[what] <= mql[f"{what}_high"] for what in ("precision", "recall", "per_week")
    )


def test_a_lead_selected_at_several_looks_is_handed_over_once() -> None:
    rows = {"clusters": [1, 1, 2, 3], "random_state": 0}
    probability, label = [0.5, 0.6, 0.7, 0.1], [0, 1, 1, 0]
    found = evaluate_policy(
        _policy(0.4, 0.8), probability, label, weeks=1, leads=["a", "a", "b", "c"], **rows
    )
    assert (found["mql"]["selected"], found["mql"]["per_week"]) == (3, 2.0)
    undated = evaluate_policy(_policy(0.4, 0.8), probability, label, weeks=None, **rows)["mql"]
    assert (undated["per_week"], undated["per_week_low"], undated["per_week_high"]) == (None, None, None)


def test_a_label_nobody_has_makes_no_claim_of_precision() -> None:
    found = evaluate_policy(_policy(0.2, 0.95), [0.3, 0.4], [0, 1], weeks=1, clusters=[1, 2], random_state=0)
    assert (found["sql"]["precision"], found["sql"]["precision_low"], found["sql"]["precision_high"]) == (
        None,
        None,
        None,
    )
    assert (found["sql"]["recall"], found["sql"]["per_week"]) == (0.0, 0.0)


def test_intervals_cover_what_later_weeks_bring_when_leads_are_clustered() -> None:
    rng = np.random.default_rng(1)
    truth = expit(rng.normal(-1, 1, 400_000))
    precision = truth[truth >= 0.4].mean()
    hits = 0
    for _ in range(100):
        chance = np.repeat(expit(rng.normal(-1, 1, 200)), 2)
        label = np.repeat(rng.random(200), 2) < chance
        found = evaluate_policy(
            _policy(0.4, 0.6),
            chance,
            label,
            weeks=4,
            clusters=np.repeat(np.arange(200), 2),
            random_state=0,
            n_bootstrap=200,
        )["mql"]
        hits += found["precision_low"] <= precision <= found["precision_high"]
    assert 87 <= hits <= 100


def test_one_class_is_refused() -> None:
    with pytest.raises(PopulationError, match="0 of 2 converted"):
        evaluate_policy(_policy(0.2, 0.5), [0.3, 0.4], [0, 0], weeks=1, clusters=[1, 2], random_state=0)
