"""The learning curve in words: what the last doubling saved decides what is said of the next."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mqlml.evaluation import Estimate, LearningPoint, TrainingResult
from mqlml.render.report.page import render_report
from mqlml.render.report.periods import doublings, more_history
from mqlml.results import from_json_safe, to_json_safe
from tests.render.report_samples import CURVE, about, normal


def curve(saved: Estimate | None) -> tuple[LearningPoint, ...]:
    """Half of the history, with an error of 0.5, and all of it."""
    return (
        LearningPoint(0.5, 1000, 100, Estimate(0.5, 0.45, 0.55), None),
        LearningPoint(1.0, 2000, 210, Estimate(0.49, 0.44, 0.54), saved),
    )


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (
            Estimate(0.01, 0.005, 0.015),
            "More history should help: learning from all of it rather than half saved 2.0% of the error on later "
            "leads (1.0% to 3.0%), more than chance explains.",
        ),
        (
            Estimate(0.001, -0.002, 0.004),
            "With half of the history the model is nearly as good, so more will help little. The rest saved "
            "0.2% of the error on later leads (−0.4% to 0.8%).",
        ),
        (
            Estimate(0.002, 0.001, 0.004),
            "With half of the history the model is nearly as good, so more will help little. The rest saved "
            "0.4% of the error on later leads (0.2% to 0.8%).",
        ),
        (
            Estimate(-0.01, -0.02, -0.005),
            "With half of the history the model is nearly as good, so more will help little. The rest saved "
            "nothing of the error on later leads (−4.0% to −1.0%).",
        ),
        (
            Estimate(0.01, -0.005, 0.03),
            "It is too early to say whether more history would help: learning from all of it rather than half saved "
            "2.0% of the error on later leads (−1.0% to 6.0%), which chance alone could explain.",
        ),
    ],
    ids=["clear", "little", "clear but little", "worse", "too wide to tell"],
)
def test_the_interval_of_the_last_doubling_decides(saved: Estimate, said: str) -> None:
    found = more_history(curve(saved))
    assert found is not None
    assert re.sub("<[^>]*>", "", found) == said


@pytest.mark.parametrize(
    "points",
    [(), curve(None)[:1], curve(None), curve(about(0.01)), curve(Estimate(0.01, float("nan"), 0.02))],
    ids=["no curve", "one point", "no comparison", "no interval", "no number"],
)
def test_nothing_is_claimed_of_what_was_not_measured(points: tuple[LearningPoint, ...]) -> None:
    assert more_history(points) is None
    assert doublings(points) == []
    page = render_report(replace(normal(), learning_curve=points))
    assert "This version was not tested for whether more history would help" in page
    assert "Would more history help?" not in page


def test_doublings_are_shown_on_one_scale_that_holds_zero() -> None:
    first, last = doublings(CURVE)
    assert (first.title, last.title) == ("From a quarter of it to half", "From half of it to all")
    assert first.saved == '<data value="0.012">4.5%</data>'  # of 0.268
    assert last.saved == '<data value="0.0064">2.5%</data>'  # of 0.256
    assert last.range == '<data value="0.0021">0.8%</data> to <data value="0.0109">4.3%</data>'
    # The longest interval ends at 0.0181 / 0.268 = 6.75%, so 4.48% is at 66.3 of 100, and 2.5% at 37.02.
    assert '<rect class="bar plain" x="0" y="4" width="66.3"' in first.bar
    assert '<rect class="bar plain" x="0" y="4" width="37.02"' in last.bar
    assert re.sub("<[^>]*>", "", last.counts) == "5,604 to 11,147 scored, 470 to 927 converted"


def test_the_page_shows_the_curve_and_keeps_it_through_json() -> None:
    result = normal()
    page = render_report(result)
    assert "More history should help" in page
    assert "From half of it to all" in page
    assert from_json_safe(TrainingResult, to_json_safe(result), where="it") == result
