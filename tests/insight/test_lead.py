"""One lead explained on a real version: what is said adds up, speaks of that moment, and is refused in words."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from scipy.special import logit

from mqlml.errors import ContractError, PopulationError, UsageError
from mqlml.insight import Explanation, explain_lead, read_timeline
from mqlml.journeys import Journeys
from mqlml.model.reasons import LEAST_LOG_ODDS, NOTHING_AGAINST, NOTHING_FOR
from mqlml.scoring import read_scores, score, write_table
from tests.registry.versions import Made, make_version

AS_OF = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
SINCE = dt.datetime(2025, 2, 14, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def made() -> Made:
    return make_version()


@pytest.fixture(scope="module")
def scores(made: Made) -> pd.DataFrame:
    return score(made.bundle, made.journeys, made.config, as_of=AS_OF, scored_at=AS_OF)


@pytest.fixture(scope="module")
def moved(made: Made, scores: pd.DataFrame) -> int:
    """An open lead that was there at SINCE and acted since then."""
    events = made.journeys.events
    born = made.journeys.leads.set_index("lead_id")["created_at"]
    acted = events[(events["recorded_at"] >= SINCE) & (events["recorded_at"] < AS_OF)]["lead_id"]
    old = [lead for lead in scores["lead_id"] if born[lead] < pd.Timestamp(SINCE)]
    counts = acted[acted.isin(old)].value_counts()
    return int(counts.index[0])


@pytest.fixture(scope="module")
def explained(made: Made, moved: int) -> Explanation:
    return explain_lead(made.bundle, made.journeys, made.config, str(moved), as_of=AS_OF, since=SINCE)


def test_it_says_what_the_scores_say(scores: pd.DataFrame, moved: int, explained: Explanation) -> None:
    row = scores.set_index("lead_id").loc[moved]
    assert explained.lead_id == moved
    for name in ("probability", "raw_score", "score", "label", "label_reason"):
        assert getattr(explained, name) == row[name]
    assert explained.log_odds.base == row["base_points"]
    for family, points in explained.log_odds.points.items():
        assert points == row[f"{family}_points"]
    for kind, sign, nothing in (("reason", 1, NOTHING_FOR), ("against", -1, NOTHING_AGAINST)):
        given = [one.sentence for one in explained.reasons if one.given and one.points * sign > 0]
        shown = [row[f"{kind}_{i}"] for i in (1, 2, 3) if not pd.isna(row[f"{kind}_{i}"])]
        assert shown == (given[:3] or [nothing])
    assert all(abs(one.points) >= LEAST_LOG_ODDS for one in explained.reasons if one.given)


def test_reasons_and_base_sum_to_the_log_odds(explained: Explanation) -> None:
    total = explained.log_odds.base + sum(reason.points for reason in explained.reasons)
    assert total == pytest.approx(explained.log_odds.total, abs=1e-9)
    assert explained.log_odds.total == pytest.approx(logit(explained.probability), abs=1e-9)
    sizes = [abs(reason.points) for reason in explained.reasons]
    assert sizes == sorted(sizes, reverse=True)


def test_changes_sum_to_the_change_of_the_log_odds(made: Made, moved: int, explained: Explanation) -> None:
    before = score(made.bundle, made.journeys, made.config, as_of=SINCE, scored_at=SINCE, lead_ids=[moved])
    assert explained.earlier.probability == before["probability"].iloc[0]
    assert explained.earlier.at == "2025-02-14"
    change = logit(explained.probability) - logit(explained.earlier.probability)
    assert abs(change) > 0.01, "or the test would say nothing"
    assert sum(change.points for change in explained.earlier.changes) == pytest.approx(change, abs=1e-9)
    sizes = [abs(change.points) for change in explained.earlier.changes]
    assert sizes == sorted(sizes, reverse=True)
    assert any(change.before != change.now for change in explained.earlier.changes)


def test_fit_and_engagement_are_ranked_among_the_open_leads(
    scores: pd.DataFrame, moved: int, explained: Explanation
) -> None:
    profile = scores["profile_points"]
    own = profile[scores["lead_id"] == moved].iloc[0]
    assert explained.log_odds.fit.points == own
    ranked = 100 * ((profile < own).mean() + (profile == own).mean() / 2)
    assert explained.log_odds.fit.percentile == pytest.approx(ranked)
    both = scores["channel_points"] + scores["actions_points"]
    assert explained.log_odds.engagement.points == both[scores["lead_id"] == moved].iloc[0]


def test_the_timeline_holds_what_was_known_newest_first(
    made: Made, moved: int, explained: Explanation
) -> None:
    events = made.journeys.events
    own = events[events["lead_id"] == moved]
    known = own[(own["occurred_at"] < AS_OF) & (own["recorded_at"] < AS_OF)]
    assert sum(act.times for act in explained.timeline) == len(known)
    days = [act.day for act in explained.timeline]
    assert days == sorted(days, reverse=True)


def small(*rows: tuple[str, str, str | None]) -> Journeys:
    """Journeys of lead 1 with these (time, action, channel) events, and one of lead 2 that is not to be seen."""
    times = pd.Series(pd.DatetimeIndex([row[0] for row in (*rows, ("2024-01-01", "", ""))], tz="UTC"))
    events = pd.DataFrame(
        {
            "lead_id": [*(1 for _ in rows), 2],
            "occurred_at": times,
            "recorded_at": times,
            "action": [*(row[1] for row in rows), "of another lead"],
            "channel": [*(row[2] for row in rows), None],
        }
    )
    return dataclasses.replace(make_version().journeys, events=events)


def test_a_timeline_by_hand() -> None:
    journeys = small(
        ("2024-01-02 10:00", "visit", "ads"),
        ("2024-01-02 23:30", "visit", "ads"),  # the next day in Berlin
        ("2024-01-03 09:00", "visit", "ads"),
        ("2024-01-03 08:00", "call", None),
        ("2024-01-04 00:00", "too late", None),
    )
    before = pd.Timestamp("2024-01-04", tz="UTC")
    found = [
        (act.day, act.action, act.channel, act.times)
        for act in read_timeline(journeys, 1, before, "Europe/Berlin")
    ]
    assert found == [
        ("2024-01-03", "visit", "ads", 2),
        ("2024-01-03", "call", None, 1),
        ("2024-01-02", "visit", "ads", 1),
    ]


def test_a_lead_without_acts_has_an_empty_timeline(made: Made) -> None:
    assert read_timeline(made.journeys, -1, pd.Timestamp(AS_OF), "UTC") == []


def test_without_since_it_is_a_week_or_the_creation(made: Made, scores: pd.DataFrame, moved: int) -> None:
    born = made.journeys.leads.set_index("lead_id")["created_at"]
    found = explain_lead(made.bundle, made.journeys, made.config, moved, as_of=AS_OF)
    assert found.earlier.at == "2025-02-22"
    young = next(lead for lead in scores["lead_id"] if born[lead] > pd.Timestamp("2025-02-23", tz="UTC"))
    found = explain_lead(made.bundle, made.journeys, made.config, young, as_of=AS_OF)
    assert pd.Timestamp(found.earlier.at).floor("s") == born[young].floor("s")


def test_the_last_scores_before_say_since_when(made: Made, moved: int, tmp_path: Path) -> None:
    parts = [
        score(made.bundle, made.journeys, made.config, as_of=moment, scored_at=moment, lead_ids=[moved])
        for moment in (SINCE, SINCE + dt.timedelta(days=3), AS_OF)
    ]
    write_table(pd.concat(parts), tmp_path / "scores.csv")
    previous = read_scores(tmp_path / "scores.csv")
    keys = {"as_of": AS_OF, "previous": previous}
    found = explain_lead(made.bundle, made.journeys, made.config, moved, **keys)
    assert found.earlier.at == "2025-02-17"
    assert found.earlier.probability == parts[1]["probability"].iloc[0]
    asked = explain_lead(made.bundle, made.journeys, made.config, moved, since=SINCE, **keys)
    assert asked.earlier.at == "2025-02-14"


def test_what_happens_later_changes_no_word(made: Made, moved: int, explained: Explanation) -> None:
    events = made.journeys.events
    known = events[events[["occurred_at", "recorded_at"]].max(axis=1) < AS_OF]
    past = dataclasses.replace(made.journeys, events=known)
    assert explain_lead(made.bundle, past, made.config, moved, as_of=AS_OF, since=SINCE) == explained


def test_an_unknown_lead_is_told_the_nearest(made: Made) -> None:
    some = str(made.journeys.leads["lead_id"].iloc[5])
    with pytest.raises(
        ContractError, match=f"no lead has the id '{some}0' among 800; the nearest are .*'{some}'"
    ):
        explain_lead(made.bundle, made.journeys, made.config, f"{some}0", as_of=AS_OF)
    with pytest.raises(ContractError, match="no lead has the id 'x' among 800; one of them is '"):
        explain_lead(made.bundle, made.journeys, made.config, "x", as_of=AS_OF)


def test_a_lead_that_is_not_open_is_said_to_be_so(made: Made, scores: pd.DataFrame) -> None:
    leads, outcomes = made.journeys.leads, made.journeys.outcomes
    later = leads[leads["created_at"] > AS_OF]["lead_id"].iloc[0]
    with pytest.raises(
        PopulationError, match=f"lead {later} is not open at 2025-03-01: it was created on 2025-"
    ):
        explain_lead(made.bundle, made.journeys, made.config, later, as_of=AS_OF)
    ended = outcomes[(outcomes["stage"] == "closed_won") & (outcomes["recorded_at"] < AS_OF)]["lead_id"].iloc[
        0
    ]
    with pytest.raises(PopulationError, match=f"lead {ended} is not open at .*: its outcome was known on 20"):
        explain_lead(made.bundle, made.journeys, made.config, ended, as_of=AS_OF)
    never_ended = next(lead for lead in scores["lead_id"] if lead not in set(outcomes["lead_id"]))
    late = dt.datetime(2031, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(PopulationError, match="days old then, and problem.age_limits are 0d to 365d"):
        explain_lead(made.bundle, made.journeys, made.config, never_ended, as_of=late)


def test_since_must_lie_between_creation_and_as_of(made: Made, moved: int) -> None:
    with pytest.raises(UsageError, match="--since must lie before --as-of; found 2025-03-01 and 2025-03-01"):
        explain_lead(made.bundle, made.journeys, made.config, moved, as_of=AS_OF, since=AS_OF)
    early = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(PopulationError, match=f"lead {moved} was created on .*, after --since 2001-01-01"):
        explain_lead(made.bundle, made.journeys, made.config, moved, as_of=AS_OF, since=early)
