"""The commands about versions, on a small company: compare, promote, rollback, history, retrain, reproduce."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mqlml.commands.compare import compare_versions
from mqlml.commands.promote import promote_version, roll_back, show_history
from mqlml.commands.reproduce import reproduce
from mqlml.commands.retrain import retrain
from mqlml.commands.train import train_version
from mqlml.errors import PromotionConflict, UsageError
from mqlml.progress import Silent
from mqlml.registry import find_version, make_store
from mqlml.render.console.versions import (
    format_champion,
    format_compare,
    format_history,
    format_reproduce,
    format_retrain,
)
from mqlml.render.report.against import SAME_PROBABILITY
from mqlml.results import to_json_safe
from tests.bad_input.front_door import Desk
from tests.bad_input.worlds import journeys_company

EARLY, LATE = "2024-02-25", "2024-04-05"
NOW = dt.datetime(2024, 4, 6, 8, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=1)


def known_until(desk: Desk, until: str, **settings: Any) -> None:
    """The same company as its export of a day shows it, and other settings."""
    desk.settings["data"]["observed_until"] = until
    desk.settings.update(settings)
    desk.save()


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two versions that knew outcomes until February; the second is the challenger."""
    desk = Desk(tmp_path_factory.mktemp("company"))
    journeys_company(desk)
    known_until(desk, EARLY)
    train_version(desk.path("mqlml.yml"), now=NOW, progress=Silent())
    known_until(desk, EARLY, windows=["30d"])
    train_version(desk.path("mqlml.yml"), now=NOW, progress=Silent())
    return desk.folder


@pytest.fixture
def desk(two_versions: Path, tmp_path: Path) -> Desk:
    shutil.copytree(two_versions, tmp_path / "copy")
    desk = Desk(tmp_path / "copy")
    journeys_company(desk)
    known_until(desk, LATE, windows=["30d"])
    return desk


def config_of(desk: Desk) -> Path:
    return desk.path("mqlml.yml")


def champion_of(desk: Desk) -> int:
    return find_version(make_store("sqlite:///models/mlflow.db", folder=desk.folder), "leads").version


def test_versions_are_compared_on_what_neither_learned_from(desk: Desk) -> None:
    found = compare_versions(config_of(desk), now=NOW, progress=Silent())
    assert (found.champion.version, found.challenger.version) == (1, 2)
    assert found.later.since == "2024-02-25"
    assert found.later.until == "2024-03-29", "a week before the end of the outcomes"
    # Three leads a day, each with one snapshot at its creation.
    assert found.later.n == 3 * 34
    assert found.comparison is not None
    assert found.comparison.champion.n == found.later.n
    difference = found.comparison.brier_difference
    metrics = found.comparison
    assert difference.value == pytest.approx(metrics.challenger.brier.value - metrics.champion.brier.value)
    assert difference.low <= difference.value <= difference.high
    assert found.comparison.champion_calibration.observed == pytest.approx(
        found.later.positives / found.later.n
    )
    assert set(found.comparison.labels) == {"mql", "sql"}
    assert found.evidence.snapshots == found.evidence.accounts == found.later.n
    text = format_compare(found)
    assert "leads: version 1 against version 2" in text
    assert "102 snapshots" in text
    assert json.loads(json.dumps(to_json_safe(found)))["later"]["held_out"] is False


def test_without_later_outcomes_it_says_that_there_are_none(desk: Desk) -> None:
    known_until(desk, EARLY)
    found = compare_versions(config_of(desk), now=NOW, progress=Silent())
    assert (found.later.n, found.comparison, found.decision.promote) == (0, None, False)
    assert [reason.kind for reason in found.decision.reasons] == ["nothing_to_compare"]
    assert found.later.first_known == "2024-03-03", "a horizon of a week after the end of the data"
    assert "no later snapshots to compare on" in format_compare(found)
    assert "; the first is known on 2024-03-03" in format_compare(found)
    kept = promote_version(config_of(desk), now=NOW, progress=Silent())
    assert "the first of them is known on 2024-03-03; then compare again" in format_champion(kept)


def test_leads_that_only_another_threshold_moves_are_told_as_such(desk: Desk) -> None:
    lower = {"mql": {"policy": "fixed", "value": 0.01}, "sql": {"policy": "fixed", "value": 0.02}}
    known_until(desk, EARLY, labels=lower)
    third = train_version(desk.path("mqlml.yml"), now=NOW, progress=Silent())
    found = compare_versions(config_of(desk), "2", str(third.version), now=NOW, progress=Silent())
    assert found.impact is not None
    assert found.impact.thresholds["mql"][1] == 0.01 < found.impact.thresholds["mql"][0]
    assert {max(map(abs, lead.points.values())) for lead in found.impact.leads} == {0.0}
    text = format_compare(found)
    assert f"thresholds of the two: MQL from {found.impact.thresholds['mql'][0]:.1%} and 1.0%" in text
    assert f"to SQL: {SAME_PROBABILITY}" in text
    assert "+0.00" not in text


def test_a_version_is_not_compared_with_itself_or_with_another_question(desk: Desk) -> None:
    with pytest.raises(UsageError, match="both are version 1"):
        compare_versions(config_of(desk), "1", now=NOW, progress=Silent())
    known_until(desk, LATE, problem={"horizon": "14d", "snapshots": {"ages": ["0d"]}})
    with pytest.raises(UsageError, match="must predict the same outcome"):
        retrain(config_of(desk), desk.path("report.html"), now=NOW, progress=Silent())


def test_the_rule_keeps_the_champion_and_force_needs_a_reason(desk: Desk) -> None:
    kept = promote_version(config_of(desk), now=NOW, progress=Silent())
    assert (kept.changed, kept.champion, kept.change) == (False, 1, None)
    assert kept.decision is not None
    assert "Kept version 1 as the champion" in format_champion(kept)
    with pytest.raises(UsageError, match="--force needs a reason"):
        promote_version(config_of(desk), force=True, now=NOW, progress=Silent())
    with pytest.raises(UsageError, match="version 1 is the champion already"):
        promote_version(config_of(desk), "1", force=True, reason="x", now=NOW, progress=Silent())
    assert champion_of(desk) == 1


def test_promote_roll_back_and_look_back(desk: Desk) -> None:
    forced = promote_version(
        config_of(desk), force=True, reason="sales asks for it", now=NOW, progress=Silent()
    )
    assert (forced.changed, forced.champion, champion_of(desk)) == (True, 2, 2)
    back = roll_back(config_of(desk), reason="too many MQLs", now=LATER, progress=Silent())
    assert (back.champion, champion_of(desk)) == (1, 1)
    history = show_history(config_of(desk))
    assert [(change.action, change.version, change.previous) for change in history.changes] == [
        ("first", 1, None), ("forced", 2, 1), ("rolled_back", 1, 2)
    ]  # fmt: skip
    at = {
        day: show_history(config_of(desk), at=day).champion
        for day in ("2024-04-01", "2024-04-07", "2024-04-08")
    }
    assert at == {"2024-04-01": None, "2024-04-07": 2, "2024-04-08": 1}
    text = format_history(history)
    assert "rolled back by" in text
    assert "too many MQLs" in text
    day = show_history(config_of(desk), at="2024-04-07")
    assert [change.version for change in day.changed_that_day] == [1]
    text = format_history(day)
    assert "When 2024-04-07 began, version 2 was the champion of leads. Changed that day:" in text
    assert text.splitlines()[-1].startswith(
        "  2024-04-07T08:00:00Z  version 1 (before: version 2), rolled back"
    )
    moment = show_history(config_of(desk), at="2024-04-07T07:59:59")
    assert (moment.champion, moment.changed_that_day) == (2, ())
    assert "On 2024-04-07T07:59:59Z, version 2 was the champion of leads" in format_history(moment)


def test_a_better_challenger_is_promoted_with_its_evidence_and_told_of(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The champion is made bad on purpose: it gets a wrong level, so the honest challenger wins on later leads."""
    _spoil_champion(monkeypatch)
    desk.write("told.py", "import pathlib, sys\npathlib.Path('told.json').write_text(sys.stdin.read())\n")
    known_until(desk, LATE, promotion={"notify": f"{sys.executable} told.py", "alpha": 0.1})
    done = promote_version(config_of(desk), now=NOW, progress=Silent())
    assert done.decision is not None
    assert (done.changed, done.champion, done.decision.reasons) == (True, 2, ())
    assert done.notified is None
    assert done.change is not None
    assert done.change.evidence is not None
    assert done.change.evidence.for_challenger >= 10
    told = json.loads(desk.path("told.json").read_text())
    assert (told["version"], told["previous"], told["action"]) == (2, 1, "promoted")
    assert champion_of(desk) == 2


def _spoil_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    from mqlml.commands import compare as room

    whole = room.make_side

    def spoiled(bundle: Any, table: Any, data: Any) -> Any:
        side = whole(bundle, table, data)
        # Version 1 learned from events of all time, version 2 from those of 30 days.
        if bundle.config["windows"] == ["all"]:
            return dataclasses.replace(side, probability=1 - side.probability)
        return side

    monkeypatch.setattr(room, "make_side", spoiled)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no-such-program", "could not run"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"broken\")'", "ended with 1: broken"),
        ("'", "could not run"),
    ],
    ids=["missing", "fails", "quote"],
)
def test_a_notification_that_fails_changes_nothing_else(desk: Desk, command: str, says: str) -> None:
    known_until(desk, LATE, promotion={"notify": command})
    done = promote_version(config_of(desk), "2", force=True, reason="why not", now=NOW, progress=Silent())
    assert done.changed
    assert done.notified is not None
    assert says in done.notified
    assert f"Note: {done.notified}" in format_champion(done)


def test_a_promotion_that_comes_second_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one compares, another one promotes."""
    from mqlml.commands import promote as room

    whole = room.crown

    def late(*args: Any, **keys: Any) -> Any:
        monkeypatch.setattr(room, "crown", whole)
        promote_version(config_of(desk), "2", force=True, reason="faster", now=NOW, progress=Silent())
        return whole(*args, **keys)

    monkeypatch.setattr(room, "crown", late)
    with pytest.raises(PromotionConflict, match="changed by someone else in the meantime: version 2"):
        promote_version(config_of(desk), "2", force=True, reason="slower", now=NOW, progress=Silent())
    assert [change.reason for change in show_history(config_of(desk)).changes][1:] == ["faster"]


def test_retraining_compares_on_held_out_leads_and_says_in_one_line_what_happened(desk: Desk) -> None:
    report = desk.path("report.html")
    found = retrain(config_of(desk), report, now=NOW, progress=Silent())
    assert (found.outcome, found.version, found.champion) == ("kept", 3, 1)
    assert found.compared is not None
    assert found.compared.challenger.version is None
    assert found.compared.later.held_out
    assert found.compared.later.since == "2024-02-25"
    assert found.compared.later.n > 50
    line = format_retrain(found)
    assert line.startswith("Kept: leads version 1 stays the champion; version 3 is the challenger (")
    assert "\n" not in line
    page = report.read_text(encoding="utf-8")
    assert "Against the last version" in page
    assert "Version 1 stays the champion" in page


def test_the_first_retraining_makes_the_champion(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    journeys_company(desk)
    known_until(desk, EARLY)
    found = retrain(config_of(desk), desk.path("report.html"), now=NOW, progress=Silent())
    assert (found.outcome, found.version, found.champion, found.compared) == ("promoted", 1, 1, None)
    assert format_retrain(found).startswith("Promoted: leads version 1 is the champion")
    assert "Against the last version" not in desk.path("report.html").read_text(encoding="utf-8")


def test_a_version_is_reproduced_to_the_last_digit(desk: Desk) -> None:
    known_until(desk, EARLY)  # the config is the version's own, whatever the file says now
    found = reproduce(config_of(desk), "1", now=NOW, progress=Silent())
    assert found.differences == ()
    assert (found.identical, found.trained, found.largest_difference) == (True, True, 0.0)
    assert found.leads > 0
    assert "is identical" in format_reproduce(found)


def test_what_has_changed_in_the_data_is_named(desk: Desk) -> None:
    text = desk.path("leads.csv").read_text(encoding="utf-8").splitlines()
    at = next(place for place, line in enumerate(text) if ",US," in line)
    text[at] = text[at].replace(",US,", ",FR,")
    desk.write("leads.csv", "\n".join(text) + "\n")
    events = desk.path("events.csv").read_text(encoding="utf-8").splitlines()
    desk.write("events.csv", "\n".join(events[:-1]) + "\n")
    found = reproduce(config_of(desk), "1", now=NOW, progress=Silent())
    assert (found.identical, found.trained) == (False, False)
    assert np.isnan(found.largest_difference)
    where = [difference.where for difference in found.differences if difference.what == "data"]
    assert "leads.country" in where
    assert "events" in where
    assert "leads.created_at" not in where
    assert "its data has changed" in format_reproduce(found)
