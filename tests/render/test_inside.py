"""Group by group and thing by thing: what the page says for numbers made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mqlml.evaluation import Direction, Estimate, ImportanceGroup, ImportanceRow, ShapePoint, Slice
from mqlml.render.report.groups import shape_of, slice_groups
from mqlml.render.report.page import render_report
from tests.render.report_samples import about, normal

NOTHING = about(math.nan)
ROWS = (
    Slice("Country", "US", 1200, 60, 0.05, 0.1, Estimate(0.05, 0.03, 0.07), NOTHING, None, ("overpredicts",)),
    Slice("Country", "<b>", 300, 30, 0.1, 0.1, about(0.0), NOTHING, None),
    Slice("Age of the lead", "7d", 900, 90, 0.1, 0.1, Estimate(0.0, -0.02, 0.02), NOTHING, None),
)


def test_groups_are_shown_by_column_on_one_scale() -> None:
    country, age = slice_groups(ROWS)
    assert (country.title, country.fails, age.title, age.fails) == ("Country", 1, "Age of the lead", 0)
    assert [row.faults for row in country.rows] == ["predicts too much", ""]
    us, other = country.rows
    assert us.happened == '<data value="0.05">5.0%</data>'
    assert us.predicted == '<data value="0.1">10%</data>'
    assert us.counts == '<data value="1200">1,200</data> scored, <data value="60">60</data> converted'
    assert age.rows[0].title == "7 days after the lead came in"
    # The widest interval ends at 12%, so 10% is at 83 of 100 in every row.
    for row in (us, other, age.rows[0]):
        assert '<line class="forecast" x1="83.33"' in row.bar
        assert row.bar.endswith("</svg>")
    assert '<rect class="bar plain" x="0" y="4" width="41.67"' in us.bar


def test_groups_are_written_as_in_the_signals() -> None:
    names = ["c_level", "paid_search", "missing", "vp", "all others", "US"]
    (group,) = slice_groups(tuple(replace(ROWS[1], column="Role", value=name) for name in names))
    titles = ["C-level", "Paid search", "Not given", "VP", "All others", "US"]
    assert [row.title for row in group.rows] == titles


def test_the_page_says_for_whom_it_holds() -> None:
    page = render_report(replace(normal(), slices=ROWS))
    assert "Does it work for every group?" in page
    assert "Caution: the model predicts too much" in page
    assert "&lt;b&gt;" in page
    assert "<summary><b>" not in page
    assert page.count("<details open>") == 1
    healthy = render_report(replace(normal(), slices=ROWS[1:]))
    assert (
        "No group is off by more than chance once the overall forecast error is taken into account."
        in healthy
    )
    assert "Does it work for every group?" not in render_report(normal())


def effect(direction: Direction | None, *points: tuple[float | str | None, float]) -> ImportanceRow:
    shape = tuple(ShapePoint(value, probability, 0.1) for value, probability in points)
    return ImportanceRow("x", "profile", Estimate(0.1, 0.05, 0.2), "X", direction, shape)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (effect("rises", (0, 0.02), (5, 0.08)), "more is better: 2.0% to 8.0%"),
        (
            effect("falls", (0, 0.08), (5, 0.02), (None, 0.5)),
            "less is better: 8.0% down to 2.0%",
        ),
        (effect("peaks", (0, 0.02), (1200, 0.08), (2000, 0.02)), "best at about 1,200: 8.0%"),
        (effect("dips", (0, 0.08), (2.5, 0.02), (9, 0.08)), "worst at about 2.5: 2.0%"),
        (effect("differs", ("a", 0.08), ("b", 0.02)), "best “a” 8.0%, worst “b” 2.0%"),
        (effect("varies", (0, 0.1), (1, 0.2), (2, 0.1), (3, 0.2)), "up and down: 10% to 20%"),
        (effect("flat", (0, 0.1), (1, 0.1)), "hardly moves it by itself"),
    ],
    ids=lambda value: value.direction if isinstance(value, ImportanceRow) else "",
)
def test_how_a_thing_moves_the_probability_in_words(given: ImportanceRow, said: str) -> None:
    found = shape_of(given)
    assert found is not None
    words, curve = found
    assert words == said
    assert ("polyline" in curve) == (given.direction != "differs")
    assert curve.count("<rect") == (2 if given.direction == "differs" else 0)


def test_nothing_is_said_without_a_curve() -> None:
    assert shape_of(effect(None)) is None
    assert shape_of(effect("rises", (1, 0.2), (None, 0.3))) is None


def test_groups_of_alike_features_stand_on_the_page() -> None:
    data = normal()
    assert data.importance is not None
    visits = replace(effect(None), sentence="Visits to the pricing page")
    twins = ImportanceGroup(("x", "y", "z", "u"), Estimate(0.1, 0.05, 0.2))
    found = replace(data.importance, features=(*data.importance.features, visits), groups=(twins,))
    page = render_report(replace(data, importance=found))
    assert "Features that say nearly the same thing, together" in page
    assert "and 3 others like it" in page
    assert "Features that say nearly the same thing, together" not in render_report(data)


def test_a_period_that_was_opened_before_is_not_called_untouched() -> None:
    data = normal()
    assert "which played no part in any choice" in render_report(data)
    page = render_report(replace(data, holdout=replace(data.holdout, accessed_with_other_settings=2)))
    assert "which played no part in any choice" not in page
    assert 'which <data value="2">2</data> other settings were evaluated on before' in page
