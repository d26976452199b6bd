"""A flat table's profile is read as that of journeys: kinds, bands, personas, completeness, undesirable profiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import ConfigError, LeakageError
from mqlml.features import FeaturePlan, build_flat, plan_flat
from mqlml.journeys import FlatTable
from tests.features.worlds import make_config_of

LEADS = pd.DataFrame(
    {
        "lead_id": [1, 2, 3, 4],
        "Job Title": pd.Series(["CEO", "IT student", None, "Head of IT"], dtype="str"),
        "Work Email": pd.Series(["a@acme.example", "b@gmail.com", "c@yopmail.com", "none"], dtype="str"),
        "Employees": pd.Series(["51-200", "1-10", "1,000+", None], dtype="str"),
        "Phone": pd.Series(["+49 30 901820", "0000000000", None, "n/a"], dtype="str"),
        "visits": [3.0, 1.0, np.nan, 2.0],
    }
)
FLAT = {"path": "leads.csv", "lead_id": "id", "label": "y", "order": "n", "families": {"actions": ["visits"]}}


def flat_of(leads: pd.DataFrame = LEADS) -> FlatTable:
    n = len(leads)
    return FlatTable(leads, pd.Series(np.zeros(n)), pd.Series(range(n)), pd.DataFrame(), {})


def config_of(**sections: Any) -> Any:
    return make_config_of(data={"flat": FLAT}, **sections)


def test_a_flat_profile_by_hand() -> None:
    config = config_of(
        personas={"it": {"function": {"in": ["it"]}, "Employees": {"min": 50}, "visits": {"min": 2}}},
        features={"undesirable_profiles": {"throw_away": {"mail_kind": {"in": ["disposable"]}}}},
    )
    plan = plan_flat(flat_of(), config)
    table = build_flat(flat_of(), FeaturePlan.from_dict(plan.to_dict()))
    expected: dict[str, list[Any]] = {
        "profile__mail_domain__kind": ["corporate", "free", "disposable", "missing"],
        "profile__job_title__seniority": ["c_level", "student", "missing", "director"],
        "profile__job_title__function": ["management", "it", "missing", "it"],
        "profile__company_size__band": ["51 to 200", "1 to 10", "1001 to 5000", "missing"],
        "profile__persona_it__match": [2 / 3, 1 / 3, 1 / 3, 2 / 3],
        "profile__lead__completeness": [1, 1, 0.5, 0.75],  # of four: visits are no profile
        "undesirables__free_mail__flag": [0, 1, 0, None],
        "undesirables__disposable_mail__flag": [0, 0, 1, None],
        "undesirables__invalid_mail__flag": [0, 0, 0, 1],
        "undesirables__student__flag": [0, 1, None, 0],
        "undesirables__invalid_phone__flag": [0, 1, None, 1],
        "undesirables__throw_away__flag": [0, 0, 1, 0],
        "undesirables__profile__count": [0, 3, 2, 2],
    }
    for name, values in expected.items():
        found = table[name].astype("object").where(table[name].notna(), None).tolist()
        assert found == [pytest.approx(v) if isinstance(v, float) else v for v in values], name
    assert "undesirables__profile__days_since" not in table  # a flat table knows no moments


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"features": {"functions": ["weekend_share"]}}, r"features\.functions needs journeys"),
        (
            {
                "features": {
                    "custom": [{"name": "n", "family": "actions", "sentence": "N", "aggregate": "count"}]
                }
            },
            r"features\.custom needs journeys",
        ),
        (
            {"profile": {"history": ["plan"]}},
            r"profile\.history needs journeys, and a flat table has neither",
        ),
    ],
    ids=["functions", "custom", "history"],
)
def test_what_needs_journeys_is_refused(sections: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        plan_flat(flat_of(), config_of(**sections))


def test_a_persona_on_a_refused_column_is_refused() -> None:
    config = config_of(personas={"busy": {"visits": {"min": 2}}})
    with pytest.raises(
        LeakageError, match=r"personas\.busy\.visits uses 'visits', which the leakage audit refused"
    ):
        plan_flat(flat_of(), config, refused={"visits"})


def test_the_groups_of_a_flat_table_can_be_switched_off() -> None:
    off = config_of(features={"groups": {"parsed": False, "completeness": False, "flags": False}})
    kinds = {feature.name.split("__")[2] for feature in plan_flat(flat_of(), off).features}
    assert kinds == {"value"}
