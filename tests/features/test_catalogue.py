"""Names and sentences: unique, stable, and what a marketer would say."""

from __future__ import annotations

import re

import pytest

from mqlml.config.features import Groups
from mqlml.features import FeaturePlan, plan_features
from mqlml.features.catalogue import FAMILIES, feature_name, format_window, name_part, name_parts
from mqlml.features.families.action_rows import is_undesirable
from mqlml.features.wording import counted_events
from mqlml.times import DAY, HOUR
from tests.features.worlds import make_config_of, make_world

CONFIG = make_config_of(features={"max_actions": 4, "max_channels": 2}, profile={"history": ["plan"]})


@pytest.fixture(scope="module")
def plan() -> FeaturePlan:
    return plan_features(make_world(0), CONFIG, before=None)


def test_names_are_unique_and_well_formed(plan: FeaturePlan) -> None:
    names = [feature.name for feature in plan.features]
    assert len(set(names)) == len(names)
    for feature in plan.features:
        parts = [feature.what, feature.aggregate] + (
            [] if feature.window is None else [name_part(feature.window)]
        )
        assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", part) for part in parts), feature.name
        assert feature.name == "__".join([feature.family, *parts])


def test_a_name_is_made_from_the_parts_and_no_two_features_share_them() -> None:
    """Of a plan with every group: the same parts are the same feature, so a name never needs to be taken apart."""
    config = make_config_of(
        features={"groups": dict.fromkeys(Groups.model_fields, True), "half_lives": ["36h", "7d"]},
        windows=["12h", "7d", "all"],
        personas={"buyer": {"size": {"min": 2}}},
        profile={"history": ["plan"]},
    )
    features = plan_features(make_world(0), config, before=None).features
    assert len(features) > 200
    for feature in features:
        made = feature_name(feature.family, feature.what, feature.aggregate, feature.window)
        assert feature.name == made
        assert feature.kind == ("category" if feature.unit == "category" else "number")
    parts = [(feature.family, feature.what, feature.aggregate, feature.window) for feature in features]
    assert len(set(parts)) == len(parts)


def test_windows_and_aggregates_of_one_thing_are_one_signal(plan: FeaturePlan) -> None:
    signals = {feature.name: feature.signal for feature in plan.features}
    assert signals["actions__demo_request__count__7d"] == ("actions", "demo_request")
    assert signals["actions__demo_request__days_since"] == ("actions", "demo_request")
    assert signals["actions__any__days_since"] == signals["undesirables__silence__days"]
    assert signals["actions__any__days_since"] == ("undesirables", "silence")
    assert signals["undesirables__free_mail__flag"] == signals["profile__mail_domain__kind"]
    assert signals["undesirables__student__flag"] == signals["profile__job_title__seniority"]
    assert signals["profile__lead__age"] == ("profile", "age")
    assert signals["profile__lead__completeness"] == ("profile", "lead")


@pytest.mark.parametrize(
    ("name", "unit", "asks"),
    [
        ("actions__page_view__count__7d", "count", "presence"),
        ("actions__page_view__days_since", "days", "amount"),
        ("actions__any__count__7d", "count", "amount"),
        ("actions__any__active_days__7d", "count", "amount"),
        ("actions__value__sum__7d", "amount", "amount"),
        ("actions__any__pace", "ratio", "amount"),
        ("channel__email__share__7d", "share", "amount"),
        ("channel__first_touch__value", "category", "amount"),
        ("undesirables__free_mail__flag", "flag", "presence"),
        ("profile__lead__age", "age", "amount"),
        ("profile__size__value", "number", "amount"),
    ],
)
def test_a_feature_knows_its_unit_and_what_it_asks(
    plan: FeaturePlan, name: str, unit: str, asks: str
) -> None:
    feature = {feature.name: feature for feature in plan.features}[name]
    assert (feature.unit, feature.asks) == (unit, asks)


def test_every_feature_says_what_it_is_and_where_it_comes_from(plan: FeaturePlan) -> None:
    sentences = [feature.sentence for feature in plan.features]
    assert len(set(sentences)) == len(sentences)
    for feature in plan.features:
        assert feature.sentence[0].isupper() or not feature.sentence[0].isalpha()
        assert not feature.sentence.endswith(".")
        assert feature.source
        assert all(re.fullmatch(r"(leads|events|history)\.\w+", column) for column in feature.source)
    assert {feature.family for feature in plan.features} == set(FAMILIES)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("actions__page_view__count__7d", "Page views in the last 7 days"),
        ("actions__demo_request__days_since", "Days since the last “demo request”"),
        ("actions__any__count__all", "Events of any kind so far"),
        ("channel__first_touch__value", "Channel of the first touch"),
        ("channel__other__share__30d", "Share of touches through another channel in the last 30 days"),
        ("undesirables__unsubscribe__count__90d", "Unsubscribes in the last 90 days"),
        ("profile__job_title__seniority", "Seniority, from the job title"),
        ("profile__plan__as_of", "Plan, as known at the time"),
    ],
)
def test_sentences(plan: FeaturePlan, name: str, sentence: str) -> None:
    assert {feature.name: feature.sentence for feature in plan.features}[name] == sentence


def test_the_source_s_own_word_is_kept_where_the_name_differs(plan: FeaturePlan) -> None:
    words = {feature.name: feature.words for feature in plan.features}
    assert words["actions__demo_request__count__7d"] == ("demo-request",)
    assert words["actions__page_view__count__7d"] == ()


def test_words_that_come_to_one_part_are_told_apart_and_never_take_ours() -> None:
    assert name_parts(["A_SUBMITTED complete", "a-submitted complete", "Any", "  "], reserved=["any"]) == {
        "A_SUBMITTED complete": "a_submitted_complete",
        "a-submitted complete": "a_submitted_complete_2",
        "Any": "any_2",
        "  ": "blank",
    }


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("demo_request", "Demo requests"),
        ("Demo-Request", "Times “Demo Request”"),
        ("reply", "Replies"),
        ("essay", "Essays"),
        ("launch", "Launches"),
        ("webinar_attended", "Times “webinar attended”"),
        ("pricing", "Times “pricing”"),
        ("page 2", "Times “page 2”"),
        ("views", "Times “views”"),
    ],
)
def test_events_are_counted_in_plain_words(word: str, text: str) -> None:
    assert counted_events(word).heading == text


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (DAY, "in the last day"),
        (14 * DAY, "in the last 14 days"),
        (12 * HOUR, "in the last 12 hours"),
        ("all", "so far"),
    ],
    ids=["a day", "two weeks", "half a day", "all"],
)
def test_windows_are_written_in_plain_words(window: int, text: str) -> None:
    assert format_window(window) == text


@pytest.mark.parametrize(
    "action",
    [
        "unsubscribe",
        "Email Unsubscribed",
        "emailBounced",
        "hard_bounce",
        "Email Marked Spam",
        "spam-complaint",
        "careers",
        "Careers Page Visit",
        "job_application",
        "visited jobs page",
        "no_show",
        "meeting no-show",
        "opted_out",
        "do not call",
        "not_interested",
    ],
)
def test_what_speaks_against_a_lead_is_recognised(action: str) -> None:
    assert is_undesirable(action, None)


@pytest.mark.parametrize(
    "action",
    [
        "demo_request",
        "Email Opened",
        "page_view",
        "subscribe",
        "job title updated",
        "show",
        "4 - purchase",
        "call",
        "spa visit",
    ],
)
def test_what_speaks_for_a_lead_is_not_taken_for_undesirable(action: str) -> None:
    assert not is_undesirable(action, None)
