"""Signals that are gone from the data: found as monitoring finds them, and no reason to change the champion."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from mqlml.commands.promote import promote_version
from mqlml.commands.retrain import retrain
from mqlml.config import make_config
from mqlml.journeys import Journeys
from mqlml.monitoring.damage import find_gone_signals
from mqlml.progress import Silent
from mqlml.render.console.versions import format_retrain
from tests.monitoring.company import CONFIG, NOW, TRAINED_UNTIL, make_watched, write_company

BREAK = TRAINED_UNTIL + dt.timedelta(days=35)
ACTION = "page_view"


def broken_events(*, until: dt.datetime | None = None) -> pd.DataFrame:
    """The events without the commonest of them from the break on, or until it is mended."""
    events = make_watched().world.events
    gone = (events["occurred_at"] >= BREAK) & (events["action"] == ACTION)
    if until is not None:
        gone &= events["occurred_at"] < until
    return events[~gone].reset_index(drop=True)


def journeys_until(moment: dt.datetime, events: pd.DataFrame) -> Journeys:
    return replace(make_watched().world, events=events, observed_until=moment).journeys()


@pytest.mark.parametrize(
    ("days", "broken", "found"),
    [(0, True, False), (14, True, True), (14, False, False)],
    ids=["on the day", "two weeks later", "nothing is broken"],
)
def test_a_signal_that_is_gone_is_found_and_nothing_else(days: int, broken: bool, found: bool) -> None:
    events = broken_events() if broken else make_watched().world.events
    data = journeys_until(BREAK + dt.timedelta(days=days), events)
    gone = find_gone_signals(make_watched().bundle, data, make_config(CONFIG, folder=Path()))
    assert any("age view" in sentence for sentence in gone) == found == bool(gone)


def test_a_signal_that_is_back_counts_no_more() -> None:
    mended = broken_events(until=BREAK + dt.timedelta(days=14))
    data = journeys_until(BREAK + dt.timedelta(days=28), mended)
    assert find_gone_signals(make_watched().bundle, data, make_config(CONFIG, folder=Path())) == ()


def test_data_that_ends_with_that_of_the_version_tells_nothing() -> None:
    data = journeys_until(TRAINED_UNTIL, broken_events())
    assert find_gone_signals(make_watched().bundle, data, make_config(CONFIG, folder=Path())) == ()


def test_what_was_trained_on_damaged_data_is_promoted_by_force_only(tmp_path: Path) -> None:
    until = (BREAK + dt.timedelta(days=21)).date().isoformat()
    config = write_company(tmp_path, until=until, events=broken_events())
    found = retrain(config, tmp_path / "report.html", now=NOW, progress=Silent())
    assert (found.outcome, found.champion) == ("kept", 1)
    assert found.compared is not None
    assert found.compared.decision.reasons[0].kind == "damaged_data"
    assert "(the data is damaged: hardly any lead has these signals any more: " in format_retrain(found)
    assert "the data is damaged" in (tmp_path / "report.html").read_text(encoding="utf-8")
    kept = promote_version(config, now=NOW, progress=Silent())
    assert kept.decision is not None
    assert (kept.changed, kept.decision.reasons[0].kind) == (False, "damaged_data")
    forced = promote_version(config, force=True, reason="we took the pages down", now=NOW, progress=Silent())
    assert (forced.changed, forced.champion) == (True, found.version)
