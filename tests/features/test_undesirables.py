"""Undesirables as channels and as profile, by hand; as actions they are in the oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from mqlml.config import Config
from mqlml.errors import ConfigError
from mqlml.features import build_features, plan_features
from mqlml.features.families.action_rows import is_undesirable_channel
from mqlml.journeys import Journeys
from tests.features.worlds import START, make_config_of, make_journeys, make_snapshots

DAY = pd.Timedelta(days=1)
CONFIG = make_config_of(windows=["7d", "all"])


def journeys_of(touches: list[tuple[int, str | None, float]], phone: str | None = None) -> Journeys:
    """Two leads, and events through a channel so many days after the start."""
    leads = [
        {
            "lead_id": lead,
            "created_at": START + lead * DAY,
            "country": None,
            "size": None,
            "email": mail,
            "job_title": None,
        }
        for lead, mail in ((0, "a@mailinator.com"), (1, "b@acme.example"))
    ]
    events = [
        {
            "lead_id": lead,
            "occurred_at": START + day * DAY,
            "recorded_at": START + day * DAY,
            "action": "page_view",
            "channel": channel,
            "value": None,
            "campaign": None,
        }
        for lead, channel, day in touches
    ]
    journeys = make_journeys(leads, events)
    if phone is not None:
        numbers = pd.Series([phone, None], dtype="str")
        journeys = replace(journeys, leads=journeys.leads.assign(mobile=numbers))
    return journeys


def features(journeys: Journeys, day: float, config: Config = CONFIG) -> pd.DataFrame:
    snapshots = make_snapshots([(0, START + day * DAY), (1, START + day * DAY)], "int64")
    plan = plan_features(journeys, config, before=None)
    return build_features(journeys, snapshots, plan).filter(like="undesirables__").reset_index(drop=True)


TOUCHES = [
    (0, "Careers page", 1.0),
    (0, "Careers page", 9.0),
    (0, "coupon-site", 8.0),
    (0, "email", 9.5),
    (0, "coupon-site", 10.0),  # at the cutoff: not known yet
    (1, "email", 2.0),
]


def test_channels_are_counted_and_dated() -> None:
    table = features(journeys_of(TOUCHES), 10)
    expected: dict[str, list[Any]] = {
        "careers_page__count__7d": [1, 0],
        "careers_page__count__all": [2, 0],
        "coupon_site__count__7d": [1, 0],
        "coupon_site__count__all": [1, 0],
        "any__count__7d": [2, 0],
        "any__count__all": [3, 0],
        "careers_page__days_since": [1, None],
        "coupon_site__days_since": [2, None],
        "any__days_since": [1, None],
    }
    found = {name: table[f"undesirables__via_{name}"] for name in expected}
    for name, values in expected.items():
        assert found[name].astype("object").where(found[name].notna(), None).tolist() == values, name
    assert set(table.filter(like="__via_")) == {f"undesirables__via_{name}" for name in expected}


def test_listed_channels_replace_the_known_ones() -> None:
    config = make_config_of(windows=["all"], features={"undesirable_channels": ["email", "fax"]})
    journeys = journeys_of(TOUCHES)
    table = features(journeys, 10, config)
    assert set(table.filter(like="__via_")) == {
        "undesirables__via_email__count__all",
        "undesirables__via_any__count__all",
        "undesirables__via_email__days_since",
        "undesirables__via_any__days_since",
    }
    assert table["undesirables__via_email__count__all"].tolist() == [1, 1]
    left_out = plan_features(journeys, config, before=None).left_out
    assert ("events.channel=fax", "listed as undesirable, but no event has this channel") in left_out


@pytest.mark.parametrize(
    ("channel", "undesirable"),
    [
        ("Careers", True),
        ("job_board", True),
        ("Indeed", True),
        ("customerSupport", True),
        ("Help Center", True),
        ("voucher site", True),
        ("affiliate-network", True),
        ("Stellenanzeige", True),
        ("email", False),
        ("paid_search", False),
        ("Organic Social", False),
        ("Direct traffic", False),
        ("partner", False),
        ("webinar", False),
    ],
)
def test_the_known_patterns(channel: str, undesirable: bool) -> None:
    assert is_undesirable_channel(channel, None) is undesirable


def test_traits_of_the_profile_are_counted_and_dated() -> None:
    """The first lead has a throw-away address and no real number; nothing speaks against the second."""
    config = make_config_of(
        features={"undesirable_profiles": {"competitor": {"mail_domain": {"in": ["rival.example"]}}}}
    )
    table = features(journeys_of([], phone="1111111111"), 10, config)
    flags = {name.split("__")[1]: table[name].tolist() for name in table if name.endswith("__flag")}
    assert flags["disposable_mail"] == [1, 0]
    assert flags["free_mail"] == [0, 0]
    assert flags["invalid_mail"] == [0, 0]
    assert flags["competitor"] == [0, 0]
    assert flags["invalid_phone"][0] == 1
    assert pd.isna(flags["invalid_phone"][1])
    assert table["undesirables__profile__count"].tolist() == [2, 0]
    assert table["undesirables__profile__days_since"].iloc[0] == 10
    assert pd.isna(table["undesirables__profile__days_since"].iloc[1])


def test_a_competitor_is_known_by_a_file_of_domains(tmp_path: Any) -> None:
    (tmp_path / "competitors.txt").write_text("ACME.example\n", encoding="utf-8")
    config = make_config_of(
        features={"undesirable_profiles": {"competitor": {"mail_domain": {"in": "competitors.txt"}}}}
    ).model_copy(update={"folder": tmp_path})
    assert features(journeys_of([]), 10, config)["undesirables__competitor__flag"].tolist() == [0, 1]


def test_an_undesirable_profile_that_nothing_tells_of_is_refused() -> None:
    config = make_config_of(features={"undesirable_profiles": {"far": {"region": {"not_in": ["EU"]}}}})
    with pytest.raises(
        ConfigError, match=r"features\.undesirable_profiles\.far\.region uses the attribute 'region'"
    ):
        features(journeys_of([]), 10, config)
