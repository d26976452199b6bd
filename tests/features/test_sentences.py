"""Sentences about one lead, read aloud: each kind of feature with the values it can have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mqlml.features import FAMILIES, Feature
from mqlml.features.plan import plan_features
from mqlml.features.sentences import idea_of, round_values, say_value
from tests.features.worlds import make_config_of, make_world

NONE = math.nan


def feature(name: str, sentence: str, **fields: Any) -> Feature:
    family = name.split("__")[0]
    assert family in FAMILIES
    source = ("leads.x",) if family == "profile" else ("events.action", "events.occurred_at")
    return Feature(name, family, sentence, **{"source": source, **fields})  # type: ignore[arg-type]


VISITS = feature("actions__pricing_page__count__7d", "Visits to the pricing page in the last 7 days")
DEMOS = feature("actions__demo_request__count__all", "Demo requests so far")
WEBINARS = feature("actions__webinar__count__30d", "Times “webinar attended” in the last 30 days")
REPLIES = feature("actions__reply__count__30d", "Replies in the last 30 days")
SESSIONS = feature(
    "actions__any__sessions__7d", "Visits (acts without a long pause between them) in the last 7 days"
)
CHANNELS = feature("channel__any__distinct__7d", "Different channels in the last 7 days")
COLLEAGUES = feature(
    "actions__colleagues__active__7d", "Other leads of the account that were active in the last 7 days"
)
PAIR = feature("actions__demo__count_after_2_visit", "Times “demo” came after at least 2 “visit”")
LAST_DEMO = feature("actions__demo_request__days_since", "Days since the last “demo request”")
LAST_WEBINAR = feature("actions__webinar__days_since", "Days since the last “webinar attended”")
LAST_ACT = feature("actions__any__days_since", "Days since the last act")
AGE = feature("profile__lead__age", "Days since the lead was created")
SILENCE = feature("undesirables__silence__days", "Days of silence: since anything at all happened")
LONGEST = feature("actions__any__longest_silence", "Days of the longest silence since the first act")
SHARE = feature("channel__email__share__30d", "Share of touches through “email” in the last 30 days")
FILLED = feature("profile__lead__completeness", "Share of the profile that is filled in")
CHANCE = feature("actions__any__same_hour", "Chance that two of its visits begin in the same hour of the day")
VALUE = feature("actions__value__sum__30d", "Sum of the acts' values in the last 30 days")
PACE = feature(
    "actions__any__pace", "Acts of the last 7 days against the 7 days before: 1 all lately, −1 all before"
)
EMPLOYEES = feature("profile__employees__value", "Employees")
COUNTRY = feature("profile__country__value", "Country", kind="category")
SENIORITY = feature("profile__job_title__seniority", "Seniority, from the job title", kind="category")
TOUCH = feature("channel__first_touch__value", "Channel of the first touch", kind="category")
VIP = feature("profile__vip__value", "VIP club", kind="category")
FREE = feature("undesirables__free_mail__flag", "Writes from a free mail address (1 yes, 0 no)")

SAID: dict[str, tuple[Feature, float | str | None, bool, str]] = {
    "a count": (VISITS, 3.0, True, "3 visits to the pricing page in the last 7 days"),
    "a count of one": (VISITS, 1.0, True, "1 visit to the pricing page in the last 7 days"),
    "a count of none": (VISITS, 0.0, False, "no visits to the pricing page in the last 7 days"),
    "a large count": (DEMOS, 1234.0, True, "1,234 demo requests so far"),
    "one reply": (REPLIES, 1.0, True, "1 reply in the last 30 days"),
    "times": (WEBINARS, 3.0, True, "“webinar attended” 3 times in the last 30 days"),
    "twice": (WEBINARS, 2.0, True, "“webinar attended” twice in the last 30 days"),
    "not once": (WEBINARS, 0.0, False, "“webinar attended”: not once in the last 30 days"),
    "an explanation is left out": (SESSIONS, 1.0, True, "1 visit in the last 7 days"),
    "no channels": (CHANNELS, 0.0, False, "no channels in the last 7 days"),
    "two channels": (CHANNELS, 2.0, True, "2 different channels in the last 7 days"),
    "one colleague": (
        COLLEAGUES,
        1.0,
        True,
        "1 other lead of the account that was active in the last 7 days",
    ),
    "an ordered pair": (PAIR, 1.0, True, "“demo” came after at least 2 “visit” once"),
    "lately": (LAST_DEMO, 2.9, True, "last demo request 2 days ago"),
    "lately, a verb": (LAST_WEBINAR, 1.0, True, "last “webinar attended” 1 day ago"),
    "today": (LAST_DEMO, 0.4, False, "last demo request less than a day ago"),
    "long ago": (LAST_DEMO, 41.2, False, "no demo request for 41 days"),
    "long ago, and good": (LAST_DEMO, 41.2, True, "last demo request 41 days ago"),
    "never": (LAST_DEMO, NONE, False, "no demo request so far"),
    "no act": (LAST_ACT, 12.0, False, "no activity for 12 days"),
    "silence": (SILENCE, 41.9, False, "no activity for 41 days"),
    "no silence": (SILENCE, 1.5, True, "last activity 1 day ago"),
    "nothing ever": (SILENCE, NONE, False, "no activity so far"),
    "longest silence": (LONGEST, 12.0, False, "longest silence since the first act: 12 days"),
    "age": (AGE, 30.2, False, "the lead was created 30 days ago"),
    "a share": (SHARE, 0.404, True, "40 % of touches through “email” in the last 30 days"),
    "a share of nothing": (SHARE, 0.0, False, "no touches through “email” in the last 30 days"),
    "a share that is not known": (
        *(SHARE, NONE, False),
        "share of touches through “email” in the last 30 days: none yet",
    ),
    "filled in": (FILLED, 0.75, True, "75 % of the profile is filled in"),
    "nothing filled in": (FILLED, 0.0, False, "0 % of the profile is filled in"),
    "a chance": (
        *(CHANCE, 0.333, True),
        "chance that two of its visits begin in the same hour of the day: 33 %",
    ),
    "a sum": (VALUE, 1239.7, True, "sum of the acts' values in the last 30 days: 1,240"),
    "a small sum": (VALUE, 0.012345, True, "sum of the acts' values in the last 30 days: 0.0123"),
    "a negative sum": (VALUE, -3.5, False, "sum of the acts' values in the last 30 days: −3.5"),
    "faster": (PACE, 0.2, True, "more acts in the last 7 days than in the 7 days before"),
    "slower": (PACE, -1.0, False, "fewer acts in the last 7 days than in the 7 days before"),
    "as fast": (PACE, 0.0, True, "as many acts in the last 7 days as in the 7 days before"),
    "a number": (EMPLOYEES, 250.0, True, "employees: 250"),
    "a missing number": (EMPLOYEES, NONE, False, "employees not given"),
    "a category": (COUNTRY, "DE", True, "country is DE"),
    "a missing category": (COUNTRY, None, False, "country not given"),
    "a category that is called missing": (SENIORITY, "missing", False, "seniority not given"),
    "a parsed category": (SENIORITY, "c_level", True, "seniority is c level"),
    "no touch": (TOUCH, None, False, "channel of the first touch: none yet"),
    "an abbreviation": (VIP, "gold", True, "VIP club is gold"),
    "a very long word": (COUNTRY, "x" * 99, True, f"country is {'x' * 59}…"),
    "a flag": (FREE, 1.0, False, "writes from a free mail address"),
    "no flag": (FREE, 0.0, True, "writes from a free mail address: no"),
    "a flag that is not known": (FREE, NONE, False, "writes from a free mail address: not known"),
}


@pytest.mark.parametrize(("about", "value", "speaks_for", "sentence"), SAID.values(), ids=SAID)
def test_a_value_is_said_as_people_say_it(
    about: Feature, value: float | str | None, speaks_for: bool, sentence: str
) -> None:
    assert say_value(about, value, speaks_for=speaks_for) == sentence


@pytest.mark.parametrize("about", [VISITS, LAST_DEMO, SHARE, VALUE, FREE], ids=lambda about: about.name)
def test_values_that_are_rounded_alike_are_said_alike(about: Feature) -> None:
    values = np.array([0.0, 0.004, 0.2, 0.999, 1.0, 3.0, 12.34, 123_456.7, NONE])
    for value, rounded in zip(values, round_values(about, values), strict=True):
        assert say_value(about, value, speaks_for=True) == say_value(about, float(rounded), speaks_for=True)


def test_features_of_one_thing_are_one_idea() -> None:
    assert idea_of(DEMOS) == idea_of(LAST_DEMO) == ("actions", "demo_request")
    assert idea_of(SILENCE) == idea_of(LAST_ACT) == ("undesirables", "silence")
    assert idea_of(FREE) == ("profile", "mail_domain")
    assert idea_of(AGE) != idea_of(FILLED)


def test_a_feature_whose_name_has_another_shape_is_an_idea_of_its_own() -> None:
    assert idea_of(Feature("fit", "profile", "Fit")) == ("profile", "fit")
    assert say_value(Feature("fit", "profile", "Fit"), 0.5, speaks_for=True) == "fit: 0.5"


def test_every_feature_of_a_real_plan_is_said_without_a_slip() -> None:
    """No value of any feature leaves an explanation, a dangling word or a number of many digits in the sentence."""
    journeys = make_world(0)
    plan = plan_features(journeys, make_config_of(), before=None)
    for about in plan.features:
        values = ["DE", None] if about.kind == "category" else [NONE, 0.0, 1.0, 2.0, 0.123456, 1e6]
        for value in values:
            said = say_value(about, value, speaks_for=False)
            assert said, about.name
            assert said == " ".join(said.split()), about.name
            slips = [bad for bad in ("1 yes", "nan", "Days since", "123456", "1e") if bad in said]
            assert not slips, (about.name, said)
