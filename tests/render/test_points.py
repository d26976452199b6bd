"""What is said of a points table: when a model will be possible, and how the points stand beside it."""

from __future__ import annotations

import math

import pytest

from mqlml.evaluation import Estimate
from mqlml.insight import (
    MoreWins,
    PointsEvaluation,
    PointsLabel,
    PointsLoss,
    PointsRow,
    PointsTable,
    ScaleStep,
)
from mqlml.insight.pieces import InsightResults
from mqlml.render.report.page import render_report
from mqlml.render.report.value.points import (
    describe_evaluation,
    describe_labels,
    describe_more_wins,
    describe_use,
    write_points,
)
from mqlml.training import HoldoutPeriod
from tests.render.report_samples import normal
from tests.render.test_page import Page

NOTHING = Estimate(math.nan, math.nan, math.nan)
BASE = PointsLoss(0.3, Estimate(-0.06, -0.08, -0.04), math.nan, NOTHING)
MODEL = PointsLoss(0.2, Estimate(0.04, 0.01, 0.07), 0.9, Estimate(-0.05, -0.08, 0.01))
TABLE = PointsTable(
    source="model",
    learned_from=5000,
    base_rate=0.1,
    rows=(
        PointsRow("At least 1 demo <request>", 10, 0.04, "a", 1.0, None),
        PointsRow("Country not given", -3, 0.2, "b", math.nan, "missing"),
    ),
    scale=(ScaleStep(10, 0.3, 0.03, "sql"), ScaleStep(-3, 0.05, 1.0, None)),
    held_out=HoldoutPeriod("2026-01-01", "2026-03-01", 900),
    evaluation=PointsEvaluation(
        snapshots=900,
        leads=300,
        converted=80,
        log_loss=Estimate(0.24, 0.2, 0.28),
        roc_auc=Estimate(0.85, 0.8, 0.9),
        beside_base_rate=BASE,
        beside_model=MODEL,
        labels={"sql": PointsLabel(10, 40, Estimate(0.75, 0.6, 0.85), 20, 17.5)},
    ),
    more_wins=None,
    signals=None,
)


def wins(low: float, high: float) -> MoreWins:
    return MoreWins(31, 11, 50, 19, 7, Estimate(3, 2, 5), Estimate((low + high) / 2, low, high))


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (6.1, 10.4, "that will take about 6.1 to 10 more months."),
        (40, 90, "that will take 40 months to more than 5 years."),
        (70, 90, "that will take more than 5 years."),
    ],
)
def test_when_there_will_be_enough(low: float, high: float, says: str) -> None:
    text = describe_more_wins(wins(low, high))
    assert text.startswith(
        "You have 31 conversions of 11 leads to learn from, and a model needs 50. At 2.0 to 5.0"
    )
    assert text.endswith(says)


def test_without_dates_nobody_can_tell_when() -> None:
    text = describe_more_wins(MoreWins(31, 11, 50, 19, 7, NOTHING, NOTHING))
    assert text.endswith("and a model needs 50: 19 more.")


def test_a_table_without_rows_says_so() -> None:
    empty = PointsTable(**{**vars(TABLE), "rows": (), "scale": ()})
    assert "no points to give: every lead has the average chance of 10%" in describe_use(empty)
    assert describe_evaluation(empty) == describe_labels(empty) == []
    assert "| If |" not in "\n".join(write_points(empty))


def test_page_and_markdown_say_the_same() -> None:
    page = Page(render_report(normal(), insight=InsightResults(points=TABLE)))
    text = " ".join(page.text.split())
    markdown = "\n".join(write_points(TABLE))
    for sentence in (
        "For each lead, add up the points of those of the 2 conditions that apply. It is SQL from 10 points.",
        "Of the 40 later leads that the model calls SQL, 20 converted; of the 40 with the most points, 18 did. The "
        "two picks share 75% (60% to 85%) of their leads.",
        "Compared with the average rate, the points are better: log loss 0.2400 against 0.3000, a difference of "
        "−0.0600 (−0.0800 to −0.0400).",
        "Compared with the model, they are worse: log loss 0.2400 against 0.2000, a difference of +0.0400 (+0.0100 "
        "to +0.0700); they keep 60% of its gain over the average rate.",
        "Of two leads, the points pick the better one 85% of the time, the model 90%",
    ):
        assert sentence in text
        assert sentence in markdown
    assert "+10" in text
    assert "| Country not given | −3 | 20% |" in markdown
    assert "<request>" not in markdown.replace("\\<", "")
