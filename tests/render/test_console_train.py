"""What train prints: lines made of a result, and one verdict on each simpler way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from markupsafe import escape

from mqlml.evaluation import Estimate, LabelPrediction, Promotion, TrainingResult, WithinRange
from mqlml.journeys.quarantine import Notice, NoticeKind
from mqlml.render.console.train import format_train
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.report.text import format_notice
from mqlml.render.results import TrainedVersion
from mqlml.results import to_json_safe
from tests.render.report_samples import label, normal, refused


def trained(result: TrainingResult, **keys: Any) -> TrainedVersion:
    given = {"version": 7, "run_id": "4f1c", "aliases": ("champion",), "set_aside_in": ("events",), **keys}
    return TrainedVersion(**vars(result), **given)


def test_the_version_stands_beside_the_result_in_one_flat_json() -> None:
    stored = to_json_safe(trained(normal(), seconds={"fit": 0.2}))
    assert (stored["model"], stored["version"], stored["run_id"]) == ("lead-conversion", 7, "4f1c")
    assert stored["seconds"] == {"fit": 0.2}
    assert {name: value for name, value in stored.items() if name in to_json_safe(normal())} == to_json_safe(
        normal()
    )


def test_the_lines_hold_the_figures_of_the_result() -> None:
    lines = format_train(trained(normal())).splitlines()
    assert lines[0] == "Note: Some rows were set aside (events); mqlml check says which and why."
    assert (
        "Evaluated on the last period, 2018-03-14 until 2018-05-31: 2,143 snapshots, 179 convert (8.4%)"
        in lines
    )
    assert [line.split() for line in lines if line.startswith("  ROC AUC ")] == [
        ["ROC", "AUC", "0.764", "0.741", "to", "0.789"]
    ]
    assert [line.split() for line in lines if line.startswith("  calibration error")] == [
        ["calibration", "error", "0.0061", "0.0038", "to", "0.0119"]
    ]
    assert lines[-1] == "Registered lead-conversion version 7 as champion"
    assert format_train(trained(normal(), version=None)).endswith("nothing was registered (dry run)")


def test_the_verdict_on_each_baseline_is_the_one_of_the_result() -> None:
    result = normal()
    rivals = {
        name: replace(found, verdict=verdict)
        for (name, found), verdict in zip(
            result.baselines.items(), ("better", "worse", "not_clearly_better"), strict=True
        )
    }
    lines = format_train(trained(replace(result, baselines=rivals))).splitlines()
    start = lines.index("Compared with simpler methods on the same leads")
    assert lines[start + 1].endswith("mqlml is")
    assert [line.rsplit("  ", 1)[1] for line in lines[start + 3 : start + 6]] == [
        "better",
        "worse",
        "not clearly better",
    ]


@pytest.mark.parametrize(
    ("within", "verdict"),
    [
        (WithinRange(precision=True, per_week=True), "within range"),
        (WithinRange(precision=True, per_week=False), "partly within range"),
        (WithinRange(precision=False, per_week=False), "out of range"),
        (WithinRange(precision=True, per_week=None), "within range"),
    ],
    ids=["all", "one", "none", "one not measured"],
)
def test_a_label_says_what_was_predicted_and_whether_it_held(within: WithinRange, verdict: str) -> None:
    shown = replace(
        label(0.12, "Fixed", 90, Estimate(0.3, 0.2, 0.4), Estimate(0.5, 0.4, 0.6), Estimate(4.0, 3.0, 5.0)),
        evaluated_at=0.1,
        predicted=LabelPrediction(precision=Estimate(0.3, 0.25, 0.35), per_week=Estimate(5.0, 2.0, 8.0)),
        within_range=within,
        next=LabelPrediction(precision=Estimate(0.3, 0.2, 0.4)),
        note="selects the same leads as iql",
    )
    lines = format_train(trained(replace(normal(), labels={"mql": shown}))).splitlines()
    start = lines.index("Labels")
    assert lines[start + 1 : start + 6] == [
        "  MQL from a probability of 0.120",
        "    forecast for the next period: 20.0% to 40.0% convert, not enough history for more (90% confidence)",
        "    held-out period, from 0.100: 30.0% of those above convert, 50.0% of all conversions are caught, "
        "4.0 leads a week",
        "    forecast for that period: 25.0% to 35.0% convert, 2.0 to 8.0 leads a week (90% confidence): "
        + verdict,
        "    note: selects the same leads as iql",
    ]


def test_without_history_nothing_is_forecast() -> None:
    lines = format_train(trained(normal())).splitlines()
    assert "    forecast for the next period: not enough history" in lines


def test_rules_are_counted_and_a_refusal_says_why() -> None:
    rule = Promotion(11, 2, Estimate(0.18, 0.0, 0.5), reason="asked", to="sql", raised=5)
    text = format_train(trained(replace(normal(), promoted=(rule,))))
    assert (
        "  Promoted to SQL by the rule “asked”: 11 snapshots, 18.0% of them convert; 5 were lower without it"
        in text
    )
    assert "  Disqualified, outside our region: 41 snapshots, 2 of them convert" in text
    lines = format_train(trained(refused(), version=None)).splitlines()
    assert lines[lines.index("Refused") + 1 :] == [f"  {reason}" for reason in refused().gate.reasons]


def test_what_was_changed_while_reading_is_told_first() -> None:
    result = normal()
    notice = Notice("machine_events", "events", "", 31, 3, ("click",))
    told = replace(result, data=replace(result.data, notices=(notice,)))
    lines = format_train(trained(told, set_aside_in=())).splitlines()
    assert lines[:3] == [
        "Read",
        "  Left out 31 events of 3 leads that were made by machines (bursts within seconds, mail scanners), for "
        "example 'click'. To keep them, write journeys: {bots: keep}.",
        "Population",
    ]
    assert format_train(trained(result, set_aside_in=())).startswith("Population")


@pytest.mark.parametrize("kind", get_args(NoticeKind))
def test_every_notice_is_a_sentence_on_every_surface(kind: NoticeKind) -> None:
    result = normal()
    notice = Notice(kind, "leads", "Revenue", 1234, 567, ("a <b>",))
    told = replace(result, data=replace(result.data, notices=(notice,)))
    text = format_notice(notice)
    assert text.endswith(".")
    assert "{" not in text or ": {" in text
    assert str(escape(text)) in render_report(told)
    assert str(escape(text)) not in render_report(result)
    assert text.split(" a <")[0][:60] in render_markdown(told)
    assert list_tables(told)["notices"] == [
        {"kind": kind, "table": "leads", "column": "Revenue", "rows": 1234, "leads": 567}
    ]
