"""Rhythm, intent, order, channels and colleagues by hand: a few events, and what one feature says at a cutoff."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mqlml.config import Config
from mqlml.config.features import Groups
from mqlml.errors import ConfigError
from mqlml.features import FeaturePlan, build_features, plan_features
from mqlml.features.families.action_rows import is_download, is_high_intent, is_lead, is_paid
from mqlml.journeys import Journeys
from tests.features.worlds import make_config_of, make_journeys, make_snapshots

ON = dict.fromkeys(Groups.model_fields, True)


def config_of(timezone: str = "UTC", **features: Any) -> Config:
    return make_config_of(
        windows=["1d", "7d", "all"],
        features={"groups": ON, **features},
        data={
            "timezone": timezone,
            "observed_until": "2025-01-01",
            "leads": {"path": "leads.csv"},
            "outcomes": {"path": "outcomes.csv", "stage": "closed_won"},
        },
    )


def moment(text: str) -> pd.Timestamp:
    """``"10 08:00"`` is the tenth of January 2024 at eight."""
    day, _, clock = text.partition(" ")
    return pd.Timestamp(f"2024-01-{day} {clock or '00:00'}", tz="UTC")


def journeys_of(*events: dict[str, Any], leads: dict[int, tuple[str | None, str]] | None = None) -> Journeys:
    """Leads by number with their account and day of creation, and what they did; lead 1 unless given."""
    nothing = dict.fromkeys(("channel", "value", "campaign", "country", "size", "email", "job_title"))
    rows = [
        {"lead_id": 1, "action": "visit"}
        | nothing
        | event
        | {"occurred_at": moment(event["at"]), "recorded_at": moment(event.get("known", event["at"]))}
        for event in events
    ]
    people = leads or {1: (None, "01")}
    return make_journeys(
        [
            nothing | {"lead_id": lead, "account_id": account, "created_at": moment(created)}
            for lead, (account, created) in people.items()
        ],
        rows,
    )


def plan_of(journeys: Journeys, config: Config) -> FeaturePlan:
    return plan_features(journeys, config, before=None)


def value(journeys: Journeys, name: str, cutoff: str, config: Config | None = None, lead: int = 1) -> Any:
    plan = plan_of(journeys, config or config_of())
    # a later snapshot of the same lead knows everything, and must not let the first one see it
    snapshots = make_snapshots([(lead, moment(cutoff)), (lead, moment("31 23:59"))], "int64")
    found = build_features(journeys, snapshots, plan)["__".join(name.split())].iloc[0]
    return None if pd.isna(found) else float(found)


@pytest.mark.parametrize(
    ("at", "cutoff", "faded"),
    [
        (["03"], "10", 0.5),
        (["03", "03"], "10", 1.0),
        (["03", "10"], "17", 0.75),
        (["03", "10"], "10", 0.5),
        ([], "10", 0.0),
    ],
    ids=["a half-life ago", "twice at once", "one and two ago", "not the act at the cutoff", "nothing"],
)
def test_an_act_counts_half_after_a_half_life(at: list[str], cutoff: str, faded: float) -> None:
    journeys = journeys_of(*({"at": day} for day in at), {"at": "30"})
    assert value(journeys, "actions any faded_7d", cutoff) == faded
    assert value(journeys, "actions visit faded_7d", cutoff) == faded


@pytest.mark.parametrize(
    ("at", "cutoff", "days"),
    [(["02", "05", "06"], "08", 3), (["02", "05", "06"], "16", 10), (["02"], "05", 3), ([], "05", None)],
    ids=["between events", "since the last event", "one event", "nothing"],
)
def test_the_longest_silence_may_be_the_present_one(at: list[str], cutoff: str, days: float | None) -> None:
    journeys = journeys_of(*({"at": day} for day in at), {"at": "30"})
    assert value(journeys, "actions any longest_silence", cutoff) == days


VISITS = ["08 09:00", "08 09:10", "09 09:30", "15 09:59", "15 20:00"]  # Mondays are the 8th and the 15th


@pytest.mark.parametrize(
    ("name", "cutoff", "expected"),
    [
        ("actions any same_hour", "16", 3 / 6),
        ("actions any same_weekday", "16", 3 / 6),
        ("actions any office_hours", "16", 3 / 4),
        ("actions any same_hour", "09", None),
        ("actions any office_hours", "09", 1),
        ("actions any return_visits all", "16", 3),
        ("actions any return_visits 1d", "16", 2),
        ("actions any return_visits 1d", "09 09:05", 0),
        ("actions any time_on_site all", "16", 10),
        ("actions any time_on_site 1d", "09 09:05", 0),
        ("actions any time_on_site 1d", "09 08:59", 10),
    ],
    ids=lambda text: str(text),
)
def test_visits_and_their_hours(name: str, cutoff: str, expected: float | None) -> None:
    journeys = journeys_of(*({"at": time} for time in VISITS), {"at": "30"})
    found = value(journeys, name, cutoff)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-6))


def test_a_late_recorded_act_can_join_two_visits() -> None:
    journeys = journeys_of(
        {"at": "08 09:00"}, {"at": "08 09:25", "known": "20"}, {"at": "08 09:50"}, {"at": "30"}
    )
    for cutoff, returns, minutes in (("20", 1, 0), ("21", 0, 50)):
        assert value(journeys, "actions any return_visits all", cutoff) == returns
        assert value(journeys, "actions any time_on_site all", cutoff) == minutes


def test_time_on_site_is_what_the_values_tell_where_they_are_seconds() -> None:
    journeys = journeys_of({"at": "08 09:00", "value": 90.0}, {"at": "08 09:10"}, {"at": "20", "value": 30.0})
    config = config_of(value_unit="seconds")
    assert value(journeys, "actions any time_on_site all", "10", config) == 1.5
    assert value(journeys, "actions any time_on_site 7d", "21", config) == 0.5


@pytest.mark.parametrize(
    ("zone", "days", "same"),
    [("UTC", 2, 0), ("America/New_York", 1, 1), ("Asia/Kathmandu", 1, 1)],
)
def test_days_and_weekdays_are_those_of_the_configured_zone(zone: str, days: int, same: float) -> None:
    journeys = journeys_of({"at": "08 22:00"}, {"at": "09 03:00"})
    assert value(journeys, "actions any active_days all", "10", config_of(zone)) == days
    assert value(journeys, "actions any same_weekday", "10", config_of(zone)) == same


def test_a_clock_put_back_over_midnight_brings_no_day_back() -> None:
    # St. John's put its clocks back at 00:01 on 2008-11-02: 23:01 on the first of November came a second time
    times = pd.DatetimeIndex(["2008-11-02 02:30:30", "2008-11-02 02:45:00", "2008-11-02 03:45:00"], tz="UTC")
    local = times.tz_convert("America/St_Johns")
    assert [time.day for time in local] == [2, 1, 2]
    journeys = journeys_of(*({"at": "02"} for _ in times))
    events = journeys.events.assign(occurred_at=times.as_unit("us"), recorded_at=times.as_unit("us"))
    old = Journeys(**{**vars(journeys), "events": events})
    assert value(old, "actions any active_days all", "10", config_of("America/St_Johns")) == 1


CLICKS = [{"at": f"{day:02}", "action": "email_click"} for day in range(2, 7)]


@pytest.mark.parametrize(
    ("before", "count", "since"),
    [
        ([*CLICKS, {"at": "08", "action": "demo"}], 1, 12),
        ([*CLICKS[1:], {"at": "08", "action": "demo"}, {"at": "09", "action": "email_click"}], 0, None),
        ([*CLICKS, {"at": "06", "action": "demo"}], 0, None),
        ([*CLICKS, {"at": "06 00:01", "action": "demo"}, {"at": "15", "action": "demo"}], 2, 5),
        ([{"at": "07", "action": "demo"}], 0, None),
        ([*CLICKS, {"at": "08", "known": "25", "action": "demo"}], 0, None),
    ],
    ids=["five before", "four before", "the fifth at once", "twice", "none before", "not known yet"],
)
def test_five_clicks_before_a_demo(before: list[dict[str, Any]], count: int, since: float | None) -> None:
    config = config_of(pairs=[{"first": "email_click", "then": "demo", "at_least": 5}])
    known = [{"at": "29", "action": action} for action in ("email_click", "demo")]
    journeys = journeys_of(*before, *known)
    assert value(journeys, "actions demo count_after_5_email_click", "20", config) == count
    assert value(journeys, "actions demo days_since_after_5_email_click", "20", config) == since
    sentences = {feature.name: feature.sentence for feature in plan_of(journeys, config).features}
    sentence = "Times “demo” followed at least 5 “email click”"
    assert sentences["actions__demo__count_after_5_email_click"] == sentence


def test_an_act_can_come_after_its_own_kind() -> None:
    config = config_of(pairs=[{"first": "demo", "then": "demo", "at_least": 2}])
    journeys = journeys_of(*({"at": day, "action": "demo"} for day in ("02", "03", "03", "04")))
    assert value(journeys, "actions demo count_after_2_demo", "10", config) == 1


def test_pairs_of_the_data_lead_to_high_intent_events() -> None:
    events = (
        ["visit"] * 4 + ["click"] * 3 + ["open"] * 2 + ["read"] + ["pricing"] * 2 + ["demo"] + ["bounce"] * 9
    )
    journeys = journeys_of(*({"at": "02", "action": action} for action in events))
    pairs = plan_of(journeys, config_of()).actions.pairs
    steps = ("visit", "click", "open")
    assert [(pair.first, pair.then) for pair in pairs] == [
        *((step, "pricing") for step in steps),
        *((step, "demo") for step in steps),
    ]


def test_touches_switch_between_named_channels_and_are_paid_or_organic() -> None:
    touches = [("02", "google_ads"), ("03", None), ("04", "google_ads"), ("05", "mail"), ("06", "google_ads")]
    journeys = journeys_of(*({"at": day, "channel": channel} for day, channel in touches), {"at": "30"})
    assert value(journeys, "channel any switches all", "10") == 2
    assert value(journeys, "channel any switches 7d", "12") == 1  # that of the 4th to the 5th is cut
    assert value(journeys, "channel paid count all", "10") == 3
    assert value(journeys, "channel paid share all", "10") == pytest.approx(0.6)
    assert value(journeys, "channel paid days_since", "10") == 4
    assert value(journeys, "channel paid first_touch", "10") == 1
    turned = config_of(channel_kinds={"google_ads": "organic", "mail": "paid"})
    assert value(journeys, "channel paid count all", "10", turned) == 1
    assert value(journeys, "channel paid first_touch", "10", turned) == 0
    plan = plan_of(journeys, config_of(channel_kinds={"google_ads": "organic"}))
    assert (
        "events.channel: paid or organic",
        "no channel is known to be paid; see features.channel_kinds",
    ) in (plan.left_out)
    assert not [feature for feature in plan.features if feature.name.startswith("channel__paid")]


def test_several_initiatives_within_a_set_period() -> None:
    touches = [("02", "a"), ("04", "b"), ("05 12:00", "c"), ("12", "a"), ("16", None)]
    journeys = journeys_of(
        *({"at": day, "campaign": campaign, "channel": "mail"} for day, campaign in touches), {"at": "30"}
    )
    config = config_of(initiative_period="3d")
    assert value(journeys, "channel initiatives distinct 3d", "06", config) == 2
    assert value(journeys, "channel initiatives most_in_3d", "06", config) == 2  # a is 3.5 days before c
    assert value(journeys, "channel initiatives most_in_4d", "13", config_of(initiative_period="4d")) == 3
    assert (
        value(journeys, "channel initiatives distinct 3d", "17", config) == 1
    )  # the channel without a campaign


PEOPLE = {1: ("acme", "01"), 2: ("acme", "03"), 3: ("acme", "12"), 4: ("other", "01"), 5: (None, "01")}


def account_events() -> Journeys:
    return journeys_of(
        {"at": "02", "lead_id": 1, "action": "demo"},
        {"at": "04", "lead_id": 2},
        {"at": "05", "lead_id": 2, "action": "demo"},
        {"at": "06", "known": "20", "lead_id": 2, "action": "pricing"},
        {"at": "10", "lead_id": 3, "action": "pricing"},
        {"at": "05", "lead_id": 2, "action": "unsubscribe"},
        {"at": "07", "lead_id": 4, "action": "demo"},
        {"at": "07", "lead_id": 5, "action": "demo"},
        leads=PEOPLE,
    )


@pytest.mark.parametrize(
    ("name", "lead", "cutoff", "expected"),
    [
        ("created", 1, "03", 0),
        ("created", 1, "03 00:01", 1),
        ("created", 1, "13", 2),
        ("created", 4, "13", 0),
        ("created", 5, "13", 0),
        ("count all", 1, "05", 1),
        ("count all", 1, "11", 2),
        ("count all", 1, "13", 3),
        ("count all", 1, "21", 4),
        ("count 7d", 1, "12", 1),
        ("count all", 2, "11", 1),
        ("count all", 4, "21", 0),
        ("count all", 5, "21", 0),
        ("high_intent all", 1, "13", 2),
        ("active all", 1, "13", 2),
        ("active all", 2, "13", 2),
        ("active 1d", 1, "11", 0),
        ("days_since", 1, "09", 4),
        ("days_since", 1, "13", 3),
        ("days_since", 3, "21", 15),
        ("days_since", 5, "13", None),
        ("days_since_high_intent", 2, "09", 7),
    ],
    ids=lambda text: str(text),
)
def test_what_the_other_leads_of_the_account_did(
    name: str, lead: int, cutoff: str, expected: float | None
) -> None:
    assert value(account_events(), f"actions colleagues {name}", cutoff, lead=lead) == expected


def test_an_account_of_half_the_leads_is_walked_once() -> None:
    """Late events and very many snapshots of one account: copies for each would not come to an end."""
    leads = dict.fromkeys(range(1, 3001), ("giant", "01"))
    events = [
        {
            "at": f"{2 + i % 20:02} {i % 24:02}:00",
            "known": "25" if i % 7 == 0 else f"{2 + i % 20:02} {i % 24:02}:00",
        }
        | {"lead_id": 1 + i % 3000}
        for i in range(9000)
    ]
    journeys = journeys_of(*events, leads=leads)
    snapshots = make_snapshots([(lead, moment(f"{5 + lead % 20:02}")) for lead in leads], "int64")
    plan = plan_of(journeys, config_of())
    table = build_features(journeys, snapshots, plan)
    known = journeys.events["recorded_at"]
    for row in (0, 17, 2999):
        lead, cutoff = snapshots.iloc[row]
        others = (known < cutoff) & (journeys.events["lead_id"] != lead)
        assert table["actions__colleagues__count__all"].iloc[row] == others.sum()


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ({"groups": {"pair": True}}, "features.groups.pair: unknown key 'pair'; did you mean 'pairs'"),
        (
            {"high_intend": ["demo"]},
            "features.high_intend: unknown key 'high_intend'; did you mean 'high_intent'",
        ),
        ({"channel_kinds": {"mail": "payed"}}, "features.channel_kinds.mail: must be 'paid' or 'organic'"),
        ({"half_lives": []}, "features.half_lives: must not be empty"),
        ({"half_lives": ["7d", "1w"]}, "features.half_lives: must be different lengths"),
        ({"pairs": [{"first": "a", "then": "b"}] * 2}, "features.pairs: must be different pairs"),
        ({"pairs": [{"first": "a"}]}, "features.pairs.0.then: this key is required"),
        ({"pairs": [{"first": "a", "then": "b", "at_least": 0}]}, "features.pairs.0.at_least: must be"),
    ],
    ids=["group", "key", "kind", "no half-life", "one twice", "pair twice", "half a pair", "never"],
)
def test_a_slip_in_the_config_is_named_with_what_was_meant(features: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_config_of(features=features)


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (
            {"pairs": [{"first": "pricing_page", "then": "demo"}]},
            "features.pairs names 'pricing_page', which no event has as its action; did you mean 'pricing'",
        ),
        ({"high_intent": ["dmeo"]}, "features.high_intent names 'dmeo'.* did you mean 'demo'"),
        ({"downloads": ["zzz"]}, "features.downloads names 'zzz'.*; remove it, or map events.action"),
        ({"lead_initiated": ["lead"]}, "features.lead_initiated names 'lead', which no event has"),
        ({"channel_kinds": {"mial": "paid"}}, "features.channel_kinds names 'mial'.* did you mean 'mail'"),
    ],
    ids=["pair", "high intent", "download", "initiator", "channel"],
)
def test_a_word_that_no_event_has_is_refused(features: dict[str, Any], says: str) -> None:
    journeys = journeys_of(
        {"at": "02", "action": "pricing", "channel": "mail"}, {"at": "03", "action": "demo"}
    )
    with pytest.raises(ConfigError, match=says):
        plan_of(journeys, config_of(**features))


def test_all_groups_are_switched_on_at_once_and_colleagues_only_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journeys = account_events()
    assert plan_of(journeys, make_config_of(features={"groups": "all"})) == plan_of(
        journeys, make_config_of(features={"groups": ON})
    )
    assert not plan_of(journeys, make_config_of()).group_by_account
    monkeypatch.setattr("mqlml.features.families.accounts._ENOUGH", 1)
    assert plan_of(journeys, make_config_of()).group_by_account
    monkeypatch.setattr("mqlml.features.families.accounts._ENOUGH", 2)
    assert not plan_of(journeys, make_config_of()).group_by_account


def test_groups_switched_off_leave_nothing_behind() -> None:
    journeys = account_events()
    off = make_config_of(features={"groups": dict.fromkeys(Groups.model_fields, False)})
    plan = plan_of(journeys, off)
    assert plan.actions is None
    assert plan.channel is None
    assert plan.undesirables is None
    assert {feature.name.split("__")[2] for feature in plan.features} <= {"value", "as_of"}
    for group in Groups.model_fields:
        only = dict.fromkeys(Groups.model_fields, False) | {group: True}
        table = plan_of(journeys, make_config_of(features={"groups": only}))
        assert set(table.features) <= set(plan_of(journeys, make_config_of(features={"groups": ON})).features)


@pytest.mark.parametrize(
    ("knows", "yes", "no"),
    [
        (
            is_high_intent,
            [
                *("demo_request", "pricing_page_visit", "BuyingGuideDownload", "trial_start"),
                *("contact sales", "3 - checkout", "Request a quote", "meeting booked"),
            ],
            ["blog_view", "email_open", "call_connected", "webinar_attended", "pricey", "industrial"],
        ),
        (
            is_download,
            ["content_download", "White paper", "ebook downloaded", "buying-guide"],
            ["page_view", "upload", "guided tour"],
        ),
        (is_lead, ["lead", "Customer", "inbound", "website visitor"], ["company", "sales rep", "system"]),
        (
            is_paid,
            [
                "paid_search",
                "Google Ads",
                "cpc",
                "display",
                "linkedin-sponsored",
                "retargetting",
                "Facebook ad",
            ],
            ["organic_search", "email", "referral", "direct", "download", "partner", "seo"],
        ),
    ],
    ids=["high intent", "download", "lead", "paid"],
)
def test_kinds_of_words(knows: Any, yes: list[str], no: list[str]) -> None:
    assert [word for word in yes if not knows(word)] == []
    assert [word for word in no if knows(word)] == []
