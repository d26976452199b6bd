"""``mqlml monitor`` on a company with real files, a real store and real scores of eight weeks."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.cli import main
from mqlml.commands.inputs import find_store
from mqlml.commands.monitor import MonitorOptions, monitor_version
from mqlml.commands.score import ScoreOptions, score_leads
from mqlml.config import read_config
from mqlml.errors import SourceError, UsageError
from mqlml.monitoring import MonitorResult
from mqlml.progress import Silent
from mqlml.registry.store import connected
from mqlml.render.console.monitor import format_monitor
from mqlml.results import from_json_safe, to_json_safe
from mqlml.texts import format_percent
from tests.monitoring.company import NOW, TRAINED_UNTIL, make_watched, write_company

WEEKS = [TRAINED_UNTIL + pd.Timedelta(7 * week, "D") for week in range(9)]
BREAK = WEEKS[5]
ACTION = "page_view"


def monitor(config: Path, as_of: str, **options: Any) -> MonitorResult:
    found = monitor_version(
        config, as_of=as_of, options=MonitorOptions(**options), now=NOW, progress=Silent()
    )
    assert from_json_safe(MonitorResult, to_json_safe(found), where="it").verdict == found.verdict
    return found


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company without a break, and its scores of eight weeks, each in a file."""
    config = write_company(tmp_path_factory.mktemp("quiet"))
    score_weeks(config, WEEKS)
    return config


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose commonest event is not recorded any more from the fifth week on."""
    events = make_watched().world.events
    kept = (events["occurred_at"] < BREAK) | (events["action"] != ACTION)
    return write_company(tmp_path_factory.mktemp("broken"), events=events[kept].reset_index(drop=True))


def score_weeks(config: Path, weeks: list[Any]) -> None:
    for week in weeks:
        out = config.parent / f"scores-{week:%Y-%m-%d}.parquet"
        score_leads(
            config, as_of=week.isoformat(), out=out, now=NOW, progress=Silent(), options=ScoreOptions()
        )


def test_a_quiet_company_is_fine_and_the_version_scores_again_what_was_stored(quiet: Path) -> None:
    stored = monitor(quiet, "2025-05-27", scores=str(quiet.parent / "scores-*.parquet"))
    again = monitor(quiet, "2025-05-27")
    assert stored.verdict == "fine"
    assert stored.scored.runs == 9
    assert stored.evidence == again.evidence
    assert stored.realized == again.realized
    assert stored.scored.mature > 100
    assert stored.feedback == again.feedback
    assert stored.feedback.handover.handed_over > 20


def test_nothing_recorded_later_changes_the_result(quiet: Path, tmp_path: Path) -> None:
    shorter = write_company(tmp_path / "shorter", until="2025-05-27")
    assert monitor(shorter, "2025-05-27").evidence == monitor(quiet, "2025-05-27").evidence


def test_the_outcomes_decide_once_they_are_known(quiet: Path) -> None:
    early = monitor(quiet, "2025-04-25")
    assert early.realized is None
    assert "no outcome is known yet, the first on 2025-05-01" in format_monitor(early)
    assert early.estimated is not None
    share = early.estimated.labels["sql"].precision
    assert share is not None
    low, high = format_percent(share.low), format_percent(share.high)
    assert f"{format_percent(share.value)} ({low} to {high})" in format_monitor(early)
    assert early.estimated is not None
    later = monitor(quiet, "2025-10-01")
    assert later.realized is not None
    assert later.realized.metrics is not None
    assert later.realized.metrics.roc_auc.low > 0.5
    assert later.realized.total.n == later.scored.mature > 1000


def test_a_signal_that_is_gone_stops_the_version_within_two_weeks(broken: Path) -> None:
    before = monitor(broken, BREAK.isoformat())
    assert before.verdict == "fine"
    after = monitor(broken, (BREAK + pd.Timedelta(14, "D")).isoformat())
    assert after.verdict == "stop"
    assert after.evidence.since is not None
    assert after.evidence.since > BREAK.isoformat()[:10]
    gone = [reason.feature for reason in after.reasons if reason.kind == "signal_gone"]
    assert any(feature and ACTION in feature for feature in gone)
    text = format_monitor(after)
    assert text.startswith("Stop. Do not use its scores until the cause is fixed.")
    assert "hardly any lead has this signal any more (0% of leads," in text


def test_fewer_conversions_ask_for_a_new_calibration(tmp_path: Path) -> None:
    world = make_watched().world
    won = (world.outcomes["stage"] == "closed_won") & (world.outcomes["occurred_at"] >= WEEKS[0])
    lost = won & (np.random.default_rng(0).random(len(won)) < 0.75)
    config = write_company(tmp_path, outcomes=world.outcomes[~lost].reset_index(drop=True))
    found = monitor(config, "2025-10-20")
    assert found.verdict == "recalibrate"
    assert {reason.kind for reason in found.reasons} == {"fewer_conversions"}
    assert found.realized is not None
    assert not found.realized.total.within


def test_a_flood_of_an_unknown_source_asks_for_training(tmp_path: Path) -> None:
    leads = make_watched().world.leads
    late = (leads["created_at"] >= BREAK) & (np.random.default_rng(0).random(len(leads)) < 0.6)
    source = leads["lead_source"].astype("str").where(~late, "shiny_network")
    found = monitor(write_company(tmp_path, leads=leads.assign(lead_source=source)), "2025-05-20")
    assert found.verdict == "retrain"
    assert [(reason.kind, reason.feature) for reason in found.reasons] == [
        ("new_category", "profile__lead_source__value")
    ]


def test_the_command_prints_one_object_and_fails_where_asked(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["monitor", "--config", str(broken), "--as-of", "2025-05-20", "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--fail-on", "retrain"])
    shown = json.loads(capsys.readouterr().out)
    assert (ended.value.code, shown["verdict"]) == (3, "stop")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


def words_of(section: str) -> list[str]:
    """The words and numbers of a section of the page or of the Markdown report, without tags and marks."""
    return re.sub(r"<[^>]*>|---|^- |^#+ |[|*\\]", " ", html.unescape(section), flags=re.MULTILINE).split()


def test_the_report_has_a_section_on_what_was_found(
    broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    report = ["report", "--config", str(broken), "--out", str(page), "--monitoring"]
    with pytest.raises(SystemExit):
        main(["monitor", "--config", str(broken), "--as-of", "2025-05-20", "--json"])
    (tmp_path / "found.json").write_text(capsys.readouterr().out, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([*report, str(tmp_path / "found.json")])
    text = page.read_text(encoding="utf-8")
    assert ended.value.code == 0
    assert "Stop, as of May 20, 2025." in text
    assert 'href="#monitoring"' in text
    assert "hardly any lead has this signal any more (0% of leads," in text
    written = tmp_path / "report.md"
    with pytest.raises(SystemExit):
        main(
            [
                *report[:3],
                "--out",
                str(written),
                "--format",
                "md",
                "--monitoring",
                str(tmp_path / "found.json"),
            ]
        )
    page_says = words_of(text.partition('<h2 id="monitoring-title">')[2].partition("</section>")[0])
    text_says = words_of(written.read_text(encoding="utf-8").partition("## Is it")[2].partition("\n## ")[0])
    assert page_says == ["Is", "it", *text_says]
    assert len([word for word in text_says if any(map(str.isdigit, word))]) > 60
    other = json.loads((tmp_path / "found.json").read_text(encoding="utf-8")) | {"version": 7}
    (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([*report, str(tmp_path / "other.json")])
    assert ended.value.code == 2
    assert "is about watched version 7" in capsys.readouterr().err


def test_a_file_of_an_earlier_release_says_how_to_write_it_again(
    broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "found.json", str(tmp_path / "report.html")
    again = f"mqlml monitor --as-of DATE --json > {file}"
    texts = {"no JSON": "it is no JSON"}
    texts['{"error": {"kind": "UsageError", "message": "no such date"}}'] = (
        f"holds the error that it printed: no such date. Then write it again: {again}"
    )
    monitor = ["monitor", "--config", str(broken), "--as-of", "2025-05-20", "--json"]
    with pytest.raises(SystemExit):
        main(monitor)
    whole = capsys.readouterr().out
    earlier = json.loads(whole)
    del earlier["evidence"]["recent"]
    texts[json.dumps(earlier)] = (
        f"does not fit this release at 'evidence.recent': field required; write it again: {again}"
    )
    for text, told in texts.items():
        file.write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            main(["report", "--config", str(broken), "--out", page, "--monitoring", str(file)])
        assert ended.value.code == 1
        assert told in capsys.readouterr().err
    assert not Path(page).exists()


def test_mlflow_has_the_figures_of_each_date(tmp_path: Path) -> None:
    config = write_company(tmp_path)
    for day in ("2025-05-01", "2025-06-01"):
        found = monitor(config, day)
    with connected(find_store(read_config(config))) as client:
        history = client.get_metric_history(found.run_id, "monitor/evidence")
    assert [(point.timestamp, point.step) for point in history] == [
        (1746057600000, 30),
        (1748736000000, 61),
    ]


@pytest.mark.parametrize(
    ("as_of", "options", "error", "message"),
    [
        (None, {}, UsageError, r"monitor needs a prediction date: add --as-of"),
        ("2025-04-01", {}, UsageError, r"--as-of must be later than the data that the version learned from"),
        ("2025-05-01", {"scores": "nothing-*.csv"}, SourceError, r"'nothing-\*.csv' holds none"),
        ("2025-05-01", {"scores": "leads.csv"}, SourceError, r"cannot be read as such: no column"),
    ],
    ids=["no date", "too early", "no file", "no scores"],
)
def test_what_cannot_be_monitored_says_why(
    quiet: Path,
    monkeypatch: pytest.MonkeyPatch,
    as_of: str | None,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(quiet.parent)
    with pytest.raises(error, match=message):
        monitor_version(quiet, as_of=as_of, options=MonitorOptions(**options), now=NOW, progress=Silent())


def test_scores_of_another_version_are_refused_by_name(quiet: Path, tmp_path: Path) -> None:
    file = sorted(quiet.parent.glob("scores-*.parquet"))[0]
    pd.read_parquet(file).assign(model_version=7).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(SourceError, match=r"holds none: it has scores of watched version 7\. Name other"):
        monitor(quiet, "2025-05-27", scores=str(tmp_path))
