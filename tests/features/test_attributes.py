"""Attributes: what becomes a number, a category, or nothing; titles, email addresses, flat tables."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Config
from mqlml.errors import BundleError, ConfigError, ContractError
from mqlml.features import FeaturePlan, build_features, build_flat, plan_features, plan_flat
from mqlml.features.parsers.company import mail_kind
from mqlml.features.parsers.job_title import title_function, title_seniority
from mqlml.journeys import FlatTable, Journeys
from tests.features.worlds import START, make_config_of, make_snapshots, make_world

ROWS = 60


def attributes() -> pd.DataFrame:
    numbers = np.arange(ROWS)
    return pd.DataFrame(
        {
            "country": pd.Series(np.where(numbers % 3 == 0, "US", "DE"), dtype="str"),
            "size": numbers % 7 + 0.5,
            "opted_in": numbers % 2 == 0,
            "remark": pd.Series([f"called on {i}" for i in numbers], dtype="str"),
            "first_name": pd.Series(np.where(numbers % 2, "Ann", "Bob"), dtype="str"),
            "Work Email": pd.Series(
                [f"p{i}@{'gmail.com' if i % 2 else 'acme.example'}" for i in numbers], dtype="str"
            ),
            "invited_by_id": numbers * 11.0,
            "source": pd.Series(["web"] * ROWS, dtype="str"),
            "empty": np.full(ROWS, np.nan),
            "updated": pd.Series(pd.date_range("2024-01-01", periods=ROWS, tz="UTC")),
        }
    )


def journeys_with(table: pd.DataFrame) -> Journeys:
    world = make_world(0, leads=len(table), events=5)
    leads = world.leads[["lead_id"]].assign(created_at=START).astype({"created_at": "datetime64[us, UTC]"})
    return replace(world, leads=pd.concat([leads, table], axis=1))


def snapshots_of(journeys: Journeys) -> pd.DataFrame:
    ids = journeys.leads["lead_id"]
    return make_snapshots([(lead, START + pd.Timedelta(days=100)) for lead in ids], ids.dtype)


def plan_of(table: pd.DataFrame, config: Config | None = None, **keywords: Any) -> FeaturePlan:
    return plan_features(journeys_with(table), config or make_config_of(), before=None, **keywords)


def profile_names(plan: FeaturePlan) -> set[str]:
    return {f.name.removeprefix("profile__") for f in plan.features if f.family == "profile"}


def test_attributes_become_numbers_and_categories_or_are_left_out_with_a_reason() -> None:
    plan = plan_of(attributes())
    assert profile_names(plan) == {
        "country__value",
        "size__value",
        "opted_in__value",
        "mail_domain__kind",
        "lead__completeness",
        "lead__age",
    }
    assert dict(plan.left_out) == {
        "remark": "nearly unique: 60 different values in 60 rows",
        "first_name": "names or locates a person",
        "Work Email": "holds email addresses; parsed instead",
        "invited_by_id": "is an identifier: 60 different numbers in 60 rows",
        "source": "has the same value in every row",
        "empty": "is empty",
        "updated": "is a time",
    }


def test_attributes_are_built_as_they_are() -> None:
    journeys = journeys_with(attributes())
    table = build_features(journeys, snapshots_of(journeys), plan_of(attributes()))
    assert table["profile__country__value"].tolist() == attributes()["country"].tolist()
    assert table["profile__size__value"].tolist() == attributes()["size"].tolist()
    assert table["profile__opted_in__value"].tolist() == attributes()["opted_in"].astype(float).tolist()
    assert table["profile__lead__completeness"].unique() == np.float32(0.9)
    assert table["undesirables__free_mail__flag"].tolist() == [float(i % 2) for i in range(ROWS)]


def test_refused_columns_never_become_features() -> None:
    refused = {"country", "Work Email", "size"}
    plan = plan_of(attributes(), refused=refused)
    assert profile_names(plan) == {"opted_in__value", "lead__completeness", "lead__age"}
    assert all(not refused & {column.partition(".")[2] for column in f.source} for f in plan.features)
    assert "undesirables__free_mail__flag" not in {feature.name for feature in plan.features}
    assert [column for column, reason in plan.left_out if reason == "refused by the leakage audit"] == [
        "country",
        "size",
        "Work Email",
    ]


@pytest.mark.parametrize(
    "column",
    [
        "Gender",
        "date_of_birth",
        "BirthYear",
        "national id",
        "IBAN",
        "Bank Account",
        "marital_status",
        "Salutation",
    ],
)
def test_what_nobody_may_be_profiled_by_is_used_only_if_it_is_named(column: str) -> None:
    leads = attributes()[["country"]].assign(**{column: np.arange(ROWS) % 3})
    assert profile_names(plan_of(leads)) == {"country__value", "lead__completeness", "lead__age"}
    assert (column, "identifies or profiles a person: used only if profile.static names it") in plan_of(
        leads
    ).left_out
    named = plan_of(leads, make_config_of(profile={"static": ["country", column]}))
    assert any(
        f"leads.{column}" in feature.source for feature in named.features if feature.aggregate == "value"
    )


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y %H:%M"])
def test_dates_are_no_categories_of_days(form: str) -> None:
    days = pd.date_range("2024-01-10", periods=10).strftime(form)
    leads = attributes()[["country"]].assign(first_visit=pd.Series(np.resize(days, ROWS), dtype="str"))
    assert ("first_visit", "holds dates") in plan_of(leads).left_out


def test_a_static_list_keeps_only_what_it_names() -> None:
    plan = plan_of(attributes(), make_config_of(profile={"static": ["size", "country"]}))
    assert profile_names(plan) == {"country__value", "size__value", "lead__completeness", "lead__age"}
    assert plan.left_out == ()


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (
            {"static": ["contry"]},
            r"profile\.static names 'contry', which is not there; did you mean 'country'\?",
        ),
        ({"email": "E-Mail"}, r"profile\.email names 'E-Mail'"),
        ({"job_title": "role"}, r"profile\.job_title names 'role'"),
        (
            {"history": ["plans"]},
            r"profile\.history names 'plans', which is not there; did you mean 'plan'\?",
        ),
    ],
    ids=["static", "email", "job title", "history"],
)
def test_a_config_that_names_an_absent_column_is_refused(profile: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        plan_of(attributes(), make_config_of(profile=profile))


def test_only_what_was_known_before_is_learned_from() -> None:
    journeys = make_world(2)
    early = START + pd.Timedelta(days=10)
    plan = plan_features(journeys, make_config_of(), before=early.to_pydatetime())
    events = journeys.events
    known = (events["occurred_at"] < early) & (events["recorded_at"] < early)
    cut = replace(
        journeys,
        events=events[known],
        leads=journeys.leads[journeys.leads["created_at"] < early],
        history=journeys.history[journeys.history["recorded_at"] < early],
    )
    assert plan == plan_features(cut, make_config_of(), before=None)
    assert plan != plan_features(journeys, make_config_of(), before=None)


def test_journeys_without_events_have_a_profile_only() -> None:
    plan = plan_features(make_world(0), make_config_of(), before=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert plan.actions is None
    assert plan.channel is None
    assert {feature.family for feature in plan.features} <= {"profile", "undesirables"}


def test_listed_undesirables_replace_the_known_ones_and_a_listed_one_never_seen_is_reported() -> None:
    config = make_config_of(features={"undesirable_actions": ["webinar", "webinars"]})
    plan = plan_features(make_world(0), config, before=None)
    names = {feature.name for feature in plan.features}
    assert "undesirables__webinar__count__all" in names
    assert "actions__unsubscribe__count__all" in names
    assert "actions__webinar__count__all" not in names
    assert ("events.action=webinars", "listed as undesirable, but no event has this action") in plan.left_out


def test_a_column_that_turns_to_text_or_is_gone_is_refused_and_an_empty_one_is_missing() -> None:
    plan = plan_of(attributes())
    for column, values, says in (
        ("size", pd.Series(["many"] * ROWS, dtype="str"), "'size' held numbers when .* found 'many'"),
        ("size", None, "planned with the attribute 'size', which this table does not have"),
    ):
        table = (
            attributes().drop(columns=column) if values is None else attributes().assign(**{column: values})
        )
        journeys = journeys_with(table)
        with pytest.raises(ContractError, match=says):
            build_features(journeys, snapshots_of(journeys), plan)
    journeys = journeys_with(attributes().assign(size=pd.Series([None] * ROWS, dtype="str"), country=np.nan))
    table = build_features(journeys, snapshots_of(journeys), plan)
    assert table[["profile__size__value", "profile__country__value"]].isna().all(axis=None)


def test_numbers_beyond_float32_stay_finite() -> None:
    wild = attributes().assign(size=[1e39, -1e39, np.inf, *range(ROWS - 3)])
    journeys = journeys_with(wild)
    found = build_features(journeys, snapshots_of(journeys), plan_of(wild))["profile__size__value"]
    assert np.isfinite(found.iloc[:2]).all()
    assert np.isnan(found.iloc[2])


@pytest.mark.parametrize(
    ("title", "seniority", "function"),
    [
        ("CEO & Co-Founder", "owner", "management"),
        ("Vice President of Sales", "vp", "sales"),
        ("Sr. Director, Demand Generation", "director", "marketing"),
        ("Geschäftsführerin", "c_level", "management"),
        ("Leiter Einkauf", "director", "purchasing"),
        ("Marketing Intern", "junior", "marketing"),
        ("HR Manager", "manager", "people"),
        ("Senior Software Engineer", "senior", "it"),
        ("PhD student", "student", "education"),
        ("Controller", "other", "finance"),
        ("Étudiant", "student", "other"),
        ("Wizard", "other", "other"),
        ("...", "other", "other"),
    ],
)
def test_job_titles(title: str, seniority: str, function: str) -> None:
    assert (title_seniority(title), title_function(title)) == (seniority, function)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ann@gmail.com", "free"),
        ("Ann Lee <ann@acme.example>", "missing"),
        ("<ann@acme.example>", "corporate"),
        ("ann@MAIL.YAHOO.COM", "free"),
        ("yahoo.co.uk", "free"),
        ("notgmail.com", "corporate"),
        ("com", "missing"),
        ("ann@localhost", "missing"),
        ("", "missing"),
        (None, "missing"),
    ],
)
def test_mail_kinds(text: str | None, kind: str) -> None:
    assert mail_kind(text) == kind


FLAT = {
    "flat": {
        "path": "leads.csv",
        "lead_id": "id",
        "label": "y",
        "order": "n",
        "families": {"actions": ["size"], "channel": ["country"]},
    }
}


def flat_table(table: pd.DataFrame) -> FlatTable:
    leads = pd.concat([pd.Series(range(len(table)), name="lead_id"), table], axis=1)
    return FlatTable(leads, pd.Series(np.zeros(len(table))), pd.Series(range(len(table))), pd.DataFrame(), {})


def test_flat_columns_are_features_of_their_families() -> None:
    flat = flat_table(attributes())
    plan = plan_flat(flat, make_config_of(data=FLAT), refused={"opted_in"})
    assert [feature.name for feature in plan.features] == [
        "profile__mail_domain__kind",
        "profile__lead__completeness",
        "channel__country__value",
        "actions__size__value",
        "undesirables__free_mail__flag",
        "undesirables__disposable_mail__flag",
        "undesirables__invalid_mail__flag",
        "undesirables__profile__count",
    ]
    assert ("opted_in", "refused by the leakage audit") in plan.left_out
    assert ("remark", "nearly unique: 60 different values in 60 rows") in plan.left_out
    table = build_flat(replace(flat, leads=flat.leads.iloc[::-1]), FeaturePlan.from_dict(plan.to_dict()))
    assert table["actions__size__value"].tolist() == attributes()["size"].tolist()[::-1]
    assert table.index.tolist() == list(range(ROWS))[::-1]


def test_a_word_is_the_same_in_a_small_file() -> None:
    """A file of new leads may hold only those words of a column that look like numbers or truths."""
    words = {
        "release": ["1.0", "beta", "2.50", "1"],
        "vip": ["True", "unknown", "FALSE", "true"],
        "zip": ["01234", "10115", "CH-1", "10115.0"],
    }
    table = pd.DataFrame({name: pd.Series(column * 10, dtype="str") for name, column in words.items()})
    plan = plan_flat(
        flat_table(table),
        make_config_of(
            data={"flat": {key: FLAT["flat"][key] for key in ("path", "lead_id", "label", "order")}}
        ),
    )
    built = build_flat(flat_table(table), plan)
    small = pd.DataFrame(
        {
            "release": [1.0, 2.5, 1.0],
            "vip": pd.Series(["true", "false", "true"], dtype="str"),
            "zip": pd.Series(["01234", "10115", "10115"], dtype="str"),
        }
    )
    assert built["profile__release__value"].tolist()[:4] == ["1", "beta", "2.5", "1"]
    assert built["profile__vip__value"].tolist()[:4] == ["true", "unknown", "false", "true"]
    assert built["profile__zip__value"].tolist()[:4] == ["01234", "10115", "CH-1", "10115"]
    rows = built.iloc[[0, 2, 3]].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        build_flat(flat_table(small), plan).drop(columns="profile__zip__value"),
        rows.drop(columns="profile__zip__value"),
    )
    truths = small.assign(vip=[True, False, True])
    assert build_flat(flat_table(truths), plan)["profile__vip__value"].tolist() == ["true", "false", "true"]


def test_flat_columns_are_judged_by_the_rows_to_learn_from() -> None:
    table = attributes().assign(source=["web"] * 40 + ["shop"] * 20)
    flat = flat_table(table.astype({"source": "str"}))
    early = plan_flat(flat, make_config_of(data=FLAT), rows=np.arange(40))
    assert ("source", "has the same value in every row") in early.left_out
    assert "profile__source__value" in {f.name for f in plan_flat(flat, make_config_of(data=FLAT)).features}


def test_a_flat_family_that_names_an_absent_column_is_refused() -> None:
    config = make_config_of(data={"flat": {**FLAT["flat"], "families": {"actions": ["sizes"]}}})
    with pytest.raises(
        ConfigError, match=r"data\.flat\.families\.actions names 'sizes'.*did you mean 'size'"
    ):
        plan_flat(flat_table(attributes()), config)


def test_plans_of_the_other_kind_and_damaged_plans_are_refused() -> None:
    journeys = journeys_with(attributes())
    plan = plan_of(attributes())
    flat = plan_flat(flat_table(attributes()), make_config_of(data=FLAT))
    with pytest.raises(ContractError, match="made from a flat table"):
        build_features(journeys, snapshots_of(journeys), flat)
    with pytest.raises(ContractError, match="made from journeys"):
        build_flat(flat_table(attributes()), plan)
    values = plan.to_dict()
    with pytest.raises(BundleError, match="made by another mqlml"):
        FeaturePlan.from_dict({**values, "features": values["features"][1:]})
    with pytest.raises(BundleError, match=r"cannot be read: profile\.static"):
        FeaturePlan.from_dict({**values, "profile": {**values["profile"], "static": 3}})


def test_many_text_columns_come_in_one_table_without_a_warning() -> None:
    wide = pd.DataFrame({f"c{i:03}": pd.Series(["a", "b"] * 30, dtype="str") for i in range(150)})
    mixed = wide.assign(**{f"n{i}": range(ROWS) for i in range(3)})
    flat = flat_table(mixed[sorted(mixed, key=lambda name: name[1:])])
    assert build_flat(
        flat, plan_flat(flat, make_config_of(data=FLAT | {"flat": {**FLAT["flat"], "families": {}}}))
    ).shape == (
        ROWS,
        154,  # completeness is one more
    )
