"""What is said of the model period by period, and of fit by engagement, holds for the numbers given."""

from __future__ import annotations

import dataclasses

import pytest

from mqlml.evaluation import Estimate, FitEngagementCell, OverTimePeriod
from mqlml.render.report.groups import fit_engagement_grid
from mqlml.render.report.page import render_report
from mqlml.render.report.periods import over_time
from tests.render.report_samples import CELLS, PERIODS, normal

SURELY, PERHAPS, WORSE = (
    Estimate(0.02, 0.01, 0.03),
    Estimate(0.02, -0.01, 0.05),
    Estimate(-0.03, -0.05, -0.01),
)
HELD = PERIODS[-1]


def period(saved: Estimate) -> OverTimePeriod:
    return dataclasses.replace(PERIODS[0], gain=saved)


BETTER = "its error was smaller than that of giving everyone the base rate"


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ([SURELY], f"In it {BETTER}, by more than chance explains."),
        ([PERHAPS], f"In it {BETTER}."),
        ([SURELY, SURELY], f"In both {BETTER}, by more than chance explains."),
        ([SURELY, PERHAPS], f"In both {BETTER}, in 1 by more than chance explains."),
        (
            [SURELY, PERHAPS, WORSE],
            f"In 2 of them {BETTER}, in 1 by more than chance explains, in 1 it was larger by more than chance "
            "explains.",
        ),
        ([WORSE, WORSE], f"In none of them {BETTER}, in 2 it was larger by more than chance explains."),
    ],
    ids=["one", "one perhaps", "both", "both, one surely", "mixed", "worse"],
)
def test_the_sentence_counts_periods_and_what_is_beyond_chance(saved: list[Estimate], said: str) -> None:
    found = over_time((*map(period, saved), HELD), "UTC")
    assert found is not None
    assert found.sentence.endswith(said)
    assert found.sentence.startswith(f"{len(saved)}")


def test_with_the_held_out_period_alone_nothing_is_said_of_time() -> None:
    assert over_time((HELD,), "UTC") is None
    assert over_time((), "UTC") is None
    assert over_time((dataclasses.replace(PERIODS[0], log_loss=None), HELD), "UTC") is None
    page = render_report(dataclasses.replace(normal(), over_time=(HELD,)))
    assert "were not measured: the history before the held-out period was too short" in page


def test_the_page_holds_every_period_and_every_cell() -> None:
    page = render_report(normal())
    assert 'id="over-time-title"' in page
    for row in PERIODS:
        for found in (row.log_loss, row.log_loss_base_rate, row.gain):
            assert found is not None
            assert all(f'<data value="{end!r}">' in page for end in (found.value, found.low, found.high))
    for cell in CELLS:
        assert f'<data value="{cell.rate.value!r}">' in page
        assert f'<data value="{cell.predicted!r}">' in page
        assert f'<data value="{cell.n}">' in page


def test_the_grid_has_the_best_fit_on_top_and_the_most_engaged_to_the_right() -> None:
    grid = fit_engagement_grid(CELLS)
    assert grid is not None
    assert grid.heads == ("Lowest", "Low", "High", "Highest")
    assert [name for name, _ in grid.rows] == ["Highest", "High", "Low", "Lowest"]
    shown = [[cell.n.striptags() if cell else None for cell in cells] for _, cells in grid.rows]
    assert shown == [
        ["62", "80", "132", "222"],
        ["92", "110", "162", "192"],
        ["154", "162", "138", "98"],
        ["218", "143", "124", "54"],
    ]
    tones = [[cell.tone if cell else None for cell in cells] for _, cells in grid.rows]
    assert tones == [
        [1, 2, 3, 4],
        [1, 2, 3, 3],
        [1, 1, 2, 2],
        [0, 1, 1, 2],
    ]
    assert grid.sentence.striptags() == (
        "Share of leads that converted: highest in both, 20%; with the best fit but the least engagement, 6.5%; "
        "with the most engagement but the poorest fit, 9.3%; lowest in both, 1.8%."
    )


def test_where_nobody_is_the_grid_says_none() -> None:
    grid = fit_engagement_grid(CELLS[1:])
    assert grid is not None
    assert grid.rows[-1][1][0] is None
    page = render_report(dataclasses.replace(normal(), fit_by_engagement=CELLS[1:]))
    assert page.count(">none<") == render_report(normal()).count(">none<") + 1


def test_without_two_sides_there_is_no_grid() -> None:
    same = tuple(FitEngagementCell(cell.fit, 1, cell.n, 1, 0.1, cell.rate) for cell in CELLS[::3])
    assert fit_engagement_grid(same) is None
    page = render_report(dataclasses.replace(normal(), fit_by_engagement=same))
    assert "the model uses only one of the two, or neither" in page
    assert "Fit is what the profile" not in page
