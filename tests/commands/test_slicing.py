"""Which slices are judged: those the config names, else those people ask about first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import ConfigError
from mqlml.evaluation.slices import check_slices, choose_slices
from mqlml.features import Feature
from mqlml.features.wording import Part
from mqlml.journeys import Journeys
from mqlml.simulate import simulate
from mqlml.training import TrainingTable, build_table
from tests.commands.test_learn import config


@pytest.fixture(scope="module")
def company() -> tuple[Journeys, TrainingTable]:
    data = simulate(700, random_state=5).journeys()
    return data, build_table(data, config())


def test_people_ask_about_regions_sources_firms_roles_and_the_age(
    company: tuple[Journeys, TrainingTable],
) -> None:
    data, table = company
    found = choose_slices(data, table, config())
    assert list(found) == [
        "Country",
        "Channel of the first touch",
        "Lead source",
        "Industry",
        "Company size",
        "Seniority, from the job title",
        "Age of the lead",
    ]
    n = len(table.holdout.test)
    for values in found.values():
        assert len(values) == n
        assert 2 <= len(set(values)) <= 10
    last = table.holdout.test
    assert (found["Age of the lead"] == table.age.iloc[last]).all()  # type: ignore[union-attr]
    country = table.features["profile__country__value"].iloc[last]
    common = set(table.features["profile__country__value"].iloc[table.holdout.train].value_counts().index[:8])
    for value, shown in zip(country, found["Country"], strict=True):
        assert shown == ("missing" if pd.isna(value) else value if value in common else "all others")


def test_personas_come_first(company: tuple[Journeys, TrainingTable]) -> None:
    data, table = company
    features = table.features.assign(profile__persona_buyer__match=np.arange(len(table.label)) % 3 / 2)
    plan = table.plan
    persona = Feature("profile", "persona_buyer", "match", Part("the persona “buyer”", "is met"), "share")
    known = replace(
        table,
        features=features,
        plan=type("Plan", (), {"features": (*plan.features, persona)})(),
    )
    found = choose_slices(data, known, config())
    assert next(iter(found)) == "Share of the persona “buyer” that is met"
    assert set(found["Share of the persona “buyer” that is met"]) == {"0", "0.5", "1"}
    assert len(found) == 7


def test_the_config_names_columns_of_the_leads_or_features(company: tuple[Journeys, TrainingTable]) -> None:
    data, table = company
    named = config(slices=["employees", "profile__country__value", "landing_page"])
    check_slices(data, table, named)
    found = choose_slices(data, table, named)
    assert list(found) == ["employees", "Country", "landing_page", "Age of the lead"]
    quarters = {value for value in found["employees"] if value != "missing"}
    assert len(quarters) == 4
    assert sum(value.startswith("up to ") for value in quarters) == 1
    assert sum(value.startswith("over ") for value in quarters) == 1
    employees = data.leads.set_index("lead_id")["employees"].reindex(table.lead_id.iloc[table.holdout.test])
    assert ((found["employees"] == "missing") == employees.isna()).all()
    top = next(value for value in quarters if value.startswith("over "))
    assert employees[found["employees"] == top].min() > float(top.removeprefix("over "))


@pytest.mark.parametrize("name", ["contry", "profile__contry__value"])
def test_a_name_that_is_nothing_is_refused_before_training(
    company: tuple[Journeys, TrainingTable], name: str
) -> None:
    data, table = company
    with pytest.raises(ConfigError, match=rf"slices must name columns .* '{name}' is neither.*'country'"):
        check_slices(data, table, config(slices=[name]))


def test_rows_of_the_period_have_no_say_in_the_cuts(company: tuple[Journeys, TrainingTable]) -> None:
    data, table = company
    named: dict[str, Any] = {"slices": ["profile__employees__value", "profile__country__value"]}
    before = choose_slices(data, table, config(**named))
    features = table.features.copy()
    last = table.holdout.test
    features.loc[last[:40], "profile__employees__value"] = 1e6
    features.loc[last[:40], "profile__country__value"] = "Atlantis"
    after = choose_slices(data, replace(table, features=features), config(**named))
    assert set(before["Employees"]) == set(after["Employees"])
    assert (after["Country"][:40] == "all others").all()
    assert (after["Employees"][40:] == before["Employees"][40:]).all()
