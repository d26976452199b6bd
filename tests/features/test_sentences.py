"""Sentences about one lead, read aloud: each kind of feature with the values it can have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mqlml.features import Feature
from mqlml.features.catalogue import Unit, ValueText, describe_value, format_value, round_values
from mqlml.features.plan import plan_features
from mqlml.features.wording import (
    Compared,
    Counted,
    Flag,
    Last,
    Named,
    Part,
    Share,
    Since,
    Text,
    Times,
    counted_events,
    last_event,
)
from tests.features.worlds import make_config_of, make_world

NONE = math.nan


WEEK = " in the last 7 days"
MONTH = " in the last 30 days"
EVER = " so far"


def action(what: str, aggregate: str, text: Text, unit: Unit, **fields: Any) -> Feature:
    return Feature("actions", what, aggregate, text, unit, **fields)


def profile(what: str, text: Text, unit: Unit = "number", **fields: Any) -> Feature:
    return Feature("profile", what, "value", text, unit, missing="not_given", **fields)


def own(sentence: str, unit: Unit = "number", window: str = "", **fields: Any) -> Feature:
    """As `features.custom` makes it."""
    return action("mine", "sum", Named(sentence), unit, window_text=window, **fields)


VISIT_PAGE = Counted("visit to the pricing page", "visits to the pricing page")
VISITS = action("pricing_page", "count", VISIT_PAGE, "count", window="7d", window_text=WEEK)
DEMOS = action(
    "demo_request", "count", counted_events("demo_request"), "count", window="all", window_text=EVER
)
WEBINARS = action("webinar", "count", counted_events("webinar_attended"), "count", window_text=MONTH)
REPLIES = action("reply", "count", counted_events("reply"), "count", window_text=MONTH)
SESSION = Counted("visit", "visits", aside=" (events without a long pause between them)")
SESSIONS = action("any", "sessions", SESSION, "count", window_text=WEEK)
CHANNEL = Counted("channel", "channels", different=True)
CHANNELS = Feature("channel", "any", "distinct", CHANNEL, "count", window_text=WEEK)
OTHER_LEADS = Counted(
    "other lead of the account that was active", "other leads of the account that were active"
)
COLLEAGUES = action("colleagues", "active", OTHER_LEADS, "count", window_text=WEEK)
PAIR = action("demo", "count_after_2_visit", Times("“demo” followed at least 2 “visit”"), "count")
SINCE_PAIR = action("demo", "days_since_after_2_visit", Since("“demo” followed at least 2 “visit”"), "days")
LAST_DEMO = action("demo_request", "days_since", last_event("demo_request"), "days")
LAST_WEBINAR = action("webinar", "days_since", last_event("webinar_attended"), "days")
LAST_EVENT = action("any", "days_since", Last("activity", named="event"), "days")
AGE = Feature("profile", "lead", "age", Since("the lead was created"), "age")
SILENT = Last("activity", instead="Days of silence: since anything at all happened")
SILENCE = Feature("undesirables", "silence", "days", SILENT, "days")
LONGEST_SILENCE = Named("longest silence since the first event", before="Days of the ")
LONGEST = action("any", "longest_silence", LONGEST_SILENCE, "days", missing="not_known")
TOUCHES = Share("touches through “email”")
SHARE = Feature("channel", "email", "share", TOUCHES, "share", window_text=MONTH)
INITIATED_SHARE = Share("events the lead itself initiated", aside=", in the last 30 days")
INITIATED = action("lead_initiated", "share", INITIATED_SHARE, "share", window="30d")
FILLED = profile("lead", Part("the profile", "is filled in"), "share")
BUYER = profile("persona_buyer", Part("what makes the persona “buyer”", "is met"), "share")
SAME_HOUR = Named("Chance that two of its visits begin in the same hour of the day")
CHANCE = action("any", "same_hour", SAME_HOUR, "share")
VALUE = action("value", "sum", Named("Total value of events"), "amount", window_text=MONTH)
WEEKS = Compared(
    *("events", "in the last 7 days", "in the 7 days before"),
    *("events of the last 7 days against the 7 days before", ": 1 all lately, −1 all before"),
)
PACE = action("any", "pace", WEEKS, "ratio")
EMPLOYEES = profile("employees", Named("Employees"))
COUNTRY = profile("country", Named("Country"), "category")
SENIORITY = profile("job_title", Named("Seniority", aside=", from the job title"), "category")
TOUCH = Feature("channel", "first_touch", "value", Named("Channel of the first touch"), "category")
VIP = profile("vip", Named("VIP club"), "category")
FREE = Feature("undesirables", "free_mail", "flag", Flag("writes from a free email address"), "flag")

HEADINGS = {
    "Visits to the pricing page in the last 7 days": VISITS,
    "Times “webinar attended” in the last 30 days": WEBINARS,
    "Visits (events without a long pause between them) in the last 7 days": SESSIONS,
    "Different channels in the last 7 days": CHANNELS,
    "Times “demo” followed at least 2 “visit”": PAIR,
    "Days since “demo” followed at least 2 “visit”": SINCE_PAIR,
    "Days since the last “demo request”": LAST_DEMO,
    "Days since the last event": LAST_EVENT,
    "Days since the lead was created": AGE,
    "Days of silence: since anything at all happened": SILENCE,
    "Days of the longest silence since the first event": LONGEST,
    "Share of touches through “email” in the last 30 days": SHARE,
    "Share of events the lead itself initiated, in the last 30 days": INITIATED,
    "Share of the profile that is filled in": FILLED,
    "Total value of events in the last 30 days": VALUE,
    "Events of the last 7 days against the 7 days before: 1 all lately, −1 all before": PACE,
    "Seniority, from the job title": SENIORITY,
    "Writes from a free email address (1 yes, 0 no)": FREE,
    "Share of voice": own("Share of voice"),
}


@pytest.mark.parametrize(("sentence", "about"), HEADINGS.items(), ids=HEADINGS)
def test_the_catalogue_s_sentence_is_made_from_the_parts(sentence: str, about: Feature) -> None:
    assert about.sentence == sentence


TEXTS: dict[str, tuple[Feature, float | str | None, bool, str]] = {
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
    "an ordered pair": (PAIR, 1.0, True, "“demo” followed at least 2 “visit” once"),
    "lately": (LAST_DEMO, 2.9, True, "last demo request 2 days ago"),
    "lately, a verb": (LAST_WEBINAR, 1.0, True, "last “webinar attended” 1 day ago"),
    "today": (LAST_DEMO, 0.4, False, "last demo request less than a day ago"),
    "long ago": (LAST_DEMO, 41.2, False, "no demo request for 41 days"),
    "long ago, and good": (LAST_DEMO, 41.2, True, "last demo request 41 days ago"),
    "never": (LAST_DEMO, NONE, False, "no demo request so far"),
    "no event": (LAST_EVENT, 12.0, False, "no activity for 12 days"),
    "silence": (SILENCE, 41.9, False, "no activity for 41 days"),
    "no silence": (SILENCE, 1.5, True, "last activity 1 day ago"),
    "nothing ever": (SILENCE, NONE, False, "no activity so far"),
    "longest silence": (LONGEST, 12.0, False, "longest silence since the first event: 12 days"),
    "age": (AGE, 30.2, False, "the lead was created 30 days ago"),
    "a share": (SHARE, 0.404, True, "40% of touches through “email” in the last 30 days"),
    "a share of nothing": (SHARE, 0.0, False, "no touches through “email” in the last 30 days"),
    "a share that is not known": (
        *(SHARE, NONE, False),
        "share of touches through “email” in the last 30 days: none yet",
    ),
    "filled in": (FILLED, 0.75, True, "75% of the profile is filled in"),
    "nothing filled in": (FILLED, 0.0, False, "0% of the profile is filled in"),
    "a share of a moment": (
        *(INITIATED, 0.25, True),
        "25% of events the lead itself initiated, in the last 30 days",
    ),
    "a share of a moment that is not known": (
        *(INITIATED, NONE, True),
        "share of events the lead itself initiated: none yet",
    ),
    "a persona met in part": (BUYER, 0.5, True, "50% of what makes the persona “buyer” is met"),
    "a persona not met": (BUYER, 0.0, False, "0% of what makes the persona “buyer” is met"),
    "since a pair": (SINCE_PAIR, 3.2, True, "“demo” followed at least 2 “visit” 3 days ago"),
    "since no pair": (SINCE_PAIR, NONE, True, "“demo” followed at least 2 “visit”: not yet"),
    "a chance": (
        *(CHANCE, 0.333, True),
        "chance that two of its visits begin in the same hour of the day: 33%",
    ),
    "a sum": (VALUE, 1239.7, True, "total value of events in the last 30 days: 1,240"),
    "a small sum": (VALUE, 0.012345, True, "total value of events in the last 30 days: 0.0123"),
    "a negative sum": (VALUE, -3.5, False, "total value of events in the last 30 days: −3.5"),
    "faster": (PACE, 0.2, True, "more events in the last 7 days than in the 7 days before"),
    "slower": (PACE, -1.0, False, "fewer events in the last 7 days than in the 7 days before"),
    "as fast": (PACE, 0.0, True, "as many events in the last 7 days as in the 7 days before"),
    "a number": (EMPLOYEES, 250.0, True, "employees: 250"),
    "a missing number": (EMPLOYEES, NONE, False, "employees not given"),
    "a category": (COUNTRY, "DE", True, "country is DE"),
    "a missing category": (COUNTRY, None, False, "country not given"),
    "a category that is called missing": (SENIORITY, "missing", False, "seniority not given"),
    "a parsed category": (SENIORITY, "c_level", True, "seniority is c level"),
    "no touch": (TOUCH, None, False, "channel of the first touch: none yet"),
    "an abbreviation": (VIP, "gold", True, "VIP club is gold"),
    "a very long word": (COUNTRY, "x" * 99, True, f"country is {'x' * 59}…"),
    "a flag": (FREE, 1.0, False, "writes from a free email address"),
    "no flag": (FREE, 0.0, True, "writes from a free email address: no"),
    "one's own number": (own("Share of voice"), 37.0, True, "share of voice: 37"),
    "one's own number that is missing": (own("Share of voice"), NONE, True, "share of voice: none yet"),
    "one's own share": (own("Share of voice", "share"), 0.37, True, "share of voice: 37%"),
    "one's own share of nothing": (own("Share of voice", "share"), 0.0, True, "share of voice: 0%"),
    "one's own days, a number": (own("Days of training booked"), 0.5, True, "days of training booked: 0.5"),
    "one's own days": (own("Training booked", "days"), 3.0, True, "training booked: 3 days"),
    "one's own hours": (own("Training booked", "hours", MONTH), 1.0, True, f"training booked{MONTH}: 1 hour"),
    "one's own part of an hour": (own("Training booked", "hours"), 2.25, True, "training booked: 2.25 hours"),
    "one's own amount": (own("Days since the offer", "amount"), 12.5, True, "days since the offer: 12.5"),
    "one's own count": (own("Number of calls", "count", WEEK), 1.0, True, f"number of calls{WEEK}: 1"),
    "one's own flag": (own("VIP", "flag"), 1.0, True, "VIP: yes"),
    "not one's own flag": (
        own("Is a partner (1 yes, 0 no)", "flag"),
        0.0,
        True,
        "is a partner (1 yes, 0 no): no",
    ),
    "one's own age": (own("Account", "age"), 400.7, True, "account: 400 days"),
    "a column called as a share": (profile("s", Named("Share of voice")), 37.0, True, "share of voice: 37"),
    "a column called as days": (profile("d", Named("Days of rain")), 0.4, True, "days of rain: 0.4"),
    "a flag that is not known": (FREE, NONE, False, "writes from a free email address: not known"),
}


@pytest.mark.parametrize(("about", "value", "speaks_for", "sentence"), TEXTS.values(), ids=TEXTS)
def test_a_value_reads_as_people_write_it(
    about: Feature, value: float | str | None, speaks_for: bool, sentence: str
) -> None:
    assert format_value(about, value, speaks_for=speaks_for) == sentence


@pytest.mark.parametrize("about", [VISITS, LAST_DEMO, SHARE, VALUE, FREE], ids=lambda about: about.name)
def test_values_that_are_rounded_alike_have_the_same_text(about: Feature) -> None:
    values = np.array([0.0, 0.004, 0.2, 0.999, 1.0, 3.0, 12.34, 123_456.7, NONE])
    for value, rounded in zip(values, round_values(about, values), strict=True):
        assert format_value(about, value, speaks_for=True) == format_value(
            about, float(rounded), speaks_for=True
        )


@pytest.mark.parametrize(
    ("about", "value", "text"),
    [
        (VALUE, 12.0, ValueText(f"total value of events{MONTH}: 12", f"total value of events{MONTH}", "12")),
        (
            FREE,
            0.0,
            ValueText("writes from a free email address: no", "writes from a free email address", "no"),
        ),
        (FREE, 1.0, ValueText("writes from a free email address")),
        (VISITS, 3.0, ValueText(f"3 visits to the pricing page{WEEK}")),
        (EMPLOYEES, NONE, ValueText("employees not given")),
        (COUNTRY, "a: b", ValueText("country is a: b")),
    ],
    ids=["a label", "a flag down", "a flag up", "a count", "not given", "a category"],
)
def test_the_value_stands_apart_where_it_follows_a_label(
    about: Feature, value: float | str, text: ValueText
) -> None:
    assert describe_value(about, value, speaks_for=True) == text


def test_every_feature_of_a_real_plan_has_sound_sentences() -> None:
    """No value of any feature leaves an explanation, a dangling word or a number of many digits in the sentence."""
    journeys = make_world(0)
    plan = plan_features(journeys, make_config_of(), before=None)
    for about in plan.features:
        values = ["DE", None] if about.kind == "category" else [NONE, 0.0, 1.0, 2.0, 0.123456, 1e6]
        for value in values:
            text = format_value(about, value, speaks_for=False)
            assert text, about.name
            assert text == " ".join(text.split()), about.name
            slips = [bad for bad in ("1 yes", "nan", "Days since", "123456", "1e") if bad in text]
            assert not slips, (about.name, text)
