"""What the config asks for in vain is said at check and train, with the nearest word there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mqlml.commands.check import make_table
from mqlml.commands.features import learn_features
from mqlml.config import make_config
from mqlml.features import FeaturePlan
from mqlml.journeys import Journeys
from mqlml.progress import Silent
from mqlml.simulate import simulate
from mqlml.training.warnings import find_config_warnings
from tests.commands.test_learn import config

ACTIONS = ("demo_request", "Pricing Page", "onboarding_call")


def journeys(actions: tuple[str, ...] = ACTIONS) -> Journeys:
    world = simulate(20, random_state=0).journeys()
    words = pd.Series([actions[row % len(actions)] for row in range(len(world.events))], dtype="str")
    return replace(world, events=world.events.assign(action=words.to_numpy()))


def promote(condition: dict[str, Any]) -> dict[str, Any]:
    return {"rules": {"promote": [{"when": {"action": condition}, "to": "mql", "reason": "asked"}]}}


def warning(**keys: Any) -> list[str]:
    """Of a plan that the audit kept ``onboarding_call`` from."""
    return find_config_warnings(
        journeys(), FeaturePlan(features=(), refused_actions=("onboarding_call",)), config(**keys)
    )


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (
            {"in": ["demo_request", "demo_requst"]},
            "rules.promote[0].when.action names 'demo_requst', which is no event's action: it promotes nobody; "
            "did you mean 'demo_request'?",
        ),
        (
            {"in": ["pricing_page"]},
            "rules.promote[0].when.action names 'pricing_page', which is no event's action: it promotes "
            "nobody; did you mean 'Pricing Page'?",
        ),
        (
            {"in": ["xyz"]},
            "rules.promote[0].when.action names 'xyz', which is no event's action: it promotes nobody; see "
            "the events for those there are.",
        ),
        (
            {"not_in": [*ACTIONS]},
            "rules.promote[0].when.action matches no event type, so the rule 'asked' promotes nobody.",
        ),
    ],
    ids=["one of two misspelt", "another case and sign", "nothing near", "none left"],
)
def test_a_rule_that_promotes_nobody_is_told(condition: dict[str, Any], said: str) -> None:
    assert warning(**promote(condition)) == [said]


@pytest.mark.parametrize(
    "condition",
    [{"in": ["DEMO_request ", "pricing page"]}, {"not_in": ["demo_request"]}],
    ids=["as rules compare", "not in"],
)
def test_a_rule_that_can_promote_is_not(condition: dict[str, Any]) -> None:
    assert warning(**promote(condition)) == []


def test_a_list_in_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "acts.txt").write_text("demo_request\ndemo_reqest\n", encoding="utf-8")
    values = {
        "name": "n",
        "data": {"observed_until": "2025-06-24", "leads": {"path": "l"}, "outcomes": {"path": "o"}},
        "problem": {"horizon": "60d"},
        **promote({"in": "acts.txt"}),
    }
    found = find_config_warnings(
        journeys(), FeaturePlan(features=()), make_config(values, folder=tmp_path, where="test")
    )
    assert [said.split("; ")[1] for said in found] == ["did you mean 'demo_request'?"]


INTENT = {"groups": {"intent": True, "content": True}}


@pytest.mark.parametrize(
    ("features", "where"),
    [
        ({"high_intent": ["demo_request", "onboarding_call"], **INTENT}, "features.high_intent"),
        ({"downloads": ["onboarding_call"], **INTENT}, "features.downloads"),
        ({"undesirable_actions": ["onboarding_call"]}, "features.undesirable_actions"),
        ({"pairs": [{"first": "demo_request", "then": "onboarding_call"}]}, "features.pairs"),
        (
            {
                "custom": [
                    {
                        "name": "calls",
                        "family": "actions",
                        "sentence": "Calls",
                        "aggregate": "count",
                        "action": ["onboarding_call"],
                    }
                ]
            },
            "features.custom",
        ),
    ],
    ids=["high intent", "downloads", "undesirable", "pairs", "custom"],
)
def test_an_event_type_that_the_audit_refused_is_told_where_it_is_named(
    features: dict[str, Any], where: str
) -> None:
    assert warning(features=features) == [
        f"{where} names 'onboarding_call', which the leakage audit refused: it has no effect there. To keep it: "
        "features: {force: {onboarding_call: why it is known at the cutoff}}."
    ]


def test_a_list_that_no_feature_reads_is_told_and_how_to_have_it_read() -> None:
    assert warning(features={"high_intent": ["demo_request"]}) == [
        "features.high_intent has no effect: the feature groups that use it are off. Switch one on: features: "
        "{groups: {intent: on}}."
    ]
    assert warning(features={"high_intent": ["demo_request"], **INTENT}) == []


def test_of_the_data_as_they_are_the_audit_s_refusals_and_check_s_words_agree() -> None:
    """The simulator's onboarding calls come after the win; with the audit at work the caution follows from it."""
    world = simulate(3000, random_state=7, leaky_columns=True).journeys()
    asked = config(
        features={"high_intent": ["onboarding_call"], "groups": {"intent": True}},
        **promote({"in": ["demo_requested"]}),
    )
    plan, _ = learn_features(world, asked)
    said = find_config_warnings(world, plan, asked)
    assert len(said) == 2
    assert "features.high_intent names 'onboarding_call'" in said[0]
    assert said[1].endswith("did you mean 'demo_request'?")
    assert find_config_warnings(world, make_table(world, asked, Silent()).plan, asked) == said
