"""The profile as it was known at each cutoff, against a plain loop: titles, sizes, mails and personas that change."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mqlml.errors import ConfigError, LeakageError
from mqlml.features import build_features, plan_features
from mqlml.journeys import Journeys
from mqlml.journeys.contract import empty_table
from tests.features.worlds import START, frame, make_config_of, make_snapshots

DAY = dt.timedelta(days=1)
NAN = math.nan

TITLES = {
    "CEO": ("c_level", "management"),
    "Werkstudent": ("student", "other"),
    "IT Manager": ("manager", "it"),
}
SIZES = {
    "1-10": (5.5, "1 to 10"),
    "51-200": (125.5, "51 to 200"),
    "1,000+": (1001.0, "1001 to 5000"),
    "many": None,
}
MAILS = {
    "a@gmail.com": "free",
    "b@acme.example": "corporate",
    "c@mailinator.com": "disposable",
    "none": "missing",
}
VALUES = {
    "job_title": [*TITLES, ""],
    "employees": [*SIZES],
    "email": [*MAILS],
    "seats": ["1", "20", "300.5"],
    "country": ["DE", "us", "FR"],
}
CONFIG = make_config_of(
    profile={"history": ["job_title", "employees", "email", "seats", "country"], "static": ["region"]},
    personas={
        "it_buyer": {
            "function": {"in": ["it", "management"]},
            "employees": {"min": 100},
            "country": {"in": ["US", "de"]},
        },
        "small_team": {"seats": {"max": 20}, "mail_kind": {"not_in": ["free"]}, "region": {"in": ["north"]}},
    },
    features={
        "undesirable_profiles": {
            "out_of_region": {"country": {"not_in": ["DE", "US"]}},
            "tiny_student": {"seniority": {"in": ["student"]}, "size_band": {"in": ["1 to 10"]}},
        }
    },
)


def journeys_of(leads: list[dict[str, Any]], changes: list[dict[str, Any]]) -> Journeys:
    columns = ("lead_id", "field", "value", "valid_from", "valid_to", "recorded_at")
    table = frame(leads, ("lead_id", "created_at", "region"))
    return Journeys(
        leads=table,
        events=empty_table("events"),
        outcomes=empty_table("outcomes"),
        history=frame(changes, columns) if changes else empty_table("history"),
        observed_until=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        quarantine=pd.DataFrame(),
        rows_read={},
    )


def held(changes: list[dict[str, Any]], lead: int, field: str, cutoff: dt.datetime) -> dict[str, Any] | None:
    """The change that held: known before the cutoff, not ended by then, latest of those; ties by its text."""
    those = [
        change
        for change in changes
        if change["lead_id"] == lead
        and change["field"] == field
        and change["valid_from"] < cutoff
        and change["recorded_at"] < cutoff
        and (change["valid_to"] is None or change["valid_to"] >= cutoff)
    ]
    those.sort(key=lambda c: (c["valid_from"], max(c["valid_from"], c["recorded_at"]), c["value"]))
    return those[-1] if those else None


def expected(lead: dict[str, Any], changes: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
    """Every feature of the profile, and of the undesirable ones, by a plain loop."""
    found = {field: held(changes, lead["lead_id"], field, cutoff) for field in VALUES}
    known = {field: change["value"] for field, change in found.items() if change and change["value"].strip()}
    since = {field: max(c["valid_from"], c["recorded_at"]) for field, c in found.items() if c}
    seniority, function = TITLES[known["job_title"]] if "job_title" in known else (None, None)
    size = SIZES[known["employees"]] if "employees" in known else None
    mail = MAILS[known["email"]] if "email" in known else None
    country = known.get("country", "").upper()
    it_buyer = [
        function in ("it", "management"),
        size is not None and size[0] >= 100,
        country in ("US", "DE"),
    ]
    small_team = [
        "seats" in known and float(known["seats"]) <= 20,
        mail is not None and mail != "free",
        lead["region"] == "north",
    ]
    flags = {
        "free_mail": (NAN if mail in (None, "missing") else float(mail == "free"), ["email"]),
        "disposable_mail": (NAN if mail in (None, "missing") else float(mail == "disposable"), ["email"]),
        "invalid_mail": (NAN if mail is None else float(mail == "missing"), ["email"]),
        "student": (NAN if seniority is None else float(seniority == "student"), ["job_title"]),
        "out_of_region": (float(country not in ("", "DE", "US")), ["country"]),
        "tiny_student": (
            float(seniority == "student" and size is not None and size[1] == "1 to 10"),
            ["job_title", "employees"],
        ),
    }
    up = [max(max(since[f] for f in fields), lead["created_at"]) for v, fields in flags.values() if v == 1]
    out: dict[str, Any] = {
        "profile__seats__as_of": float(known["seats"]) if "seats" in known else NAN,
        "profile__country__as_of": known.get("country"),
        "profile__mail_domain__kind": mail or "missing",
        "profile__job_title__seniority": seniority or "missing",
        "profile__job_title__function": function or "missing",
        "profile__company_size__band": size[1] if size else "missing",
        "profile__persona_it_buyer__match": sum(it_buyer) / 3,
        "profile__persona_small_team__match": sum(small_team) / 3,
        "profile__lead__completeness": (len(known) + (lead["region"] is not None)) / 6,
        "undesirables__profile__count": sum(value == 1 for value, _ in flags.values()),
        "undesirables__profile__days_since": (cutoff - min(up)) / DAY if up else NAN,
    }
    return out | {f"undesirables__{name}__flag": value for name, (value, _) in flags.items()}


_day = st.integers(0, 12)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[int, Any]]]:
    leads = [
        {
            "lead_id": number,
            "created_at": START + draw(_day) * DAY,
            "region": draw(st.sampled_from(["north", "south", None])),
        }
        for number in range(draw(st.integers(1, 3)))
    ]

    def change() -> dict[str, Any]:
        field = draw(st.sampled_from(list(VALUES)))
        start = START + draw(_day) * DAY
        return {
            "lead_id": draw(st.integers(0, len(leads) - 1)),
            "field": field,
            "value": draw(st.sampled_from(VALUES[field])),
            "valid_from": start,
            "valid_to": draw(st.sampled_from([None, start + 2 * DAY, start])),
            "recorded_at": start + draw(st.sampled_from([0, 0, 1, 5, -1])) * DAY,
        }

    changes = [change() for _ in range(draw(st.integers(0, 30)))]
    asked = [(draw(st.integers(0, len(leads) - 1)), START + draw(_day) * DAY) for _ in range(6)]
    return leads, changes, asked


ALL_FIELDS = [  # of a lead that is not asked for, so that every plan is the same
    {
        "lead_id": 99,
        "field": field,
        "value": value,
        "valid_from": START,
        "valid_to": None,
        "recorded_at": START,
    }
    for field, values in VALUES.items()
    for value in values
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds())
def test_every_value_is_as_a_plain_loop_knows_it(world: Any) -> None:
    leads, changes, asked = world
    others = [
        {"lead_id": 99, "created_at": START, "region": "west"},
        {"lead_id": 98, "created_at": START, "region": "north"},
    ]
    journeys = journeys_of(leads + others, changes + ALL_FIELDS)
    plan = plan_features(journeys, CONFIG, before=None)
    table = build_features(journeys, make_snapshots(asked, "int64"), plan)
    for row, (lead, cutoff) in enumerate(asked):
        born = leads[lead]["created_at"] <= cutoff
        for name, want in expected(leads[lead], changes, cutoff.to_pydatetime()).items():
            found = table[name].iloc[row]
            if not born or want is None or (isinstance(want, float) and math.isnan(want)):
                assert pd.isna(found), (name, found, want)
            else:
                assert found == (want if isinstance(want, str) else pytest.approx(want, rel=1e-6)), name
    made = {name for name in table if not name.startswith("profile__region") and "lead__age" not in name}
    compared = set(expected(leads[0], changes, START.to_pydatetime()))
    assert made - compared <= {
        "profile__email__as_of",
        "profile__job_title__as_of",
        "profile__employees__as_of",
    }
    assert compared <= made


def by_hand() -> tuple[Journeys, pd.DataFrame]:
    """One lead whose title was corrected late: intern from day 1, told on day 1; CEO from day 3, told on day 8."""
    changes = [
        ("job_title", "Intern", 1, 1),
        ("job_title", "CEO", 3, 8),
    ]
    rows = [
        {
            "lead_id": 7,
            "field": field,
            "value": value,
            "valid_from": START + valid * DAY,
            "valid_to": None,
            "recorded_at": START + told * DAY,
        }
        for field, value, valid, told in changes
    ]
    journeys = journeys_of([{"lead_id": 7, "created_at": START, "region": "north"}], rows)
    return journeys, make_snapshots([(7, START + day * DAY) for day in (1, 2, 8, 9)], "int64")


def test_a_change_told_late_is_not_known_before_it_was_told() -> None:
    journeys, snapshots = by_hand()
    config = make_config_of(profile={"history": ["job_title"]})
    table = build_features(journeys, snapshots, plan_features(journeys, config, before=None))
    assert table["profile__job_title__seniority"].tolist() == ["missing", "junior", "junior", "c_level"]


def test_a_persona_may_not_use_a_refused_attribute_nor_one_that_is_not_static() -> None:
    journeys, _ = by_hand()
    leads = journeys.leads.assign(rating="A", country="DE")
    journeys = replace(journeys, leads=leads)

    def plan(when: dict[str, Any], refused: tuple[str, ...] = (), **profile: Any) -> None:
        config = make_config_of(personas={"buyer": when}, profile=profile)
        plan_features(journeys, config, before=None, refused=refused)

    with pytest.raises(
        LeakageError, match=r"personas\.buyer\.rating uses 'rating', which the leakage audit refused"
    ):
        plan({"rating": {"in": ["A"]}}, refused=("rating",))
    with pytest.raises(
        ConfigError, match=r"'country', which is neither in profile\.static nor in profile\.history"
    ):
        plan({"country": {"in": ["DE"]}}, static=["region"])
    with pytest.raises(ConfigError, match=r"'contry', .*did you mean 'country'\?"):
        plan({"contry": {"in": ["DE"]}})
    with pytest.raises(ConfigError, match=r"personas\.buyer\.seniority needs the job title of a lead"):
        plan({"seniority": {"in": ["vp"]}})
    with pytest.raises(ConfigError, match=r"personas\.buyer\.country\.in names the file 'rivals\.txt'"):
        plan({"country": {"in": "rivals.txt"}})
    with pytest.raises(
        ConfigError, match=r"buyer: needs exactly one of 'in', 'not_in' and a range|country: needs"
    ):
        plan({"country": {"in": ["DE"], "min": 3}})


def test_the_lists_of_a_persona_are_in_the_plan(tmp_path: Any) -> None:
    """A list that changes, or is not there, when a version scores does not change what was learned."""
    (tmp_path / "regions.txt").write_text("North\nsouth\n", encoding="utf-8")
    journeys, snapshots = by_hand()
    config = make_config_of(personas={"buyer": {"region": {"in": "regions.txt"}}})
    config = config.model_copy(update={"folder": tmp_path})
    plan = plan_features(journeys, config, before=None)
    (tmp_path / "regions.txt").unlink()
    table = build_features(journeys, snapshots, type(plan).from_dict(plan.to_dict()))
    assert np.array_equal(table["profile__persona_buyer__match"], [1, 1, 1, 1])
